"""Titles above the header of a table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

# So many rows may be titles, and a header below them has so many names or more.
MAX_TITLES, LEAST_NAMES = 5, 3
# Characters at the beginning of a file in which titles and header are.
MAX_START = 100_000


def titles_above(rows: Sequence[Sequence[Any]]) -> int:
    """How many rows above the header are titles or empty: one text each, in the first cell.

    Parameters
    ----------
    rows : sequence of sequence
        The first rows of a table, cell by cell.

    Examples
    --------
    >>> titles_above([["Cores of 2019"], [""], ["site", "top", "base"], ["A", "0", "1"]])
    2
    >>> titles_above([["site", "top", "base"], ["A", "0", "1"]]), titles_above([["a"], ["b"]])
    (0, 0)
    >>> titles_above([["A"], ["1", "0", "1"]])
    0
    """
    found = 0
    for number, row in enumerate(rows[: MAX_TITLES + 1]):
        filled = [column for column, cell in enumerate(row) if _filled(cell)]
        if len(filled) >= LEAST_NAMES:
            names = [str(row[column]) for column in filled]
            return found if not any(map(_is_number, names)) else 0
        if filled and (filled != [0] or _is_number(str(row[0]))):
            return 0
        found = number + 1
    return 0


def below_titles(text: str, separator: Callable[[str], str]) -> tuple[tuple[str, ...], str]:
    """Titles of a CSV, and its text below them.

    Parameters
    ----------
    text : str
    separator : callable
        Finds that of a text.
    """
    start = text[:MAX_START]
    lines = start.splitlines(keepends=True)[: MAX_TITLES + 1]
    for number in range(1, len(lines)):
        above = len("".join(lines[:number]))
        rows = _rows("".join(lines), separator(start[above:]))
        if titles_above(rows) == number and not _are_alike(lines[0], lines[number]):
            titles = (rows[i][0].strip() for i in range(number) if rows[i])
            return tuple(title for title in titles if title), text[above:]
    return (), text


def _are_alike(line: str, below: str) -> bool:
    """Whether a line is a header: another sign than commas, which may be decimal ones below, parts
    it as often as the line below.
    """
    for sign in ";\t|":
        names = [name for name in line.split(sign) if name.strip(' "\r\n')]
        if len(names) >= LEAST_NAMES and line.count(sign) == below.count(sign):
            return True
    return False


def _rows(text: str, separator: str) -> list[list[str]]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return list(islice(reader, MAX_TITLES + 1))
    except csv.Error:
        return []


def _filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def _is_number(text: str) -> bool:
    """Whether it is a number, and no year, after which columns are called, too."""
    return re.fullmatch(r"\s*(?!(?:19|20)\d\d\s*$)[-+−]?[\d.,]+\s*", text) is not None
