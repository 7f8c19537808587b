"""What a map of the hemisphere costs, from a strip of it: ``python tests/benchmarks/bench_strip.py
[--rows 600] [--ensemble DIR]``.

A strip of the 30 arc-second virtual Arctic, 43,200 cells wide and south of 70 degrees north, is
made by chunks (its 23 predictors and a 24th derived from one of them, all of them as coherent as
the virtual Arctic is) and mapped with 200 replicates by the real runner on a local cluster: chunks
by ledger, whole-chunk writes, the predictions of all replicates kept. The members of every
replicate are trained on their own sites; see `trained.py` for what is shortened.

CPU time is that of the workers, whatever else the machine does; wall time is not. How two workers
do against one is given next to how two processes of plain NumPy do against one on the same machine,
in turns.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import trained
from threadpoolctl import threadpool_limits

from icemap.config_sections import TargetConfig
from icemap.grid import Chunk, Grid
from icemap.gridded import Variable, create_gridded
from icemap.mapping.broadcast import ensemble_digest
from icemap.mapping.compiled_file import compiled_size
from icemap.mapping.map import MapBuild
from icemap.mapping.map_schema import map_variables
from icemap.mapping.replicate_fields import ReplicateFields, replicates_url
from icemap.predictors.cube import read_at_once
from icemap.running.cluster import DaskExecutor, open_cluster
from icemap.running.ledger import Ledger
from icemap.running.run import Job, _Timed, run_job
from icemap.virtual_arctic import world
from icemap.zarr_groups import write_chunk

HEMISPHERE_CELLS, PERMAFROST_PIXELS = 43_200 * 7_080, 40_000_000
#: Assumed, as in deploy/README.md: a vCPU of a spot instance.
DOLLARS_PER_VCPU_HOUR = 0.025
MASKS = ("land_fraction", "permafrost_fraction", "lake_fraction", "glacier_fraction")


@dataclass(frozen=True)
class StripCube:
    """Makes chunks of a cube of 24 predictors."""

    url: str
    grid: Grid
    chunk: int

    def create(self) -> None:
        kinds = {
            name: (
                "uint8"
                if name in world.PREDICTORS and world.PREDICTORS[name].kind == "class"
                else "float32"
            )
            for name in trained.NAMES
        }
        variables = [
            *(Variable(name, kind) for name, kind in kinds.items()),
            Variable("valid", "uint8"),
            Variable("fraction"),
        ]
        part = read_at_once(self.chunk)
        create_gridded(self.url, self.grid, variables, {}, chunk=part, shard=self.chunk)

    def __call__(self, chunk: Chunk) -> dict[str, int]:
        lon, lat = np.meshgrid(self.grid.longitudes[chunk.cols], self.grid.latitudes[chunk.rows])
        fields = world.predictors_at_points(lon.ravel(), lat.ravel(), [*world.PREDICTORS, *MASKS])
        land, frozen, lake, glacier = (np.nan_to_num(fields.pop(name)) for name in MASKS)
        valid = (land >= 0.5) & (frozen >= 0.1) & (glacier <= 0.5)
        arrays = {
            **trained.with_northness(fields, lon.ravel()),
            "valid": valid,
            "fraction": frozen * (1 - lake) * (1 - glacier),
        }
        write_chunk(
            self.url, chunk, {name: values.reshape(chunk.shape) for name, values in arrays.items()}
        )
        return {"valid": int(valid.sum())}


class Watched:
    """Samples the memory of processes, until it is left."""

    def __init__(self, pids: list[int], every: float) -> None:
        self.processes, self.every = [psutil.Process(pid) for pid in pids], every
        self.before = self.cpu_seconds()
        self.megabytes: list[list[float]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def cpu_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def _sample(self) -> None:
        while not self._end.wait(self.every):
            self.megabytes.append([process.memory_info().rss / 1e6 for process in self.processes])

    def __enter__(self) -> "Watched":
        self._thread.start()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self.started, self.cpu_seconds() - self.before
        self._end.set()
        self._thread.join()


@contextmanager
def workers(count: int) -> Iterator[tuple[DaskExecutor, list[int]]]:
    """A local cluster of single-threaded processes, which can import this file, and their process
    numbers.
    """
    with open_cluster("local", count, lambda line: None) as executor:
        yield executor, list(executor.client.run(os.getpid).values())


def map_chunks(
    build: MapBuild,
    chunks: list[Chunk],
    valid: dict[str, int],
    executor: DaskExecutor,
    pids: list[int],
    every: float = 1.0,
) -> Watched:
    """Map those of some chunks that are not done yet, through the real runner."""
    ledger = Ledger(f"{build.url}.ledger")
    if not ledger.keys():
        build.create({})
    job = Job("map", chunks, build, lambda chunk: valid[chunk.key], "pixels")
    with Watched(pids, every) as watched:
        run_job(job, ledger, executor, progress=False)
    return watched


NUMPY_WORK = """
import time, numpy as np
a, b = np.random.default_rng(0).random((256, 256)), np.random.default_rng(1).random(65536)
input()
end = time.perf_counter() + {seconds}
rounds = 0
while time.perf_counter() < end:
    a @ a; np.exp(b); rounds += 1
