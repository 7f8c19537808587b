"""Columns that repeat what top and base of a layer say: its thickness, its middle."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_columns import OF_THE_LAYER, THICKNESS, Column
from icemap.boreholes.repeated_columns import last_digit
from icemap.boreholes.table_units import UNITS, header_unit, split_header, unit_factor
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# The length of a core that was recovered may be less than the interval.
OF_WHAT_CAME_UP = {"length"}
MIDDLE = {"mid", "middle", "midpoint", "midpoints", "centre", "center", "mitte", "mittlere"}
MIDDLE |= {"average", "mean", "milieu", "середина", "средняя"}
OF_DEPTHS = {"depth", "depths", "point", "tiefe", "profondeur", "глубина"}
# Part of a length by which roundings of the depths make it another one.
ROUNDED = 0.02
# Rows that all differ by one factor, from which it is that of another unit.
ROWS = 3

Floats = NDArray[np.float64]


def require_repeated(table: Table, found: dict[str, Column], top: Floats, base: Floats) -> None:
    """Refuse layers whose thickness or middle, in a column of its own, contradicts their depths.

    A column that more than half of the rows contradict is about something else, unless all differ
    by the factor of one unit to another, or a middle is outside of its layer.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns that are read, by icemap's names.
    top, base : ndarray of shape (rows,)
        m, NaN where there is none.

    Raises
    ------
    IcemapError
        Naming the columns, the row and both lengths.
    """
    read = {column.header for column in found.values()}
    lengths = {"thickness": base - top, "middle": (top + base) / 2}
    for header in map(str, table.frame.columns):
        kind = _kind(header)
        if header in read or kind is None:
            continue
        own = header_unit(header)[0]
        unit = own or found["base" if "base" in found else "depth"].unit or "m"
        factor = unit_factor(unit, "length [m]")
        if factor is None:
            continue
        told = parse_numbers(table.frame[header], unit).value * factor
        expected = lengths[kind]
        both = np.isfinite(told + expected) & (expected > 0)
        apart = np.abs(told - expected)
        rounded = 0.51 * factor * last_digit(told[both] / factor)
        wrong = both & (apart > ROUNDED * expected + rounded)
        if own is not None:
            _require_one_unit(table, header, found, told[both], expected[both])
        outside = wrong & (kind == "middle") & (apart > (base - top) / 2 + rounded)
        if 2 * wrong.sum() > both.sum():
            wrong = outside
        if wrong.any():
            row = int(np.argmax(wrong))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: the layer is from {top[row]:g} to"
                f" {base[row]:g} m, and '{header}' says {told[row]:g} m where its {kind} is"
                f" {expected[row]:g} m ({wrong.sum()} of {both.sum()} rows are so): correct what is"
                " wrong, or leave that column out."
            )


def _kind(header: str) -> str | None:
    name = split_header(header)[0].lower()
    named = set(re.split(r"[\W\d_]+", name)) - {""} - UNITS["length [m]"].keys()
    if named & THICKNESS and named <= (THICKNESS | OF_THE_LAYER) - OF_WHAT_CAME_UP:
        return "thickness"
    if named & MIDDLE and named <= MIDDLE | OF_DEPTHS | OF_THE_LAYER:
        return "middle"
    return None


def _require_one_unit(
    table: Table, header: str, found: dict[str, Column], told: Floats, expected: Floats
) -> None:
    """Refuse lengths of which all differ by the factor of one unit to another."""
    if len(told) < ROWS or np.ptp(expected) <= 0:
        return
    ratio = np.median(told / expected)
    factors = np.array(sorted(set(UNITS["length [m]"].values())))
    between = np.unique(np.divide.outer(factors, factors))
    one = np.allclose(told, ratio * expected, rtol=ROUNDED, atol=1e-9)
    if one and abs(ratio - 1) > 0.5 and np.isclose(between, ratio, rtol=ROUNDED).any():
        base = found["base" if "base" in found else "depth"]
        raise IcemapError(
            f"{table.file}: '{header}' is {ratio:.4g} times what '{base.header}' and the tops say"
            " in every row, as where one of them is in another unit: correct the unit of the wrong"
            " one, or leave that column out."
        )
