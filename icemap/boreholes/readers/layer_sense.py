"""What the rows of a table of layers say together: of boreholes, and of parts and their whole."""

from __future__ import annotations

import numpy as np
import pandas as pd

from icemap.boreholes.ice_content import dry_basis
from icemap.boreholes.quality import DEFAULT, filled_volume
from icemap.boreholes.readers.layer_columns import Column
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
    """Refuse water that with its density fills the ground only if it is by wet mass.

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
    if sure or not (water < 1).any() or (water >= 1).any():
        return
    as_read = filled_volume(layers)
    by_wet_mass = filled_volume(layers.assign(gravimetric_water=dry_basis(water)))
    known = as_read.notna()
    fits = (as_read < LOOSE) & by_wet_mass.between(FULL, DEFAULT.solids)
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
        more = both & (layers[name] > layers["reported_vic"] + DEFAULT.solids - 1)
        if more.sum() >= max(EXCHANGED_ROWS, EXCHANGED_SHARE * both.sum()):
            line = table.lines[int(np.argmax(more.to_numpy(bool)))]
            raise IcemapError(
                f"{table.file}: '{found[name].header}' is more than"
                f" '{found['reported_vic'].header}' in {more.sum()} of {both.sum()} rows (the first"
                f" in line {line}), and {what} is a part of all ice: correct which column is which."
            )
