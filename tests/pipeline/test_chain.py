"""The whole chain on a small virtual Arctic, through the command line."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import intake
import numpy as np
import pystac
import pytest
import rasterio
import yaml
import zarr
from click.testing import CliRunner
from rio_cogeo.cogeo import cog_validate

import icemap
from icemap.boreholes.sample_files import read_samples
from icemap.cli import main
from icemap.config import load_config
from icemap.ensemble.coding import POSITION
from icemap.mapping.map_schema import splits_of
from icemap.pipeline.chain import STEPS
from icemap.pipeline.check import check_run
from icemap.pipeline.made_run import MadeRun
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.products.query import query
from icemap.running.ledger import PROGRESS, Ledger
from icemap.totals.residuals import Residuals
from icemap.virtual_arctic.demo import write_demo
from tests.small_chain import COMMAND
from tests.small_chain import SMALL as PLAIN

pytestmark = pytest.mark.usefixtures("little")
INSTALLED = (str(Path(sys.executable).with_name("icemap")),)
CHUNK = 16
SMALL = {
    "grid": {"west": -180, "south": 40, "east": 180, "north": 84, "resolution": 2, "chunk": CHUNK},
    "predictors": ["maat", "snow_depth", "elevation", "slope", "deposit", "sediment_thickness"],
    "ensemble": {"replicates": 2, "folds": 2, "candidates": 0},
    "verification": {"folds": 3, "places": 300},
}
VERIFICATION = SMALL["verification"]
ORDER = ["cube", "boreholes", "train", "verify", "map", "storage", "publish", "report"]


def change(config: Path, **changes) -> None:
    config.write_text(
        yaml.safe_dump({**yaml.safe_load(config.read_text()), **changes}, sort_keys=False)
    )


def command(*words, program: Sequence[str] = INSTALLED) -> subprocess.CompletedProcess:
    """The command in a process of its own, with a cluster where it needs one."""
    return subprocess.run(
        [*program, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=1500,
        check=False,
    )


def run_here(config: Path, names: list[str]) -> list[str]:
    """The same steps without a cluster; what they said."""
    said: list[str] = []
    context = Context(load_config(str(config)), "serial", 1, said.append)
    run_steps(STEPS, context, names)
    return said


def snapshot(folder: Path) -> dict[str, int]:
    """Time of change of every file."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="session")
def first_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """The config of a finished run, which no test changes, and what the command said."""
    config = Path(write_demo(str(tmp_path_factory.mktemp("virtual")), "small"))
    layers = str(config.with_name("layers.csv"))
    change(config, **SMALL, boreholes={"layers": [{"path": layers}]})
    result = command("run", config, program=COMMAND)
    assert result.returncode == 0, result.stderr
    return config, result


@pytest.fixture(scope="session")
def finished(first_run) -> Path:
    return first_run[0].parent / "run"


@pytest.fixture
def copied(first_run, tmp_path) -> Path:
    """The config of a copy of the finished run."""
    shutil.copytree(first_run[0].parent, tmp_path / "copy")
    return tmp_path / "copy" / "config.yaml"


def test_every_product_of_the_design_is_there(finished):
    for name in (
        "cube.zarr",
        "samples.parquet",
        "ensemble",
        "map.zarr",
        "verification.json",
        "ice_storage.json",
        "provenance.json",
        "stac",
        "catalog.yaml",
    ):
        assert (finished / name).exists(), name
    for suffix in ("", "_lower95", "_upper95", "_sd", "_aoa"):
        assert (finished / "products" / f"T5m_VIC{suffix}.tif").is_file()
    assert "<html" in (finished / "report.html").read_text().lower()
    assert (finished / "products" / "map.png").read_bytes().startswith(b"\x89PNG")
    half_written = [
        path for path in finished.rglob("*") if path.name.startswith(".") and path.name != PROGRESS
    ]
    assert half_written == []


def test_the_dashboard_and_the_results_are_announced(first_run):
    config, result = first_run
    run = config.parent / "run"
    assert re.search(
        r"Dask: 2 workers on this machine, dashboard at http://127\.0\.0\.1:\d+/status",
        result.stdout,
    )
    for path in (
        "map.zarr",
        "products/map.png",
        "report.html",
        "ice_storage.json",
        "verification.html",
    ):
        assert re.search(rf"^\w+ +{re.escape(str(run / path))}$", result.stdout, re.MULTILINE), path
    assert re.search(r"^ice storage: [\d.,e+]+ km3 \(95 %: ", result.stdout, re.MULTILINE)
    assert re.findall(r"^(\w+): making ", result.stdout, re.MULTILINE) == ORDER
    assert all(f"{job}: 100%" in result.stderr for job in ("cube", "train", "verify", "map"))


