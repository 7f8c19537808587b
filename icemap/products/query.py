"""The map's numbers at one place, or at many."""

from __future__ import annotations

import math
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.errors import IcemapError, first_line
from icemap.grid import Grid, wrapped
from icemap.gridded import DIMENSIONS, described_grid, grid_of
from icemap.mapping.map_schema import in_order, open_map, target_among, target_of
from icemap.store import storage_errors
from icemap.zarr_groups import open_stored

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    import zarr

FLAGS = ("aoa", "extrapolated")
# The cell's centre, the unit, and every variable of the map by its name.
Answer = dict[str, float | bool | str]


def query(
    map: str | PathLike[str] | xr.Dataset, lon: ArrayLike, lat: ArrayLike, **storage_options: Any
) -> Answer | pd.DataFrame:
    """Value and interval in the cell that holds a place; of each variable the stored chunks with
    the places are read, not the map.

    Parameters
    ----------
    map : str, path or xarray.Dataset
        A map or its URL.
    lon, lat : float or array of shape (n,)
        Degrees, WGS84; longitudes from 0 to 360 are taken as well. Those of the answer are from
        -180 to 180.
    **storage_options
        What fsspec needs beyond the environment to read a URL, such as ``anon=True``.

    Returns
    -------
    dict, or DataFrame with a row for each of many places
        ``lon`` and ``lat`` of the cell's centre, ``unit``, then every variable of the map; the
        flags ``aoa`` and ``extrapolated`` are booleans. In a DataFrame, places outside the map
        and in cells that are not mapped have no values; it has the index of the longitudes.

    Raises
    ------
    IcemapError
        If a single place is outside the map or its cell is not mapped, or not as many longitudes as
        latitudes are given.

    Examples
    --------
    >>> query("run/map.zarr", 125.7, 62.1)["vic"]  # doctest: +SKIP
    31.4
    """
    if isinstance(map, PathLike):
        map = fspath(map)
    if not isinstance(map, str) and not hasattr(map, "data_vars"):
        raise IcemapError(
            "What is asked is no map: give the Dataset that open_map opens, not one variable of it,"
            " or the address."
        )
    if np.ndim(lon) or np.ndim(lat):
        dataset = open_map(map, **storage_options) if isinstance(map, str) else map
        return _at_many(dataset, lon, lat)
    place = float(_degrees(lon)), float(_degrees(lat))
    if isinstance(map, str):
        return _in_store(map, *place, **storage_options)
    return _in_dataset(map, *place)


def _in_store(url: str, lon: float, lat: float, **storage_options: Any) -> Answer:
    """By Zarr alone, whose import takes half the time of xarray's."""
    group = open_stored(url, "map", **storage_options)
    with storage_errors(url, "read"):
        arrays = {name: array for name, array in group.arrays() if array.ndim == len(DIMENSIONS)}
        target = target_among(sorted(arrays), url)
        grid = described_grid(arrays[target].shape, str(group["spatial_ref"].attrs["GeoTransform"]))
        row, col = _cell(grid, url, lon, lat)
        names = in_order(sorted(arrays), target)
        values = {name: _decoded(arrays[name], row, col) for name in names}
    _require_mapped(values[target], url, lon, lat)
    return _answer(grid, row, col, str(arrays[target].attrs["units"]), values)


def _in_dataset(dataset: xr.Dataset, lon: float, lat: float) -> Answer:
    target, grid, name = target_of(dataset), grid_of(dataset), _name(dataset)
    row, col = _cell(grid, name, lon, lat)
    with storage_errors(name, "read"):
        cell = dataset.isel(latitude=row, longitude=col).load()
    values = {str(name): float(variable) for name, variable in cell.data_vars.items()}
    _require_mapped(values[target.name], name, lon, lat)
    return _answer(grid, row, col, target.unit, values)


def _cell(grid: Grid, name: str, lon: float, lat: float) -> tuple[int, int]:
    row, col = (int(i) for i in grid.locate(lon, lat))
    if row < 0:
        spans = f"{grid.west:g} to {grid.east:g} E and {grid.south:g} to {grid.north:g} N"
        raise IcemapError(
            f"Longitude {lon:g}, latitude {lat:g} is outside the map {name}, which spans {spans}."
        )
    return row, col


def _require_mapped(value: float, name: str, lon: float, lat: float) -> None:
    if math.isnan(value):
        raise IcemapError(
            f"Longitude {lon:g}, latitude {lat:g} is not mapped in {name}: its cell is water,"
            " masked, or lacks a predictor, or the map is not finished. Try a place next to it, or"
            " ask 'icemap status'."
        )


