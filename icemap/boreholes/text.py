"""Numbers, coordinates and units as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
_DIRECTION = re.compile(r"(north|south|east|west)(?:ern)?|(?:deg|long?)?([ew])|(?:deg|lat)?(n)|(s)")
MISSING = frozenset(
    {"", "-", "--", "---", ".", "?", "*", "na", "n/a", "nan", "nd", "n.d.", "none", "null"}
    | {"no data", "nodata", "missing", "<na>", "not measured", "#n/a", "#na", "nil", "n.a."}
)

_NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
_PLAIN = re.compile(rf"(?:~|≈|ca\.?|c\.)?\s*({_NUMBER})", re.IGNORECASE)
_CENSORED = re.compile(rf"(>=|<=|>|<|≥|≤)\s*({_NUMBER})|({_NUMBER})\s*\+")
# A slash is no sign of a range: 3/4 is three quarters, or the third of April.
_RANGE = re.compile(rf"({_NUMBER})\s*(-|to|\.\.)\s*({_NUMBER})", re.IGNORECASE)
_DATE_PART = re.compile(r"0\d+")
_THREE_DIGITS_AFTER_COMMA = re.compile(r",\d{3}(?!\d)")
# A group of three digits after a comma could be thousands, unless a zero alone stands before it.
_DECIMAL_COMMA = re.compile(r"[+-]?(?:0,\d+|\d*,(?:\d{1,2}|\d{4,}))(?:[eE][+-]?\d{1,3})?")
_POINT_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_DEGREES = re.compile(
    r"([NSEW])?\s*([+-]?\d+(?:[.,]\d+)?)\s*(?:°|º|d|deg|degrees?)?"
    r"\s*(?:(\d+(?:[.,]\d+)?)\s*['m]\s*)?(?:(\d+(?:[.,]\d+)?)\s*(?:\"|''|s)\s*)?"
    r"(N|S|E|W|north|south|east|west)?",
    re.IGNORECASE,
)
# Degrees, minutes and seconds with nothing but blanks or colons between them.
_SPACED = re.compile(
    r"([NSEW])?\s*([+-]?\d+)[\s:]+(\d+(?:[.,]\d+)?)(?:[\s:]+(\d+(?:[.,]\d+)?))?"
    r"\s*(N|S|E|W|north|south|east|west)?",
    re.IGNORECASE,
)
_SIGNS = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "\xa0": " ", "′": "'", "’": "'", "″": '"', "”": '"'}
)
_HEADER = re.compile(r"\s*(?P<name>.*?)\s*[\[(]\s*(?P<unit>[^\])]*?)\s*[\])]\s*")

# Factor to the canonical unit, by kind of quantity.
UNITS: dict[str, dict[str, float]] = {
    "length [m]": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "fraction": {
        "1": 1.0,
        "fraction": 1.0,
        "%": 0.01,
        "percent": 0.01,
        "vol%": 0.01,
        "% vol": 0.01,
        "m3/m3": 1.0,
        "m3 m-3": 1.0,
    },
    "density [g/cm3]": {"g/cm3": 1.0, "g cm-3": 1.0, "kg/m3": 0.001, "kg m-3": 0.001, "mg/m3": 1.0},
    "angle [deg]": {
        "deg": 1.0,
        "degrees": 1.0,
        "degree": 1.0,
        "°": 1.0,
        "degrees_north": 1.0,
        "degrees_east": 1.0,
    },
}
# Factor and offset to degC.
TEMPERATURES = {"degc": (1.0, 0.0), "k": (1.0, -273.15), "degf": (5 / 9, -160 / 9)}
UNIT_ALIASES = {
    **dict.fromkeys(("°c", "c", "deg c", "deg_c", "celsius", "degrees c", "degree c"), "degc"),
    **dict.fromkeys(("kelvin", "°k"), "k"),
    **dict.fromkeys(("°f", "f", "fahrenheit", "deg f"), "degf"),
    **dict.fromkeys(("metre", "meter", "metres", "meters"), "m"),
    **dict.fromkeys(("centimetre", "centimeter", "centimetres", "centimeters"), "cm"),
    **dict.fromkeys(("millimetre", "millimeter", "millimetres", "millimeters"), "mm"),
    **dict.fromkeys(("per cent", "pct", "perc", "prozent", "vol. %", "vol.%", "vol-%"), "%"),
    **dict.fromkeys(("frac", "fractions", "cm3/cm3"), "fraction"),
    **dict.fromkeys(("-", "unitless", "dimensionless"), "1"),
}
# Lengths that no layer table is written in; a site table may be.
FURTHER_LENGTHS = {
    "km": 1000.0,
    "dm": 0.1,
    "ft": 0.3048,
    "feet": 0.3048,
    "foot": 0.3048,
    "in": 0.0254,
}
FURTHER_LENGTHS |= {"inch": 0.0254, "inches": 0.0254}


@dataclass(frozen=True)
class Numbers:
    """A column of text read as numbers.

    Attributes
    ----------
    value : ndarray of float
        The number, the middle of a range, the limit of a censored value; NaN when missing or
        unreadable.
    low, high : ndarray of float
        Ends of a range; both equal ``value`` otherwise.
    censored : ndarray of int8
        1 for ``> 3.2``, -1 for ``< 3.2``, else 0.
    unreadable : ndarray of bool
        Text that is neither a number nor a sign for a missing one.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    censored: NDArray[np.int8]
    unreadable: NDArray[np.bool_]


