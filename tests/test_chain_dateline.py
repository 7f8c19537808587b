"""A grid across the date line, from the config to the catalogues of the products."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
import shapely
import xarray as xr
import yaml

import icemap
from icemap.boreholes.sample_files import read_samples
from icemap.config import load_config
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import wrapped
from icemap.gridded import create_gridded, grid_of
from icemap.mapping.map_schema import map_variables
from icemap.mapping.places import choose_places
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.products.cog import write_cogs
from icemap.products.query import query
from icemap.products.stac import write_stac
from icemap.regions import region_of
from icemap.totals.polygons import read_zones
from icemap.virtual_arctic.demo import write_demo
from icemap.zarr_groups import write_chunk
from tests.small_chain import SMALL, in_little

EXTENT = {"south": 62, "north": 72, "resolution": 1, "chunk": 16}
PREDICTORS = ["maat", "snow_depth", "elevation", "slope", "deposit"]
TARGET = TargetConfig()


def write_sites(path: Path) -> None:
    """Sites on both sides, with longitudes as people write them."""
    rng = np.random.default_rng(5)
    lon = np.concatenate([rng.uniform(162, 179.9, 40), rng.uniform(-179.9, -152, 40)])
    lat = rng.uniform(63, 71.5, 80)
    value = 40 + 2 * (lat - 66) + 4 * rng.normal(size=80)
    pd.DataFrame(
        {"name": [f"S{k}" for k in range(80)], "lon": lon, "lat": lat, "vic": value}
    ).to_csv(path)


def make(folder: Path, west: float, east: float, steps: list[str], **changes) -> Path:
    """The folder of a run whose steps are made without a cluster."""
    path = Path(write_demo(str(folder), "small"))
    write_sites(folder / "sites.csv")
    content = yaml.safe_load(path.read_text())
    del content["boreholes"]
    sites = {"table": "sites.csv", "value": "vic", "unit": "%", "id": "name"}
    path.write_text(
        yaml.safe_dump(
            {
                **content,
                "grid": {"west": west, "east": east, **EXTENT},
                "predictors": PREDICTORS,
                "sites": sites,
                **changes,
            }
        )
    )
    context = Context(load_config(str(path)), "serial", 1, lambda line: None)
    with in_little():
        run_steps(STEPS, context, steps)
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Cube and samples as the chain makes them; a map whose values are the longitudes of its
    cells.
    """
    run = make(tmp_path_factory.mktemp("across"), 160, 210, ["cube", "boreholes"])
    cube = icemap.open_cube(str(run / "cube.zarr")).load()
    grid = grid_of(cube)
    create_gridded(str(run / "map.zarr"), grid, map_variables(TARGET), {"title": "Ice"}, chunk=16)
    longitude = np.broadcast_to(wrapped(grid.longitudes), grid.shape)
    for chunk in grid.chunks(16):
        values = {
            v.name: (
                longitude[chunk.rows, chunk.cols]
                if v.dtype == "float32"
                else np.ones(chunk.shape, "u1")
            )
            for v in map_variables(TARGET)
        }
        write_chunk(str(run / "map.zarr"), chunk, values)
    write_cogs(str(run / "map.zarr"), str(run / "products"), TARGET)
    write_stac(str(run), "Ice")
    return run


@pytest.fixture(scope="module")
def cube(run) -> xr.Dataset:
    return icemap.open_cube(str(run / "cube.zarr")).load()


def test_the_grid_goes_on_beyond_180(cube):
    grid = grid_of(cube)
    assert (grid.west, grid.east, grid.shape) == (160, 210, (10, 50))
    assert cube.longitude.to_numpy().tolist() == [160.5 + k for k in range(50)]
    valid = cube["valid"].to_numpy() == 1
    assert valid[:, :20].sum() > 20
    assert valid[:, 20:].sum() > 20


@pytest.mark.parametrize(
    ("west", "east", "cols"), [(160, 180, slice(0, 20)), (-180, -150, slice(20, 50))]
)
def test_cells_are_those_of_grids_on_either_side(cube, tmp_path, west, east, cols):
    """Slopes too, which need the cells on the other side."""
    side = icemap.open_cube(str(make(tmp_path, west, east, ["cube"]) / "cube.zarr")).load()
    assert set(side.data_vars) == set(cube.data_vars)
    for name in cube.data_vars:
        np.testing.assert_allclose(
            side[name].to_numpy(),
            cube[name].to_numpy()[:, cols],
            rtol=1e-6,
            atol=1e-6,
            err_msg=str(name),
        )


