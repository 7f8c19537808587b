"""What the rows of a table of layers say together: of boreholes, and of parts and their whole."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.ice_content import (
    dry_basis,
    from_frozen_bulk,
    from_gravimetric,
    from_volumetric_water,
)
from icemap.boreholes.limits import MAX_FILLED
from icemap.boreholes.quality import filled_volume
from icemap.boreholes.readers.layer_columns import Column
from icemap.boreholes.records import QUANTITIES
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

# Places with several names, one piece each and one below the other, from which the names are those
# of samples; and their share of all rows.
STACKS, STACKED_SHARE = 2, 0.5
# Rows in which a part is more than its whole, from which the columns are exchanged, and their
# share.
EXCHANGED_ROWS, EXCHANGED_SHARE = 3, 0.25
# Volume that ice and solids fill: less is loose ground, more is ground full of ice; in so many
# rows, and this share of them.
LOOSE, FULL = 0.85, 0.88
WET_ROWS, WET_SHARE = 5, 0.8
# Ice contents of two ways of measuring (%): this near in most rows they mean the same, where this
# far apart one of them is a slip, and where half of the rows are this far apart it is said.
AGREE, SLIP, DISAGREE = 5.0, 25.0, 10.0
AGREEING_ROWS, DISAGREEING_ROWS = 2, 5
WAYS = {
    "reported VIC": ("reported_vic",),
    "water and dry density": ("gravimetric_water", "dry_density"),
    "water and frozen bulk density": ("gravimetric_water", "frozen_bulk_density"),
    "volumetric water": ("volumetric_water",),
}
# Quantities from which ice follows only with others.
OF_OTHERS = {"dry_density", "frozen_bulk_density", "porosity", "unfrozen_water", "matrix_vic"}
PARTS = {"excess_ice": "excess ice", "visible_ice": "visible ice"}


def require_boreholes(table: Table, header: str, layers: pd.DataFrame, *, sure: bool) -> None:
    """Refuse names of samples in the place of those of boreholes.

    Parameters
    ----------
    table : Table
    header : str
        Of the column of sites.
    layers : DataFrame
        Of the table, with ``site``, ``lon``, ``lat``, ``top`` and ``base``.
    sure : bool
        Whether the config names that column.

    Raises
    ------
    IcemapError
        Naming the column and some of its names.
    """
    pieces = layers[layers[["lon", "lat", "top", "base"]].notna().all(axis=1)]
    if sure or pieces.empty or pieces["site"].duplicated().any():
        return
    order = pieces.sort_values(["lon", "lat", "top", "base"], kind="stable")
    place = order.groupby(["lon", "lat"], sort=False).ngroup().to_numpy()
    top, base = order["top"].to_numpy(float), order["base"].to_numpy(float)
    below = (top[1:] >= base[:-1] - 1e-6) & (top[1:] > top[:-1])
    apart = pd.Series(np.r_[True, below | (place[1:] != place[:-1])]).groupby(place).all()
    count = pd.Series(place).groupby(place).size()
    stacks = count[apart & (count > 1)]
    if len(stacks) < STACKS or stacks.sum() < STACKED_SHARE * len(order):
        return
    one = order["site"].to_numpy()[place == stacks.index[0]][:2]
    raise IcemapError(
        f"{table.file}: every row has a name of its own in '{header}', and at {len(stacks)} places"
        f" one is below the other ('{one[0]}' and '{one[1]}'), as samples of one borehole are: name"
        " the column of boreholes with 'columns: {site: ...}', or this one if they are boreholes."
    )


def require_dry_mass(
    table: Table, found: dict[str, Column], layers: pd.DataFrame, *, sure: bool
) -> None:
    """Refuse water that with its density fills the ground only if it is by wet mass, or in some
    rows only if it is a fraction where others are %.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns of the table, by icemap's names.
    layers : DataFrame
        Of the table.
    sure : bool
        Whether the config confirms the unit.

    Raises
    ------
    IcemapError
        Naming the column, and what to do.
    """
    water = layers["gravimetric_water"]
    if sure:
        return
    as_read = filled_volume(layers)
    of_one = filled_volume(layers.assign(gravimetric_water=100 * water))
    part = (water > 0) & (water < 0.01) & (as_read < LOOSE) & of_one.between(FULL, MAX_FILLED)
    if part.any() and (water >= 0.01).any():
        row = int(np.argmax(part.to_numpy(bool)))
        header = found["gravimetric_water"].header
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{header}' is {100 * water.iloc[row]:.3g} %,"
            f" with which ice and solids fill {100 * as_read.iloc[row]:.0f} % of the volume, and"
            f" {100 * of_one.iloc[row]:.0f} % if it is a fraction ({part.sum()} of"
            f" {water.notna().sum()} rows are so): bring the column to one unit, or, if the ground"
            " is as loose, confirm it in the config as 'units: {gravimetric_water:"
            f' "{found["gravimetric_water"].unit or "%"}"}}\'.'
        )
    if not (water < 1).any() or (water >= 1).any():
        return
    by_wet_mass = filled_volume(layers.assign(gravimetric_water=dry_basis(water)))
    known = as_read.notna()
    fits = (as_read < LOOSE) & by_wet_mass.between(FULL, MAX_FILLED)
    if known.sum() < WET_ROWS or fits.sum() < WET_SHARE * known.sum():
        return
    raise IcemapError(
        f"{table.file}: with '{found['gravimetric_water'].header}' by dry mass, ice and solids fill"
        f" {100 * as_read[known].median():.0f} % of the volume in half of {known.sum()} rows, and"
        f" {100 * by_wet_mass[known].median():.0f} % with it by wet mass, w' / (1 - w'): convert it"
        " if it is by wet mass, or, if the ground is as loose, confirm it in the config as"
        f" 'units: {{gravimetric_water: \"{found['gravimetric_water'].unit or '%'}\"}}'."
    )


def require_parts(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> None:
    """Refuse columns in which a part of the ice is more than all ice, row by row.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns of the table, by icemap's names.
    layers : DataFrame
        Of the table.

    Raises
    ------
    IcemapError
        Naming both columns.
    """
    for name, what in PARTS.items():
        if name not in found or "reported_vic" not in found:
            continue
        both = layers[name].notna() & layers["reported_vic"].notna()
        more = both & (layers[name] > layers["reported_vic"] + MAX_FILLED - 1)
        if more.sum() >= max(EXCHANGED_ROWS, EXCHANGED_SHARE * both.sum()):
            line = table.lines[int(np.argmax(more.to_numpy(bool)))]
            raise IcemapError(
                f"{table.file}: '{found[name].header}' is more than"
                f" '{found['reported_vic'].header}' in {more.sum()} of {both.sum()} rows (the first"
                f" in line {line}), and {what} is a part of all ice: correct which column is which."
            )


def require_ice(table: Table, found: dict[str, Column]) -> None:
    """Refuse a table that holds neither ice nor water, as where these are in another one.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns of the table, by icemap's names.

    Raises
    ------
    IcemapError
        Naming what the table holds, and what to do.
    """
    measured = [name for name in found if name in QUANTITIES]
    if "ice_type" not in found and OF_OTHERS.issuperset(measured):
        read = {column.header for column in found.values()}
        others = [header for header in map(str, table.frame.columns) if header not in read]
        named = f" (it also has {', '.join(others[:10])})" if others else ""
        raise IcemapError(
            f"{table.file} has {', '.join(measured)} alone, from which no ice content follows: say"
            f" which column is water or ice with 'columns: {{gravimetric_water: ...}}'{named}, or"
            " join its columns to the table that holds it, by the names and depths of its rows."
        )


def require_agreement(table: Table, found: dict[str, Column], layers: pd.DataFrame) -> list[str]:
    """Refuse a row of which two ways of measuring say other ice contents, where they agree in most
    rows; and tell of two that mostly disagree.

    Parameters
    ----------
    table : Table
    found : dict of Column
        The columns of the table, by icemap's names.
    layers : DataFrame
        Of the table.

    Returns
    -------
    list of str
        A sentence for each two ways that mostly disagree.

    Raises
    ------
    IcemapError
        Naming the columns, the row and both ice contents.
    """
    contents = _ice_contents(layers)
    _require_massive(table, found, layers, contents)
    contents = contents.mask(layers["ice_type"] == "massive")
    told = []
    for one, other in combinations(WAYS, 2):
        apart = (contents[one] - contents[other]).abs()
        both = apart.notna().sum()
        agree = (apart <= AGREE).sum()
        names = [_headers(found, way) for way in (one, other)]
        slip = (apart > SLIP).to_numpy(bool)
        if slip.any() and agree >= AGREEING_ROWS and 2 * agree > both:
            row = int(np.argmax(slip))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: {names[0]} gives"
                f" {contents[one].iloc[row]:.3g} % of ice, and {names[1]}"
                f" {contents[other].iloc[row]:.3g} %, where {agree} of {both} rows agree: correct"
                " what is wrong, or leave one of them empty."
            )
        if both >= DISAGREEING_ROWS and np.nanmedian(apart) > DISAGREE:
            told.append(
                f"{names[0]} and {names[1]} give ice contents that differ by"
                f" {np.nanmedian(apart):.0f} % or more in half of {both} rows: the first is used"
            )
    return told


def _ice_contents(layers: pd.DataFrame) -> pd.DataFrame:
    """Ice content by each way, %, of ground that may be frozen."""
    water, dry, bulk, theta, reported = (
        layers[name].to_numpy(float)
        for name in (
            *("gravimetric_water", "dry_density", "frozen_bulk_density"),
            *("volumetric_water", "reported_vic"),
        )
    )
    ways: dict[str, NDArray[np.float64]] = {
        # None in thawed ground, which has water.
        "reported VIC": np.where(reported > 0, reported, np.nan),
        "water and dry density": np.asarray(from_gravimetric(water, dry)),
        "water and frozen bulk density": np.asarray(from_frozen_bulk(water, bulk)),
        "volumetric water": np.asarray(from_volumetric_water(theta)),
    }
    return 100 * pd.DataFrame(ways, index=layers.index).mask(layers["frozen"] == "no")


def _require_massive(
    table: Table, found: dict[str, Column], layers: pd.DataFrame, contents: pd.DataFrame
) -> None:
    """Refuse layers that are ice alone by their kind, and far from it by their numbers."""
    for way, names in WAYS.items():
        measured = layers[list(names)].notna().all(axis=1)
        little = measured & ~(contents[way] > 100 - SLIP) & (layers["ice_type"] == "massive")
        little &= layers["frozen"] != "no"
        if little.any():
            row = int(np.argmax(little.to_numpy(bool)))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: '{found['ice_type'].header}' says that the"
                f" layer is ice alone, and {_headers(found, way)} gives"
                f" {np.nan_to_num(contents[way].iloc[row]):.3g} % of ice: correct what is wrong, or"
                " leave one of them empty."
            )


def _headers(found: dict[str, Column], way: str) -> str:
    return " with ".join(f"'{found[name].header}'" for name in WAYS[way] if name in found)
