"""Places that a table gives twice, in degrees and in metres of a UTM zone."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.coordinates import parse_coordinates
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.places import ZONE_COLUMNS
from icemap.boreholes.repeated_columns import last_digit
from icemap.boreholes.table_formats import SAME_PLACE
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, words
from icemap.errors import IcemapError

# What columns are called that hold a place in degrees, or in metres of a UTM zone.
_DEGREES = (
    r"(?:decimal )?(?:lon|long|longitude)(?: (?:dd|deg|[we]))?",
    r"(?:decimal )?(?:lat|latitude)(?: (?:dd|deg|[ns]))?",
)
_METRES = (r"(?:utm )?(?:easting|x|e)(?: utm)?", r"(?:utm )?(?:northing|y|n)(?: utm)?")

Floats = NDArray[np.float64]


def require_one_place(
    table: Table, headers: tuple[str, str], lon: Floats, lat: Floats, crs: str | None
) -> None:
    """Refuse rows whose place other columns give elsewhere.

    Parameters
    ----------
    table : Table
    headers : (str, str)
        Of the columns that are read.
    lon, lat : ndarray of shape (rows,)
        Degrees, as they were read from them.
    crs : str or None
        What the config says of these columns; degrees without it.

    Raises
    ------
    IcemapError
        Naming the columns, the row and both places.
    """
    others = _named(table, headers, _METRES if crs is None else _DEGREES)
    if others is None:
        return
    told = _from_zones(table, others, lat) if crs is None else _from_degrees(table, others)
    if told is None:
        return
    both = np.isfinite(lon + lat + told[0] + told[1])
    rounded = max(last_digit(values[both]) for values in (lon, lat, *told)) if both.any() else 0.0
    # In a column that is not read, western degrees may have lost their sign all over.
    signs = (1, -1) if crs is not None else (1,)
    east = np.min([np.abs((lon - sign * told[0] + 180) % 360 - 180) for sign in signs], axis=0)
    apart = np.maximum(east, np.abs(lat - told[1]))
    wrong = both & (apart > SAME_PLACE + 0.51 * rounded)
    # Where most are, the other columns are of something else, unless the key 'crs' may be wrong.
    if wrong.any() and (crs is not None or 2 * wrong.sum() < both.sum()):
        row = int(np.argmax(wrong))
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{headers[0]}' and '{headers[1]}'"
            f"{f' in {crs}' if crs is not None else ''} are longitude {lon[row]:.6g}, latitude"
            f" {lat[row]:.6g}, and '{others[0]}' and '{others[1]}' {told[0][row]:.6g},"
            f" {told[1][row]:.6g} ({wrong.sum()} of {both.sum()} rows are so): correct what is"
            " wrong, or leave the other columns out."
        )


def _named(
    table: Table, read: tuple[str, str], patterns: tuple[str, str]
) -> tuple[str, str] | None:
    called = {
        str(header): words(split_header(str(header))[0])
        for header in table.frame.columns
        if str(header) not in read
    }
    fits = [[h for h, name in called.items() if re.fullmatch(p, name)] for p in patterns]
    return (fits[0][0], fits[1][0]) if [len(one) for one in fits] == [1, 1] else None


def _from_degrees(table: Table, others: tuple[str, str]) -> tuple[Floats, Floats] | None:
    try:
        lon, _ = parse_coordinates(table.frame[others[0]], others[0], "longitude")
        lat, _ = parse_coordinates(table.frame[others[1]], others[1], "latitude")
    except IcemapError:
        # They are not what is read.
        return None
    return lon, lat


def _from_zones(table: Table, others: tuple[str, str], lat: Floats) -> tuple[Floats, Floats] | None:
    """Degrees from metres of the UTM zone that a column of the table says."""
    from pyproj import Transformer

    named = [h for h in map(str, table.frame.columns) if words(split_header(h)[0]) in ZONE_COLUMNS]
    if len(named) != 1:
        return None
    zone = pd.to_numeric(as_text(table.frame[named[0]]).str.extract(r"(\d{1,2})")[0])
    x, y = (parse_numbers(table.frame[other], "m").value for other in others)
    lon, north = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for number in zone[zone.between(1, 60)].unique():
        rows = (zone == number).to_numpy(bool) & (lat > 0) & (np.abs(x) > 1e4) & (y > 1e5)
        system = f"EPSG:{32600 + int(number)}"
        places = Transformer.from_crs(system, "EPSG:4326", always_xy=True).transform(x, y)
        lon, north = (np.where(rows, new, old) for new, old in zip(places, (lon, north)))
    return lon, north
