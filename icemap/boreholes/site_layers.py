"""From layers to sites: flags, permafrost table, VIC of the window, and the reason of every site that is not used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from icemap.boreholes import quality
from icemap.boreholes.ice_content import layer_vic, with_wedge_ice
from icemap.boreholes.records import PERMAFROST_TABLE_SOURCES, QUANTITIES, join_flags, make_flags
from icemap.boreholes.text import convert_units
from icemap.boreholes.window import window_means
from icemap.config import TargetConfig
from icemap.errors import IcemapError

NEIGHBOUR_KM = 1.0
# Standard error of the VIC that a position error brings, % (choice): ground ice changes within metres and most of it within a few kilometres.
POSITION_ERROR = {"A": 0.0, "B": 2.0, "C": 5.0, "D": 10.0}
EXCLUDING_RULES: dict[str, quality.Rule] = {
    "depths": quality.check_depths,
    "gravimetric water": quality.check_water,
    "density": quality.check_density,
    "fractions": quality.check_fractions,
}


@dataclass(frozen=True)
class Window:
    """What part of the ground counts and how well it must be known."""

    thickness: float
    grades: tuple[str, ...]
    cell_km: float


def convert_layers(layers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add ``vic``, ``vic_error``, ``vic_from`` and ``vic_reason`` to layers (NaN where a rule excludes them); and the flags."""
    layers = layers.reset_index(drop=True)
    measured = _measured(layers)
    parts = []
    excluded = pd.Series("", index=layers.index, dtype=object)
    for name, rule in EXCLUDING_RULES.items():
        reason = rule(layers, quality.DEFAULT).where(measured, "")
        parts.append(_flags(layers, reason, name, excludes=True))
        excluded = quality.first_reason(excluded, reason)
    layers = layers.join(layer_vic(layers))
    solids = quality.check_solids(layers, quality.DEFAULT).where(excluded == "", "")
    parts.append(_flags(layers, solids, "solids", excludes=True))
    without = layers["vic_reason"].where(measured & (excluded == ""), "")
    parts.append(_flags(layers, without, "no VIC", excludes=True))
    parts.append(_flags(layers, quality.check_overlap(layers, quality.DEFAULT).where(excluded == "", ""), "overlap", excludes=False))
    excluded = quality.first_reason(excluded, solids)
    bad = (excluded != "").to_numpy()
    layers.loc[bad, ["vic", "vic_error"]] = np.nan
    layers.loc[bad, "vic_reason"] = excluded[bad]
    return layers, join_flags(parts)


def _measured(layers: pd.DataFrame) -> pd.Series:
    """Rows that are layers, and not only a place with a permafrost table."""
    return layers[["top", "base", *QUANTITIES]].notna().any(axis=1) | (layers["ice_type"] != "")


def _flags(layers: pd.DataFrame, reason: pd.Series, rule: str, *, excludes: bool) -> pd.DataFrame:
    rows = (reason != "").to_numpy()
    part = layers.loc[rows, ["file", "line", "site"]]
    return make_flags(part["file"], part["line"], part["site"], rule, excludes, reason[rows])


def sites_from_layers(layers: pd.DataFrame, thaw_sites: pd.DataFrame, window: Window, target: TargetConfig) -> pd.DataFrame:
    """The site table of converted layers.

    Parameters
    ----------
    layers : DataFrame
        Layers with ``vic`` (%), ``vic_error``, ``borehole`` (a number for each borehole, from 0) and ``reader``.
    thaw_sites : DataFrame
        ``lon, lat, active_layer`` (m) of places that lend their permafrost table to boreholes within 1 km.
    """
    sites = _one_row_per_borehole(layers)
    sites = _permafrost_table(sites, layers, thaw_sites)
    top, base, vic, error = (layers[name].to_numpy(float) for name in ("top", "base", "vic", "vic_error"))
    means = window_means(layers["borehole"].to_numpy(), top, base, vic, error, sites["permafrost_table"].to_numpy(float), window.thickness)
    wedge = sites.pop("wedge_ice").fillna(0.0)
    percent = np.asarray(with_wedge_ice(wedge, means["vic"] / 100)) * 100
    position = sites["position_grade"].map(POSITION_ERROR).fillna(POSITION_ERROR["C"]).astype(float)
    percent_error = np.sqrt((means["standard_error"] * (1 - wedge)) ** 2 + position**2).to_numpy(float)
    values = [convert_units(column, "%", target.unit) for column in (percent, percent_error)]
    if values[0] is None or values[1] is None:
        raise IcemapError(f"Raw layers give ice content in %, and the target {target.name} is in '{target.unit}': set target.unit to % or fraction.")
    sites["value"], sites["standard_error"] = values
    sites["coverage"] = means["coverage"]
    mapped = sites["permafrost_table_source"] == "mapped"
    sites["grade"] = means["grade"].where(~mapped, "D").where(means["layers"] > 0, "")
    sites["layers"] = means["layers"]
    sites["reason"] = _reasons(sites, layers, window, target)
    sites["used"] = sites["reason"] == ""
    ordinary = sites[sites["used"]]
    in_percent = ordinary.assign(value=percent[ordinary.index])
    twice = quality.first_reason(quality.check_same_id(in_percent), quality.check_identical(in_percent), quality.check_close(in_percent))
    sites.loc[ordinary.index, "reason"] = twice
    sites["used"] = sites["reason"] == ""
    return sites


