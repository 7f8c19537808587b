"""What the doctor sees, on a real S3 server and a real worker."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from s3_chain import CATALOG, CONFIG, Bucket, write_inputs
from s3_proxy import run_proxy
from s3fs import S3FileSystem

from icemap import doctor, store
from icemap.config import load_config
from icemap.doctor import OK, PROBLEM, SKIPPED, examine
from icemap.errors import IcemapError
from icemap.pipeline.input_check import require_inputs
from icemap.running import cluster
from icemap.running.run import SerialExecutor


@pytest.fixture(scope="module")
def bucket(s3_process, tmp_path_factory) -> Bucket:
    """The inputs of a chain of which nothing has been made."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    bucket = Bucket(s3_process, "doctor")
    bucket.upload(folder)
    return bucket


@pytest.fixture
def here(monkeypatch):
    """The worker's part is done in this process."""

    @contextlib.contextmanager
    def no_cluster(*_):
        yield SerialExecutor()

    monkeypatch.setattr(cluster, "open_cluster", no_cluster)


def look(config: str) -> dict[tuple[str, str], tuple[str, str]]:
    findings = examine(config, "local", 1, lambda line: None)
    assert len({(f.where, f.what) for f in findings}) == len(findings)
    return {(f.where, f.what): (f.state, f.detail) for f in findings}


def states(found, *whats: str) -> list[str]:
    return [found[where, what][0] for where in ("client", "worker") for what in whats]


RIGHTS = ("list", "write", "read", "delete")


def test_with_every_right_all_is_well_and_nothing_is_left(bucket, log_in, here):
    log_in("owner")
    found = look(f"{bucket.url}/config.yaml")
    assert {state for state, _ in found.values()} == {OK}, found
    assert "python 3" in found["client", "versions"][1]
    assert "gdal 3" in found["client", "versions"][1]
    assert found["worker", "credentials"] == (OK, "environment")
    assert found["client", "inputs"] == (OK, "2 sources and a table of sites can be read")
    assert bucket.objects("runs") == {}


@pytest.mark.parametrize(
    ("identity", "expected", "named"),
    [
        ("reader", [OK, PROBLEM, SKIPPED, SKIPPED], "s3:PutObject"),
        ("unlisting", [PROBLEM, OK, OK, OK], "s3:ListBucket"),
        ("unreading", None, "Cannot read"),
    ],
)
def test_each_missing_right_is_named_for_client_and_worker(
    bucket, log_in, here, identity, expected, named
):
    log_in(identity)
    found = look(f"{bucket.url}/config.yaml")
    if expected is None:  # without the right to read, the config itself cannot be
        assert named in found["client", "config"][1]
        return
    assert states(found, *RIGHTS) == expected * 2
    for where in ("client", "worker"):
        (problem,) = [
            found[where, right][1] for right in RIGHTS if found[where, right][0] == PROBLEM
        ]
        assert "permission denied" in problem
        assert problem.endswith(f"the right is {named} on {bucket.url}/runs/small.")
    assert bucket.objects("runs") == {}


