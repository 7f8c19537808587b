"""Coordinates as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.table_units import UNITS, canonical_unit, split_header
from icemap.boreholes.text import MISSING, SIGNS, as_text
from icemap.errors import IcemapError

Axis = Literal["longitude", "latitude"]
AXIS_LETTERS = {"longitude": "EW", "latitude": "NS"}
# Degrees per unit, by the words of a header.
ANGLES = {
    **dict.fromkeys(("rad", "radian", "radians"), 180 / np.pi),
    **dict.fromkeys(("gon", "grad", "grads", "gradian", "gradians"), 0.9),
    **dict.fromkeys(("arcmin", "arcminutes"), 1 / 60),
    **dict.fromkeys(("arcsec", "arcseconds"), 1 / 3600),
}
DEGREE_PARTS = ("dms", "ddmmss", "dddmmss", "ddmm", "dddmm", "dmm")
# Not degs, lats and lons, which are plurals.
_DIRECTION = re.compile(
    r"(north|south|east|west)(?:ern)?|(?:deg|long?|o)?([ew])|(?:deg|lat)?(n)|(s)"
)
# The same in other languages; those of the east and north change nothing.
_WEST = re.compile(
    r"\bouest\b|westlich|\bvest(?:lig)?\b|\boeste\b|västlig|läntin|westing|з\.\s?д|западн|西经"
)
_SOUTH = re.compile(r"südlich|\bsud\b|sydlig|eteläi|southing|ю\.\s?ш|южн|南纬")
# How headers begin that are about an axis.
_AXIS = {
    "longitude": re.compile(r"(?<![a-z])(?:lon|lng|easting)|länge|laenge|долгот|经度"),
    "latitude": re.compile(r"(?<![a-z])(?:lat(?!eral)|northing)|breite|широт|纬度"),
}
_DEGREES = re.compile(
    r"([NSEW])?\s*([+-]?\d+(?:[.,]\d+)?)\s*(?:°|º|d|deg|degrees?)?"
    r"\s*(?:(\d+(?:[.,]\d+)?)\s*['m]\s*)?(?:(\d+(?:[.,]\d+)?)\s*(?:\"|''|s)\s*)?"
    r"(N|S|E|W|north|south|east|west)?",
    re.IGNORECASE,
)
# Width of one region, and how far outside of it a place still counts (degrees).
REGION, REGION_MARGIN = 60.0, 1.0
# Degrees, minutes and seconds with nothing but blanks or colons between them.
_SPACED = re.compile(
    r"([NSEW])?\s*([+-]?\d+)[\s:]+(\d+(?:[.,]\d+)?)(?:[\s:]+(\d+(?:[.,]\d+)?))?"
    r"\s*(N|S|E|W|north|south|east|west)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Heading:
    """What a header says about coordinates.

    Attributes
    ----------
    direction : str
        N, S, E, W or nothing.
    degrees : float
        Degrees per unit.
    parts : bool
        True for degrees, minutes and seconds.
    """

    direction: str = ""
    degrees: float = 1.0
    parts: bool = False


def _heading(header: str, axis: Axis | None) -> _Heading:
    bracket = split_header(header)[1]
    if bracket is not None and canonical_unit(bracket) in UNITS["length [m]"]:
        raise IcemapError(
            f"the column '{header}' gives coordinates in '{bracket}': convert them to degrees of"
            " longitude and latitude (WGS 84), or, in a table of sites, name their CRS with"
            " 'sites.crs'."
        )
    tokens = re.split(r"[\s_,;:()\[\].°º/+\-]+", header.lower())
    found = [match for token in tokens if (match := _DIRECTION.fullmatch(token))]
    named = {str(match[match.lastindex or 0])[0].upper() for match in found}
    named |= {
        letter for letter, word in (("W", _WEST), ("S", _SOUTH)) if word.search(header.lower())
    }
    letters = sorted(named)
    if len(letters) > 1 or (letters and axis is not None and letters[0] not in AXIS_LETTERS[axis]):
        raise IcemapError(
            f"the column '{header}' says {' and '.join(letters)} and is read as the"
            f" {axis or 'coordinate'}: correct its header, or the name of the column in the config."
        )
    about = [name for name, word in _AXIS.items() if word.search(header.lower())]
    if axis is not None and about and axis not in about:
        raise IcemapError(
            f"the column '{header}' is about the {about[0]} and is read as the {axis}: exchange the"
            " names of the two columns in the config, or correct the header."
        )
    if axis == "longitude" and not letters and re.search(r"(?<![^\W_])O(?![^\W_])", header):
        raise IcemapError(
            f"the column '{header}' says O, which is west in some languages (ouest) and east in"
            " others (Ost): write W or E, or degrees east with their signs."
        )
    degrees = next((ANGLES[token] for token in tokens if token in ANGLES), 1.0)
    return _Heading(
        letters[0] if letters else "", degrees, any(token in DEGREE_PARTS for token in tokens)
    )


def parse_coordinates(
    column: pd.Series, header: str = "", axis: Axis | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Decimal degrees from numbers, ``65.5°N``, ``148° 52' 30" W`` and the like; and which cells
    are unreadable.

    Parameters
    ----------
    column : Series
        Numbers or texts.
    header : str
        Of the column: ``Longitude (W)``, ``lon_w``, ``lat [rad]`` and ``lon [gon]`` are understood.
    axis : str, optional
        ``longitude`` takes only E and W, ``latitude`` only N and S.

    Raises
    ------
    IcemapError
        If the header contradicts the axis or the cells; without the name of the file.

    Examples
    --------
    >>> parse_coordinates(pd.Series(["65.5°N", "148° 52' 30\\" W", "-12.25", "", "here"]))[0]
    array([ 65.5 , -148.875, -12.25 , nan, nan])
    >>> parse_coordinates(pd.Series([148.5, 149.1]), "Longitude (W)")[0]
    array([-148.5, -149.1])
    """
    heading = _heading(header, axis)
    numbers = parse_numbers(column)
    plain = (
        not numbers.unreadable.any()
        and not numbers.censored.any()
        and np.isnan(numbers.error).all()
        and np.array_equal(numbers.low, numbers.high, equal_nan=True)
    )
    if plain:
        values, unreadable = numbers.value, numbers.unreadable
        letter = split = np.zeros(len(values), dtype=bool)
    else:
        codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
        parsed = [_parse_degrees(str(text), axis) for text in texts]
        values, unreadable, letter, split = (np.array(part)[codes] for part in zip(*parsed))
        values, unreadable = values.astype(float), unreadable.astype(bool)
        letter, split = letter.astype(bool), split.astype(bool)
    bare = ~letter & ~np.isnan(values)
    plain_numbers = bare & ~split
    if heading.parts and plain_numbers.any():
        raise IcemapError(
            f"the column '{header}' says degrees, minutes and seconds, but holds plain numbers: "
            "write them as 65 30 15 or as decimal degrees, and correct the header."
        )
    if heading.direction in ("W", "S"):
        positive, negative = (values[bare] > 0).any(), (values[bare] < 0).any()
        if positive and negative:
            raise IcemapError(
                f"the column '{header}' says {heading.direction} and holds numbers of both signs:"
                " make them degrees east and north with their signs, and take the letter out of"
                " the header."
            )
        if positive:
            values = np.where(bare, -values, values)
    elif header and (lost := _without_letter(values, letter, bare)).any():
        lettered, other = (
            as_text(column).iloc[int(np.argmax(rows))] for rows in (letter & (values < 0), lost)
        )
        raise IcemapError(
            f"the column '{header}' gives the direction in some cells ('{lettered}') and not in"
            f" others ('{other}'): write the letter, or the sign, in all of them."
        )
    return np.where(plain_numbers, values * heading.degrees, values), unreadable


