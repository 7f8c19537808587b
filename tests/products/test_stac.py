from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import intake
import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from pystac.extensions.datacube import (
    DatacubeExtension,
    DimensionType,
    HorizontalSpatialDimension,
    VariableType,
)
from pystac.extensions.projection import ProjectionExtension

from icemap.config import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded, write_chunk
from icemap.mapping.map_schema import map_variables
from icemap.products.cog import write_cogs
from icemap.products.stac import DATACUBE, EXTENSIONS, write_catalog, write_stac

GRID = Grid(100, 50, 140, 70, 1.0)
TARGET = TargetConfig(
    name="alt", long_name="active-layer thickness", unit="cm", bounds=(0.0, 500.0)
)
TITLE = "Active layer, a test"
CREATED = datetime(2025, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("made") / "run"
    url = str(run / "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {"title": "Active layer, a test"}, chunk=16)
    rng = np.random.default_rng(0)
    for chunk in GRID.chunks(16):
        write_chunk(
            url, chunk, {v.name: rng.integers(0, 2, chunk.shape) for v in map_variables(TARGET)}
        )
    write_cogs(url, str(run / "products"), TARGET)
    write_stac(str(run), TITLE, CREATED)
    write_catalog(str(run), TITLE)
    # Everything must still be found after a move: addresses are relative.
    moved = run.parent.parent / "elsewhere"
    shutil.move(run, moved)
    return moved


def test_collection_and_item_are_valid_stac(run):
    collection = pystac.Collection.from_file(str(run / "stac" / "collection.json"))
    assert collection.stac_extensions == [DATACUBE]
    # the schemas of extensions are on the web; the core schema comes with pystac
    collection.stac_extensions = []
    collection.validate()
    assert (collection.title, collection.id) == (TITLE, "active-layer-a-test")
    (item,) = collection.get_items()
    assert item.id == "ALT"
    assert tuple(item.stac_extensions) == EXTENSIONS
    item.stac_extensions = []
    item.validate()
    assert item.bbox == [100, 50, 140, 70]
    assert item.datetime == CREATED


def test_assets_are_found_and_described_as_they_are(run):
    (item,) = pystac.Collection.from_file(str(run / "stac" / "collection.json")).get_items()
    assert set(item.assets) == {
        "alt",
        "alt_lower95",
        "alt_upper95",
        "alt_sd_ensemble",
        "aoa",
        "map",
    }
    for name, asset in item.assets.items():
        assert Path(asset.get_absolute_href()).exists()
        assert asset.href.startswith("../../")
        if name == "map":
            continue
        (band,) = asset.extra_fields["bands"]
        with rasterio.open(asset.get_absolute_href()) as src:
            assert asset.extra_fields["proj:shape"] == list(src.shape)
            assert asset.extra_fields["proj:transform"] == pytest.approx(list(src.transform)[:6])
            assert band["data_type"] == src.dtypes[0]
            assert float(band["nodata"]) == src.nodata or (
                band["nodata"] == "nan" and np.isnan(src.nodata)
            )
            assert (band["unit"], band["description"]) == (src.units[0], src.descriptions[0])


def test_extensions_are_understood_by_pystac(run):
    """As near as one comes to their schemas without the web: pystac's readers of the projection and
    datacube extensions, and the rules of raster 2.0.
    """
    collection = pystac.Collection.from_file(str(run / "stac" / "collection.json"))
    (item,) = collection.get_items()
    stored = xr.open_zarr(run / "map.zarr", consolidated=False)
    for asset in item.assets.values():
        projection = ProjectionExtension.ext(asset)
        assert (projection.epsg, projection.shape) == (4326, list(GRID.shape))
        assert projection.transform == list(GRID.transform)[:6]
        for band in asset.extra_fields["bands"]:
            assert band["raster:sampling"] == "area"
            assert {"name", "description", "data_type", "nodata", "unit"} <= set(band)
    for cube in (DatacubeExtension.ext(collection), DatacubeExtension.ext(item.assets["map"])):
        assert set(cube.variables) == set(stored.data_vars)
        for name, variable in cube.variables.items():
            assert (tuple(variable.dimensions), variable.var_type) == (
                stored[name].dims,
                VariableType.DATA,
            )
            assert (variable.description, variable.unit) == (
                stored[name].attrs["long_name"],
                stored[name].attrs["units"],
            )
        for name, axis in (("latitude", "y"), ("longitude", "x")):
            dimension = cube.dimensions[name]
            assert isinstance(dimension, HorizontalSpatialDimension)
            assert (dimension.dim_type, dimension.axis, dimension.reference_system) == (
                DimensionType.SPATIAL,
                axis,
                4326,
            )
            low, high = dimension.extent
            centres = np.sort(stored[name].values)
            assert (low, high) == (centres[0] - 0.5, centres[-1] + 0.5)
            assert dimension.step == stored[name].values[1] - stored[name].values[0]


def test_no_address_is_absolute(run):
    for file in [*(run / "stac").rglob("*.json"), run / "catalog.yaml"]:
        text = file.read_text()
        assert str(run) not in text
        assert str(run.parent) not in text
    links = json.loads((run / "stac" / "collection.json").read_text())["links"]
    assert {link["href"] for link in links} == {"./collection.json", "./ALT/ALT.json"}


def test_intake_opens_every_entry(run):
    catalog = intake.open_catalog(str(run / "catalog.yaml"))
    assert set(catalog) == {"map", "ALT", "ALT_lower95", "ALT_upper95", "ALT_sd", "ALT_aoa"}
    stored = catalog["map"].read()
    assert stored.alt.chunks is not None, "opened lazily"
    published = catalog["ALT"].read()
    np.testing.assert_array_equal(published.band_data.values[0], stored.alt.values)


def test_without_products_a_sentence(tmp_path):
    with pytest.raises(IcemapError, match="There is no map at"):
        write_stac(str(tmp_path), TITLE)
    create_gridded(str(tmp_path / "map.zarr"), GRID, map_variables(TARGET), {}, chunk=16)
    with pytest.raises(IcemapError, match="run 'icemap publish' first"):
        write_stac(str(tmp_path), TITLE)
    assert not (tmp_path / "stac").exists()
