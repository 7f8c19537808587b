"""Numbers of the columns of a table of layers, in one unit each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_columns import CANONICAL, Column, kind_of
from icemap.boreholes.records import Flags, Problems
from icemap.boreholes.table_units import UNITS, scaled, unit_factor
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError

# A limit this near to 0 or to all of the volume leaves little open.
NEAR_A_BOUND = 0.1


def layer_numbers(
    table: Table, name: str, column: Column, problems: Problems, flags: Flags
) -> dict[str, NDArray[np.float64]]:
    """One column in the canonical unit by icemap's name; of depths as ranges, ``top`` and ``base``.

    Parameters
    ----------
    table : Table
    name : str
        icemap's name of the column.
    column : Column
    problems, flags : Problems, Flags
        Where cells that cannot be read, and how others were, are noted.

    Raises
    ------
    IcemapError
        If the column has no unit, or one that is not known for it.
    """
    header = column.header
    factor = _factors(table, name, column, problems)
    numbers = parse_numbers(table.frame[header], column.unit)
    problems.add(numbers.unreadable, f"{header} is not a number:", table.frame[header])
    low, high = scaled(numbers.low, factor), scaled(numbers.high, factor)
    flags.add(
        ~np.isnan(numbers.error),
        "error",
        f"{header}: what stands behind ± is not used",
    )
    if name == "depth":
        flags.add(
            numbers.censored != 0,
            "censored",
            f"{header}: only a limit is given, the depth was left out",
        )
        return {
            "top": np.where(numbers.censored != 0, np.nan, low),
            "base": np.where(numbers.censored != 0, np.nan, high),
        }
    flags.add(
        ~np.isnan(numbers.low) & (numbers.low != numbers.high),
        "range",
        f"{header}: a range was read as its middle",
    )
    if kind_of(name) == "fraction" and name != "gravimetric_water":
        full = (numbers.censored == 1) & (low >= 1 - NEAR_A_BOUND) & (low <= 1)
        none = (numbers.censored == -1) & (high >= 0) & (high <= NEAR_A_BOUND)
        low, high = np.where(none, 0.0, low), np.where(full, 1.0, high)
        numbers = replace(numbers, censored=np.where(full | none, 0, numbers.censored))
        flags.add(
            full | none,
            "range",
            f"{header}: a limit near 0 or 100 % was read as the middle between",
        )
    value = np.where(low == high, low, low / 2 + high / 2)
    return {name: _without_censored(name, header, value, numbers.censored, flags)}


def _factors(table: Table, name: str, column: Column, problems: Problems) -> NDArray[np.float64]:
    """Factor of each row to the canonical unit."""
    kind = kind_of(name)
    if column.unit_column is not None:
        raw = table.frame[column.unit_column]
        texts = as_text(raw)
        factor = texts.map({text: unit_factor(text, kind) for text in texts.unique()}).to_numpy(
            float, na_value=np.nan
        )
        given = (as_text(table.frame[column.header]) != "").to_numpy()
        problems.add(
            np.isnan(factor) & given, f"{column.unit_column} is no unit of {column.header}:", raw
        )
        return factor
    if column.unit is None:
        numbers = parse_numbers(table.frame[column.header])
        if not (numbers.unreadable | np.isfinite(numbers.low)).any():
            return np.ones(len(table.frame))
        raise IcemapError(
            f"{table.file} does not say the unit of the column '{column.header}': write it in the"
            f" header, for example '{column.header} [{CANONICAL[kind]}]', or in the config as"
            f" 'units: {{{name}: \"{CANONICAL[kind]}\"}}'."
        )
    factor_of_all = unit_factor(column.unit, kind)
    if factor_of_all is None:
        raise IcemapError(
            f"{table.file} gives the column '{column.header}' in a unit that is not known for it"
            f" ('{column.unit}'): use one of {', '.join(UNITS[kind])}."
        )
    return np.full(len(table.frame), factor_of_all)


def _without_censored(
    name: str, header: str, value: NDArray[np.float64], censored: NDArray[np.int8], flags: Flags
) -> NDArray[np.float64]:
    """``> 3.2`` as the base of the last layer means the hole ended inside it; anywhere else the
    number itself is not known.
    """
    if not censored.any():
        return value
    if name == "base":
        flags.add(
            censored == 1, "censored", f"{header}: 'more than' was read as the end of what was seen"
        )
        lost = censored == -1
    else:
        lost = censored != 0
    flags.add(lost, "censored", f"{header}: only a limit is given, the value was left out")
    return np.where(lost, np.nan, value)
