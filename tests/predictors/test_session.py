"""The steps without a config: the same cube, the same sites, the same samples."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
import yaml
from affine import Affine

import icemap
from icemap import Grid, IcemapError
from icemap.boreholes.sample_files import read_samples
from icemap.boreholes.session import read_site_table
from icemap.boreholes.sites import read_sites
from icemap.config import load_config
from icemap.virtual_arctic.demo import write_demo

PREDICTORS = ["maat", "deposit", "elevation"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The steps cube and boreholes on a small virtual Arctic, with a raster of its own."""
    config = Path(write_demo(str(tmp_path_factory.mktemp("arctic")), "small"))
    content = yaml.safe_load(config.read_text())
    grid = {"west": 60, "south": 60, "east": 180, "north": 76, "resolution": 2, "chunk": 16}
    content |= {"grid": grid, "predictors": [*PREDICTORS, "height"]}
    config.write_text(yaml.safe_dump(content))
    catalog = config.with_name("catalog.yaml")
    entries = yaml.safe_load(catalog.read_text())
    with rasterio.open(
        config.with_name("height.tif"),
        "w",
        driver="GTiff",
        width=240,
        height=32,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(0.5, 0, 60, 0, -0.5, 76),
    ) as raster:
        raster.write(np.arange(32 * 240, dtype="f4").reshape(1, 32, 240))
    entries["data"]["heights"] = {"kwargs": {"url": "height.tif"}}
    entries["entries"]["height"] = {
        "kwargs": {"data": "{data(heights)}"},
        "metadata": {"family": "topography", "long_name": "height", "unit": "m"},
    }
    entries["entries"]["share"] = {
        "kwargs": {"data": "{data(heights)}"},
        "metadata": {"family": "mask", "long_name": "share", "unit": "%", "scale": 0.01},
    }
    catalog.write_text(yaml.safe_dump(entries))
    icemap.run(str(config), ["cube", "boreholes"], cluster="serial", log=lambda line: None)
    return config


def arguments(run: Path) -> dict:
    config = load_config(str(run))
    return {
        "catalog": config.catalog,
        "grid": config.grid.grid,
        "predictors": config.predictors,
        "masks": [mask.model_dump(exclude_none=True) for mask in config.masks],
        "title": config.title,
        "chunk": 16,
    }


@pytest.fixture(scope="module")
def cube(run) -> xr.Dataset:
    return icemap.build_cube(**arguments(run))


def test_the_cube_is_that_of_the_step(run, cube):
    stored = icemap.open_cube(load_config(str(run)).folder.cube)
    assert all(variable.chunks for variable in cube.data_vars.values()), "it is made when looked at"
    xr.testing.assert_identical(cube.compute(), stored.compute())


def test_a_written_cube_is_that_of_the_step(run, tmp_path):
    config = load_config(str(run))
    url = str(tmp_path / "cube.zarr")
    made = icemap.build_cube(**arguments(run), url=url)
    xr.testing.assert_identical(made.compute(), icemap.open_cube(config.folder.cube).compute())

    def chunks(folder: str) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }

    assert chunks(url) == chunks(config.folder.cube)
    with pytest.raises(IcemapError, match=r"something at .* already"):
        icemap.build_cube(**arguments(run), url=url)


def test_the_sites_are_those_of_the_step(run):
    config = load_config(str(run))
    layers = run.with_name("layers.csv")
    sites = icemap.read_boreholes(layers, grid=config.grid.grid)
    table = read_sites(config)
    pd.testing.assert_frame_equal(sites, table.sites, check_like=False)
    assert sites.attrs["notes"] == list(table.notes)
    whole = read_site_table(layers, grid=config.grid.grid)
    pd.testing.assert_frame_equal(whole.layers, table.layers)
    pd.testing.assert_frame_equal(whole.flags, table.flags)
    stored = read_samples(str(run.with_name("run") / "sites.parquet"))
    for name in ("site", "lon", "lat", "value", "standard_error", "grade"):
        pd.testing.assert_series_equal(sites[name], stored[name], check_dtype=False)


