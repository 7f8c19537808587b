"""What differs between the rows of one borehole, though it has one of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from icemap.boreholes.limits import DUPLICATE_KM, ONE_PLACE_KM
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

# Permafrost tables of one hole that differ by more are no two readings of it, m.
OTHER_TABLE = 0.5
# Rows of one name that are compared with one another.
LOOKED_AT = 1000


def told_of_boreholes(layers: pd.DataFrame) -> list[str]:
    """What differs between the rows of a borehole: its permafrost table, its year, or its place
    where layers have the same depths.

    Parameters
    ----------
    layers : DataFrame
        Of one table.

    Returns
    -------
    list of str
        A sentence for each kind, which names one borehole and counts the others.
    """
    told = []
    tables = layers.groupby("site")["permafrost_table"].agg(["min", "max"])
    apart = tables[tables["max"] - tables["min"] > OTHER_TABLE]
    if len(apart):
        low, high = apart.iloc[0]
        told.append(
            f"the permafrost table of '{apart.index[0]}' is {low:g} m in one row and {high:g} m in"
            f" another{_and_more(len(apart) - 1)}: their median is used"
        )
    years = layers.groupby("site")["year"].agg(["min", "max"])
    again = years[years["max"] > years["min"]]
    if len(again):
        first, last = again.iloc[0]
        told.append(
            f"layers of '{again.index[0]}' are from {first:.0f} and {last:.0f}"
            f"{_and_more(len(again) - 1)}: they are read as one borehole; give each survey a name"
            " of its own, or leave one out, if it was drilled again"
        )
    places = layers[["site", "lon", "lat"]].dropna().drop_duplicates()["site"]
    moved = layers[layers["site"].isin(places[places.duplicated()])]
    several = [str(site) for site, rows in moved.groupby("site") if _is_several(rows)]
    if several:
        told.append(
            f"layers of '{several[0]}' have the same depths at places more than"
            f" {1000 * DUPLICATE_KM:g} m apart{_and_more(len(several) - 1)}: they are read"
            " as one borehole, and depths that are there twice count with their mean; give each"
            " hole a name of its own if they are several"
        )
    return told


def _and_more(count: int) -> str:
    return f" ({count} other sites are so)" if count else ""


def _is_several(rows: pd.DataFrame) -> bool:
    """Whether rows of one name are at several near places and have depths in common."""
    rows = rows[rows[["lon", "lat", "top", "base"]].notna().all(axis=1)].iloc[:LOOKED_AT]
    places = unit_vectors(rows["lon"], rows["lat"]) * EARTH_RADIUS_KM
    away = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    rounded = 2 * float(rows["position_km"].fillna(0.0).max())
    top, base = rows["top"].to_numpy(float), rows["base"].to_numpy(float)
    shared = np.minimum.outer(base, base) - np.maximum.outer(top, top) > 0
    near = (away > DUPLICATE_KM + rounded) & (away <= ONE_PLACE_KM)
    return bool((near & shared).any())
