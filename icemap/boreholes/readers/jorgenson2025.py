"""Alaska permafrost soils of Jorgenson et al. (2025), NSF Arctic Data Center: site, soil physical
and soil stratigraphy tables.

Columns as the EML of the data set describes them. Sentinels: 0, 99, 999 and 9999 stand for "no
data" as said for each column below.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.coordinates import parse_coordinates
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.records import (
    Flags,
    Problems,
    Records,
    join_flags,
    make_layers,
    require_schema,
)
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError
from icemap.store import join, list_names

SITE_TABLE = "tbl_Site_2024.csv"
PHYSICAL_TABLE = "tbl_Soil_Physical_2024.csv"
STRATIGRAPHY_TABLE = "tbl_Soil_Stratigraphy_2024.csv"
SOURCE = "Jorgenson et al. 2025"

LATE_SEASON = (8, 9, 10)  # months in which a thaw depth is close to that of the permafrost table
MEASURED_SAMPLES = ("vol", "grav", "ice")
SUBSTITUTED = ("ave", "nearby")
# Where all sites of the data set are (Alaska to Greenland, degrees): coordinates outside that fall
# inside after a swap or a change of sign were mistyped.
WEST, SOUTH, EAST, NORTH = -170.0, 55.0, -45.0, 84.0


def read_jorgenson2025(url: str) -> Records:
    """Read the folder that holds ``tbl_Site_2024.csv`` and, if there,
    ``tbl_Soil_Stratigraphy_2024.csv`` and ``tbl_Soil_Physical_2024.csv``.

    A site's layers come from the stratigraphy (whole profiles, moisture by layer) where it says the
    moisture; else from the physical samples; else from the water stored in the upper one or two
    metres that the site table gives. The permafrost table is the thaw depth measured from August to
    October where permafrost is present. Coordinates have two decimals, hence position grade B.

    Raises
    ------
    IcemapError
        If the site table is not there or a table has unreadable cells: every one by line.
    """
    there = list_names(url)
    if SITE_TABLE not in there:
        raise IcemapError(
            f"{url} holds no {SITE_TABLE}: give the folder with the tables of Jorgenson et al. 2025"
            " from the Arctic Data Center."
        )
    sites, flags = _sites(read_table(join(url, SITE_TABLE)))
    parts, all_flags = [], [flags]
    for name, reader in ((STRATIGRAPHY_TABLE, _stratigraphy), (PHYSICAL_TABLE, _physical)):
        if name in there:
            layers, flags = reader(read_table(join(url, name)), sites)
            parts.append(layers)
            all_flags.append(flags)
    if len(parts) == 2:
        parts[1], flags = _supersede(parts[0], parts[1])
        all_flags.append(flags)
    with_layers = set().union(*(part["site"] for part in parts)) if parts else set()
    parts.append(sites[~sites["site"].isin(with_layers)])
    return Records(pd.concat(parts, ignore_index=True), join_flags(all_flags))


def _sites(table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = as_text(table.column("SiteIDYear"))
    flags, problems = Flags(table, names), Problems(table)
    lon, lat = _coordinates(table, flags, problems)
    year = _clean(table, "Year", (0, 99, 999, 9999), flags, problems)
    thaw = _clean(table, "SoilThawDep_cm", (0, 999, 9999), flags, problems) / 100
    depth = _clean(table, "CarbWat_SumDepth", (0,), flags, problems)
    water = _clean(table, "WaterStore_m", (0,), flags, problems)
    problems.require_none()
    frozen = _text(table, "SoilPFrost") == "p"
    month = pd.to_numeric(
        as_text(table.column("Date")).str.split("/").str[0], errors="coerce"
    ).to_numpy()  # MM/DD/YY or MM/DD/YYYY
    late = np.isin(month, LATE_SEASON)
    measured = ~np.isnan(thaw)
    flags.add(measured & ~frozen, "thaw depth", "thaw depth without permafrost, not used")
    flags.add(
        measured & frozen & ~late,
        "thaw depth",
        "thaw depth not measured from August to October, not used as permafrost table",
    )
    usable = measured & frozen & late
    stored = frozen & ~np.isnan(depth) & ~np.isnan(water)
    sites = make_layers(
        table,
        {
            "site": names,
            "lon": lon,
            "lat": lat,
            "position_grade": "B",
            "permafrost_table": np.where(usable, thaw, np.nan),
            "permafrost_table_source": np.where(usable, "thaw_depth", "").astype(object),
            "top": np.where(stored, 0.0, np.nan),
            "base": np.where(stored, depth, np.nan),
            "support": "logs",
            "method": np.where(stored, "water store of the upper metres", "").astype(object),
            "volumetric_water": np.divide(
                water, depth, out=np.full(len(water), np.nan), where=stored
            ),
            "source": SOURCE,
            "year": year,
        },
    )
    require_schema(sites, table)
    return sites, flags.table()


def _coordinates(
    table: Table, flags: Flags, problems: Problems
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lon, bad = parse_coordinates(table.column("LonWGS84"))
    problems.add(bad, "LonWGS84 is not a coordinate:", table.column("LonWGS84"))
    lat, bad = parse_coordinates(table.column("LatWGS84"))
    problems.add(bad, "LatWGS84 is not a coordinate:", table.column("LatWGS84"))

    def inside(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (x >= WEST) & (x <= EAST) & (y >= SOUTH) & (y <= NORTH)

    swapped = ~inside(lon, lat) & inside(lat, lon)
    unsigned = ~inside(lon, lat) & inside(-lon, lat)
    flags.add(
        swapped,
        "swapped coordinates",
        "longitude and latitude were exchanged and have been put right",
    )
    flags.add(
        unsigned,
        "sign of the longitude",
        "a western longitude without its minus sign has been put right",
    )
    return np.where(swapped, lat, np.where(unsigned, -lon, lon)), np.where(swapped, lon, lat)


def _clean(
    table: Table, name: str, sentinels: tuple[int, ...], flags: Flags, problems: Problems
) -> NDArray[np.float64]:
    """A numeric column without its sentinels and censored values."""
    numbers = parse_numbers(table.column(name))
    problems.add(numbers.unreadable, f"{name} is not a number:", table.column(name))
    value = numbers.value
    sentinel = np.isin(value, sentinels)
    flags.add(sentinel, "sentinel", f"{name}: {', '.join(map(str, sentinels))} mean no data")
    flags.add(
        numbers.censored != 0, "censored", f"{name}: only a limit is given, the value was left out"
    )
    return np.where(sentinel | (numbers.censored != 0), np.nan, value)


def _text(table: Table, name: str) -> NDArray[np.object_]:
    return as_text(table.column(name)).str.lower().to_numpy(dtype=object)


def _physical(table: Table, sites: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = as_text(table.column("SiteIDYear"))
    flags, problems = Flags(table, names), Problems(table)
    top, base = (
        _clean(table, name, (999, 9999), flags, problems) / 100
        for name in ("DepthTop_cm", "DepthBot_cm")
    )
    # A frozen sample is never without water or mass, so 0 is a sentinel here; an excess-ice content
    # of 0 is a result.
    columns = {
        "reported_vic": _clean(table, "Ice_volpct", (0, 999, 9999), flags, problems) / 100,
        "volumetric_water": (
            _clean(table, "MoistCrsFrag_volpct", (0, 999, 9999), flags, problems) / 100
        ),
        "gravimetric_water": _clean(table, "Moist_wtpct", (0, 999, 9999), flags, problems) / 100,
        "dry_density": _clean(table, "DensDry_gcm3", (0, 99, 999, 9999), flags, problems),
        "excess_ice": _clean(table, "ExcessIcePct", (99, 999, 9999), flags, problems) / 100,
    }
    problems.require_none()
    kinds, quality, frost = (
        _text(table, "SampleType"),
        _text(table, "DataQualPhys"),
        _text(table, "FrozenStatus"),
    )
    left_out = {
        "not a measurement": (
            ~pd.Series(kinds).str.startswith(MEASURED_SAMPLES).to_numpy(bool),
            "class averages, calibrations and other samples are no measurement",
        ),
        "data quality": (
            pd.Series(quality).str.startswith(("poor", "outlier")).to_numpy(bool),
            "marked poor or outlier by the authors",
        ),
        "unfrozen": (pd.Series(frost).str.startswith("u").to_numpy(bool), "unfrozen when sampled"),
    }
    return _layers(
        table, names, sites, {"top": top, "base": base, "method": kinds, **columns}, left_out, flags
    )


def _stratigraphy(table: Table, sites: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = as_text(table.column("SiteIDYear"))
    flags, problems = Flags(table, names), Problems(table)
    top, base = (
        _clean(table, name, (999, 9999), flags, problems) / 100
        for name in ("DepthTop_cm", "DepthBot_cm")
    )
    columns = {
        "volumetric_water": _clean(table, "MoistLyr_volpct", (0, 999, 9999), flags, problems) / 100,
        "visible_ice": _clean(table, "IceVisPct", (99, 999, 9999), flags, problems) / 100,
    }
    problems.require_none()
    # NRCS horizon W with suffix f is frozen water, which in soil is wedge or other massive ice.
    massive = (_text(table, "HrznSpcl") == "icewdg") | pd.Series(
        _text(table, "HrznFnl")
    ).str.fullmatch(r"wf\w?").to_numpy(bool)
    left_out = {
        "extended": (
            pd.Series(_text(table, "DataTypeLayer")).str.startswith("e").to_numpy(bool),
            "extended below what was seen",
        ),
        "substituted": (
            pd.Series(_text(table, "DataTypePhys")).str.startswith(SUBSTITUTED).to_numpy(bool)
            & ~massive,
            "moisture from a class average or another profile",
        ),
        "unfrozen": (_text(table, "FrostStatus") == "u", "unfrozen when sampled"),
    }
    columns["ice_type"] = np.where(massive, "massive", "").astype(object)
    return _layers(
        table,
        names,
        sites,
        {"top": top, "base": base, "method": "stratigraphy", **columns},
        left_out,
        flags,
    )


def _layers(
    table: Table,
    names: pd.Series,
    sites: pd.DataFrame,
    columns: dict[str, object],
    left_out: dict[str, tuple[NDArray[np.bool_], str]],
    flags: Flags,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Layers with what the site table says about their site; what is left out keeps its depths and
    loses its quantities.
    """
    out = np.zeros(len(names), dtype=bool)
    for rule, (rows, reason) in left_out.items():
        flags.add(rows, rule, reason, excludes=True)
        out |= rows
    for name in (
        "reported_vic",
        "volumetric_water",
        "gravimetric_water",
        "dry_density",
        "excess_ice",
        "visible_ice",
    ):
        if name in columns:
            columns[name] = np.where(out, np.nan, np.asarray(columns[name], dtype=float))
    if "ice_type" in columns:
        columns["ice_type"] = np.where(out, "", np.asarray(columns["ice_type"], dtype=object))
    told = ["lon", "lat", "position_grade", "permafrost_table", "permafrost_table_source", "year"]
    of_site = sites.set_index("site")[told].reindex(names)
    flags.add(
        ~names.isin(sites["site"]).to_numpy(), "site not known", "the site is not in the site table"
    )
    layers = make_layers(
        table,
        {
            "site": names,
            "source": SOURCE,
            **{name: of_site[name].to_numpy() for name in told},
            **columns,
        },
    )
    require_schema(layers, table)
    return layers, flags.table()


def _supersede(
    stratigraphy: pd.DataFrame, physical: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave out the samples of sites whose stratigraphy has the moisture: it was made from them."""
    profiled = set(stratigraphy.loc[stratigraphy["volumetric_water"].notna(), "site"])
    twice = physical["site"].isin(profiled)
    flags = physical.loc[twice, ["file", "line", "site"]].assign(
        rule="superseded",
        excludes=True,
        reason="the stratigraphy of this site holds its moisture by layer",
    )
    return physical[~twice], flags
