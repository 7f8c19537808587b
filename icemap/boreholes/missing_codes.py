"""Numbers that stand for no value, such as -9999, or are in another unit, where nobody says so."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.text import as_text, is_numeric

# 99, 999.9, -9999, 88, 7777: one digit again and again.
_REPEATED = re.compile(r"([789])\1+(\.\1*)?")
# Limits of the types that numbers are stored in.
_LIMITS = (32767, 32768, 65535, 2147483647, 2147483648, 4294967295)
# So many parts of 1 among %, and up to where no number must be between.
PARTS_AMONG, PARTS_BELOW = 3, 5.0
# No borehole quantity in any unit in use is this large.
_ABSURD = 1e9


def is_code(value: float) -> bool:
    """True for a number that tables use for missing.

    Examples
    --------
    >>> [x for x in (-9999.0, 999.0, 99.9, -32768.0, 1e20, 98.0, 9.0, 0.0) if is_code(x)]
    [-9999.0, 999.0, 99.9, -32768.0, 1e+20]
    """
    size = abs(value)
    return size >= _ABSURD or size in _LIMITS or _REPEATED.fullmatch(f"{size:.10g}") is not None


def suspected_codes(values: NDArray[np.float64]) -> list[float]:
    """The codes among some values that are far outside the rest.

    A code of two digits is far from the rest at twice its span, a longer one at its span; where
    there is no rest, only codes that are no measurement of anything are named.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where a cell is empty.

    Examples
    --------
    >>> suspected_codes(np.array([-8.5, -3.0, -9999.0, 999.0]))
    [-9999.0, 999.0]
    >>> suspected_codes(np.array([40.0, 70.0, 99.0]))
    []
    """
    distinct = np.unique(values[np.isfinite(values)])
    codes = [float(value) for value in distinct if is_code(float(value))]
    rest = distinct[~np.isin(distinct, codes)]
    if len(rest) == 0:
        return [code for code in codes if abs(code) >= _ABSURD or code <= -999]
    low, high = float(rest.min()), float(rest.max())
    span = max(high - low, abs(low), abs(high))

    def far(code: float) -> bool:
        away = span * (2 if abs(code) < 100 else 1)
        return code < low - away or code > high + away

    return [code for code in codes if far(code)]


def mixed_fractions(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Parts of 1 among %: several numbers below 1, none from there to 5, and all of them a
    hundredth of what the others are like.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where a cell is empty.

    Examples
    --------
    >>> mixed_fractions(np.array([45, 0.52, 38, 0.61, 55, 0.44, 71])).sum()
    np.int64(3)
    >>> mixed_fractions(np.array([45, 0.52, 38, 0.61, 55, 2.0, 0.4])).any()
    np.False_
    """
    parts = (values > 0) & (values < 1)
    rest = values[values >= 1]
    if parts.sum() < PARTS_AMONG or not len(rest) or rest.min() < PARTS_BELOW:
        return np.zeros(len(values), dtype=bool)
    scaled = 100 * values[parts]
    alike = (scaled > rest.min() / 3) & (scaled < 1.5 * rest.max())
    return parts & bool(alike.all())


def unsigned_parts(column: pd.Series, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Numbers up to 1 without a % sign among others that have one.

    Parameters
    ----------
    column : Series
        As written.
    values : ndarray of shape (n,)
        Its numbers; NaN where a cell is empty.

    Examples
    --------
    >>> unsigned_parts(pd.Series(["45 %", "0.5", ""]), np.array([45, 0.5, np.nan])).tolist()
    [False, True, False]
    """
    signed = np.zeros(len(column), dtype=bool)
    if not is_numeric(column):
        signed = as_text(column).str.endswith(("%", "％")).to_numpy(bool)
    bare = np.isfinite(values) & (values > 0) & ~signed
    if not (signed.any() and bare.any() and values[bare].max() <= 1 < np.nanmax(values)):
        return np.zeros(len(column), dtype=bool)
    return np.asarray(bare)
