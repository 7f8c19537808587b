"""Quality rules: each looks at one thing and says what is wrong; nothing is deleted.

A rule takes a table and returns one sentence per row, empty where the row is in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.ice_content import ICE_DENSITY, SOLIDS_DENSITY
from icemap.boreholes.limits import (
    DUPLICATE_KM,
    DUPLICATE_VALUE,
    MAX_DEPTH,
    MAX_DRY_DENSITY,
    MAX_FILLED,
    MAX_POSITION_CELLS,
    MAX_UNCONFIRMED_WATER,
    MAX_WATER,
    MIN_DENSITY,
    MIN_FILLED,
    ONE_PLACE_KM,
    ROUNDED_DEGREES,
)
from icemap.boreholes.summary_rows import summary_word, sums_up
from icemap.boreholes.text import name_key, words
from icemap.sphere import EARTH_RADIUS_KM, chord_km, unit_vectors

SAME = "duplicate: the same site of the same source was read before"
DIFFERENT = f"{SAME}, with another value"

Rule = Callable[[pd.DataFrame], pd.Series]

# Largest position error of each grade, km; D stands for anything coarser than C.
POSITION_KM = {"A": 0.1, "B": 1.0, "C": 10.0, "D": 30.0}


def _log(
    table: pd.DataFrame, wrong: pd.Series | NDArray[np.bool_], reason: str | pd.Series
) -> pd.Series:
    return pd.Series(
        np.where(np.asarray(wrong, dtype=bool), reason, ""), index=table.index, dtype=object
    )


def check_depths(layers: pd.DataFrame) -> pd.Series:
    """Layers without both depths, above the ground, deeper than a borehole, or upside down."""
    top, base = layers["top"], layers["base"]
    reason = _log(layers, top.isna() | base.isna(), "no depths")
    reason[(top < 0) | (base < 0)] = "depth above the ground surface"
    reason[(top > MAX_DEPTH) | (base > MAX_DEPTH)] = f"deeper than {MAX_DEPTH:g} m"
    reason[base < top] = "inverted: base above top"
    return reason


def check_summary(table: pd.DataFrame) -> pd.Series:
    """Rows that sum up others, by the name of their ``site``: the last ones of many sheets.

    Examples
    --------
    >>> check_summary(pd.DataFrame({"site": ["Mean:", "Std_Dev", "Meander"]})).ne("").tolist()
    [True, True, False]
    >>> names = ["BH-1", "BH-1 mean", "Overall mean", "Mean Creek"]
    >>> check_summary(pd.DataFrame({"site": names})).ne("").tolist()
    [False, True, True, False]
    """
    names = table["site"].astype(str)
    plain = {name: summary_word(name) for name in names.unique()}
    sites = frozenset(plain.values())
    known = {name: sums_up(text, sites) for name, text in plain.items()}
    return _log(table, names.map(known).astype(bool), "the row sums up others and is no site")


def check_overlap(layers: pd.DataFrame) -> pd.Series:
    """Layers that begin above the end of another one of the same borehole; the shared part counts
    once, as their mean.
    """
    order = layers.sort_values(["borehole", "top", "base"], kind="stable")
    deepest = (
        order.groupby("borehole", sort=False)["base"]
        .cummax()
        .groupby(order["borehole"], sort=False)
        .shift()
    )
    reason = _log(
        layers, (order["top"] < deepest - 1e-9).reindex(layers.index), "overlaps the layer above it"
    )
    again = layers.duplicated(["borehole", "top", "base"]) & layers[["top", "base"]].notna().all(
        axis=1
    )
    reason[again] = "has the depths of an earlier row: their mean counts"
    if "vic" in layers:
        copy = again & layers.duplicated(["borehole", "top", "base", "vic"])
        reason[copy] = "has the depths and the ice of an earlier row: their mean counts"
    return reason


def check_water(layers: pd.DataFrame) -> pd.Series:
    """Gravimetric water that is negative, above the threshold (a percentage taken for a fraction),
    or so high that only a density can confirm it.
    """
    water = layers["gravimetric_water"]
    reason = _log(
        layers,
        (water < 0) | (water > MAX_WATER),
        f"gravimetric water outside 0-{100 * MAX_WATER:g} %",
    )
    filled = filled_volume(layers)
    confirmed = filled.between(MIN_FILLED, MAX_FILLED)
    doubtful = water.between(MAX_UNCONFIRMED_WATER, MAX_WATER, inclusive="right") & ~confirmed
    reason[doubtful & filled.isna()] = (
        f"gravimetric water above {100 * MAX_UNCONFIRMED_WATER:g} % without a density to confirm it"
    )
    reason[doubtful & filled.notna()] = (
        f"gravimetric water above {100 * MAX_UNCONFIRMED_WATER:g} % does not go with its"
        " density: ice and solids would not fill"
        f" {100 * MIN_FILLED:g}-{100 * MAX_FILLED:g} % of the volume"
    )
    return reason


def filled_volume(layers: pd.DataFrame) -> pd.Series:
    """Ice and solids by volume, as a fraction, from gravimetric water and a density; NaN
    without.
    """
    water = layers["gravimetric_water"].where(layers["gravimetric_water"] >= 0)
    dry = layers["dry_density"].where(layers["dry_density"] > 0)
    dry = dry.fillna(
        layers["frozen_bulk_density"].where(layers["frozen_bulk_density"] > 0) / (1 + water)
    )
    return water * dry / ICE_DENSITY + dry / SOLIDS_DENSITY


def check_filled(layers: pd.DataFrame) -> pd.Series:
    """Water and frozen bulk density that do not go together: ice and solids would fill more than
    the volume.
    """
    filled = filled_volume(layers)
    over = layers["dry_density"].isna() & (filled > MAX_FILLED)
    return _log(
        layers,
        over,
        "water and density do not go together: ice and solids would fill more than"
        f" {100 * MAX_FILLED:g} % of the volume",
    )


def check_density(layers: pd.DataFrame) -> pd.Series:
    """Densities that are not positive, or outside their limits."""
    dry, bulk = layers["dry_density"], layers["frozen_bulk_density"]
    reason = _log(
        layers,
        (dry < MIN_DENSITY) | (bulk < MIN_DENSITY),
        f"density below {MIN_DENSITY:g} g/cm3",
    )
    reason[(dry <= 0) | (bulk <= 0)] = "density not above zero"
    reason[dry > MAX_DRY_DENSITY] = f"dry density above {MAX_DRY_DENSITY:g} g/cm3"
    reason[bulk > SOLIDS_DENSITY] = f"frozen bulk density above {SOLIDS_DENSITY:g} g/cm3"
    return reason


def check_fractions(layers: pd.DataFrame) -> pd.Series:
    """Volume fractions outside 0-100 %."""
    reason = _log(layers, np.zeros(len(layers), dtype=bool), "")
    for name in (
        "reported_vic",
        "volumetric_water",
        "excess_ice",
        "visible_ice",
        "matrix_vic",
        "porosity",
        "unfrozen_water",
        "wedge_ice",
    ):
        reason[(layers[name] < 0) | (layers[name] > 1)] = (
            f"{name.replace('_', ' ').replace('reported vic', 'VIC')} outside 0-100 %"
        )
    return reason


def check_excess(layers: pd.DataFrame) -> pd.Series:
    """More excess ice, which is a part of all ice, than all ice."""
    over = layers["excess_ice"] > layers["reported_vic"] + MAX_FILLED - 1
    return _log(layers, over, "more excess ice than ice in all")


# Ice, snow and water that are no ground ice, whatever their share of the volume.
NO_GROUND = re.compile(
    r"aufeis|icings?|naled[ji]?|наледь|нал[её]дный л[её]д|snow(?: ?pack)?|firn|water"
    r"|(?:river|lake|sea|pond|surface|floating|bottom ?fast|superimposed|overflow) (?:ice|water)"
)


def check_ground(layers: pd.DataFrame) -> pd.Series:
    """Layers that by their ``ice_type`` are no ground: ice of rivers and lakes, aufeis, snow.

    Examples
    --------
    >>> words_of = ["River ice", "aufeis", "ice lens", "buried lake ice", ""]
    >>> check_ground(pd.DataFrame({"ice_type": words_of})).ne("").tolist()
    [True, True, False, False, False]
    """
    known = {text: NO_GROUND.fullmatch(words(str(text))) for text in layers["ice_type"].unique()}
    outside = layers["ice_type"].map({text: match is not None for text, match in known.items()})
    return _log(
        layers,
        outside,
        "ice that is no ground ice: " + layers["ice_type"].astype(str),
    )


def check_solids(layers: pd.DataFrame) -> pd.Series:
    """Ice and solids that together fill more than the volume: VIC + dry density / solids density
    above the threshold.
    """
    filled = layers["vic"] / 100 + layers["dry_density"] / SOLIDS_DENSITY
    return _log(layers, filled > MAX_FILLED, "ice and solids fill more than the whole volume")


def check_coordinates(sites: pd.DataFrame) -> pd.Series:
    """Coordinates that are missing, impossible, or in the wrong order."""
    lon, lat = sites["lon"], sites["lat"]
    reason = _log(sites, lon.isna() | lat.isna(), "no coordinates")
    reason[(lon.abs() > 180) | (lat.abs() > 90)] = "impossible coordinates"
    reason[(lat.abs() > 90) & (lat.abs() <= 180) & (lon.abs() <= 90)] = (
        "longitude and latitude are swapped"
    )
    reason[lat == 0] = "no latitude (0)"
    reason[(lon == 0) & (lat == 0)] = "no coordinates (0, 0)"
    return reason


def check_position(sites: pd.DataFrame, cell_km: float) -> pd.Series:
    """Positions too coarse for the cells of the grid.

    Parameters
    ----------
    sites : DataFrame
        One row per site, with ``position_grade``.
    cell_km : float
        Side of a cell of the grid.
    """
    error = sites["position_grade"].map(POSITION_KM).fillna(0.0).astype(float)
    return _log(sites, error > MAX_POSITION_CELLS * cell_km, "position coarser than the grid")


def check_same_id(sites: pd.DataFrame) -> pd.Series:
    """The same site of the same source met again in another file; one name at places more than a
    kilometre apart is two sites.
    """
    key = sites["site"].astype(str).map(name_key) + "|" + sites["source"].fillna("").astype(str)
    place = sites[["lon", "lat"]]
    rounded = pd.concat([key, _rounded(sites, {"lon": 2, "lat": 2})], axis=1)
    first = place.groupby(key.to_numpy()).transform("first")
    apart = chord_km(place["lon"], place["lat"], first["lon"], first["lat"])
    near = ~(apart > ONE_PLACE_KM)
    again = rounded.duplicated() | (key.duplicated() & near)
    groups = [rounded[name].to_numpy() for name in rounded]
    before = sites["value"].groupby(groups, dropna=False).transform("first")
    before = before.mask(near, sites["value"].groupby(key.to_numpy()).transform("first"))
    reason = _log(sites, again, SAME)
    reason[again & ((sites["value"] - before).abs() > DUPLICATE_VALUE)] = DIFFERENT
    return reason


def check_identical(sites: pd.DataFrame, also: tuple[str, ...] = ()) -> pd.Series:
    """Identical rounded coordinates and value, and whatever else has to be the same (``also``,
    numbers that may be missing).

    Parameters
    ----------
    sites : DataFrame
        One row per site, with ``lon``, ``lat`` (degrees) and ``value``.
    also : tuple of str
        Columns that have to be the same, too.
    """
    digits = {"lon": ROUNDED_DEGREES, "lat": ROUNDED_DEGREES, "value": 6}
    complete = sites[list(digits)].notna().all(axis=1)
    rounded = _rounded(sites, {**digits, **dict.fromkeys(also, 6)})
    return _log(
        sites,
        rounded.duplicated() & complete,
        "duplicate: same coordinates and value as an earlier site",
    )


def _rounded(sites: pd.DataFrame, digits: Mapping[str, int]) -> pd.DataFrame:
    """Numbers of sites; clipped, because rounding the absurd overflows."""
    return pd.DataFrame(
        {
            name: np.clip(sites[name].to_numpy(float), -1e12, 1e12).round(count)
            for name, count in digits.items()
        },
        index=sites.index,
    )


def check_close(sites: pd.DataFrame) -> pd.Series:
    """Sites within 50 m and 2 % VIC of an earlier one, where positions are known that
    well (grade A or none given).

    A column ``position_km``, if there, says how far a position may be off because of the decimals
    it was published with: places that are rounded more coarsely than the threshold are no evidence
    that two holes are one.
    """
    from scipy.spatial import cKDTree

    reason = _log(sites, np.zeros(len(sites), dtype=bool), "")
    precise = sites["position_grade"].isin(["", "A"]) & sites[["lon", "lat", "value"]].notna().all(
        axis=1
    )
    if "position_km" in sites:
        precise &= ~(sites["position_km"] > DUPLICATE_KM)
    there = np.flatnonzero(precise & (check_identical(sites) == ""))
    if len(there) < 2:
        return reason
    part = sites.iloc[there]
    # In units of both distances, so that one maximum-norm search finds pairs that are close in
    # place and in value.
    points = np.column_stack(
        [
            unit_vectors(part["lon"], part["lat"]) * EARTH_RADIUS_KM / DUPLICATE_KM,
            part["value"] / DUPLICATE_VALUE,
        ]
    )
    pairs = cKDTree(points).query_pairs(1.0, p=np.inf, output_type="ndarray")
    near = np.sum((points[pairs[:, 0], :3] - points[pairs[:, 1], :3]) ** 2, axis=1) <= 1
    later = np.unique(pairs[near].max(axis=1))
    reason.iloc[there[later]] = (
        f"duplicate: within {1000 * DUPLICATE_KM:g} m and {DUPLICATE_VALUE:g}"
        " % VIC of an earlier site"
    )
    return reason


def first_reason(*reasons: pd.Series) -> pd.Series:
    """The first rule that has something to say about each row."""
    result = reasons[0].copy()
    for other in reasons[1:]:
        result = result.where(result != "", other)
    return result
