"""The benchmark runs, small; nothing here judges time."""

import runpy
from pathlib import Path

from tests.small_chain import in_little


def test_the_benchmark_of_a_fold_runs_small(monkeypatch):
    file = Path(__file__).with_name("bench_fold.py")
    monkeypatch.syspath_prepend(file.parent)
    with in_little():
        figures = runpy.run_path(str(file))["main"](small=True)
    assert figures["ratio"] > 0
    assert figures["ratio_preview"] > 0
