from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
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

from icemap.boreholes.sample_files import write_sites
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded, describe_gridded
from icemap.mapping.map_schema import map_variables
from icemap.products.cog import write_cogs
from icemap.products.figures.thumbnail import thumbnail_figure
from icemap.products.stac import DATACUBE, EXTENSIONS, SCIENTIFIC, write_stac
from icemap.words import pseudo_sites_words
from icemap.zarr_groups import write_chunk

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
    # Everything must still be found after a move: addresses are relative.
    moved = run.parent.parent / "elsewhere"
    shutil.move(run, moved)
    return moved


def test_collection_and_item_are_valid_stac(run):
    collection = pystac.Collection.from_file(str(run / "stac" / "collection.json"))
    assert collection.stac_extensions == [DATACUBE, SCIENTIFIC]
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
    for file in (run / "stac").rglob("*.json"):
        text = file.read_text()
        assert str(run) not in text
        assert str(run.parent) not in text
    links = json.loads((run / "stac" / "collection.json").read_text())["links"]
    assert {link["href"] for link in links} == {"./collection.json", "./ALT/ALT.json"}


def test_without_products_a_sentence(tmp_path):
    with pytest.raises(IcemapError, match="There is no map at"):
        write_stac(str(tmp_path), TITLE)
    create_gridded(str(tmp_path / "map.zarr"), GRID, map_variables(TARGET), {}, chunk=16)
    with pytest.raises(IcemapError, match="run 'icemap publish' first"):
        write_stac(str(tmp_path), TITLE)
    assert not (tmp_path / "stac").exists()


def described(run: Path, folder: Path, author: str = "", **attrs: str) -> pystac.Collection:
    """The collection of a copy of the run whose map says other things."""
    shutil.copytree(run, folder)
    describe_gridded(str(folder / "map.zarr"), map_variables(TARGET), attrs)
    write_stac(str(folder), TITLE, CREATED, author)
    return pystac.Collection.from_file(str(folder / "stac" / "collection.json"))


def test_a_map_with_pseudo_sites_says_so_in_collection_item_and_geotiffs(run, tmp_path):
    words = pseudo_sites_words(20)
    collection = described(run, tmp_path / "run", pseudo_sites=words)
    assert collection.description.endswith(f"area of applicability. {words}.")
    (item,) = collection.get_items()
    assert item.properties["icemap:pseudo_sites"] == words
    item.stac_extensions = []
    item.validate()
    write_cogs(str(tmp_path / "run" / "map.zarr"), str(tmp_path / "run" / "products"), TARGET)
    for file in (tmp_path / "run" / "products").glob("*.tif"):
        with rasterio.open(file) as dataset:
            assert dataset.tags()["pseudo_sites"] == words


def test_a_map_without_pseudo_sites_says_nothing_of_them(run):
    collection = pystac.Collection.from_file(str(run / "stac" / "collection.json"))
    assert "pseudo" not in json.dumps(collection.to_dict())
    (item,) = collection.get_items()
    assert "pseudo" not in json.dumps(item.to_dict())
    for file in (run / "products").glob("*.tif"):
        with rasterio.open(file) as dataset:
            assert "pseudo_sites" not in dataset.tags()


@pytest.mark.parametrize(
    ("licence", "said", "address"),
    [
        ("CC-BY-4.0", "CC-BY-4.0", "https://spdx.org/licenses/CC-BY-4.0.html"),
        ("https://example.org/terms", "other", "https://example.org/terms"),
        ("for colleagues only", "other", None),
    ],
)
def test_licence_author_and_citation_are_found(run, tmp_path, licence, said, address):
    cite = "A. Person (2026): A map, doi:10.1234/abc.5."
    collection = described(run, tmp_path / "run", "A. Person", license=licence, references=cite)
    assert collection.license == said
    link = collection.get_single_link("license")
    assert (link.href if link else None) == address
    (provider,) = collection.providers
    assert (provider.name, provider.roles) == ("A. Person", ["producer", "licensor"])
    assert collection.extra_fields["sci:citation"] == cite
    assert collection.extra_fields["sci:doi"] == "10.1234/abc.5"


def test_nobody_and_nothing_is_invented(run):
    collection = pystac.Collection.from_file(str(run / "stac" / "collection.json"))
    assert collection.license == "other"
    assert collection.providers is None
    assert collection.get_single_link("license") is None
    assert not any(name.startswith("sci:") for name in collection.extra_fields)


def test_the_time_is_that_of_the_boreholes(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    sites = pd.DataFrame({"lon": 110.0, "lat": 60.0, "used": True, "year": ["1987", "", "2013"]})
    sites.loc[3] = [110.0, 60.0, False, "1950"]
    write_sites(str(tmp_path / "run" / "sites.parquet"), sites)
    write_stac(str(tmp_path / "run"), TITLE, CREATED)
    collection = pystac.Collection.from_file(str(tmp_path / "run" / "stac" / "collection.json"))
    (item,) = collection.get_items(recursive=True)
    # The schemas of extensions are on the web.
    item.stac_extensions = []
    item.validate()
    assert item.datetime is None
    times = item.properties["start_datetime"], item.properties["end_datetime"]
    assert times == ("1987-01-01T00:00:00Z", "2013-12-31T23:59:59Z")
    ((first, last),) = collection.extent.temporal.intervals
    assert (first.year, last.year) == (1987, 2013)
    assert item.properties["created"] == "2025-03-04T05:06:00Z"


def test_a_picture_is_found(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    picture = tmp_path / "run" / "products" / "thumbnail.png"
    picture.write_bytes(thumbnail_figure(str(tmp_path / "run" / "map.zarr")))
    write_stac(str(tmp_path / "run"), TITLE, CREATED)
    collection = pystac.Collection.from_file(str(tmp_path / "run" / "stac" / "collection.json"))
    (item,) = collection.get_items(recursive=True)
    for thing in (collection, item):
        asset = thing.assets["thumbnail"]
        assert (asset.roles, asset.media_type) == (["thumbnail"], "image/png")
        assert Path(asset.get_absolute_href()).samefile(picture)
    with rasterio.open(picture) as image:
        assert 100 < image.width <= 400
        assert len(np.unique(image.read(1))) > 10