print(rounds / time.process_time())
"""


def numpy_processes(count: int, seconds: float) -> float:
    """Rounds of plain NumPy work per CPU second of one process, while so many run."""
    code = NUMPY_WORK.format(seconds=seconds)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    return float(np.mean([float(process.communicate()[0]) for process in started]))


def scaling(build: MapBuild, within: Chunk, rounds: int) -> dict[str, list[float]]:
    """One worker against two on the sixteenths of a chunk, and the same of plain NumPy, in
    turns.
    """
    build = replace(build, chunk=build.chunk // 4, fields=None)
    chunks = [
        c
        for c in build.chunks
        if within.rows.start <= c.rows.start < within.rows.stop
        and within.cols.start <= c.cols.start < within.cols.stop
    ]
    valid = {chunk.key: chunk.shape[0] * chunk.shape[1] for chunk in chunks}
    found: dict[str, list[float]] = {
        name: [] for name in ("wall_ratio", "work_per_cpu_second", "numpy_work_per_cpu_second")
    }
    with workers(1) as one, workers(2) as two:
        for k in range(rounds + 1):
            taken = [
                map_chunks(replace(build, url=f"{build.url}.{k}.{n}"), chunks, valid, *team)
                for n, team in ((1, one), (2, two))
            ]
            numpy = [numpy_processes(n, 3.0) for n in (1, 2)]
            found["wall_ratio"].append(taken[0].wall / taken[1].wall)
            found["work_per_cpu_second"].append(taken[0].cpu / taken[1].cpu)
            found["numpy_work_per_cpu_second"].append(numpy[1] / numpy[0])
    return {
        name: values[1:] for name, values in found.items()
    }  # the first round loads the ensemble


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--columns", type=int, default=43_200)
    parser.add_argument("--chunk", type=int, default=512)
    parser.add_argument("--sites", type=int, default=1178)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="of one worker against two")
    parser.add_argument(
        "--every", type=float, default=1.0, help="seconds between samples of the memory"
    )
    parser.add_argument(
        "--ensemble", type=Path, help="folder of a trained ensemble; made there if it is not"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="where cube and map are written, to be kept; a run that was stopped goes on there",
    )
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        return measure(options, options.folder or Path(scratch))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    # Workers import this file and its neighbour by name.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    )
    url = options.ensemble or folder / "ensemble"
    with threadpool_limits(1):
        packing = trained.compiled(url, options.sites, options.replicates)
    figures = {
        "packed_megabytes": compiled_size(str(url)) / 1e6,
        **({} if packing is None else {"packing_cpu_seconds": packing}),
    }
    west = -180.0 if options.columns == 43_200 else 128.0
    grid = Grid(west, 70 - options.rows / 120, west + options.columns / 120, 70.0, 1 / 120)
    cube = StripCube(str(folder / "cube.zarr"), grid, options.chunk)
    chunks = list(grid.chunks(options.chunk))
    fields = ReplicateFields(
        replicates_url(str(folder / "map.zarr")), options.replicates, 0.0, 100.0
    )
    build = MapBuild(
        str(folder / "map.zarr"),
        cube.url,
        str(url),
        ensemble_digest(str(url)),
        grid,
        options.chunk,
        map_variables(TargetConfig()),
        fields,
    )
    from distributed.protocol.pickle import dumps

    figures["bytes_per_task"] = len(dumps((_Timed(build), chunks[-1])))
    with workers(options.workers) as (executor, pids):
        ledger = Ledger(str(folder / "cube.ledger"))
        if not ledger.keys():
            cube.create()
        with Watched(pids, options.every) as making:
            run_job(
                Job("cube", chunks, cube, lambda chunk: chunk.shape[0] * chunk.shape[1], "cells"),
                ledger,
                executor,
            )
        valid = {key: record["valid"] for key, record in ledger.records().items()}
    before = Ledger(f"{build.url}.ledger").keys()
    total = sum(pixels for key, pixels in valid.items() if key not in before)
    figures |= {
        "cells": float(np.prod(grid.shape)),
        "pixels": float(sum(valid.values())),
        "pixels_in_this_run": float(total),
    }
    figures["cube_cpu_microseconds_per_cell"] = 1e6 * making.cpu / np.prod(grid.shape)
    with workers(options.workers) as (executor, pids):
        watched = map_chunks(build, chunks, valid, executor, pids, options.every)
    records = Ledger(f"{build.url}.ledger").records()
    empty = [record["seconds"] for record in records.values() if not record["valid"]]
    figures |= {
        "map_wall_seconds": watched.wall,
        "pixels_per_wall_second": total / watched.wall,
        "cpu_share_of_a_worker": watched.cpu / watched.wall / options.workers,
        "cpu_microseconds_per_pixel": 1e6 * watched.cpu / total,
        "seconds_per_empty_chunk": float(np.median(empty)) if empty else 0.0,
        **memory(np.array(watched.megabytes)),
    }
    if options.rounds:
        busiest = max(chunks, key=lambda chunk: valid[chunk.key])
        figures |= {
            name: float(np.median(values))
            for name, values in scaling(build, busiest, options.rounds).items()
        }
    core_hours = figures["cpu_microseconds_per_pixel"] * PERMAFROST_PIXELS / 3.6e9
    figures |= {
        "hemisphere_core_hours": core_hours,
        "hemisphere_dollars": core_hours * DOLLARS_PER_VCPU_HOUR,
    }
    for name, value in figures.items():
        print(f"{name:34s}{value:16,.3f}")
    print(
        f"The strip is {grid.shape[1]:,} x {grid.shape[0]:,} cells,"
        f" {sum(valid.values()) / np.prod(grid.shape):.0%} of them mapped. The hemisphere has"
        f" {HEMISPHERE_CELLS / 1e6:.0f} million cells, of which {PERMAFROST_PIXELS / 1e6:.0f}"
        f" million are permafrost: {core_hours:.2f} core-hours, {figures['hemisphere_dollars']:.2f}"
        f" dollars at an assumed {DOLLARS_PER_VCPU_HOUR} dollars per vCPU-hour."
    )
    return figures


def memory(megabytes: np.ndarray) -> dict[str, float]:
    """Samples (times, workers): the most any worker had, and the means of the second and of the
    last quarter of the run.
    """
    quarter = max(1, len(megabytes) // 4)
    return {
        "worker_megabytes_most": float(megabytes.max()),
        "worker_megabytes_second_quarter": (
            float(megabytes[quarter : 2 * quarter].mean())
            if len(megabytes) > 1
            else float(megabytes.mean())
        ),
        "worker_megabytes_last_quarter": float(megabytes[-quarter:].mean()),
        "samples_of_memory": float(len(megabytes)),
    }


if __name__ == "__main__":
    # Run by name, so that workers find its classes.
    sys.path.insert(0, str(Path(__file__).parent))
    from bench_strip import main as run

    run()
