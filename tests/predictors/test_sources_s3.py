"""Mosaics and polygons in a bucket are the same as in a folder, and their changes are seen."""

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from shapely.geometry import box

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import resampling
from icemap.predictors.fields import ChunkFields
from icemap.predictors.sources import open_source
from icemap.predictors.stamps import file_stamps
from icemap.store import read_bytes, write_bytes

META = {"family": "topography", "long_name": "a field", "unit": "1"}


def inputs(folder):
    import geopandas

    for col in range(3):
        values = np.random.default_rng(col).normal(size=(10, 10)).astype("f4")
        profile = {
            "driver": "GTiff",
            "height": 10,
            "width": 10,
            "count": 1,
            "dtype": "float32",
            "transform": Affine(1, 0, col * 10, 0, -1, 70),
        }
        with rasterio.open(folder / f"z_{col}.tif", "w", crs="EPSG:4326", **profile) as dataset:
            dataset.write(values, 1)
    for suffix in ("gpkg", "shp"):
        geopandas.GeoDataFrame({"t": [3.0]}, geometry=[box(5, 62, 12.5, 68)], crs=4326).to_file(
            folder / f"a.{suffix}"
        )
    entries = {
        "z": {},
        "gpkg": {"rasterize": {"into": "fraction"}},
        "shp": {"rasterize": {"into": "value", "attribute": "t"}},
    }
    content = {
        "version": 2,
        "data": {
            name: {"kwargs": {"url": url}}
            for name, url in {"z": "z_*.tif", "gpkg": "a.gpkg", "shp": "a.shp"}.items()
        },
        "entries": {
            name: {"metadata": META | keys, "kwargs": {"data": f"{{data({name})}}"}}
            for name, keys in entries.items()
        },
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))


def fields(catalog):
    grid = Grid(0, 60, 30, 70, 0.5)
    sources = load_sources(catalog, ["z", "gpkg", "shp"])
    ways = {}
    for source in sources.values():
        with open_source(source, grid) as raster:
            ways[source.name] = resampling(raster, grid)
    (chunk,) = grid.chunks(100)
    whole = ChunkFields(grid, ways, chunk, sources.values())
    return {name: whole.read(source) for name, source in sources.items()}, sources


def test_files_in_a_bucket_give_the_same_fields_and_show_their_changes(tmp_path, s3_url) -> None:
    inputs(tmp_path)
    for path in tmp_path.iterdir():
        write_bytes(f"{s3_url}/{path.name}", path.read_bytes())
    here, _ = fields(str(tmp_path / "catalog.yaml"))
    there, sources = fields(f"{s3_url}/catalog.yaml")
    assert len(sources["z"].files) == 3
    for name, values in here.items():
        assert np.isfinite(values).any()
        np.testing.assert_array_equal(there[name], values)
    # What stands next to a shapefile is in its stamp, too.
    for source, written, changed in (("z", 1, {1}), ("gpkg", 0, {0}), ("shp", 1, {0, 1})):
        before = file_stamps(sources[source])
        assert file_stamps(sources[source]) == before
        url = sources[source].files[written]
        write_bytes(url, read_bytes(url) + b"\0")
        after = file_stamps(sources[source])
        assert {i for i in range(len(before)) if after[i] != before[i]} == changed


def test_what_is_not_in_a_bucket_is_said(tmp_path, s3_url) -> None:
    inputs(tmp_path)
    write_bytes(f"{s3_url}/catalog.yaml", (tmp_path / "catalog.yaml").read_bytes())
    with pytest.raises(IcemapError, match=r"data 'z': no file matches s3://.*z_\*\.tif"):
        load_sources(f"{s3_url}/catalog.yaml", ["z"])
    source = load_sources(f"{s3_url}/catalog.yaml", ["gpkg"])["gpkg"]
    with (
        pytest.raises(IcemapError, match=r"The source 'gpkg' is not there: .*a\.gpkg"),
        open_source(source, Grid(0, 60, 30, 70, 0.5)),
    ):
        pass
