"""The benchmark runs, tiny, and its files are what they should be; nothing here judges time."""

import importlib.util
import shutil
from pathlib import Path

import pytest


@pytest.mark.skipif(
    shutil.which("gdal_translate") is None,
    reason="gdal_translate is not installed (Debian's gdal-bin)",
)
def test_the_benchmark_runs_and_the_files_are_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    spec = importlib.util.spec_from_file_location(
        "bench_cog", Path(__file__).with_name("bench_cog.py")
    )
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    figures = bench.main(columns=4_320, rows=1_536, scratch=str(tmp_path), peak=False)
    for variable in ("vic", "aoa"):
        ours, theirs = figures[variable]["megabytes"]
        assert figures[variable]["valid"]
        assert ours == pytest.approx(theirs, rel=0.1, abs=0.01)
