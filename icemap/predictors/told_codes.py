"""Numbers that the words of a file say mean missing."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MISSING = r"(?:missing|no[ _-]?data|fill(?:[ _]?values?)?|masked|not available|invalid|undefined)"
_NUMBER = r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_IS = r"(?:=+|:|->|\bis\b|\bmeans?\b|\bfor\b|\bindicates?\b|\bdenotes?\b|\brepresents?\b)"
_ARE = (
    r"(?:\s*(?:=+|:|\b(?:is|are|was|were|set|coded|given|marked|flagged|filled|denoted"
    r"|represented|as|by|with|to)\b))+"
)
_CELLS = r"(?: (?:values?|cells?|pixels?|data|points?|codes?|areas?))*"
# 99 = missing; behind a letter or a point it is a part of another number.
_BEFORE = re.compile(rf"(?<![\w.+-]){_NUMBER}\s*{_IS}\s*[\"'(]?(?:the |a )?{_MISSING}\b", re.I)
# Missing cells are set to -1; 5 % or 5 days are no codes.
_BEHIND = re.compile(
    rf"\b{_MISSING}\b{_CELLS}{_ARE}\s*[\"'(]?{_NUMBER}(?=$|[\s\"']*$|[\"')\]]|\s*[,;]|\.(?!\d)|\s+(?:and|or)\b)",
    re.I,
)
# Tells of what was done to a file, not of what it holds.
_OF_THE_PAST = ("history", "references", "nco", "cdo")


def codes_told(attrs: Mapping[str, object]) -> dict[float, str]:
    """Numbers that mean missing by a text about a variable or band, and which text says so.

    Parameters
    ----------
    attrs : mapping
        Of a variable or band.

    Examples
    --------
    >>> codes_told({"comment": "snow depth; 99 = missing"})
    {99.0: "the attribute 'comment' ('99 = missing')"}
    >>> codes_told({"note": "Missing values are set to -1.", "title": "missing: 5 % of cells"})
    {-1.0: "the attribute 'note' ('Missing values are set to -1')"}
    """
    return {
        float(found[1]): f"the attribute '{key}' ('{found[0].strip()}')"
        for key, text in attrs.items()
        if isinstance(text, str) and key.lower() not in _OF_THE_PAST
        for pattern in (_BEFORE, _BEHIND)
        for found in pattern.finditer(text)
    }
