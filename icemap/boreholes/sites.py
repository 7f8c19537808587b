"""From whatever the config names to one table of sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from icemap.boreholes.readers import READERS
from icemap.boreholes.readers.calm import read_calm
from icemap.boreholes.records import empty_flags, join_flags, make_flags
from icemap.boreholes.regions import region_of
from icemap.boreholes.site_layers import Window, convert_layers, sites_from_layers
from icemap.boreholes.site_values import read_site_values
from icemap.config import BoreholesConfig, Config, TargetConfig
from icemap.errors import IcemapError

KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class SiteTable:
    """Sites, and what they were made from.

    Attributes
    ----------
    sites : DataFrame
        One row per site: ``site, lon, lat, value, standard_error, coverage, grade, permafrost_table, permafrost_table_source, source, used,
        reason`` and where it came from (``reader, line`` and more).
    layers : DataFrame
        Converted layers (``borehole`` is the row in ``sites``), empty when the sites had values of their own.
    flags : DataFrame
        ``file, line, site, rule, excludes, reason``: everything a rule had to say.
    """

    sites: pd.DataFrame
    layers: pd.DataFrame
    flags: pd.DataFrame


def read_sites(config: Config) -> SiteTable:
    """Read the sites that a config names: a table of values, or raw layers.

    Raises
    ------
    IcemapError
        If a file, a column or a unit is missing or wrong.
    """
    if config.sites is not None:
        sites = read_site_values(config.sites, config.target)
        wrong = sites[sites["reason"] != ""]
        flags = make_flags(config.sites.table, wrong["line"], wrong["site"], "site", True, wrong["reason"])
        return SiteTable(sites, pd.DataFrame(), flags)
    assert config.boreholes is not None
    return read_layer_sites(config.boreholes, config.target, config.grid.resolution * KM_PER_DEGREE)


def read_layer_sites(config: BoreholesConfig, target: TargetConfig, cell_km: float) -> SiteTable:
    """Read raw layers and make one value per borehole.

    Raises
    ------
    IcemapError
        If a table cannot be read: every bad row at once, by file and line.
    """
    parts, flags, problems, begin = [], [], [], 0
    for source in config.layers:
        try:
            records = READERS[source.reader](source.path)
        except IcemapError as error:
            # All files are tried, so that one run names what is wrong in every one of them.
            problems.append(str(error))
            continue
        borehole = pd.factorize(records.layers["site"])[0] + begin
        begin = int(borehole.max()) + 1
        parts.append(records.layers.assign(reader=source.reader, borehole=borehole))
        flags.append(records.flags)
    if problems:
        raise IcemapError(" ".join(problems))
    thaw_sites = pd.DataFrame({"lon": np.empty(0), "lat": np.empty(0), "active_layer": np.empty(0)})
    if config.permafrost_table:
        thaw_sites = read_calm(config.permafrost_table)
        unusable = thaw_sites[thaw_sites["reason"] != ""]
        flags.append(make_flags(config.permafrost_table, unusable["line"], unusable["site"], "thaw site", True, unusable["reason"]))
        thaw_sites = thaw_sites[thaw_sites["reason"] == ""]
    layers, layer_flags = convert_layers(pd.concat(parts, ignore_index=True))
    sites = sites_from_layers(layers, thaw_sites, Window(config.thickness, config.grades, cell_km), target)
    return SiteTable(sites, layers, join_flags([*flags, layer_flags]) if flags else empty_flags())


def summary(sites: pd.DataFrame) -> pd.DataFrame:
    """Count sites by reader, region, grade and reason.

    Returns
    -------
    DataFrame
        ``reader, region, grade, reason, sites, mean`` (of the value; NaN where there is none); used sites have an empty reason.
    """
    table = sites.assign(region=region_of(sites["lon"], sites["lat"]))
    grouped = table.groupby(["reader", "region", "grade", "reason"], sort=True, dropna=False)["value"]
    return grouped.agg(sites="size", mean="mean").reset_index()
