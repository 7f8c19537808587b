"""Every damage of every product of a run is mended, to the same bytes, by 'icemap run', or by
'icemap check' and then 'icemap run'.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from icemap import IcemapError
from icemap.config import load_config
from icemap.pipeline.chain import STEPS
from icemap.pipeline.check import check_run
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.virtual_arctic.demo import write_demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

SETTINGS = {
    "grid": {"west": -180, "south": 40, "east": 180, "north": 84, "resolution": 4, "chunk": 32},
    "predictors": ["maat", "snow_depth", "elevation", "slope", "deposit"],
    "ensemble": {
        "replicates": 2,
        "folds": 3,
        "candidates": 0,
        "members": ["gam", "sklearn.linear_model.Ridge"],
        "prior_strength": 100,
        "climatology": 0,
        "position": False,
    },
    "verification": {"folds": 3, "places": 100, "competitors": []},
}
# Files below the run folder by a pattern, of which the first in the middle is damaged.
PRODUCTS = {
    "cube chunk": "cube.zarr/maat/c/*/*",
    "cube mask chunk": "cube.zarr/valid/c/*/*",
    "cube coordinates": "cube.zarr/latitude/c/*",
    "cube metadata": "cube.zarr/zarr.json",
    "cube array metadata": "cube.zarr/maat/zarr.json",
    "predictors page": "predictors.html",
    "samples": "samples.parquet",
    "sites table": "sites.csv",
    "sites parquet": "sites.parquet",
    "sites geopackage": "sites.gpkg",
    "boreholes page": "boreholes.html",
    "manifest": "ensemble/manifest.json",
    "replicate members": "ensemble/replicates/*.skops",
    "replicate weights": "ensemble/replicates/*.json",
    "forest": "ensemble/forest.npz",
    "compiled ensemble": "ensemble/packed.npz",
    "calibration": "ensemble/calibration.json",
    "applicability": "ensemble/applicability.json",
    "verification": "verification.json",
    "influence": "influence.json",
    "verification page": "verification.html",
    "map chunk": "map.zarr/vic/c/*/*",
    "map flag chunk": "map.zarr/aoa/c/*/*",
    "map coordinates": "map.zarr/longitude/c/*",
    "map metadata": "map.zarr/zarr.json",
    "map array metadata": "map.zarr/vic_upper95/zarr.json",
    "replicate field chunk": "map.zarr/replicates/value/c/*/*/*",
    "replicate fraction chunk": "map.zarr/replicates/fraction/c/*/*",
    "replicate field metadata": "map.zarr/replicates/value/zarr.json",
    "totals": "ice_storage.json",
    "GeoTIFF": "products/T5m_VIC.tif",
    "GeoTIFF of flags": "products/T5m_VIC_aoa.tif",
    "STAC collection": "stac/collection.json",
    "STAC item": "stac/*/*.json",
    "catalogue": "catalog.yaml",
    "report": "report.html",
    "picture": "products/map.png",
    "record of a cube chunk": "ledger/cube/r*.json",
    "record of a replicate": "ledger/train/s*.json",
    "record of tuning": "ledger/train/tune-*.json",
    "record of a fold": "ledger/verify/knndm-*.json",
    "record of a map chunk": "ledger/map/r*.json",
    "numbers of a map chunk": "ledger/map/r*.npz",
    "record of the run": "provenance.json",
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
    "flipped": flip,
}
# They tell when they were made, or how long something took.
DATED = re.compile(r"\.html$|^stac/|^provenance\.json$|^ledger/|\.gpkg$|^influence\.json$")


def run_all(config: Path) -> list[str]:
    said: list[str] = []
    context = Context(load_config(str(config)), "serial", 1, said.append)
    run_steps(STEPS, context, [step.name for step in STEPS])
    return said


def contents(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A finished run and what is in it; after each test it is put back."""
    config = Path(write_demo(str(tmp_path_factory.mktemp("whole")), "small"))
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **SETTINGS}))
    run_all(config)
    return config, contents(config.parent / "run")


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    lost = sorted(before.keys() ^ after.keys())
    found = [
        name
        for name in before.keys() & after.keys()
        if before[name] != after[name] and not DATED.search(name)
    ]
    return lost + found


def attempt(work: Callable[[], object]) -> str:
    """What a command that does not succeed says."""
    try:
        work()
    except IcemapError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("product", PRODUCTS)
def test_damage_is_mended_to_the_same_bytes(whole, product, damage):
    config, before = whole
    run = config.parent / "run"
    files = sorted(run.glob(PRODUCTS[product]))
    path = files[len(files) // 2]
    DAMAGES[damage](path)
    try:
        if product == "record of the run" and damage != "lost":
            # No command mends it: the sentence says what to do.
            steps = [attempt(lambda: check_run(str(run), print))]
            assert "delete it" in steps[0], steps
            path.unlink()
        else:
            steps = [attempt(lambda: run_all(config))]
            # Of what it finds it says one line each.
            steps.append(attempt(lambda: check_run(str(run), steps.append)))
        steps.append(attempt(lambda: run_all(config)))
        assert steps[-1] == "", steps
        after = contents(run)
        assert differences(before, after) == [], steps
        said: list[str] = []
        assert check_run(str(run), said.append) == [], said
        assert path.stat().st_size > 0.9 * len(before[str(path.relative_to(run))])
        assert all(
            step["finished"]
            for step in json.loads((run / "provenance.json").read_text())["steps"].values()
        )
    finally:
        shutil.rmtree(run)
        for name, content in before.items():
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_bytes(content)