def parse_numbers(column: pd.Series, unit: str | None = None) -> Numbers:
    """Read a column as numbers.

    A comma is a decimal sign. Where three digits follow it, it could mark thousands: the rest of
    the column decides, and where that leaves it open, the cell is unreadable.

    Parameters
    ----------
    column : Series
        Numbers or texts.
    unit : str, optional
        The unit of the column. A cell that gives another one (``1.2 m`` among centimetres) is
        converted, and is unreadable where it cannot be.

    Examples
    --------
    >>> numbers = parse_numbers(pd.Series(["1.5", "> 3.2", "0.4-0.8", "2,5", "nd", "deep"]))
    >>> numbers.value
    array([1.5, 3.2, 0.6, 2.5, nan, nan])
    >>> numbers.censored.tolist(), numbers.unreadable.tolist()
    ([0, 1, 0, 0, 0, 0], [False, False, False, False, False, True])
    >>> parse_numbers(pd.Series(["85", "1.2 m"]), "cm").value
    array([ 85., 120.])
    """
    if _is_numeric(column):
        value = column.to_numpy(dtype=float, na_value=np.nan)
        infinite = np.isinf(value)
        value = np.where(infinite, np.nan, value)
        return Numbers(value, value, value, np.zeros(len(value), np.int8), infinite)
    codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
    cells = [str(text).translate(_SIGNS).strip() for text in texts]
    commas = _decimal_commas(cells)
    parsed = [_parse_cell(cell, commas, unit) for cell in cells] or [(np.nan, np.nan, 0, False)]
    low, high, censored, unreadable = (np.array(part)[codes] for part in zip(*parsed))
    low, high = low.astype(float), high.astype(float)
    middle = np.where(low == high, low, low / 2 + high / 2)
    return Numbers(middle, low, high, censored.astype(np.int8), unreadable.astype(bool))


def _is_numeric(column: pd.Series) -> bool:
    types = pd.api.types
    kind = column.dtype
    return (
        types.is_numeric_dtype(kind)
        and not types.is_bool_dtype(kind)
        and not types.is_complex_dtype(kind)
    )


def _decimal_commas(cells: list[str]) -> bool:
    """True if some cell has a comma that can only be a decimal sign, and none a decimal point."""
    if not any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells):
        return False
    return not any(
        "." in cell and _PLAIN.fullmatch(cell) and not _POINT_GROUPS.fullmatch(cell)
        for cell in cells
    )


_Parsed = tuple[float, float, int, bool]
_UNREADABLE: _Parsed = (np.nan, np.nan, 0, True)


def _parse_cell(text: str, commas: bool, unit: str | None) -> _Parsed:
    if text.lower() in MISSING:
        return np.nan, np.nan, 0, False
    if commas and _POINT_GROUPS.fullmatch(text):
        # 1.250 among decimal commas is 1250 or 1.25.
        return _UNREADABLE
    bare = _parse_number(text, commas)
    if not bare[3]:
        return bare
    for spelling in _CELL_UNITS:
        number = text[: -len(spelling)].rstrip()
        if not text.lower().endswith(spelling) or not number or number[-1] not in "0123456789.+":
            continue
        low, high, censored, unreadable = _parse_number(number, commas)
        if unreadable:
            continue
        converted = convert_units(np.array([low, high]), spelling, unit or spelling)
        if converted is None or (unit is None and canonical_unit(spelling) != "%"):
            return _UNREADABLE
        return float(converted[0]), float(converted[1]), censored, False
    return _UNREADABLE


