"""Gridded Zarr groups: one layout for the cube and the map, CF attributes, EPSG:4326, north row
first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Grid, wrapped
from icemap.store import storage_errors
from icemap.zarr_groups import (
    compressors,
    consolidate,
    damage_errors,
    open_stored,
    zarr_group,
    zarr_store,
)

if TYPE_CHECKING:
    import xarray as xr
    import zarr

DIMENSIONS = ("latitude", "longitude")
CFAttributes = dict[str, str | float]


@dataclass(frozen=True)
class Variable:
    """One gridded variable.

    Attributes
    ----------
    name : str
    dtype : str
        ``float32`` (nodata is NaN) or ``uint8`` (nodata is 255).
    attrs : mapping
        CF attributes: ``long_name``, ``units`` and what else describes it.
    """

    name: str
    dtype: str = "float32"
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nodata(self) -> float | int:
        return float("nan") if self.dtype == "float32" else 255


def create_gridded(
    url: str,
    grid: Grid,
    variables: Sequence[Variable],
    attrs: Mapping[str, Any],
    *,
    chunk: int,
    shard: int | None = None,
) -> None:
    """Write an empty group: coordinates, metadata and variables full of nodata.

    Parameters
    ----------
    url : str
        Where the group will be; what was there is replaced.
    chunk : int
        Cells per side of a stored chunk.
    shard : int, optional
        Cells per side of a shard, a multiple of ``chunk``. With None, or shards of one chunk,
        chunks are single objects, which GDAL can read.
    """
    import dask.array

    rows, cols = grid.shape
    stored_with = {"compressors": compressors()}
    chunks = (min(chunk, rows), min(chunk, cols))
    empty = {
        variable.name: dask.array.full(
            (rows, cols), variable.nodata, dtype=variable.dtype, chunks=-1
        )
        for variable in variables
    }
    dataset = gridded_dataset(grid, variables, empty, attrs)
    encoding: dict[str, dict[str, object]] = {}
    for variable in variables:
        encoding[variable.name] = {
            "chunks": chunks,
            "_FillValue": variable.nodata,
            "fill_value": variable.nodata,
            **stored_with,
        }
        if shard not in (None, chunk):
            encoding[variable.name]["shards"] = (shard, shard)
            encoding[variable.name]["chunks"] = (chunk, chunk)
    # A coordinate has a value everywhere, and CF allows it no _FillValue.
    encoding |= {name: {"_FillValue": None, **stored_with} for name in DIMENSIONS}
    with storage_errors(url, "write"):
        dataset.to_zarr(
            zarr_store(url),
            mode="w",
            compute=False,
            encoding=encoding,
            zarr_format=3,
            consolidated=False,
        )
    consolidate(url)


def gridded_dataset(
    grid: Grid,
    variables: Sequence[Variable],
    arrays: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Variables on a grid with coordinates and all that describes them.

    Parameters
    ----------
    grid : Grid
    variables : sequence of Variable
    arrays : mapping
        By the name of a variable, (rows, columns); numpy's or Dask's.
    attrs : mapping
        Of the dataset.
    """
    import xarray as xr

    latitude = {
        "standard_name": "latitude",
        "long_name": "latitude of the cell centre",
        "units": "degrees_north",
        "axis": "Y",
    }
    longitude = {
        "standard_name": "longitude",
        "long_name": "longitude of the cell centre",
        "units": "degrees_east",
        "axis": "X",
    }
    dataset = xr.Dataset(
        {
            variable.name: (
                DIMENSIONS,
                arrays[variable.name],
                {**variable.attrs, "grid_mapping": "spatial_ref"},
            )
            for variable in variables
        },
        attrs={
            "Conventions": "CF-1.11, ACDD-1.3",
            **{name: value for name, value in attrs.items() if value is not None},
            **_extent(grid),
        },
    )
    return dataset.assign_coords(
        latitude=("latitude", grid.latitudes, latitude),
        longitude=("longitude", grid.longitudes, longitude),
        spatial_ref=((), 0, _spatial_ref(grid)),
    )


# CF wants these in the type of the variable that they are about; JSON knows no types.
TYPED = ("flag_values", "valid_range", "valid_min", "valid_max")


def typed(attrs: Mapping[str, Any], dtype: Any) -> dict[str, object]:
    """Attributes with limits and flags in the type of their variable, as CF has them."""
    return {
        key: np.asarray(value, dtype)[()] if key in TYPED else value for key, value in attrs.items()
    }


def as_opened(dataset: xr.Dataset, dtypes: Mapping[str, Any]) -> xr.Dataset:
    """A dataset as people get it: limits and flags in the types of the variables as they are
    stored, no fill value for coordinates when it is saved, variables in the order of the alphabet.
    """
    for name, variable in dataset.data_vars.items():
        variable.attrs = typed(variable.attrs, dtypes[str(name)])
    for name in DIMENSIONS:
        dataset[name].encoding["_FillValue"] = None
    # A store lists its arrays in any order.
    return dataset[sorted(map(str, dataset.data_vars))]


def _extent(grid: Grid) -> CFAttributes:
    """Edges of a grid in the words of ACDD; across the date line the west is the larger number."""
    round_it = grid.east - grid.west >= 360 - 1e-9
    west, east = (-180.0, 180.0) if round_it else (grid.west, float(wrapped(grid.east)))
    return {
        "geospatial_lat_min": grid.south,
        "geospatial_lat_max": grid.north,
        "geospatial_lat_units": "degrees_north",
        "geospatial_lat_resolution": f"{grid.resolution:.9g} degrees",
        "geospatial_lon_min": west,
        "geospatial_lon_max": east,
        "geospatial_lon_units": "degrees_east",
        "geospatial_lon_resolution": f"{grid.resolution:.9g} degrees",
    }


