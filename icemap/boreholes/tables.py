"""Tables from CSV, Parquet, workbooks and vector files, wherever they are, with the line every row
came from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.addresses import shown
from icemap.boreholes.coordinates import Axis, parse_coordinates
from icemap.boreholes.csv_files import read_csv
from icemap.boreholes.split_coordinates import require_whole
from icemap.boreholes.table_formats import (
    OTHER_WORKBOOKS,
    VECTORS,
    WORKBOOKS,
    read_vector,
    read_workbook,
    with_places,
)
from icemap.boreholes.text import MISSING, as_text, is_numeric
from icemap.boreholes.unit_row import units_below, with_units
from icemap.errors import IcemapError
from icemap.store import local_copy

# Columns of numbers with words in one row, from which that row is a header.
WORDS_IN_HEADER = 3


@dataclass(frozen=True)
class Table:
    """A table as it was found.

    Attributes
    ----------
    file : str
        Its URL, as it may be shown: it goes into tables and pages.
    frame : DataFrame
        Columns as named in the file; empty cells are NaN, nothing else is interpreted.
    lines : ndarray of int
        Line of each row in the file, counted from 1 (for Parquet and vector files: the row, counted
        from 1).
    title : str
        Name of the sheet of a workbook.
    comments : tuple of str
        Those on its cells, behind the names of the columns that they are about, texts next to its
        columns, and lines of ``#`` above its header.
    """

    file: str
    frame: pd.DataFrame
    lines: NDArray[np.int64]
    title: str = ""
    comments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", shown(self.file))

    def column(self, *names: str) -> pd.Series:
        """The first of some columns that is there.

        Raises
        ------
        IcemapError
            If none is, naming the file.
        """
        for name in names:
            if name in self.frame.columns:
                return self.frame[name]
        raise IcemapError(
            f"{self.file} has no column '{names[0]}': it has"
            f" {', '.join(map(str, self.frame.columns[:40]))}. Check that this is the right file"
            " and reader."
        )

    def coordinates(self, header: str, axis: Axis) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Degrees of one column, read as its header says; and which cells are unreadable.

        Raises
        ------
        IcemapError
            If the header contradicts the axis or the cells, naming the file.
        """
        try:
            values, unreadable = parse_coordinates(self.frame[header], header, axis)
            require_whole(self.frame, header, values, axis)
        except IcemapError as error:
            raise IcemapError(f"{self.file}: {error}") from error
        return values, unreadable


