"""The position of a place among the predictors, from the config to the map."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import yaml

import icemap
from icemap import IceEnsemble, IcemapError, IceRegressor
from icemap.config import load_config
from icemap.ensemble.coding import POSITION
from icemap.ensemble.saved import read_manifest
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.virtual_arctic.demo import write_demo
from tests.small_chain import SMALL, in_little

NAMES = ["cube", "boreholes", "train", "verify", "map"]
# One that has a kernel, which is told of the position, and one that is asked by its own predict.
MEMBERS = ["random_forest", "sklearn.linear_model.Ridge"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str]:
    """A finished run, and what was said on the way."""
    config = Path(write_demo(str(tmp_path_factory.mktemp("position")), "small"))
    ensemble = {**SMALL["ensemble"], "members": MEMBERS, "position": True}
    content = {**yaml.safe_load(config.read_text()), **SMALL, "ensemble": ensemble}
    config.write_text(yaml.safe_dump(content))
    said: list[str] = []
    with in_little():
        run_steps(STEPS, Context(load_config(str(config)), "serial", 1, said.append), NAMES)
    return config.parent / "run", "\n".join(said)


@pytest.fixture(scope="module")
def cells(run) -> tuple[pd.DataFrame, np.ndarray]:
    """Predictors and places of the mapped cells, and the mean of the map there."""
    cube, found = (
        icemap.open_cube(str(run[0] / "cube.zarr")),
        icemap.open_map(str(run[0] / "map.zarr")),
    )
    rows, columns = np.nonzero(cube["valid"].to_numpy() == 1)
    table = pd.DataFrame(
        {name: cube[name].to_numpy()[rows, columns] for name in SMALL["predictors"]}
    )
    table["lon"] = cube.longitude.to_numpy()[columns]
    table["lat"] = cube.latitude.to_numpy()[rows]
    return table, found["vic"].to_numpy()[rows, columns]


def test_the_config_says_it_and_the_ensemble_keeps_it(run):
    folder, said = run
    assert "the position of the samples is among the predictors" in said
    manifest = read_manifest(str(folder / "ensemble"))
    assert manifest["tuning"]["position"] is True
    assert manifest["coding"]["names"] == [*SMALL["predictors"], *POSITION]
    assert set(manifest["training_range"]) == {*SMALL["predictors"], *POSITION}


def test_the_map_is_what_the_ensemble_says_of_its_places(run, cells):
    table, mapped = cells
    url = str(run[0] / "ensemble")
    told = icemap.open_ensemble(url).predict(table)
    np.testing.assert_array_equal(told.astype(np.float32), mapped)
    np.testing.assert_allclose(IceEnsemble.load(url).predict(table), mapped, atol=2e-3)
    elsewhere = icemap.open_ensemble(url).predict(table.assign(lon=table["lon"] + 90))
    assert np.abs(elsewhere - mapped).max() > 1


def test_lazily_it_is_the_map_too(run, cells):
    cube = icemap.open_cube(str(run[0] / "cube.zarr"))
    model = IceRegressor.from_run(str(run[0]))
    assert model.feature_names_in_.tolist() == SMALL["predictors"]
    lazy = model.predict(cube)["vic"].to_numpy()
    np.testing.assert_array_equal(lazy[cube["valid"].to_numpy() == 1], cells[1])
    table, mapped = cells
    where = table[["lon", "lat"]].to_numpy()
    found = model.predict(table[SMALL["predictors"]], coordinates=where)
    np.testing.assert_array_equal(found.astype(np.float32), mapped)


def test_places_that_nobody_tells_are_asked_for(run, cells):
    cube = icemap.open_cube(str(run[0] / "cube.zarr"))
    bare = cube.drop_vars(["latitude", "longitude"])
    model, table = IceRegressor.from_run(str(run[0])), cells[0][SMALL["predictors"]]
    with pytest.raises(IcemapError, match="no coordinates 'latitude' and 'longitude'"):
        model.predict(bare)
    with pytest.raises(ValueError, match="say where the places are"):
        model.predict(table)
    with pytest.raises(ValueError, match="say where the places are"):
        icemap.open_ensemble(str(run[0] / "ensemble")).predict(table.to_numpy())
    lazy = da.from_array(table.to_numpy())
    with pytest.raises(ValueError, match="does not say where its rows are"):
        model.predict(lazy)


def test_its_importance_is_told_and_no_curve_along_one_axis(run):
    influence = json.loads((run[0] / "influence.json").read_text())
    told = {row["predictor"] for row in influence["permutation"]}
    assert told == {*SMALL["predictors"], *POSITION}
    assert set(influence["partial_dependence"]) == set(SMALL["predictors"])
    assert set(influence["shap"]["random_forest"]) == told
    assert {one["predictor"] for one in influence["classes"]} == set(SMALL["predictors"])
    assert "the unit vector towards a place" in (run[0] / "verification.html").read_text()
