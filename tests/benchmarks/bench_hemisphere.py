"""What a run of the hemisphere costs, step by step: ``python tests/benchmarks/bench_hemisphere.py
[--rows 256] [--workers 2]``.

The predictors and masks of the virtual Arctic are written as GeoTIFFs of 30 arc seconds over a band
of the hemisphere's grid, 43,200 cells wide, and the command ``icemap`` goes from these files and a
table of sites to the report, with the settings that a real map has: 1,178 sites, 200 replicates, 10
folds. Every step runs by itself; the CPU time is that of all its processes, whatever else the
machine does.

What does not depend on the size of the map (boreholes, train, verify, report) is taken as it is;
cube and products are scaled by the chunks that hold a mapped cell, map and totals by the pixels.
Cube and products are made of a quarter of the band, too, with few sites: what they cost more of the
whole band is what grows. A third chain has the quarter below three times as many chunks without a
mapped cell: what it costs more is what the hemisphere's empty chunks cost. The numbers of the
hemisphere come from the masks of the virtual Arctic, whose coast is the real one, every tenth of a
degree.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import rasterio
import yaml
from affine import Affine
from rasterio.windows import Window

from icemap.grid import Grid
from icemap.virtual_arctic import world

COLUMNS, HEMISPHERE_ROWS = 43_200, 7_080
RESOLUTION = 1 / 120
# Where the band begins, and the hemisphere's grid: 59 degrees of latitude, 25 to 84 N.
BAND_NORTH, HEMISPHERE_NORTH = 68.0, 84.0
CHUNK = 256
# Steps whose start is a good part of what they take of a band.
STARTING = ("cube", "publish")
# Empty chunks for each chunk of the quarter that is made with them.
EMPTY = 3
STEPS = ("cube", "boreholes", "train", "verify", "map", "storage", "publish", "report")
# The masks of the demo: what is mapped.
MIN_LAND, MIN_FROZEN, MAX_GLACIER = 0.5, 0.1, 0.5
PAPER_PIXELS = 40e6
PERIOD = 0.5  # seconds between two looks at the processes


def mapped(masks: dict[str, np.ndarray], min_frozen: float = MIN_FROZEN) -> np.ndarray:
    return (
        (masks["land_fraction"] >= MIN_LAND)
        & (masks["permafrost_fraction"] >= min_frozen)
        & (masks["glacier_fraction"] <= MAX_GLACIER)
    )


@dataclass(frozen=True)
class Options:
    """The chain that is measured."""

    rows: int
    columns: int
    chunk: int
    sites: int
    replicates: int
    folds: int
    workers: int
    empty_rows: int = 0

    @property
    def south(self) -> float:
        """Where the last row ends that may be mapped."""
        return BAND_NORTH - self.rows * RESOLUTION

    @property
    def grid(self) -> Grid:
        south = self.south - self.empty_rows * RESOLUTION
        return Grid(-180.0, south, self.columns * RESOLUTION - 180, BAND_NORTH, RESOLUTION)

    @property
    def narrow(self) -> "Options":
        """A quarter of the band, with as few sites and fits as a chain may have."""
        return replace(self, columns=self.columns // 4, sites=150, replicates=2, folds=3)

    @property
    def mostly_empty(self) -> "Options":
        """The same above rows in which nothing is mapped."""
        return replace(self.narrow, empty_rows=EMPTY * self.rows)


@dataclass(frozen=True)
class Hemisphere:
    """What the whole grid holds, by the masks at points of a tenth of a degree."""

    cells: float
    pixels: float
    pixels_half_frozen: float
    chunks: int
    empty_chunks: int

    @classmethod
    def sampled(cls, side: int = CHUNK, step: float = 0.1) -> "Hemisphere":
        south = HEMISPHERE_NORTH - HEMISPHERE_ROWS * RESOLUTION
        longitude = np.arange(-180 + step / 2, 180, step)
        latitude = np.arange(HEMISPHERE_NORTH - step / 2, south, -step)
        masks = world.predictors(longitude, latitude, list(world.MASKS))
        each = (step / RESOLUTION) ** 2
        frozen, half = mapped(masks), mapped(masks, 0.5)
        rows, cols = np.nonzero(frozen)
        row = ((HEMISPHERE_NORTH - latitude[rows]) / RESOLUTION).astype(int) // side
        col = ((longitude[cols] + 180) / RESOLUTION).astype(int) // side
        chunks = len(set(zip(row.tolist(), col.tolist())))
        return cls(
            float(COLUMNS * HEMISPHERE_ROWS),
            each * frozen.sum(),
            each * half.sum(),
            chunks,
            -(-COLUMNS // side) * -(-HEMISPHERE_ROWS // side) - chunks,
        )


def write_sources(folder: Path, options: Options) -> tuple[int, int, int]:
    """Write every field as a GeoTIFF; the numbers of mapped cells, of chunks that hold one, and of
    those that hold none.
    """
    grid = options.grid
    fields = world.PREDICTORS | world.MASKS
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "zstd"}
    place = {
        "crs": "EPSG:4326",
        "transform": Affine(grid.resolution, 0, grid.west, 0, -grid.resolution, grid.north),
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": 1,
    }
    opened = {}
    for name, info in fields.items():
        kind = (
            {"dtype": "uint8", "nodata": world.CLASS_NODATA}
            if info.kind == "class"
            else {"dtype": "float32", "nodata": np.nan}
        )
        opened[name] = rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", **place, **layout, **kind
        )
    pixels = chunks = empty = 0
    for chunk in grid.chunks(options.chunk):
        latitudes = grid.latitudes[chunk.rows]
        values = world.predictors(grid.longitudes[chunk.cols], latitudes, list(fields))
        values["land_fraction"][latitudes < options.south] = 0
        window = Window.from_slices(chunk.rows, chunk.cols)
        for name, dataset in opened.items():
            dataset.write(values[name], 1, window=window)
        inside = int(mapped(values).sum())
        pixels, chunks, empty = pixels + inside, chunks + bool(inside), empty + (not inside)
    for dataset in opened.values():
        dataset.close()
    return pixels, chunks, empty


def draw_sites(options: Options) -> pd.DataFrame:
    """Sites on mapped land of the band, with a noisy target."""
    rng, grid, sites = np.random.default_rng(0), options.grid, options.sites
    lon = rng.uniform(grid.west, grid.east, 30 * sites)
    lat = rng.uniform(options.south, grid.north, 30 * sites)
    found = np.flatnonzero(mapped(world.predictors_at_points(lon, lat, list(world.MASKS))))[:sites]
    if len(found) < sites:
        raise SystemExit(f"The band has mapped land for {len(found)} sites only.")
    lon, lat = lon[found], lat[found]
    vic = np.clip(world.truth_at_points(lon, lat) + rng.normal(0, 8, sites), 0, 100)
    return pd.DataFrame({"lon": lon, "lat": lat, "vic": vic})


def write_config(folder: Path, options: Options) -> None:
    grid, fields = options.grid, world.PREDICTORS | world.MASKS
    data = {name: {"kwargs": {"url": f"{{CATALOG_DIR}}/{name}.tif"}} for name in fields}
    entries = {}
    for name, info in fields.items():
        keys: dict[str, object] = {
            "family": info.family,
            "long_name": info.long_name,
            "unit": info.unit,
            "kind": info.kind,
        }
        if info.classes:
            keys["classes"] = dict(enumerate(info.classes))
        entries[name] = {"kwargs": {"data": f"{{data({name})}}"}, "metadata": keys}
    catalog = {"version": 2, "data": data, "entries": entries}
    config = {
        "run": "run",
        "title": "A band of the virtual Arctic (synthetic)",
        "grid": {
            "west": grid.west,
            "south": grid.south,
            "east": grid.east,
            "north": grid.north,
            "resolution": "30 arcsec",
            "chunk": options.chunk,
        },
        "catalog": "catalog.yaml",
        "predictors": list(world.PREDICTORS),
        "masks": [
            {"source": "land_fraction", "at_least": MIN_LAND},
            {"source": "permafrost_fraction", "at_least": MIN_FROZEN, "counts": "part"},
            {"source": "lake_fraction", "counts": "rest"},
            {"source": "glacier_fraction", "at_most": MAX_GLACIER, "counts": "rest"},
        ],
        "sites": {"table": "sites.csv", "value": "vic", "unit": "%"},
        "ensemble": {"replicates": options.replicates},
        "verification": {"folds": options.folds},
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump(catalog, sort_keys=False))
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    draw_sites(options).to_csv(folder / "sites.csv", index=False)


@dataclass
class Usage:
    """What a command and all its processes take."""

    cpu: float = 0.0
    megabytes: float = 0.0
    read: dict[int, int] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)

    def look(self, process: psutil.Process) -> None:
        for one in (process, *process.children(recursive=True)):
            try:
                self.megabytes = max(self.megabytes, one.memory_info().rss / 1e6)
                counters = one.io_counters()
            except psutil.Error:
                continue  # it has just ended
            self.read[one.pid] = counters.read_chars
            self.written[one.pid] = counters.write_chars


def run_step(step: str, config: Path, workers: int) -> Usage:
    command = [str(Path(sys.executable).parent / "icemap"), step, str(config)]
    if step not in ("boreholes", "report"):
        command += ["--workers", str(workers)]
    used, ended = Usage(), threading.Event()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (config.parent / f"{step}.log").open("w") as log:
        started = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        process = psutil.Process(started.pid)
        watch = threading.Thread(target=_watch, args=(lambda: used.look(process), ended))
        watch.start()
        code = started.wait()
        ended.set()
        watch.join()
    if code:
        raise SystemExit(f"icemap {step} ended with {code}: see {config.parent / step}.log")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used


def _watch(look: Callable[[], None], ended: threading.Event) -> None:
    while not ended.wait(PERIOD):
        try:
            look()
        except psutil.NoSuchProcess:
            return


def stored(folder: Path) -> tuple[int, int]:
    """Objects and bytes below a folder: each object is one request when it is written to a
    bucket.
    """
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


@dataclass
class Chain:
    """A band that went through the steps, by name."""

    grid: Grid
    pixels: int
    chunks: int
    empty_chunks: int
    steps: dict[str, Usage] = field(default_factory=dict)

    def size(self, step: str) -> float:
        """What the costs of a step grow with."""
        return float(self.chunks if step in STARTING else self.pixels)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--sites", type=int, default=1178)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where sources and run are kept")
    given = vars(parser.parse_args(arguments))
    chosen = given.pop("folder")
    with tempfile.TemporaryDirectory() as scratch:
        return measure(Options(**given), chosen or Path(scratch))


def begun(folder: Path, options: Options) -> Chain:
    """The sources and the config of a chain, of which no step is done."""
    folder.mkdir(parents=True, exist_ok=True)
    chain = Chain(options.grid, *write_sources(folder, options))
    write_config(folder, options)
    return chain


@dataclass(frozen=True)
class Scale:
    """What three chains say of larger ones: the band, a quarter of it, and that above emptiness."""

    band: Chain
    narrow: Chain
    mostly_empty: Chain

    def empty_chunk(self, step: str) -> float:
        """CPU seconds for a chunk in which nothing is mapped."""
        more = self.mostly_empty.steps[step].cpu - self.narrow.steps[step].cpu
        return more / (self.mostly_empty.empty_chunks - self.narrow.empty_chunks)

    def seconds(self, step: str, size: float, empty_chunks: float) -> float:
        """CPU seconds of a step of a map of this size; of none, what it takes to start."""
        band, narrow, empty = self.band, self.narrow, self.empty_chunk(step)
        taken = band.steps[step].cpu - empty * band.empty_chunks
        if step in STARTING:
            in_quarter = narrow.steps[step].cpu - empty * narrow.empty_chunks
            each = (taken - in_quarter) / (band.size(step) - narrow.size(step))
        else:
            each = taken / band.size(step)
        return taken + each * (size - band.size(step)) + empty * empty_chunks


def measure(options: Options, folder: Path) -> dict[str, float]:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    quarters = []
    for name, quarter in (("narrow", options.narrow), ("mostly_empty", options.mostly_empty)):
        chain = begun(folder / name, quarter)
        for step in STEPS[: STEPS.index("publish") + 1]:
            chain.steps[step] = run_step(step, folder / name / "config.yaml", options.workers)
        quarters.append(chain)
    band = begun(folder, options)
    scale = Scale(band, *quarters)
    whole = Hemisphere.sampled(options.chunk)
    sizes = {
        "cube": float(whole.chunks),
        "map": whole.pixels,
        "storage": whole.pixels,
        "publish": float(whole.chunks),
    }
    print(
        f"The band: {band.grid.shape[1]:,} x {band.grid.shape[0]:,} cells, {band.pixels:,} of them"
        f" mapped, in {band.chunks} chunks. The hemisphere, 25 to 84 N: {whole.cells / 1e6:.0f}"
        f" million cells; {whole.pixels / 1e6:.0f} million with land of {MIN_LAND:.0%} and"
        f" permafrost of {MIN_FROZEN:.0%} at least and glaciers of {MAX_GLACIER:.0%} at most, in"
        f" {whole.chunks:,} chunks; {whole.pixels_half_frozen / 1e6:.0f} million with permafrost of"
        " 50 % at least."
    )
    print("step          CPU s      scaled to the hemisphere, h   largest process MB   read / GB")
    figures = {"pixels": float(band.pixels), "hemisphere_pixels": whole.pixels}
    total = at_paper = 0.0
    for step in STEPS:
        used = band.steps[step] = run_step(step, folder / "config.yaml", options.workers)
        seconds = used.cpu
        if step in sizes:
            seconds = scale.seconds(step, sizes[step], whole.empty_chunks)
        hours = seconds / 3600
        by_pixels = step in ("map", "storage")
        total += hours
        at_paper += hours * (PAPER_PIXELS / whole.pixels if by_pixels else 1.0)
        figures |= {f"{step}_cpu_seconds": used.cpu, f"{step}_megabytes": used.megabytes}
        read, written = sum(used.read.values()) / 1e9, sum(used.written.values()) / 1e9
        print(
            f"{step:10s}{used.cpu:9,.0f}{hours:33.3f}{used.megabytes:21,.0f}"
            f"{read:13.2f}, written {written:.2f}",
            flush=True,
        )
    starts = [f"{step} {scale.seconds(step, 0.0, 0.0):.0f} s" for step in STARTING]
    print(f"What it takes to start, whatever the size: {', '.join(starts)}.")
    empty = [f"{step} {1000 * scale.empty_chunk(step):.0f} ms" for step in sizes]
    print(
        f"An empty chunk, of which the hemisphere has {whole.empty_chunks:,}: {', '.join(empty)}."
    )
    objects, size = stored(folder / "run")
    figures |= {"hemisphere_core_hours": total, "objects": float(objects)}
    print(
        f"The whole chain: {total:.2f} core-hours; {at_paper:.2f} with {PAPER_PIXELS / 1e6:.0f}"
        f" million pixels. The run holds {objects:,} objects of {size / 1e9:.2f} GB."
    )
    return figures


if __name__ == "__main__":
    main()
