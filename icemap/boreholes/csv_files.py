"""The text of a CSV as rows, with the line that each of them came from."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import warnings
from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.pangaea import parameter_notes, split_description, with_event_places
from icemap.boreholes.table_units import split_header
from icemap.boreholes.text import is_numeric
from icemap.boreholes.text_files import require_text
from icemap.boreholes.titles import below_titles
from icemap.errors import IcemapError

SEPARATORS = ",;\t|"
# What spreadsheet programs write above the header for one another.
SEPARATOR_LINE = re.compile(r"[\"']?sep=.[\"']?\r?(?:\n|$)", re.IGNORECASE)
# Lines above the header that R and pandas take for comments when told to.
COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*#[^\n]*\n(?:[ \t]*\r?\n)*")
# Rows by which the separator is found.
SEPARATOR_ROWS = 20
# More signs beyond ASCII in a row than languages of Windows-1252 write.
STRANGE = re.compile(r"[^\x00-\x7f]{4,}")


def read_csv(
    url: str, content: bytes, text_columns: Collection[str]
) -> tuple[pd.DataFrame, NDArray[np.int64], tuple[str, ...]]:
    """The rows of a CSV that are not blank, the line each of them came from, and what is said of
    its columns above the header. Below a description of PANGAEA they get the places of its events.

    Parameters
    ----------
    url : str
        Of the file, for messages.
    content : bytes
    text_columns : collection of str
        Columns that stay as they were written.

    Raises
    ------
    IcemapError
        If it is no text, holds nothing, or breaks in some line.
    """
    require_text(url, content)
    whole = decoded(content)
    if "\0" in whole:
        raise IcemapError(f"{url} holds zero bytes and is no CSV: save it again as CSV in UTF-8.")
    _require_known_letters(url, content, whole)
    description, text = split_description(_below_separator_line(whole))
    comments, text = _below_comments(text)
    titles, text = below_titles(text, _separator)
    comments = titles + comments
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
    if blank.any():
        frame, lines = frame[~blank].reset_index(drop=True), lines[~blank]
    comments += parameter_notes(description, header)
    return with_event_places(frame, description), lines, comments


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


def _below_separator_line(text: str) -> str:
    """What is below a line ``sep=;``."""
    line = SEPARATOR_LINE.match(text)
    return text[line.end() :] if line else text


def _below_comments(text: str) -> tuple[tuple[str, ...], str]:
    """Lines that begin with ``#`` above a header, and the table below them.

    The last of them may be the header itself: it has as many cells as the line below it, or numbers
    are what is below it.
    """
    above = COMMENTS.match(text)
    if above is None:
        return (), text
    below = text[above.end() :]
    comments = [line.strip().lstrip("#").strip() for line in above[0].splitlines()]
    comments = [line for line in comments if line]
    separator = _separator(below)
    header = below.split("\n", 1)[0].split(separator)
    is_header = len(header) > 1 and not any(map(_is_number, header))
    if not is_header or (comments and comments[-1].count(separator) + 1 == len(header)):
        return (), text
    return tuple(comments), below


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[\s\"]*[-+−]?[\d.,]+[\s\"]*", cell) is not None


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
