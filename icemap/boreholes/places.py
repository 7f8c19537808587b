"""Coordinates of a table as longitude and latitude, and how precisely they were published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.coordinates import ANGLES, DEGREE_PARTS, Axis, parse_coordinates
from icemap.boreholes.datums import names_datum, require_datum
from icemap.boreholes.missing_codes import is_code
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.records import Flags, Problems
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, words
from icemap.errors import IcemapError
from icemap.sphere import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from pyproj import CRS

Floats = NDArray[np.float64]
KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180
# Spellings of units in headers; where a column counts towards the west or south its values
# change sign.
DEGREES = frozenset(
    {"", "deg", "deg.", "degrees", "degree", "°", "dd", "wgs84", "wgs 84", "epsg:4326"}
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
# Columns that say the CRS, or the UTM zone, of each row.
CODE_COLUMNS = ("epsg", "epsg code", "crs", "srid", "srs")
ZONE_COLUMNS = (
    *("zone", "utm zone", "utm", "utmzone", "zone utm", "grid zone", "utm grid zone", "zone no"),
    *("zone number", "utm zone no", "utm zone number", "fuseau", "fuseau utm", "utm fuseau"),
    *("зона", "зона utm", "带号", "utm带号", "gk zone", "zona", "zona utm", "huso", "utm zona"),
)
# How far a place may lie outside the area of its CRS, degrees: people stay in one zone well beyond
# its edge.
FAR_OUTSIDE = 20.0
# How far places of one UTM zone are from their middle, and from it where they are of one region, m.
FAR_NORTH, REGION = 3e6, 2e5
# Coordinates in metres that are all nearer to the origin of their CRS may be kilometres.
NEAR_ORIGIN = 10_000.0
# Codes and zones in headers such as x (EPSG:3413), x_3995 and Easting UTM 9N.
_CODE = re.compile(
    r"(?:epsg\D?(?=\d{4,5})|[\s_(](?=(?:3\d{3}|32[67]\d\d|2[56]\d{3}|69\d\d)\W*$))(\d{4,5})", re.I
)
_ZONE = re.compile(r"(?:utm|zone)[\s_:-]*(?:zone[\s_:-]*)?(\d{1,2})(?!\d)", re.I)
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
    told = re.sub(r"^dec(?:imal)?\.?[\s_]*(?=deg|°)", "", told)
    told = re.sub(r"^degrees? (?=[nsew]$)", "deg ", told)
    known = told in DEGREES | EASTWARD | WESTWARD or told in {*ANGLES, *DEGREE_PARTS}
    # Which of them it may be is asked where both columns are known; O is west or east.
    known |= names_datum(told) or told == "o"
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
    from pyproj import Transformer

    system = _system(table, crs)
    _require_one_crs(table, headers, system, crs)
    require_datum(table, headers, crs)
    units = (_length(units[0]), _length(units[1]))
    numbers = [
        parse_numbers(table.frame[header], unit or "m") for header, unit in zip(headers, units)
    ]
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
        factors = [METRES.get(unit) for unit in units]
        if None in factors:
            raise IcemapError(
                f"{table.file} gives the column '{headers[factors.index(None)]}' in a unit that is"
                " not known for it: use m or km."
            )
        x, y = x * (factors[0] or 1.0), y * (factors[1] or 1.0)
        if units == ("", "") and system.axis_info[0].unit_name == "metre":
            _require_metres(table, headers, crs, x, y)
    transformer = Transformer.from_crs(system, "EPSG:4326", always_xy=True)
    lon, lat = (np.asarray(values, dtype=float) for values in transformer.transform(x, y))
    # Far outside of a projection PROJ gives places that do not lead back.
    back = transformer.transform(lon, lat, direction="INVERSE")
    near = 0.01 if system.is_geographic else 1000.0
    with np.errstate(invalid="ignore"):
        there = np.isfinite(lon + lat) & (np.abs(back[0] - x) < near) & (np.abs(back[1] - y) < near)
    problems.add(~there & np.isfinite(x + y), f"{headers[0]}, {headers[1]} is no place in {crs}")
    if not system.is_geographic:
        problems.add(
            there & _far_from(system, lon, lat),
            f"{headers[0]}, {headers[1]} is far outside the area that {crs} is made for (easting"
            " and northing exchanged, or another zone?)",
        )
        if system.utm_zone and there.any():
            problems.add(
                there & _other_digits(x, y),
                f"{headers[0]}, {headers[1]} is far from all other places of the table, as with a"
                " digit too few or too many",
            )
    return np.where(there, lon, np.nan), np.where(there, lat, np.nan)


def _other_digits(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Places of a UTM zone whose northing is thousands of km off, or whose easting would be among
    the others with one digit more.
    """
    middle = np.nanmedian(x)
    lost = (np.abs(x - middle) > REGION) & (np.abs(10 * x - middle) < REGION / 2)
    if not (~lost).any() or np.nanmax(np.abs(x - middle)[~lost], initial=0.0) > REGION:
        lost = np.zeros(len(x), dtype=bool)
    off = lost | (np.abs(y - np.nanmedian(y)) > FAR_NORTH)
    return np.asarray(off & (off.mean() < 0.5))


