"""Coordinates of a table as longitude and latitude, and how precisely they were published."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.coordinates import ANGLES, DEGREE_PARTS, Axis, parse_coordinates
from icemap.boreholes.missing_codes import is_code
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.records import Flags, Problems
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError
from icemap.sphere import EARTH_RADIUS_KM

Floats = NDArray[np.float64]
KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180
# Spellings of units in headers; where a column counts towards the west or south its values
# change sign.
DEGREES = frozenset(
    {"", "deg", "degrees", "degree", "°", "dd", "decimal degrees", "wgs84", "wgs 84", "epsg:4326"}
)
EASTWARD = frozenset(
    {
        "degrees_east",
        "degrees east",
        "deg e",
        "°e",
        "e",
        "degrees_north",
        "degrees north",
        "deg n",
        "°n",
        "n",
    }
)
WESTWARD = frozenset(
    {
        "degrees_west",
        "degrees west",
        "deg w",
        "°w",
        "w",
        "degrees_south",
        "degrees south",
        "deg s",
        "°s",
        "s",
    }
)
METRES = {"": 1.0, "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0}
_DECIMALS = re.compile(r"-?\d*[.,](\d+)")


def degrees(
    table: Table, header: str, unit: str | None, axis: Axis, problems: Problems, flags: Flags
) -> Floats:
    """One column of coordinates in degrees.

    Parameters
    ----------
    table : Table
    header, unit : str
        Of the column.
    axis : str
        ``longitude`` or ``latitude``.
    problems, flags
        Get the unreadable cells, and what was done to the others.

    Raises
    ------
    IcemapError
        If its unit is not one of degrees, or it counts westward and holds negative values.
    """
    told = (unit or "").strip().lower().replace("º", "°")
    known = told in DEGREES | EASTWARD | WESTWARD or told in {*ANGLES, *DEGREE_PARTS}
    if not known:
        raise IcemapError(
            f"{table.file} gives the column '{header}' in '{unit}': coordinates are read in deg,"
            " degrees_east, degrees_north or degrees_west, or, with the key 'crs', in metres."
        )
    values, unreadable = (
        parse_coordinates(table.frame[header])
        if told in WESTWARD
        else table.coordinates(header, axis)
    )
    problems.add(unreadable, f"{header} is not a coordinate:", table.frame[header])
    if told in WESTWARD:
        if (values < 0).any():
            line = table.lines[np.flatnonzero(values < 0)[0]]
            raise IcemapError(
                f"{table.file}: the header '{header}' counts towards the west or south, and line"
                f" {line} is negative: write the unit [deg], or remove the signs."
            )
        flags.add(
            np.arange(len(values)) == 0,
            "direction",
            f"{header}: degrees towards the west or south were made negative",
        )
        return -values
    return values


def projected(
    table: Table,
    headers: tuple[str, str],
    units: tuple[str | None, str | None],
    crs: str,
    problems: Problems,
) -> tuple[Floats, Floats]:
    """Longitude and latitude of projected coordinates.

    Parameters
    ----------
    table : Table
    headers, units : pair of str
        Of the easting and the northing.
    crs : str
        Anything that PROJ knows.
    problems : Problems
        Gets the unreadable cells.

    Raises
    ------
    IcemapError
        If PROJ does not know the CRS, or the coordinates contradict it.
    """
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    try:
        system = CRS.from_user_input(crs)
    except CRSError as error:
        raise IcemapError(
            f"{table.file}: PROJ knows no CRS '{crs}' (key 'crs'): give an EPSG code such as"
            " EPSG:32606."
        ) from error
    numbers = [parse_numbers(table.frame[header]) for header in headers]
    for header, number in zip(headers, numbers):
        problems.add(number.unreadable, f"{header} is not a number:", table.frame[header])
    x, y = (number.value for number in numbers)
    small = (np.nanmax(np.abs(x), initial=0.0) <= 360) & (np.nanmax(np.abs(y), initial=0.0) <= 90)
    if system.is_geographic != bool(small) and np.isfinite(x + y).any():
        kind, look = ("degrees", "metres") if system.is_geographic else ("metres", "degrees")
        raise IcemapError(
            f"{table.file}: the CRS {crs} has {kind}, and the columns '{headers[0]}' and"
            f" '{headers[1]}' hold what looks like {look}: correct 'crs'."
        )
    if not system.is_geographic:
        factors = [METRES.get((unit or "").strip().lower()) for unit in units]
        if None in factors:
            raise IcemapError(
                f"{table.file} gives the column '{headers[factors.index(None)]}' in a unit that is"
                " not known for it: use m or km."
            )
        x, y = x * (factors[0] or 1.0), y * (factors[1] or 1.0)
    transformer = Transformer.from_crs(system, "EPSG:4326", always_xy=True)
    lon, lat = (np.asarray(values, dtype=float) for values in transformer.transform(x, y))
    # Far outside of a projection PROJ gives places that do not lead back.
    back = transformer.transform(lon, lat, direction="INVERSE")
    near = 0.01 if system.is_geographic else 1000.0
    with np.errstate(invalid="ignore"):
        there = np.isfinite(lon + lat) & (np.abs(back[0] - x) < near) & (np.abs(back[1] - y) < near)
    problems.add(~there & np.isfinite(x + y), f"{headers[0]}, {headers[1]} is no place in {crs}")
    return np.where(there, lon, np.nan), np.where(there, lat, np.nan)


def without_a_turn(lon: Floats, flags: Flags | None = None) -> Floats:
    """Longitudes of 0 to 360 brought to -180 to 180; a table that has negative ones too is left
    alone.

    Examples
    --------
    >>> without_a_turn(np.array([20.0, 210.0])), without_a_turn(np.array([-20.0, 210.0]))
    (array([  20., -150.]), array([-20., 210.]))
    """
    far = (lon > 180) & (lon <= 360)
    if not far.any() or (lon < 0).any():
        return lon
    if flags is not None:
        flags.add(far, "longitude", "a longitude of 0 to 360 degrees was brought to -180 to 180")
    return np.where(far, lon - 360, lon)


def require_degrees(table: Table, headers: tuple[str, str], lon: Floats, lat: Floats) -> None:
    """Say it where most coordinates are no degrees at all.

    Parameters
    ----------
    table : Table
        As it was read.
    headers : (str, str)
        Of the columns of longitude and latitude.
    lon, lat : ndarray of shape (rows,)
        Their numbers.
    """
    there = ~np.isnan(lon) & ~np.isnan(lat)
    far = (np.abs(lon) > 1000) | (np.abs(lat) > 1000)
    # A code for missing is no easting.
    codes = [value for value in np.unique([lon[far], lat[far]]) if is_code(value)]
    far &= ~(np.isin(lon, codes) | np.isin(lat, codes))
    if there.any() and far[there].mean() > 0.5:
        row = np.flatnonzero(there & far)[0]
        raise IcemapError(
            f"{table.file}: the columns '{headers[0]}' and '{headers[1]}' hold {lon[row]:g} and"
            f" {lat[row]:g} (line {table.lines[row]}), which are no degrees: name their CRS, as"
            " 'crs: EPSG:32606'."
        )


def rounding_km(table: Table, headers: tuple[str, str]) -> Floats:
    """How far a place may be off because of its decimals, km: half the last digit of the coordinate
    that has more of them, both ways.

    NaN where a coordinate is not written as a plain decimal.

    Examples
    --------
    >>> table = Table("t.csv", pd.DataFrame({"x": [-78.107, -122.5], "y": [58.46, 62.3]}),
    ...     np.array([2, 3]))
    >>> rounding_km(table, ("x", "y")).round(2)
    array([0.08, 7.86])
    """
    decimals = np.maximum(*(_decimals(table.frame[header]) for header in headers))
    return np.asarray(0.5 * 10.0**-decimals * KM_PER_DEGREE * np.sqrt(2))


def _decimals(column: pd.Series) -> Floats:
    codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
    counted = []
    for text in texts:
        match = _DECIMALS.fullmatch(str(text))
        whole = re.fullmatch(r"-?\d+", str(text))
        counted.append(len(match[1].rstrip("0")) if match else 0 if whole else np.nan)
    return np.asarray(counted, dtype=float)[codes]