def _without_letter(
    values: NDArray[np.float64], letter: NDArray[np.bool_], bare: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Cells without a letter that with W or S would be among those that have it. Where these are
    from all over a continent, as in lists of the whole Arctic, a cell without is as likely east.
    """
    lettered = values[letter & (values < 0)]
    if not len(lettered) or np.ptp(lettered) > REGION:
        return np.zeros(len(values), dtype=bool)
    low, high = lettered.min() - REGION_MARGIN, lettered.max() + REGION_MARGIN
    return bare & (values > 0) & (-values >= low) & (-values <= high)


def _parse_degrees(text: str, axis: Axis | None) -> tuple[float, bool, bool, bool]:
    """Degrees, whether they are unreadable, whether the cell itself tells its direction, and
    whether it has minutes.
    """
    text = text.translate(SIGNS).strip()
    if text.lower() in MISSING:
        return np.nan, False, False, False
    match = _DEGREES.fullmatch(text) or _SPACED.fullmatch(text)
    if match is None or (match[1] and match[5]):
        return np.nan, True, False, False
    letter = (match[1] or match[5] or "").upper()[:1]
    if letter and axis is not None and letter not in AXIS_LETTERS[axis]:
        return np.nan, True, False, False
    degrees, minutes, seconds = (
        float((part or "0").replace(",", ".")) for part in match.group(2, 3, 4)
    )
    if minutes >= 60 or seconds >= 60 or (letter and match[2].startswith("-")):
        return np.nan, True, False, False
    size = abs(degrees) + minutes / 60 + seconds / 3600
    negative = match[2].startswith("-") or letter in ("S", "W")
    return (-size if negative else size), False, bool(letter), match[3] is not None
