"""The benchmark runs, tiny, and its accuracy figures hold; nothing here judges time."""

import importlib.util
import shutil
from pathlib import Path

import pytest


@pytest.mark.skipif(
    shutil.which("gdalwarp") is None, reason="gdalwarp is not installed (Debian's gdal-bin)"
)
def test_the_benchmark_runs_and_the_cube_agrees_with_gdalwarp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    spec = importlib.util.spec_from_file_location(
        "bench_cube", Path(__file__).with_name("bench_cube.py")
    )
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    figures = bench.main(columns=600, rows=240, rounds=1, scratch=str(tmp_path))
    assert len(bench.SOURCES) == 10
    for source in bench.SOURCES:
        found = figures[source.name]
        if source.classes:
            assert found["cells_of_another_class"] < 1e-4, source.name
        elif found["samples"] == 1:
            assert found["largest_difference"] < 1e-4, source.name
            assert found["cells_missing_in_one"] < 1e-4, source.name
        else:
            assert found["icemap_rms_error"] < found["gdalwarp_rms_error"], source.name
