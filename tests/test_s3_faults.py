"""A map made over a failing network ends with the bits of an undisturbed one, or stops with a
sentence and goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from s3_chain import Bucket
from s3_proxy import Proxy, run_proxy

from icemap import store
from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.errors import IcemapError
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.predictors.gdal_access import PATIENCE
from icemap.predictors.sources import open_source
from icemap.source import Source

CHUNKS = 2 * 5
LATER = "same command"


def run_here(config: str, *names: str) -> None:
    context = Context(load_config(config), "serial", 1, lambda line: None)
    run_steps(STEPS, context, names)


def become(patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    from s3fs import S3FileSystem

    for name, value in environment.items():
        patch.setenv(name, value)
    S3FileSystem.clear_instance_cache()


class Network:
    """A trained run in the bucket, whose map is made through the proxy."""

    def __init__(self, bucket: Bucket, proxy: Proxy) -> None:
        self.bucket, self.proxy = bucket, proxy
        self.config, self.run = f"{bucket.url}/config.yaml", f"{bucket.url}/runs/small"
        self.server = dataclasses.replace(bucket.server, endpoint=proxy.endpoint)
        self.undisturbed = bucket.objects("runs/small/map.zarr")

    def forget_map(self) -> None:
        """As if the map had been begun, and no chunk of it finished."""
        if self.ledger():
            self.bucket.files.rm(f"{self.run}/ledger/map", recursive=True)
        record = json.loads(self.bucket.files.cat_file(f"{self.run}/provenance.json"))
        record["steps"]["map"]["finished"] = None
        self.bucket.write("runs/small/provenance.json", json.dumps(record).encode())

    def ledger(self) -> dict[str, tuple[str, str]]:
        return {
            name: tag
            for name, tag in self.bucket.etags("runs/small/ledger/map").items()
            if name.endswith(".json") and not name.endswith("/.progress.json")
        }

    def require_same_map(self) -> None:
        made = self.bucket.objects("runs/small/map.zarr")
        assert made.keys() == self.undisturbed.keys()
        assert [name for name, content in made.items() if content != self.undisturbed[name]] == []
        assert len(self.ledger()) == CHUNKS

    def asked(self, method: str, path: str) -> int:
        """How many of these requests the server has answered well."""
        return sum(m == method and path in p and status == 200 for m, p, status in self.proxy.seen)


@pytest.fixture(scope="module")
def trained(s3_run) -> Iterator[Network]:
    with run_proxy(s3_run.server.endpoint) as proxy:
        yield Network(s3_run, proxy)


@pytest.fixture
def network(trained, log_in, monkeypatch) -> Network:
    """The run without its map; the environment leads through the proxy."""
    log_in("owner")
    trained.proxy.heal()
    trained.forget_map()
    become(monkeypatch, trained.server.environment(trained.server.owner))
    return trained


def test_faults_that_pass_leave_no_trace_in_the_map(network):
    kinds = ["500", "503", "reset", "lost", "cut", "truncated"]
    faults = [
        network.proxy.fail(kind, times=2, after=20 * number) for number, kind in enumerate(kinds)
    ]
    faults.append(network.proxy.fail("slow", times=1, after=100))
    run_here(network.config, "map")
    assert [fault.served for fault in faults] == [2, 2, 2, 2, 2, 2, 1]
    network.require_same_map()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["500", "503", "reset", "lost", "cut", "truncated", "slow"])
def test_one_request_in_twenty_fails_all_the_time(network, kind):
    fault = network.proxy.fail(kind, every=20, seconds=0.5)
    run_here(network.config, "map")
    assert fault.served > 5
    network.require_same_map()


@pytest.mark.slow
def test_an_answer_later_than_the_time_limit_is_asked_for_again(network):
    fault = network.proxy.fail("slow", path="/cube.zarr/", after=30, times=2, seconds=17)
    run_here(network.config, "map")
    assert fault.served == 2
    network.require_same_map()


READS, WRITES, RECORDS = (
    {"methods": "GET HEAD", "path": "/cube.zarr/"},
    {"methods": "PUT", "path": "/map.zarr/vic/c/"},
    {"methods": "PUT", "path": "/ledger/map/r"},
)
LASTING = [
    (
        "expired",
        WRITES,
        "the credentials have expired. Log in again, then the same command continues.",
    ),
    ("expired", READS, "Log in again, then the same command continues."),
    ("denied", WRITES, "permission denied"),
    ("500", READS, "the server fails or is too busy, after several attempts"),
    ("503", WRITES, "after several attempts (SlowDown)"),
    ("503", RECORDS, "after several attempts (SlowDown)"),
    ("reset", READS, "the connection fails or breaks off"),
    ("cut", WRITES, "the connection fails or breaks off"),
    ("lost", RECORDS, "the connection fails or breaks off"),
    ("truncated", READS, "the connection fails or breaks off"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "requests", "words"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]['path'].strip('/')}") for case in LASTING],
)
def test_a_lasting_fault_stops_the_map_which_then_goes_on_where_it_was(
    network, monkeypatch, kind, requests, words
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    # Half of what an undisturbed map asks for.
    counter = network.proxy.fail("slow", seconds=0, **requests)
    run_here(network.config, "map")
    half = counter.met // 2
    network.forget_map()
    network.proxy.heal()
    network.proxy.fail(kind, after=half, **requests)
    with pytest.raises(IcemapError) as caught:
        run_here(network.config, "map")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    kept = network.ledger()
    assert 0 < len(kept) < CHUNKS
    network.proxy.heal()
    run_here(network.config, "map")
    after = network.ledger()
    assert {name: after[name] for name in kept} == kept
    assert network.asked("PUT", "/ledger/map/r") == CHUNKS - len(kept)
    assert network.asked("PUT", "/map.zarr/vic/c/") == CHUNKS - len(kept)
    network.require_same_map()


def test_the_command_says_it_in_one_sentence_and_continues(network):
    """The real command with a worker process, over a network that fails for good while it maps, and
    then does not.
    """
    network.proxy.fail("expired", methods="PUT", path="/map.zarr/vic/c/", after=4)
    bucket = SimpleNamespace(server=network.server, said=[])
    first = Bucket.command(bucket, network.server.owner, "map", network.config, "--workers", "1")
    assert first.returncode == 2, first.stderr
    said = [line for line in first.stderr.splitlines() if line.startswith("icemap: ")]
    assert len(said) == 1
    assert "the credentials have expired. Log in again, then the same command continues." in said[0]
    assert "Traceback" not in first.stderr
    kept = network.ledger()
    assert len(kept) == 4
    network.proxy.heal()
    alone = ["--cluster", "serial"]
    second = Bucket.command(bucket, network.server.owner, "map", network.config, *alone)
    assert second.returncode == 0, second.stderr
    assert "map: continuing" in second.stdout
    after = network.ledger()
    assert {name: after[name] for name in kept} == kept
    network.require_same_map()


@pytest.mark.parametrize("kind", ["500", "denied", "expired", "truncated"])
def test_a_refused_chunk_is_never_taken_for_an_empty_one(network, monkeypatch, kind):
    from icemap.gridded import open_gridded
    from icemap.zarr_groups import read_chunk

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    config = load_config(network.config)
    chunk = next(config.grid.grid.chunks(config.grid.chunk))
    assert np.isfinite(read_chunk(config.folder.cube, chunk, ["maat"])["maat"]).all()
    lazy = open_gridded(config.folder.cube, "cube")
    network.proxy.fail(kind, path="/cube.zarr/maat/c/")
    with pytest.raises(IcemapError, match=r"^Cannot read"):
        read_chunk(config.folder.cube, chunk, ["maat"])
    with pytest.raises(Exception, match=r".+"), store.storage_errors("the cube", "read"):
        lazy.maat[chunk.rows, chunk.cols].load()
    if kind == "500":
        with pytest.raises(IcemapError):
            run_here(network.config, "map")
        assert network.ledger() == {}


def read_copy(network: Network, source: Source, name: str) -> np.ndarray:
    """The values of a copy of a source; GDAL keeps what it has read, so each case has a copy of its
    own.
    """
    copy = source.model_copy(
        update={"url": f"{network.bucket.url}/{name}-{source.url.rsplit('/', 1)[1]}"}
    )
    network.bucket.files.copy(source.url, copy.url)
    with open_source(copy, load_config(network.config).grid.grid) as raster:
        return raster.read(slice(0, raster.shape[0]), slice(0, raster.shape[1]))


@pytest.mark.parametrize("kind", ["503", "lost", "truncated"])
def test_a_source_is_read_whole_or_not_at_all(network, monkeypatch, kind):
    """GDAL and the download of NetCDF files have their own ways to a bucket."""
    if kind == "truncated":
        # It fails for good, and waiting longer would not help.
        monkeypatch.setitem(PATIENCE, "GDAL_HTTP_MAX_RETRY", "1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name, source in load_sources(
        load_config(network.config).catalog, ["elevation", "maat"]
    ).items():
        expected = read_copy(network, source, f"{kind}-calm")
        fault = network.proxy.fail(
            kind, methods="GET", path="-stormy-", times=2 if kind != "truncated" else None
        )
        if kind == "truncated":
            with pytest.raises(IcemapError, match=rf"elevation|climate\.nc|{name}"):
                read_copy(network, source, f"{kind}-stormy")
        else:
            np.testing.assert_array_equal(read_copy(network, source, f"{kind}-stormy"), expected)
            assert fault.served == 2
        network.proxy.heal()


def test_publishing_stops_with_whole_files_and_goes_on(network, log_in, monkeypatch):
    run_here(network.config, "map")
    tifs = {
        name: content
        for name, content in network.bucket.objects("runs/small/products").items()
        if name.endswith(".tif")
    }
    assert len(tifs) == 5
    record = json.loads(network.bucket.files.cat_file(f"{network.run}/provenance.json"))
    record["steps"]["publish"]["finished"] = None
    network.bucket.write("runs/small/provenance.json", json.dumps(record).encode())
    log_in("reader")
    before = network.bucket.etags("runs/small")
    with pytest.raises(IcemapError, match="permission denied"):
        run_here(network.config, "publish")
    assert network.bucket.etags("runs/small") == before
    become(monkeypatch, network.server.environment(network.server.owner))
    network.bucket.files.rm([f"{network.run}/products/{name}" for name in tifs])
    network.proxy.fail("expired", methods="PUT POST", path="/products/T5m_VIC_upper95")
    with pytest.raises(
        IcemapError,
        match=r"^Cannot write .*T5m_VIC_upper95\.tif: the credentials have expired\. Log in again",
    ):
        run_here(network.config, "publish")
    made = network.bucket.objects("runs/small/products")
    assert {name: content for name, content in made.items() if name.endswith(".tif")} == {
        name: tifs[name] for name in ("T5m_VIC.tif", "T5m_VIC_lower95.tif")
    }
    network.proxy.heal()
    run_here(network.config, "publish")
    made = network.bucket.objects("runs/small/products")
    assert {name: content for name, content in made.items() if name.endswith(".tif")} == tifs
