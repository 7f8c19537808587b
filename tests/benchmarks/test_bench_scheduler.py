"""The simulation of a large cluster runs, tiny; a task stays small."""

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_task_is_small() -> None:
    spec = importlib.util.spec_from_file_location(
        "bench_scheduler", Path(__file__).with_name("bench_scheduler.py")
    )
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    figures = bench.main(workers=3, chunks=60)
    assert figures["chunks"] == 60
    assert figures["bytes_per_task"] < 4096
