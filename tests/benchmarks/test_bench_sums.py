"""The benchmark of the totals runs, and both ways agree."""

import runpy
from pathlib import Path


def test_the_benchmark_of_the_sums_runs_small():
    main = runpy.run_path(str(Path(__file__).with_name("bench_sums.py")))["main"]
    found = main(["--pixels", "300", "--replicates", "3", "--rounds", "1"])
    assert found["difference"] < 1e-12
