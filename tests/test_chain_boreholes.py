"""`icemap boreholes` from the table alone, and again when the cube is there."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from click.testing import CliRunner
from rasterio.transform import from_origin

import icemap
from icemap.cli import main
from icemap.pipeline.steps import Context
from icemap.running.run import SerialExecutor

SITE_FILES = {"sites.parquet", "sites.csv", "sites.gpkg", "boreholes.html"}
HEADER = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%],frozen\n"
ROWS = "A,10.1,60.1,0.5,0.5,5.5,40,yes\nB,20.1,65.1,,0.9,4.0,60,yes\nC,20.2,65.2,0.6,8,9,50,yes\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    (tmp_path / "layers.csv").write_text(HEADER + ROWS)
    content = {
        "run": "run",
        "grid": {"south": 55, "north": 75, "resolution": 5, "chunk": 72},
        "catalog": "catalog.yaml",
        "predictors": ["a"],
        "boreholes": {"layers": [{"path": "layers.csv"}]},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "config.yaml"


def add_raster(folder: Path) -> None:
    values = np.random.default_rng(0).normal(size=(4, 72)).astype("float32")
    profile = {
        "driver": "GTiff",
        "height": 4,
        "width": 72,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
        "transform": from_origin(-180, 75, 5, 5),
    }
    with rasterio.open(folder / "a.tif", "w", **profile) as raster:
        raster.write(values, 1)
    entry = {
        "kwargs": {"data": "{data(a_file)}"},
        "metadata": {"family": "topography", "long_name": "a", "unit": "1"},
    }
    (folder / "catalog.yaml").write_text(
        yaml.safe_dump(
            {
                "version": 2,
                "data": {"a_file": {"kwargs": {"url": "a.tif"}}},
                "entries": {"a": entry},
            }
        )
    )


def boreholes(config: Path):
    return CliRunner().invoke(main, ["boreholes", str(config)])


def test_a_table_alone_gives_sites_and_their_page(config: Path) -> None:
    result = boreholes(config)
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (config.parent / "run").iterdir()} == SITE_FILES
    sites = pd.read_csv(config.parent / "run/sites.csv", keep_default_na=False)
    assert sites[["site", "used", "reason"]].to_numpy().tolist() == [
        ["A", True, ""],
        ["B", True, ""],
        ["C", False, "no layer in the 5 m below the permafrost table"],
    ]
    assert "2 of 3 sites can be used; see" in result.stdout
    assert "The permafrost table of 1 of 3 boreholes is an upper bound" in result.stdout
    assert (
        "samples.parquet follows with 'icemap boreholes' or 'icemap run' when the cube is there:"
        " the step 'cube' is not done (There is no catalogue" in result.stdout
    )


def test_a_catalogue_without_its_rasters_is_no_hindrance(config: Path) -> None:
    add_raster(config.parent)
    (config.parent / "a.tif").unlink()
    result = boreholes(config)
    assert result.exit_code == 0
    assert "the step 'cube' is not done (" in result.stdout
    assert "a.tif" in result.stdout


def test_the_same_command_joins_the_predictors_when_the_cube_is_there(config: Path) -> None:
    assert boreholes(config).exit_code == 0
    add_raster(config.parent)
    again = boreholes(config)
    assert "when the cube is there: the step 'cube' is not done." in again.stdout
    icemap.run(str(config), ["cube"])
    result = boreholes(config)
    assert result.exit_code == 0, result.stderr
    assert "2 of 3 sites used, in 2 cells" in result.stdout
    run = config.parent / "run"
    assert {"samples.parquet", *SITE_FILES} < {path.name for path in run.iterdir()}
    assert set(json.loads((run / "provenance.json").read_text())["steps"]) == {"cube", "boreholes"}
    assert "boreholes: there already" in boreholes(config).stdout
    (run / "sites.gpkg").unlink()
    assert "boreholes: making" in boreholes(config).stdout


def test_a_changed_key_of_a_source_makes_the_samples_again(config: Path) -> None:
    add_raster(config.parent)
    icemap.run(str(config), ["cube", "boreholes"])
    content = yaml.safe_load(config.read_text())
    content["boreholes"]["layers"][0]["support"] = "samples"
    config.write_text(yaml.safe_dump(content))
    assert "boreholes: making" in boreholes(config).stdout


def test_where_no_site_can_be_used_the_page_is_there_to_say_why(config: Path) -> None:
    (config.parent / "layers.csv").write_text(HEADER + "A,10.1,20.1,0.5,0.5,5.5,40,yes\n")
    add_raster(config.parent)
    icemap.run(str(config), ["cube"])
    result = boreholes(config)
    assert result.exit_code == 2
    assert "No site can be used for training (1 read: 1 x outside the grid)" in result.stderr
    assert {path.name for path in (config.parent / "run").iterdir()} >= SITE_FILES


def test_a_bad_row_leaves_nothing_behind(config: Path) -> None:
    (config.parent / "layers.csv").write_text(HEADER + ROWS + "D,30,60,deep,0,1,40,yes\n")
    result = boreholes(config)
    assert result.exit_code == 2
    assert (
        "layers.csv has 1 bad row: permafrost_table [m] is not a number: 'deep' (line 5)"
        in result.stderr
    )
    assert not (config.parent / "run").exists()
