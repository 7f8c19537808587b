"""Maps read by people who have no more than an address: from a web server that lists nothing, and
from a public bucket without a key.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import geopandas as gpd
import intake
import numpy as np
import pytest
import shapely
import xarray as xr
from click.testing import CliRunner
from s3fs import S3FileSystem

import icemap
from icemap.cli import main
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables
from icemap.mapping.replicate_fields import ReplicateFields, replicates_url
from icemap.products.intake_catalog import write_catalog
from icemap.products.query import query
from icemap.store import list_names, remove, write_bytes
from icemap.zarr_groups import consolidate, write_chunk

GRID = Grid(60, 50, 124, 82, 1.0)


def write_map(url: str) -> None:
    """A map with stored replicates, its values of the row and column."""
    create_gridded(url, GRID, map_variables(TargetConfig()), {"title": "Over the web"}, chunk=32)
    fields = ReplicateFields(replicates_url(url), 3, 0.0, 100.0)
    fields.create(GRID, 32)
    consolidate(url)
    for chunk in GRID.chunks(32):
        row, col = np.meshgrid(
            np.arange(chunk.rows.start, chunk.rows.stop),
            np.arange(chunk.cols.start, chunk.cols.stop),
            indexing="ij",
        )
        value = (row + col / 2).astype("f4")
        write_chunk(
            url,
            chunk,
            {
                v.name: (
                    np.ones(chunk.shape)
                    if v.dtype == "uint8"
                    else value + 9 * (v.name == "vic_upper95")
                )
                for v in map_variables(TargetConfig())
            },
        )
        fields.write(
            chunk, fields.codes(np.stack([value - 1, value, value + 1])), np.ones(chunk.shape)
        )


class Plain(SimpleHTTPRequestHandler):
    """Files, and no lists of them; ``asked`` holds the paths asked for, ``broken`` a path that
    fails.
    """

    asked: list[str] = []  # noqa: RUF012  (shared by the threads that answer)
    broken = ""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.broken and self.broken in self.path:
            self.send_error(500)
        else:
            super().do_GET()

    def list_directory(self, path: object) -> None:
        self.send_error(403)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_map(str(folder / "map.zarr"))
    return folder


@contextmanager
def served(folder: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    answer = functools.partial(handler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), answer)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(folder) -> Iterator[str]:
    Plain.asked.clear()
    with served(folder, Plain) as address:
        yield address
    Plain.broken = ""


def area(folder: Path) -> str:
    gpd.GeoDataFrame(
        {"name": ["a"]}, geometry=[shapely.box(70, 60, 75, 65)], crs="EPSG:4326"
    ).to_file(folder / "a.gpkg")
    return str(folder / "a.gpkg")


def test_a_web_server_that_lists_nothing_is_enough(folder, web, tmp_path):
    here, there = icemap.open_map(str(folder / "map.zarr")), icemap.open_map(f"{web}/map.zarr")
    xr.testing.assert_identical(here.load(), there.load())
    assert query(f"{web}/map.zarr", 70.2, 60.2) == query(str(folder / "map.zarr"), 70.2, 60.2)
    drawn = icemap.ice_storage(f"{web}/map.zarr", area(tmp_path))
    assert (
        drawn["ice_km3"].item()
        == icemap.ice_storage(str(folder / "map.zarr"), area(tmp_path))["ice_km3"].item()
        > 0
    )
    result = CliRunner().invoke(main, ["query", web, "--lon", "70.2", "--lat", "60.2"])
    assert result.exit_code == 0, result.output
    assert "vic_upper95" in result.stdout


def test_a_query_asks_for_one_chunk_of_each_variable(web):
    query(f"{web}/map.zarr", 70.2, 60.2)
    chunks = [
        path
        for path in Plain.asked
        if "/c/" in path and not path.startswith(("/map.zarr/latitude", "/map.zarr/longitude"))
    ]
    assert len(chunks) == len(set(chunks)) == 7
    assert len(Plain.asked) < 20


def test_failures_over_the_web_are_sentences_and_never_empty_cells(web, monkeypatch):
    with pytest.raises(
        IcemapError, match=r"There is no map at http://.*/absent\.zarr: check the address"
    ):
        icemap.open_map(f"{web}/absent.zarr")
    Plain.broken = "/vic/c/"
    with pytest.raises(
        IcemapError, match=r"^Cannot read http://.*/map\.zarr: the server fails or is too busy"
    ):
        query(f"{web}/map.zarr", 70.2, 60.2)
    Plain.broken = "zarr.json"
    with pytest.raises(
        IcemapError, match=r"^Cannot open http://.*/map\.zarr: the server fails or is too busy"
    ):
        icemap.open_map(f"{web}/map.zarr")
    with pytest.raises(
        IcemapError,
        match=(
            r"^Cannot open http://127\.0\.0\.1:9/map\.zarr: the connection is refused: no server"
            r" listens there"
        ),
    ):
        icemap.open_map("http://127.0.0.1:9/map.zarr")


def test_an_older_map_that_is_not_consolidated_still_opens(folder, tmp_path):
    import json
    import shutil

    copy = tmp_path / "map.zarr"
    shutil.copytree(folder / "map.zarr", copy)
    for path in (copy / "zarr.json", copy / "replicates" / "zarr.json"):
        content = json.loads(path.read_text())
        assert content.pop("consolidated_metadata")
        path.write_text(json.dumps(content))
    xr.testing.assert_identical(
        icemap.open_map(str(copy)).load(), icemap.open_map(str(folder / "map.zarr")).load()
    )
    assert icemap.ice_storage(str(copy), area(tmp_path))["ice_km3"].item() > 0


def test_a_public_bucket_needs_no_key(folder, s3_server, monkeypatch, tmp_path):
    url = f"s3://{s3_server.public}/web/map.zarr"
    for path in (folder / "map.zarr").rglob("*"):
        if path.is_file():
            write_bytes(f"{url}/{path.relative_to(folder / 'map.zarr')}", path.read_bytes())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    S3FileSystem.clear_instance_cache()
    with pytest.raises(IcemapError, match="credentials in the environment"):
        icemap.open_map(url)
    expected = query(str(folder / "map.zarr"), 70.2, 60.2)
    assert query(url, 70.2, 60.2, anon=True) == expected
    totals = icemap.ice_storage(url, area(tmp_path), anon=True)
    assert (
        totals["ice_km3"].item()
        == icemap.ice_storage(str(folder / "map.zarr"), area(tmp_path))["ice_km3"].item()
    )
    with pytest.raises(IcemapError, match="There is no map at"):
        icemap.open_map(f"s3://{s3_server.public}/absent.zarr", anon=True)
    # For the command line, which has no options of storage.
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    S3FileSystem.clear_instance_cache()
    assert query(url, 70.2, 60.2) == expected
    assert list_names(url.rpartition("/")[0]) == ["map.zarr"]
    with pytest.raises(IcemapError, match="permission denied"):
        remove(url)


class Listing(SimpleHTTPRequestHandler):
    """As ``python -m http.server``."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("handler", [Plain, Listing])
def test_an_entry_of_the_catalogue_gives_the_data_or_an_error(tmp_path, handler):
    url = str(tmp_path / "map.zarr")
    write_map(url)
    write_catalog(str(tmp_path), "Over the web")
    with served(tmp_path, handler) as address:
        opened = intake.open_catalog(f"{address}/catalog.yaml")["map"].read()
        assert len(opened.data_vars) == 7
        assert float(opened["vic"][3, 4]) == 5.0
        opened.close()
    # A group that does not say what is in it is an error, and no empty dataset.
    description = tmp_path / "map.zarr" / "zarr.json"
    content = json.loads(description.read_text())
    content.pop("consolidated_metadata")
    description.write_text(json.dumps(content))
    with served(tmp_path, handler) as address:
        entry = intake.open_catalog(f"{address}/catalog.yaml")["map"]
        with pytest.raises(Exception, match="onsolidated"):
            entry.read()