def _length(unit: str | None) -> str:
    """The unit of coordinates in a header; what names their CRS is none."""
    text = (unit or "").strip().lower()
    return "" if re.match(r"epsg|utm|zone|wgs|nad|etrs|polar|laea", text) else text


def _require_metres(table: Table, headers: tuple[str, str], crs: str, x: Floats, y: Floats) -> None:
    """Kilometres in columns without a unit: all places are near the origin of the CRS."""
    size = np.maximum(np.abs(x), np.abs(y))
    if np.nanmax(size, initial=0.0) < NEAR_ORIGIN and (size > 0).any():
        row = int(np.nanargmax(size))
        raise IcemapError(
            f"{table.file}: '{headers[0]}' and '{headers[1]}' are {x[row]:g} and {y[row]:g} (line"
            f" {table.lines[row]}) at most, which as metres are all within"
            f" {NEAR_ORIGIN / 1000:g} km of the origin of {crs}: write the unit in their headers,"
            f" as '{headers[0]} [km]', or '{headers[0]} [m]' if they are metres."
        )


def in_degrees(crs: str) -> bool:
    """Whether a CRS that PROJ knows has degrees."""
    import pyproj

    return bool(pyproj.CRS.from_user_input(crs).is_geographic)


def _system(table: Table, crs: str) -> CRS:
    import pyproj
    from pyproj.exceptions import CRSError

    try:
        return pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise IcemapError(
            f"{table.file}: PROJ knows no CRS '{crs}' (key 'crs'): give an EPSG code such as"
            " EPSG:32606."
        ) from error


def _require_one_crs(table: Table, headers: tuple[str, str], system: CRS, crs: str) -> None:
    """Refuse a table whose own column or header says another CRS, or several."""
    zone = re.match(r"\d+", system.utm_zone or "")
    for header in headers:
        code, own_zone = _CODE.search(header), _ZONE.search(header)
        other_code = code and system.to_epsg() and int(code[1]) != system.to_epsg()
        if other_code or (own_zone and zone and int(own_zone[1]) != int(zone[0])):
            raise IcemapError(
                f"{table.file}: the header '{header}' names another CRS than the key 'crs', which"
                f" is {crs}: correct the one that is wrong."
            )
    for header in map(str, table.frame.columns):
        kind = words(split_header(header)[0])
        if kind in CODE_COLUMNS:
            own, pattern = system.to_epsg(), r"(?:.*epsg\D*)?(\d{4,6})(?:\.0)?"
        elif kind in ZONE_COLUMNS:
            own, pattern = int(zone[0]) if zone else None, r"\D*?0*(\d{1,2})(?:\.0)?\s*[A-Za-z]?"
        else:
            continue
        told = as_text(table.frame[header])
        found = told.str.extract(f"(?i)^{pattern}$")[0]
        other = found.notna() & (found.astype(float) != (own or np.nan))
        if own is not None and other.any():
            row = int(np.flatnonzero(other)[0])
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: the column '{header}' says"
                f" '{told.iloc[row]}', and the key 'crs' {crs} for every row: correct one of them,"
                " or give the rows of each CRS as a table of their own."
            )


def _far_from(system: CRS, lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    """Places that lie far outside the area for which a CRS is made."""
    area = system.area_of_use
    if area is None:
        return np.zeros(len(lon), dtype=bool)
    width = (area.east - area.west) % 360 or 360
    with np.errstate(invalid="ignore"):
        # What is at no place is infinite.
        beyond = (lon - area.west + FAR_OUTSIDE) % 360 > width + 2 * FAR_OUTSIDE
    beyond &= width + 2 * FAR_OUTSIDE < 360
    # Near a pole all longitudes are near one another.
    beyond &= np.abs(lat) < 90 - FAR_OUTSIDE
    return np.asarray(
        beyond | (lat < area.south - FAR_OUTSIDE) | (lat > area.north + FAR_OUTSIDE), dtype=bool
    )


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
            " 'crs: EPSG:32606', or write degrees and minutes with a blank between, as 68 54.7."
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
