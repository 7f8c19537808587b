"""Pseudo-sites: places that are known to be bedrock or thin sediment, where nobody drills. They are
trained on like boreholes, and marked wherever they stand; no score, calibration or count of
boreholes has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.borehole_sections import BedrockConfig
from icemap.boreholes.layer_vic import BEDROCK_VIC, METHOD_ERROR
from icemap.boreholes.quality import check_coordinates, first_reason
from icemap.boreholes.records import join_flags, make_flags
from icemap.boreholes.site_layers import in_unit
from icemap.boreholes.sites import SiteTable, read_sites
from icemap.boreholes.table_places import table_places
from icemap.boreholes.tables import read_table
from icemap.config import Config
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.source import Source
from icemap.sphere import unit_vectors

Array = NDArray[np.float64]

#: What stands in the column ``reader`` of pseudo-sites.
READER = "pseudo-site"
# Of more of the map than this a rule must say how many pseudo-sites there shall be.
MAX_MAP_SHARE = 0.5
# With three to five, trees and folds learnt little of thin sediment on the virtual Arctics 200 and
# 201; 20 were enough.
MIN_SITES = 20


@dataclass(frozen=True, eq=False)
class MapCells:
    """Cells drawn from the map by area, and a predictor there.

    Attributes
    ----------
    longitude, latitude : ndarray of shape (n,)
    value : ndarray of shape (n,)
        The predictor, in its unit.
    weight : ndarray of shape (n,)
        Share of the map that each stands for; adds up to 1.
    drilled : ndarray of bool, shape (n,)
        Whether a borehole stands there: what it says counts.
    """

    longitude: Array
    latitude: Array
    value: Array
    weight: Array
    drilled: NDArray[np.bool_]


def read_training_table(config: Config) -> SiteTable:
    """Read the sites that a config names, and the pseudo-sites of its table of bedrock, if it names
    one.

    Raises
    ------
    IcemapError
        If a file, a column or a unit is missing or wrong.
    """
    table = read_sites(config)
    bedrock = config.boreholes.bedrock if config.boreholes is not None else None
    if bedrock is None or bedrock.table is None:
        return table
    return with_pseudo_sites(table, sites_of_table(bedrock, config.target))


def require_continuous(config: Config, source: Source) -> None:
    """Refuse a rule on a class predictor.

    Parameters
    ----------
    config : Config
    source : Source
        Any predictor of it.

    Raises
    ------
    IcemapError
        If the rule of bedrock is on this one, and it has classes.
    """
    bedrock = config.boreholes.bedrock if config.boreholes is not None else None
    if bedrock is not None and bedrock.predictor == source.name and source.kind == "class":
        raise IcemapError(
            f"boreholes.bedrock: '{source.name}' has classes, which are neither low nor high: name"
            " a continuous predictor, or give a 'table' of places."
        )


def sites_of_table(config: BedrockConfig, target: TargetConfig) -> pd.DataFrame:
    """Pseudo-sites of a table of places: one row for each of its rows, ``used`` False with a
    ``reason`` where it has no usable place.

    Parameters
    ----------
    config : BedrockConfig
        With a ``table``.
    target : TargetConfig
        In whose unit the value is.

    Raises
    ------
    IcemapError
        If the table or a column is missing, or its coordinates are no degrees.
    """
    assert config.table is not None
    table = read_table(config.table, sheet=config.sheet)
    lon, lat, unplaced = table_places(table, config, "boreholes.bedrock")
    sites = _sites(lon, lat, target)
    unreadable = pd.Series(np.where(unplaced, "coordinates are not numbers", ""), dtype=object)
    reason = first_reason(unreadable, check_coordinates(sites))
    return sites.assign(
        file=table.file, line=table.lines, reason=reason, used=(reason == "").to_numpy()
    )


def sites_of_rule(
    config: BedrockConfig, cells: MapCells, boreholes: int, seed: int, target: TargetConfig
) -> tuple[pd.DataFrame, float]:
    """Pseudo-sites in cells of the map where a predictor is low, spread over them.

    Parameters
    ----------
    config : BedrockConfig
        With a ``predictor``. Without ``sites`` there are as many as `default_count` says.
    cells : MapCells
        Of that predictor.
    boreholes : int
        Cells with boreholes.
    seed : int
    target : TargetConfig
        In whose unit the value is.

    Returns
    -------
    sites : DataFrame
    share : float
        Of the map, where the predictor is low.

    Raises
    ------
    IcemapError
        If it is low nowhere, or in most of the map and ``sites`` does not say how many are wanted.

    Examples
    --------
    >>> lon = np.linspace(100.0, 140.0, 400)
    >>> depth = np.where(lon < 104, 0.2, 20.0)
    >>> cells = MapCells(lon, np.full(400, 70.0), depth, np.full(400, 1 / 400), depth < 0)
    >>> rule = BedrockConfig(predictor="sediment", below=1.0)
    >>> sites, share = sites_of_rule(rule, cells, 90, 0, TargetConfig())
    >>> len(sites), round(share, 2), sites["value"].max(), sites["lon"].max() < 104
    (10, 0.1, np.float64(2.5), np.True_)
    """
    assert config.below is not None
    rule = f"boreholes.bedrock: '{config.predictor}' is below {config.below:g}"
    low = cells.value < config.below
    share = float(cells.weight[low].sum())
    if share == 0:
        raise IcemapError(
            f"{rule} nowhere on the map, where it goes from {np.min(cells.value):.4g} to"
            f" {np.max(cells.value):.4g}: correct 'below', or remove 'bedrock'."
        )
    if config.sites is None and share > MAX_MAP_SHARE:
        raise IcemapError(
            f"{rule} in {share:.0%} of the map, and there are to be so many pseudo-sites that they"
            " have that share of the samples: correct 'below', or say how many with 'sites'."
        )
    count = config.sites or default_count(boreholes, share)
    open_ = low & ~cells.drilled
    lon, lat = cells.longitude[open_], cells.latitude[open_]
    chosen = spread_places(lon, lat, count, seed)
    return _sites(lon[chosen], lat[chosen], target), share


def default_count(boreholes: int, share: float) -> int:
    """How many pseudo-sites there are unless the config says it: as many as give such ground, among
    all samples, its share of the map, but at least 20, or a tenth of the boreholes if that is less.

    Parameters
    ----------
    boreholes : int
        Cells with boreholes.
    share : float
        Of the map.

    Examples
    --------
    >>> default_count(400, 0.2), default_count(400, 0.01), default_count(60, 0.01)
    (100, 20, 6)
    """
    least = min(MIN_SITES, boreholes // 10)
    return max(round(boreholes * share / (1 - share)), least, 1)


def spread_places(lon: Array, lat: Array, count: int, seed: int) -> NDArray[np.intp]:
    """Some of many places, spread over them: of each of ``count`` compact groups of like size the
    place in its middle. All of them where there are no more.

    Parameters
    ----------
    lon, lat : ndarray of shape (n,)
        Degrees.
    count : int
    seed : int

    Returns
    -------
    ndarray of int, shape (min(count, n),)
        Rising.

    Notes
    -----
    Spatial coverage sampling by k-means (Walvoort et al. 2010, doi:10.1016/j.cageo.2010.04.005).

    Examples
    --------
    >>> spread_places(np.array([0.0, 1.0, 2.0, 90.0, 91.0, 92.0]), np.full(6, 60.0), 2, 0).tolist()
    [1, 4]
    """
    from sklearn.cluster import KMeans

    if len(lon) <= count:
        return np.arange(len(lon))
    vectors = unit_vectors(lon, lat)
    groups = KMeans(count, n_init=1, random_state=seed).fit(vectors)
    away = np.linalg.norm(vectors - groups.cluster_centers_[groups.labels_], axis=1)
    order = np.lexsort((away, groups.labels_))
    _, first = np.unique(groups.labels_[order], return_index=True)
    return np.sort(order[first])


def with_pseudo_sites(table: SiteTable, sites: pd.DataFrame) -> SiteTable:
    """A table of boreholes with pseudo-sites below them, told apart by the column ``pseudo``.

    Parameters
    ----------
    table : SiteTable
    sites : DataFrame
        From `sites_of_table` or `sites_of_rule`.
    """
    boreholes = table.sites.assign(pseudo=False)
    below = sites.assign(pseudo=True)
    for name in boreholes.columns.difference(below.columns):
        below[name] = _nothing(boreholes[name])
    joined = pd.concat([boreholes, below], ignore_index=True)
    wrong = sites[~sites["used"]]
    flags = make_flags(wrong["file"], wrong["line"], wrong["site"], "site", True, wrong["reason"])
    return replace(table, sites=joined, flags=join_flags([table.flags, flags]))


def _nothing(column: pd.Series) -> bool | int | float | str:
    """What stands in a column of the site table where it does not apply."""
    if pd.api.types.is_bool_dtype(column):
        return False
    if pd.api.types.is_integer_dtype(column):
        return 0
    return np.nan if pd.api.types.is_float_dtype(column) else ""


def _sites(lon: Array, lat: Array, target: TargetConfig) -> pd.DataFrame:
    value, error = in_unit(np.array([BEDROCK_VIC, METHOD_ERROR["bedrock"]]), target)
    return pd.DataFrame(
        {
            "site": [f"bedrock {number}" for number in range(1, len(lon) + 1)],
            "lon": lon,
            "lat": lat,
            "value": value,
            "standard_error": error,
            "grade": "",
            "reader": READER,
            "file": "",
            "line": 0,
            "used": True,
            "reason": "",
        }
    )
