"""The map's numbers at one place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError
from icemap.grid import wrapped
from icemap.gridded import DIMENSIONS, described_grid, open_stored
from icemap.mapping.map_schema import in_order, target_among
from icemap.store import storage_errors

if TYPE_CHECKING:
    import zarr


def query(map_url: str, lon: float, lat: float, **storage_options: Any) -> dict[str, Any]:
    """Value and interval in the cell that holds a place; one stored chunk per variable is read, not
    the map.

    Parameters
    ----------
    map_url : str
    lon, lat : float
        Degrees, WGS84; longitudes from 0 to 360 are taken as well. Those of the answer are from
        -180 to 180.

    Returns
    -------
    dict
        ``lon`` and ``lat`` of the cell's centre, ``unit``, then every variable of the map; the
        flags ``aoa`` and ``extrapolated`` are booleans.

    Raises
    ------
    IcemapError
        If the place is outside the map or its cell is not mapped.
    """
    group = open_stored(map_url, "map", **storage_options)
    with storage_errors(map_url, "read"):
        arrays = {name: array for name, array in group.arrays() if array.ndim == len(DIMENSIONS)}
        target = target_among(sorted(arrays), map_url)
        grid = described_grid(arrays[target].shape, str(group["spatial_ref"].attrs["GeoTransform"]))
        row, col = (int(i) for i in grid.locate(lon, lat))
        if row < 0:
            spans = f"{grid.west:g} to {grid.east:g} E and {grid.south:g} to {grid.north:g} N"
            raise IcemapError(
                f"Longitude {lon:g}, latitude {lat:g} is outside the map {map_url}, which spans"
                f" {spans}."
            )
        values = {
            name: _decoded(arrays[name], row, col) for name in in_order(sorted(arrays), target)
        }
    if math.isnan(values[target]):
        raise IcemapError(
            f"Longitude {lon:g}, latitude {lat:g} is not mapped in {map_url}: its cell is water,"
            " masked, or lacks a predictor. Try a place beside it."
        )
    flags: dict[str, Any] = {
        name: bool(values[name]) for name in ("aoa", "extrapolated") if name in values
    }
    return {
        "lon": float(wrapped(grid.longitudes[col])),
        "lat": float(grid.latitudes[row]),
        "unit": str(arrays[target].attrs["units"]),
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
