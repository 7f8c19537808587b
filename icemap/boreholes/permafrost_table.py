"""The permafrost table of every borehole, from the best source there is, and how well it is
known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes import quality
from icemap.boreholes.limits import MAX_DEPTH
from icemap.boreholes.records import PERMAFROST_TABLE_SOURCES
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

NEIGHBOUR_KM = 1.0
# Standard error of a permafrost table by its source, m (choice): it changes by decimetres from year
# to year and within metres, a neighbour's by more, a mapped one is that of a cell.
TABLE_ERROR = {
    "reported": 0.1,
    "thaw_depth": 0.15,
    "active_layer": 0.2,
    "neighbour": 0.3,
    "mapped": 0.6,
}
# Frost of the season may stand in for permafrost where frozen ground begins near the surface, m
# (choice).
SEASONAL_FROST = 0.5
FROZEN_GROUND = "frozen_ground"
# What above zero is only found in frozen ground. Water and dry density are measured in thawed
# ground, too.
FROZEN_ONLY = ("frozen_bulk_density", "excess_ice", "visible_ice", "matrix_vic", "reported_vic")


def add_permafrost_table(
    sites: pd.DataFrame, layers: pd.DataFrame, thaw_sites: pd.DataFrame, *, bounded: bool = True
) -> pd.DataFrame:
    """Give every borehole the permafrost table of its best source; by median where one source says
    several.

    Parameters
    ----------
    sites : DataFrame
        One row per borehole, with ``lon`` and ``lat``.
    layers : DataFrame
        Converted layers with ``borehole``, a row of ``sites``.
    thaw_sites : DataFrame
        ``lon, lat, active_layer`` (m) of places that lend theirs to boreholes within 1 km.
    bounded : bool
        Whether the top of the frozen ground stands in where there is no better source.

    Returns
    -------
    DataFrame
        ``sites`` with ``permafrost_table`` (m), ``permafrost_table_source`` and
        ``permafrost_table_error`` (m).
    """
    given = layers.loc[
        layers["permafrost_table"].notna(),
        ["borehole", "permafrost_table", "permafrost_table_source"],
    ]
    rank = (
        given["permafrost_table_source"]
        .replace("", "reported")
        .map({name: i for i, name in enumerate(PERMAFROST_TABLE_SOURCES)})
    )
    best = rank.groupby(given["borehole"]).transform("min")
    depth = given.loc[rank == best].groupby("borehole")["permafrost_table"].median()
    source = best.groupby(given["borehole"]).first().map(lambda i: PERMAFROST_TABLE_SOURCES[int(i)])
    sites["permafrost_table"] = depth.reindex(sites.index).astype(float)
    sites["permafrost_table_source"] = source.reindex(sites.index).astype(object).fillna("")
    _from_neighbours(sites, thaw_sites)
    if bounded:
        _from_frozen_ground(sites, layers)
    # A bound leaves the depths between the surface and itself, any of them as likely as the others.
    bound = np.hypot(sites["permafrost_table"] / np.sqrt(12), SEASONAL_FROST)
    known = sites["permafrost_table_source"].map(TABLE_ERROR).astype(float)
    sites["permafrost_table_error"] = known.where(
        sites["permafrost_table_source"] != FROZEN_GROUND, bound
    )
    return sites


def is_frozen(layers: pd.DataFrame) -> NDArray[np.bool_]:
    """Layers that are said to be frozen, or hold what is only measured in frozen ground."""
    massive = layers["ice_type"] == "massive"
    evidence = (layers[list(FROZEN_ONLY)] > 0).any(axis=1) | massive
    return ((layers["frozen"] == "yes") | ((layers["frozen"] == "") & evidence)).to_numpy(bool)


def frozen_ground(layers: pd.DataFrame) -> pd.Series:
    """Upper bound of the permafrost table of each borehole: where its frozen ground begins, m.

    With unfrozen layers between frozen ones (frost of the season above a talik, permafrost above
    unfrozen ground) the thickest run of frozen layers is taken for the permafrost.

    Examples
    --------
    >>> import pandas as pd
    >>> layers = pd.DataFrame({"borehole": 0, "top": [0.0, 0.5, 2.0], "base": [0.5, 2.0, 5.0],
    ...     "frozen": ["yes", "no", "yes"], "ice_type": ""})
    >>> frozen_ground(layers.assign(**dict.fromkeys(FROZEN_ONLY, float("nan")))).tolist()
    [2.0]
    """
    known = is_frozen(layers) | (layers["frozen"] == "no").to_numpy()
    placed = layers["top"].between(0, MAX_DEPTH) & (layers["base"] >= layers["top"])
    part = layers.loc[known & placed.to_numpy(), ["borehole", "top", "base"]]
    part = part.assign(frozen=is_frozen(layers.loc[part.index])).sort_values(
        ["borehole", "top", "base"], kind="stable"
    )
    change = (part["frozen"] != part["frozen"].shift()) | (
        part["borehole"] != part["borehole"].shift()
    )
    runs = part.assign(run=change.cumsum(), length=part["base"] - part["top"])
    runs = (
        runs[runs["frozen"]]
        .groupby("run")
        .agg(borehole=("borehole", "first"), top=("top", "min"), length=("length", "sum"))
    )
    # Of runs as thick as each other the upper one: stable, and runs are in order of depth.
    thickest = (
        runs.sort_values("length", ascending=False, kind="stable")
        .groupby("borehole")["top"]
        .first()
    )
    return thickest.astype(float)


def _from_frozen_ground(sites: pd.DataFrame, layers: pd.DataFrame) -> None:
    bound = frozen_ground(layers).reindex(sites.index)
    taken = bound.notna() & (sites["permafrost_table_source"] == "")
    sites.loc[taken, "permafrost_table"] = bound[taken]
    sites.loc[taken, "permafrost_table_source"] = FROZEN_GROUND


def _from_neighbours(sites: pd.DataFrame, thaw_sites: pd.DataFrame) -> None:
    from scipy.spatial import cKDTree

    placed = quality.check_coordinates(sites) == ""
    lends = placed & sites["permafrost_table_source"].isin(["thaw_depth", "active_layer"])
    own = sites.loc[lends, ["lon", "lat"]].assign(active_layer=sites.loc[lends, "permafrost_table"])
    donors = pd.concat([thaw_sites[["lon", "lat", "active_layer"]], own], ignore_index=True)
    needs = np.flatnonzero(placed & sites["permafrost_table_source"].isin(["", "mapped"]))
    if len(donors) == 0 or len(needs) == 0:
        return
    tree = cKDTree(unit_vectors(donors["lon"], donors["lat"]) * EARTH_RADIUS_KM)
    places = unit_vectors(sites["lon"].iloc[needs], sites["lat"].iloc[needs]) * EARTH_RADIUS_KM
    distance, nearest = tree.query(places, distance_upper_bound=NEIGHBOUR_KM)
    found = np.isfinite(distance)
    at = sites.index[needs[found]]
    sites.loc[at, "permafrost_table"] = donors["active_layer"].to_numpy(float)[nearest[found]]
    sites.loc[at, "permafrost_table_source"] = "neighbour"