def test_the_map_lies_inside_its_mask_and_bounds(finished):
    data, cube = (
        icemap.open_map(str(finished / "map.zarr")).load(),
        icemap.open_cube(str(finished / "cube.zarr")).load(),
    )
    valid = cube["valid"].to_numpy() == 1
    assert 0.1 < valid.mean() < 0.9
    for name in data.data_vars:
        assert np.array_equal(np.isfinite(data[name].to_numpy()), valid), name
    vic, low, high = (
        data[name].to_numpy()[valid] for name in ("vic", "vic_lower95", "vic_upper95")
    )
    assert (low <= vic).all()
    assert (vic <= high).all()
    assert low.min() >= 0
    assert high.max() <= 100
    assert vic.std() > 3
    assert (data.vic_sd_ensemble.to_numpy()[valid] > 0).any()
    assert set(np.unique(data.aoa.to_numpy()[valid])) <= {0, 1}


def test_the_masks_and_missing_predictors_make_the_valid_cells(finished):
    cube = icemap.open_cube(str(finished / "cube.zarr")).load()
    inside = (
        (cube.land_fraction >= 0.5)
        & (cube.permafrost_fraction >= 0.1)
        & (cube.glacier_fraction <= 0.5)
    )
    for name in SMALL["predictors"]:
        inside &= cube[name].notnull()
    assert np.array_equal(inside.to_numpy(), cube.valid.to_numpy() == 1)
    fraction = cube.permafrost_fraction * (1 - cube.lake_fraction) * (1 - cube.glacier_fraction)
    np.testing.assert_allclose(cube.fraction.to_numpy(), fraction.to_numpy(), rtol=1e-6)


def test_the_geotiffs_are_cogs_and_equal_the_map(finished):
    data = icemap.open_map(str(finished / "map.zarr")).load()
    files = {
        "vic": "",
        "vic_lower95": "_lower95",
        "vic_upper95": "_upper95",
        "vic_sd_ensemble": "_sd",
        "aoa": "_aoa",
    }
    for name, suffix in files.items():
        path = finished / "products" / f"T5m_VIC{suffix}.tif"
        valid, errors, _ = cog_validate(path)
        assert valid, errors
        with rasterio.open(path) as raster:
            assert raster.crs.to_epsg() == 4326
            assert tuple(raster.bounds) == (-180, 40, 180, 84)
            np.testing.assert_array_equal(
                raster.read(1, masked=True).astype("f8").filled(np.nan),
                data[name].to_numpy().astype("f8"),
            )


def test_the_catalogues_open(finished):
    from_intake = intake.open_catalog(str(finished / "catalog.yaml"))
    assert from_intake["map"].read().vic.shape == (22, 180)
    collection = pystac.Collection.from_file(str(finished / "stac" / "collection.json"))
    assets = next(collection.get_items()).get_assets()
    for asset in assets.values():
        assert Path(asset.get_absolute_href()).exists()


def test_the_record_says_what_was_made_from_what(finished):
    record = json.loads((finished / "provenance.json").read_text())
    assert list(record["steps"]) == ORDER
    assert all(step["finished"] >= step["started"] for step in record["steps"].values())
    assert record["steps"]["map"]["cells"] == record["steps"]["cube"]["cells"]["valid"] > 500
    assert record["config"]["ensemble"]["replicates"] == 2
    assert set(record["sources"]) >= set(SMALL["predictors"])
    assert record["versions"]["icemap"] == icemap.__version__
    assert str(finished.parent / "layers.csv") in record["config"]["boreholes"]["layers"][0]["path"]
    digests = record["steps"]["boreholes"]["depends"][2]
    assert digests == [hashlib.sha256((finished.parent / "layers.csv").read_bytes()).hexdigest()]
    with rasterio.open(finished / "products" / "T5m_VIC.tif") as file:
        assert file.tags()["source"] == f"icemap {icemap.__version__}, ensemble of 2 replicates"
        assert (
            file.tags()["history"]
            == f"seed 0; inputs sha256:{record['steps']['map']['key']}; settings and versions:"
            " provenance.json of the run"
        )
    weights = record["steps"]["train"]["mean_weights"]
    assert list(weights) == ["svr", "gam", "random_forest", "lightgbm", "consensus"]
    assert sum(weights.values()) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_record_alone_makes_the_run_again_bit_for_bit(finished, tmp_path):
    """In another folder, without config and catalogue, and without a cluster."""
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(finished / "provenance.json", again)
    before = json.loads((again / "provenance.json").read_text())
    said = run_here(again / "provenance.json", ORDER)
    assert not [line for line in said if "other versions" in line]
    after = json.loads((again / "provenance.json").read_text())
    assert {name: step["key"] for name, step in after["steps"].items()} == {
        name: step["key"] for name, step in before["steps"].items()
    }
    for group in ("cube.zarr", "map.zarr"):  # the map holds what its replicates predict
        stored = [
            path.relative_to(finished) for path in (finished / group).rglob("*") if path.is_file()
        ]
        assert len(stored) > 10
        for path in stored:
            assert (again / path).read_bytes() == (finished / path).read_bytes(), path
    for name in (
        "samples.parquet",
        "ice_storage.json",
        "verification.json",
        *(f"products/{path.name}" for path in finished.glob("products/*.tif")),
    ):
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name
    assert run_here(again / "provenance.json", ORDER) == [
        f"{name}: there already" for name in ORDER
    ]


