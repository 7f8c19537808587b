"""One quantity in two columns, each in a unit of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.table_units import convert_units, header_unit, same_unit, stem
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# Part of a number by which roundings make it another one, and digits that are looked at.
ROUNDED, DECIMALS = 0.02, 3
# Rows that all differ, from which one unit is wrong.
ROWS = 3

Floats = NDArray[np.float64]


def require_same(table: Table, header: str, unit: str) -> None:
    """Refuse a column that another one of its name, in another unit, contradicts.

    Parameters
    ----------
    table : Table
    header : str
        Of the column that is read.
    unit : str
        In which it is read.

    Raises
    ------
    IcemapError
        Naming both columns, the row and the numbers.
    """
    for other in map(str, table.frame.columns):
        word = header_unit(other)[0]
        if other == header or word is None or stem(other) != stem(header):
            continue
        if same_unit(word, unit) or convert_units(np.zeros(1), word, unit) is None:
            continue
        own, told = (
            parse_numbers(table.frame[header], unit),
            parse_numbers(table.frame[other], word),
        )
        read, converted = own.value, convert_units(told.value, word, unit)
        if converted is None:
            continue
        both = np.isfinite(read + converted) & (own.censored == 0) & (told.censored == 0)
        step = convert_units(np.array([0.0, last_digit(told.value[both])]), word, unit)
        rounded = last_digit(read[both]) + (0.0 if step is None else abs(step[1] - step[0]))
        wrong = both & (np.abs(read - converted) > ROUNDED * np.abs(converted) + 0.51 * rounded)
        if wrong.any() and (2 * wrong.sum() <= both.sum() or _by_one_factor(read, converted)):
            row = int(np.argmax(wrong))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: '{header}' is {read[row]:g} {unit}, and"
                f" '{other}' {told.value[row]:g} {word}, which is {converted[row]:.4g} {unit}"
                f" ({wrong.sum()} of {both.sum()} rows are so): correct what is wrong, or leave the"
                " second column out."
            )


def _by_one_factor(one: Floats, other: Floats) -> bool:
    """Whether all rows differ by the same factor, as where a unit is wrong."""
    both = np.isfinite(one + other) & (other != 0)
    if both.sum() < ROWS or np.ptp(other[both]) == 0:
        return False
    ratio = np.median(one[both] / other[both])
    return bool(np.allclose(one[both], ratio * other[both], rtol=ROUNDED))


def last_digit(values: Floats) -> float:
    """What the numbers of a column are rounded to.

    Examples
    --------
    >>> last_digit(np.array([1.5, 2.0])), last_digit(np.array([3.0])), last_digit(np.array([1 / 3]))
    (0.1, 1.0, 0.001)
    """
    for decimals in range(DECIMALS):
        if np.allclose(values, np.round(values, decimals), rtol=0, atol=1e-9):
            return float(10.0**-decimals)
    return float(10.0**-DECIMALS)
