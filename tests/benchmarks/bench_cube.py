"""How long a cube of ten predictors takes against ``gdalwarp`` on the same ten files: ``python
tests/benchmarks/bench_cube.py``.

Ratios travel between machines, seconds do not: both are printed, the cube and ``gdalwarp`` taking
turns, one thread each, output compressed alike. ``--columns`` and ``--rows`` set the size of the 30
arc-second strip (43,200 x 2,400 is the whole one). Needs the command ``gdalwarp``.
"""

import argparse
import json
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import yaml
import zarr
from affine import Affine
from rasterio.windows import Window
from timing import timed

from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.catalog import load_sources
from icemap.config import Config
from icemap.config_sections import GridConfig
from icemap.predictors.cube import CubeBuild, open_cube, plan_cube
from icemap.predictors.fields import ChunkFields
from icemap.running.ledger import Ledger
from icemap.running.run import Job, SerialExecutor, run_job

SECOND = 1 / 3600
MIDDLE = 70.0
CHUNK = 512
BAND = 128  # rows of a source in memory while it is made
COMPRESSION = ["-co", "TILED=YES", "-co", "COMPRESS=ZSTD", "-co", "ZSTD_LEVEL=3"]


@dataclass(frozen=True)
class Source:
    """One raster to make: its cell in degrees, or in metres in polar stereographic."""

    name: str
    cell: float
    dtype: str
    crs: str = "EPSG:4326"
    classes: int = 0
    scale: float = 1.0

    @property
    def nodata(self) -> float:
        return {"float32": np.nan, "int16": -32768, "uint8": 255}[self.dtype]


SOURCES = (
    Source("temperature_30s", 30 * SECOND, "float32"),
    Source("precipitation_30s", 30 * SECOND, "int16", scale=0.1),
    Source("elevation_15s", 15 * SECOND, "int16"),
    Source("vegetation_15s", 15 * SECOND, "float32"),
    Source("cover_15s", 15 * SECOND, "uint8", classes=12),
    Source("lithology_3min", 0.05, "uint8", classes=16),
    Source("clay_3min", 0.05, "float32"),
    Source("snow_6min", 0.1, "float32"),
    Source("permafrost_1km", 1000, "float32", "EPSG:3995"),
    Source("surface_400m", 400, "float32", "EPSG:3995"),
)


def strip(columns: int, rows: int) -> GridConfig:
    west, north = (-180.0 if columns == 43_200 else 20.0), MIDDLE + rows * 15 * SECOND
    edges = {
        "west": west,
        "east": round(west + columns * 30 * SECOND, 9),
        "north": round(north, 9),
        "south": round(north - rows * 30 * SECOND, 9),
    }
    return GridConfig(**edges, resolution=30 * SECOND, chunk=CHUNK)


