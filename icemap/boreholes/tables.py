"""Tables from CSV, Parquet, workbooks and vector files, wherever they are, with the line every row
came from.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.addresses import shown
from icemap.boreholes.coordinates import Axis, parse_coordinates
from icemap.boreholes.file_kinds import require_text
from icemap.boreholes.split_coordinates import require_whole
from icemap.boreholes.table_formats import (
    OTHER_WORKBOOKS,
    VECTORS,
    WORKBOOKS,
    read_vector,
    read_workbook,
    with_places,
)
from icemap.boreholes.table_units import split_header
from icemap.boreholes.text import MISSING, as_text, is_numeric
from icemap.boreholes.unit_row import units_below, with_units
from icemap.errors import IcemapError
from icemap.store import local_copy

SEPARATORS = ",;\t|"
# What spreadsheet programs write above the header for one another.
SEPARATOR_LINE = re.compile(r"[\"']?sep=.[\"']?\r?(?:\n|$)", re.IGNORECASE)
# Rows by which the separator is found.
SEPARATOR_ROWS = 20
# More signs beyond ASCII in a row than languages of Windows-1252 write.
STRANGE = re.compile(r"[^\x00-\x7f]{4,}")
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
        Those on its cells, behind the names of the columns that they are about, and texts next to
        its columns.
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


def _read_csv(url: str, content: bytes, text_columns: Collection[str]) -> Table:
    require_text(url, content)
    whole = decoded(content)
    if "\0" in whole:
        raise IcemapError(f"{url} holds zero bytes and is no CSV: save it again as CSV in UTF-8.")
    _require_known_letters(url, content, whole)
    text = _below_description(whole)
    if not text.strip():
        raise IcemapError(f"{url} is empty: check the file.")
    above = whole.count("\n", 0, len(whole) - len(text))
    separator = _separator(text)
    try:
        header, header_lines, nameless = _header(text, separator)
        frame = _frame(text, separator, header, nameless, text_columns)
        lines = _lines(text, separator, header_lines, len(frame)) + above
        _require_whole_rows(text, separator, frame, lines)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        pd.errors.ParserWarning,
        ValueError,
        csv.Error,
    ) as error:
        message = (
            str(error)
            .removeprefix("Error tokenizing data. C error: ")
            .strip()
            .splitlines()[0]
            .rstrip(".")
        )
        if message.startswith("Length of header"):
            message = "its rows have more cells than its first line has names"
        raise IcemapError(
            f"{url} is no regular table ({message}): every row needs as many cells as the header;"
            " quote cells that hold the separator, and remove titles and comments above the header"
            f" (line {above + 1} is '{text.split(chr(10), 1)[0].strip()[:60]}')."
        ) from error
    blank = frame.isna().all(axis=1).to_numpy()
    return (
        Table(url, frame[~blank].reset_index(drop=True), lines[~blank])
        if blank.any()
        else Table(url, frame, lines)
    )


def _require_known_letters(url: str, content: bytes, text: str) -> None:
    """Refuse names in an encoding that cannot be told, such as Windows-1251 or GBK: they would be
    read as other letters.
    """
    if _encoding(content) not in ("cp1252", "latin-1"):
        return
    strange = next((run for run in STRANGE.findall(text) if len(set(run)) > 2), None)
    if strange is not None:
        raise IcemapError(
            f"{url} is not in UTF-8 and would be read as '{strange[:20]}' and the like: save it"
            " again as CSV in UTF-8."
        )


def _below_description(text: str) -> str:
    """The table without what is above it: a line ``sep=;``, or PANGAEA's block ``/* ... */``."""
    if line := SEPARATOR_LINE.match(text):
        return text[line.end() :]
    end = text.find("\n*/") if text.startswith("/*") else -1
    return text[text.find("\n", end + 1) + 1 :] if end >= 0 else text


