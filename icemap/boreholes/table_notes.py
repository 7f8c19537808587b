"""What titles and footnotes of a table say of its columns."""

from __future__ import annotations

import re

import numpy as np

from icemap.boreholes.table_units import same_unit
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# Units in sentences. A title such as "Ft Simpson" is none of depths.
_LENGTHS = {
    "ft": r"\b(?:feet|foot|ft)\b",
    "in": r"\binch(?:es)?\b",
    "cm": r"\b(?:cm|centimet(?:er|re)s?)\b",
    "mm": r"\b(?:mm|millimet(?:er|re)s?)\b",
    "m": r"\b(?:m|met(?:er|re)s?)\b",
}
_DEPTHS = re.compile(r"\bdepths?\b|\bintervals?\b|\btops?\b|\bbottoms?\b|\btiefen?\b|profondeur")
_IN_TITLES = re.compile(r"[(\[]\s*\w+\s*[)\]]|\bfeet\b|\bin ft\b|\bdepths? \w+$")
_WET_BASIS = re.compile(
    r"wet[ -](?:basis|weight|mass)|total (?:weight|mass)|feuchtgewicht|feuchtmasse|base humide"
)


def notes(table: Table) -> list[str]:
    """Sentences of a table that are no rows: those alone in a row, and headers without cells."""
    frame = table.frame
    filled = frame.notna().to_numpy(bool)
    alone = np.flatnonzero(filled.sum(axis=1) == 1)
    cells = [frame.iat[int(row), int(filled[row].argmax())] for row in alone]
    empty = [name for name, some in zip(frame.columns, filled.any(axis=0)) if not some]
    texts = [str(text).strip() for text in (*cells, *empty) if isinstance(text, str)]
    return [text for text in texts if " " in text]


def require_noted_units(table: Table, headers: dict[str, str], units: dict[str, str]) -> None:
    """Refuse depths and water contents that a title or a footnote says to be something else.

    Parameters
    ----------
    table : Table
    headers : dict of str
        Of the columns, by icemap's names.
    units : dict of str
        Those of depths, in which they are read.

    Raises
    ------
    IcemapError
        Naming the sentence and the column.
    """
    said = [(text, _DEPTHS) for text in notes(table)] + [(table.title, _IN_TITLES)]
    for text, about in said:
        plain = text.lower().replace("_", " ")
        if "gravimetric_water" in headers and (wet := _WET_BASIS.search(plain)):
            raise IcemapError(
                f"{table.file}: '{text[:80]}' says '{wet[0]}', and the column"
                f" '{headers['gravimetric_water']}' is read as water by dry mass: convert the"
                " column, or remove the sentence if it is about something else."
            )
        named = [unit for unit, word in _LENGTHS.items() if re.search(word, plain)]
        if not named or not about.search(plain):
            continue
        for name, unit in units.items():
            if not any(same_unit(unit, other) for other in named):
                raise IcemapError(
                    f"{table.file}: '{text[:80]}' speaks of {' and '.join(named)}, and the column"
                    f" '{headers[name]}' is read in '{unit}': correct the unit in the header or the"
                    " config, or remove the sentence if it is about something else."
                )
