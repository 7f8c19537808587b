"""Thaw depths that were measured before the end of the season, as a column of dates says."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, words

# Headers of thaw depths, and of those that are meant as that of the season.
_THAW = re.compile(r"\bthaw|\bfrost table|auftau|протаиван|оттаиван|融化|融深")
_OF_THE_SEASON = re.compile(r"\bmax|active|\bseason|\balt\b|сезонн|活动层")
_DATE = re.compile(r"\b(?:date|datum|дата)\b|日期|时间")
_TIME = re.compile(rf"{_DATE.pattern}|\b(?:years?|jahr|année|time|datetime)\b|\bгод\b|年份?")
# Months in which ground is thawing; before them there is none that has thawed.
THAWING = (5, 6, 7)
WINTER = (11, 12, 1, 2, 3, 4)
LEAST_THAW = 0.05
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Days of a spreadsheet program: 1954 to 2064.
_DAY_ZERO, _DAYS = date(1899, 12, 30), (20_000, 60_000)


def early_thaw(
    table: Table, header: str, source: pd.Series | None, depth: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Rows whose permafrost table is a thaw depth of another season than its end.

    Parameters
    ----------
    table : Table
    header : str
        Of the permafrost table.
    source : Series or None
        Where each permafrost table is from, as the table says.
    depth : ndarray of shape (rows,)
        The permafrost table, m.
    """
    if source is None:
        name = words(header)
        told = _THAW.search(name) is not None and _OF_THE_SEASON.search(name) is None
        thaw = np.full(len(depth), told)
    else:
        thaw = (source == "thaw_depth").to_numpy(bool)
    if not thaw.any():
        return thaw
    month = _months_of(table, header)
    early = np.isin(month, THAWING) | (np.isin(month, WINTER) & (depth < LEAST_THAW))
    return np.asarray(thaw & early)


def _months_of(table: Table, header: str) -> NDArray[np.float64]:
    """Months of the first column of dates; NaN where there is none."""
    for other in map(str, table.frame.columns):
        if other != header and _DATE.search(words(other)):
            found = months(table.frame[other])
            if np.isfinite(found).any():
                return found
    return np.full(len(table.frame), np.nan)


def times(table: Table) -> NDArray[np.float64]:
    """A number for each time that the columns of years and dates tell.

    Examples
    --------
    >>> times(Table("t.csv", pd.DataFrame({"year": [2001, 2002, 2001]}), np.arange(3))).tolist()
    [0.0, 1.0, 0.0]
    """
    found = [name for name in table.frame.columns if _TIME.search(words(str(name)))]
    if not found:
        return np.zeros(len(table.frame))
    groups = table.frame.groupby(found, dropna=False, sort=False).ngroup()
    return np.asarray(groups, dtype=np.float64)


def months(column: pd.Series) -> NDArray[np.float64]:
    """Months of dates in whatever way they are written; NaN where the order of day and month is
    open.

    Examples
    --------
    >>> months(pd.Series(["2018-06-10", "10.6.2018", "10 June 2018", "43261", "2018"])).tolist()
    [6.0, 6.0, 6.0, 6.0, nan]
    >>> months(pd.Series(["7/4/2013", "7/14/2013"])).tolist(), months(pd.Series(["7/4/2013"]))
    ([7.0, 7.0], array([nan]))
    """
    texts = as_text(column)
    pairs = texts.str.extract(r"^(\d{1,2})/(\d{1,2})/\d{2,4}\b").astype(float)
    day_first, month_first = (bool((pairs[i] > 12).any()) for i in (0, 1))
    known = {text: _month(text) for text in texts.unique()}
    found = texts.map(known).to_numpy(float, na_value=np.nan)
    if day_first != month_first:
        ordered = pairs[1 if day_first else 0].to_numpy(float)
        found = np.where(np.isnan(found), ordered, found)
    return np.where((found >= 1) & (found <= 12), found, np.nan)


def _month(text: str) -> float:
    if match := re.match(r"\d{4}[-/.](\d{1,2})(?:[-/.]\d{1,2})?(?!\d)", text):
        return float(match[1])
    if match := re.match(r"\d{1,2}\.\s?(\d{1,2})\.\s?\d{2,4}\b", text):
        return float(match[1])
    if match := re.fullmatch(r"(?:19|20)\d\d(\d\d)\d\d", text):
        return float(match[1])
    if match := re.search(r"[^\W\d_]{3,}", text):
        name = match[0].lower()[:3]
        return float(_MONTHS.index(name) + 1) if name in _MONTHS else np.nan
    if re.fullmatch(r"\d{5}(?:\.\d+)?", text) and _DAYS[0] <= float(text) <= _DAYS[1]:
        return float((_DAY_ZERO + timedelta(days=int(float(text)))).month)
    return np.nan