def _answer(grid: Grid, row: int, col: int, unit: str, values: dict[str, float]) -> Answer:
    flags = {name: bool(values[name]) for name in FLAGS if name in values}
    return {
        "lon": float(wrapped(grid.longitudes[col])),
        "lat": float(grid.latitudes[row]),
        "unit": unit,
        **values,
        **flags,
    }


def _decoded(array: zarr.Array[Any], row: int, col: int) -> float:
    """The value of one cell, NaN where nothing is; by Zarr alone, whose import takes half the time
    of xarray's.
    """
    stored = np.asarray(array[row, col])
    if stored == array.fill_value:
        return math.nan
    attrs = array.attrs
    return float(
        stored * attrs.get("scale_factor", 1) + attrs.get("add_offset", 0)  # type: ignore[operator]
        if {"scale_factor", "add_offset"} & set(attrs)
        else stored
    )


def _at_many(dataset: xr.Dataset, lon: ArrayLike, lat: ArrayLike) -> pd.DataFrame:
    import pandas as pd
    import xarray as xr

    _require_one_order(lon, lat)
    longitude, latitude = (np.atleast_1d(_degrees(v)).ravel() for v in (lon, lat))
    if longitude.shape != latitude.shape:
        raise IcemapError(
            f"There are {len(longitude)} longitudes and {len(latitude)} latitudes: give one of each"
            " for every place."
        )
    target, grid = target_of(dataset), grid_of(dataset)
    row, col = grid.locate(longitude, latitude)
    inside = row >= 0
    impossible = np.abs(latitude) > 90
    if impossible.any() and not inside.any():
        raise IcemapError(
            f"None of the places is in the map, and {latitude[impossible][0]:g} is no latitude:"
            " give longitudes and latitudes in this order, in degrees."
        )
    rows, cols = (xr.DataArray(v[inside], dims="__place") for v in (row, col))
    with storage_errors(_name(dataset), "read"):
        cells = dataset.isel(latitude=rows, longitude=cols).load()
    index = _places(lon, lat, len(row))
    table = pd.DataFrame({"lon": np.nan, "lat": np.nan, "unit": target.unit}, index)
    table.loc[inside, "lon"] = wrapped(cells.longitude)
    table.loc[inside, "lat"] = cells.latitude.to_numpy()
    for name, variable in cells.data_vars.items():
        table[str(name)] = np.nan
        table.loc[inside, str(name)] = variable.to_numpy().astype(float)
    for name in FLAGS:
        if name in table:
            table[name] = table[name].astype("Float64").astype("boolean")
    return table


def _degrees(given: ArrayLike) -> NDArray[np.float64]:
    """Numbers, NaN where they are masked or missing."""
    try:
        if np.asarray(given).dtype.kind in "mM":
            raise TypeError("they are dates")
        if isinstance(given, np.ma.MaskedArray):
            return np.ma.filled(given.astype(float), np.nan)
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise IcemapError(
            f"Longitudes and latitudes cannot be read as numbers ({first_line(error)}): give"
            " degrees."
        ) from error


def _require_one_order(lon: ArrayLike, lat: ArrayLike) -> None:
    """Refuse arrays of xarray that would be paired by place against their own names."""
    import xarray as xr

    if not (isinstance(lon, xr.DataArray) and isinstance(lat, xr.DataArray)):
        return
    same = lon.dims == lat.dims and all(
        lon.indexes[name].equals(lat.indexes[name])
        for name in lon.dims
        if name in lon.indexes and name in lat.indexes
    )
    if not same:
        raise IcemapError(
            f"Longitudes are given along {', '.join(map(str, lon.dims))}, and latitudes along"
            f" {', '.join(map(str, lat.dims))}, or their coordinates differ: give one of each for"
            " every place, in one order (xarray.broadcast makes a place of every cell)."
        )


def _places(lon: ArrayLike, lat: ArrayLike, count: int) -> pd.Index:
    """The rows of a table of places as the caller names them: what is joined to his table falls
    on the rows that were asked for.
    """
    import pandas as pd

    one, *other = [v.index for v in (lon, lat) if isinstance(v, pd.Series)] or [
        pd.RangeIndex(count)
    ]
    if other and not one.equals(other[0]):
        raise IcemapError(
            "Longitudes and latitudes are columns of different tables, or in different order: their"
            " indices differ. Give two columns of one table, or arrays."
        )
    return one


def _name(dataset: xr.Dataset) -> str:
    return str(dataset.encoding.get("source", "of this dataset"))
