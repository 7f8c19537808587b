"""A chain whose sources, sites, config, catalogue and run all are in a bucket of a real S3
server.
"""

import json
import re
import subprocess
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import yaml
from click.testing import CliRunner
from s3_chain import CATALOG, CONFIG, Bucket
from shapely.geometry import box

import icemap
from icemap.cli import main
from tests.small_chain import COMMAND


@pytest.fixture(scope="module")
def bucket(s3_run) -> Bucket:
    return s3_run


def test_every_product_lies_in_the_bucket(bucket):
    names = set(bucket.objects("runs/small"))
    for suffix in ("", "_lower95", "_upper95", "_sd", "_aoa"):
        assert f"products/T5m_VIC{suffix}.tif" in names
    single = {
        "samples.parquet",
        "verification.json",
        "ice_storage.json",
        "provenance.json",
        "catalog.yaml",
        "report.html",
        "products/map.png",
    }
    assert (
        single
        | {
            "stac/collection.json",
            "ensemble/manifest.json",
            "map.zarr/zarr.json",
            "cube.zarr/zarr.json",
        }
        <= names
    )
    assert not Path("s3:").exists()


def test_the_map_opens_from_the_bucket_and_equals_its_geotiff(bucket, log_in):
    log_in("owner")
    data = icemap.open_map(f"{bucket.url}/runs/small/map.zarr").load()
    vic = data.vic.to_numpy()
    assert vic.shape == (32, 80)
    assert np.isfinite(vic).all()
    assert (data.vic_lower95 <= data.vic).all()
    assert (data.vic <= data.vic_upper95).all()
    with (
        rasterio.MemoryFile(
            bucket.files.cat_file(f"{bucket.url}/runs/small/products/T5m_VIC.tif")
        ) as memory,
        memory.open() as raster,
    ):
        np.testing.assert_array_equal(raster.read(1), vic.astype("f4"))
    cube = icemap.open_cube(f"{bucket.url}/runs/small/cube.zarr").load()
    expected = -5 - 0.3 * cube.latitude + np.sin(cube.longitude / 5)
    np.testing.assert_allclose(cube.maat, expected.transpose("latitude", "longitude"), atol=0.01)


def test_a_second_run_does_nothing_even_for_a_reader(bucket):
    before = bucket.etags("runs/small")
    result = bucket.command(bucket.server.reader, "run", f"{bucket.url}/config.yaml")
    assert result.returncode == 0, result.stderr
    assert "Nothing to do: every product is there and its inputs have not changed." in result.stdout
    assert bucket.etags("runs/small") == before


def test_query_and_status_read_from_the_bucket(bucket):
    query = bucket.command(
        bucket.server.reader, "query", f"{bucket.url}/runs/small", "--lon", "100", "--lat", "70"
    )
    assert query.returncode == 0, query.stderr
    assert re.search(r"^vic +\d", query.stdout, re.MULTILINE)
    status = bucket.command(bucket.server.reader, "status", f"{bucket.url}/runs/small")
    assert status.returncode == 0, status.stderr
    assert status.stdout.count(" finished 20") == 8


def test_totals_of_polygons_that_lie_in_the_bucket(bucket, log_in, tmp_path):
    areas = gpd.GeoDataFrame(
        {"name": ["west", "east"]},
        geometry=[box(95, 62, 105, 70), box(110, 62, 120, 70)],
        crs="EPSG:4326",
    )
    areas.to_file(tmp_path / "areas.gpkg")
    bucket.write("areas.gpkg", (tmp_path / "areas.gpkg").read_bytes())
    log_in("owner")
    words = ["storage", f"{bucket.url}/config.yaml", "--name", "name", "--polygons"]
    result = CliRunner().invoke(main, [*words, f"{bucket.url}/areas.gpkg"])
    assert result.exit_code == 0, result.output
    url = f"{bucket.url}/runs/small/products/ice_storage_areas.json"
    assert result.stdout.splitlines()[-1] == f"totals   {url}"
    rows = {row["region"]: row for row in json.loads(bucket.files.cat_file(url))["regions"]}
    expected = icemap.ice_storage(
        f"{bucket.url}/runs/small/map.zarr", str(tmp_path / "areas.gpkg"), attribute="name"
    ).set_index("region")
    assert {name: row["ice_km3"] for name, row in rows.items()} == pytest.approx(
        expected["ice_km3"].to_dict()
    )
    assert min(row["ice_km3_lower95"] for row in rows.values()) > 0
    result = CliRunner().invoke(main, [*words, f"{bucket.url}/absent.gpkg"])
    assert result.exit_code == 2
    assert f"{bucket.url}/absent.gpkg: there is no such file" in result.stderr
    log_in("reader")
    result = CliRunner().invoke(main, [*words, f"{bucket.url}/areas.gpkg"])
    assert result.exit_code == 2
    assert f"Cannot write {url}: permission denied" in result.stderr