def make_source(folder: Path, source: Source, grid: GridConfig) -> None:
    """A raster over the grid and a little more: waves, noise and holes, written in bands."""
    west, south, east, north = grid.west - 1, grid.south - 1, grid.east + 1, grid.north + 1
    if source.crs != "EPSG:4326":
        lon, lat = np.meshgrid(np.linspace(west, east, 721), np.linspace(south, north, 41))
        x, y = pyproj.Transformer.from_crs("EPSG:4326", source.crs, always_xy=True).transform(
            lon, lat
        )
        west, south, east, north = x.min(), y.min(), x.max(), y.max()
    elif grid.east - grid.west == 360:
        west, east = grid.west, grid.east
    rows, cols = round((north - south) / source.cell), round((east - west) / source.cell)
    rng = np.random.default_rng(len(source.name))
    noise = rng.normal(size=(BAND, 512)).astype("f4")
    noise = np.tile(noise, (1, cols // 512 + 1))[:, :cols]
    across = np.cos(
        np.arange(cols, dtype="f4") * (source.cell / (east - west) * 40 * np.pi / source.cell)
    )
    profile = {
        "driver": "GTiff",
        "width": cols,
        "height": rows,
        "count": 1,
        "dtype": source.dtype,
        "nodata": source.nodata,
        "crs": source.crs,
    }
    layout = {
        "tiled": True,
        "blockxsize": 512,
        "blockysize": BAND,
        "compress": "zstd",
        "zstd_level": 1,
        "bigtiff": "if_safer",
    }
    with rasterio.open(
        folder / f"{source.name}.tif",
        "w",
        transform=Affine(source.cell, 0, west, 0, -source.cell, north),
        **profile,
        **layout,
    ) as dataset:
        for top in range(0, rows, BAND):
            height = min(BAND, rows - top)
            along = np.sin(np.arange(top, top + height, dtype="f4") / rows * 30)[:, None]
            field = along * across + 0.2 * noise[:height]
            hole = (along > 0.97) & (across > 0.5)
            if source.classes:
                band = np.clip((field + 1.6) / 3.2 * source.classes, 0, source.classes - 1).astype(
                    np.uint8
                )
            else:
                band = (1000 * field).astype(source.dtype) if source.dtype == "int16" else field
            dataset.write(
                np.where(hole, np.array(source.nodata, source.dtype), band),
                1,
                window=Window(0, top, cols, height),
            )


def plan(folder: Path, grid: GridConfig) -> CubeBuild:
    data = {
        source.name: {"kwargs": {"url": f"{{CATALOG_DIR}}/{source.name}.tif"}} for source in SOURCES
    }
    entries = {}
    for source in SOURCES:
        keys = {"family": "climate", "long_name": source.name, "unit": "1", "scale": source.scale}
        if source.classes:
            keys |= {"kind": "class", "classes": {i: f"class {i}" for i in range(source.classes)}}
        entries[source.name] = {"kwargs": {"data": f"{{data({source.name})}}"}, "metadata": keys}
    (folder / "catalog.yaml").write_text(
        yaml.safe_dump({"version": 2, "data": data, "entries": entries})
    )
    boreholes = BoreholesConfig(layers=(LayerSource(path="none.csv"),))
    names = tuple(source.name for source in SOURCES)
    config = Config(
        run=str(folder / "run"),
        grid=grid,
        catalog=str(folder / "catalog.yaml"),
        predictors=names,
        boreholes=boreholes,
    )
    return plan_cube(config, load_sources(config.catalog, list(names)))


def build_cube(build: CubeBuild) -> None:
    build.create("benchmark")
    ledger = Ledger(str(Path(build.url).parent / "ledger"))
    ledger.clear()
    run_job(Job("cube", build.chunks, build), ledger, SerialExecutor(), progress=False)


def align_all(build: CubeBuild, source: Source) -> None:
    """Read and resample one source in every chunk, writing nothing."""
    entry = build.sources[source.name]
    for chunk in build.chunks:
        ChunkFields(build.grid, build.ways, chunk, [entry]).read(entry)


def gdalwarp(folder: Path, source: Source, build: CubeBuild, exact: bool) -> Path:
    """The same resampling by GDAL's own command; ``exact`` without its approximations."""
    grid, out = build.grid, folder / f"{source.name}_gdal_{exact}.tif"
    method = {"mode": "mode", "nearest": "near"}.get(
        build.ways[source.name].method, build.ways[source.name].method
    )
    out.unlink(missing_ok=True)
    edges = [
        str(v) for v in (grid.west, grid.south, grid.east, grid.north, grid.shape[1], grid.shape[0])
    ]
    command = [
        "gdalwarp",
        "-q",
        "-t_srs",
        "EPSG:4326",
        "-te",
        *edges[:4],
        "-ts",
        *edges[4:],
        "-r",
        method,
        "-wm",
        "256",
        *COMPRESSION,
    ]
    if exact and method in ("bilinear", "near"):
        # Where a part of a turned source looks larger than its target, GDAL widens the weights,
        # part by part.
        command += ["-wo", "XSCALE=1", "-wo", "YSCALE=1"]
    kind = (
        ["-ot", "Byte", "-dstnodata", "255"]
        if source.classes
        else ["-ot", "Float32", "-dstnodata", "nan"]
    )
    subprocess.run(
        [
            *command,
            *kind,
            *(["-et", "0"] if exact else []),
            str(folder / f"{source.name}.tif"),
            str(out),
        ],
        check=True,
    )
    return out


def differences(folder: Path, source: Source, build: CubeBuild) -> dict[str, float]:
    """Largest difference from ``gdalwarp`` as share of the range (classes: share of cells), in
    bands of rows.
    """
    cube = open_cube(build.url)[source.name]
    largest, unlike, cells, low, high, total = 0.0, 0, 0, np.inf, -np.inf, 0.0
    # At the date line we go round the globe, gdalwarp does not.
    edge = 12 if build.grid.east - build.grid.west == 360 else 0
    with rasterio.open(folder / f"{source.name}_gdal_True.tif") as dataset:
        for top in range(0, build.grid.shape[0], CHUNK):
            theirs = (
                dataset.read(
                    1,
                    window=Window(
                        0, top, build.grid.shape[1], min(CHUNK, build.grid.shape[0] - top)
                    ),
                    masked=True,
                )
                .astype("f4")
                .filled(np.nan)
            )
            ours = cube[top : top + CHUNK].to_numpy()[:, edge : theirs.shape[1] - edge]
            theirs = theirs[:, edge : theirs.shape[1] - edge] * np.float32(source.scale)
            both = np.isfinite(ours) & np.isfinite(theirs)
            unlike += int((np.isfinite(ours) != np.isfinite(theirs)).sum()) + (
                int((ours[both] != theirs[both]).sum()) if source.classes else 0
            )
            cells += ours.size
            if both.any():
                gap = np.abs(ours[both] - theirs[both])
                largest, total = max(largest, float(gap.max())), total + float(gap.sum(dtype="f8"))
                low, high = (
                    min(low, float(theirs[both].min())),
                    max(high, float(theirs[both].max())),
                )
    if source.classes:
        return {"cells_of_another_class": unlike / cells}
    return {
        "largest_difference": largest / (high - low),
        "mean_difference": total / cells / (high - low),
        "cells_missing_in_one": unlike / cells,
    }


def against_truth(
    folder: Path, source: Source, build: CubeBuild, cells: int = 400, points: int = 60
) -> dict[str, float]:
    """Root-mean-square error in shares of the range, of us and of ``gdalwarp``, in some cells
    averaged over ``points``² points of the source each.
    """
    rng = np.random.default_rng(0)
    grid = build.grid
    row, col = rng.integers(grid.shape[0], size=cells), rng.integers(grid.shape[1], size=cells)
    inside = (np.arange(points) + 0.5) / points - 0.5
    lon = grid.longitudes[col][:, None, None] + inside[None, None, :] * grid.resolution
    lat = grid.latitudes[row][:, None, None] + inside[None, :, None] * grid.resolution
    cube = open_cube(build.url)[source.name]
    with (
        rasterio.open(folder / f"{source.name}.tif") as dataset,
        rasterio.open(folder / f"{source.name}_gdal_True.tif") as warped,
    ):
        x, y = pyproj.Transformer.from_crs("EPSG:4326", source.crs, always_xy=True).transform(
            *np.broadcast_arrays(lon, lat)
        )
        at_col, at_row = (np.floor(v).astype(int) for v in ~dataset.transform @ (x, y))
        truth, ours, theirs = (np.full(cells, np.nan) for _ in range(3))
        for i in range(cells):
            top, left = at_row[i].min(), at_col[i].min()
            window = dataset.read(
                1,
                window=Window(left, top, np.ptp(at_col[i]) + 1, np.ptp(at_row[i]) + 1),
                masked=True,
            ).astype("f8")
            truth[i] = (
                window.filled(np.nan)[at_row[i] - top, at_col[i] - left].mean() * source.scale
            )
            ours[i] = cube[row[i], col[i]]
            theirs[i] = warped.read(1, window=Window(col[i], row[i], 1, 1))[0, 0] * source.scale
    known = np.isfinite(truth) & np.isfinite(ours) & np.isfinite(theirs)
    spread = np.ptp(truth[known])
    return {
        name: float(np.sqrt(np.mean((values - truth)[known] ** 2)) / spread)
        for name, values in (("icemap_rms_error", ours), ("gdalwarp_rms_error", theirs))
    }


def main(
    columns: int = 43_200, rows: int = 2_400, rounds: int = 1, scratch: str | None = None
) -> dict[str, dict[str, object]]:
    """Make the sources, run both in turns, print and return the figures."""
    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder, grid = Path(name), strip(columns, rows)
        for source in SOURCES:
            make_source(folder, source, grid)
        build = plan(folder, grid)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ours, default, exact, aligned = [], [], [], []
        for _ in range(rounds):
            ours.append(timed(lambda: build_cube(build)))
            aligned.append(
                [timed(lambda source=source: align_all(build, source))[1] for source in SOURCES]
            )
            for runs, how in ((default, False), (exact, True)):
                runs.append(
                    [
                        timed(lambda source=source, how=how: gdalwarp(folder, source, build, how))
                        for source in SOURCES
                    ]
                )
        cube, by_default, exactly = (np.array(runs) for runs in (ours, default, exact))
        figures: dict[str, dict[str, object]] = {
            "strip": {
                "columns": columns,
                "rows": rows,
                "rounds": rounds,
                "gdalwarp": subprocess.check_output(["gdalwarp", "--version"], text=True).strip(),
            },
            "seconds": {
                "icemap_wall": _spread(cube[:, 0]),
                "icemap_cpu": _spread(cube[:, 1]),
                "gdalwarp_cpu": _spread(by_default.sum(axis=1)[:, 1]),
                "gdalwarp_exact_cpu": _spread(exactly.sum(axis=1)[:, 1]),
            },
            "ratio": {
                "wall": _spread(cube[:, 0] / by_default.sum(axis=1)[:, 0]),
                "cpu": _spread(cube[:, 1] / by_default.sum(axis=1)[:, 1]),
                "wall_exact": _spread(cube[:, 0] / exactly.sum(axis=1)[:, 0]),
                "cpu_exact": _spread(cube[:, 1] / exactly.sum(axis=1)[:, 1]),
            },
            "memory_megabytes": {
                "icemap_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
                "before_the_build": before / 1e3,
            },
        }
        for i, source in enumerate(SOURCES):
            way = build.ways[source.name]
            figures[source.name] = {
                "resampling": way.method,
                "samples": way.samples,
                "align_cpu": float(np.mean([run[i] for run in aligned])),
                "gdalwarp_cpu": float(by_default[:, i, 1].mean()),
                "gdalwarp_exact_cpu": float(exactly[:, i, 1].mean()),
                **differences(folder, source, build),
                **(against_truth(folder, source, build) if way.method == "average" else {}),
            }
    print(json.dumps(figures, indent=2))
    return figures


def _spread(values: np.ndarray) -> dict[str, float]:
    return {
        "median": round(float(np.median(values)), 3),
        "least": round(float(values.min()), 3),
        "most": round(float(values.max()), 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=7_200)
    parser.add_argument("--rows", type=int, default=1_200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scratch", help="folder for the rasters, some 4 GB for the whole strip")
    main(**vars(parser.parse_args()))
