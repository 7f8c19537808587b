"""The viewer: its table of coarse totals, and the page itself in a headless Chromium against a web
server with range requests.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid, wrapped
from icemap.land import land_at
from icemap.products import comparison, viewer
from icemap.products.coast import coast_lines
from icemap.products.cog import write_cogs
from icemap.products.figures.style import DIFFERENCE_COLOURS, VALUE_COLOURS, WIDTH_COLOURS, ramp
from icemap.products.query import query
from icemap.products.viewer import LIBRARIES, coarse_replicates, write_viewer
from icemap.products.viewer_layers import write_differences
from icemap.totals.ice_storage import ice_storage
from tests.browser import CHROMIUM, browser

_spec = spec_from_file_location(
    "polygon_storage_run", Path(__file__).parents[1] / "totals" / "test_polygon_storage.py"
)
_run = module_from_spec(_spec)
_spec.loader.exec_module(_run)

BUILT = all(
    files("icemap.products").joinpath("viewer_page", "lib", name).is_file() for name in LIBRARIES
)


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
    assert 3 * totals.std(ddof=1) == pytest.approx(
        whole["share_ensemble"] ** 0.5 * whole["ice_km3_sd"] / (1 - whole["share_mask"]) ** 0.5,
        rel=0.02,
    )
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
        self.send_header(
            "Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(content)}"
        )
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(folder)))
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def server(run) -> Iterator[ThreadingHTTPServer]:
    with serving(run) as server:
        yield server


def address(server: ThreadingHTTPServer, fragment: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/products/viewer/index.html#{fragment}"


def look(server: ThreadingHTTPServer, tmp_path: Path, fragment: str) -> tuple[str, np.ndarray]:
    """Open a view of the page; its result box and its picture."""

    async def looked() -> tuple[str, np.ndarray]:
        async with browser(tmp_path / "profile") as page:
            await page.open(address(server, fragment))
            return await page.result(), await page.picture(tmp_path / "page.png")

    return asyncio.run(looked())


needs_browser = pytest.mark.skipif(
    CHROMIUM is None or not BUILT, reason="needs Chromium and the libraries of 'make viewer'"
)


@pytest.mark.slow
@needs_browser
def test_a_place_and_its_interval_by_range_requests(run, server, tmp_path):
    assert write_viewer(str(run), "A test of the viewer")
    place = next(
        (lon, lat)
        for lon in np.arange(100.25, 110)
        for lat in np.arange(65.25, 66)
        if (lon + lat) % 7 > 1.5
    )
    text, picture = look(server, tmp_path, f"at={place[0]},{place[1]}")
    expected = query(str(run / "map.zarr"), *place)
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", text.split("E", 1)[1])]
    assert numbers[0] == pytest.approx(expected["vic"], rel=0.005)
    assert [n for n in numbers if n != 95][1:3] == pytest.approx(
        [expected["vic_lower95"], expected["vic_upper95"]], rel=0.005
    )
    tiffs = [ranged for path, ranged in server.asked if path.endswith(".tif")]
    assert tiffs
    assert all(tiffs)
    # The colours of the map are there, besides the white page and the grey sea.
    middle = picture[150:700, 250:850, :3].reshape(-1, 3)
    assert len(np.unique((middle * 15).astype(int), axis=0)) > 20


@pytest.mark.slow
@needs_browser
def test_a_drawn_area_has_the_total_of_the_command_line(run, server, tmp_path):
    assert write_viewer(str(run), "A test of the viewer")
    text, _ = look(server, tmp_path, "projection=plate&area=70,55;110,55;110,75;70,75")
    gpd.GeoDataFrame(
        {"name": ["box"]}, geometry=[shapely.box(70, 55, 110, 75)], crs="EPSG:4326"
    ).to_file(tmp_path / "box.gpkg")
    row = ice_storage(str(run / "map.zarr"), str(tmp_path / "box.gpkg")).iloc[0]
    found = [float(n.replace(",", "")) for n in re.findall(r"-?[\d,]*\d\.?\d*", text)]
    assert found[0] == pytest.approx(row["area_km2"], rel=0.01)
    centre = float(re.search(r"([\d,.]+) km³ of ice", text)[1].replace(",", ""))
    low, high = (
        float(n.replace(",", ""))
        for n in re.search(r"interval: ([\d,.]+) to ([\d,.]+)", text).groups()
    )
    assert centre == pytest.approx(row["ice_km3"], rel=0.01)
    assert high - low == pytest.approx(row["ice_km3_upper95"] - row["ice_km3_lower95"], rel=0.1)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("projection", ["plate", "polar"])
@pytest.mark.parametrize("west", [174, -186])
def test_a_map_across_the_date_line(tmp_path, monkeypatch, projection, west):
    """A place and an area on both sides, with longitudes as people and as the grid count them."""
    monkeypatch.setattr(_run, "GRID", Grid(160, 50, 224, 82, 0.5))
    write_cogs(_run.make_run(tmp_path), str(tmp_path / "products"), TargetConfig())
    assert write_viewer(str(tmp_path), "A test of the viewer")
    east = west + 12
    with serving(tmp_path) as server:
        place, _ = look(server, tmp_path, f"projection={projection}&at={west + 9.75},66.25")
        area = f"{west},55;{east},55;{east},75;{west},75"
        total, picture = look(server, tmp_path, f"projection={projection}&area={area}")
    if projection == "polar":
        # Upright and whole: left and right of its middle meridian as much of it is seen.
        sea = picture[300, 1095, :3]
        shown = np.abs(picture[100:780, :, :3] - sea).max(axis=2) > 0.2
        left, right = shown[:, :550].mean(), shown[:, 550:].mean()
        assert min(left, right) > 0.1
        assert left == pytest.approx(right, rel=0.35)
    expected = query(str(tmp_path / "map.zarr"), -176.25, 66.25)
    assert "66.25° N, 176.25° W" in place
    value = float(re.search(r"([\d.]+) %", place.split("W", 1)[1])[1])
    assert value == pytest.approx(expected["vic"], rel=0.005)
    box = shapely.box(174, 55, 186, 75)
    gpd.GeoDataFrame({"name": ["box"]}, geometry=[box], crs="EPSG:4326").to_file(
        tmp_path / "box.gpkg"
    )
    row = ice_storage(str(tmp_path / "map.zarr"), str(tmp_path / "box.gpkg")).iloc[0]
    ice = float(re.search(r"([\d,.]+) km³ of ice", total)[1].replace(",", ""))
    # The sides of a polygon drawn in the polar projection are straight there.
    assert ice == pytest.approx(row["ice_km3"], rel=0.01 if projection == "plate" else 0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_browser
def test_mouse_and_keyboard(run, server, tmp_path):
    assert write_viewer(str(run), "A test of the viewer")
    about = json.loads((run / "products" / "viewer" / "map.json").read_text())
    west, south, east, north = about["extent"]

    def numbers(text: str) -> list[float]:
        return [float(n.replace(",", "")) for n in re.findall(r"-?[\d,]*\d\.?\d*", text)]

    def is_told(text: str, lon: float, lat: float, step: float) -> tuple[float, float]:
        """The result box names a place within a pixel of this one, and its numbers are those of the
        map there.
        """
        there = re.search(r"([\d.]+)° N, ([\d.]+)° E", text)
        assert (float(there[2]), float(there[1])) == (
            pytest.approx(lon, abs=step + 0.01),
            pytest.approx(lat, abs=step + 0.01),
        )
        expected = query(str(run / "map.zarr"), float(there[2]), float(there[1]))
        main, interval = [line for line in text.splitlines() if line][1:3]
        assert numbers(main)[0] == pytest.approx(expected["vic"], rel=0.005)
        assert numbers(interval)[1:] == pytest.approx(
            [expected["vic_lower95"], expected["vic_upper95"]], rel=0.005
        )
        return float(there[2]), float(there[1])

    async def used() -> None:
        async with browser(tmp_path / "profile") as page:
            await page.open(address(server, "projection=plate"))
            left, top, width, height = await page.ask(
                "(() => { const b = document.getElementById('map').getBoundingClientRect(); return"
                " [b.x, b.y, b.width, b.height]; })()"
            )
            step = max(
                (east - west) / width, (north - south) / height
            )  # degrees in a pixel: the whole map is in view

            def pixel(lon: float, lat: float) -> tuple[float, float]:
                return (
                    left + width / 2 + (lon - (west + east) / 2) / step,
                    top + height / 2 - (lat - (south + north) / 2) / step,
                )

            lon, lat = next(
                (lon, lat)
                for lon in np.arange(100.25, 110, 0.5)
                for lat in np.arange(65.25, 66, 0.5)
                if _mapped(run, lon, lat)
            )
            await page.click(pixel(lon, lat))
            await page.until("document.querySelector('#result .main')")
            is_told(await page.result(), lon, lat, step)

            # Dragged to the left, the same pixel shows a place farther east.
            before = await page.picture(tmp_path / "before.png")
            await page.drag(pixel(lon, lat), (-6 / step, 0))
            await page.tell(
                "Runtime.evaluate", expression="document.getElementById('result').innerHTML = ''"
            )
            await page.click(pixel(lon, lat))
            await page.until("document.querySelector('#result p')")
            text = await page.result()
            shown = float(re.search(r"([\d.]+)° E", text)[1])
            assert lon + 5 < shown < lon + 6.2
            if "not mapped" not in text:
                is_told(text, shown, lat, step)
            assert not np.array_equal(before, await page.picture(tmp_path / "after.png"))
            await page.drag(pixel(lon, lat), (6 / step, 0))

            # Another layer, by the keyboard: legend and colours follow.
            legend, titles = (
                [await page.ask("document.getElementById('legend').innerText")],
                [layer["title"] for layer in about["layers"]],
            )
            assert titles[0] in legend[0]
            before = await page.picture(tmp_path / "first.png")
            await page.ask("document.getElementById('layer').focus()")
            for number in range(1, len(titles)):
                await page.tell(
                    "Input.dispatchKeyEvent",
                    type="keyDown",
                    key="ArrowDown",
                    code="ArrowDown",
                    windowsVirtualKeyCode=40,
                )
                await page.tell(
                    "Input.dispatchKeyEvent",
                    type="keyUp",
                    key="ArrowDown",
                    code="ArrowDown",
                    windowsVirtualKeyCode=40,
                )
                await page.until(
                    f"document.getElementById('legend-title').textContent.startsWith({json.dumps(titles[number])})"
                )
            assert (await page.ask("document.getElementById('ticks').innerText")).split() == [
                "outside",
                "inside",
            ]
            await asyncio.sleep(2)
            assert not np.array_equal(before, await page.picture(tmp_path / "last.png"))

            # An area, by clicks on its corners, the last one twice.
            corners = [
                (80.0, 62.0),
                (100.0, 62.0),
                (100.0, 76.0),
                (80.0, 76.0),
            ]  # besides the boxes that are on the map
            await page.click(await page.middle("#draw"))
            await page.until(
                "document.getElementById('draw').getAttribute('aria-pressed') === 'true'"
            )
            for corner in [*corners, corners[0]]:
                await page.click(pixel(*corner))
                await asyncio.sleep(0.5)
            await page.until("document.getElementById('result').innerText.includes('km³ of ice')")
            await page.until(
                "document.getElementById('draw').getAttribute('aria-pressed') === 'false'"
            )
            drawn.append(await page.result())
            await page.picture(tmp_path / "drawn.png")
            await page.click(await page.middle("#clear"))
            await page.until("document.getElementById('result').innerText === ''")

    drawn: list[str] = []
    asyncio.run(used())
    gpd.GeoDataFrame(
        {"name": ["box"]}, geometry=[shapely.box(80, 62, 100, 76)], crs="EPSG:4326"
    ).to_file(tmp_path / "box.gpkg")
    row = ice_storage(str(run / "map.zarr"), str(tmp_path / "box.gpkg")).iloc[0]
    # A pixel is a good part of a degree.
    assert float(re.search(r"([\d,.]+) km³ of ice", drawn[0])[1].replace(",", "")) == pytest.approx(
        row["ice_km3"], rel=0.05
    )
    low, high = (
        float(n.replace(",", ""))
        for n in re.search(r"interval: ([\d,.]+) to ([\d,.]+)", drawn[0]).groups()
    )
    assert low < row["ice_km3"] < high
    assert [path for path, ranged in server.asked if path.endswith(".tif") and not ranged] == []


def _mapped(run: Path, lon: float, lat: float) -> bool:
    try:
        return bool(np.isfinite(query(str(run / "map.zarr"), lon, lat)["vic"]))
    except IcemapError:
        return False


def test_layers_have_the_ramps_of_the_report_and_the_width_of_the_interval(run):
    about = viewer.viewer_settings(str(run), "A test of the viewer")
    layers = {layer["variable"]: layer for layer in about["layers"]}
    assert list(layers)[-2:] == ["vic_width95", "aoa"]
    assert layers["vic"]["colours"] == ramp(VALUE_COLOURS)
    assert layers["vic_width95"]["colours"] == ramp(WIDTH_COLOURS)
    assert layers["vic_width95"]["files"] == [
        *layers["vic_upper95"]["files"],
        *layers["vic_lower95"]["files"],
    ]
    assert layers["vic"]["limits"] == (0, 100)


def test_coast_lines_lie_between_land_and_sea():
    grid = Grid(170, 60, 200, 72, 0.5)
    lines = coast_lines(grid)
    points = np.concatenate([np.asarray(line) for line in lines])
    assert points[:, 0].min() >= 168
    assert points[:, 0].max() <= 202
    assert (points[:, 0] > 180).any()
    around = [
        land_at(wrapped(points[:, 0] + dx), points[:, 1] + dy)
        for dx in (-0.05, 0, 0.05)
        for dy in (-0.05, 0, 0.05)
    ]
    both = np.any(around, axis=0) & ~np.all(around, axis=0)
    assert both.mean() > 0.95


def test_differences_of_comparisons_are_layers_of_the_viewer_that_is_there(tmp_path):
    write_differences(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "products" / "viewer").mkdir(parents=True)
    (tmp_path / "products" / "viewer" / "map.json").write_text('{"unit": "%"}')
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison" / "old_difference.tif").touch()
    (tmp_path / "comparison" / "old.json").write_text('{"other": {"name": "An old map"}}')
    write_differences(str(tmp_path))
    (layer,) = json.loads((tmp_path / "products/viewer/differences.json").read_text())
    assert layer["title"] == "this map minus An old map"
    file = tmp_path / "products" / "viewer" / layer["files"][0]
    assert file.resolve() == tmp_path / "comparison" / "old_difference.tif"


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_browser
def test_the_difference_to_another_map_is_seen_in_its_colours(tmp_path, monkeypatch):
    """Another map has less in the west and more in the east: blue and red, the middle of the ramp
    is zero, and a place says by how much.
    """
    url = _run.make_run(tmp_path)
    write_cogs(url, str(tmp_path / "products"), TargetConfig())
    assert write_viewer(str(tmp_path), "A test of the viewer")
    with rasterio.open(tmp_path / "products" / "T5m_VIC.tif") as map_file:
        values, profile = map_file.read(1), {**map_file.profile, "dtype": "float32"}
        missing, scale = map_file.nodata, map_file.scales[0]
        west = np.arange(values.shape[1]) < values.shape[1] // 2
    other = np.where(values == missing, np.nan, values * scale) + np.where(west, -6.0, 3.0)
    profile |= {"nodata": np.nan, "driver": "GTiff"}
    with rasterio.open(tmp_path / "old.tif", "w", **profile) as file:
        file.write(other.astype("f4"), 1)
        file.units = ("%",)
    monkeypatch.setattr(comparison, "require_complete_run", lambda url: None)
    monkeypatch.setattr(comparison, "write_comparison_page", lambda *arguments: None)
    comparison.compare(str(tmp_path), str(tmp_path / "old.tif"), depth=5.0)
    place = next(lon for lon in np.arange(70.25, 80) if _mapped(tmp_path, lon, 65.25))

    async def looked(server: ThreadingHTTPServer) -> None:
        async with browser(tmp_path / "profile") as page:
            fragment = f"projection=plate&layer=minus_old&sites=off&at={place},65.25"
            await page.open(address(server, fragment))
            assert "this map minus old: 6 %" in await page.result()
            assert "this map minus old" in await page.ask(
                "document.getElementById('legend-title').textContent"
            )
            ticks = (await page.ask("document.getElementById('ticks').innerText")).split()
            assert ticks[2] == "0"
            assert float(ticks[4]) == pytest.approx(6, abs=0.1)
            await asyncio.sleep(2)
            picture = await page.picture(tmp_path / "difference.png")
            ends = ramp(DIFFERENCE_COLOURS)
            assert (await page.ask("document.getElementById('ramp').style.background")).count(
                "rgb"
            ) == len(ends)
            left, top, width, height = await page.ask(
                "(() => { const b = document.getElementById('map').getBoundingClientRect(); return"
                " [b.x, b.y, b.width, b.height]; })()"
            )
            part = picture[int(top + height / 3) : int(top + 2 * height / 3), int(left) :, :3]
            half = int(width / 2)
            red, blue = part[..., 0] - part[..., 2] > 0.2, part[..., 2] - part[..., 0] > 0.2
            # On each side the cells of the map, none with the colour of the other.
            assert blue[:, half // 3 : half - 20].mean() > 0.3
            assert red[:, half // 3 : half - 20].mean() < 0.02
            assert red[:, half + 20 : half + 2 * half // 3].mean() > 0.3
            assert blue[:, half + 20 : half + 2 * half // 3].mean() < 0.02

    with serving(tmp_path) as server:
        asyncio.run(looked(server))


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_browser
def test_a_region_stands_upright_and_links_carry_what_is_seen(tmp_path, monkeypatch):
    """Alaska: north is up, its picture is not empty, on a screen and on a phone; the keyboard reads
    a place, and the address has place, layer and stretch.
    """
    monkeypatch.setattr(_run, "GRID", Grid(-168, 55, -141, 72, 0.5))
    write_cogs(_run.make_run(tmp_path), str(tmp_path / "products"), TargetConfig())
    assert write_viewer(str(tmp_path), "A test of the viewer")

    async def used(server: ThreadingHTTPServer) -> None:
        async with browser(tmp_path / "profile") as page:
            await page.open(address(server, "layer=vic_width95&sites=off"))
            assert await page.ask("document.getElementById('layer').value") == "vic_width95"
            await page.ask("document.getElementById('map').focus()")
            for kind in ("keyDown", "keyUp"):
                await page.tell(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key="Enter",
                    code="Enter",
                    windowsVirtualKeyCode=13,
                )
            await page.until("location.hash.includes('at=')")
            lon, lat = map(float, re.search(r"at=([-\d.]+),([-\d.]+)", await page.url()).groups())
            assert lon == pytest.approx(-154.5, abs=0.6)
            assert 60 < lat < 67
            # North of the middle is above it.
            await page.click((550, 250))
            await page.until(f"!location.hash.includes('{lat:.4f}')")
            east, north = map(
                float, re.search(r"at=([-\d.]+),([-\d.]+)", await page.url()).groups()
            )
            assert east == pytest.approx(lon, abs=2)
            assert north > lat + 2
            await page.ask(
                "(() => { const low = document.getElementById('low'); low.value = '5';"
                " low.dispatchEvent(new Event('change')); })()"
            )
            await page.until("location.hash.includes('range=5,')")
            assert "sites=off" in await page.url()
            picture = await page.picture(tmp_path / "wide.png")
            colours = np.unique(
                (picture[200:600, 300:800, :3] * 15).astype(int).reshape(-1, 3), axis=0
            )
            assert len(colours) > 5
            await page.tell(
                "Emulation.setDeviceMetricsOverride",
                width=390,
                height=844,
                deviceScaleFactor=1,
                mobile=True,
            )
            await asyncio.sleep(1)
            assert await page.ask("document.documentElement.scrollWidth") <= 390
            height = await page.ask("document.getElementById('map').clientHeight")
            assert height > 300

    with serving(tmp_path) as server:
        asyncio.run(used(server))


@pytest.mark.slow
@needs_browser
def test_opened_from_the_disk_it_says_what_to_do(run, tmp_path):
    assert write_viewer(str(run), "A test of the viewer")

    async def opened() -> str:
        async with browser(tmp_path / "profile") as page:
            await page.tell(
                "Page.navigate", url=(run / "products/viewer/index.html").resolve().as_uri()
            )
            await page.until("document.querySelector('#result p')")
            return await page.result()

    assert f"icemap view {run}" in asyncio.run(opened())