def _parse_number(text: str, commas: bool) -> _Parsed:
    if match := _PLAIN.fullmatch(text):
        value = _to_float(match[1], commas)
        return value, value, 0, not np.isfinite(value)
    if match := _CENSORED.fullmatch(text):
        value = _to_float(match[2] or match[3], commas)
        below = bool(match[1]) and match[1] in "<=≤"
        return value, value, -1 if below else 1, not np.isfinite(value)
    if match := _RANGE.fullmatch(text):
        # A leading zero is a date's: 01-02, 2001-05.
        if any(_DATE_PART.fullmatch(part) for part in (match[1], match[3])):
            return _UNREADABLE
        low, high = _to_float(match[1], commas), _to_float(match[3], commas)
        return low, high, 0, not (np.isfinite(low) and np.isfinite(high))
    return _UNREADABLE


def _to_float(text: str, commas: bool = False) -> float:
    thousands = _THREE_DIGITS_AFTER_COMMA.search(text) and not _DECIMAL_COMMA.fullmatch(text)
    if thousands and not commas:
        return np.nan
    value = float(text.replace(",", "."))
    return value if np.isfinite(value) else np.nan


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
    if bracket is not None and canonical_unit(bracket) in {*UNITS["length [m]"], *FURTHER_LENGTHS}:
        raise IcemapError(
            f"the column '{header}' gives coordinates in '{bracket}': convert them to degrees of"
            " longitude and latitude (WGS 84), or, in a table of sites, name their CRS with"
            " 'sites.crs'."
        )
    tokens = re.split(r"[\s_,;:()\[\].°º/\-]+", header.lower())
    found = [match for token in tokens if (match := _DIRECTION.fullmatch(token))]
    letters = sorted({str(match[match.lastindex or 0])[0].upper() for match in found})
    if len(letters) > 1 or (letters and axis is not None and letters[0] not in AXIS_LETTERS[axis]):
        raise IcemapError(
            f"the column '{header}' says {' and '.join(letters)} and is read as the"
            f" {axis or 'coordinate'}: correct its header, or the name of the column in the config."
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
        and np.array_equal(numbers.low, numbers.high, equal_nan=True)
    )
    if plain:
        values, unreadable = numbers.value, numbers.unreadable
        told = np.zeros(len(values), dtype=bool)
    else:
        codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
        parsed = [_parse_degrees(str(text), axis) for text in texts]
        values, unreadable, told = (np.array(part)[codes] for part in zip(*parsed))
        values, unreadable, told = values.astype(float), unreadable.astype(bool), told.astype(bool)
    bare = ~told & ~np.isnan(values)
    if heading.parts and bare.any():
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
    return np.where(bare, values * heading.degrees, values), unreadable


def _parse_degrees(text: str, axis: Axis | None = None) -> tuple[float, bool, bool]:
    """Degrees, whether they are unreadable, and whether the cell itself tells its direction or
    unit.
    """
    text = text.translate(_SIGNS).strip()
    if text.lower() in MISSING:
        return np.nan, False, False
    match = _DEGREES.fullmatch(text) or _SPACED.fullmatch(text)
    if match is None or (match[1] and match[5]):
        return np.nan, True, False
    letter = (match[1] or match[5] or "").upper()[:1]
    if letter and axis is not None and letter not in AXIS_LETTERS[axis]:
        return np.nan, True, False
    degrees, minutes, seconds = (
        float((part or "0").replace(",", ".")) for part in match.group(2, 3, 4)
    )
    if minutes >= 60 or seconds >= 60 or (letter and match[2].startswith("-")):
        return np.nan, True, False
    size = abs(degrees) + minutes / 60 + seconds / 3600
    told = bool(letter) or match[3] is not None
    return (-size if match[2].startswith("-") or letter in ("S", "W") else size), False, told


def as_text(column: pd.Series) -> pd.Series:
    """A column as text without outer blanks; "" where it is missing."""
    return column.astype("str").fillna("").astype("str").str.strip()


def as_names(column: pd.Series) -> pd.Series:
    """A column of names as text; whole numbers that a table holds as 1.0 are 1.

    Examples
    --------
    >>> as_names(pd.Series([1.0, 2.0, np.nan])).tolist()
    ['1', '2', '']
    """
    if _is_numeric(column) and not pd.api.types.is_integer_dtype(column.dtype):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        whole = np.isfinite(numbers) & (numbers == np.round(numbers)) & (np.abs(numbers) < 2**53)
        given = as_text(column)
        return given.where(
            ~whole,
            pd.Series(
                [f"{x:.0f}" if w else "" for x, w in zip(numbers, whole)], index=column.index
            ),
        )
    return as_text(column)


def words(text: str) -> str:
    """Lower case, with one blank where blanks, underscores or dashes stand.

    Examples
    --------
    >>> words("Massive_ice "), words("THAW-DEPTH")
    ('massive ice', 'thaw depth')
    """
    return " ".join(re.split(r"[\s_\-–]+", text.strip().lower())).strip()


