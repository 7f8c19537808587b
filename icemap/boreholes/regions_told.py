"""Whether places are in the country, state or UTM zone that a column of their table names."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.datums import COLUMNS as DATUM_COLUMNS
from icemap.boreholes.places import ZONE_COLUMNS
from icemap.boreholes.table_notes import notes
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, words
from icemap.errors import IcemapError

COLUMNS = frozenset(
    {"country", "countries", "nation", "state", "province", "territory", "region", "land"}
    | {"state province", "stateprovince", "province territory", "jurisdiction", "state or province"}
    | {"pays", "land/region", "страна", "регион", "国家", "country code", "countrycode"}
)
# West, east, south and north in degrees, without what is beyond 180 degrees.
NORTH_AMERICA = (-180.0, -50.0, 14.0, 84.0)
UNITED_STATES = (-180.0, -66.0, 18.0, 72.0)
RUSSIA = (19.0, 180.0, 41.0, 82.0)
# The same by the words of tables.
BOXES = {
    ("alaska", "ak", "us alaska", "usa alaska"): (-180.0, -129.0, 51.0, 72.0),
    ("usa", "us", "united states", "united states of america", "u.s.a.", "сша"): UNITED_STATES,
    ("canada", "ca", "can", "канада"): (-141.5, -52.0, 41.0, 84.0),
    ("yukon", "yt", "yukon territory"): (-141.5, -123.0, 59.5, 70.0),
    ("northwest territories", "nwt", "nt"): (-137.0, -101.0, 59.5, 79.0),
    ("nunavut", "nu"): (-121.5, -61.0, 51.0, 84.0),
    ("greenland", "gl", "grl", "grønland", "grönland"): (-74.0, -10.0, 59.0, 84.0),
    ("iceland", "is", "isl"): (-25.0, -13.0, 63.0, 67.0),
    ("norway", "no", "nor", "norge", "norwegen"): (4.0, 32.0, 57.0, 81.5),
    ("svalbard", "sj", "spitsbergen"): (10.0, 34.0, 74.0, 81.5),
    ("sweden", "se", "swe", "sverige", "schweden"): (10.0, 25.0, 55.0, 70.0),
    ("finland", "fi", "fin", "finnland", "suomi"): (19.0, 32.0, 59.0, 71.0),
    ("russia", "ru", "rus", "russian federation", "россия", "russland", "siberia"): RUSSIA,
    ("yakutia", "sakha", "republic of sakha", "якутия"): (105.0, 163.0, 55.0, 77.0),
    ("china", "cn", "chn", "tibet", "qinghai", "xizang", "中国"): (73.0, 135.0, 18.0, 54.0),
    ("mongolia", "mn", "mng"): (87.0, 120.0, 41.0, 53.0),
}
# Beyond this the Aleutians and Chukotka have the other sign.
DATE_LINE = 168.0
BEYOND = 180.0 - DATE_LINE
# Degrees outside of what is told, from which single places are wrong: borders of the boxes are
# rough, and people stay in one zone beyond its edge.
FAR_OUTSIDE = 5.0
_ZONE = re.compile(r"(?:utm|zone)?\s*0*([1-9]|[1-5]\d|60)(?:\.0)?\s*([c-hj-np-x])?", re.IGNORECASE)
_BOX_OF = {name: box for names, box in BOXES.items() for name in names}
_NORTH_AMERICAN = re.compile(r"(?<![a-z])nad[ _-]?(?:19)?(?:27|83)(?!\d)|\bcsrs\b")

_WESTERN = re.compile(r"longitudes?\b.*\bwest\b|\bwest(?:ern)? longitudes?")

Floats = NDArray[np.float64]
Box = tuple[float, ...]


def require_region(table: Table, headers: tuple[str, str], lon: Floats, lat: Floats) -> None:
    """Refuse places that with another sign, or exchanged, would be where their table says, and
    single ones that are far from it.

    Parameters
    ----------
    table : Table
    headers : (str, str)
        Of the columns of longitude and latitude.
    lon, lat : ndarray of shape (rows,)
        Degrees.

    Raises
    ------
    IcemapError
        Naming the row, the word and what to do.
    """
    for text in notes(table):
        if (lon > 0).any() and not (lon < 0).any() and _WESTERN.search(text.lower()):
            raise IcemapError(
                f"{table.file}: '{text[:80]}' says west, and '{headers[0]}' is positive: write"
                " western degrees with a minus sign, or the letter into the header."
            )
    for header in headers:
        if _NORTH_AMERICAN.search(words(header)):
            told = pd.Series([header] * len(lon))
            _require_inside(table, headers, told, {header: NORTH_AMERICA}, lon, lat)
    for header in map(str, table.frame.columns):
        kind = words(header)
        if kind not in COLUMNS | DATUM_COLUMNS | {*ZONE_COLUMNS}:
            continue
        told = as_text(table.frame[header])
        boxes = {text: box for text in told.unique() if (box := _box(text, kind)) is not None}
        _require_inside(table, headers, told, boxes, lon, lat)


def _box(text: str, kind: str) -> Box | None:
    if kind in DATUM_COLUMNS:
        return NORTH_AMERICA if _NORTH_AMERICAN.search(words(text)) else None
    if kind in ZONE_COLUMNS:
        zone = _ZONE.fullmatch(text)
        # Permafrost has zones, too.
        told = zone is not None and (zone[2] is not None or "utm" in f"{kind} {text.lower()}")
        west = 6.0 * int(zone[1]) - 186.0 if zone is not None else 0.0
        return (west, west + 6.0, -90.0, 90.0) if told else None
    name = words(text.replace(",", " "))
    # SE is a part of a region, and no may be the answer to a question.
    code = len(name) == 2 and not re.search(r"country|state|province|territory", kind)
    return None if code else _BOX_OF.get(name)


def _require_inside(
    table: Table,
    headers: tuple[str, str],
    told: pd.Series,
    boxes: dict[str, Box],
    lon: Floats,
    lat: Floats,
) -> None:
    for text, box in boxes.items():
        rows = (told == text).to_numpy(bool)
        wrong = rows & ~_inside(box, lon, lat)
        if 180.0 in map(abs, box[:2]):
            wrong &= np.abs(lon) < DATE_LINE
        for mended, how in (
            (_inside(box, -lon, lat), "with the other sign"),
            (_inside(box, lon, -lat), "with the other sign of the latitude"),
            (_inside(box, lat, lon), "with longitude and latitude exchanged"),
        ):
            if (wrong & mended).any():
                row = int(np.argmax(wrong & mended))
                raise IcemapError(
                    f"{table.file}, line {table.lines[row]}: '{headers[0]}' {lon[row]:g} and"
                    f" '{headers[1]}' {lat[row]:g} are not where '{text}' says, and {how} they"
                    f" would be ({(wrong & mended).sum()} of {rows.sum()} such rows): correct the"
                    " columns, or what the table says of them."
                )
    known = told.isin(list(boxes)).to_numpy(bool)
    away = np.zeros(len(lon))
    for text, box in boxes.items():
        away = np.where(told == text, _degrees_outside(box, lon, lat), away)
    # A country may be that of an expedition, in the south at least.
    far = known & (away > FAR_OUTSIDE) & (lat > 0)
    near = known & (away <= FAR_OUTSIDE)
    if far.any() and 2 * near.sum() > known.sum():
        row = int(np.argmax(far))
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{headers[0]}' {lon[row]:g} and '{headers[1]}'"
            f" {lat[row]:g} are {away[row]:.0f} degrees from where '{told.iloc[row]}' says, as"
            f" {near.sum()} of {known.sum()} rows are not: correct the columns, or what the table"
            " says of them."
        )


def _degrees_outside(box: Box, lon: Floats, lat: Floats) -> Floats:
    west, east, south, north = box
    # What ends at the date line may go on beyond it.
    west, east = west - BEYOND * (west == -180), east + BEYOND * (east == 180)
    east_of_west = (lon - west) % 360
    beyond = np.minimum(east_of_west - (east - west), 360 - east_of_west)
    return np.asarray(np.maximum.reduce([beyond, south - lat, lat - north, np.zeros(len(lon))]))


def _inside(box: Box, lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    west, east, south, north = box
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
