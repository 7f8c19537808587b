"""Coordinates whose minutes or direction stand in a column of their own."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.coordinates import AXIS_LETTERS, Axis
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError

# How headers call the axis, and the parts of a degree.
AXIS_WORDS = {
    "longitude": r"lon|long|longitude|lng|долгота|经度",
    "latitude": r"lat|latitude|широта|纬度",
}
_WORDS = r"min|mins|minute|minutes|мин|минуты?|分|'|′"
MINUTES = rf"{_WORDS}|mm|m"
# Of the column next to the degrees, which need not name the axis.
_MINUTES_NEXT = re.compile(rf"(?:dec(?:imal)? )?(?:{_WORDS})(?: [nsew]| \d)?")
# Headers of columns that hold one letter a row; an aspect of slopes holds such letters, too.
DIRECTIONS = r"hemisphere|hemi|dir|direction|ref|e w|w e|ew|we|n s|s n|ns|sn|east west|north south"


def require_whole(
    frame: pd.DataFrame, header: str, values: NDArray[np.float64], axis: Axis
) -> None:
    """Refuse a column of degrees whose minutes or direction stand in another column.

    Parameters
    ----------
    frame : DataFrame
        The table.
    header : str
        Of the column.
    values : ndarray of shape (rows,)
        What was read from it, degrees east or north.
    axis : str
        ``longitude`` or ``latitude``.

    Raises
    ------
    IcemapError
        Naming both columns; without the name of the file.

    Examples
    --------
    >>> table = pd.DataFrame({"lon": [150.5], "E/W": ["W"]})
    >>> require_whole(table, "lon", np.array([150.5]), "longitude")
    Traceback (most recent call last):
    icemap.errors.IcemapError: the column 'E/W' says W where 'lon' is positive: write western
    and southern degrees with a minus sign, or the letter into their cells.
    """
    given = values[np.isfinite(values)]
    if not len(given):
        return
    positive, negative = AXIS_LETTERS[axis][0], AXIS_LETTERS[axis][1]
    columns = list(map(str, frame.columns))
    for place, other in enumerate(columns):
        if other == header:
            continue
        plain = " ".join(re.split(r"[\s_,;:()\[\]./-]+", other.lower())).strip()
        about_axis = re.match(rf"({AXIS_WORDS[axis]})\b", plain) is not None
        if about_axis or re.fullmatch(DIRECTIONS, plain):
            letters = as_text(frame[other]).str.upper().str[:1]
            if (
                letters.isin([positive, negative, ""]).all()
                and ((letters == negative).to_numpy() & (values > 0)).any()
            ):
                raise IcemapError(
                    f"the column '{other}' says {negative} where '{header}' is positive: write"
                    " western and southern degrees with a minus sign, or the letter into their"
                    " cells."
                )
        minutes_of = about_axis and re.search(rf"\b({MINUTES})$", plain)
        # A minimum has its maximum next to it.
        if place and columns[place - 1] == header and "max" not in columns[place + 1 :][:1]:
            unnamed = not re.match("|".join(AXIS_WORDS.values()), plain)
            minutes_of = minutes_of or (unnamed and _MINUTES_NEXT.fullmatch(plain))
        if minutes_of and (given % 1 == 0).all():
            minutes = parse_numbers(frame[other]).value
            minutes = minutes[np.isfinite(minutes)]
            if len(minutes) and (minutes >= 0).all() and (minutes < 60).all() and minutes.any():
                raise IcemapError(
                    f"the column '{header}' holds whole degrees, and '{other}' what looks like"
                    " their minutes: write both into one column, as 65 30 15 or as decimal"
                    " degrees."
                )
