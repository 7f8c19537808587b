"""The benchmark of opening an ensemble runs, and both ways agree."""

import runpy
from pathlib import Path


def test_the_benchmark_of_opening_runs_small(monkeypatch):
    file = Path(__file__).with_name("bench_open.py")
    monkeypatch.syspath_prepend(file.parent)
    small = ["--sites", "120", "--replicates", "2", "--pixels", "30", "--rounds", "1"]
    assert runpy.run_path(str(file))["main"](small)["difference"] < 2e-3
