"""Small finished runs and other maps to compare them with, made without training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import HELD_OUT, map_variables
from icemap.mapping.replicate_fields import ReplicateFields, replicates_url
from icemap.mapping.sums import add, chunk_sums, to_records
from icemap.mapping.zones import masks_of, zones_of
from icemap.running.ledger import Ledger
from icemap.totals.ice_storage import ice_storage, write_ice_storage
from icemap.totals.opened_map import ResidualFacts
from icemap.totals.residual_field import Variogram
from icemap.zarr_groups import write_chunk

GRID = Grid(60, 60, 80, 76, 0.5)
VIC = TargetConfig()
REPLICATES = 6
WIDTH = 30.0
Field = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


def value_at(lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[Any]:
    """A plane, which any resampling keeps."""
    return 30 + (lon - 60) + 1.5 * (lat - 60)


def fraction_at(lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[Any]:
    return np.clip((lat - 58) / 18, 0, 1) + 0 * lon


def make_run(
    folder: Path,
    value: Field = value_at,
    grid: Grid = GRID,
    target: TargetConfig = VIC,
    thickness_m: float = 5.0,
    unmapped_east_of: float = 78.0,
) -> str:
    """A run folder with a finished map, its replicates and totals; its address."""
    url = str(folder / "map.zarr")
    create_gridded(url, grid, map_variables(target), {HELD_OUT: 0.1}, chunk=32)
    stored = ReplicateFields(replicates_url(url), REPLICATES, 0.0, 100.0)
    stored.create(grid, 32)
    ledger = Ledger(str(folder / "ledger" / "map"))
    shift = np.linspace(-2.5, 2.5, REPLICATES)[:, None]
    for chunk in grid.chunks(32):
        lon, lat = np.meshgrid(grid.longitudes[chunk.cols], grid.latitudes[chunk.rows])
        valid = lon < unmapped_east_of
        if not valid.any():
            ledger.write(chunk.key, {"sums": {}})
            continue
        mean, fraction = value(lon, lat)[valid], fraction_at(lon, lat)[valid].astype("f4")

        def raster(values, missing=np.nan, valid=valid):
            full = np.full(valid.shape, missing)
            full[valid] = values
            return full

        name, flag = target.name, raster(1.0, 255).astype("u1")
        layers = {
            name: mean,
            f"{name}_sd_ensemble": 2.0,
            f"{name}_lower95": mean - WIDTH / 2,
            f"{name}_upper95": mean + WIDTH / 2,
            "dissimilarity": 0.1,
        }
        flags = {"aoa": flag, "extrapolated": flag}
        write_chunk(url, chunk, {key: raster(v).astype("f4") for key, v in layers.items()} | flags)
        codes, means = stored.empty(chunk), mean + shift
        codes[:, valid] = stored.codes(means)
        stored.write(chunk, codes, raster(fraction))
        row, _ = np.nonzero(valid)
        area, sums = grid.cell_area()[chunk.rows][row], {}
        members = zones_of(lon[valid], lat[valid], fraction)
        for mask, counted in masks_of(fraction).items():
            sd = np.full(len(area), WIDTH / 3.919927969080108)
            here = chunk_sums(area, counted, means, sd, np.ones(len(area)), members)
            sums = add(
                sums,
                {
                    key if mask == "fraction" else f"{key} / {mask}": one
                    for key, one in here.items()
                },
            )
        ledger.write(chunk.key, {"sums": to_records(sums)})
    table = ice_storage(url, thickness_m=thickness_m)
    write_ice_storage(
        str(folder / "ice_storage.json"),
        table,
        ResidualFacts(thickness_m, Variogram(40.0, 200.0, 10.0)),
    )
    return str(folder)


def write_raster(
    path: Path,
    values: NDArray[Any],
    crs: str,
    transform: Any,
    *,
    nodata: float | None = None,
    unit: str = "",
) -> str:
    """A one-band GeoTIFF; its address."""
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": str(values.dtype),
    }
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, nodata=nodata) as file:
        file.write(values, 1)
        if unit:
            file.units = (unit,)
    return str(path)


def polar_raster(
    path: Path, value: Field, dtype: str = "float32", side: float = 20_000, **options: Any
) -> str:
    """A field on a polar stereographic grid around the run."""
    from pyproj import Transformer

    size = round(7_200_000 / side)
    transform = from_origin(-3_600_000, 3_600_000, side, side)
    to_degrees = Transformer.from_crs("EPSG:3995", "EPSG:4326", always_xy=True)
    x, y = transform @ (np.arange(size) + 0.5, np.arange(size) + 0.5)
    lon, lat = to_degrees.transform(*np.meshgrid(x, y))
    return write_raster(path, value(lon, lat).astype(dtype), "EPSG:3995", transform, **options)


def class_raster(
    path: Path, codes: Field, grid: Grid = GRID, resolution: float = 0.125, nodata: float | None = 0
) -> str:
    """Codes on a finer grid of degrees, with cells that are in the run's."""
    fine = Grid(grid.west, grid.south, grid.east, grid.north, resolution)
    lon, lat = np.meshgrid(fine.longitudes, fine.latitudes)
    return write_raster(
        path, codes(lon, lat).astype("uint8"), "EPSG:4326", fine.transform, nodata=nodata
    )