def test_the_right_to_read_or_delete_alone_is_missed_too(bucket, log_in, here, monkeypatch):
    """Behind a proxy that refuses these requests, as this server ties the right to delete to that
    to write.
    """
    log_in("owner")
    with run_proxy(bucket.server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        S3FileSystem.clear_instance_cache()
        proxy.fail("denied", methods="DELETE", path="/doctor-")
        proxy.fail("denied", methods="GET HEAD", path="/doctor-")
        found = look(f"{bucket.url}/config.yaml")
    assert states(found, *RIGHTS) == [OK, OK, PROBLEM, PROBLEM] * 2
    assert "s3:GetObject" in found["worker", "read"][1]
    assert "s3:DeleteObject" in found["worker", "delete"][1]
    assert len(bucket.objects("runs")) == 2
    bucket.files.rm(f"{bucket.url}/runs", recursive=True)


def test_all_problems_are_told_not_only_the_first(bucket, log_in, here):
    log_in("owner")
    catalog = {
        **CATALOG,
        "data": {**CATALOG["data"], "dem": {"kwargs": {"url": "grids/absent.tif"}}},
    }
    bucket.write("wrong.yaml", yaml.safe_dump(catalog).encode())
    config = {
        **CONFIG,
        "catalog": "wrong.yaml",
        "predictors": ["elevation", "absent", "maat"],
        "sites": {**CONFIG["sites"], "table": "points/absent.csv"},
    }
    bucket.write("wrong-config.yaml", yaml.safe_dump(config).encode())
    findings = examine(f"{bucket.url}/wrong-config.yaml", "local", 1, lambda line: None)
    problems = [(f.where, f.what, f.detail) for f in findings if f.state == PROBLEM]
    assert [(where, what) for where, what, _ in problems] == [
        ("client", "catalogue"),
        *[(w, "inputs") for w in ("client", "client", "worker", "worker")],
    ]
    for part, (_, _, detail) in zip(
        ("no entry 'absent'", "absent.tif", "absent.csv", "absent.tif", "absent.csv"),
        problems,
        strict=True,
    ):
        assert part in detail


def test_the_command_asks_a_real_worker_and_exits_with_2(bucket):
    result = bucket.command(
        bucket.server.reader, "doctor", f"{bucket.url}/config.yaml", "--workers", "1"
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr == "icemap: 2 problems found: see the lines that begin with PROBLEM.\n"
    lines = [line.split()[:3] for line in result.stdout.splitlines()]
    assert (
        lines.count(["PROBLEM", "client", "write"])
        == lines.count(["PROBLEM", "worker", "write"])
        == 1
    )
    for what in ("versions", "credentials", "inputs", "list", "memory"):
        assert ["ok", "worker", what] in lines
    for key in (bucket.server.reader.access_key, bucket.server.reader.secret_key):
        assert key not in result.stdout


def test_a_local_project_is_looked_at_without_a_trace(tmp_path, here):
    write_inputs(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    found = look(str(tmp_path / "config.yaml"))
    assert {state for state, _ in found.values()} == {OK}, found
    assert "free at" in found["client", "disk"][1]
    assert ("client", "credentials") not in found
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_and_small_workers_are_problems(tmp_path, here, monkeypatch):
    write_inputs(tmp_path)
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})()
    )
    monkeypatch.setattr("icemap.running.probe.worker_memory", lambda: 50_000_000)
    found = look(str(tmp_path / "config.yaml"))
    assert found["client", "disk"][0] == PROBLEM
    assert found["worker", "memory"][0] == PROBLEM
    assert "smaller 'chunk'" in found["worker", "memory"][1]


def test_other_versions_on_a_worker_are_named():
    here = {"icemap": "1", "numpy": "2.4", "zarr": "3.1"}
    assert doctor._same(here, here).state == OK
    found = doctor._same(here, {"icemap": "1", "numpy": "2.3"})
    assert found.state == PROBLEM
    assert "numpy 2.4 here and 2.3 there, zarr 3.1 here and none there" in found.detail


def test_what_cannot_be_looked_at_is_told(tmp_path):
    write_inputs(tmp_path)
    (tmp_path / "wrong.yaml").write_text("run: [")
    found = look(str(tmp_path / "wrong.yaml"))
    assert found["client", "config"][0] == PROBLEM
    assert found["worker", "all"][0] == SKIPPED
    findings = examine(str(tmp_path / "config.yaml"), "nowhere", 1, lambda line: None)
    assert "'nowhere' is not a cluster" in findings[-1].detail
    assert findings[-1].state == PROBLEM


