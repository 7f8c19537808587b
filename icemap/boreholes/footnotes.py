"""Marks of footnotes next to numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, is_numeric, line_ranges

# What stands at a number for a footnote and for nothing else: 45*, *45, 45 [1], 45^. A letter may
# be a unit, a number in round brackets an error, a raised digit a power.
SIGN = r"[*†‡§]+"
NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)\s*%?"
MARKED = re.compile(rf"{SIGN}\s*({NUMBER})|({NUMBER})\s*(?:{SIGN}|\^|\[\d{{1,2}}\])")
SHOWN = 3


def without_marks(table: Table, headers: Iterable[str]) -> tuple[Table, list[str]]:
    """The table without marks of footnotes at the numbers of some columns, and sentences on them.

    Parameters
    ----------
    table : Table
    headers : iterable of str
        Columns of numbers.
    """
    frame, told = table.frame, []
    for header in headers:
        column = frame[header]
        if is_numeric(column):
            continue
        texts = as_text(column)
        plain = texts.map(_unmarked)
        rows = plain.notna().to_numpy(bool)
        if not rows.any():
            continue
        frame = frame.assign(**{header: column.astype(object).where(~rows, plain)})
        shown = ", ".join(f"'{text}'" for text in pd.unique(texts[rows])[:SHOWN])
        more = " ..." if texts[rows].nunique() > SHOWN else ""
        lines = line_ranges(np.asarray(table.lines)[rows])
        told.append(
            f"'{header}' has marks of footnotes ({shown}{more}; line {lines}), which are read as"
            " the numbers next to them: empty the cells that their footnotes take back"
        )
    return replace(table, frame=frame), told


def _unmarked(text: str) -> str | None:
    """The number of a cell with a mark, None for any other cell.

    Examples
    --------
    >>> _unmarked("45 [1]"), _unmarked("*4,5"), _unmarked("45a"), _unmarked("45")
    ('45', '4,5', None, None)
    """
    match = MARKED.fullmatch(text)
    return None if match is None else (match[1] or match[2]).strip()
