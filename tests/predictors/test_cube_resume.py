"""A cube killed half-way goes on where it was, and ends with the bits of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from affine import Affine

PROGRAM = """
import sys, time
from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.running.ledger import Ledger
from icemap.running.run import Job, SerialExecutor, run_job
from icemap.predictors.cube import plan_cube

config = load_config(sys.argv[1])
build = plan_cube(config, load_sources(config.catalog, list(config.predictors)))
ledger = Ledger(sys.argv[2])
if not ledger.keys():
    build.create("t")
run_job(Job("cube", build.chunks, build), ledger, SerialExecutor(), progress=False)
"""
CHUNKS = 5 * 10


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Sources that are turned, finer, coarser and of classes, and a config for each of two runs."""
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(0)
    rasters = {
        "polar": (
            rng.normal(size=(600, 600)).astype("f4"),
            Affine(5000, 0, 0, 0, -5000, 0),
            "EPSG:3995",
        ),
        "fine": (
            rng.normal(size=(1600, 3200)).astype("f4"),
            Affine(0.0125, 0, 15, 0, -0.0125, 80),
            "EPSG:4326",
        ),
        "coarse": (
            rng.normal(size=(40, 80)).astype("f4"),
            Affine(0.5, 0, 15, 0, -0.5, 80),
            "EPSG:4326",
        ),
        "cover": (
            rng.integers(1, 4, (1600, 3200)).astype("u1"),
            Affine(0.0125, 0, 15, 0, -0.0125, 80),
            "EPSG:4326",
        ),
    }
    for name, (values, transform, crs) in rasters.items():
        profile = {
            "driver": "GTiff",
            "height": values.shape[0],
            "width": values.shape[1],
            "count": 1,
            "dtype": values.dtype,
            "transform": transform,
        }
        with rasterio.open(folder / f"{name}.tif", "w", crs=crs, **profile) as dataset:
            dataset.write(values, 1)
    keys = {"family": "climate", "long_name": "x", "unit": "1"}
    entries = {
        name: {"kwargs": {"data": f"{{data({name})}}"}, "metadata": dict(keys)} for name in rasters
    }
    entries["cover"]["metadata"] |= {"kind": "class", "classes": {1: "a", 2: "b", 3: "c"}}
    data = {name: {"kwargs": {"url": f"{{CATALOG_DIR}}/{name}.tif"}} for name in rasters}
    (folder / "catalog.yaml").write_text(
        yaml.safe_dump({"version": 2, "data": data, "entries": entries})
    )
    for run in ("undisturbed", "killed"):
        grid = {"west": 20, "east": 52, "south": 62, "north": 78, "resolution": 0.2, "chunk": 16}
        config = {
            "run": run,
            "grid": grid,
            "catalog": "catalog.yaml",
            "predictors": list(rasters),
            "sites": {"table": "none.csv", "value": "v"},
        }
        (folder / f"{run}.yaml").write_text(yaml.safe_dump(config))
    return folder


def start(project: Path, run: str) -> subprocess.Popen:
    arguments = [
        sys.executable,
        "-c",
        PROGRAM,
        str(project / f"{run}.yaml"),
        str(project / run / "ledger"),
    ]
    return subprocess.Popen(arguments, env={**os.environ, "OMP_NUM_THREADS": "1"})


def records(project: Path, run: str) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns for path in (project / run / "ledger").glob("[!.]*.json")
    }


@pytest.fixture(scope="module")
def killed_twice(project) -> list[dict[str, int]]:
    """The records there were at each of two kills."""
    kept = []
    for least in (7, 23):
        process = start(project, "killed")
        deadline = time.monotonic() + 800
        try:
            while len(records(project, "killed")) < least:
                assert process.poll() is None, "the build ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.001)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        kept.append(records(project, "killed"))
    assert start(project, "killed").wait(timeout=300) == 0
    return kept


def test_finished_chunks_are_not_made_again(project, killed_twice):
    first, second = killed_twice
    assert 7 <= len(first) < len(second) < CHUNKS
    assert {name: second[name] for name in first} == first
    last = records(project, "killed")
    assert len(last) == CHUNKS
    assert {name: last[name] for name in second} == second


def test_the_cube_is_bit_identical_to_an_undisturbed_one(project, killed_twice):
    assert start(project, "undisturbed").wait(timeout=300) == 0
    cubes = [
        xr.open_zarr(project / run / "cube.zarr", consolidated=False, mask_and_scale=False).load()
        for run in ("undisturbed", "killed")
    ]
    assert (
        set(cubes[0].data_vars)
        == set(cubes[1].data_vars)
        >= {"polar", "fine", "coarse", "cover", "valid", "fraction"}
    )
    for name in cubes[0].data_vars:
        assert cubes[0][name].to_numpy().tobytes() == cubes[1][name].to_numpy().tobytes(), name
    assert float(cubes[0]["valid"].mean()) > 0.5


def test_running_again_builds_nothing(project, killed_twice):
    before = records(project, "killed")
    stored = {
        path: path.stat().st_mtime_ns
        for path in (project / "killed" / "cube.zarr").rglob("*")
        if path.is_file()
    }
    assert start(project, "killed").wait(timeout=300) == 0
    assert records(project, "killed") == before
    assert {
        path: path.stat().st_mtime_ns
        for path in (project / "killed" / "cube.zarr").rglob("*")
        if path.is_file()
    } == stored
