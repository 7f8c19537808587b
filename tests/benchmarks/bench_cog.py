"""How long a map variable takes to become a COG against ``gdal_translate -of COG`` on the same
cells: ``python tests/benchmarks/bench_cog.py``.

Ratios travel between machines, seconds do not: both are printed, the two taking turns, one thread
each, the same compression. ``gdal_translate`` starts from an uncompressed tiled GeoTIFF with the
cells of the map; icemap starts from the Zarr map, and its time includes reading it, the comparison
of every cell with the map and the check of the layout. ``--choices`` measures other compressions as
well. Needs the command ``gdal_translate``; 43,200 x 7,080 takes some 4 GB of disk.
"""

import argparse
import json
import multiprocessing
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import rasterio
import zarr
from rio_cogeo.cogeo import cog_validate
from timing import timed

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.land import land_at
from icemap.mapping.map_schema import map_variables
from icemap.products.cog import COMPRESSION, write_cog
from icemap.zarr_groups import write_chunk

SECONDS_30 = 30 / 3600
CHOICES = [
    {"COMPRESS": "DEFLATE", "LEVEL": "1", "PREDICTOR": "YES"},
    {"COMPRESS": "DEFLATE", "LEVEL": "6", "PREDICTOR": "YES"},
    {"COMPRESS": "DEFLATE", "LEVEL": "1", "PREDICTOR": "NO"},
    {"COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "YES"},
    {"COMPRESS": "ZSTD", "LEVEL": "9", "PREDICTOR": "YES"},
    {"COMPRESS": "LZW", "PREDICTOR": "YES"},
]


def make_map(url: str, columns: int, rows: int, cells: int) -> None:
    """A map with the real coastline, waves and the noise of a modelled field; an area of
    applicability in patches.
    """
    west = -180.0 if columns > 14_400 else 60.0
    grid = Grid(west, 84 - rows * SECONDS_30, west + columns * SECONDS_30, 84, SECONDS_30)
    create_gridded(url, grid, map_variables(TargetConfig()), {"title": "benchmark"}, chunk=cells)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(cells, cells))
    for chunk in grid.chunks(cells):
        lon, lat = np.meshgrid(grid.longitudes[chunk.cols], grid.latitudes[chunk.rows])
        here = land_at(lon, lat)
        if not here.any():
            continue
        wave = (
            45
            + 25 * np.sin(lon / 3 + np.cos(lat)) * np.cos(lat)
            + 4 * np.roll(noise, chunk.index)[: lon.shape[0], : lon.shape[1]]
        )
        vic = np.where(here, np.clip(wave, 0, 100), np.nan).astype("f4")
        write_chunk(
            url,
            chunk,
            {
                "vic": vic,
                "aoa": np.where(here, np.sin(lon) * np.cos(lat * 2) > -0.4, 255).astype("u1"),
            },
        )


def plain_geotiff(map_url: str, variable: str, path: Path) -> None:
    """What ``gdal_translate`` is given."""
    array = zarr.open_group(map_url, mode="r")[variable]
    with rasterio.open(path.with_suffix(".icemap.tif")) as ours:
        profile = {
            "driver": "GTiff",
            "height": ours.height,
            "width": ours.width,
            "count": 1,
            "dtype": ours.dtypes[0],
            "nodata": ours.nodata,
        }
        place = {"crs": ours.crs, "transform": ours.transform}
    layout = {
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile, **place, **layout) as raw:
        for top in range(0, raw.height, 1024):
            raw.write(
                array[top : top + 1024],
                1,
                window=((top, min(top + 1024, raw.height)), (0, raw.width)),
            )


def gdal_translate(source: Path, out: Path, options: dict[str, str], resampling: str) -> None:
    out.unlink(missing_ok=True)
    settings = {
        **options,
        "OVERVIEW_RESAMPLING": resampling,
        "BIGTIFF": "IF_SAFER",
        "SPARSE_OK": "TRUE",
    }
    words = [word for key, value in settings.items() for word in ("-co", f"{key}={value}")]
    subprocess.run(
        [
            "gdal_translate",
            "-q",
            "--config",
            "GDAL_CACHEMAX",
            "64",
            "-of",
            "COG",
            *words,
            str(source),
            str(out),
        ],
        check=True,
    )