def test_the_samples_are_those_of_the_step(run, cube):
    config = load_config(str(run))
    sites = icemap.read_boreholes(run.with_name("layers.csv"), grid=config.grid.grid)
    samples = icemap.sample(cube, sites, config.predictors)
    stored = read_samples(config.folder.samples)
    pd.testing.assert_frame_equal(samples, stored, check_dtype=False)
    assert set(icemap.sample(cube, sites)) == set(samples), "masks are no predictors"


def test_relative_paths_are_those_of_the_working_folder(run, monkeypatch):
    monkeypatch.chdir(run.parent)
    given = arguments(run)
    made = icemap.build_cube(**{**given, "catalog": "catalog.yaml", "predictors": ["height"]})
    assert float(made["height"][0, 0]) == pytest.approx(
        np.arange(4)[None].repeat(4, 0).mean() + 360
    )
    assert len(icemap.read_boreholes("layers.csv"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predictors": ["nothing"]}, "has no entry 'nothing'"),
        ({"predictors": ["maat", "maat"]}, "lists maat twice"),
        ({"predictors": []}, "is empty"),
        ({"masks": [{"source": "land_fraction", "at_last": 1}]}, "Mask 1: .*at_last"),
        ({"masks": [{"source": "land_fraction"}]}, "does nothing"),
        ({"masks": [{"source": "share", "at_least": 0.5}]}, "less than one percent: give 50"),
        ({"grid": Grid(-60, -60, -50, -55, 1.0), "predictors": ["height"]}, "covers no part"),
        ({"chunk": 1}, "The grid: .*chunk"),
        ({"catalog": "nowhere.yaml"}, "nowhere.yaml: there is no such file"),
    ],
)
def test_a_mistake_is_a_sentence(run, change, words):
    with pytest.raises(IcemapError, match=words):
        icemap.build_cube(**{**arguments(run), "masks": [], **change})


def test_all_sources_with_problems_are_named(run):
    for name in ("one", "two"):
        run.with_name(f"{name}.tif").write_text("no raster")
    catalog = yaml.safe_load(run.with_name("catalog.yaml").read_text())
    for name in ("one", "two"):
        catalog["data"][f"{name}_file"] = {"kwargs": {"url": f"{name}.tif"}}
        catalog["entries"][name] = {
            "kwargs": {"data": f"{{data({name}_file)}}"},
            "metadata": {"family": "topography", "long_name": name, "unit": "m"},
        }
    wrong = run.with_name("wrong.yaml")
    wrong.write_text(yaml.safe_dump(catalog))
    with pytest.raises(IcemapError, match=r"2 problems .*'one'.*'two'"):
        icemap.build_cube(wrong, Grid(60, 60, 70, 70, 1.0), ["one", "two"])


def test_nothing_half_written_stays(run, tmp_path):
    url = tmp_path / "cube.zarr"
    given = {**arguments(run), "masks": [{"source": "land_fraction", "at_least": 9.0}]}
    with pytest.raises(IcemapError, match="inside the masks land_fraction"):
        icemap.build_cube(**given, url=str(url))
    assert not url.exists() or not os.listdir(url)


def test_a_table_of_ones_own_is_sampled(cube):
    middle = {"lon": [101.0, 101.1, 121.0], "lat": [67.0, 67.1, 65.0], "value": [10.0, 20.0, 40.0]}
    samples = icemap.sample(cube, pd.DataFrame(middle), ["maat", "height"])
    assert samples["value"].tolist() == [15.0, 40.0]
    assert samples["sites"].tolist() == [2, 1]
    holes = pd.DataFrame({**middle, "value": [10.0, np.nan, 40.0]})
    assert icemap.sample(cube, holes, ["maat", "height"])["value"].tolist() == [10.0, 40.0]
    with pytest.raises(IcemapError, match="no column value"):
        icemap.sample(cube, pd.DataFrame({"lon": [1.0], "lat": [60.0]}))
    with pytest.raises(IcemapError, match="no predictor nothing"):
        icemap.sample(cube, pd.DataFrame(middle), ["nothing"])
    with pytest.raises(IcemapError, match="give 'predictors'"):
        icemap.sample(cube[["valid", "fraction"]], pd.DataFrame(middle))


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("value", ["10.5", "12,5", "40"], "'value' of the sites holds '12,5': give numbers"),
        ("lat", ["67N", "67N", "65N"], "'lat' of the sites holds '67N': give numbers"),
        ("standard_error", [1.0, -9999.0, 2.0], "holds -9999: a standard error is 0 or more"),
        ("value", [10.5, np.inf, 40.0], "'value' of the sites holds 'inf': give numbers"),
        ("lon", [124.2, -np.inf, 130.0], "'lon' of the sites holds '-inf': give numbers"),
        ("value", pd.to_datetime(["2001", "2002", "2003"]), "holds '2001-01-01 00:00:00'"),
        ("value", pd.to_timedelta([1, 2, 3], unit="D"), "holds '1 days 00:00:00': give numbers"),
        ("used", ["yes", "yes", "no"], "'used' of the sites holds 'yes': give True and False"),
        ("pseudo", [0.0, np.nan, 1.0], "'pseudo' of the sites holds 'nan': give True and False"),
    ],
)
def test_columns_of_sites_that_do_not_mean_what_they_say(cube, column, values, said):
    sites = {"lon": [101.0, 101.1, 121.0], "lat": [67.0, 67.1, 65.0], "value": [10.0, 20.0, 40.0]}
    with pytest.raises(IcemapError, match=said):
        icemap.sample(cube, pd.DataFrame({**sites, column: values}), ["maat", "height"])


