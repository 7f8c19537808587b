"""Depths of a table of layers that are no depths of their layers in metres."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_columns import DEPTHS, ELEVATION, Column
from icemap.boreholes.table_units import header_unit, same_unit, unit_factor
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# What cores logged in cm look like where m are said: deeper than this (m), in so many pieces, none
# of them short. Real holes of that depth are logged in short pieces near the surface, or in few.
DEEP = 60.0
PIECES = 6
NO_SHORT_PIECE = 5.0
# Holes whose depth another column says, from which that is no chance.
HOLES = 2
# Other holes of the table, against whose depths a single one is judged.
OTHERS = 3
# No depth in any unit, m: left to the rules.
ABSURD = 1e6
# Share of layers upside down from which that is no slip, and how many there are at least.
INVERTED_SHARE, INVERTED_ROWS = 0.25, 3

Floats = NDArray[np.float64]


def require_depths(
    table: Table,
    found: dict[str, Column],
    sites: pd.Series,
    top: Floats,
    base: Floats,
    *,
    sure: bool,
) -> None:
    """Refuse depths in cm that are said to be m, thicknesses and the tops of holes.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns of the table, by icemap's names.
    sites : Series
        Name of the site in each row.
    top, base : ndarray of shape (rows,)
        m, NaN where there is none.
    sure : bool
        Whether the config confirms the unit.

    Raises
    ------
    IcemapError
        Naming the column, its depths, and what to write.
    """
    layers = pd.DataFrame({"site": sites.to_numpy(), "top": top, "base": base})
    layers = layers[(np.abs(top) < ABSURD) & (np.abs(base) < ABSURD)]
    if layers.empty:
        return
    _require_downward(table, found, layers)
    _require_below(table, found, layers)
    _require_other_lengths(table, found, sites)
    _require_own_tops(table, found, layers)
    if not sure:
        _require_own_points(table, found, layers)
        _require_metres(table, found, layers)


def _header(found: dict[str, Column], name: str) -> str:
    return found["depth" if "depth" in found else name].header


def _require_downward(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    inverted = (layers["base"] < layers["top"]).to_numpy()
    if inverted.sum() >= max(INVERTED_ROWS, INVERTED_SHARE * len(layers)):
        line = table.lines[layers.index[inverted][0]]
        if _are_elevations(layers):
            raise IcemapError(
                f"{table.file}: '{_header(found, 'top')}' and '{_header(found, 'base')}' fall from"
                f" layer to layer (from {layers['top'].max():g} to {layers['base'].min():g} m), as"
                " elevations do, which are heights above the sea: write depths below the surface in"
                " their place, or name the column of the elevation of the surface"
                f"{_surface(table)} as 'columns: {{surface: ...}}'."
            )
        raise IcemapError(
            f"{table.file}: '{_header(found, 'base')}' is above '{_header(found, 'top')}' in"
            f" {inverted.sum()} of {len(layers)} layers (the first in line {line}): exchange"
            " the columns if they are, write depths without a sign, and no thickness for the base."
        )


def _are_elevations(layers: pd.DataFrame) -> bool:
    """Whether tops are above bases as numbers, and lower ones follow in the rows of most holes."""
    if (layers["top"] < layers["base"]).any() or (layers["top"] <= 0).all():
        return False
    steps = layers.groupby("site", sort=False)["top"].diff().dropna()
    if steps.empty:
        return bool((layers["base"] > DEEP).all())
    return bool((steps < 0).sum() > 0.5 * len(steps))


def _surface(table: Table) -> str:
    """What the elevation of the surface may be called, if a column has it."""
    for header in map(str, table.frame.columns):
        if ELEVATION.search(header):
            return f" (is it '{header}'?)"
    return ""


def _require_below(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    if (layers["base"] <= 0).all() and (layers["top"] < 0).any():
        raise IcemapError(
            f"{table.file}: all depths ('{_header(found, 'top')}') are negative: write how far"
            " below the surface a layer is, without a sign, and top above base."
        )


def _require_other_lengths(table: Table, found: dict[str, Column], sites: pd.Series) -> None:
    """The same numbers in m and, in another column, in feet: row by row, or as depths of holes."""
    known = {column.header for column in found.values()}
    others = {
        header: unit
        for header in map(str, table.frame.columns)
        if header not in known
        and (unit := header_unit(header)[0])
        and unit_factor(unit, "length [m]") is not None
    }
    for name in DEPTHS:
        own = found.get(name)
        if own is None or own.unit is None:
            continue
        read = parse_numbers(table.frame[own.header])
        numbers = read.value
        for header, unit in others.items():
            other = parse_numbers(table.frame[header]).value
            same = np.array_equal(numbers, other, equal_nan=True)
            same |= name in ("base", "depth") and _are_deepest(sites, read.high, other)
            if same and (numbers > 0).any() and not same_unit(unit, own.unit):
                raise IcemapError(
                    f"{table.file}: the columns '{own.header}' and '{header}' hold the same"
                    f" numbers, in '{own.unit}' and in '{unit}': correct the one that is wrong, or"
                    " leave it out."
                )


def _are_deepest(sites: pd.Series, base: Floats, other: Floats) -> bool:
    """Whether a column has one number for each hole, that of its deepest base."""
    holes = pd.DataFrame({"site": sites.to_numpy(), "base": base, "other": other}).groupby("site")
    deepest = holes["base"].max()[holes["other"].nunique() == 1]
    told = holes["other"].max()[deepest.index]
    return len(deepest) >= HOLES and bool((deepest == told).mean() > 0.5)


def _require_own_tops(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    """The top of the hole, or none but the surface, in every layer."""
    holes = layers.groupby("site").agg(
        tops=("top", "nunique"), bases=("base", "nunique"), top=("top", "first")
    )
    several = holes[holes["bases"] > 1]
    if several["bases"].max() >= INVERTED_ROWS and (several["tops"] == 1).all():
        hole = str(several["bases"].idxmax())
        raise IcemapError(
            f"{table.file}: every layer of '{hole}' begins at {several['top'][hole]:g} m"
            f" ('{_header(found, 'top')}'), and so it is with every other site: write where each"
            " layer begins, or name the column of single depths with 'columns: {depth: ...}'."
        )


def _require_own_points(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    """The depth of the hole in place of that of each point."""
    if "depth" not in found:
        return
    holes = layers.groupby("site").agg(rows=("top", "size"), depths=("top", "nunique"))
    several = holes[holes["rows"] >= INVERTED_ROWS]
    if len(several) >= HOLES and (several["depths"] == 1).all():
        hole = str(several["rows"].idxmax())
        raise IcemapError(
            f"{table.file}: all {several['rows'][hole]} rows of '{hole}' have one depth"
            f" ('{found['depth'].header}'), and so it is with every other site: if it is that of"
            " the hole, name the column of single depths with 'columns: {depth: ...}'; if the"
            f" rows are repeats, say 'units: {{depth: \"{found['depth'].unit or 'm'}\"}}'."
        )


def _require_metres(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    if not (layers["base"] > DEEP).any():
        return
    order = layers[layers["base"] >= layers["top"]].sort_values(["site", "top", "base"])
    length = order["base"] - order["top"]
    # Between points there is a distance in place of a length.
    apart = order["top"].diff().where(order["site"] == order["site"].shift())
    order = order.assign(length=length.where(length > 0, apart.where(apart > 0)))
    holes = order.groupby("site").agg(
        deepest=("base", "max"), shortest=("length", "min"), pieces=("top", "size")
    )
    coarse = (holes["deepest"] > DEEP) & (holes["pieces"] >= PIECES)
    odd = coarse & (holes["shortest"] >= NO_SHORT_PIECE)
    if odd.sum() < 0.5 * len(holes):
        others = holes.loc[~odd, "deepest"]
        odd &= (len(others) >= OTHERS) & (holes["shortest"] > others.median())
    if not odd.any():
        return
    hole = str(holes.loc[odd, "deepest"].idxmax())
    names = ("depth",) if "depth" in found else ("top", "base")
    told = ", ".join(f'{name}: "{found[name].unit or "m"}"' for name in names)
    raise IcemapError(
        f"{table.file}: the column '{_header(found, 'base')}' reaches {holes['deepest'][hole]:g} m"
        f" at '{hole}', and no piece of this hole is shorter than {holes['shortest'][hole]:g} m"
        f" ({odd.sum()} of {len(holes)} sites are so): correct the unit (cm?) in the header or the"
        f" config, or, if the numbers are right, confirm it in the config as 'units: {{{told}}}'."
    )
