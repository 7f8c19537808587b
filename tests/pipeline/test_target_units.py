"""Targets that are no percentages through the chain, without bounds in the config."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from icemap import open_map
from icemap.config import load_config
from icemap.mapping.map_schema import target_of
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.virtual_arctic.demo import write_demo
from tests.small_chain import SMALL, in_little

NAMES = ["cube", "boreholes", "train", "verify", "map", "storage", "publish", "report"]


def made(config: Path, names: list[str]) -> str:
    said: list[str] = []
    run_steps(STEPS, Context(load_config(str(config)), "serial", 1, said.append), names)
    return "\n".join(said)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[dict, pd.DataFrame, Path]:
    """Settings of the virtual Arctic, the ice contents of its boreholes, and a run with no more
    than the cube.
    """
    config = Path(write_demo(str(tmp_path_factory.mktemp("units")), "small"))
    content = {**yaml.safe_load(config.read_text()), **SMALL}
    config.write_text(yaml.safe_dump(content))
    made(config, ["boreholes"])
    sites = pd.read_csv(config.parent / "run" / "sites.csv")
    shutil.rmtree(config.parent / "run")
    made(config, ["cube"])
    del content["boreholes"], content["title"]
    content["catalog"] = str(config.parent / content["catalog"])
    return content, sites[sites["used"]], config.parent / "run"


def mapped(
    folder: Path,
    demo: tuple[dict, pd.DataFrame, Path],
    values: pd.Series,
    names: list[str],
    **keys: object,
) -> str:
    """The folder of a run of which these steps are made."""
    content, sites, cube = demo
    shutil.copytree(cube, folder / "run")
    table = pd.DataFrame({"lon": sites["lon"], "lat": sites["lat"], "value": values})
    table.to_csv(folder / "table.csv", index=False)
    target = {key: value for key, value in keys.items() if key != "unit_of_sites"}
    sites_keys = {"table": "table.csv", "value": "value", "unit": keys["unit_of_sites"]}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({**content, "target": target, "sites": sites_keys}))
    with in_little():
        assert "cube: making" not in made(config, names)
    return str(folder / "run")


def test_a_thickness_is_never_less_than_nothing_and_may_be_more_than_100(tmp_path, demo):
    thickness = 3.0 * demo[1]["value"]
    run = mapped(tmp_path, demo, thickness, NAMES, name="thaw_depth", unit="m", unit_of_sites="cm")
    samples = pd.read_parquet(Path(run) / "samples.parquet")
    assert samples["value"].max() == pytest.approx(thickness.max() / 100, rel=0.3)
    dataset = open_map(f"{run}/map.zarr")
    assert target_of(dataset).bounds == (0.0, None)
    assert dataset["thaw_depth"].attrs["valid_min"] == 0
    assert "valid_range" not in dataset["thaw_depth"].attrs
    assert float(dataset["thaw_depth_lower95"].min()) >= 0
    assert float(dataset["thaw_depth_upper95"].max()) > 1.5
    assert dataset.attrs["title"] == "Thaw depth"
    assert "ground ice" not in dataset.attrs["keywords"]
    storage = json.loads((Path(run) / "ice_storage.json").read_text())
    assert storage["quantity"] == "area-weighted mean"
    report = re.sub(r"base64,[\w+/=]+", "", (Path(run) / "report.html").read_text())
    assert "Area-weighted mean" in report
    for word in ("olumetric ice", "VIC", "km³"):
        assert word not in report, word


def test_a_temperature_below_zero_is_mapped(tmp_path, demo):
    temperature = 2.0 - 0.2 * demo[1]["value"]
    to_the_map = NAMES[: NAMES.index("map") + 1]
    keys = {"name": "magt", "unit": "degC", "unit_of_sites": "degC"}
    run = mapped(tmp_path, demo, temperature, to_the_map, **keys)
    samples = pd.read_parquet(Path(run) / "samples.parquet")
    assert samples["value"].min() < -5
    dataset = open_map(f"{run}/map.zarr")
    assert target_of(dataset).bounds is None
    assert float(dataset["magt"].min()) < 0
    assert np.isfinite(dataset["magt_lower95"].where(dataset["magt"].notnull(), 0)).all()