def test_an_address_is_no_cube_and_no_rows_are_no_sites(cube):
    sites = pd.DataFrame({"lon": [124.2], "lat": [67.3], "value": [10.5]})
    with pytest.raises(IcemapError, match="The cube is a str: give the Dataset that"):
        icemap.sample("run/cube.zarr", sites)
    with pytest.raises(IcemapError, match="The table of sites has no rows"):
        icemap.sample(cube, sites[:0])


def test_columns_of_sites_that_are_right(cube):
    sites = pd.DataFrame(
        {
            "lon": [101.0, 111.0, 121.0],
            "lat": ["67.0", "67.1", "65.0"],
            "value": [10, 20, 40],
            "standard_error": [None, 2.0, 0.0],
            "used": [1, 0, 1],
        }
    )
    assert icemap.sample(cube, sites, ["maat", "height"])["value"].tolist() == [10.0, 40.0]
    with pytest.raises(IcemapError, match="has 2 columns 'lon'"):
        icemap.sample(cube, pd.concat([sites, sites[["lon"]]], axis=1), ["maat", "height"])
    with pytest.raises(IcemapError, match="The sites are a dict: give a DataFrame"):
        icemap.sample(cube, {"lon": [101.0]}, ["maat", "height"])


def test_a_part_of_a_cube_is_sampled_where_it_is(cube):
    places = pd.DataFrame({"lon": [101.0, 121.0], "lat": [67.0, 65.0], "value": [10.0, 40.0]})
    part = cube.sel(longitude=slice(90, 140), latitude=slice(70, 62))
    names = ["maat", "height"]
    pd.testing.assert_frame_equal(
        icemap.sample(part, places, names)[names], icemap.sample(cube, places, names)[names]
    )
    with pytest.raises(IcemapError, match="slices without a step"):
        icemap.sample(cube.isel(longitude=slice(None, None, 2)), places, names)
    with pytest.raises(IcemapError, match="north and west first"):
        icemap.sample(cube.sortby("latitude"), places, names)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"value": "a", "thickness": 3.0}, "'thickness' does not belong"),
        ({"value": "nothing"}, "nothing"),
        ({"target": {"nam": "x"}}, "target: .*nam"),
        ({"reader": "none"}, "reader"),
        ({"colums": {}}, "colums"),
        ({"grades": ["E"]}, "grades"),
    ],
)
def test_a_mistake_with_sites_is_a_sentence(run, keys, words):
    with pytest.raises(IcemapError, match=words):
        icemap.read_boreholes(run.with_name("layers.csv"), **keys)


def test_several_tables_with_their_own_keys(run, tmp_path):
    second = tmp_path / "second.csv"
    second.write_text(run.with_name("layers.csv").read_text().replace("site", "hole", 1))
    parts = [run.with_name("layers.csv"), {"path": second, "columns": {"site": "hole"}}]
    sites = icemap.read_boreholes(parts)
    alone = icemap.read_boreholes(parts[0])
    assert len(sites) == 2 * len(alone)
    assert (sites["reason"] != "").sum() > (alone["reason"] != "").sum(), (
        "met again in another file"
    )
