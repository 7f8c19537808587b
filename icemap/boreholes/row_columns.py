"""Columns other than those that are read, which say what the numbers of each row are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.summary_rows import SUMMARIES, summary_word
from icemap.boreholes.table_units import convert_units, is_unit, same_unit, split_header
from icemap.boreholes.tables import Table
from icemap.boreholes.text import MISSING, as_text, is_numeric, words
from icemap.errors import IcemapError

# What columns are called that say which quantity, or which statistic of it, a row holds.
KINDS = frozenset(
    {"parameter", "parameters", "parameter name", "analyte", "variable", "variables"}
    | {"variable name", "determinand", "observed property", "observedproperty"}
    | {"characteristic name", "characteristicname", "statistic", "statistics", "stat"}
    | {"cell method", "aggregation", "kenngröße", "messgröße", "paramètre", "показатель"}
    | {"параметр", "参数", "指标"}
)
# And those that say the unit of each row.
UNIT_WORDS = ("unit", "units", "uom", "unit of measure", "einheit", "unité", "ед. изм.", "单位")

# Columns that say whether a row counts, and what in them says that it does not.
LEFT_OUT = frozenset({"exclude", "excluded", "reject", "rejected", "discard", "outlier", "omit"})
KEPT = frozenset({"used", "use", "include", "included", "keep", "valid"})
# Columns of such signs alone, in which more of them mean it.
QUALIFIERS = ("qualifier", "qualifiers", "flag", "flags", "qc", "qa", "quality")
NOT_MEASURED = frozenset({"nd", "n.d.", "n/d", "u", "missing", "no data", "not measured"})
NOT_MEASURED |= {"bad", "fail", "failed", "reject", "wrong"}
YES = frozenset({"yes", "y", "true", "1", "1.0", "x", "ja", "oui", "да"})
NO = frozenset({"no", "n", "false", "0", "0.0", "nein", "non", "нет"})
# The same in a remark, and rows that were never in the ground.
NO_SAMPLES = LEFT_OUT | {"do not use", "not used", "invalid", "bad data", "erroneous", "suspect"}
# Signs of limits of what can be measured, of which the number in the row is one.
NO_SAMPLES |= {"<", ">", "≤", "≥", "<=", ">=", "bdl", "<lod", "<dl", "<mdl", "<lld", "lod"}
NO_SAMPLES |= {"below detection", "below detection limit", "not detected", "non detect"}
NO_SAMPLES |= {"blank", "method blank", "field blank", "lab blank", "trip blank", "matrix spike"}
# Remarks at rows in which 0 is no measurement.
NO_CORE = frozenset(
    {"no recovery", "core loss", "lost core", "core lost", "no core", "not recovered", "no sample"}
    | {"not sampled", "gap", "not measured", "no data", "kernverlust", "perte de carotte"}
    | {"нет керна", "нет данных", "lost", "missing"}
)

Rows = NDArray[np.bool_]
Floats = NDArray[np.float64]


def require_one_kind(table: Table, read: Iterable[str], given: Rows) -> None:
    """Refuse a long table, whose rows hold several quantities, or statistics, in one column.

    Parameters
    ----------
    table : Table
    read : iterable of str
        Headers of the columns that are read.
    given : ndarray of bool, shape (rows,)
        Rows with a value.

    Raises
    ------
    IcemapError
        Naming the column and two of its words.
    """
    for header in map(str, table.frame.columns):
        if header in read or is_numeric(table.frame[header]):
            continue
        told = as_text(table.frame[header])
        told = told[given & ~told.str.lower().isin(MISSING).to_numpy(bool)]
        called = words(split_header(header)[0]) in KINDS
        if not called and not all(summary_word(text) in SUMMARIES for text in told.unique()):
            continue
        other = told[~_says(told, {words(told.iloc[0])})] if len(told) else told
        if len(other):
            raise IcemapError(
                f"{table.file}: the column '{header}' says '{told.iloc[0]}' in line"
                f" {table.lines[told.index[0]]} and '{other.iloc[0]}' in line"
                f" {table.lines[other.index[0]]}, and one column is read for both: keep the rows of"
                " one of them, or give each a column of its own."
            )


def require_no_sums(
    table: Table, read: Iterable[str], names: pd.Series, ends: tuple[Floats, Floats] | None = None
) -> None:
    """Refuse rows that sum up others of their site, as a word in another column says.

    Parameters
    ----------
    table : Table
    read : iterable of str
        Headers of the columns that are read.
    names : Series
        What rows of one site have in common.
    ends : (ndarray, ndarray), optional
        Top and base of each row, which rows that are summed up are between.

    Raises
    ------
    IcemapError
        Naming the row and the word.
    """
    frame = table.frame
    for header in map(str, frame.columns):
        if header in read or is_numeric(frame[header]):
            continue
        texts = as_text(frame[header])
        sums = {text for text in texts.unique() if summary_word(text) in SUMMARIES}
        rows = np.flatnonzero(texts.isin(sums).to_numpy(bool))
        if not 0 < 2 * len(rows) <= len(frame):
            continue
        for row in rows:
            others = (names == names.iloc[row]).to_numpy(bool) & ~texts.isin(sums).to_numpy(bool)
            if ends is not None:
                others &= (ends[0] >= ends[0][row]) & (ends[1] <= ends[1][row])
            if others.sum() > 1:
                raise IcemapError(
                    f"{table.file}, line {table.lines[row]}: the column '{header}' says"
                    f" '{texts.iloc[row]}', and {others.sum()} other rows are of"
                    f" '{names.iloc[row]}', too: remove rows that sum up others."
                )


def require_samples(table: Table, read: Iterable[str], given: Rows, zero: Rows) -> None:
    """Refuse rows that another column says are not to be used, or are none of the ground.

    Parameters
    ----------
    table : Table
    read : iterable of str
        Headers of the columns that are read.
    given, zero : ndarray of bool, shape (rows,)
        Rows with a value, and those in which it is 0.

    Raises
    ------
    IcemapError
        Naming the row and the word.
    """
    for header in map(str, table.frame.columns):
        if header in read:
            continue
        called = words(header)
        decides = called in LEFT_OUT | KEPT
        if is_numeric(table.frame[header]) and not decides:
            continue
        said = YES if called in LEFT_OUT else NO if called in KEPT else NO_SAMPLES
        if called.endswith(QUALIFIERS):
            said = said | NOT_MEASURED
        texts = as_text(table.frame[header])
        wrong = (_says(texts, said) & given) | (_says(texts, NO_CORE) & zero)
        if wrong.any() and not wrong.all():
            row = int(np.argmax(wrong))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: the column '{header}' says"
                f" '{table.frame[header].iloc[row]}' where a value stands ({wrong.sum()} of"
                f" {len(wrong)} rows): remove rows that do not count, leave the value empty, or"
                " take the word out."
            )


def _says(texts: pd.Series, known: Iterable[str]) -> Rows:
    """Cells that are one of some words."""
    return texts.isin([text for text in texts.unique() if words(text) in known]).to_numpy(bool)


def require_unit_by_row(
    table: Table, header: str, unit: str, companions: Iterable[str], given: Rows
) -> None:
    """Refuse a column whose unit is another one in some rows, as a column of units says.

    Parameters
    ----------
    table : Table
    header : str
        Of the column.
    unit : str
        The one that it is read in.
    companions : iterable of str
        What its column of units may be called.
    given : ndarray of bool, shape (rows,)
        Rows with a value.

    Raises
    ------
    IcemapError
        Naming both columns, the row and the units.
    """
    called = {words(name) for name in companions}
    for other in map(str, table.frame.columns):
        if other == header or words(other) not in called or is_numeric(table.frame[other]):
            continue
        texts = as_text(table.frame[other]).where(pd.Series(given), "")
        told = [text for text in texts.unique() if text]
        # The unit of a map of geology is none.
        if not told or not all(map(is_unit, told)):
            continue
        for text in told:
            converted = convert_units(np.ones(1), text, unit)
            if converted is not None and not same_unit(text, unit):
                line = table.lines[int(np.argmax((texts == text).to_numpy(bool)))]
                raise IcemapError(
                    f"{table.file}, line {line}: the column '{other}' says '{text}', and '{header}'"
                    f" is read in '{unit}': bring the column to one unit, or correct what is"
                    " wrong."
                )
