"""The chain over a band runs, small, and every step is measured."""

import runpy
from pathlib import Path

import pytest

BENCHMARK = runpy.run_path(str(Path(__file__).with_name("bench_hemisphere.py")))
SMALL = "--rows 32 --columns 24000 --chunk 64 --sites 150 --replicates 2 --folds 3"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_chain_over_a_band_is_measured(capsys) -> None:
    figures = BENCHMARK["main"](SMALL.split())
    assert all(figures[f"{step}_cpu_seconds"] > 0.5 for step in BENCHMARK["STEPS"])
    assert all(figures[f"{step}_megabytes"] > 100 for step in BENCHMARK["STEPS"])
    assert 0 < figures["pixels"] < 32 * 24000
    assert "core-hours" in capsys.readouterr().out


def test_the_hemisphere_has_tens_of_millions_of_pixels_in_part_of_its_chunks() -> None:
    whole = BENCHMARK["Hemisphere"].sampled(side=256, step=1.0)
    assert 40e6 < whole.pixels_half_frozen < whole.pixels < 70e6
    assert 0.1 < whole.chunks * 256**2 / whole.cells < 0.5
