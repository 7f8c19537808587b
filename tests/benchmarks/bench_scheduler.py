"""What a map costs the scheduler: ``python tests/benchmarks/bench_scheduler.py [--workers 500]
[--chunks 10000]``.

A scheduler in a process of its own, and workers that live together in a few others and do nothing
but report a chunk done. Printed are the bytes that travel with a task, and the CPU time and memory
of the scheduler per chunk: the numbers that say how many workers one scheduler can feed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.mapping.map import MapBuild
from icemap.mapping.map_schema import map_variables
from icemap.running.cluster import open_cluster
from icemap.running.run import _Timed

WORKERS = """
import asyncio, sys
import dask
from distributed import Worker

# Each of a hundred in a process would look after itself a hundred times a second, and none
# would get to work.
dask.config.set({
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "5s",
    "distributed.admin.system-monitor.interval": "60s",
})

async def main(address, count):
    workers = []
    # One after the other: all at once they would miss one another's timeouts.
    for _ in range(count):
        worker = Worker(
            address, nthreads=1, heartbeat_interval="30s", dashboard=False, memory_limit=0
        )
        workers.append(await worker)
    await asyncio.gather(*(worker.finished() for worker in workers))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class StubMap(MapBuild):
    """Travels like the real build, and does nothing."""

    def __call__(self, chunk):
        return {"pixels": chunk.shape[0] * chunk.shape[1], "valid": 0, "sums": {}}


@contextmanager
def running(*command: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def main(workers: int = 500, chunks: int = 10_000, processes: int = 4) -> dict[str, float]:
    from distributed import Client
    from distributed.protocol.pickle import dumps

    # A hemisphere at 30 arc-seconds has some 1,300 chunks of 512 cells with land on them; smaller
    # chunks make more of them here.
    grid = Grid(-180, 0, 180, 90, 0.25)
    build = StubMap(
        "s3://bucket/run/map.zarr",
        "s3://bucket/run/cube.zarr",
        "s3://bucket/run/ensemble",
        "0" * 64,
        grid,
        5,
        map_variables(TargetConfig()),
    )
    items = build.chunks[:chunks]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        command = [
            sys.executable,
            "-m",
            "dask",
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(file),
        ]
        with running(*command) as scheduler:
            while not file.exists():
                time.sleep(0.1)
            address = json.loads(file.read_text())["address"]
            with ExitStack() as started:
                for part in range(processes):
                    started.enter_context(
                        running(
                            sys.executable,
                            "-c",
                            WORKERS,
                            address,
                            str(len(range(part, workers, processes))),
                        )
                    )
                with Client(address) as client:
                    client.wait_for_workers(workers, timeout=1800)
                with open_cluster(address, 0, lambda line: None) as executor:
                    before, start, memory = scheduler.cpu_times(), time.perf_counter(), []
                    for done, _ in enumerate(executor.map(_Timed(build), items), start=1):
                        if done % max(1, len(items) // 40) == 0:
                            memory.append(scheduler.memory_info().rss)
                    after, wall = scheduler.cpu_times(), time.perf_counter() - start
    assert done == len(items)
    cpu = after.user + after.system - before.user - before.system
    return {
        "workers": workers,
        "chunks": done,
        "bytes_per_task": len(dumps((_Timed(build), items[-1]))),
        "scheduler_cpu_milliseconds_per_chunk": 1e3 * cpu / done,
        # Buffers fill up at first; what still grows in the second half would go on growing.
        "scheduler_memory_growth_bytes_per_chunk": (
            (memory[-1] - memory[len(memory) // 2]) / (done / 2)
        ),
        "scheduler_memory_megabytes": max(memory) / 1e6,
        "chunks_per_second": done / wall,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4, help="that the workers share")
    for name, value in main(**vars(parser.parse_args())).items():
        print(
            f"{name:42s}{value:12,.3f}" if isinstance(value, float) else f"{name:42s}{value:12,d}"
        )