def one_sentence(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_reader_who_would_have_to_write_is_told_so(bucket):
    bucket.write("other.yaml", yaml.safe_dump({**CONFIG, "title": "Another title"}).encode())
    before = bucket.etags("runs/small")
    said = one_sentence(bucket.command(bucket.server.reader, "run", f"{bucket.url}/other.yaml"))
    assert "permission denied" in said
    assert f"{bucket.url}/runs/small/" in said
    assert bucket.etags("runs/small") == before
    bucket.write("new.yaml", yaml.safe_dump({**CONFIG, "run": "runs/new"}).encode())
    said = one_sentence(bucket.command(bucket.server.reader, "run", f"{bucket.url}/new.yaml"))
    assert "permission denied" in said
    assert bucket.objects("runs/new") == {}


def test_a_stranger_is_told_about_the_first_file(bucket):
    said = one_sentence(bucket.command(bucket.server.stranger, "run", f"{bucket.url}/config.yaml"))
    assert f"Cannot read {bucket.url}/config.yaml: permission denied" in said


def test_missing_objects_are_named(bucket):
    owner = bucket.server.owner
    assert f"{bucket.url}/absent.yaml: there is no such file" in one_sentence(
        bucket.command(owner, "run", f"{bucket.url}/absent.yaml")
    )
    sites = {**CONFIG["sites"], "table": "points/absent.csv"}
    bucket.write("new.yaml", yaml.safe_dump({**CONFIG, "run": "runs/new", "sites": sites}).encode())
    assert f"{bucket.url}/points/absent.csv" in one_sentence(
        bucket.command(owner, "run", f"{bucket.url}/new.yaml")
    )
    for name, url in (("dem", "grids/absent.tif"), ("climate", "grids/absent.nc")):
        catalog = {**CATALOG, "data": {**CATALOG["data"], name: {"kwargs": {"url": url}}}}
        bucket.write("wrong.yaml", yaml.safe_dump(catalog).encode())
        bucket.write(
            "new.yaml",
            yaml.safe_dump({**CONFIG, "run": "runs/new", "catalog": "wrong.yaml"}).encode(),
        )
        assert f"{bucket.url}/{url}" in one_sentence(
            bucket.command(owner, "run", f"{bucket.url}/new.yaml")
        )
    assert bucket.objects("runs/new") == {}


def test_the_chunks_of_an_unfinished_map_are_taken_up(bucket):
    record = json.loads(bucket.files.cat_file(f"{bucket.url}/runs/small/provenance.json"))
    before = bucket.etags("runs/small")
    record["steps"]["map"]["finished"] = None
    bucket.write("runs/small/provenance.json", json.dumps(record).encode())
    bucket.files.rm(f"{bucket.url}/runs/small/ledger/map/r000c001.json")
    words = ["run", f"{bucket.url}/config.yaml", "--workers", "1"]
    result = bucket.command(bucket.server.owner, *words, program=COMMAND)
    assert result.returncode == 0, result.stderr
    assert "map: continuing" in result.stdout
    after = bucket.etags("runs/small")
    changed = {name.split("runs/small/")[1] for name in after if after[name] != before.get(name)}
    assert {name.rpartition("/")[0] for name in changed if name.startswith("ledger")} == {
        "ledger/map"
    }
    assert {name for name in changed if name.startswith("ledger/map/r")} == {
        "ledger/map/r000c001.json",
        "ledger/map/r000c001.npz",
    }
    assert {name[-4:] for name in changed if name.startswith("map.zarr")} == {"/0/1"}


def test_no_key_is_anywhere(bucket):
    """Last in this file: what all the commands above wrote and said."""
    server = bucket.server
    texts = {"output": "\n".join(bucket.said).encode(), **bucket.objects()}
    assert len(texts) > 50
    for identity in (server.owner, server.reader, server.stranger):
        for key in (identity.access_key, identity.secret_key):
            assert [name for name, text in texts.items() if key.encode() in text] == []
