"""Time and memory that the records of a large map take a client: ``python
tests/benchmarks/bench_ledger.py [--chunks 18900]``.

A ledger of synthetic records with the sums of every chunk in a file of its own, as workers write
them, is planned from and added up in a process of its own, whose largest memory is told; and a part
of it again, with the sums inside the records, as they were until November 2026. The files with sums
are one file under many names, which readers do not know.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from icemap.grid import Grid
from icemap.running.ledger import Ledger

# What a client does: what is to be done still, the records, and the totals.
CLIENT = """
import re, sys, time
from functools import reduce
from icemap.grid import Grid
from icemap.json_records import MapChunkRecord
from icemap.mapping.sums import add, from_records
from icemap.running.ledger import Ledger
from icemap.running.run import Job, SerialExecutor, run_job
url, columns = sys.argv[1], int(sys.argv[2])
ledger = Ledger(url, MapChunkRecord)
chunks = list(Grid(0, 0, columns / 128, 1 / 128, 1 / 128).chunks(1))
begin = time.process_time()
def work(chunk):
    raise AssertionError("everything is done")
valid = sum(r["valid"] for r in run_job(Job("map", chunks, work), ledger, SerialExecutor()))
planned = time.process_time() - begin
parts = (ledger.numbers(key, record) for key, record in ledger.each())
sums = reduce(add, map(from_records, parts), {})
# Its own: ru_maxrss would start from its parent's.
used = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(valid, sums["all"].area_km2, planned, time.process_time() - begin, used)
"""


def write_ledger(folder: Path, chunks: int, regions: int, replicates: int, inside: bool) -> None:
    """Records of a map of one column per chunk."""
    rng, ledger = np.random.default_rng(0), Ledger(str(folder))
    one = {
        "area_km2": 1.0,
        "area_aoa_km2": 0.5,
        "integral": rng.uniform(1e3, 1e4, replicates).tolist(),
        "integral_aoa": rng.uniform(1e3, 1e4, replicates).tolist(),
        "integral_sd": 3.3,
        "integral_var": 4.4,
    }
    sums = dict.fromkeys(("all", *(f"region {i} / whole" for i in range(1, regions))), one)
    facts = {"seconds": 12.3456, "processor": "x86-64", "pixels": 65536, "valid": 40000}
    facts |= {"aoa": 30000, "extrapolated": 100}
    first = None
    for chunk in Grid(0, 0, chunks / 128, 1 / 128, 1 / 128).chunks(1):
        if inside:
            ledger.write(chunk.key, {**facts, "sums": sums})
        elif first is None:
            first = ledger.write_numbers(chunk.key, sums), folder / f"{chunk.key}.npz"
            ledger.write(chunk.key, {**facts, "table": first[0]})
        else:
            os.link(first[1], folder / f"{chunk.key}.npz")
            ledger.write(chunk.key, {**facts, "table": first[0]})


def measured(chunks: int, regions: int, replicates: int, inside: bool) -> dict[str, float]:
    """CPU seconds and megabytes of a client."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "ledger"
        write_ledger(folder, chunks, regions, replicates, inside)
        record = sum(path.stat().st_size for path in folder.glob("r000c000.*"))
        command = [sys.executable, "-c", CLIENT, str(folder), str(chunks)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    valid, area, planned, seconds, memory = map(float, done.stdout.split())
    assert (valid, area) == (40000 * chunks, chunks)
    where = "inside records" if inside else "in files"
    print(
        f"sums {where:14s} {chunks:6d} chunks, {record / 1e3:6.1f} kB each: plan {planned:.1f} s,"
        f" plan and totals {seconds:.1f} s CPU, {memory:.0f} MB"
    )
    return {"seconds": seconds, "memory": memory}


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=18_900)
    parser.add_argument("--before", type=int, default=1_000, help="chunks for the earlier format")
    parser.add_argument("--regions", type=int, default=20)
    parser.add_argument("--replicates", type=int, default=200)
    options = parser.parse_args(arguments)
    size = options.regions, options.replicates
    found = {"in files": measured(options.chunks, *size, inside=False)}
    if options.before:
        found["same number in files"] = measured(options.before, *size, inside=False)
        found["inside records"] = measured(options.before, *size, inside=True)
    print(json.dumps(found))
    return found


if __name__ == "__main__":
    main()
