"""Numbers, coordinates and units as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = frozenset(
    {"", "-", "--", "---", ".", "?", "*", "na", "n/a", "nan", "nd", "n.d.", "none", "null", "no data", "nodata", "missing", "<na>", "not measured"}
)

_NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
_PLAIN = re.compile(rf"(?:~|≈|ca\.?|c\.)?\s*({_NUMBER})\s*(?:%|m|cm)?", re.IGNORECASE)
_CENSORED = re.compile(rf"(>=|<=|>|<|≥|≤)\s*({_NUMBER})|({_NUMBER})\s*\+")
_RANGE = re.compile(rf"({_NUMBER})\s*(?:-|to|\.\.|/)\s*({_NUMBER})", re.IGNORECASE)
_DEGREES = re.compile(
    r"([NSEW])?\s*([+-]?\d+(?:[.,]\d+)?)\s*(?:°|º|d|deg)?\s*(?:(\d+(?:[.,]\d+)?)\s*['m]\s*)?(?:(\d+(?:[.,]\d+)?)\s*(?:\"|''|s)\s*)?([NSEW])?", re.IGNORECASE
)
_SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "\xa0": " ", "′": "'", "’": "'", "″": '"', "”": '"'})
_HEADER = re.compile(r"\s*(?P<name>.*?)\s*[\[(]\s*(?P<unit>[^\])]*?)\s*[\])]\s*")

# Factor to the canonical unit, by kind of quantity.
UNITS: dict[str, dict[str, float]] = {
    "length [m]": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "fraction": {"1": 1.0, "fraction": 1.0, "%": 0.01, "percent": 0.01, "vol%": 0.01, "% vol": 0.01, "m3/m3": 1.0, "m3 m-3": 1.0},
    "density [g/cm3]": {"g/cm3": 1.0, "g cm-3": 1.0, "kg/m3": 0.001, "kg m-3": 0.001, "mg/m3": 1.0},
    "angle [deg]": {"deg": 1.0, "degrees": 1.0, "degree": 1.0, "°": 1.0, "degrees_north": 1.0, "degrees_east": 1.0},
}
UNIT_ALIASES = {"°c": "degc", "c": "degc", "deg c": "degc", "celsius": "degc", "kelvin": "k", "metre": "m", "meter": "m", "per cent": "%"}


@dataclass(frozen=True)
class Numbers:
    """A column of text read as numbers.

    Attributes
    ----------
    value : ndarray of float
        The number, the middle of a range, the limit of a censored value; NaN when missing or unreadable.
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


def parse_numbers(column: pd.Series) -> Numbers:
    """Read a column as numbers; a comma is a decimal sign unless three digits follow it, which is ambiguous and unreadable.

    Examples
    --------
    >>> numbers = parse_numbers(pd.Series(["1.5", "> 3.2", "0.4-0.8", "2,5", "nd", "deep"]))
    >>> numbers.value
    array([1.5, 3.2, 0.6, 2.5, nan, nan])
    >>> numbers.censored.tolist(), numbers.unreadable.tolist()
    ([0, 1, 0, 0, 0, 0], [False, False, False, False, False, True])
    """
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        value = column.to_numpy(dtype=float, na_value=np.nan)
        infinite = np.isinf(value)
        value = np.where(infinite, np.nan, value)
        return Numbers(value, value, value, np.zeros(len(value), np.int8), infinite)
    codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
    parsed = [_parse_number(str(text)) for text in texts] or [(np.nan, np.nan, 0, False)]
    low, high, censored, unreadable = (np.array(part)[codes] for part in zip(*parsed))
    low, high = low.astype(float), high.astype(float)
    return Numbers(np.where(low == high, low, low / 2 + high / 2), low, high, censored.astype(np.int8), unreadable.astype(bool))


