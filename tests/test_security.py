"""What others may bring (configs, catalogues, rasters, ensembles, names) does not run code, read
secrets, write elsewhere or break out of a page.
"""

import ast
import json
import os
import pickle
import re
import threading
import zipfile
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
import yaml
from shapely import box

from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.ensemble.imported_members import require_member
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.predictors.sources import open_source
from icemap.running.cluster import open_cluster
from icemap.source import Source
from icemap.totals.polygons import read_zones
from tests.small_chain import in_little

ROOT = Path(__file__).parents[1]
GRID = {"west": 90, "south": 60, "east": 122, "north": 76, "resolution": 1, "chunk": 16}
CONFIG = {
    "run": "run",
    "grid": GRID,
    "catalog": "catalog.yaml",
    "predictors": ["elevation"],
    "sites": {"table": "sites.csv", "value": "ice"},
}
ELEVATION = {"family": "topography", "long_name": "elevation", "unit": "m"}
CATALOG = {
    "version": 2,
    "data": {"dem": {"kwargs": {"url": "dem.tif"}}},
    "entries": {"elevation": {"kwargs": {"data": "{data(dem)}"}, "metadata": ELEVATION}},
}


def write(path: Path, content: dict | str) -> str:
    path.write_text(
        content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    )
    return str(path)


def write_raster(path: Path, values: np.ndarray, transform: rasterio.Affine) -> None:
    rows, columns = values.shape
    options = {
        "driver": "GTiff",
        "height": rows,
        "width": columns,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
    }
    with rasterio.open(path, "w", transform=transform, **options) as raster:
        raster.write(values.astype("f4"), 1)


def test_each_row_of_the_threat_table_names_tests_that_exist():
    rows = [
        line
        for line in (ROOT / "SECURITY.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| who", "|---"))
    ]
    named = [re.findall(r"`(tests/[\w/.]+::\w+)`", row) for row in rows]
    assert len(rows) > 15
    assert [row for row, tests in zip(rows, named) if not tests] == []
    wanted = sorted({test for tests in named for test in tests})
    there = {file: everyday_tests(ROOT / file) for file in {test.split("::")[0] for test in wanted}}
    assert [test for test in wanted if test.split("::")[1] not in there[test.split("::")[0]]] == []


def everyday_tests(path: Path) -> set[str]:
    """Tests of a file that are no slow ones."""
    marks = ("pytest.mark.slow", "pytest.mark.k8s")
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            assert not any(mark in ast.unparse(node.value) for mark in marks), path
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            decorators = "\n".join(map(ast.unparse, node.decorator_list))
            if not any(mark in decorators for mark in marks):
                found.add(node.name)
    return found


@pytest.mark.parametrize("kind", ["config", "catalogue"])
def test_yaml_makes_no_objects(tmp_path, kind):
    text = (
        yaml.safe_dump(CONFIG if kind == "config" else CATALOG)
        + f"title: !!python/object/apply:os.system ['touch {tmp_path}/ran']\n"
    )
    file = write(tmp_path / "given.yaml", text)
    with pytest.raises(IcemapError, match="is not readable YAML"):
        load_config(file) if kind == "config" else load_sources(file, ["elevation"])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["config", "catalogue"])