def test_verification_has_every_model_and_no_site_is_missing(finished):
    content = json.loads((finished / "verification.json").read_text())
    pools = {
        "icemap",
        "icemap calibrated",
        "COP-BMA",
        "pool without COP-BMA",
        "Gaussian BMA",
        "equal weights",
        "best member",
        "climatology",
    }
    models = pools | {
        "svr",
        "gam",
        "random_forest",
        "lightgbm",
        "quantile_forest",
        "conformal_quantiles",
        "kriging",
    }
    models |= {f"{name}, transformed" for name in ("Gaussian BMA", "equal weights", "best member")}
    published = {"published_recipe", "published_recipe_mixture"}
    samples = json.loads((finished / "provenance.json").read_text())["steps"]["boreholes"][
        "samples"
    ]
    for kind, name in (
        ("cell", "random, by grid cell"),
        ("block", "spatial blocks"),
        ("knndm", "kNNDM"),
    ):
        # The published recipe takes longest, and is no row of every kind.
        here = models if kind == "block" else models | published
        assert {row["model"] for row in content["table"] if row["folds"] == name} == here
        assert len(content["folds"][kind]["observed"]) == samples
    assert any("given once" in note for note in content["notes"])
    assert {row["by"] for row in content["groups"]} >= {
        "region",
        "observed volumetric ice content",
        "dissimilarity",
    }
    assert {row["model"] for row in content["differences"]} == (models | published) - {
        "icemap",
        "icemap calibrated",
    }
    assert content["replicates"]["rmse"]["replicates"] == 2
    # Leave-region-out scores the samples of large regions alone, and says which are not left out.
    left_out = content["folds"].get("region", {"rows": []})["rows"]
    assert len(left_out) < samples
    assert sum("is not left out" in note for note in content["notes"]) >= 1
    low, high = content["calibration"]["levels95"]
    assert 0 <= low < 0.2
    assert 0.8 < high <= 1


def test_influence_is_found_and_told(finished):
    content = json.loads((finished / "influence.json").read_text())
    # Some folds, or the map, may have the position among the predictors.
    told = {row["predictor"] for row in content["permutation"]}
    assert told - {*POSITION} == set(content["partial_dependence"]) == set(SMALL["predictors"])
    assert set(content["shap"]) == {"random_forest", "lightgbm"}
    assert sum(row["map_share"] for row in content["sites"]) == pytest.approx(1)
    scores = [row["score"] for row in content["next_boreholes"]]
    assert len(scores) == 20
    assert scores == sorted(scores, reverse=True)
    page = (finished / "verification.html").read_text()
    # Nothing is compared here.
    assert "published for another data set" not in page
    assert "leave region out" in page.lower()
    assert not re.search(r'(src|href)="(?!data:|#|https://doi\.org/)', page)
    assert 'href="verification.html"' in (finished / "report.html").read_text()