def _parse_number(text: str) -> tuple[float, float, int, bool]:
    text = text.translate(_SIGNS).strip()
    if text.lower() in MISSING:
        return np.nan, np.nan, 0, False
    if match := _PLAIN.fullmatch(text):
        value = _to_float(match[1])
        return value, value, 0, not np.isfinite(value)
    if match := _CENSORED.fullmatch(text):
        value = _to_float(match[2] or match[3])
        return value, value, -1 if match[1] and match[1] in "<=≤" else 1, not np.isfinite(value)
    if match := _RANGE.fullmatch(text):
        low, high = _to_float(match[1]), _to_float(match[2])
        return low, high, 0, not (np.isfinite(low) and np.isfinite(high))
    return np.nan, np.nan, 0, True


def _to_float(text: str) -> float:
    if re.search(r",\d{3}(?!\d)", text):
        return np.nan
    value = float(text.replace(",", "."))
    return value if np.isfinite(value) else np.nan


def parse_coordinates(column: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Decimal degrees from numbers, ``65.5°N``, ``148° 52' 30" W`` and the like; and which cells are unreadable.

    Examples
    --------
    >>> parse_coordinates(pd.Series(["65.5°N", "148° 52' 30\\" W", "-12.25", "", "here"]))[0]
    array([ 65.5 , -148.875, -12.25 , nan, nan])
    """
    numbers = parse_numbers(column)
    if not numbers.unreadable.any() and not numbers.censored.any() and np.array_equal(numbers.low, numbers.high, equal_nan=True):
        return numbers.value, numbers.unreadable
    codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
    parsed = [_parse_degrees(str(text)) for text in texts]
    values, unreadable = (np.array(part)[codes] for part in zip(*parsed))
    return values.astype(float), unreadable.astype(bool)


def _parse_degrees(text: str) -> tuple[float, bool]:
    text = text.translate(_SIGNS).strip()
    if text.lower() in MISSING:
        return np.nan, False
    match = _DEGREES.fullmatch(text)
    if match is None or (match[1] and match[5]):
        return np.nan, True
    letter = (match[1] or match[5] or "").upper()
    degrees, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.group(2, 3, 4))
    if minutes >= 60 or seconds >= 60 or (letter and match[2].startswith("-")):
        return np.nan, True
    size = abs(degrees) + minutes / 60 + seconds / 3600
    return (-size if match[2].startswith("-") or letter in ("S", "W") else size), False


def as_text(column: pd.Series) -> pd.Series:
    """A column as text without outer blanks; "" where it is missing."""
    return column.astype("str").fillna("").astype("str").str.strip()


def split_header(header: str) -> tuple[str, str | None]:
    """Name and unit of a column: ``alt [cm]`` gives ``("alt", "cm")``, ``alt`` gives ``("alt", None)``."""
    match = _HEADER.fullmatch(header)
    return (match["name"], match["unit"] or None) if match else (header.strip(), None)


def canonical_unit(unit: str) -> str:
    """The one spelling of a unit, so that two can be compared."""
    text = unit.strip().lower().replace("³", "3").replace("^", "")
    return UNIT_ALIASES.get(text, text)


def unit_factor(unit: str, kind: str) -> float | None:
    """Factor from a unit to the canonical one of a kind, or None if it is not a unit of that kind."""
    return UNITS[kind].get(canonical_unit(unit))


def convert_units(value: NDArray[np.float64], unit: str, target: str) -> NDArray[np.float64] | None:
    """Values in another unit of the same kind; None if there is no simple way.

    Examples
    --------
    >>> convert_units(np.array([120.0]), "cm", "m"), convert_units(np.array([0.5]), "fraction", "%"), convert_units(np.array([270.65]), "K", "degC")
    (array([1.2]), array([50.]), array([-2.5]))
    """
    source, wanted = canonical_unit(unit), canonical_unit(target)
    if source == wanted:
        return value
    for factors in UNITS.values():
        if source in factors and wanted in factors:
            ratio = factors[source] / factors[wanted]
            # Dividing by a whole number keeps 120 cm at 1.2 m exactly.
            return value * round(ratio) if ratio >= 1 else value / round(1 / ratio)
    if (source, wanted) == ("k", "degc"):
        return value - 273.15
    if (source, wanted) == ("degc", "k"):
        return value + 273.15
    return None


def line_ranges(lines: NDArray[np.int64]) -> str:
    """Line numbers in short: ``3, 7-12``."""
    ordered = np.unique(lines)
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) != 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
