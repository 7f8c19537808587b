"""The whole chain with the recipe as printed, on a small virtual Arctic."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

import icemap
from icemap.config import load_config
from icemap.ensemble.pooled import replicate_interval
from icemap.pipeline.chain import STEPS
from icemap.pipeline.check import check_run
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.predictors.cube import open_cube
from icemap.products.viewer import viewer_settings
from icemap.totals.ice_storage import ice_storage
from icemap.virtual_arctic.demo import write_demo
from icemap.virtual_arctic.world import truth_at_points

REPLICATES = 3
SMALL = {
    "grid": {"west": -180, "south": 50, "east": 180, "north": 80, "resolution": 5, "chunk": 16},
    "sites": {"table": "sites.csv", "value": "vic", "unit": "%"},
    "predictors": ["maat", "slope", "deposit"],
    "ensemble": {"recipe": "published", "replicates": REPLICATES, "candidates": 0},
    "verification": {"folds": 3, "places": 100, "competitors": []},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, list[str]]:
    """Folder of a finished run, and what it said."""
    config = Path(write_demo(str(tmp_path_factory.mktemp("published")), "small"))
    rng = np.random.default_rng(0)
    sites = pd.DataFrame({"lon": rng.uniform(-180, 180, 400), "lat": rng.uniform(55, 78, 400)})
    sites["vic"] = truth_at_points(sites["lon"].to_numpy(), sites["lat"].to_numpy(), 0)
    sites.dropna().iloc[:150].to_csv(config.with_name("sites.csv"), index=False)
    settings = yaml.safe_load(config.read_text())
    del settings["boreholes"]
    config.write_text(yaml.safe_dump({**settings, **SMALL}))
    said: list[str] = []
    context = Context(load_config(str(config)), "serial", 1, said.append)
    run_steps(STEPS, context, [step.name for step in STEPS])
    return config.parent / "run", said


def test_the_map_is_what_the_ensemble_predicts(finished):
    """The compiled map compared with the members' own predictions and the exact COP-BMA."""
    run, _ = finished
    ensemble = icemap.open_ensemble(str(run / "ensemble"))
    cube, data = (
        open_cube(str(run / "cube.zarr")).load(),
        icemap.open_map(str(run / "map.zarr")).load(),
    )
    valid = cube["valid"].to_numpy() == 1
    X = np.column_stack(
        [cube[name].to_numpy()[valid].astype(float) for name in ensemble.coding_.names]
    )
    F = ensemble.member_predictions(ensemble.coding_.encode(X)[0])
    means = np.stack([one.bma.predict(f) for one, f in zip(ensemble.replicates_, F, strict=True)])
    interval = replicate_interval(means)
    shown = [data[name].to_numpy()[valid] for name in ("vic", "vic_lower95", "vic_upper95")]
    exact = [means.mean(axis=0), interval[:, 0], interval[:, 1]]
    for found, expected in zip(shown, exact, strict=True):
        np.testing.assert_allclose(found, expected, atol=0.05)
    predicted = ensemble.predict_all(X)
    np.testing.assert_allclose(shown[2] - shown[1], predicted.upper - predicted.lower, atol=0.05)
    assert (shown[2] - shown[1]).mean() > 1
    assert "recipe as printed" in data["vic_lower95"].attrs["long_name"]


def test_four_members_alone_without_forest_prior_or_transform(finished):
    run, said = finished
    ensemble = icemap.open_ensemble(str(run / "ensemble"))
    assert not (run / "ensemble" / "forest.npz").exists()
    assert len(ensemble.replicates_) == REPLICATES
    assert (ensemble.tuning_.prior_strength, ensemble.tuning_.climatology) == (0, 0)
    for replicate in ensemble.replicates_:
        assert list(replicate.members) == ["svr", "gam", "random_forest", "lightgbm"]
        assert (replicate.bma.weights_[-1], replicate.scale.power) == (0, 1)
    assert not any("belief" in line or "climatology in the pool" in line for line in said)


def test_it_is_verified_at_random_and_not_calibrated(finished):
    run, _ = finished
    record = json.loads((run / "verification.json").read_text())
    assert "learning_curve" not in record
    assert {row["folds"] for row in record["table"]} <= {"random", "random, by grid cell"}
    names = {row["model"] for row in record["table"]}
    assert names == {"published_recipe", "published_recipe_mixture", "climatology"}
    assert record["skill"]["model"] == "published_recipe"
    assert record["calibration"]["levels95"] == [0.025, 0.975]
    assert record["replicates"]["rmse"]["replicates"] == REPLICATES


def test_totals_are_summed_bounds(finished, tmp_path):
    run, _ = finished
    data, cube = (
        one.load()
        for one in (icemap.open_map(str(run / "map.zarr")), open_cube(str(run / "cube.zarr")))
    )
    valid = cube["valid"].to_numpy() == 1
    area = (
        load_config(str(run.parent / "config.yaml")).grid.grid.cell_area()[:, None]
        * cube["fraction"].to_numpy()
    )[valid]
    table = {
        row["region"]: row for row in json.loads((run / "ice_storage.json").read_text())["regions"]
    }
    for key, name in (
        ("ice_km3", "vic"),
        ("ice_km3_lower95", "vic_lower95"),
        ("ice_km3_upper95", "vic_upper95"),
    ):
        total = float(area @ data[name].to_numpy()[valid].astype(float)) * 5 / 1000 / 100
        assert table["all"][key] == pytest.approx(total, rel=1e-5), key
    assert table["all"]["share_residual"] == 0
    # So are those of areas that are drawn afterwards.
    box = [[[-180, 50], [180, 50], [180, 80], [-180, 80], [-180, 50]]]
    (tmp_path / "all.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": box}))
    drawn = ice_storage(str(run / "map.zarr"), str(tmp_path / "all.geojson")).iloc[0]
    for end in ("lower95", "upper95"):
        assert drawn[f"ice_km3_{end}"] == pytest.approx(table["all"][f"ice_km3_{end}"], rel=1e-3)


def test_the_run_is_whole(finished):
    assert check_run(str(finished[0]), print) == []


def test_the_products_say_which_recipe_it_is(finished):
    run, _ = finished
    with rasterio.open(run / "products" / "T5m_VIC_lower95.tif") as file:
        assert "recipe as printed" in file.descriptions[0] or "recipe as printed" in str(
            file.tags()
        )
    for page in ("report.html", "verification.html"):
        text = (run / page).read_text()
        assert "as printed" in text, page
        assert "calibrated 95 % prediction" not in text, page
        assert "Gaussian process" not in text, page
    settings = viewer_settings(str(run), "title")
    assert settings["summed_bounds"]
    assert settings["totals"] is None
