"""Boreholes and samples without a config: for notebooks and programs that go on from any point."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from icemap.borehole_sections import BoreholesConfig, LayerSource, SitesConfig
from icemap.boreholes.samples import build_samples
from icemap.boreholes.sites import (
    KM_PER_DEGREE,
    SiteTable,
    read_layer_sites,
    read_valued_sites,
)
from icemap.bounds import contradiction
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import grid_of
from icemap.paths import resolve
from icemap.section import settings_from

if TYPE_CHECKING:
    import xarray as xr

    Path = str | os.PathLike[str]

# Where a relative address is seen from: a file of the working folder.
HERE = "read_boreholes"
# What a table of sites has where nothing is known, as `read_boreholes` gives it.
UNKNOWN: dict[str, Any] = {"standard_error": np.nan, "grade": "", "used": True, "reason": ""}

# Of a table of sites; the first three have to be there.
NUMBERS, FLAGS = ("lon", "lat", "value", "standard_error"), ("used", "pseudo")


def read_boreholes(
    path: Path | Sequence[Path | Mapping[str, Any]],
    *,
    target: Mapping[str, Any] | TargetConfig | None = None,
    grid: Grid | None = None,
    permafrost_table: Path | None = None,
    thickness: float | None = None,
    grades: Sequence[str] | None = None,
    **keys: Any,
) -> pd.DataFrame:
    """Read sites as ``icemap boreholes`` does, without a config.

    Raw layers become one value per borehole. A table that has one value per site already is read
    where ``value`` names its column.

    Parameters
    ----------
    path : str, path, or a sequence of them
        A table of layers, or several; of several, each may be a mapping with the keys of
        ``boreholes.layers`` in a config. With ``value``, one table of sites.
    target : mapping, optional
        What the values are, with the keys of ``target`` in a config; volumetric ice content in %
        when left out.
    grid : Grid, optional
        That of the cube: sites whose position is coarser than its cells are then left out.
    permafrost_table : str or path, optional
        A CALM table of active layers that fills in missing permafrost tables.
    thickness : float, optional
        Metres below the permafrost table that the value is of; 5 when left out.
    grades : sequence of str, optional
        Of A to D: those that are used; all when left out.
    **keys
        Of ``sites`` in a config where ``value`` is among them (``unit``, ``longitude``,
        ``latitude``, ``id``, ``standard_error``, ``missing``, ``sheet``), else of each of
        ``boreholes.layers`` (``reader``, ``columns``, ``units``, ``crs``, ``collars`` ...).

    Returns
    -------
    DataFrame
        One row per site: ``site, lon, lat`` (degrees), ``value`` and ``standard_error`` (in the
        target's unit), ``grade``, ``used``, the ``reason`` where it is not, and where it came from.
        ``attrs["notes"]`` are sentences on what was decided from the tables.

    Raises
    ------
    IcemapError
        If a file, a column or a unit is missing or wrong: every bad row at once, by file and line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> table = pathlib.Path(tempfile.mkdtemp()) / "sites.csv"
    >>> _ = table.write_text("name,lon,lat,thaw depth [m]\\nA,130,70,0.4\\nB,131,70,\\n")
    >>> sites = read_boreholes(table, value="thaw depth", id="name",
    ...     target={"name": "alt", "long_name": "thaw depth", "unit": "cm", "bounds": None})
    >>> sites[["site", "lon", "value", "used", "reason"]]
      site    lon  value   used    reason
    0    A  130.0   40.0   True
    1    B  131.0    NaN  False  no value
    """
    table = read_site_table(
        path,
        target=target,
        grid=grid,
        permafrost_table=permafrost_table,
        thickness=thickness,
        grades=grades,
        **keys,
    )
    sites = table.sites.copy()
    sites.attrs["notes"] = list(table.notes)
    return sites


def read_site_table(
    path: Path | Sequence[Path | Mapping[str, Any]],
    *,
    target: Mapping[str, Any] | TargetConfig | None = None,
    grid: Grid | None = None,
    permafrost_table: Path | None = None,
    thickness: float | None = None,
    grades: Sequence[str] | None = None,
    **keys: Any,
) -> SiteTable:
    """As `read_boreholes`, with the layers that sites were made from, and what each rule said."""
    what = (
        target
        if isinstance(target, TargetConfig)
        else settings_from(TargetConfig, target or {}, "target")
    )
    problem = contradiction(what.name, what.unit, what.bounds)
    if problem is not None:
        raise IcemapError(f"target: {problem}.")
    single = isinstance(path, str | os.PathLike)
    further = {
        name: value
        for name, value in (
            ("permafrost_table", None if permafrost_table is None else _place(permafrost_table)),
            ("thickness", thickness),
            ("grades", None if grades is None else tuple(grades)),
        )
        if value is not None
    }
    if "value" in keys:
        if further or not single:
            given = next(iter(further), "several paths")
            raise IcemapError(
                f"'value' says that sites have values already, to which '{given}' does not belong:"
                " leave out one of them."
            )
        assert isinstance(path, str | os.PathLike)
        config = settings_from(SitesConfig, {"table": _place(path), **keys}, _shown(path))
        return read_valued_sites(config, what)
    parts = [path] if isinstance(path, str | os.PathLike) else list(path)
    layers = [_layer_source(part, keys) for part in parts]
    boreholes = settings_from(BoreholesConfig, {"layers": layers, **further}, HERE)
    # Without a grid no position is too coarse.
    cell_km = float("inf") if grid is None else grid.resolution * KM_PER_DEGREE
    return read_layer_sites(boreholes, what, cell_km)


def _layer_source(part: Path | Mapping[str, Any], keys: Mapping[str, Any]) -> LayerSource:
    own = {"path": part} if isinstance(part, str | os.PathLike) else dict(part)
    if "path" not in own:
        raise IcemapError(f"{HERE}: one of the tables has no 'path': give its address.")
    content = {**keys, **own, "path": _place(own["path"])}
    source = settings_from(LayerSource, content, _shown(own["path"]))
    if source.collars is None:
        return source
    collars = source.collars.model_copy(update={"path": _place(source.collars.path)})
    return source.model_copy(update={"collars": collars})


def _place(path: Path) -> str:
    return resolve(os.fspath(path), HERE)


def _shown(path: Path) -> str:
    return f"{HERE}, '{os.fspath(path)}'"


def sample(
    cube: xr.Dataset, sites: pd.DataFrame, predictors: Sequence[str] | None = None
) -> pd.DataFrame:
    """Training table of sites and the predictors of their cells, as ``icemap boreholes`` makes it.

    Sites of one cell become one sample. Only the cells with sites are read. What happened to each
    site is said by `icemap.boreholes.samples.build_samples`, which this is.

    Parameters
    ----------
    cube : xarray.Dataset
        From `icemap.build_cube` or `icemap.open_cube`.
    sites : DataFrame
        From `icemap.read_boreholes`, or any table with ``lon`` and ``lat`` (degrees) and
        ``value``; ``standard_error``, ``grade`` (A to D), ``used``, ``reason`` and ``pseudo``
        (places of bedrock where no borehole stands) count where they are there.
    predictors : sequence of str, optional
        All predictors of the cube when left out.

    Returns
    -------
    DataFrame
        One row per cell with sites: where it is, ``value``, how well it is known, and a column for
        each predictor, in its unit.

    Raises
    ------
    IcemapError
        If no site can be used, with the reasons counted, a column or predictor is not there, a
        column holds something else than numbers, a standard error is negative, or a predictor is
        the same in all samples.

    Examples
    --------
    >>> import tempfile
    >>> from icemap import build_cube
    >>> from icemap.virtual_arctic.demo import write_demo
    >>> catalog = write_demo(tempfile.mkdtemp(), "small").replace("config", "catalog")
    >>> cube = build_cube(catalog, Grid(100, 60, 140, 75, 1.0), ["maat", "elevation"])
    >>> sites = pd.DataFrame({"lon": [120.4, 125.6], "lat": [70.5, 64.4], "value": [31.0, 12.0]})
    >>> sample(cube, sites)[["cell_row", "cell_col", "value"]]
       cell_row  cell_col  value
    0         4        20   31.0
    1        10        25   12.0
    """
    if not hasattr(cube, "data_vars"):
        raise IcemapError(
            f"The cube is a {type(cube).__name__}: give the Dataset that icemap.open_cube opens, or"
            " icemap.build_cube makes."
        )
    _require_sites(sites)
    whole = sites.assign(
        **{name: value for name, value in UNKNOWN.items() if name not in sites.columns}
    )
    unknown = whole["used"].astype(bool) & whole["value"].isna()
    whole.loc[unknown, "reason"] = "no value"
    whole["used"] = whole["used"].astype(bool) & ~unknown
    names = _predictors_of(cube) if predictors is None else list(predictors)
    return build_samples(whole, grid_of(cube), cube, names)[0]


def _require_sites(sites: pd.DataFrame) -> None:
    """Refuse a table of sites that would not mean what it says."""
    if not isinstance(sites, pd.DataFrame):
        raise IcemapError(
            f"The sites are a {type(sites).__name__}: give a DataFrame, such as that of"
            " read_boreholes."
        )
    if sites.empty:
        raise IcemapError("The table of sites has no rows.")
    columns = list(map(str, sites.columns))
    if absent := [name for name in NUMBERS[:3] if name not in columns]:
        raise IcemapError(
            f"The table of sites has no column {', '.join(absent)}: it has"
            f" {', '.join(columns)}; rename its columns, or read it with read_boreholes."
        )
    for name in (*NUMBERS, *FLAGS):
        if columns.count(name) > 1:
            raise IcemapError(
                f"The table of sites has {columns.count(name)} columns '{name}': keep one of them."
            )
        if name not in columns:
            continue
        given = sites[name]
        numbers = pd.to_numeric(given, errors="coerce")
        # Pandas counts a date, and a duration, as a number.
        dates = pd.Series(given.dtype.kind in "mM", given.index)
        no_number = given.notna() & (dates | numbers.isna() | np.isinf(numbers.astype(float)))
        wrong = ~given.isin([True, False]) if name in FLAGS else no_number
        if wrong.any():
            wanted = "True and False" if name in FLAGS else "numbers"
            raise IcemapError(
                f"The column '{name}' of the sites holds {str(given[wrong].iloc[0])!r}: give"
                f" {wanted}, or read the table with read_boreholes, which understands more."
            )
        if name == "standard_error" and (numbers < 0).any():
            raise IcemapError(
                f"The column 'standard_error' of the sites holds {numbers.min():g}: a standard"
                " error is 0 or more; leave out what is not known, as NaN."
            )


def _predictors_of(cube: xr.Dataset) -> list[str]:
    """Predictors as the cube itself says; it has masks as well."""
    names = [
        str(name)
        for name, field in cube.data_vars.items()
        if field.attrs.get("role") == "predictor"
    ]
    if not names:
        raise IcemapError(
            "No variable of the cube has the attribute role: predictor, as those of build_cube and"
            " open_cube have: give 'predictors'."
        )
    return names