def read_table(url: str, text: Collection[str] = (), sheet: str | None = None) -> Table:
    """Read a CSV (comma, semicolon, tab or bar; UTF-8, UTF-16, Windows-1252 or Latin-1), Parquet,
    .xlsx, GeoPackage, shapefile or GeoJSON.

    Columns named in ``text`` keep what was written, so that a site "007" does not become 7.
    ``sheet`` is that of a workbook, or the layer of a GeoPackage. Points of a vector file become
    the columns ``longitude`` and ``latitude``, in degrees. A row of units below the header goes
    into the header.

    Parameters
    ----------
    url : str
    text : collection of str
        Columns that stay as they were written.
    sheet : str, optional
        Of a workbook, or the layer of a GeoPackage.

    Raises
    ------
    IcemapError
        If the file is not there, is empty, or is no table; with the line where it breaks.
    """
    with local_copy(url) as path:
        table = _read(url, path, text, sheet)
    names = [str(name) for name in table.frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise IcemapError(f"{url} has the column '{twice[0]}' twice: rename or remove one.")
    if table.frame.empty:
        raise IcemapError(f"{url} has a header but no rows: check the file.")
    _require_one_table(table)
    return _with_unit_row(table)


def _require_one_table(table: Table) -> None:
    """Refuse rows that are comments, and a second header that names other columns."""
    frame = table.frame
    first = frame.iloc[:, 0]
    if not is_numeric(first):
        # #12 is the name of a site; a comment in every row is none.
        marked = as_text(first).str.match(r"#\s*[^\s\d]").to_numpy(bool)
        if marked.any() and not marked.all():
            raise IcemapError(
                f"{table.file}, line {table.lines[int(np.argmax(marked))]} begins with '#', other"
                " rows do not: remove it if it is a comment, and the sign if it is a row like the"
                " others."
            )
    texts = [name for name in map(str, frame.columns) if not is_numeric(frame[name])]
    if len(texts) < 2:
        return
    same = sum((frame[name] == name).to_numpy(bool).astype(int) for name in texts)
    for row in np.flatnonzero(same > 1):
        cells = frame.iloc[int(row)].dropna()
        other = [
            str(cell) for name, cell in cells.items() if str(cell).strip() not in ("", str(name))
        ]
        if other:
            raise IcemapError(
                f"{table.file}, line {table.lines[row]} is a second header, with '{other[0]}' in"
                " place of a name above: give each table in a file or sheet of its own."
            )
    _require_no_words(table, texts)


def _require_no_words(table: Table, texts: list[str]) -> None:
    """Refuse a row of words in columns of numbers: the header of another table."""
    words = {}
    for name in texts:
        cells = as_text(table.frame[name])
        word = cells.str.fullmatch(r"[^\W\d_]\D*") & ~cells.str.lower().isin(MISSING)
        if 2 * word.sum() < (cells != "").sum():
            words[name] = cells.where(word)
    if len(words) < WORDS_IN_HEADER:
        return
    rows = pd.DataFrame(words).iloc[1:]
    other = rows.notna().all(axis=1) & (rows.nunique(axis=1) == len(words))
    other &= ~(rows == pd.Index(words)).all(axis=1)
    if other.any():
        row = int(np.argmax(other.to_numpy(bool))) + 1
        raise IcemapError(
            f"{table.file}, line {table.lines[row]} holds '{rows.loc[row].iloc[0]}' and"
            f" '{rows.loc[row].iloc[1]}' in columns of numbers, like the header of another table:"
            " give each table in a file or sheet of its own."
        )


def _with_unit_row(table: Table) -> Table:
    units = units_below(table.frame)
    if not units:
        return table
    line = int(table.lines[0])
    names = {name: with_units(name, unit, table.file, line) for name, unit in units.items()}
    rows = table.frame.iloc[1:].reset_index(drop=True).rename(columns=names)
    return replace(table, frame=rows, lines=table.lines[1:])


def _read(url: str, path: Path, text: Collection[str], sheet: str | None) -> Table:
    suffix = path.suffix.lower()
    if suffix in OTHER_WORKBOOKS:
        raise IcemapError(
            f"{url} is a workbook of a kind that is not read: save it as .xlsx or CSV."
        )
    if suffix in (".nc", ".nc4", ".cdf"):
        raise IcemapError(
            f"{url} is NetCDF and no table: borehole profiles in it are read by 'reader:"
            " cf_profiles'."
        )
    if suffix in WORKBOOKS:
        frame, header, title, comments = read_workbook(url, path, sheet)
        blank = frame.isna().all(axis=1).to_numpy()
        lines = np.arange(header + 1, header + 1 + len(frame))
        return Table(url, frame[~blank].reset_index(drop=True), lines[~blank], title, comments)
    if suffix in VECTORS:
        frame = read_vector(url, path, sheet).reset_index(drop=True)
        return Table(url, frame, np.arange(1, len(frame) + 1))
    if sheet is not None:
        raise IcemapError(
            f"{url} has no sheets: remove the key 'sheet', which is for workbooks and GeoPackages."
        )
    return (
        _read_parquet(url, path)
        if suffix in (".parquet", ".geoparquet", ".pq")
        else _read_csv(url, path.read_bytes(), text)
    )


def _read_csv(url: str, content: bytes, text: Collection[str]) -> Table:
    frame, lines, comments = read_csv(url, content, text)
    return Table(url, frame, lines, comments=comments)


def _read_parquet(url: str, path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        if b"geo" in (pyarrow.parquet.read_schema(path).metadata or {}):
            import geopandas

            frame = with_places(url, geopandas.read_parquet(path)).reset_index(drop=True)
        else:
            frame = pd.read_parquet(path)
            # What pandas was told to count rows by may be their site.
            unnamed = all(name is None for name in frame.index.names)
            frame = frame.reset_index(drop=unnamed)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise IcemapError(
            f"{url} is not a readable Parquet file ({str(error).splitlines()[0].rstrip('.')}):"
            " write it again."
        ) from error
    return Table(url, frame, np.arange(1, len(frame) + 1))
