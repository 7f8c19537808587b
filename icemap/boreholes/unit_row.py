"""A row of units below the header of a table: it goes into the header."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.table_units import canonical_unit, header_unit, is_unit, same_unit
from icemap.errors import IcemapError

# Signs for no value are spellings of "no unit", too: they alone make no row of units.
_NO_UNIT = "1"
_BRACKETS = re.compile(r"[\[(](.*)[\])]")
# What stands below coordinates and years in place of a unit.
_OF_PLACES = re.compile(
    r"wgs[ -]?84|nad[ -]?\d\d|(?:pulkovo|epsg).*|decimal degrees?|dd|yyyy|°?\s?[nsew]"
    r"|deg(?:rees)?[ _]?(?:[nsew]|north|south|east|west)",
    re.IGNORECASE,
)


def units_below(frame: pd.DataFrame) -> dict[str, str]:
    """Units by column where the first row holds them; {} if it is a row like the others.

    It is one where every cell above numbers is a unit, with or without brackets, says what
    coordinates are, or is empty, and one at least is a unit.

    Parameters
    ----------
    frame : DataFrame
        Cells as they were written.

    Examples
    --------
    >>> units_below(pd.DataFrame({"site": ["", "a"], "lon": ["deg", "15.2"], "alt": ["cm", "80"]}))
    {'lon': 'deg', 'alt': 'cm'}
    >>> units_below(pd.DataFrame({"site": ["b", "a"], "alt": ["81", "80"]}))
    {}
    """
    first = frame.iloc[0].dropna()
    cells = {str(name): _BRACKETS.sub(r"\1", str(value).strip()) for name, value in first.items()}
    if len(frame) < 2 or not any(map(_tells, cells.values())):
        return {}
    for name in cells:
        if pd.api.types.is_numeric_dtype(frame[name].dtype):
            # The unit 1 reads like a number.
            if first[name] != 1:
                return {}
            cells[name] = _NO_UNIT
    units = {
        name: cell
        for name, cell in cells.items()
        if cell and np.isfinite(parse_numbers(frame[name].iloc[1:]).value).any()
    }
    known = all(is_unit(unit) or _OF_PLACES.fullmatch(unit) for unit in units.values())
    return units if known and any(map(_tells, units.values())) else {}


def _tells(cell: str) -> bool:
    return is_unit(cell) and canonical_unit(cell) != _NO_UNIT


def with_units(header: str, unit: str, file: str, line: int) -> str:
    """The header of a column with the unit that stands below it.

    Parameters
    ----------
    header, unit : str
    file : str
        As it may be shown.
    line : int
        Of the row of units.

    Raises
    ------
    IcemapError
        If the header gives another unit.

    Examples
    --------
    >>> with_units("alt", "cm", "t.csv", 2), with_units("alt [cm]", "centimetres", "t.csv", 2)
    ('alt [cm]', 'alt [cm]')
    """
    told, _ = header_unit(header)
    if told is None:
        return f"{header} [{unit}]"
    if canonical_unit(told) != canonical_unit(unit) and not same_unit(told, unit):
        raise IcemapError(
            f"{file}: the header '{header}' gives the unit '{told}' and the row of units (line"
            f" {line}) '{unit}': correct the one that is wrong."
        )
    return header
