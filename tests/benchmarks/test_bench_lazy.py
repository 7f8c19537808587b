"""The benchmark of lazy predictions runs, tiny, in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "--rows 600 --columns 400 --chunk 128 --sites 40 --replicates 1 --threads 1"


@pytest.mark.slow
def test_predicting_a_dataset_runs_small() -> None:
    program = [sys.executable, str(Path(__file__).with_name("bench_lazy.py")), *SMALL.split()]
    result = subprocess.run(program, capture_output=True, text=True, timeout=900, check=True)
    figures = dict(line.split() for line in result.stdout.splitlines())
    assert figures["cells"] == "240,000"
    grown = float(figures["megabytes_peak"]) - float(figures["megabytes_before"])
    assert grown < 400
