"""The benchmark runs, small, and both fits agree; nothing here judges time."""

import runpy
from pathlib import Path


def test_the_benchmark_of_the_student_copula_runs_small(monkeypatch):
    file = Path(__file__).with_name("bench_copula.py")
    monkeypatch.syspath_prepend(file.parent)
    for figures in runpy.run_path(str(file))["main"](small=True).values():
        assert figures["log_likelihood_gained"] > -1e-4
        assert figures["ratio"] > 0
