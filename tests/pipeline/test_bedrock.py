"""Pseudo-sites through the chain: marked in every file, in no score and no count of boreholes."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
import yaml
import zarr

from icemap.config import load_config
from icemap.ensemble.folds import replicate_splits
from icemap.errors import IcemapError
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.virtual_arctic.demo import write_demo
from tests.small_chain import SMALL, in_little

COUNT = 9
SEED = 1
RULE = {"predictor": "sediment_thickness", "below": 2.5, "sites": COUNT}


def written(folder: Path, bedrock: dict[str, object], **changes: object) -> Path:
    config = Path(write_demo(str(folder), "small"))
    content = yaml.safe_load(config.read_text())
    content["boreholes"]["bedrock"] = bedrock
    config.write_text(yaml.safe_dump({**content, **SMALL, "seed": SEED, **changes}))
    return config


def made(config: Path, names: list[str]) -> list[str]:
    said: list[str] = []
    run_steps(STEPS, Context(load_config(str(config)), "serial", 1, said.append), names)
    return said


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str]:
    """A finished run with pseudo-sites, and what its steps said."""
    config = written(tmp_path_factory.mktemp("bedrock"), RULE)
    names = ["cube", "boreholes", "train", "verify", "map", "storage", "publish", "report"]
    with in_little():
        return config.parent / "run", "\n".join(made(config, names))


@pytest.fixture(scope="module")
def samples(run) -> pd.DataFrame:
    return pd.read_parquet(run[0] / "samples.parquet")


@pytest.fixture(scope="module")
def record(run) -> dict:
    return json.loads((run[0] / "verification.json").read_text())


def test_samples_and_sites_say_which_are_pseudo_sites(run, samples):
    folder, _ = run
    assert samples["pseudo"].sum() == COUNT
    assert samples["pseudo"].iloc[-COUNT:].all()
    assert (samples.loc[samples["pseudo"], "value"] == 2.5).all()
    assert (samples.loc[samples["pseudo"], "sediment_thickness"] < 2.5).all()
    tables = {
        "parquet": pd.read_parquet(folder / "sites.parquet"),
        "csv": pd.read_csv(folder / "sites.csv"),
        "gpkg": geopandas.read_file(folder / "sites.gpkg"),
    }
    for name, table in tables.items():
        assert table["pseudo"].astype(bool).sum() == COUNT, name
        assert (table["reader"] == "pseudo-site").sum() == COUNT, name


def test_only_boreholes_are_scored_calibrated_and_counted(run, samples, record):
    boreholes = int((~samples["pseudo"]).sum())
    assert record["pseudo_sites"] == COUNT
    for kind in ("cell", "knndm"):
        assert record["folds"][kind]["rows"] == list(range(boreholes))
        observed = samples["value"].to_numpy()[:boreholes]
        np.testing.assert_allclose(record["folds"][kind]["observed"], observed)
    held_out = replicate_splits(np.arange(len(samples)), 0.1, 2, SEED)
    scored = (held_out & ~samples["pseudo"].to_numpy()).sum(axis=1)
    assert scored.sum() < held_out.sum()
    assert record["replicates"]["n"]["mean"] == pytest.approx(scored.mean())
    for row in record["table"]:
        assert row["rows"] <= boreholes
    classes = [
        row
        for row in record["sampling_support"]["classes"]
        if row["predictor"] == "sediment_thickness"
    ]
    assert sum(row["samples"] for row in classes) == boreholes
    assert sum(row["pseudo_sites"] for row in classes) == COUNT
    steps = json.loads((run[0] / "provenance.json").read_text())["steps"]
    for name in ("boreholes", "verify"):
        assert steps[name]["samples"] == boreholes
        assert steps[name]["pseudo_sites"] == COUNT


def test_they_count_for_the_area_of_applicability(run, samples):
    folder, _ = run
    found = json.loads((folder / "ensemble" / "applicability.json").read_text())
    assert len(found["points"]) == len(samples)
    assert len(found["train_index"]) == len(samples) - COUNT


def test_pages_map_and_command_say_how_many_there_are(run, samples):
    folder, said = run
    words = f"{COUNT} pseudo-sites of bedrock"
    assert said.count(words) >= 3
    assert "m in " in said
    for page in ("boreholes.html", "verification.html", "report.html"):
        assert words in (folder / page).read_text(), page
    assert zarr.open(folder / "map.zarr").attrs["pseudo_sites"].startswith(words)
    influence = json.loads((folder / "influence.json").read_text())["sites"]
    assert sum(row["pseudo"] for row in influence) == COUNT
    assert "(pseudo-site)" in (folder / "verification.html").read_text()
    boreholes = pd.read_parquet(folder / "sites.parquet").query("used and not pseudo")
    assert f"<b>{len(boreholes)}</b><span>training sites" in (folder / "report.html").read_text()


def test_geotiffs_and_stac_say_so_too(run):
    folder, _ = run
    said = zarr.open(folder / "map.zarr").attrs["pseudo_sites"]
    files = sorted((folder / "products").glob("*.tif"))
    assert len(files) == 5
    for file in files:
        with rasterio.open(file) as dataset:
            assert dataset.tags()["pseudo_sites"] == said, file.name
    collection = pystac.Collection.from_file(str(folder / "stac" / "collection.json"))
    assert collection.description.endswith(f"{said}.")
    (item,) = collection.get_items()
    assert item.properties["icemap:pseudo_sites"] == said


def test_places_of_a_table_are_there_before_the_cube(tmp_path):
    (tmp_path / "places.csv").write_text("lon,lat\n100,70\n-120,65\n")
    config = written(tmp_path, {"table": "places.csv"})
    assert "2 pseudo-sites of bedrock" in "\n".join(made(config, ["boreholes"]))
    table = pd.read_csv(tmp_path / "run" / "sites.csv")
    assert table["pseudo"].sum() == 2
    assert table.loc[table["pseudo"], "file"].str.endswith("places.csv").all()


def test_a_class_has_no_low_values(tmp_path):
    config = written(tmp_path, {"predictor": "deposit", "below": 2})
    with pytest.raises(IcemapError, match="'deposit' has classes"):
        made(config, ["cube", "boreholes"])
