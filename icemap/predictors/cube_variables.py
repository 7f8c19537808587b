"""What a cube says of its predictors and masks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from icemap import __version__
from icemap.gridded import Variable
from icemap.predictors.align import Resampling
from icemap.provenance import digest, fingerprint
from icemap.source import Source

VALID = Variable(
    "valid",
    "uint8",
    {
        "long_name": "cell is mapped: inside every mask and with every predictor",
        "flag_values": [0, 1],
        "flag_meanings": "no yes",
    },
)
FRACTION = Variable(
    "fraction",
    "float32",
    {"long_name": "part of the cell that counts in the ice storage", "units": "1"},
)


def cube_attrs(title: str, sources: Iterable[Source]) -> dict[str, str]:
    """Attributes of the group of a cube."""
    licences = dict.fromkeys(source.licence for source in sources if source.licence)
    return {
        "title": f"{title}: predictors",
        "summary": f"{title}: predictors and masks of a map, aligned on one grid.",
        "history": f"icemap {__version__}: aligned from the source that each variable names",
        "license": "; ".join(licences) or "as each variable says",
    }


def identity(source: Source) -> list[Any]:
    """What the values of a source depend on: its settings and the content of its files, but neither
    their addresses nor words.
    """
    return [
        source.settings(),
        [leaf.url for leaf in source.leaves if leaf.is_virtual],
        [fingerprint(url) for url in source.files],
    ]


def flag_word(name: str) -> str:
    """The name of a class as one word of ``flag_meanings``, of the letters that CF allows.

    Letters of other alphabets stay: a name that says nothing would be worse.

    Examples
    --------
    >>> flag_word("Cropland / other vegetation"), flag_word("Tree (open)"), flag_word("forêt")
    ('Cropland_other_vegetation', 'Tree_open', 'foret')
    """
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[^\w.+@-]+", "_", plain).strip("_") or "_"


def described(source: Source, how: Resampling | None, predictor: bool, note: str) -> Variable:
    """One predictor or mask of a cube with all that is said about it.

    Parameters
    ----------
    source : Source
        With its classes.
    how : Resampling or None
        None for what is not resampled.
    predictor : bool
        False for a mask.
    note : str
        What was done to its values, empty if nothing.
    """
    attrs: dict[str, object] = {
        "long_name": source.long_name,
        "units": source.unit,
        "family": source.family,
        "kind": source.kind or "continuous",
    }
    attrs |= {
        "source": source.origin,
        "licence": source.licence,
        "citation": source.citation,
        "role": "predictor" if predictor else "mask",
    }
    if source.valid_range is not None:
        attrs["valid_range"] = list(source.valid_range)
    attrs["digest"] = digest(identity(source))
    filled = (
        [f"nearest value up to {source.fill_nearest} source cells away"]
        if source.fill_nearest
        else []
    )
    filled += [f"{source.fill_value:g}"] if source.fill_value is not None else []
    if filled:
        attrs["gaps_filled_with"] = ", then ".join(filled)
    if source.derived is not None:
        attrs["derivation"] = source.derived.text
    if source.fraction_of:
        attrs["fraction_of"] = ", ".join(source.classes[code] for code in source.fraction_of)
    if note:
        attrs["conversion"] = note
    if how is not None:
        attrs["resampling"] = how.method
    if source.kind == "class":
        attrs |= {
            "flag_values": sorted(source.classes),
            "flag_meanings": " ".join(flag_word(source.classes[c]) for c in sorted(source.classes)),
        }
    return Variable(source.name, "uint8" if source.kind == "class" else "float32", attrs)