def split_header(header: str) -> tuple[str, str | None]:
    """Name and unit of a column: ``alt [cm]`` gives ``("alt", "cm")``, ``alt`` gives ``("alt",
    None)``.
    """
    match = _HEADER.fullmatch(header)
    return (match["name"], match["unit"] or None) if match else (header.strip(), None)


def header_unit(header: str) -> tuple[str | None, bool]:
    """The unit that a header gives, and whether it says so in brackets.

    Without brackets the last word may be one: ``alt_cm``, ``depth, m``, ``ice pct``.

    Examples
    --------
    >>> header_unit("alt [cm]"), header_unit("alt_mm"), header_unit("t, mean, degC")
    (('cm', True), ('mm', False), ('degC', False))
    >>> header_unit("alt"), header_unit("alt (mean of 2019)")
    ((None, False), (None, False))
    """
    name, unit = split_header(header)
    if unit is not None:
        return (unit, True) if _looks_like_unit(unit) else (None, False)
    parts = re.split(r"[\s_,;]+", name)
    return (parts[-1], False) if len(parts) > 1 and is_unit(parts[-1]) else (None, False)


def is_unit(text: str) -> bool:
    """Whether a text is a unit that tables of sites or layers are written in."""
    unit = canonical_unit(text)
    return (
        unit in TEMPERATURES
        or unit in FURTHER_LENGTHS
        or any(unit in kind for kind in UNITS.values())
    )


def _looks_like_unit(text: str) -> bool:
    # Compound units such as W/m2 or kg m-2 are in no list.
    return is_unit(text) or bool(
        re.fullmatch(r"[^\d\s][^\s]{0,5}(?:[/·*^]|\s?[a-z]+-?\d).{0,10}", text, re.IGNORECASE)
    )


def canonical_unit(unit: str) -> str:
    """The one spelling of a unit, so that two can be compared."""
    text = (
        unit.strip().lower().replace("³", "3").replace("²", "2").replace("^", "").replace("⁻", "-")
    )
    return UNIT_ALIASES.get(text, text)


def unit_factor(unit: str, kind: str) -> float | None:
    """Factor from a unit to the canonical one of a kind, or None if it is not a unit of that
    kind.
    """
    return UNITS[kind].get(canonical_unit(unit))


def same_unit(one: str, other: str) -> bool:
    """True if two spellings name one unit: ``%`` and ``percent``, ``degC`` and ``°C``."""
    converted = convert_units(np.array([0.0, 1.0]), one, other)
    return converted is not None and bool(np.allclose(converted, [0.0, 1.0]))


def convert_units(value: NDArray[np.float64], unit: str, target: str) -> NDArray[np.float64] | None:
    """Values in another unit of the same kind; None if there is no simple way.

    Parameters
    ----------
    value : ndarray of shape (n,)
    unit, target : str
        The unit that the values are in, and the one that is wanted.

    Examples
    --------
    >>> convert_units(np.array([120.0]), "cm", "m"), convert_units(np.array([0.5]), "fraction",
    ...     "%"), convert_units(np.array([270.65]), "K", "degC")
    (array([1.2]), array([50.]), array([-2.5]))
    """
    source, wanted = canonical_unit(unit), canonical_unit(target)
    if source == wanted:
        return value
    lengths = {**UNITS["length [m]"], **FURTHER_LENGTHS}
    for factors in (lengths, *UNITS.values()):
        if source in factors and wanted in factors:
            ratio = factors[source] / factors[wanted]
            # Dividing by a whole number keeps 120 cm at 1.2 m exactly.
            if ratio < 1 and abs(1 / ratio - round(1 / ratio)) < 1e-9:
                return value / round(1 / ratio)
            return value * (round(ratio) if abs(ratio - round(ratio)) < 1e-9 else ratio)
    if source in TEMPERATURES and wanted in TEMPERATURES:
        factor, offset = TEMPERATURES[source]
        per, shift = TEMPERATURES[wanted]
        return (value * factor + offset - shift) / per
    return None


def line_ranges(lines: NDArray[np.int64]) -> str:
    """Line numbers in short: ``3, 7-12``."""
    ordered = np.unique(lines)
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) != 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


# Spellings that may stand behind a number in a cell, the longest first.
_CELL_UNITS = sorted(
    (
        {unit for kind in UNITS.values() for unit in kind}
        | {*TEMPERATURES, *FURTHER_LENGTHS, *UNIT_ALIASES}
    )
    - {"1", "-", "fraction", "frac", "fractions", "unitless", "dimensionless"},
    key=lambda unit: (-len(unit), unit),
)
