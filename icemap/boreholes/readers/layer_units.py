"""Numbers of a table of layers that are not in the unit that is said for them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from icemap.borehole_sections import LayerSource
from icemap.boreholes.classes_for_percents import require_no_classes
from icemap.boreholes.limits import MAX_DEPTH, MAX_WATER, OVERFULL, OVERFULL_ROWS, OVERFULL_SHARE
from icemap.boreholes.missing_codes import (
    PARTS_BELOW,
    is_code,
    mixed_fractions,
    suspected_codes,
    unsigned_parts,
)
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_columns import DEPTHS, Column, kind_of
from icemap.boreholes.table_units import unit_factor
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, is_numeric, line_ranges
from icemap.errors import IcemapError

# No ground has less than 1 % of these in all of its layers.
NEVER_SMALL = (
    "gravimetric_water",
    "volumetric_water",
    "matrix_vic",
    "porosity",
    "reported_vic",
)
# These may be below 1 % at a site, but hardly in a whole table.
SELDOM_SMALL = ("excess_ice", "visible_ice", "wedge_ice")
# Where these words may mean that there is no ice, or no permafrost, and not that nobody looked.
MAY_BE_NONE = ("reported_vic", *SELDOM_SMALL, "permafrost_table")
NONE = ("none", "nil")
# Depth of the permafrost table (m) that half of a table's layers do not have.
MEDIAN_TABLE = 20.0
# Nor is the permafrost table of half of them this near to the surface, where it is below it at all.
LEAST_TABLE = 0.05
# Sites that are not all frozen up to their surface.
SEVERAL = 3
# Largest values (m, fractions) of what a code for missing may pass for; more is left out anyway.
UNBOUNDED = {
    "gravimetric_water": MAX_WATER,
    **dict.fromkeys(DEPTHS, MAX_DEPTH),
}
# Water by dry mass, as a fraction: not even peat has more in half of a table's layers; and in %: no
# ground but rock has less.
MEDIAN_WATER = 8.0
LEAST_WATER = 3.0


def require_unit(
    table: Table, name: str, column: Column, source: LayerSource, sites: pd.Series
) -> None:
    """Refuse a column whose numbers contradict its unit; one in the config confirms it.

    Parameters
    ----------
    table : Table
    name : str
        icemap's name of the column.
    column : Column
    source : LayerSource
        What the config says of the table.
    sites : Series
        Name of the site in each row.

    Raises
    ------
    IcemapError
        Naming the column, its numbers, and what to write.
    """
    confirmed = name in source.units
    if name in MAY_BE_NONE:
        _require_told_none(table, name, column)
    if name in (*NEVER_SMALL, *SELDOM_SMALL) and not confirmed:
        _require_percent(table, name, column, sites)
    if name in NEVER_SMALL and not confirmed:
        value = parse_numbers(table.frame[column.header], column.unit).value
        remedy = f"confirm it in the config as 'units: {{{name}: \"{column.unit}\"}}'"
        require_no_classes(table, column.header, value, column.unit, remedy)
    if kind_of(name) == "fraction" and name != "gravimetric_water" and not confirmed:
        _require_part_of_volume(table, name, column)
    if name == "permafrost_table" and not confirmed:
        _require_metres(table, column)
        _require_below_surface(table, column, sites)
    if name == "gravimetric_water":
        _require_by_mass(table, column, confirmed=confirmed)
    if name in UNBOUNDED and source.missing is None:
        _require_known_codes(table, name, column)


def _require_told_none(table: Table, name: str, column: Column) -> None:
    """Ask about words that mean 0 to some and a missing value to others."""
    raw = table.frame[column.header]
    if is_numeric(raw):
        return
    texts = as_text(raw)
    said = texts.str.lower().isin(NONE).to_numpy(bool)
    if said.any():
        zero = "leave the site out" if name == "permafrost_table" else "write 0"
        told = ", ".join(texts[said].str.lower().unique())
        raise IcemapError(
            f"{table.file}: the column '{column.header}' says {told} (line"
            f" {line_ranges(table.lines[said])}): {zero} where there is none, and leave the cell"
            f" empty where it is not known; 'missing: [{told}]' in the config says that of all."
        )


def _require_known_codes(table: Table, name: str, column: Column) -> None:
    """Ask about numbers like 999 that are far outside the rest and would be used."""
    numbers = parse_numbers(table.frame[column.header], column.unit)
    ends = np.concatenate([numbers.low, numbers.high])
    canonical = ends * ((column.unit and unit_factor(column.unit, kind_of(name))) or 1.0)
    codes = suspected_codes(
        np.where((canonical >= 0) & (canonical <= UNBOUNDED[name]), ends, np.nan)
    )
    if codes:
        rows = np.isin(numbers.low, codes) | np.isin(numbers.high, codes)
        named = ", ".join(f"{code:.6g}" for code in codes)
        raise IcemapError(
            f"{table.file}: the column '{column.header}' holds {named} (line"
            f" {line_ranges(table.lines[rows])}), far outside the rest: if it stands for no value,"
            f" give 'missing: [{named}]' with the table in the config; if every number is a value,"
            " 'missing: []'."
        )


def _require_by_mass(table: Table, column: Column, *, confirmed: bool) -> None:
    """Water by dry mass that is given by volume, or in % where a fraction is said."""
    if column.unit is None:
        return
    if re.search(r"vol|v/v|m3|m³|об", column.unit, re.IGNORECASE):
        raise IcemapError(
            f"{table.file} gives the column '{column.header}' by volume ('{column.unit}'), and"
            " gravimetric_water is by dry mass: name it volumetric_water, or correct its unit."
        )
    water = parse_numbers(table.frame[column.header], column.unit).value
    water = water[np.isfinite(water)]
    if (
        not confirmed
        and unit_factor(column.unit, "fraction") == 1.0
        and len(water)
        and np.median(water) > MEDIAN_WATER
    ):
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but half of its"
            f" values are {np.median(water):g} or more, like %: correct the unit to '%', or, if the"
            " numbers are right, confirm it in the config as"
            f" 'units: {{gravimetric_water: \"{column.unit}\"}}'."
        )


def _require_percent(table: Table, name: str, column: Column, sites: pd.Series) -> None:
    """Fractions of 0 to 1 in a column of %, at all sites or at some of them."""
    if column.unit is None or (unit_factor(column.unit, kind_of(name)) or 1.0) == 1.0:
        return
    raw = table.frame[column.header]
    value = parse_numbers(raw, column.unit).value
    given = np.unique(value[np.isfinite(value)])
    parts = (given > 0) & (given < 1)
    bare = unsigned_parts(raw, value)
    if bare.any():
        raise IcemapError(
            f"{table.file}: the column '{column.header}' holds cells with a % sign, and numbers up"
            f" to {value[bare].max():g} without one (the first in line {table.lines[bare][0]}),"
            " like fractions: write all of them in %, without signs."
        )
    confirmed = f'{{{name}: "{column.unit}"}}'
    small = pd.Series(value).groupby(sites.to_numpy()).agg(["min", "max", "nunique"])
    some = small.index[(small["min"] > 0) & (small["max"] < 1) & (small["nunique"] > 1)]
    if len(some) and given[-1] > 1 and name in NEVER_SMALL:
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but all values of"
            f" the site '{some[0]}' are below 1 like fractions: bring the column to one unit, or,"
            f" if the numbers are right, confirm it in the config as 'units: {confirmed}'."
        )
    mixed = mixed_fractions(value) if name in NEVER_SMALL else np.zeros(len(value), dtype=bool)
    if mixed.any():
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', and"
            f" {mixed.sum()} of its values are below 1 (the first in line"
            f" {table.lines[mixed][0]}) like fractions, with none from 1 to"
            f" {PARTS_BELOW:g}: bring the column to one unit, or, if the numbers are right,"
            f" confirm it in the config as 'units: {confirmed}'."
        )
    # 0 and 1 alone may be either; errors of measurement make some parts more than the whole.
    whole = OVERFULL
    if name == "gravimetric_water" and parts.any() and np.nanmedian(value) < LEAST_WATER:
        whole = MAX_WATER
    alone = len(given) == 1 and len(value) > 1
    if (len(given) > 1 or alone) and given[0] >= 0 and given[-1] <= whole and parts.any():
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but its values go"
            f" from {given[0]:g} to {given[-1]:g} like fractions: correct the unit to '1', or, if"
            f" the numbers are right, confirm it in the config as 'units: {confirmed}'."
        )


def _require_metres(table: Table, column: Column) -> None:
    """A permafrost table that is given in cm where m are said, or in m where cm are."""
    depth = parse_numbers(table.frame[column.header], column.unit).value
    metres = depth * ((column.unit and unit_factor(column.unit, "length [m]")) or np.nan)
    metres = metres[np.isfinite(metres) & (metres > 0) & (metres <= MAX_DEPTH)]
    if not len(metres):
        return
    median = float(np.median(metres))
    if not LEAST_TABLE <= median <= MEDIAN_TABLE:
        few = "or more" if median > MEDIAN_TABLE else "or less"
        guess = "cm?" if median > MEDIAN_TABLE else "not m?" if column.unit == "m" else "m?"
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but half of its"
            f" values are {median:g} m {few}: correct the unit ({guess}), or, if the numbers are"
            f" right, confirm it in the config as 'units: {{permafrost_table: \"{column.unit}\"}}'."
        )


def _require_below_surface(table: Table, column: Column, sites: pd.Series) -> None:
    """A permafrost table at the surface everywhere, as where 0 stands for none."""
    depth = parse_numbers(table.frame[column.header], column.unit).value
    zero = sites[np.isfinite(depth)].nunique()
    if zero >= SEVERAL and not np.nanmax(np.abs(depth)):
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is 0 at all of {zero} sites: leave it"
            " empty where it is not known, or, if permafrost begins at the surface, confirm it in"
            f" the config as 'units: {{permafrost_table: \"{column.unit}\"}}'."
        )


def _require_part_of_volume(table: Table, name: str, column: Column) -> None:
    """More than all of the volume in many rows, as water by dry mass has."""
    factor = column.unit and unit_factor(column.unit, kind_of(name))
    if not factor:
        return
    value = parse_numbers(table.frame[column.header], column.unit).value
    given = np.isfinite(value) & ~np.isin(value, [x for x in np.unique(value) if is_code(x)])
    over = given & (value * factor > OVERFULL)
    if over.sum() >= max(OVERFULL_ROWS, OVERFULL_SHARE * given.sum()):
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is a part of the volume, but {over.sum()}"
            f" of its {given.sum()} values are up to {value[over].max():g} (the first in line"
            f" {table.lines[over][0]}): if it is water by dry mass, name it"
            " gravimetric_water; else correct its unit, or leave these cells empty."
        )
