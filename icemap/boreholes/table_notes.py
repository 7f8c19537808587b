"""What titles and footnotes of a table say of its columns."""

from __future__ import annotations

import re

import numpy as np

from icemap.boreholes.table_units import NAMELESS, same_unit, split_header
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# Units in sentences, which say them behind these words: not "at 5 cm intervals". A title such as
# "Ft Simpson" is none of depths.
_SAYS = r"(?:\b(?:in|are|units?:?)\s+|[(\[,:=]\s*)"
_LENGTHS = {
    "ft": r"\b(?:feet|foot|ft)\b",
    "in": r"\binch(?:es)?\b",
    "cm": r"\b(?:cm|centimet(?:er|re)s?)\b",
    "mm": r"\b(?:mm|millimet(?:er|re)s?)\b",
    "m": r"\b(?:m|met(?:er|re)s?)\b",
}
_DEPTHS = re.compile(r"\bdepths?\b|\bintervals?\b|\btops?\b|\bbottoms?\b|\btiefen?\b|profondeur")
_IN_TITLES = re.compile(r"[(\[]\s*\w+\s*[)\]]|\bfeet\b|\bin ft\b|\bdepths? \w+$")
_THAW = re.compile(r"\bthaw|active layer|\balt\b|permafrost table|frost table|\bsnow|\bwater depth")
_OF_THAW = ("permafrost_table", "value")
# What is said of one of them goes for all.
_OF_DEPTH = ("top", "base", "depth")
_ORIGIN = (
    r"depths?\b.*(?:below|from|relative to|above) (?:the )?(?:permafrost table|top of (?:the )?"
    r"(?:permafrost|casing)|active layer|frost table|casing|sea level|water|snow|(?:lake )?ice\b)"
)
_BY_MASS = (
    r"(?:\b(?:ice|water)[ -]contents?\b|\bvic\b)"
    r".*(?:by (?:weight|mass)|gravimetric|\bwt\b|wt%|of dry)"
)
# Columns, and words by which a sentence says that they are something else.
_CONTRARY = (
    (
        "gravimetric_water",
        r"wet[ -](?:basis|weight|mass)|total (?:weight|mass)|feuchtgewicht|feuchtmasse"
        r"|base humide",
        "water by dry mass",
    ),
    ("reported_vic", _BY_MASS, "ice by frozen volume"),
    ("volumetric_water", _BY_MASS, "water by frozen volume"),
    ("top", _ORIGIN, "a depth below the surface"),
    ("depth", _ORIGIN, "a depth below the surface"),
)


def notes(table: Table) -> list[str]:
    """Sentences of a table that are no rows: those alone in a row or in a column without a name,
    headers without cells, and comments on cells.
    """
    frame = table.frame
    filled = frame.notna().to_numpy(bool)
    alone = np.flatnonzero(filled.sum(axis=1) == 1)
    cells = [frame.iat[int(row), int(filled[row].argmax())] for row in alone]
    empty = [
        name
        for name, some in zip(frame.columns, filled.T)
        if not some.any() and _is_sentence(str(name))
    ]
    for name in frame.columns:
        if NAMELESS.fullmatch(str(name)):
            cells += frame[name].dropna().unique().tolist()
    texts = [str(text).strip() for text in (*cells, *empty) if isinstance(text, str)]
    texts += [" ".join(text.split()) for text in table.comments]
    return [text for text in texts if " " in text]


def _is_sentence(name: str) -> bool:
    return re.search(r"\b(?:in|is|are|on|as)\b", name) is not None


def require_noted_units(table: Table, headers: dict[str, str], units: dict[str, str]) -> None:
    """Refuse depths, water and ice that a title or a footnote says to be something else.

    Parameters
    ----------
    table : Table
    headers : dict of str
        Of the columns, by icemap's names.
    units : dict of str
        Those of lengths, in which they are read.

    Raises
    ------
    IcemapError
        Naming the sentence and the column.
    """
    for text in (*notes(table), table.title):
        plain = text.lower().replace("_", " ")
        _require_lengths(table, headers, units, text, plain)
        for name, pattern, meaning in _CONTRARY:
            meant = name in headers and not _is_of_another(table, text, headers, name)
            said = re.search(pattern, plain) if meant else None
            if said is not None:
                raise IcemapError(
                    f"{table.file}: '{text[:80]}' says '{said[0]}', and the column"
                    f" '{headers[name]}' is read as {meaning}: convert the column, or remove the"
                    " sentence if it is about something else."
                )


def _is_of_another(table: Table, text: str, headers: dict[str, str], name: str) -> bool:
    """Whether a text stands behind the name of another column, and no depth is spoken of."""
    about = text.partition(": ")[0]
    columns = {split_header(str(header))[0] for header in table.frame.columns}
    return name not in _OF_DEPTH and about in columns - {split_header(headers[name])[0]}


def _require_lengths(
    table: Table, headers: dict[str, str], units: dict[str, str], text: str, plain: str
) -> None:
    mentioned = [unit for unit, word in _LENGTHS.items() if re.search(word, plain)]
    says = "" if text == table.title else _SAYS
    named = [unit for unit in mentioned if re.search(says + _LENGTHS[unit], plain)]
    if not named:
        return
    thaw = _THAW.search(plain) is not None
    about = (_IN_TITLES if text == table.title else _DEPTHS).search(plain) is not None
    for name, unit in units.items():
        spoken_of = thaw if name in _OF_THAW else about and not thaw
        if spoken_of and not any(same_unit(unit, other) for other in mentioned):
            raise IcemapError(
                f"{table.file}: '{text[:80]}' speaks of {' and '.join(named)}, and the column"
                f" '{headers[name]}' is read in '{unit}': correct the unit in the header or the"
                " config, or remove the sentence if it is about something else."
            )
