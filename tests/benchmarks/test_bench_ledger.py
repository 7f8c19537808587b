"""The benchmark of the ledger runs; a client of a large map stays small."""

import runpy
from pathlib import Path


def test_the_benchmark_of_the_ledger_runs_small():
    main = runpy.run_path(str(Path(__file__).with_name("bench_ledger.py")))["main"]
    small = ["--chunks", "300", "--before", "20", "--regions", "4", "--replicates", "30"]
    found = main(small)
    assert found["in files"]["memory"] < 300