def test_sites_of_both_sides_are_in_the_cells_that_hold_them(run, cube):
    samples, grid = read_samples(str(run / "samples.parquet")), grid_of(cube)
    assert samples["lon"].abs().max() <= 180
    row, col = grid.locate(samples["lon"], samples["lat"])
    assert row.tolist() == samples["cell_row"].tolist()
    assert col.tolist() == samples["cell_col"].tolist()
    assert (col < 20).sum() > 10
    assert (col >= 20).sum() > 10
    own = (samples["filled_from_km"] == 0).to_numpy()
    np.testing.assert_allclose(
        samples["maat"][own], cube["maat"].to_numpy()[row[own], col[own]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("lon", "other"), [(-170.2, 189.8), (-179.9, 180.1), (179.9, -180.1), (-150.5, 209.5)]
)
def test_a_query_is_the_same_however_its_longitude_is_counted(run, lon, other):
    found = query(str(run / "map.zarr"), lon, 66.5)
    assert found == query(str(run / "map.zarr"), other, 66.5)
    assert found["lon"] == found["vic"] == np.floor(lon) + 0.5


def test_a_query_on_either_side_is_outside(run):
    for lon in (159.5, -149.5, 210.5, 0.0):
        with pytest.raises(IcemapError, match=r"is outside the map .* which spans 160 to 210 E"):
            query(str(run / "map.zarr"), lon, 66.5)


def test_stac_has_a_west_that_is_greater_than_its_east(run):
    collection = pystac.Collection.from_file(str(run / "stac" / "collection.json"))
    (item,) = collection.get_items()
    assert collection.extent.spatial.bboxes == [[160, 62, -150, 72]]
    assert item.bbox == [160, 62, -150, 72]
    footprint = shapely.geometry.shape(item.geometry)
    assert footprint.equals(
        shapely.union_all([shapely.box(160, 62, 180, 72), shapely.box(-180, 62, -150, 72)])
    )
    assert footprint.is_valid
    assert json.loads((run / "stac" / "collection.json").read_text())["cube:dimensions"][
        "longitude"
    ]["extent"] == [160, 210]


def test_the_geotiff_goes_on_beyond_180(run):
    with rasterio.open(run / "products" / "T5m_VIC.tif") as file:
        assert tuple(file.bounds) == (160, 62, 210, 72)
        np.testing.assert_array_equal(file.read(1)[0], wrapped(np.arange(160.5, 210)))


@pytest.mark.parametrize(
    "boxes",
    [[(178, 183)], [(-182, -177)], [(178, 180), (-180, -177)], [(538, 543)]],
    ids=["beyond 180", "before -180", "cut in two", "a turn further"],
)
def test_an_area_across_the_line_covers_its_cells(cube, tmp_path, boxes):
    shape = shapely.union_all([shapely.box(west, 64, east, 66.5) for west, east in boxes])
    gpd.GeoDataFrame({"name": ["strait"]}, geometry=[shape], crs="EPSG:4326").to_file(
        tmp_path / "a.gpkg"
    )
    (area,) = read_zones(str(tmp_path / "a.gpkg"))
    found = area.coverage(grid_of(cube), slice(0, 10), slice(0, 50))
    expected = np.zeros((10, 50))
    expected[6:8, 18:23], expected[5, 18:23] = 1, 0.5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_regions_and_places_of_verification_are_as_people_write_them(cube):
    grid = grid_of(cube)
    assert (
        region_of(grid.longitudes, 66.5).tolist()
        == region_of(wrapped(grid.longitudes), 66.5).tolist()
    )
    assert region_of([179.5, 180.5, 190.5, 209.5], 66.5).tolist() == [
        "Siberia",
        "Siberia",
        "Siberia",
        "North America",
    ]
    places = choose_places(cube, 40, 0)
    assert np.abs(places.longitude).max() <= 180
    assert (places.longitude < 0).any()
    row, col = grid.locate(places.longitude, places.latitude)
    assert (row.tolist(), col.tolist()) == (places.row.tolist(), places.col.tolist())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run to its report, with members that are fitted quickly."""
    return make(
        tmp_path_factory.mktemp("whole"),
        160,
        210,
        [step.name for step in STEPS],
        ensemble=SMALL["ensemble"],
        verification={"folds": 3, "places": 100, "competitors": []},
    )


def test_every_cell_of_both_sides_is_mapped(whole):
    cube = icemap.open_cube(str(whole / "cube.zarr")).load()
    mapped = icemap.open_map(str(whole / "map.zarr")).load()
    valid = cube["valid"].to_numpy() == 1
    assert valid[:, :20].any()
    assert valid[:, 20:].any()
    np.testing.assert_array_equal(np.isfinite(mapped["vic"].to_numpy()), valid)
    with rasterio.open(whole / "products" / "T5m_VIC.tif") as file:
        np.testing.assert_array_equal(file.read(1), mapped["vic"].to_numpy())


def test_the_regions_of_both_sides_add_up_to_the_total(whole):
    storage = json.loads((whole / "ice_storage.json").read_text())
    total = {entry["region"]: entry for entry in storage["regions"] if entry["mask"] == "fraction"}
    for quantity in ("ice_km3", "area_km2"):
        parts = total["Siberia"][quantity], total["North America"][quantity]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(total["all"][quantity])
    for name in ("report.html", "verification.html", "boreholes.html", "predictors.html"):
        assert (whole / name).is_file()
