"""A chain whose sources, sites, config, catalogue and run all lie in a bucket of a real S3 server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
import yaml

import icemap

GRID = {"west": 90, "south": 60, "east": 130, "north": 76, "resolution": 1, "chunk": 16}
CONFIG = {
    "run": "runs/small",
    "title": "Ice in a bucket",
    "grid": GRID,
    "catalog": "catalog.yaml",
    "predictors": ["elevation", "maat"],
    "sites": {"table": "points/sites.csv", "value": "ice", "unit": "%"},
    "ensemble": {"members": ["sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"], "replicates": 2, "folds": 3, "prior_strength": 100},
    "verification": {"folds": 3, "places": 100, "competitors": []},
}
CATALOG = {
    "version": 2,
    "data": {"dem": {"kwargs": {"url": "grids/elevation.tif"}}, "climate": {"kwargs": {"url": "{CATALOG_DIR}/grids/climate.nc"}}},
    "entries": {
        "elevation": {"kwargs": {"data": "{data(dem)}"}, "metadata": {"family": "topography", "long_name": "elevation", "unit": "m"}},
        "maat": {"kwargs": {"data": "{data(climate)}"}, "metadata": {"family": "climate", "long_name": "air temperature", "unit": "degC", "variable": "t2m"}},
    },
}


def write_inputs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:52, 0:100]
    elevation = (500 + 400 * np.sin(x / 9) * np.cos(y / 7)).astype("f4")
    (folder / "grids").mkdir()
    (folder / "points").mkdir()
    options = {"driver": "GTiff", "height": 52, "width": 100, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(folder / "grids" / "elevation.tif", "w", transform=rasterio.Affine(0.5, 0, 85, 0, -0.5, 81), **options) as raster:
        raster.write(elevation, 1)
    lat, lon = 80.5 - np.arange(26), 0.5 + np.arange(360)
    temperature = -5 - 0.3 * lat[:, None] + np.sin(lon / 5)[None, :]
    xr.Dataset({"t2m": (("lat", "lon"), temperature)}, {"lat": lat, "lon": lon}).to_netcdf(folder / "grids" / "climate.nc")
    lon, lat = rng.uniform(90, 130, 160), rng.uniform(60, 76, 160)
    ice = np.clip(40 + 20 * np.sin((lon - 85) * 2 / 9) + 6 * rng.normal(size=160), 0, 100)
    pd.DataFrame({"lon": lon, "lat": lat, "ice": ice}).to_csv(folder / "points" / "sites.csv", index=False)
    (folder / "catalog.yaml").write_text(yaml.safe_dump(CATALOG))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))


class Bucket:
    """A prefix in the bucket, and the command line as one of the server's identities."""

    def __init__(self, server, prefix: str) -> None:
        import s3fs

        self.server, self.url = server, f"s3://{server.bucket}/{prefix}"
        owner = server.owner
        self.files = s3fs.S3FileSystem(key=owner.access_key, secret=owner.secret_key, endpoint_url=server.endpoint, use_listings_cache=False)
        self.said: list[str] = []

    def command(self, identity, *words: str) -> subprocess.CompletedProcess:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {**clean, **self.server.environment(identity), "OMP_NUM_THREADS": "1"}
        program = [str(Path(sys.executable).with_name("icemap")), *words]
        result = subprocess.run(program, capture_output=True, text=True, env=environment, timeout=600, check=False)
        self.said += [result.stdout, result.stderr]
        return result

    def objects(self, below: str = "") -> dict[str, bytes]:
        root = f"{self.url}/{below}".removeprefix("s3://").rstrip("/")
        return {name.removeprefix(root + "/"): self.files.cat_file(name) for name in self.files.find(root)}

    def etags(self, below: str) -> dict[str, str]:
        return {name: (entry["ETag"], str(entry["LastModified"])) for name, entry in self.files.find(f"{self.url}/{below}", detail=True).items()}

    def write(self, name: str, content: bytes) -> None:
        self.files.pipe_file(f"{self.url}/{name}", content)


