"""Water by dry mass next to the masses that it was computed from."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_columns import Column
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table
from icemap.boreholes.text import words
from icemap.errors import IcemapError

_MASS = r"\b(?:mass|weight|wt|gewicht|masse)\b"
_WET = re.compile(rf"\b(?:wet|moist|frozen|total|field)\b.*{_MASS}|feucht(?:gewicht|masse)|湿重")
_DRY = re.compile(rf"\b(?:oven )?dr(?:y|ied)\b.*{_MASS}|trocken(?:gewicht|masse)|干重")
# Water content and its unit, and ratios, are no masses.
_NO_MASS = re.compile(r"content|moisture|water|ice|%|/|ratio|percent|fraction")
# Relative difference that rounding makes.
SAME = 0.02

Floats = NDArray[np.float64]


def require_own_masses(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    """Refuse water that by the masses of its rows is by wet mass.

    Masses with their container, and those of other samples, give neither and say nothing.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns that are read, by icemap's names.
    layers : DataFrame
        Of the table.

    Raises
    ------
    IcemapError
        Naming the columns and a row.
    """
    wet, dry = (_only(table, pattern) for pattern in (_WET, _DRY))
    if "gravimetric_water" not in found or wet is None or dry is None:
        return
    of_wet, of_dry = (parse_numbers(table.frame[header]).value for header in (wet, dry))
    told = layers["gravimetric_water"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_dry, by_wet = (of_wet - of_dry) / of_dry, (of_wet - of_dry) / of_wet
    by_wet_mass = _same(told, by_wet) & ~_same(told, by_dry)
    if not by_wet_mass.any():
        return
    row = int(np.argmax(by_wet_mass))
    known = np.isfinite(told + by_dry)
    raise IcemapError(
        f"{table.file}, line {table.lines[row]}: '{found['gravimetric_water'].header}' is to be"
        f" water by dry mass, and with {of_wet[row]:g} of '{wet}' and {of_dry[row]:g} of '{dry}' it"
        f" is {100 * told[row]:.3g} % of the wet mass and {100 * by_dry[row]:.3g} % of the dry one"
        f" ({by_wet_mass.sum()} of {known.sum()} rows are so): convert it, w' / (1 - w')."
    )


def _only(table: Table, pattern: re.Pattern[str]) -> str | None:
    """The one column of masses with such a name."""
    names = [
        header
        for header in map(str, table.frame.columns)
        if pattern.search(words(split_header(header)[0])) and not _NO_MASS.search(header.lower())
    ]
    return names[0] if len(names) == 1 else None


def _same(one: Floats, other: Floats) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(one - other) <= SAME * np.abs(other))