def _separator(text: str) -> str:
    """The separator by which the first rows have equally many cells, two or more; else the one most
    frequent in the header.
    """
    counts = {}
    for separator in SEPARATORS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
            rows = [len(row) for row in itertools.islice(reader, SEPARATOR_ROWS) if any(row)]
        except csv.Error:
            continue
        if len(rows) > 1 and len(set(rows)) == 1:
            counts[separator] = rows[0]
    if counts and max(counts.values()) > 1:
        return max(counts, key=lambda separator: counts[separator])
    # What stands in quotes separates nothing.
    header = re.sub(r'"(?:[^"]|"")*"', "", text).split("\n", 1)[0]
    return max(SEPARATORS, key=header.count)


def _header(text: str, separator: str) -> tuple[list[str], int, int]:
    """Names, the lines that they take, and how many columns behind them have none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names = [name.strip() for name in next(reader)]
    cells = len(names)
    while names and not names[-1]:
        names.pop()
    if not names:
        raise ValueError("the first line holds no column names")
    # R writes its row numbers under an empty name.
    named = [name or f"column_{i + 1}" for i, name in enumerate(names)]
    return named, reader.line_num, cells - len(names)


def _frame(
    table: str,
    separator: str,
    header: list[str],
    nameless: int,
    text: Collection[str],
) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            io.StringIO(table, newline=""),
            sep=separator,
            header=None,
            names=list(range(len(header) + nameless)),
            index_col=False,
            dtype={i: str for i, name in enumerate(header) if _named(name, text)},
            # The header is one row for pandas, however many lines its names have.
            skiprows=1,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            low_memory=False,
        )
    if frame.iloc[:, len(header) :].notna().any(axis=None):
        raise ValueError("its rows have more cells than its first line has names")
    frame = frame.iloc[:, : len(header)]
    frame.columns = pd.Index(header)
    return frame


def _require_whole_rows(
    text: str, separator: str, frame: pd.DataFrame, lines: NDArray[np.int64]
) -> None:
    """Refuse a row with fewer cells than others, where these have a number in all that it lacks:
    one in the middle may be lost, and what follows in the wrong columns.
    """
    last = frame.iloc[:, -1]
    if not is_numeric(last) or not last.isna().any() or 2 * last.isna().sum() > len(frame):
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    cells = np.array([len(row) for row in reader][1 : len(frame) + 1])
    short = (cells > 0) & (cells < frame.shape[1])
    if len(cells) == len(frame) and short.any() and last[~short & (cells > 0)].notna().all():
        row = int(np.argmax(short))
        raise ValueError(
            f"line {lines[row]} has {cells[row]} cells where others have {frame.shape[1]}, so that"
            " one may be lost"
        )


def _named(header: str, names: Collection[str]) -> bool:
    return header in names or split_header(header)[0].lower() in {name.lower() for name in names}


def _lines(text: str, separator: str, header_lines: int, rows: int) -> NDArray[np.int64]:
    if text.count("\n") + (not text.endswith("\n")) == rows + header_lines:
        return np.arange(header_lines + 1, header_lines + rows + 1)
    # Some cells hold line breaks: only the CSV grammar knows where a row begins.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    ends = np.array([reader.line_num for _ in reader], dtype=np.int64)
    starts = np.concatenate([[1], ends[:-1] + 1])[1 if header_lines else 0 :]
    return (
        starts[:rows]
        if len(starts) >= rows
        else np.arange(header_lines + 1, header_lines + rows + 1)
    )


def decoded(content: bytes) -> str:
    """The text of a CSV, in UTF-8, UTF-16, Windows-1252 or Latin-1."""
    # Files that were joined have the mark of their beginning in the middle.
    return content.decode(_encoding(content)).replace("\ufeff", "")


def _encoding(content: bytes) -> str:
    # Spreadsheets write degree signs and dashes in Windows-1252, and what they call Unicode text in
    # UTF-16; Latin-1 takes any byte, so it comes last.
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_wide else ("utf-8-sig", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"
