"""The products in a bucket of a real S3 server."""

from __future__ import annotations

import intake
import numpy as np
import pystac
import pytest
import rasterio

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables, open_map
from icemap.mapping.sums import chunk_sums, to_records
from icemap.products.cog import write_cog, write_cogs
from icemap.products.figures.maps import map_figure
from icemap.products.intake_catalog import write_catalog
from icemap.products.query import query
from icemap.products.stac import write_stac
from icemap.running.ledger import Ledger
from icemap.store import exists, join, read_bytes, read_json, write_bytes
from icemap.totals.ice_storage import ice_storage, write_ice_storage
from icemap.zarr_groups import write_chunk

GRID = Grid(100, 50, 164, 82, 0.5)
TARGET = TargetConfig()


@pytest.fixture
def run(s3_url) -> str:
    url = join(s3_url, "run", "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {}, chunk=64)
    ledger = Ledger(join(s3_url, "run", "ledger", "map"))
    for chunk in GRID.chunks(64):
        value = (
            np.random.default_rng(chunk.cols.start).uniform(20, 80, chunk.shape).astype("float32")
        )
        flag = np.ones(chunk.shape, "uint8")
        write_chunk(
            url,
            chunk,
            {v.name: flag if v.dtype == "uint8" else value for v in map_variables(TARGET)},
        )
        ledger.write(
            chunk.key,
            {
                "sums": to_records(
                    chunk_sums(
                        GRID.cell_area()[chunk.rows][:, None], flag, value[None], value, flag
                    )
                )
            },
        )
    return join(s3_url, "run")


def test_products_are_written_to_and_read_from_a_bucket(run):
    map_url = join(run, "map.zarr")
    values = open_map(map_url).vic.values
    first = write_cogs(map_url, join(run, "products"), TARGET)[0]
    with rasterio.open(first.replace("s3://", "/vsis3/")) as src:
        np.testing.assert_array_equal(src.read(1), values)
    collection = write_stac(run, "In a bucket")
    assert collection == join(run, "stac", "collection.json")
    write_catalog(run, "In a bucket")
    catalog = intake.open_catalog(join(run, "catalog.yaml"))
    np.testing.assert_array_equal(catalog["map"].read().vic.values, values)
    item = pystac.Item.from_dict(read_json(join(run, "stac", "T5m_VIC", "T5m_VIC.json")))
    item.set_self_href(join(run, "stac", "T5m_VIC", "T5m_VIC.json"))
    assert item.assets["vic"].get_absolute_href() == first
    assert query(map_url, 120.1, 60.1)["vic"] == pytest.approx(
        float(open_map(map_url).vic.sel(longitude=120.25, latitude=60.25))
    )
    assert map_figure(map_url, "In a bucket", pixels=100).startswith(b"\x89PNG")
    write_ice_storage(join(run, "ice_storage.json"), ice_storage(map_url))
    assert read_json(join(run, "ice_storage.json"))["regions"][0]["ice_km3"] > 0


def test_without_the_right_to_write_the_earlier_product_stays(run, log_in):
    url = join(run, "products", "T5m_VIC.tif")
    write_bytes(url, b"earlier")
    log_in("reader")
    with pytest.raises(IcemapError, match=r"Cannot write .*T5m_VIC\.tif: permission denied"):
        write_cog(join(run, "map.zarr"), "vic", url)
    log_in("owner")
    assert read_bytes(url) == b"earlier"
    assert exists(join(run, "map.zarr"))
