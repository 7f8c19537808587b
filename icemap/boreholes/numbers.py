"""Numbers as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.table_units import (
    TEMPERATURES,
    UNIT_ALIASES,
    UNITS,
    canonical_unit,
    convert_units,
)
from icemap.boreholes.text import MISSING, SIGNS, as_text, is_numeric

_NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
_PLAIN = re.compile(
    rf"(?:~|≈|ca\.?|c\.)?\s*({_NUMBER})(?:\s*\(?(?:est(?:imated)?|approx)\.?\)?)?", re.IGNORECASE
)
PLUS_MINUS = r"(?:±|\+/-|\+-)\s*"
_WITH_ERROR = re.compile(rf"({_NUMBER})\s*(?:{PLUS_MINUS}({_NUMBER})|\({PLUS_MINUS}({_NUMBER})\))")
_CENSORED = re.compile(rf"(>=|<=|>|<|≥|≤)\s*({_NUMBER})|({_NUMBER})\s*\+")
# A slash is no sign of a range: 3/4 is three quarters, or the third of April.
_RANGE = re.compile(rf"({_NUMBER})\s*(-|to|bis|à|\.\.|~)\s*({_NUMBER})", re.IGNORECASE)
_DATE_PART = re.compile(r"0\d+")
_THREE_DIGITS_AFTER_COMMA = re.compile(r",\d{3}(?!\d)")
# A group of three digits after a comma could be thousands, unless a zero alone stands before it.
_DECIMAL_COMMA = re.compile(r"[+-]?(?:0,\d+|\d*,(?:\d{1,2}|\d{4,}))(?:[eE][+-]?\d{1,3})?")
_POINT_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
# What can only be a sign between thousands: it is there twice, or another one follows it.
_THOUSANDS = re.compile(
    r"[+-]?[1-9]\d{0,2}([.,])\d{3}(?:(?:\1\d{3})+(?:(?!\1)[.,]\d*)?|(?!\1)[.,]\d+)"
)
# Blanks and apostrophes do not stand for decimals; one blank alone may part two numbers.
_PARTED = re.compile(
    r"[+-]?[1-9]\d{0,2}(?:(?: \d{3}){2,}(?:[.,]\d*)?| \d{3}[.,]\d+|(?:'\d{3})+(?:[.,]\d*)?)"
)
# Spellings that may stand behind a number in a cell, the longest first.
_CELL_UNITS = sorted(
    ({unit for kind in UNITS.values() for unit in kind} | {*TEMPERATURES, *UNIT_ALIASES})
    - {"1", "-", "fraction", "frac", "fractions", "unitless", "dimensionless"},
    key=lambda unit: (-len(unit), unit),
)
_Parsed = tuple[float, float, int, bool, float]
_EMPTY: _Parsed = (np.nan, np.nan, 0, False, np.nan)
_UNREADABLE: _Parsed = (np.nan, np.nan, 0, True, np.nan)


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
    error : ndarray of float
        What stands behind ±; NaN where nothing does.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    censored: NDArray[np.int8]
    unreadable: NDArray[np.bool_]
    error: NDArray[np.float64]


def parse_numbers(column: pd.Series, unit: str | None = None) -> Numbers:
    """Read a column as numbers.

    A comma is a decimal sign. Where three digits follow it, it could mark thousands: the rest of
    the column decides, and where that leaves it open, the cell is unreadable. 7,699,999 and
    412.345,1 show which sign marks thousands in their column.

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
    >>> parse_numbers(pd.Series(["45 ± 5", "30"])).error
    array([ 5., nan])
    """
    if is_numeric(column):
        value = column.to_numpy(dtype=float, na_value=np.nan)
        infinite = np.isinf(value)
        value = np.where(infinite, np.nan, value)
        none, exact = np.full(len(value), np.nan), np.zeros(len(value), np.int8)
        return Numbers(value, value, value, exact, infinite, none)
    codes, texts = pd.factorize(as_text(column), use_na_sentinel=False)
    cells = _without_thousands([str(text).translate(SIGNS).strip() for text in texts])
    commas = _decimal_commas(cells)
    parsed = [_parse_cell(cell, commas, unit) for cell in cells] or [_EMPTY]
    low, high, censored, unreadable, error = (np.array(part)[codes] for part in zip(*parsed))
    low, high = low.astype(float), high.astype(float)
    middle = np.where(low == high, low, low / 2 + high / 2)
    return Numbers(middle, low, high, censored.astype(np.int8), unreadable.astype(bool), error)


def _without_thousands(cells: list[str]) -> list[str]:
    """Cells without signs between thousands, where it is certain that they are such."""
    cells = [re.sub("[ ']", "", cell) if _PARTED.fullmatch(cell) else cell for cell in cells]
    signs = {match[1] for cell in cells if (match := _THOUSANDS.fullmatch(cell))}
    if len(signs) != 1:
        return cells
    (sign,) = signs
    grouped = re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:\{sign}\d{{3}})+(?:[.,]\d*)?")
    return [
        cell.replace(sign, "").replace(",", ".") if grouped.fullmatch(cell) else cell
        for cell in cells
    ]


def _decimal_commas(cells: list[str]) -> bool:
    """True if some cell has a comma that can only be a decimal sign, and none a decimal point."""
    if not any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells):
        return False
    return not any(
        "." in cell and _PLAIN.fullmatch(cell) and not _POINT_GROUPS.fullmatch(cell)
        for cell in cells
    )


def _parse_cell(text: str, commas: bool, unit: str | None) -> _Parsed:
    if text.lower() in MISSING:
        return _EMPTY
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
        low, high, censored, unreadable, error = _parse_number(number, commas)
        if unreadable:
            continue
        ends = convert_units(np.array([low, high, low + error]), spelling, unit or spelling)
        if ends is None or (unit is None and canonical_unit(spelling) != "%"):
            return _UNREADABLE
        return float(ends[0]), float(ends[1]), censored, False, abs(float(ends[2] - ends[0]))
    return _UNREADABLE


def _parse_number(text: str, commas: bool) -> _Parsed:
    if match := _PLAIN.fullmatch(text):
        value = _to_float(match[1], commas)
        return value, value, 0, not np.isfinite(value), np.nan
    if match := _WITH_ERROR.fullmatch(text):
        value, error = _to_float(match[1], commas), _to_float(match[2] or match[3], commas)
        return value, value, 0, not (np.isfinite(value) and error >= 0), error
    if match := _CENSORED.fullmatch(text):
        value = _to_float(match[2] or match[3], commas)
        below = bool(match[1]) and match[1] in "<=≤"
        return value, value, -1 if below else 1, not np.isfinite(value), np.nan
    if match := _RANGE.fullmatch(text):
        # A leading zero is a date's: 01-02, 2001-05.
        if any(_DATE_PART.fullmatch(part) for part in (match[1], match[3])):
            return _UNREADABLE
        low, high = _to_float(match[1], commas), _to_float(match[3], commas)
        # 45..5 is a slip for 45.5; only below zero do ranges fall, as -2 to -4.
        rises = low <= high or high < 0
        return low, high, 0, not (np.isfinite(low) and np.isfinite(high) and rises), np.nan
    return _UNREADABLE


def _to_float(text: str, commas: bool) -> float:
    thousands = _THREE_DIGITS_AFTER_COMMA.search(text) and not _DECIMAL_COMMA.fullmatch(text)
    if thousands and not commas:
        return np.nan
    value = float(text.replace(",", "."))
    return value if np.isfinite(value) else np.nan
