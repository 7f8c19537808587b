"""The viewer: its table of coarse totals, and the page itself in a headless Chromium against a web server with range requests."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from icemap.config import TargetConfig
from icemap.products import viewer
from icemap.products.cog import write_cogs
from icemap.products.ice_storage import ice_storage
from icemap.products.query import query
from icemap.products.viewer import LIBRARIES, coarse_replicates, write_viewer

_spec = spec_from_file_location("polygon_storage_run", Path(__file__).with_name("test_polygon_storage.py"))
_run = module_from_spec(_spec)
_spec.loader.exec_module(_run)

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BUILT = all(files("icemap.products").joinpath("viewer_page", "lib", name).is_file() for name in LIBRARIES)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-background-networking", "--remote-debugging-port=0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_cogs(_run.make_run(folder), str(folder / "products"), TargetConfig())
    return folder


def test_coarse_cells_add_up_to_the_totals(run):
    longitude, latitude, side, area, means = coarse_replicates(str(run / "map.zarr"))
    whole = ice_storage(str(run / "map.zarr"), "all").iloc[0]
    assert side == 1.0
    assert area.sum() == pytest.approx(whole["area_km2"])
    totals = means @ area * 5e-5
    assert totals.mean() == pytest.approx(whole["ice_km3"])
    assert 3 * totals.std(ddof=1) == pytest.approx(whole["share_ensemble"] ** 0.5 * whole["ice_km3_sd"] / (1 - whole["share_mask"]) ** 0.5, rel=0.02)
    assert longitude.min() > 60
    assert latitude.max() < 82


def test_without_the_libraries_nothing_is_written(run, monkeypatch):
    monkeypatch.setattr(viewer, "LIBRARIES", ("not-there.js",))
    assert write_viewer(str(run), "A viewer") is False
    assert not (run / "products" / "viewer" / "index.html").exists()


def test_the_page_asks_nobody_else():
    page = files("icemap.products").joinpath("viewer_page")
    for name in ("index.html", "viewer.js", "viewer.css"):
        assert not re.search(r"https?://", page.joinpath(name).read_text(encoding="utf-8")), name


class _Ranges(SimpleHTTPRequestHandler):
    """A plain web server; it keeps what was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        self.server.asked.append((self.path.split("?")[0], wanted is not None))  # type: ignore[attr-defined]
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        part = content[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(run) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(run)))
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


async def _look(url: str, profile: Path, picture: Path) -> tuple[str, list[str]]:
    """Open a page, wait until it says that it is ready; its result box and what the console says."""
    import aiohttp

    browser = subprocess.Popen([CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--window-size=1100,800", "about:blank"], stderr=subprocess.PIPE, text=True)
    try:
        port = next(found[1] for line in browser.stderr if (found := re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)))
        async with aiohttp.ClientSession() as session:
            pages = await (await session.get(f"http://127.0.0.1:{port}/json")).json(content_type=None)
            async with session.ws_connect(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"), max_msg_size=0) as socket:
                complaints: list[str] = []
                number = 0

                async def tell(method: str, **params: object) -> dict:
                    nonlocal number
                    number += 1
                    await socket.send_json({"id": number, "method": method, "params": params})
                    while True:
                        message = await socket.receive_json()
                        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                            complaints.append(json.dumps(message["params"]))
                        if message.get("id") == number:
                            return message.get("result", {})

                for domain in ("Runtime", "Log", "Page"):
                    await tell(f"{domain}.enable")
                await tell("Page.navigate", url=url)
                for _ in range(400):
                    ready = await tell("Runtime.evaluate", expression="document.body?.dataset.ready || document.querySelector('#result p')?.textContent || ''")
                    if ready["result"].get("value") == "true" or "could not be read" in str(ready["result"].get("value")):
                        break
                    await asyncio.sleep(0.3)
                text = (await tell("Runtime.evaluate", expression="document.getElementById('result').innerText"))["result"]["value"]
                picture.write_bytes(base64.b64decode((await tell("Page.captureScreenshot"))["data"]))
                return text, complaints
    finally:
        browser.kill()
        browser.wait()


def look(server: ThreadingHTTPServer, tmp_path: Path, fragment: str) -> tuple[str, np.ndarray]:
    import matplotlib.image

    address = f"http://127.0.0.1:{server.server_address[1]}/products/viewer/index.html#{fragment}"
    text, complaints = asyncio.run(_look(address, tmp_path / "profile", tmp_path / "page.png"))
    assert [c for c in complaints if not any(word in c for word in ("favicon", "GPU stall"))] == []
    return text, matplotlib.image.imread(tmp_path / "page.png")


needs_browser = pytest.mark.skipif(CHROMIUM is None or not BUILT, reason="needs Chromium and the libraries of 'make viewer'")


@pytest.mark.slow
@needs_browser
def test_a_place_and_its_interval_by_range_requests(run, server, tmp_path):
    assert write_viewer(str(run), "A test of the viewer")
    place = next((lon, lat) for lon in np.arange(100.25, 110) for lat in np.arange(65.25, 66) if (lon + lat) % 7 > 1.5)
    text, picture = look(server, tmp_path, f"at={place[0]},{place[1]}")
    expected = query(str(run / "map.zarr"), *place)
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", text.split("E", 1)[1])]
    assert numbers[0] == pytest.approx(expected["vic"], rel=0.005)
    assert [n for n in numbers if n != 95][1:3] == pytest.approx([expected["vic_lower95"], expected["vic_upper95"]], rel=0.005)
    tiffs = [ranged for path, ranged in server.asked if path.endswith(".tif")]
    assert tiffs
    assert all(tiffs)
    # The colours of the map are there, beside the white page and the grey sea.
    middle = picture[150:700, 250:850, :3].reshape(-1, 3)
    assert len(np.unique((middle * 15).astype(int), axis=0)) > 20


@pytest.mark.slow
@needs_browser
def test_a_drawn_area_has_the_total_of_the_command_line(run, server, tmp_path):
    assert write_viewer(str(run), "A test of the viewer")
    text, _ = look(server, tmp_path, "projection=plate&area=70,55;110,55;110,75;70,75")
    gpd.GeoDataFrame({"name": ["box"]}, geometry=[shapely.box(70, 55, 110, 75)], crs="EPSG:4326").to_file(tmp_path / "box.gpkg")
    row = ice_storage(str(run / "map.zarr"), str(tmp_path / "box.gpkg")).iloc[0]
    found = [float(n.replace(",", "")) for n in re.findall(r"-?[\d,]*\d\.?\d*", text)]
    assert found[0] == pytest.approx(row["area_km2"], rel=0.01)
    centre = float(re.search(r"([\d,.]+) km³ of ice", text)[1].replace(",", ""))
    low, high = (float(n.replace(",", "")) for n in re.search(r"interval: ([\d,.]+) to ([\d,.]+)", text).groups())
    assert centre == pytest.approx(row["ice_km3"], rel=0.01)
    assert high - low == pytest.approx(row["ice_km3_upper95"] - row["ice_km3_lower95"], rel=0.1)
