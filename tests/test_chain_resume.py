"""Killed at any moment, a run goes on where it was and ends with the bits of an undisturbed one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import xarray as xr
import yaml
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

from icemap.cli import main
from icemap.config import load_config
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.running.ledger import Ledger
from icemap.virtual_arctic.demo import write_demo
from tests.small_chain import COMMAND, in_little

SETTINGS = {
    "grid": {"west": -180, "south": 40, "east": 180, "north": 84, "resolution": 2, "chunk": 16},
    "predictors": ["maat", "snow_depth", "elevation", "slope", "deposit"],
    "ensemble": {
        "members": ["sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"],
        "replicates": 2,
        "folds": 3,
        "candidates": 1,
        "prior_strength": 100,
        "climatology": 0,
        "position": False,
    },
    "verification": {"folds": 3, "places": 300, "competitors": []},
}
CHUNKS = 2 * 12


def write_project(folder: Path) -> Path:
    config = Path(write_demo(str(folder), "small"))
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **SETTINGS}))
    return config


def start(config: Path, *options: str) -> subprocess.Popen:
    program = [*COMMAND, "run", str(config), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )


def kill_at(process: subprocess.Popen, ledger: Path, records: int) -> None:
    """Kill command, scheduler and workers with signal 9 as soon as so many records are there."""
    try:
        deadline = time.monotonic() + 800
        while not ledger.is_dir() or len(records_of(ledger)) < records:
            assert process.poll() is None, "the command ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def records_of(ledger: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in ledger.glob("[!.]*.json")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The run folder of the same project, made in this process without a cluster as far as its
    numbers go.
    """
    config = write_project(tmp_path_factory.mktemp("undisturbed"))
    context = Context(load_config(str(config)), "serial", 1, lambda line: None)
    with threadpool_limits(1), in_little():
        run_steps(STEPS, context, ["cube", "boreholes", "train", "verify", "map", "storage"])
    return config.parent / "run"


@pytest.fixture(scope="module")
def killed_twice(tmp_path_factory) -> tuple[Path, dict[str, dict[str, int]], str]:
    """A run killed in its cube and in its map (2 workers), then finished (without any), the records
    there were at each kill, and its status after the last.
    """
    config = write_project(tmp_path_factory.mktemp("killed"))
    run, kept = config.parent / "run", {}
    for job in ("cube", "map"):
        process = start(config, "--workers", "2")
        kill_at(process, run / "ledger" / job, 5)
        kept[job] = records_of(run / "ledger" / job)
        assert 5 <= len(kept[job]) < CHUNKS
    status = CliRunner().invoke(main, ["status", str(run)]).stdout
    process = start(config, "--cluster", "serial")
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    assert "map: continuing" in said
    assert "cube: there already" in said
    return run, kept, status


@pytest.mark.parametrize("job", ["cube", "map"])
def test_finished_chunks_are_not_made_again(killed_twice, job):
    run, kept, _ = killed_twice
    after = records_of(run / "ledger" / job)
    assert len(after) == CHUNKS
    assert {name: after[name] for name in kept[job]} == kept[job]


@pytest.mark.parametrize("name", ["cube.zarr", "map.zarr"])
def test_grids_are_bit_identical_to_an_undisturbed_serial_run(undisturbed, killed_twice, name):
    run, *_ = killed_twice
    first, second = (
        xr.open_zarr(folder / name, consolidated=False, mask_and_scale=False).load()
        for folder in (undisturbed, run)
    )
    assert set(first.data_vars) == set(second.data_vars)
    for variable in first.data_vars:
        assert first[variable].to_numpy().tobytes() == second[variable].to_numpy().tobytes(), (
            variable
        )


def test_samples_ensemble_verification_and_totals_are_identical(undisturbed, killed_twice):
    run, *_ = killed_twice
    pd.testing.assert_frame_equal(
        pd.read_parquet(undisturbed / "samples.parquet"),
        pd.read_parquet(run / "samples.parquet"),
        check_exact=True,
    )
    for name in (
        "verification.json",
        "ice_storage.json",
        "ensemble/calibration.json",
        "ensemble/applicability.json",
    ):
        assert (undisturbed / name).read_bytes() == (run / name).read_bytes(), name
    first, second = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (undisturbed / "ensemble", run / "ensemble")
    )
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_the_sums_of_the_chunks_are_the_same_in_any_order(undisturbed, killed_twice):
    run, *_ = killed_twice
    first, second = (
        Ledger(str(folder / "ledger" / "map")).records() for folder in (undisturbed, run)
    )
    assert first.keys() == second.keys()
    for key, record in first.items():
        assert {k: v for k, v in record.items() if k != "seconds"} == {
            k: v for k, v in second[key].items() if k != "seconds"
        }


def test_status_tells_how_far_the_map_was_in_pixels(killed_twice):
    run, kept, status = killed_twice
    pixels = sum(
        record["valid"] for record in Ledger(str(run / "ledger" / "cube")).records().values()
    )
    first, second = status.splitlines()[-2:]
    assert first.startswith("map        begun 20")
    assert first.endswith(f", not finished, {len(kept['map'])} parts in the ledger")
    stopped = "stopped: the same command continues"
    assert re.fullmatch(rf" +\d+\.\d % of {pixels:,} pixels, {stopped}", second)
    after = CliRunner().invoke(main, ["status", str(run)]).stdout.splitlines()
    assert [line.split()[1] for line in after] == ["finished"] * len(STEPS)


KILLS = [
    (victim, number) for number in range(7) for victim in ("a worker", "the command", "everything")
][:20]


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "number"), KILLS)
def test_a_map_killed_at_a_random_point_ends_with_the_same_bits(
    undisturbed, tmp_path, victim, number
):
    """Signal 9 for one worker, which the cluster replaces; for the command, whose workers then end;
    or for all of them at once.
    """
    shutil.copytree(undisturbed.parent, tmp_path / "project")
    config, run = tmp_path / "project" / "config.yaml", tmp_path / "project" / "run"
    for path in ("ledger/map", "map.zarr"):
        shutil.rmtree(run / path)
    point = int(np.random.default_rng([number, len(victim)]).integers(0, CHUNKS - 2))
    program = [str(Path(sys.executable).with_name("icemap")), "map", str(config), "--workers", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        program,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    deadline = time.monotonic() + 800
    while (
        len(records_of(run / "ledger" / "map")) < point
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.002)
    if victim == "a worker":
        # Workers are the children that have no children of their own; the nannies are threads of
        # the command.
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        assert workers
        workers[number % len(workers)].kill()
        assert process.wait(timeout=300) == 0
    else:
        (os.killpg if victim == "everything" else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        kept = records_of(run / "ledger" / "map")
        subprocess.run(program, env=environment, capture_output=True, timeout=600, check=True)
        after = records_of(run / "ledger" / "map")
        assert {name: after[name] for name in kept} == kept
    assert len(records_of(run / "ledger" / "map")) == CHUNKS
    first, second = (
        xr.open_zarr(folder / "map.zarr", consolidated=False, mask_and_scale=False).load()
        for folder in (undisturbed, run)
    )
    for variable in first.data_vars:
        assert first[variable].to_numpy().tobytes() == second[variable].to_numpy().tobytes(), (
            variable
        )
