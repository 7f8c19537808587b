"""From whatever the config names to one table of sites."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from icemap.borehole_sections import BoreholesConfig, LayerSource, SitesConfig
from icemap.boreholes.limits import ONE_PLACE_KM
from icemap.boreholes.permafrost_table import FROZEN_GROUND
from icemap.boreholes.readers import READERS
from icemap.boreholes.readers.calm import read_calm
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.records import ASSUMED, Records, empty_flags, join_flags, make_flags
from icemap.boreholes.several_tables import join_tables, told_copied, told_differently
from icemap.boreholes.site_layers import Window, convert_layers, sites_from_layers
from icemap.boreholes.site_rows import told_again
from icemap.boreholes.site_values import read_site_values
from icemap.boreholes.support import decide_support
from icemap.config import Config
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.regions import region_of
from icemap.sphere import chord_km
from icemap.store import file_name

KM_PER_DEGREE = 111.2
TWO_PLACES = (
    f"the name of the site was met before, more than {ONE_PLACE_KM:g} km away: read"
    " as another borehole"
)
GOOD_GRADES = ("A", "B", "C")


@dataclass(frozen=True)
class Gain:
    """What one rule is worth.

    Attributes
    ----------
    rule : str
        In words.
    boreholes : int
        Those it was applied to.
    used, good : tuple of int
        Boreholes used, and of grade A to C, with the rule and without it.
    """

    rule: str
    boreholes: int
    used: tuple[int, int]
    good: tuple[int, int]


@dataclass(frozen=True)
class SiteTable:
    """Sites, and what they were made from.

    Attributes
    ----------
    sites : DataFrame
        One row per site: ``site, lon, lat, value, standard_error, coverage, grade,
        permafrost_table, permafrost_table_source, source, used, reason`` and where it came from
        (``reader, line`` and more).
    layers : DataFrame
        Converted layers (``borehole`` is the row in ``sites``), empty when the sites had values of
        their own.
    flags : DataFrame
        ``file, line, site, rule, excludes, reason``: everything a rule had to say.
    notes : tuple of str
        What was decided from the tables, one sentence each.
    gains : tuple of Gain
        What samples and frozen ground as permafrost table are worth.
    """

    sites: pd.DataFrame
    layers: pd.DataFrame
    flags: pd.DataFrame
    notes: tuple[str, ...] = ()
    gains: tuple[Gain, ...] = ()


def read_sites(config: Config) -> SiteTable:
    """Read the sites that a config names: a table of values, or raw layers.

    Raises
    ------
    IcemapError
        If a file, a column or a unit is missing or wrong.
    """
    if config.sites is not None:
        return read_valued_sites(config.sites, config.target)
    assert config.boreholes is not None
    return read_layer_sites(config.boreholes, config.target, config.grid.resolution * KM_PER_DEGREE)


def read_valued_sites(config: SitesConfig, target: TargetConfig) -> SiteTable:
    """Read a table of sites that have one value of the target each."""
    sites = read_site_values(config, target)
    wrong = sites[sites["reason"] != ""]
    flags = make_flags(config.table, wrong["line"], wrong["site"], "site", True, wrong["reason"])
    notes = (*sites.attrs.pop("notes"), told_again(sites) if config.id else "")
    return SiteTable(sites, pd.DataFrame(), flags, tuple(note for note in notes if note))


def read_layer_sites(config: BoreholesConfig, target: TargetConfig, cell_km: float) -> SiteTable:
    """Read raw layers and make one value per borehole.

    Parameters
    ----------
    config : BoreholesConfig
    target : TargetConfig
        Whose value each borehole gets.
    cell_km : float
        Side of a cell of the grid, against which positions are judged.

    Raises
    ------
    IcemapError
        If a table cannot be read: every bad row at once, by file and line.
    """
    parts, flags, problems, notes, begin = [], [], [], [], 0
    for source in config.layers:
        try:
            records = _read(source)
        except IcemapError as error:
            # All files are tried, so that one run names what is wrong in every one of them.
            problems.append(str(error))
            continue
        borehole, elsewhere = _boreholes(records.layers)
        part, note = _with_support(
            records.layers.assign(reader=source.reader, borehole=borehole + begin), source
        )
        begin += int(borehole.max()) + 1
        parts.append(part)
        rows = part[elsewhere]
        flags.append(records.flags)
        flags.append(
            make_flags(rows["file"], rows["line"], rows["site"], "two places", False, TWO_PLACES)
        )
        assumed = records.flags.loc[records.flags["rule"] == ASSUMED, "reason"]
        notes += [note, *(f"{file_name(source.path)}: {reason}" for reason in assumed)]
    if problems:
        raise IcemapError(" ".join(problems))
    thaw_sites = pd.DataFrame({"lon": np.empty(0), "lat": np.empty(0), "active_layer": np.empty(0)})
    if config.permafrost_table:
        thaw_sites = read_calm(config.permafrost_table)
        unusable = thaw_sites[thaw_sites["reason"] != ""]
        flags.append(
            make_flags(
                config.permafrost_table,
                unusable["line"],
                unusable["site"],
                "thaw site",
                True,
                unusable["reason"],
            )
        )
        thaw_sites = thaw_sites[thaw_sites["reason"] == ""]
    raw = pd.concat(parts, ignore_index=True)
    borehole, joined, note = join_tables(raw)
    flags.append(joined)
    layers, layer_flags = convert_layers(raw.assign(borehole=borehole))
    window = Window(config.thickness, config.grades, cell_km)
    sites = sites_from_layers(layers, thaw_sites, window, target)
    notes += [note, told_differently(sites, target.unit), told_copied(sites, layers)]
    bounds = int((sites["permafrost_table_source"] == FROZEN_GROUND).sum())
    if bounds:
        notes.append(
            f"The permafrost table of {bounds} of {len(sites)} boreholes is an upper bound, the top"
            " of their frozen ground (grade C at best)"
        )
    gains = _gains(sites, layers, thaw_sites, window, target)
    return SiteTable(
        sites,
        layers,
        join_flags([*flags, layer_flags]) if flags else empty_flags(),
        tuple(note for note in notes if note),
        gains,
    )


def _read(source: LayerSource) -> Records:
    records = (
        read_layer_table(source.path, source)
        if source.reader == "icemap"
        else READERS[source.reader](source.path)
    )
    if source.frozen:
        layers = records.layers
        return Records(
            layers.assign(frozen=layers["frozen"].where(layers["frozen"] != "", "yes")),
            records.flags,
        )
    return records


def _boreholes(layers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """A number for each borehole: one name of one source at one place; and the rows whose name was
    met at another place before.
    """
    named = pd.factorize(pd.MultiIndex.from_frame(layers[["site", "source"]]))[0]
    placed = layers[["lon", "lat"]].notna().all(axis=1).to_numpy()
    first = layers[["lon", "lat"]].groupby(named).transform("first")
    apart = chord_km(layers["lon"], layers["lat"], first["lon"], first["lat"])
    elsewhere = placed & (apart > ONE_PLACE_KM)
    if not elsewhere.any():
        return named, elsewhere
    # Hundredths of a degree are about as coarse as what is one place above.
    lon, lat = (np.where(elsewhere, layers[name].round(2), np.inf) for name in ("lon", "lat"))
    return pd.factorize(pd.MultiIndex.from_arrays([named, lon, lat]))[0], elsewhere


def _with_support(layers: pd.DataFrame, source: LayerSource) -> tuple[pd.DataFrame, str]:
    """Layers that all say whether they are samples or logs, and a sentence where that was decided
    here.
    """
    if source.support is not None:
        return (
            layers.assign(support=layers["support"].where(layers["support"] != "", source.support)),
            "",
        )
    open_ = (layers["support"] == "").to_numpy()
    if not open_.any():
        return layers, ""
    part = layers[open_]
    support = decide_support(
        part["borehole"].to_numpy(), part["top"].to_numpy(float), part["base"].to_numpy(float)
    )
    name = file_name(source.path)
    note = (
        f"The pieces of {name} are read as {support.sentence}; the key 'support' of the source"
        " overrules it"
        if support.pieces
        else ""
    )
    return layers.assign(support=layers["support"].where(~open_, support.kind)), note


def _gains(
    sites: pd.DataFrame,
    layers: pd.DataFrame,
    thaw_sites: pd.DataFrame,
    window: Window,
    target: TargetConfig,
) -> tuple[Gain, ...]:
    gains = []

    def weigh(rule: str, boreholes: int, other: pd.DataFrame) -> None:
        used, good = (
            tuple(int(rows(table).sum()) for table in (sites, other)) for rows in (_used, _good)
        )
        gains.append(Gain(rule, boreholes, (used[0], used[1]), (good[0], good[1])))

    samples = layers["support"] == "samples"
    if samples.any():
        as_logs = sites_from_layers(layers.assign(support="logs"), thaw_sites, window, target)
        weigh(
            "samples stand for half the way to their neighbours",
            layers.loc[samples, "borehole"].nunique(),
            as_logs,
        )
    bounds = sites["permafrost_table_source"] == FROZEN_GROUND
    if bounds.any():
        told = layers["permafrost_table_source"] == FROZEN_GROUND
        open_ = layers.assign(permafrost_table=layers["permafrost_table"].mask(told))
        unbounded = sites_from_layers(
            open_, thaw_sites, replace(window, frozen_ground=False), target
        )
        weigh(
            "the top of the frozen ground bounds the permafrost table", int(bounds.sum()), unbounded
        )
    return tuple(gains)


def _used(sites: pd.DataFrame) -> pd.Series:
    return sites["used"]


def _good(sites: pd.DataFrame) -> pd.Series:
    return sites["used"] & sites["grade"].isin(GOOD_GRADES)


def summary(sites: pd.DataFrame) -> pd.DataFrame:
    """Count sites by reader, region, grade and reason.

    Returns
    -------
    DataFrame
        ``reader, region, grade, reason, sites, mean`` (of the value; NaN where there is none); used
        sites have an empty reason.
    """
    table = sites.assign(region=region_of(sites["lon"], sites["lat"]))
    grouped = table.groupby(["reader", "region", "grade", "reason"], sort=True, dropna=False)[
        "value"
    ]
    return grouped.agg(sites="size", mean="mean").reset_index()