def _peak(map_url: str, variable: str, out: str, queue: "multiprocessing.Queue[float]") -> None:
    write_cog(map_url, variable, out)
    # Its own: ru_maxrss would start from its parent's.
    kilobytes = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert kilobytes is not None
    queue.put(round(int(kilobytes[1]) * 1024 / 1e6, 1))


def peak_megabytes(map_url: str, variable: str, out: Path) -> float:
    """Of a process that does nothing else."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_peak, args=(map_url, variable, str(out), queue))
    process.start()
    peak = queue.get()
    process.join()
    return peak


def main(
    columns: int = 43_200,
    rows: int = 7_080,
    rounds: int = 1,
    scratch: str | None = None,
    choices: bool = False,
    peak: bool = True,
    chunk: int = 512,
) -> dict[str, dict[str, object]]:
    """Make the map, run both in turns, print and return the figures."""
    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        map_url = str(folder / "map.zarr")
        make_map(map_url, columns, rows, chunk)
        version = subprocess.check_output(["gdal_translate", "--version"], text=True).strip()
        figures: dict[str, dict[str, object]] = {
            "map": {
                "columns": columns,
                "rows": rows,
                "chunk": chunk,
                "rounds": rounds,
                "gdal_translate": version,
            }
        }
        for variable, resampling in (("vic", "AVERAGE"), ("aoa", "NEAREST")):
            raw, out, theirs = (
                folder / f"{variable}.tif",
                folder / f"{variable}.icemap.tif",
                folder / f"{variable}.gdal.tif",
            )
            memory = peak_megabytes(map_url, variable, out) if peak else None
            write_cog(map_url, variable, str(out))
            plain_geotiff(map_url, variable, raw)
            ours, gdal = [], []
            for _ in range(rounds):
                ours.append(
                    timed(lambda variable=variable, out=out: write_cog(map_url, variable, str(out)))
                )
                gdal.append(
                    timed(
                        lambda raw=raw, theirs=theirs, resampling=resampling: gdal_translate(
                            raw, theirs, COMPRESSION, resampling
                        )
                    )
                )
            mine, others = np.array(ours), np.array(gdal)
            figures[variable] = {
                "icemap_wall_cpu_seconds": mine.mean(axis=0).round(2).tolist(),
                "gdal_translate_wall_cpu_seconds": others.mean(axis=0).round(2).tolist(),
                "ratio_wall": round(float(np.median(mine[:, 0] / others[:, 0])), 3),
                "ratio_cpu": round(float(np.median(mine[:, 1] / others[:, 1])), 3),
                "megabytes": [round(path.stat().st_size / 1e6, 2) for path in (out, theirs)],
                "icemap_peak_megabytes": memory,
                "valid": bool(cog_validate(str(out), strict=True, quiet=True)[0]),
            }
            for options in CHOICES if choices else ():
                seconds = timed(
                    lambda raw=raw, theirs=theirs, options=options, resampling=resampling: (
                        gdal_translate(raw, theirs, options, resampling)
                    )
                )
                reading = timed(lambda theirs=theirs: rasterio.open(theirs).checksum(1))
                label = " ".join(options.values())
                figures[variable][label] = {
                    "cpu_seconds": round(float(seconds[1]), 2),
                    "read_cpu_seconds": round(float(reading[1]), 2),
                    "megabytes": round(theirs.stat().st_size / 1e6, 1),
                }
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=10_800)
    parser.add_argument("--rows", type=int, default=3_540)
    parser.add_argument(
        "--chunk", type=int, default=512, help="cells per side of a chunk of the map"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scratch", help="folder for the files")
    parser.add_argument("--choices", action="store_true", help="measure other compressions too")
    main(**vars(parser.parse_args()))