def test_lists_of_lists_do_not_fill_the_memory(tmp_path, kind):
    """Nine aliases of nine aliases, nine levels deep: whoever prints that never ends."""
    levels = "\n".join(
        [
            f"  - &l0 [{', '.join(['x'] * 9)}]",
            *(f"  - &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 10)),
        ]
    )
    given = (
        {**CONFIG, "predictors": "HERE"}
        if kind == "config"
        else {**CATALOG, "entries": {"elevation": "HERE"}}
    )
    file = write(
        tmp_path / "given.yaml",
        f"title:\n{levels}\n" + yaml.safe_dump(given).replace("HERE", "*l9"),
    )
    with pytest.raises(IcemapError) as said:
        load_config(file) if kind == "config" else load_sources(file, ["elevation"])
    # Each wrong key shows the beginning of its value.
    assert len(str(said.value)) < 3000


@pytest.mark.parametrize("place", ["run", "catalog", "sites.table", "data url"])
@pytest.mark.parametrize(
    "form",
    [
        "s3://theirs/{env(AWS_SECRET_ACCESS_KEY)}/x",
        "https://theirs.example/{{env(AWS_SECRET_ACCESS_KEY)}}",
    ],
)
def test_no_secret_of_the_environment_stands_in_a_path(tmp_path, monkeypatch, place, form):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    config = CONFIG | (
        {place: form}
        if place in CONFIG
        else {"sites": {**CONFIG["sites"], "table": form}}
        if place == "sites.table"
        else {}
    )
    catalog = (
        {**CATALOG, "data": {"dem": {"kwargs": {"url": form}}}} if place == "data url" else CATALOG
    )
    file, other = write(tmp_path / "config.yaml", config), write(tmp_path / "catalog.yaml", catalog)
    with pytest.raises(IcemapError, match="only variables whose names begin with ICEMAP_") as said:
        load_sources(other, ["elevation"]) if place == "data url" else load_config(file)
    assert "planted" not in str(said.value)


@pytest.mark.parametrize(
    "name",
    [
        "os.abort",
        "planted_module.Model",
        "sklearn.datasets.load_iris",
        "sklearn.utils.Bunch",
        "sklearn.externals.x",
        "svr.x",
        ".",
    ],
)
def test_a_member_is_a_regressor_of_scikit_learn_and_nothing_else_is_called(
    tmp_path, monkeypatch, name
):
    (tmp_path / "planted_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(IcemapError, match="is unknown: use svr"):
        require_member(name)


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "..", "a/b", "", ".hidden", "a\\b"])
def test_names_that_become_files_stay_in_the_run(tmp_path, name):
    for change in (
        {"target": {"name": name}},
        {"predictors": [name]},
        {"masks": [{"source": name, "at_least": 1}]},
    ):
        with pytest.raises(IcemapError, match="a name may hold letters"):
            load_config(write(tmp_path / "config.yaml", CONFIG | change))


class Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "codecs",
    [
        {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 4}], "compressor": None},
        {"dtype": "<f8", "filters": [{"id": "pickle", "protocol": 4}], "compressor": None},
        {"dtype": "<f8", "filters": None, "compressor": {"id": "pickle", "protocol": 4}},
    ],
)
@pytest.mark.parametrize("poisoned", ["latitude", "value"])
def test_no_array_of_a_zarr_store_is_unpickled(tmp_path, codecs, poisoned):
    store, ran = tmp_path / "theirs.zarr", tmp_path / "ran"
    assert pickle.loads(pickle.dumps(Touch(ran))) is None  # noqa: S301  (that the bait works)
    ran.unlink()
    for name, dims in {
        "latitude": ["latitude"],
        "longitude": ["longitude"],
        "value": ["latitude", "longitude"],
    }.items():
        (store / name).mkdir(parents=True)
        about = {
            "zarr_format": 2,
            "shape": [4] * len(dims),
            "chunks": [4] * len(dims),
            "order": "C",
            "fill_value": None,
        }
        about |= (
            codecs if name == poisoned else {"dtype": "<f8", "filters": None, "compressor": None}
        )
        (store / name / ".zarray").write_text(json.dumps(about))
        (store / name / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": dims}))
        values = 60.5 + np.arange(4.0 ** len(dims))
        (store / name / ".".join("0" * len(dims))).write_bytes(
            pickle.dumps(Touch(ran)) if name == poisoned else values.tobytes()
        )
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    source = Source(
        name="theirs",
        family="climate",
        long_name="x",
        unit="1",
        url=str(store),
        variable="value",
        crs="EPSG:4326",
    )
    with pytest.raises(IcemapError), open_source(source, Grid(60, 60, 64, 64, 1)) as raster:
        raster.read(slice(0, 4), slice(0, 4))
    assert not ran.exists()


def test_a_virtual_raster_runs_no_code_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    write_raster(tmp_path / "plain.tif", np.ones((4, 4)), rasterio.Affine(1, 0, 60, 0, -1, 64))
    write(
        tmp_path / "theirs.vrt",
        f"""<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>EPSG:4326</SRS><GeoTransform>60, 1, 0, 64, 0, -1</GeoTransform>
        <VRTRasterBand dataType="Float32" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>run</PixelFunctionType>
        <PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode><![CDATA[
import pathlib
pathlib.Path({str(tmp_path / "ran")!r}).touch()
def run(in_ar, out_ar, *further, **options):
    out_ar[:] = in_ar[0]
]]></PixelFunctionCode><SimpleSource><SourceFilename relativeToVRT="1">plain.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>""",  # noqa: E501
    )
    source = Source(
        name="theirs", family="climate", long_name="x", unit="1", url=str(tmp_path / "theirs.vrt")
    )
    with (
        pytest.raises(IcemapError, match="theirs"),
        open_source(source, Grid(60, 60, 64, 64, 1)) as raster,
    ):
        raster.read(slice(0, 4), slice(0, 4))
    assert not (tmp_path / "ran").exists()


def test_nothing_is_unpacked_from_an_archive_of_polygons(tmp_path):
    areas = gpd.GeoDataFrame({"name": ["one"]}, geometry=[box(100, 60, 101, 61)], crs="EPSG:4326")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    areas.to_file(tmp_path / "in" / "areas.shp")
    with zipfile.ZipFile(tmp_path / "out" / "areas.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in (tmp_path / "in").iterdir():
            archive.write(part, part.name)
        archive.writestr("../escaped.txt", "x")
        archive.writestr("zeros.bin", bytes(50_000_000))
    before = set(tmp_path.rglob("*"))
    assert [area.name for area in read_zones(str(tmp_path / "out" / "areas.zip"))] == ["one"]
    assert set(tmp_path.rglob("*")) == before


EVIL = "\"'></title></script><img src=x onerror=alert(1)><script>alert(1)</script>{{7*7}}"


class Tags(HTMLParser):
    """Elements and attributes that a page has, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        runs = given.get("href", "").lower().startswith(("javascript:", "data:text"))
        if runs or given.get("src") == "x" or any(name.startswith("on") for name in given):
            self.bad.append(str(self.get_starttag_text()))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script" and data.startswith("alert(1)"):
            self.bad.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A finished run all of whose free texts want to break out of a page."""
    folder = tmp_path_factory.mktemp("hostile")
    y, x = np.mgrid[0:52, 0:100]
    for name, values in {
        "dem.tif": 500 + 400 * np.sin(x / 9) * np.cos(y / 7),
        "maat.tif": -5 - 0.1 * y + np.sin(x / 5),
    }.items():
        write_raster(folder / name, values, rasterio.Affine(0.5, 0, 80, 0, -0.5, 81))
    rng = np.random.default_rng(0)
    sites = pd.DataFrame(
        {
            "lon": rng.uniform(90, 122, 120),
            "lat": rng.uniform(60, 76, 120),
            "id": [f"{EVIL}{i}" for i in range(120)],
        }
    )
    sites["ice"] = np.clip(
        40 + 20 * np.sin((sites.lon - 80) * 2 / 9) + 6 * rng.normal(size=120), 0, 100
    )
    sites.to_csv(folder / "sites.csv", index=False)
    about = {"licence": EVIL, "citation": EVIL}
    data = {name: {"kwargs": {"url": f"{name}.tif"}, "metadata": about} for name in ("dem", "maat")}
    entries = {
        name: {
            "kwargs": {"data": f"{{data({name})}}"},
            "metadata": {"family": "climate", "long_name": EVIL, "unit": EVIL},
        }
        for name in data
    }
    write(folder / "catalog.yaml", {"version": 2, "data": data, "entries": entries})
    members = ["sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"]
    config = CONFIG | {
        "title": EVIL,
        "predictors": ["dem", "maat"],
        "sites": {"table": "sites.csv", "value": "ice", "unit": EVIL, "id": "id"},
        "target": {"long_name": EVIL, "unit": EVIL},
        "ensemble": {
            "members": members,
            "replicates": 2,
            "folds": 3,
            "prior_strength": 100,
            "climatology": 0,
            "position": False,
        },
        "verification": {"folds": 3, "places": 100, "competitors": []},
    }
    context = Context(
        load_config(write(folder / "config.yaml", config)), "serial", 1, lambda line: None
    )
    with in_little():
        run_steps(STEPS, context, [step.name for step in STEPS])
    return folder / "run"


@pytest.mark.parametrize(
    "page", ["predictors.html", "boreholes.html", "verification.html", "report.html"]
)
def test_no_name_breaks_out_of_a_page(hostile, page):
    text = (hostile / page).read_text()
    assert "alert(1)" in text
    assert "{{7*7}}" in text
    assert Tags(text).bad == []


def test_a_name_that_breaks_out_is_seen():
    assert Tags(f"<p>{EVIL}</p>").bad == ["<img src=x onerror=alert(1)>", "alert(1)"]
    assert Tags('<a href="javascript:x">y</a>').bad


def test_the_viewer_writes_no_html():
    """It sets texts; what it clears, it clears with an empty string."""
    script = (ROOT / "icemap" / "products" / "viewer_page" / "viewer.js").read_text()
    assert set(re.findall(r"innerHTML\s*\+?=\s*([^;]+);", script)) == {'""'}
    assert not re.search(
        r"outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script
    )


def test_a_local_cluster_is_open_to_this_machine_alone():
    with open_cluster("local", 1, lambda line: None) as executor:
        assert executor.client.submit(os.getpid).result() != os.getpid()
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = {
            c.laddr.ip
            for process in processes
            for c in process.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN
        }
    assert listening
    assert listening <= {"127.0.0.1", "::1"}


@pytest.fixture
def osv():
    """A service that speaks as api.osv.dev does and knows holes by package; the real one cannot be
    had everywhere.
    """
    known = {"jinja2": "3.1.3"}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"][
                "name"
            ]
            events = [{"introduced": "0"}, {"fixed": known.get(name, "")}]
            affected = {
                "package": {"name": name, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
            hole = {
                "id": f"PYSEC-{name}",
                "summary": "",
                "details": "",
                "aliases": [],
                "published": "2024-01-11T15:20:48Z",
                "affected": [affected],
            }
            body = json.dumps({"vulns": [hole]} if name in known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query", known
        server.shutdown()


def audit(lock: Path, url: str) -> tuple[int, str]:
    spec = util.spec_from_file_location("audit_lock", Path(__file__).with_name("audit_lock.py"))
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.audit(lock, url)


def test_a_dependency_with_a_known_hole_is_named(osv, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url, known = osv
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"click==8.1.8 \\\n    --hash=sha256:{'0' * 64}\nzarr==3.1.6 \\\n   "
        f" --hash=sha256:{'0' * 64}\n"
    )
    assert audit(lock, url) == (0, f"2 pinned versions audited by {url}: 0 known holes.")
    known["zarr"] = "3.1.7"
    code, said = audit(lock, url)
    assert code == 1
    assert said.splitlines()[0] == "zarr 3.1.6: PYSEC-zarr, fixed in 3.1.7"


def test_an_audit_that_was_not_done_says_so(osv, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url, known = osv
    lock = tmp_path / "requirements.lock"
    lock.write_text("click==8.1.8\n")
    assert audit(lock, "http://127.0.0.1:9/v1/query") == (
        0,
        (
            "Dependencies were NOT audited: http://127.0.0.1:9/v1/query does not answer from this"
            " machine."
        ),
    )
    known.clear()
    assert "NOT audited" in audit(lock, url)[1]
