"""Secrets of addresses, one of each kind, are looked for in all that a run writes and says."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from click.testing import CliRunner

import icemap
from icemap.catalog import load_sources
from icemap.cli import main
from icemap.config import load_config
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.running.run import SerialExecutor
from tests.small_chain import SMALL

# Each is a word of its own, so that what is found says which kind was told.
SECRETS = {
    "password": "PlantedPassword1",
    "slash": "SlashedWord2/SlashedRest2",
    "signature": "PlantedSignature3",
    "key": "PLANTEDKEYID4",
    "sas": "PlantedSas5%2Bx%3D",
    "token": "PlantedToken6",
    "unknown": "PlantedUnknown7",
    "path": "PlantedPath8",
    "query": "PlantedQuery9",
    "login": "PlantedLogin10",
    "table": "PlantedTable11",
}
ENVIRONMENT = {
    f"ICEMAP_{name.upper()}": SECRETS[name] for name in ("path", "query", "login", "table")
}
# How the address of a raster holds it; HOST and FILE are filled in.
ADDRESSES = {
    "password": "http://ada:PlantedPassword1@HOST/FILE",
    "signature": (
        "http://HOST/FILE?X-Amz-Credential=PLANTEDKEYID4%2F2026&X-Amz-Signature=PlantedSignature3"
    ),
    "key": "http://HOST/FILE?AWSAccessKeyId=PLANTEDKEYID4&Signature=PlantedSignature3",
    "sas": "http://HOST/FILE?sv=2024&sig=PlantedSas5%2Bx%3D",
    "token": "http://HOST/FILE?token=PlantedToken6",
    "unknown": "http://HOST/FILE?opens=PlantedUnknown7",
    "path": "http://HOST/{env(ICEMAP_PATH)}/FILE",
    "query": "http://HOST/FILE?t={env(ICEMAP_QUERY)}",
    "login": "http://ada:{env(ICEMAP_LOGIN)}@HOST/FILE",
}
FAILURES = ["fail/403/", "fail/404/", "fail/302/", "fail/cut/"]
GRID = {"west": 90, "south": 60, "east": 122, "north": 76, "resolution": 1, "chunk": 16}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Host and port of the server, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("served")
    y, x = np.mgrid[0:52, 0:100]
    transform = rasterio.Affine(0.5, 0, 80, 0, -0.5, 81)
    for number, name in enumerate(ADDRESSES):
        values = (500 + 40 * np.sin(x / (9 + number)) * np.cos(y / 7)).astype("f4")
        about = {"driver": "GTiff", "height": 52, "width": 100, "count": 1, "dtype": "float32"}
        with rasterio.open(
            folder / f"{name}.tif", "w", crs="EPSG:4326", transform=transform, **about
        ) as raster:
            raster.write(values, 1)
    rng = np.random.default_rng(0)
    sites = pd.DataFrame({"lon": rng.uniform(90, 122, 120), "lat": rng.uniform(60, 76, 120)})
    sites["ice"] = np.clip(
        40 + 20 * np.sin((sites.lon - 80) * 2 / 9) + 6 * rng.normal(size=120), 0, 100
    )
    sites.to_csv(folder / "sites.csv", index=False)
    layers = sites.assign(
        site=[f"h{i}" for i in range(120)], top=0.0, base=6.0, permafrost_table=0.5, vic=sites.ice
    )
    named = {
        "lon": "longitude",
        "lat": "latitude",
        "vic": "vic [%]",
        "top": "top [m]",
        "base": "base [m]",
    }
    layers.drop(columns="ice").rename(
        columns={**named, "permafrost_table": "permafrost_table [m]"}
    ).to_csv(folder / "layers.csv", index=False)
    program = [sys.executable, str(Path(__file__).with_name("secrets_server.py")), str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"127.0.0.1:{server.stdout.readline().strip()}", folder
        finally:
            server.terminate()


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    for name, value in {**ENVIRONMENT, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


def write_project(
    folder: Path, host: str, kinds=tuple(ADDRESSES), failing: str = "", **changes
) -> Path:
    data = {
        kind: {
            "kwargs": {
                "url": ADDRESSES[kind].replace("HOST", host).replace("FILE", f"{failing}{kind}.tif")
            }
        }
        for kind in kinds
    }
    about = {"family": "topography", "long_name": "height", "unit": "m"}
    entries = {kind: {"kwargs": {"data": f"{{data({kind})}}"}, "metadata": about} for kind in kinds}
    (folder / "catalog.yaml").write_text(
        yaml.safe_dump({"version": 2, "data": data, "entries": entries})
    )
    table = f"http://ada:{SECRETS['password']}@{host}/{{env(ICEMAP_TABLE)}}/sites.csv?sig={SECRETS['sas']}"
    config = {
        "run": "run",
        "grid": GRID,
        "catalog": "catalog.yaml",
        "predictors": list(kinds),
        "sites": {"table": table, "value": "ice", "unit": "%"},
        "ensemble": SMALL["ensemble"],
        "verification": {"folds": 3, "places": 100, "competitors": []},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **changes}))
    return folder / "config.yaml"


def told(text: str) -> list[str]:
    """Secrets in a text, whole or in part, spelled as they are or as urls spell them."""
    parts = {
        kind: [secret, *secret.replace("%2B", "+").replace("%3D", "=").split("/")]
        for kind, secret in SECRETS.items()
    }
    return sorted(
        kind
        for kind, forms in parts.items()
        if any(len(form) > 6 and form in text for form in forms)
    )


def told_by(folder: Path) -> dict[str, list[str]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        text = str(path.relative_to(folder)) + path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            # Its texts are compressed.
            text += pd.read_parquet(path).to_csv()
        if kinds := told(text):
            found[str(path.relative_to(folder))] = kinds
    return found


def test_a_secret_that_is_told_is_found(tmp_path):
    pd.DataFrame({"source": [f"https://x/y?token={SECRETS['token']}"] * 50}).to_parquet(
        tmp_path / "sites.parquet"
    )
    (tmp_path / f"{SECRETS['path']}.txt").touch()
    assert told_by(tmp_path) == {"PlantedPath8.txt": ["path"], "sites.parquet": ["token"]}


@pytest.fixture(scope="module")
def finished(served, tmp_path_factory) -> tuple[Path, str]:
    """The config of a whole run that reads addresses with secrets of all kinds, and what it
    said.
    """
    folder, said = tmp_path_factory.mktemp("finished"), []
    config = write_project(folder, served[0])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "NO_PROXY": "127.0.0.1"}.items():
            patch.setenv(name, value)
        context = Context(load_config(str(config)), "serial", 1, said.append)
        run_steps(STEPS, context, ["cube", "boreholes"])
    return config, "\n".join(said)


def test_no_secret_of_an_address_is_in_a_run(finished):
    config, said = finished
    run = config.parent / "run"
    made = {path.name for path in run.iterdir()}
    assert made >= {
        "cube.zarr",
        "predictors.html",
        "provenance.json",
        "sites.csv",
        "boreholes.html",
        "ledger",
    }
    assert told_by(run) == {}
    assert told(said) == []


def test_the_record_keeps_what_was_written_and_the_page_names_the_file(finished):
    run = finished[0].parent / "run"
    record = json.loads((run / "provenance.json").read_text())
    sources = record["sources"]
    assert sources["path"]["url"].endswith("/{env(ICEMAP_PATH)}/path.tif")
    assert sources["query"]["url"].endswith("/query.tif?t={env(ICEMAP_QUERY)}")
    assert sources["login"]["url"].startswith("http://ada:{env(ICEMAP_LOGIN)}@")
    assert sources["password"]["url"].startswith("http://127.0.0.1:")
    assert sources["signature"]["url"].endswith("/signature.tif")
    assert record["config"]["sites"]["table"].endswith("/{env(ICEMAP_TABLE)}/sites.csv")
    page = (run / "predictors.html").read_text()
    assert all(f"{kind}.tif" in page for kind in ADDRESSES)
    # Where the variables are set, the record leads to the files.
    again = load_sources(str(run / "provenance.json"), list(ADDRESSES))
    assert f"/{SECRETS['path']}/" in again["path"].url
    assert f"ada:{SECRETS['login']}@" in again["login"].url


def test_a_renewed_secret_makes_nothing_again(finished, served, monkeypatch):
    config, said = finished[0], []
    monkeypatch.setenv("ICEMAP_PATH", "AnotherToken12")
    catalog = config.parent / "catalog.yaml"
    before = catalog.read_text()
    try:
        catalog.write_text(before.replace(SECRETS["signature"], "AnotherSignature"))
        icemap.run(str(config), ["cube", "boreholes"], log=said.append)
    finally:
        catalog.write_text(before)
    assert said == ["cube: there already", "boreholes: there already"]


@pytest.mark.parametrize("failing", FAILURES)
@pytest.mark.parametrize("kind", ADDRESSES)
def test_no_secret_of_an_address_is_in_a_sentence(
    served, tmp_path, monkeypatch, capfd, caplog, kind, failing
):
    """Of icemap, GDAL, fsspec and aiohttp; nor in the log, on the terminal, or in what is left of
    the run.
    """
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    config = write_project(tmp_path, served[0], [kind], failing)
    with caplog.at_level(logging.DEBUG, logger="rasterio"):
        for command in ("cube", "doctor") if failing == "fail/cut/" else ("cube",):
            result = CliRunner().invoke(main, [command, str(config)])
            assert result.exit_code == 2, result.output
            assert told(result.output) == [], result.output
    assert told(capfd.readouterr().err + caplog.text) == []
    assert told_by(tmp_path / "run") == {}


@pytest.mark.parametrize("failing", FAILURES[:-1])
def test_no_secret_of_a_table_is_in_a_sentence(served, tmp_path, monkeypatch, failing):
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    host = served[0]
    table = f"http://ada:{SECRETS['password']}@{host}/{failing}{{env(ICEMAP_TABLE)}}/layers.csv?sig={SECRETS['sas']}"
    given = {"layers": [{"path": table}]}
    config = write_project(tmp_path, host, ["path"], boreholes=given, sites=None)
    for command in ("boreholes", "cube"):
        result = CliRunner().invoke(main, [command, str(config)])
        assert result.exit_code == 2
        assert told(result.output) == [], result.output
    assert told_by(tmp_path / "run") == {}


def test_no_secret_of_a_table_of_layers_is_in_a_run(served, tmp_path, monkeypatch):
    monkeypatch.setattr(Context, "executor", SerialExecutor())
    host = served[0]
    table = f"http://ada:{SECRETS['password']}@{host}/{{env(ICEMAP_TABLE)}}/layers.csv?sig={SECRETS['sas']}"
    config = write_project(
        tmp_path, host, ["path"], boreholes={"layers": [{"path": table}]}, sites=None
    )
    for command in ("boreholes", "cube", "boreholes"):
        result = CliRunner().invoke(main, [command, str(config)])
        assert result.exit_code == 0, result.output
        assert told(result.output) == []
    assert told_by(tmp_path / "run") == {}


@pytest.mark.parametrize(
    "config",
    [
        "http://ada:PlantedPassword1@HOST/absent.yaml",
        "http://HOST/absent.yaml?sig=PlantedSas5%2Bx%3D",
        "http://ada:SlashedWord2/SlashedRest2@HOST/config.yaml",
        "foo://ada:PlantedPassword1@host/" + "long/" * 30 + "config.yaml",
        "/vsicurl/http://ada:PlantedPassword1@host/x.yaml?token=PlantedToken6",
        "s3://PLANTEDKEYID4:PlantedPassword1@bucket//config.yaml",
    ],
)
def test_no_secret_of_an_address_that_is_none_is_said(served, config):
    result = CliRunner().invoke(main, ["cube", config.replace("HOST", served[0])])
    assert result.exit_code == 2, result.output
    assert told(result.output) == [], result.output


@pytest.mark.parametrize("place", ["kwargs", "metadata", "predictors", "grid", "sites"])
def test_no_secret_of_a_misplaced_address_is_said(served, tmp_path, place):
    """A long value is cut short, perhaps before the sign by which a password is known."""
    address = f"https://ada:{'x' * 40}{SECRETS['password']}{'y' * 40}@host/dem.tif?token={SECRETS['token']}"  # noqa: E501
    config = write_project(
        tmp_path,
        served[0],
        ["path"],
        **({place: address} if place in ("predictors", "grid", "sites") else {}),
    )
    if place in ("kwargs", "metadata"):
        catalog = yaml.safe_load((tmp_path / "catalog.yaml").read_text())
        catalog["entries"]["path"][place] = address
        (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(catalog))
    result = CliRunner().invoke(main, ["cube", str(config)])
    assert result.exit_code == 2, result.output
    assert told(result.output) == [], result.output
    assert "xxxx" not in result.output


def test_no_secret_is_said_by_a_command_with_workers(served, tmp_path):
    """What its processes print themselves is heard as well."""
    config = write_project(tmp_path, served[0])
    program = [sys.executable, "-m", "icemap", "cube", str(config), "--workers", "1"]
    good = subprocess.run(
        program, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert good.returncode == 0, good.stderr
    # The cube is begun, and then a file is not there any more.
    bad_project = tmp_path / "bad"
    bad_project.mkdir()
    bad = subprocess.run(
        [
            *program[:4],
            str(write_project(bad_project, served[0], failing="fail/cut/")),
            "--workers",
            "1",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert bad.returncode == 2, bad.stderr
    for done in (good, bad):
        assert told(done.stdout + done.stderr) == []
    assert told_by(tmp_path / "run") == {}
    assert told_by(bad_project / "run") == {}


def test_no_secret_is_in_the_traceback_of_a_program(served, tmp_path):
    """A notebook shows the errors of libraries behind a sentence."""
    config = write_project(tmp_path, served[0], ["signature"], "fail/403/")
    code = "import sys, icemap; icemap.run(sys.argv[1], ['cube'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(config)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 1
    assert "icemap.errors.IcemapError: " in done.stderr
    assert told(done.stdout + done.stderr) == [], done.stderr