@pytest.fixture(scope="module")
def bucket(s3_process, tmp_path_factory) -> Bucket:
    """The inputs in the bucket, and the finished run beside them."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    bucket = Bucket(s3_process, "chain")
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.write(str(path.relative_to(folder)), path.read_bytes())
    result = bucket.command(s3_process.owner, "run", f"{bucket.url}/config.yaml")
    assert result.returncode == 0, result.stderr
    return bucket


def test_every_product_lies_in_the_bucket(bucket):
    names = set(bucket.objects("runs/small"))
    for suffix in ("", "_lower95", "_upper95", "_sd", "_aoa"):
        assert f"products/T5m_VIC{suffix}.tif" in names
    single = {"samples.parquet", "verification.json", "ice_storage.json", "provenance.json", "catalog.yaml", "report.html", "products/map.png"}
    assert single | {"stac/collection.json", "ensemble/manifest.json", "map.zarr/zarr.json", "cube.zarr/zarr.json"} <= names
    assert not Path("s3:").exists()


def test_the_map_opens_from_the_bucket_and_equals_its_geotiff(bucket, log_in):
    log_in("owner")
    data = icemap.open_map(f"{bucket.url}/runs/small/map.zarr").load()
    vic = data.vic.to_numpy()
    assert vic.shape == (16, 40)
    assert np.isfinite(vic).all()
    assert (data.vic_lower95 <= data.vic).all()
    assert (data.vic <= data.vic_upper95).all()
    with rasterio.MemoryFile(bucket.files.cat_file(f"{bucket.url}/runs/small/products/T5m_VIC.tif")) as memory, memory.open() as raster:
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
    query = bucket.command(bucket.server.reader, "query", f"{bucket.url}/runs/small", "--lon", "100", "--lat", "70")
    assert query.returncode == 0, query.stderr
    assert re.search(r"^vic +\d", query.stdout, re.MULTILINE)
    status = bucket.command(bucket.server.reader, "status", f"{bucket.url}/runs/small")
    assert status.returncode == 0, status.stderr
    assert status.stdout.count(" finished 20") == 8


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
    assert f"{bucket.url}/absent.yaml: there is no such file" in one_sentence(bucket.command(owner, "run", f"{bucket.url}/absent.yaml"))
    sites = {**CONFIG["sites"], "table": "points/absent.csv"}
    bucket.write("new.yaml", yaml.safe_dump({**CONFIG, "run": "runs/new", "sites": sites}).encode())
    assert f"{bucket.url}/points/absent.csv" in one_sentence(bucket.command(owner, "run", f"{bucket.url}/new.yaml"))
    for name, url in (("dem", "grids/absent.tif"), ("climate", "grids/absent.nc")):
        catalog = {**CATALOG, "data": {**CATALOG["data"], name: {"kwargs": {"url": url}}}}
        bucket.write("wrong.yaml", yaml.safe_dump(catalog).encode())
        bucket.write("new.yaml", yaml.safe_dump({**CONFIG, "run": "runs/new", "catalog": "wrong.yaml"}).encode())
        assert f"{bucket.url}/{url}" in one_sentence(bucket.command(owner, "run", f"{bucket.url}/new.yaml"))
    assert bucket.objects("runs/new") == {}


def test_the_chunks_of_an_unfinished_map_are_taken_up(bucket):
    record = json.loads(bucket.files.cat_file(f"{bucket.url}/runs/small/provenance.json"))
    before = bucket.etags("runs/small")
    record["steps"]["map"]["finished"] = None
    bucket.write("runs/small/provenance.json", json.dumps(record).encode())
    bucket.files.rm(f"{bucket.url}/runs/small/ledger/map/r000c001.json")
    result = bucket.command(bucket.server.owner, "run", f"{bucket.url}/config.yaml", "--workers", "1")
    assert result.returncode == 0, result.stderr
    assert "map: continuing" in result.stdout
    after = bucket.etags("runs/small")
    changed = {name.split("runs/small/")[1] for name in after if after[name] != before.get(name)}
    assert {name.rpartition("/")[0] for name in changed if name.startswith("ledger")} == {"ledger/map"}
    assert {name for name in changed if name.startswith("ledger")} == {"ledger/map/r000c001.json"}
    assert {name[-4:] for name in changed if name.startswith("map.zarr")} == {"/0/1"}


def test_no_key_is_anywhere(bucket):
    """Last in this file: what all the commands above wrote and said."""
    server = bucket.server
    texts = {"output": "\n".join(bucket.said).encode(), **bucket.objects()}
    assert len(texts) > 50
    for identity in (server.owner, server.reader, server.stranger):
        for key in (identity.access_key, identity.secret_key):
            assert [name for name, text in texts.items() if key.encode() in text] == []
