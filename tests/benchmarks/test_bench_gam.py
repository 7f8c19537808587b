"""The benchmark runs, small, and both fits agree; nothing here judges time."""

import runpy
from pathlib import Path


def test_the_benchmark_of_the_additive_model_runs_small(monkeypatch):
    file = Path(__file__).with_name("bench_gam.py")
    monkeypatch.syspath_prepend(file.parent)
    for figures in runpy.run_path(str(file))["main"](small=True).values():
        assert figures["penalty"] == figures["penalty_pygam"]
        assert figures["largest_difference_per_range"] < 3e-8
        assert figures["ratio"] > 0