def test_the_kind_of_credentials_is_told(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    shared = Path(tmp_path / "credentials")
    shared.write_text(
        "[field]\naws_access_key_id = PLANTEDKEY\naws_secret_access_key = plantedsecret\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    state, detail = doctor._credentials()
    assert state == PROBLEM
    assert "none found" in detail
    monkeypatch.setenv("AWS_PROFILE", "field")
    assert doctor._credentials() == (OK, "profile 'field'")
    monkeypatch.setenv("AWS_PROFILE", "absent")
    state, detail = doctor._credentials()
    assert state == PROBLEM
    assert "absent" in detail
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    assert doctor._credentials()[0] == OK
    assert store.filesystem_options("s3://x")["anon"]


TWELVE = {
    "absent": ({"url": "absent.tif"}, {}),
    "empty": ({"url": "empty.tif"}, {}),
    "words": ({"url": "words.tif"}, {}),
    "truncated": ({"url": "truncated.tif"}, {}),
    "no_crs": ({"url": "no_crs.tif"}, {}),
    "elsewhere": ({"url": "elsewhere.tif"}, {}),
    "two_bands": ({"url": "two_bands.tif"}, {}),
    "no_such_band": ({"url": "two_bands.tif"}, {"variable": "3"}),
    "pipe": ({"url": "pipe.tif"}, {}),
    "wrong_key": ({"url": "good.tif"}, {"nodta": [-9999]}),
    "bad_crs": ({"url": "good.tif"}, {"crs": "EPSG:99999999"}),
    "no_variable": ({"url": "two.nc"}, {}),
}


def test_twelve_broken_sources_and_a_table_are_thirteen_problems(tmp_path, here):
    import os

    import numpy as np
    import rasterio
    import xarray as xr

    def raster(name: str, west: float = 60, bands: int = 1, crs: str | None = "EPSG:4326") -> Path:
        rng = np.random.default_rng(0)
        options = {
            "crs": crs,
            "transform": rasterio.Affine(0.1, 0, west, 0, -0.1, 80),
            "dtype": "float32",
        }
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", width=400, height=200, count=bands, **options
        ) as file:
            file.write(rng.normal(size=(bands, 200, 400)).astype("f4"))
        return tmp_path / name

    write_inputs(tmp_path)
    raster("good.tif")
    raster("two_bands.tif", bands=2)
    raster("no_crs.tif", crs=None)
    raster("elsewhere.tif", west=-170)
    whole = raster("truncated.tif")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "empty.tif").touch()
    (tmp_path / "words.tif").write_text("no raster")
    os.mkfifo(tmp_path / "pipe.tif")
    axes = {"lat": np.arange(80, 60, -0.1), "lon": np.arange(60, 100, 0.1)}
    fields = {name: (("lat", "lon"), np.ones((200, 400))) for name in ("t", "q")}
    xr.Dataset(fields, axes).to_netcdf(tmp_path / "two.nc")
    entries = {
        name: {
            "kwargs": {"data": f"{{data({name})}}"},
            "metadata": {"family": "topography", "long_name": name, "unit": "1", **metadata},
        }
        for name, (_, metadata) in TWELVE.items()
    }
    data = {name: {"kwargs": kwargs} for name, (kwargs, _) in TWELVE.items()}
    (tmp_path / "catalog.yaml").write_text(
        yaml.safe_dump({"version": 2, "data": data, "entries": entries})
    )
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    config |= {"predictors": list(TWELVE), "masks": [], "catalog": "catalog.yaml"}
    config["grid"] = {
        "west": 60,
        "south": 60,
        "east": 100,
        "north": 80,
        "resolution": 1,
        "chunk": 16,
    }
    config["sites"] = {**config["sites"], "value": "nothing"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    findings = examine(str(tmp_path / "config.yaml"), "local", 1, lambda line: None)
    problems = [f.detail for f in findings if f.state == PROBLEM and f.where == "client"]
    assert len(problems) == len(TWELVE) + 1, problems
    for name, (kwargs, _) in TWELVE.items():
        assert any(
            f"'{name}'" in problem or f"/{kwargs['url']} " in problem for problem in problems
        ), (name, problems)
    assert "no column 'nothing'" in problems[-1]
    assert all("\n" not in problem and problem.endswith(".") for problem in problems)


def test_maps_to_be_compared_with_are_opened(tmp_path, here):
    """Each as the comparison will open it, so that the report does not fail hours later."""
    write_inputs(tmp_path)
    (tmp_path / "codes.csv").write_text("code,low,high\n1,10,5\n")
    compared = [
        {"other": "not_there.tif", "depth": 5},
        {"other": "grids/elevation.tif", "classes": "codes.csv", "depth": 5, "name": "classes"},
        {"other": "grids/elevation.tif", "depth": 5, "name": "classes"},
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "compare": compared}))
    problems = [
        f.detail
        for f in examine(str(tmp_path / "config.yaml"), "local", 1, lambda line: None)
        if (f.where, f.state) == ("client", PROBLEM)
    ]
    assert len(problems) == 3, problems
    for named in ("not_there.tif", "codes.csv", "both called 'classes'"):
        assert any(named in problem for problem in problems), named
    config = load_config(str(tmp_path / "config.yaml"))
    with pytest.raises(IcemapError, match=r"3 problems with the inputs"):
        require_inputs(config, [])
