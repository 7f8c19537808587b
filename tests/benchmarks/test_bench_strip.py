"""The strip runs, tiny, through real workers; tasks are small and every pixel is mapped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "--rows 128 --columns 256 --chunk 64 --sites 150 --replicates 2 --rounds 0 --every 0.05"


@pytest.mark.slow
def test_the_strip_runs_small(tmp_path: Path) -> None:
    program = [
        sys.executable,
        str(Path(__file__).with_name("bench_strip.py")),
        *SMALL.split(),
        "--folder",
        str(tmp_path),
    ]
    result = subprocess.run(program, capture_output=True, text=True, timeout=600, check=True)
    lines = [line.split() for line in result.stdout.splitlines() if line[:1].islower()]
    figures = {name: float(value.replace(",", "")) for name, value in lines}
    assert figures["bytes_per_task"] < 4096
    assert figures["pixels"] > 0.5 * figures["cells"]
    records = [
        json.loads(path.read_text()) for path in (tmp_path / "map.zarr.ledger").glob("[!.]*.json")
    ]
    assert sum(record["valid"] for record in records) == figures["pixels"]
    assert figures["worker_megabytes_most"] >= figures["worker_megabytes_last_quarter"] > 100