def test_the_ledger_adds_up_to_the_map(finished):
    records = Ledger(str(finished / "ledger" / "map")).records()
    valid = int((icemap.open_cube(str(finished / "cube.zarr")).valid == 1).sum())
    assert len(records) == -(-22 // CHUNK) * -(-180 // CHUNK)
    assert sum(record["valid"] for record in records.values()) == valid
    assert sum(record["pixels"] for record in records.values()) == 22 * 180


def test_a_second_run_does_nothing_and_says_so(first_run):
    config, _ = first_run
    before = snapshot(config.parent / "run")
    result = CliRunner().invoke(main, ["run", str(config)])
    assert result.exit_code == 0
    assert "Nothing to do: every product is there and its inputs have not changed." in result.stdout
    assert "Dask" not in result.stdout
    assert re.findall(r"^(\w+): there already$", result.stdout, re.MULTILINE) == ORDER
    assert snapshot(config.parent / "run") == before


@pytest.fixture(scope="module")
def redone(first_run, tmp_path_factory) -> tuple[Path, list[str]]:
    """The config of a copy with a smaller ensemble, which no test changes, and what was said as its
    run was made of that of the first.
    """
    folder = tmp_path_factory.mktemp("redone") / "copy"
    shutil.copytree(first_run[0].parent, folder)
    config = folder / "config.yaml"
    ensemble = {**PLAIN["ensemble"], "replicates": 1}
    change(config, ensemble=ensemble, verification=VERIFICATION | {"competitors": ["kriging"]})
    return config, run_here(config, ORDER)


def test_fewer_replicates_redo_the_ensemble_and_what_follows(finished, redone):
    config, said = redone
    run, before = config.parent / "run", snapshot(finished)
    assert [line.split(":")[0] for line in said if line.endswith("there already")] == [
        "cube",
        "boreholes",
    ]
    assert [line.split(":")[0] for line in said if ": making" in line] == ORDER[2:]
    after = snapshot(run)
    untouched = [
        name for name in after if name.startswith(("cube.zarr", "ledger/cube", "samples", "sites"))
    ]
    assert untouched
    assert all(after[name] == before[name] for name in untouched)
    assert sorted(p.name for p in (run / "ensemble" / "replicates").iterdir()) == [
        "s000.json",
        "s000.skops",
    ]
    assert {
        key
        for key in Ledger(str(run / "ledger" / "train")).records()
        if not key.startswith("tune-")
    } == {"s000"}


REMADE = {
    "a predictor more": ({"predictors": [*SMALL["predictors"], "ndvi"]}, ORDER),
    "another mask": ({"masks": [{"source": "land_fraction", "at_least": 0.4}]}, ORDER),
    "a smaller grid": ({"grid": {**SMALL["grid"], "south": 42}}, ORDER),
    "fewer grades": (
        {"boreholes": {"layers": [{"path": "layers.csv"}], "grades": ["A", "B"]}},
        ORDER[1:],
    ),
    "narrower bounds": ({"target": {"bounds": [0, 90]}}, ORDER[1:]),
    "another seed": ({"seed": 1}, ORDER[2:]),
    "other members": ({"ensemble": {**SMALL["ensemble"], "members": ["svr", "gam"]}}, ORDER[2:]),
    "more folds": ({"verification": {"folds": 4, "places": 300}}, ORDER[3:]),
    "another title": (
        {"title": "Ice"},
        ["cube", "boreholes", "verify", "map", "publish", "report"],
    ),
    "nothing": ({}, []),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", REMADE)
def test_a_change_redoes_exactly_what_depends_on_it(tmp_path, name):
    """The real dependencies of the steps, whose products are empty files here."""
    changes, expected = REMADE[name]
    config = Path(write_demo(str(tmp_path), "small"))
    change(config, **SMALL)
    made: list[str] = []

    def recorded(step):
        def make(context):
            made.append(step.name)
            for url in step.products(context.config):
                Path(url).parent.mkdir(parents=True, exist_ok=True)
                Path(url).touch()
            return {}

        return dataclasses.replace(step, make=make)

    steps = [recorded(step) for step in STEPS]

    def run() -> list[str]:
        made.clear()
        run_steps(steps, Context(load_config(str(config)), "local", 1, lambda line: None), ORDER)
        return made

    assert run() == ORDER
    change(config, **changes)
    assert run() == expected
    assert run() == []


@pytest.mark.quick
def test_a_changed_input_file_redoes_what_depends_on_it(tmp_path):
    config = load_config(write_demo(str(tmp_path), "small"))
    context = Context(config, "local", 1, lambda line: None)
    boreholes = next(step for step in STEPS if step.name == "boreholes")
    before = boreholes.depends(context)
    layers = tmp_path / "layers.csv"
    layers.touch()
    assert boreholes.depends(context) == before
    layers.write_text(layers.read_text() + "\n")
    assert boreholes.depends(context) != before


@pytest.mark.quick
def test_an_abandoned_start_leaves_no_chunks_of_the_earlier_settings(tmp_path):
    """Stopped before its first chunk, a step that replaces an older product must not take the older
    chunks for its own.
    """
    config = Path(write_demo(str(tmp_path), "small"))
    change(
        config,
        **{**SMALL, "grid": {**SMALL["grid"], "west": 90, "south": 60, "east": 150, "north": 76}},
    )

    def interrupted(context):
        raise KeyboardInterrupt

    run_here(config, ["cube"])
    change(config, predictors=["maat", "ndvi"])
    with pytest.raises(KeyboardInterrupt):
        run_steps(
            [dataclasses.replace(STEPS[0], make=interrupted)],
            Context(load_config(str(config)), "local", 1, print),
            ["cube"],
        )
    run_here(config, ["cube"])
    cube = icemap.open_cube(str(tmp_path / "run" / "cube.zarr")).load()
    assert {"maat", "ndvi"} <= set(cube.data_vars)
    assert "slope" not in cube
    assert np.isfinite(cube.ndvi.to_numpy()).any()


def test_query_and_status(first_run):
    config, _ = first_run
    run = str(config.parent / "run")
    place = {"lon": 129.0, "lat": 71.0}
    result = CliRunner().invoke(main, ["query", run, "--lon", "129", "--lat", "71"])
    assert result.exit_code == 0
    told = dict(line.split() for line in result.stdout.splitlines())
    expected = query(f"{run}/map.zarr", **place)
    assert float(told["vic"]) == pytest.approx(expected["vic"], rel=1e-3)
    assert float(told["vic_lower95"]) <= float(told["vic"]) <= float(told["vic_upper95"])
    sea = CliRunner().invoke(main, ["query", run, "--lon", "0", "--lat", "82"])
    assert sea.exit_code == 2
    assert "is not mapped" in sea.stderr

    status = CliRunner().invoke(main, ["status", run])
    assert status.exit_code == 0
    lines = status.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ORDER
    assert all(" finished 20" in line for line in lines)
    assert lines[0].endswith("24 parts in the ledger")


@pytest.mark.parametrize(
    ("wanted", "missing"), [("train", "cube"), ("map", "cube"), ("report", "cube")]
)
@pytest.mark.quick
def test_a_single_command_names_the_step_that_is_missing(tmp_path, wanted, missing):
    config = write_demo(str(tmp_path), "small")
    result = CliRunner().invoke(main, [wanted, config])
    assert result.exit_code == 2
    assert (
        f"'{missing}' comes before and is not done for this config: run 'icemap {missing}' or"
        " 'icemap run' first." in result.stderr
    )
    assert not (tmp_path / "run").exists()


def test_single_commands_make_their_product_alone(copied):
    run = copied.parent / "run"
    (run / "ice_storage.json").unlink()
    refused = CliRunner().invoke(main, ["report", str(copied)])
    assert refused.exit_code == 2
    assert "ice_storage.json is not there. Run 'icemap storage'" in refused.stderr
    result = CliRunner().invoke(main, ["storage", str(copied)])
    assert result.exit_code == 0, result.stderr
    assert re.findall(r"^(\w+): making", result.stdout, re.MULTILINE) == ["storage"]
    assert (run / "ice_storage.json").is_file()
    assert CliRunner().invoke(main, ["report", str(copied)]).exit_code == 0


def test_help_of_every_command():
    for name in main.commands:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert "Usage" in result.stdout
    assert set(main.commands) >= {"demo", "run", *ORDER, "status", "query"}


def test_the_residual_of_the_totals_is_that_of_the_verification(finished):
    verified = json.loads((finished / "verification.json").read_text())["folds"]["knndm"]
    residuals = Residuals.of(read_samples(str(finished / "samples.parquet")), verified)
    known = json.loads((finished / "ice_storage.json").read_text())["residual_variogram"]
    assert known == pytest.approx(dataclasses.asdict(residuals.variogram()))
    assert 'alt="Variogram of the residuals' in (finished / "report.html").read_text()


def test_totals_of_polygons_come_from_the_finished_map(first_run, tmp_path):
    import geopandas as gpd
    import shapely

    boxes = {
        "east": shapely.box(100, 60, 140, 72),
        "west": shapely.box(-150, 62, -120, 70),
        "sea": shapely.box(-45, 41, -35, 45),
    }
    gpd.GeoDataFrame({"land": list(boxes)}, geometry=list(boxes.values()), crs="EPSG:4326").to_file(
        tmp_path / "boxes.geojson"
    )
    config = tmp_path / "run" / "config.yaml"
    shutil.copytree(first_run[0].parent, config.parent)
    result = CliRunner().invoke(
        main,
        ["storage", str(config), "--polygons", str(tmp_path / "boxes.geojson"), "--name", "land"],
    )
    assert result.exit_code == 0, result.output
    rows = json.loads((config.parent / "run" / "products" / "ice_storage_boxes.json").read_text())[
        "regions"
    ]
    assert sorted(row["region"] for row in rows) == ["east", "west"]
    whole = icemap.ice_storage(str(config.parent / "run" / "map.zarr"), "all").iloc[0]
    assert 0 < sum(row["ice_km3"] for row in rows) < whole["ice_km3"]
    assert all(
        row["ice_km3_lower95"] < row["ice_km3"] < row["ice_km3_upper95"] and row["residual_sd"] > 0
        for row in rows
    )
    absent = CliRunner().invoke(
        main,
        ["storage", str(config), "--polygons", str(tmp_path / "boxes.geojson"), "--name", "iso"],
    )
    assert absent.exit_code == 2


def test_run_from_a_program_does_what_the_command_does(first_run):
    config, _ = first_run
    said: list[str] = []
    made = icemap.run(str(config), log=said.append)
    assert (
        icemap.open_map(made.map).sizes
        == icemap.open_map(str(config.parent / "run/map.zarr")).sizes
    )
    assert said == [
        *(f"{name}: there already" for name in ORDER),
        "Nothing to do: every product is there and its inputs have not changed.",
    ]
    with pytest.raises(
        icemap.IcemapError, match="There is no step 'cubes': the steps are cube, boreholes, train"
    ):
        icemap.run(str(config), ["cubes"])


def test_jupyter_shows_what_is_in_a_run(first_run):
    config, _ = first_run
    made = icemap.run(str(config), log=lambda line: None)
    shown = made._repr_html_()
    steps = json.loads((config.parent / "run" / "provenance.json").read_text())["steps"]
    facts = steps["boreholes"]
    assert str(config.parent / "run") in shown
    assert ", ".join(ORDER) in shown
    assert f"{facts['used']:,} of {facts['sites']:,} used, in {facts['samples']:,} samples" in shown
    assert f">{steps['train']['replicates']}<" in shown
    for name, weight in steps["train"]["mean_weights"].items():
        assert f"{name.replace('_', ' ')} {weight:.2f}" in shown
    assert "volumetric ice content (%), 0 to 100" in shown


def test_jupyter_shows_a_run_that_has_only_begun(tmp_path):
    shown = MadeRun(str(tmp_path / "run"))._repr_html_()
    assert str(tmp_path / "run") in shown
    assert shown.count("<tr>") == 1


def numbers(run: Path) -> dict[str, bytes]:
    """Content of the chunks of cube, map and levels, of the ledger, and of the files that hold
    nothing but numbers.
    """
    files = [
        *run.rglob("c/*/*"),
        *run.glob("ledger/*/[!.]*.json"),
        *run.glob("ensemble/replicates/*"),
        *run.glob("ensemble/*.npz"),
    ]
    files += [
        run / name
        for name in (
            "samples.parquet",
            "ice_storage.json",
            "ensemble/calibration.json",
            "ensemble/applicability.json",
        )
    ]
    return {str(path.relative_to(run)): path.read_bytes() for path in files if path.is_file()}


def test_other_words_stand_in_every_product_and_no_number_is_made_again(copied):
    run = copied.parent / "run"
    catalog = yaml.safe_load((copied.parent / "catalog.yaml").read_text())
    catalog["entries"]["maat"]["metadata"]["long_name"] = "warmth of a year"
    data = re.fullmatch(r"\{data\((.*)\)\}", catalog["entries"]["maat"]["kwargs"]["data"]).group(1)
    catalog["data"][data]["metadata"] = {
        **catalog["data"][data].get("metadata", {}),
        "licence": "Licence of somebody",
    }
    (copied.parent / "catalog.yaml").write_text(yaml.safe_dump(catalog, sort_keys=False))
    change(
        copied,
        author="Someone Else",
        title="Another title",
        target={"long_name": "frozen water"},
        verification={**VERIFICATION, "classes": [0, 33, 100]},
    )
    before, started = (
        numbers(run),
        {
            name: step["started"]
            for name, step in json.loads((run / "provenance.json").read_text())["steps"].items()
        },
    )
    assert len([name for name in before if "/c/" in name]) > 100

    # Without an executor: nothing is left for workers to do.
    said: list[str] = []
    run_steps(STEPS, Context(load_config(str(copied)), "nobody", 1, said.append), ORDER)
    assert [line.split(":")[0] for line in said if ": rewording" in line] == [
        name for name in ORDER if name != "storage"
    ]
    assert not [line for line in said if ": making" in line or ": continuing" in line]
    assert numbers(run) == before
    record = json.loads((run / "provenance.json").read_text())
    assert {name: step["started"] for name, step in record["steps"].items()} == started
    assert (record["config"]["author"], record["sources"]["maat"]["licence"]) == (
        "Someone Else",
        "Licence of somebody",
    )

    collection = json.loads((run / "stac" / "collection.json").read_text())
    assert (collection["title"], collection["providers"][0]["name"]) == (
        "Another title",
        "Someone Else",
    )
    assert collection["cube:variables"]["vic"]["description"] == "frozen water"
    cube, data = icemap.open_cube(str(run / "cube.zarr")), icemap.open_map(str(run / "map.zarr"))
    assert (cube.attrs["title"], cube.maat.attrs["long_name"], cube.maat.attrs["licence"]) == (
        "Another title: predictors",
        "warmth of a year",
        "Licence of somebody",
    )
    assert (data.attrs["title"], data.vic.attrs["long_name"]) == ("Another title", "frozen water")
    manifest = json.loads((run / "ensemble" / "manifest.json").read_text())
    assert splits_of(data) == tuple(manifest["splits"])
    # Who reads the arrays one by one finds the same words.
    assert json.loads((run / "map.zarr" / "vic_lower95" / "zarr.json").read_text())["attributes"][
        "long_name"
    ].endswith("of frozen water")
    with rasterio.open(run / "products" / "T5m_VIC.tif") as file:
        assert (file.tags()["title"], file.descriptions) == ("Another title", ("frozen water",))
    assert cog_validate(run / "products" / "T5m_VIC.tif")[0]
    for page, words in {
        "report.html": (
            "Another title",
            "Someone Else",
            "frozen water",
            "warmth of a year",
            "Licence of somebody",
        ),
        "predictors.html": ("Another title", "warmth of a year", "Licence of somebody"),
        "boreholes.html": ("Another title",),
        "verification.html": ("Another title", "33 to 100 %"),
        "verification.json": ("frozen water", "33 to 100 %"),
        "catalog.yaml": ("Another title", "frozen water"),
        "ensemble/manifest.json": ("frozen water",),
    }.items():
        assert [one for one in words if one not in (run / page).read_text()] == [], page
    assert run_here(copied, ORDER) == [f"{name}: there already" for name in ORDER]
    assert check_run(str(run), print) == []


def models_of(run: Path) -> set[str]:
    return {row["model"] for row in json.loads((run / "verification.json").read_text())["table"]}


def test_other_competitors_leave_the_map_as_it_is(redone, tmp_path):
    shutil.copytree(redone[0].parent, tmp_path / "copy")
    config, run = tmp_path / "copy" / "config.yaml", tmp_path / "copy" / "run"
    calibration = (run / "ensemble" / "calibration.json").read_bytes()
    assert "kriging" in models_of(run)
    change(config, verification=VERIFICATION | {"competitors": []})
    said = run_here(config, ORDER)
    assert [line.split(":")[0] for line in said if ": making" in line] == ["verify"]
    assert [line.split(":")[0] for line in said if ": rewording" in line] == ["report"]
    assert (run / "ensemble" / "calibration.json").read_bytes() == calibration
    assert "kriging" not in models_of(run)


def stored_chunks(run: Path) -> list[Path]:
    """Every stored object of the cube, the map and its replicate fields that holds values of
    cells.
    """
    return sorted(
        path
        for group in ("cube.zarr", "map.zarr")
        for path in (run / group).rglob("c/*/*")
        if path.is_file() and "overviews" not in path.parts
    )


def test_what_is_damaged_is_named_and_made_again_to_the_same_bytes(copied):
    run = copied.parent / "run"
    vic = sorted((run / "map.zarr" / "vic" / "c").rglob("*/*"))
    replicates = sorted((run / "map.zarr" / "replicates" / "value" / "c").rglob("*/*/*"))
    damaged = {
        "flipped": vic[0],
        "lost": vic[-1],
        "truncated": sorted((run / "cube.zarr" / "maat" / "c").rglob("*/*"))[0],
        "emptied": replicates[0],
        "tif": run / "products" / "T5m_VIC_sd.tif",
        "page": run / "report.html",
    }
    before = {path: path.read_bytes() for path in damaged.values()}
    content = bytearray(before[damaged["flipped"]])
    content[len(content) // 2] ^= 1
    damaged["flipped"].write_bytes(content)
    damaged["lost"].unlink()
    damaged["truncated"].write_bytes(before[damaged["truncated"]][:-20])
    damaged["emptied"].write_bytes(b"")
    damaged["tif"].unlink()
    damaged["page"].write_bytes(before[damaged["page"]][:1000])
    said: list[str] = []
    found = check_run(str(run), said.append)
    for name in ("vic", "maat", "value"):
        assert any(f"of '{name}' in" in line for line in said), said
    assert any("T5m_VIC_sd.tif is not there" in line for line in said)
    assert any("report.html has 1,000 bytes and had" in line for line in said)
    assert {damage.step for damage in found} == {"cube", "map", "publish", "report"}
    ledger = [len(list((run / "ledger" / step).glob("r*.json"))) for step in ("cube", "map")]
    assert "train: there already" in run_here(copied, ORDER)
    assert [
        len(list((run / "ledger" / step).glob("r*.json"))) - n
        for step, n in zip(("cube", "map"), ledger)
    ] == [
        1,
        len({damage.chunk.key for damage in found if damage.step == "map"}),
    ]
    # The page tells when it was made.
    assert [
        str(path) for path in before if path.suffix != ".html" and path.read_bytes() != before[path]
    ] == []
    assert check_run(str(run), print) == []


def test_no_flipped_bit_gives_another_value(copied):
    run = copied.parent / "run"
    rng = np.random.default_rng(0)
    files = stored_chunks(run)
    noticed = 0
    for file in rng.choice(np.array(files, dtype=object), 60):
        group = next(
            parent
            for parent in file.parents
            if parent.name in ("cube.zarr", "map.zarr", "replicates")
        )
        variable = file.relative_to(group).parts[0]
        array = zarr.open_array(str(group / variable), mode="r", zarr_format=3)
        before, content = array[...], file.read_bytes()
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        try:
            after = array[...]
        except (RuntimeError, ValueError):
            noticed += 1
        else:
            assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f"), file
        file.write_bytes(content)
    assert noticed > 40


def test_a_lost_object_of_the_map_is_not_published_as_a_hole(copied):
    run = copied.parent / "run"
    next(
        path for path in sorted((run / "map.zarr" / "vic_sd_ensemble" / "c").rglob("*/*"))
    ).unlink()
    (run / "products" / "T5m_VIC_sd.tif").unlink()
    result = command("publish", copied)
    assert result.returncode == 2
    assert re.search(
        r"'vic_sd_ensemble' in .*map\.zarr has [\d,]+ values where [\d,]+ cells were mapped:"
        rf" 'icemap check {re.escape(str(run))}'",
        result.stderr,
    )
    assert not (run / "products" / "T5m_VIC_sd.tif").exists()


def test_a_run_tells_and_makes_again_a_product_that_is_gone_or_shorter(copied):
    run = copied.parent / "run"
    (run / "products" / "T5m_VIC.tif").write_bytes(b"II*")
    said = run_here(copied, ORDER)
    assert any(
        re.search(r"publish: .*T5m_VIC\.tif has 3 bytes and had [\d,]+\.", line) for line in said
    ), said
    with rasterio.open(run / "products" / "T5m_VIC.tif") as file:
        assert file.read(1).size > 0


def test_check_of_a_folder_without_a_run_is_one_sentence(tmp_path):
    result = command("check", tmp_path)
    assert (result.returncode, result.stderr) == (
        2,
        f"icemap: There is no run at {tmp_path}: give the folder that the config names as 'run'.\n",
    )


def test_a_map_to_compare_with_is_in_the_report(copied):
    """Its page and its picture are made with the report, and again where the other map has
    changed.
    """
    from rasterio.transform import from_origin

    run, other = copied.parent / "run", copied.parent / "older.tif"

    def write(value: float) -> None:
        profile = {
            "driver": "GTiff",
            "height": 44,
            "width": 360,
            "count": 1,
            "dtype": "float32",
            "crs": "EPSG:4326",
        }
        with rasterio.open(other, "w", **profile, transform=from_origin(-180, 84, 1, 1)) as file:
            file.write(np.full((44, 360), value, dtype=np.float32), 1)

    write(30.0)
    change(copied, compare=[{"other": "older.tif", "depth": 5, "ice": "total"}])
    assert [line.split(":")[0] for line in run_here(copied, ORDER) if ": making" in line] == [
        "report"
    ]
    report = (run / "report.html").read_text()
    assert "<h2>Compared with older</h2>" in report
    assert 'href="comparison-older.html"' in report
    assert (run / "comparison-older.html").is_file()
    numbers = json.loads((run / "comparison" / "older.json").read_text())
    assert numbers["areas"][0]["other_mean"] == pytest.approx(30)
    assert numbers["run"]["facts"]["boreholes"].endswith("cells")
    assert all("there already" in line for line in run_here(copied, ORDER))
    write(40.0)
    assert [line.split(":")[0] for line in run_here(copied, ORDER) if ": making" in line] == [
        "report"
    ]
    assert json.loads((run / "comparison" / "older.json").read_text())["areas"][0][
        "other_mean"
    ] == pytest.approx(40)
    change(copied, compare=[{"other": "gone.tif", "depth": 5}])
    refused = CliRunner().invoke(main, ["report", str(copied)])
    assert refused.exit_code == 2
    assert "gone.tif" in refused.output
    assert (run / "comparison-older.html").is_file()