def _one_row_per_borehole(layers: pd.DataFrame) -> pd.DataFrame:
    grouped = layers.groupby("borehole", sort=True)
    first = grouped[["site", "lon", "lat", "position_grade", "source", "year", "reader", "file", "line"]].first()
    wedge = layers["wedge_ice"].where(layers["wedge_ice"].between(0, 1)).groupby(layers["borehole"]).mean()
    return first.assign(wedge_ice=wedge).reset_index(drop=True)


def _permafrost_table(sites: pd.DataFrame, layers: pd.DataFrame, thaw_sites: pd.DataFrame) -> pd.DataFrame:
    """Give every borehole the permafrost table of its best source; by median where one source says several."""
    given = layers.loc[layers["permafrost_table"].notna(), ["borehole", "permafrost_table", "permafrost_table_source"]]
    rank = given["permafrost_table_source"].replace("", "reported").map({name: i for i, name in enumerate(PERMAFROST_TABLE_SOURCES)})
    best = rank.groupby(given["borehole"]).transform("min")
    depth = given.loc[rank == best].groupby("borehole")["permafrost_table"].median()
    source = best.groupby(given["borehole"]).first().map(lambda i: PERMAFROST_TABLE_SOURCES[int(i)])
    sites["permafrost_table"] = depth.reindex(sites.index).astype(float)
    sites["permafrost_table_source"] = source.reindex(sites.index).astype(object).fillna("")
    return _from_neighbours(sites, thaw_sites)


def _from_neighbours(sites: pd.DataFrame, thaw_sites: pd.DataFrame) -> pd.DataFrame:
    from scipy.spatial import cKDTree

    placed = quality.check_coordinates(sites) == ""
    lends = placed & sites["permafrost_table_source"].isin(["thaw_depth", "active_layer"])
    own = sites.loc[lends, ["lon", "lat"]].assign(active_layer=sites.loc[lends, "permafrost_table"])
    donors = pd.concat([thaw_sites[["lon", "lat", "active_layer"]], own], ignore_index=True)
    needs = np.flatnonzero(placed & sites["permafrost_table_source"].isin(["", "mapped"]))
    if len(donors) == 0 or len(needs) == 0:
        return sites
    tree = cKDTree(quality.unit_vectors(donors["lon"], donors["lat"]) * quality.EARTH_RADIUS_KM)
    places = quality.unit_vectors(sites["lon"].iloc[needs], sites["lat"].iloc[needs]) * quality.EARTH_RADIUS_KM
    distance, nearest = tree.query(places, distance_upper_bound=NEIGHBOUR_KM)
    found = np.isfinite(distance)
    at = sites.index[needs[found]]
    sites.loc[at, "permafrost_table"] = donors["active_layer"].to_numpy(float)[nearest[found]]
    sites.loc[at, "permafrost_table_source"] = "neighbour"
    return sites


def _reasons(sites: pd.DataFrame, layers: pd.DataFrame, window: Window, target: TargetConfig) -> pd.Series:
    """Why each site cannot be used, from the ground up."""
    measured = _measured(layers)
    has_layers = measured.groupby(layers["borehole"]).any()
    has_vic = layers["vic"].notna().groupby(layers["borehole"]).any()
    without = layers.loc[measured & layers["vic"].isna()]
    first_reason = without.groupby("borehole")["vic_reason"].first().reindex(sites.index).fillna("").astype(object)

    def where(condition: pd.Series, reason: str | pd.Series) -> pd.Series:
        text = pd.Series(reason, index=sites.index, dtype=object) if isinstance(reason, str) else reason
        return text.where(condition, "")

    no_table = sites["permafrost_table"].isna()
    unwanted, mapped = ~sites["grade"].isin(window.grades), sites["permafrost_table_source"] == "mapped"
    reasons = [
        quality.check_coordinates(sites),
        where(~has_layers, "no layer was measured"),
        where(~has_vic, first_reason),
        quality.check_position(sites, window.cell_km),
        where(no_table, "no permafrost table: none given, and no thaw site within 1 km"),
        where(sites["layers"] == 0, f"no layer in the {window.thickness:g} m below the permafrost table"),
        where(mapped & unwanted, "grade D: permafrost table from a map"),
        where(unwanted, "grade " + sites["grade"] + f": too little of the {window.thickness:g} m below the permafrost table is covered"),
    ]
    if target.bounds is not None:
        low, high = target.bounds
        reasons.append(where(~sites["value"].between(low, high), f"value outside {low:g}-{high:g} {target.unit}"))
    return quality.first_reason(*reasons)
