"""The benchmark runs, tiny, and its accuracy figures hold; nothing here judges time."""

import importlib.util
from pathlib import Path


def test_the_benchmark_runs_and_the_tables_are_accurate() -> None:
    spec = importlib.util.spec_from_file_location(
        "bench_bma", Path(__file__).with_name("bench_bma.py")
    )
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    figures = bench.main(small=True)
    assert figures["one fit"]["largest_difference_mean"] < 0.02
    assert figures["one fit"]["largest_difference_quantile"] < 0.02
    assert figures["pooled"]["tables_megabytes"] > 0
