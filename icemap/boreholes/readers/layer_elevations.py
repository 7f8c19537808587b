"""Elevations of the ends of layers as depths below the surface of their hole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.missing_codes import suspected_codes
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_columns import ENDS, SURFACE, Column
from icemap.boreholes.readers.layer_depths import DEEP
from icemap.boreholes.table_units import convert_units
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# Elevations are written with fewer digits (of any unit of length).
DIGITS = 6


def with_depths(table: Table, found: dict[str, Column]) -> Table:
    """Depths in place of elevations, where the config names the column of that of the surface.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns of the table, by icemap's names.

    Raises
    ------
    IcemapError
        If an elevation has no unit, is no single number or a code for missing, has no surface or
        lies above it; or if all are so far below it that a unit or a level must be wrong.
    """
    surface = found.get(SURFACE)
    if surface is None:
        return table
    frame = table.frame.copy()
    for name in ENDS:
        if name in found:
            frame[found[name].header] = _below(table, found[name], surface)
    first = found["depth" if "depth" in found else "top"]
    _require_one_level(table, first, surface, frame[first.header].to_numpy(float))
    return replace(table, frame=frame)


def _below(table: Table, end: Column, surface: Column) -> NDArray[np.float64]:
    for column in (surface, end):
        if column.unit is None:
            raise IcemapError(
                f"{table.file} does not say one unit for the column '{column.header}': give it in"
                f" the header as '{column.header} [m]', or as 'units' in the config."
            )
    elevation, ground = (_single(table, column) for column in (end, surface))
    ground_in_unit = convert_units(ground, surface.unit or "", end.unit or "")
    if ground_in_unit is None:
        raise IcemapError(
            f"{table.file}: '{surface.header}' ({surface.unit}) and '{end.header}' ({end.unit}) are"
            " not both lengths: correct the unit that is wrong."
        )
    depth = np.round(ground_in_unit - elevation, DIGITS)
    without = np.isnan(ground) & ~np.isnan(elevation)
    if without.any():
        raise IcemapError(
            f"{table.file}: line {table.lines[without][0]} has an elevation in '{end.header}' and"
            f" none of the surface in '{surface.header}': write it, or remove the row."
        )
    above = depth < 0
    if above.any():
        raise IcemapError(
            f"{table.file}: '{end.header}' ({elevation[above][0]:g}) is above the surface"
            f" ('{surface.header}', {ground[above][0]:g}) in line {table.lines[above][0]}: correct"
            " one of them, or remove columns.surface if these are depths."
        )
    return depth


def _require_one_level(
    table: Table, end: Column, surface: Column, depth: NDArray[np.float64]
) -> None:
    metres = convert_units(depth[~np.isnan(depth)], end.unit or "", "m")
    if metres is not None and len(metres) and metres.min() > DEEP:
        raise IcemapError(
            f"{table.file}: every '{end.header}' is more than {DEEP:g} m below the surface"
            f" ('{surface.header}'): are they in the units that are said ({end.unit} and"
            f" {surface.unit}), and above the same level? Correct what is wrong."
        )


def _single(table: Table, column: Column) -> NDArray[np.float64]:
    raw = table.frame[column.header]
    read = parse_numbers(raw)
    wrong = read.unreadable | (read.low < read.high) | (read.censored != 0)
    if wrong.any():
        raise IcemapError(
            f"{table.file}: '{column.header}' is no single elevation in line"
            f" {table.lines[wrong][0]} ({raw[wrong].iloc[0]}): write one, or remove the row."
        )
    codes = suspected_codes(read.value)
    if codes:
        raise IcemapError(
            f"{table.file}: '{column.header}' holds {codes[0]:g}, which is far from the other"
            " elevations: if it stands for no data, name it with 'missing' in the config."
        )
    return read.value
