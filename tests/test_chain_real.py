"""The example on real grids and real measurements, cropped to Alaska and north-western Canada."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

import icemap
from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.mapping.compiled_ensemble import pad
from icemap.mapping.compiled_file import read_compiled
from icemap.sphere import unit_vectors
from icemap.store import read_json
from icemap.verification.calibration import Calibration
from tests.benchmarks.exact_pool import exact_means, exact_quantiles

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "realcase"
GRID = {
    "west": -180,
    "south": 52,
    "east": -100,
    "north": 76,
    "resolution": "15 arcmin",
    "chunk": 64,
}

pytestmark = pytest.mark.skipif(
    not (REAL / "grids_native").is_dir(),
    reason="the real grids and measurements are not on this machine",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    example = yaml.safe_load((ROOT / "examples" / "active_layer.yaml").read_text())
    changes = {
        "run": "run",
        "catalog": str(ROOT / "catalog.yaml"),
        "grid": GRID,
        "ensemble": {
            "members": ["svr", "gam", "random_forest", "lightgbm"],
            "replicates": 2,
            "folds": 3,
            "candidates": 0,
            "prior_strength": 100,
            "climatology": 0,
        },
        "verification": {"folds": 3, "places": 500, "competitors": []},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({**example, **changes}))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ICEMAP_DATA": str(REAL)}
    program = [str(Path(sys.executable).with_name("icemap")), "run", str(folder / "config.yaml")]
    result = subprocess.run(
        program, capture_output=True, text=True, env=environment, timeout=800, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def cube(run):
    return icemap.open_cube(str(run / "cube.zarr")).load()


def test_the_example_has_at_least_ten_predictors_of_all_five_families(monkeypatch):
    monkeypatch.setenv("ICEMAP_DATA", str(REAL))
    config = load_config(str(ROOT / "examples" / "active_layer.yaml"))
    sources = load_sources(config.catalog, list(config.predictors))
    assert len(sources) >= 10
    assert {source.family for source in sources.values()} == {
        "paleoclimate",
        "climate",
        "remote_sensing",
        "topography",
        "geology",
    }
    assert any(source.kind == "class" for source in sources.values())
    assert {Path(source.url).suffix for source in sources.values()} >= {".nc", ".tif"}


# What is known of these places, with room for the mean over a cell: mountains, coast, climate, the
# ice-free corner of the last glaciation.
KNOWN = [
    ("elevation", -151.1, 63.1, 1000, 4500),  # Alaska Range
    ("elevation", -148.9, 70.1, -20, 150),  # Arctic coastal plain
    ("mean_temperature", -156.6, 71.1, -14, -8),  # Utqiagvik
    ("mean_temperature", -147.7, 64.8, -6, 1),  # Fairbanks
    ("january_temperature", -147.7, 64.8, -30, -15),
    ("july_temperature", -147.7, 64.8, 12, 20),
    ("precipitation", -135.3, 57.1, 1200, 6000),  # Sitka
    ("precipitation", -156.6, 71.1, 50, 350),
    ("permafrost_fraction", -156.1, 70.6, 90, 100),
    ("lgm_ice_sheet", -147.7, 64.8, 0, 0.01),
    ("lgm_ice_sheet", -112.0, 62.0, 0.99, 1),
    ("holocene_temperature", -156.1, 70.6, -16, -5),
]


@pytest.mark.parametrize(("name", "lon", "lat", "low", "high"), KNOWN)
def test_sources_lie_where_they_belong(cube, name, lon, lat, low, high):
    """Longitudes from 0 to 360, odd dimension names, time and month axes, a polar stereographic
    raster: all in their place.
    """
    value = float(cube[name].sel(longitude=lon, latitude=lat, method="nearest"))
    assert low <= value <= high


def test_the_cube_is_complete_where_it_says_so(cube, run):
    valid = cube.valid.to_numpy() == 1
    assert valid.shape == (96, 320)
    assert 10_000 < valid.sum() < 25_000
    predictors = [name for name in cube.data_vars if cube[name].attrs.get("role") == "predictor"]
    assert len(predictors) == 17
    for name in predictors:
        assert np.isfinite(cube[name].to_numpy()[valid]).all(), name
        assert cube[name].attrs["licence"], name
    assert float(cube.permafrost_fraction.to_numpy()[valid].min()) >= 10
    classes = np.unique(cube.land_cover.to_numpy()[valid])
    assert set(classes) <= set(range(20))
    assert len(classes) > 5
    record = json.loads((run / "provenance.json").read_text())["steps"]["cube"]
    assert record["cells"]["valid"] == valid.sum()


def test_every_site_is_used_or_says_why_not(run):
    sites = pd.read_parquet(run / "sites.parquet")
    raw = pd.read_csv(REAL / "points" / "points_alt.csv")
    assert len(sites) == len(raw)
    assert (sites.reason[sites.used] == "").all()
    assert (sites.reason[~sites.used] != "").all()
    assert (sites.reason == "value outside 0-300 cm").sum() == (raw.alt_cm > 300).sum()
    inside = raw.lon.between(GRID["west"], GRID["east"]) & raw.lat.between(
        GRID["south"], GRID["north"]
    )
    assert (sites.reason == "outside the grid").sum() == (~inside & (raw.alt_cm <= 300)).sum()
    assert 80 <= sites.used.sum() <= inside.sum()
    samples = pd.read_parquet(run / "samples.parquet")
    assert samples["sites"].sum() == sites.used.sum()
    assert set(sites["sample"][sites.used]) == set(samples["sample"])


def test_the_map_is_plausible_and_published(run, cube):
    data = icemap.open_map(str(run / "map.zarr")).load()
    valid = cube.valid.to_numpy() == 1
    mean, low, high = (data[name].to_numpy() for name in ("alt", "alt_lower95", "alt_upper95"))
    assert np.array_equal(np.isfinite(mean), valid)
    assert (low[valid] <= mean[valid]).all()
    assert (mean[valid] <= high[valid]).all()
    assert low[valid].min() >= 0
    assert high[valid].max() <= 300
    assert 40 < mean[valid].mean() < 120
    assert data.alt.attrs["units"] == "cm"
    for suffix in ("", "_lower95", "_upper95", "_sd", "_aoa"):
        assert (run / "products" / f"ALT{suffix}.tif").is_file()
    with rasterio.open(run / "products" / "ALT.tif") as raster:
        assert tuple(raster.bounds) == (-180, 52, -100, 76)
        np.testing.assert_array_equal(raster.read(1), mean)


def test_verification_and_totals_are_numbers_of_this_target(run):
    content = json.loads((run / "verification.json").read_text())
    assert content["target"]["name"] == "alt"
    models = [row for row in content["table"] if row["model"] == "icemap calibrated"]
    assert len(models) == 3
    for row in models:
        assert 0.8 <= row["coverage_95"] <= 1
        assert 10 < row["rmse"] < 80
    totals = json.loads((run / "ice_storage.json").read_text())
    assert totals["quantity"] != "ice storage"
    row = next(row for row in totals["regions"] if row["region"] == "all")
    assert row["unit"] == "cm"
    assert row["mean_lower95"] < row["mean"] < row["mean_upper95"]
    assert "Active-layer thickness" in (run / "report.html").read_text()


def test_every_member_and_output_of_the_map_is_what_the_libraries_say(run, cube):
    """Real predictors, every fifth valid cell: each member against its own predict, each output
    against the COP-BMAs and the other parts themselves.
    """
    ensemble, compiled = (
        icemap.open_ensemble(str(run / "ensemble")),
        read_compiled(str(run / "ensemble")),
    )
    assert not compiled.reasons, "every member has a kernel"
    rows, columns = (index[::5] for index in np.nonzero(cube.valid.to_numpy() == 1))
    X = np.column_stack(
        [cube[name].to_numpy()[rows, columns] for name in compiled.coding.given]
    ).astype(np.float32)
    vectors = unit_vectors(cube.longitude.to_numpy()[columns], cube.latitude.to_numpy()[rows])
    X = compiled.coding.with_position(X, vectors)
    coded = ensemble.coding_.encode(X.astype(float))[0]
    F, partners = ensemble.member_predictions(coded), ensemble.partners(coded, vectors)
    padded = pad(X)
    G = compiled.predict_members(padded, *compiled.code(padded)[:2])[:, :, : len(X)]
    spans = np.ptp(compiled.limits, axis=1)[:, None]

    def require_close(name: str, difference: np.ndarray, allowed: float) -> None:
        worst = int(np.abs(difference).argmax())
        lon, lat = float(cube.longitude[columns[worst]]), float(cube.latitude[rows[worst]])
        assert abs(difference[worst]) <= allowed, (
            f"{name}: {difference[worst]:.2g} % of the range at {lon:.3f} E {lat:.3f} N"
        )

    for k, name in enumerate((*compiled.members, "consensus")):
        require_close(name, 100 * (np.abs(G[k] - F[:, :, k]) / spans).max(axis=0), 1e-3)
    bmas = [replicate.bma for replicate in ensemble.replicates_]
    means = exact_means(bmas, F, partners)
    data = icemap.open_map(str(run / "map.zarr")).load()
    layers = {
        name: data[name].to_numpy()[rows, columns].astype(float)
        for name in ("alt", "alt_sd_ensemble", "alt_lower95", "alt_upper95", "extrapolated")
    }
    width = ensemble.bounds[1] - ensemble.bounds[0]
    require_close("mean", 100 * (layers["alt"] - means.mean(axis=0)) / width, 2e-3)
    require_close(
        "spread", 100 * (layers["alt_sd_ensemble"] - means.std(axis=0, ddof=1)) / width, 2e-3
    )
    outside = np.mean([bma.extrapolated(f) for bma, f in zip(bmas, F)], axis=0) >= 0.5
    assert np.mean(layers["extrapolated"] == outside) > 0.999
    calibration = Calibration.from_dict(read_json(str(run / "ensemble" / "calibration.json")))
    levels = np.array(calibration.levels95)
    exact = exact_quantiles(bmas, F, levels, partners, ensemble.bounds)
    for name, bound in zip(("alt_lower95", "alt_upper95"), exact.T, strict=True):
        require_close(name, 100 * (layers[name] - bound) / width, 0.03)