def describe_gridded(url: str, variables: Sequence[Variable], attrs: Mapping[str, Any]) -> None:
    """Write other words into the attributes of a group that is there; no chunk is touched.

    Parameters
    ----------
    url : str
        Of the group.
    variables : sequence of Variable
        With all their attributes; those that are as they were are not written.
    attrs : mapping
        Of the group; it keeps what else it has, and loses those that are None.
    """
    import zarr

    with storage_errors(url, "write"):
        group = zarr_group(url, "r+")
        changed = False
        for variable in variables:
            array = group[variable.name]
            assert isinstance(array, zarr.Array)
            changed |= _update(array, variable.attrs)
        changed |= _update(group, attrs)
    # Last, so that a group is whole or is described once more.
    if changed:
        consolidate(url)


def _update(node: zarr.Array[Any] | zarr.Group, attrs: Mapping[str, Any]) -> bool:
    gone = [key for key, value in attrs.items() if value is None and key in node.attrs]
    for key in gone:
        del node.attrs[key]
    given = {key: value for key, value in attrs.items() if value is not None}
    wanted = json.loads(json.dumps(given))
    new = {
        key: value
        for key, value in wanted.items()
        if key not in node.attrs or node.attrs[key] != value
    }
    if new:
        node.attrs.update(new)
    return bool(new or gone)


def _spatial_ref(grid: Grid) -> CFAttributes:
    transform = grid.transform
    return {
        "grid_mapping_name": "latitude_longitude",
        "long_name": "WGS 84",
        "crs_wkt": WGS84_WKT,
        "semi_major_axis": 6378137.0,
        "inverse_flattening": 298.257223563,
        "GeoTransform": " ".join(
            repr(v)
            for v in (transform.c, transform.a, transform.b, transform.f, transform.d, transform.e)
        ),
    }


WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS'
    ' 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],'
    'PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
    'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)


def read_coordinates(url: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Latitudes (rows,) and longitudes (columns,) of the cell centres of a group, as stored.

    Raises
    ------
    DamagedChunkError
        If they cannot be decoded.
    """
    with storage_errors(url, "read"):
        group = zarr_group(url, "r")
        with damage_errors(f"The coordinates of {url}", url):
            latitudes, longitudes = (np.asarray(group[name][...]) for name in DIMENSIONS)  # type: ignore[index]
            np.asarray(group["spatial_ref"][...])  # type: ignore[index]
    return latitudes, longitudes


def open_gridded(url: str | PathLike[str], what: str, **storage_options: Any) -> xr.Dataset:
    """Open a group lazily; nodata becomes NaN.

    Raises
    ------
    IcemapError
        If nothing is there.
    """
    import xarray as xr

    url = fspath(url)
    group = open_stored(url, what, **storage_options)
    with storage_errors(url, "open"):
        consolidated = group.metadata.consolidated_metadata is not None
        dataset = xr.open_zarr(group.store, zarr_format=3, consolidated=consolidated, chunks={})
    dtypes = {
        str(name): variable.encoding.get("dtype", variable.dtype)
        for name, variable in dataset.data_vars.items()
    }
    return as_opened(dataset, dtypes)


def grid_of(dataset: xr.Dataset) -> Grid:
    """The grid that a group was written on, or that of a part of it.

    Raises
    ------
    IcemapError
        If the coordinates do not have equal steps, or are in another order than they were written.
    """
    missing = [name for name in (*DIMENSIONS, "spatial_ref") if name not in dataset.variables]
    if missing:
        raise IcemapError(
            f"The dataset has no coordinate '{missing[0]}': give it with the coordinates that it"
            " was opened with, under their names."
        )
    lat, lon = np.asarray(dataset.latitude), np.asarray(dataset.longitude)
    values = [float(v) for v in str(dataset.spatial_ref.attrs["GeoTransform"]).split()]
    west, step, north = values[0], values[1], values[3]
    # Of a part the transform still is that of the whole.
    left, top = (round(float(v) / step - 0.5) for v in (lon[0] - west, north - lat[0]))
    expected = (
        north - (top + np.arange(len(lat)) + 0.5) * step,
        west + (left + np.arange(len(lon)) + 0.5) * step,
    )
    for name, found, wanted in zip(DIMENSIONS, (lat, lon), expected):
        if np.abs(found - wanted).max() > 0.01 * step:
            raise IcemapError(
                f"The {name}s of the dataset are not the rows and columns of a grid of"
                f" {step:g} degrees, north and west first: choose its part with slices without a"
                " step, or give it whole."
            )
    north, west = north - top * step, west + left * step
    return Grid(
        west if not left else round(west, 9),
        round(north - len(lat) * step, 9),
        round(west + len(lon) * step, 9),
        north if not top else round(north, 9),
        step,
    )


def described_grid(shape: tuple[int, ...], geotransform: str) -> Grid:
    """The grid with this many rows and columns that GDAL's six numbers describe."""
    west, step, _, north = (float(value) for value in geotransform.split()[:4])
    rows, columns = shape
    return Grid(west, round(north - rows * step, 9), round(west + columns * step, 9), north, step)
