"""What a newcomer does: a new environment without the lock, the wheel or the sdist, and a map.

Needs a package index, and ten minutes. ``ICEMAP_DIST`` names a folder with a wheel and an sdist
that are built already; without it they are built here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
WEST, SOUTH, EAST, NORTH = -152.0, 64.0, -142.0, 70.0
ROWS, COLS = 80, 120


def newest_python() -> str:
    """The newest Python on this machine that the package takes and that runs."""
    for version in ("3.13", "3.12", "3.11"):
        found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for candidate in (shutil.which(f"python{version}"), *map(str, found)):
            command = [candidate, "-c", "import venv"]
            if candidate and subprocess.run(command, capture_output=True).returncode == 0:
                return candidate
    return sys.executable


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    if "ICEMAP_DIST" in os.environ:
        return Path(os.environ["ICEMAP_DIST"]).resolve()
    pytest.importorskip("build", reason="build is in the extra dev")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "No matching distribution found for setuptools" in done.stdout:
        pytest.skip("no package index")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def icemap(request, dist, tmp_path_factory) -> Path:
    """The command in a new environment with the newest versions that pip finds."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([newest_python(), "-m", "venv", str(place)], check=True)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    (package,) = dist.glob(request.param)
    install = [str(scripts / "python"), "-m", "pip", "install", "--quiet", str(package)]
    done = subprocess.run(install, capture_output=True, text=True)
    if "Could not find a version" in done.stderr and "affine" in done.stderr:
        pytest.skip("no package index")
    assert done.returncode == 0, done.stderr[-3000:]
    return scripts / "icemap"


def call(icemap: Path, folder: Path, *arguments: str) -> str:
    """What a command prints, in a folder that holds no code."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(icemap), *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_demo_runs_in_an_empty_folder(icemap, tmp_path):
    call(icemap, tmp_path, "demo", "--cluster", "serial")
    assert (tmp_path / "demo" / "run" / "products" / "T5m_VIC.tif").is_file()
    assert (tmp_path / "demo" / "run" / "report.html").is_file()


def write_inputs(folder: Path) -> None:
    """Six rasters and a table, of which icemap has never heard."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0 : 1 : ROWS * 1j, 0 : 1 : COLS * 1j]
    smooth = [np.sin(k * x + k) * np.cos((k + 1) * y) for k in range(1, 6)]
    here = from_origin(WEST - 1, NORTH + 1, 12 / COLS, 8 / ROWS)
    units = ("m", "%", "mm", "degC")
    for number, (unit, values) in enumerate(zip(units, smooth)):
        with rasterio.open(
            folder / f"raster {number}.tif",
            "w",
            driver="GTiff",
            height=ROWS,
            width=COLS,
            count=1,
            dtype="float32",
            crs="EPSG:4326",
            transform=here,
        ) as dataset:
            dataset.write((100 * values).astype("float32"), 1)
            dataset.units = [unit]
    with rasterio.open(
        folder / "cover.tif",
        "w",
        driver="GTiff",
        height=ROWS,
        width=COLS,
        count=1,
        dtype="uint8",
        crs="EPSG:4326",
        transform=here,
    ) as dataset:
        dataset.write((1 + (smooth[4] > 0)).astype("uint8"), 1)
        dataset.write_colormap(1, {1: (255, 0, 0), 2: (0, 0, 255)})
    lat, lon = np.arange(SOUTH - 2, NORTH + 2, 0.5), np.arange(WEST - 2, EAST + 2, 0.5)
    months = 260 + rng.normal(size=(12, len(lat), len(lon))).cumsum(1)
    xr.Dataset(
        {"t2m": (("time", "lat", "lon"), months.astype("float32"), {"units": "K"})},
        {
            "time": ("time", np.arange(12) * 30.0, {"units": "days since 2001-01-16"}),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    ).to_netcdf(folder / "t2m.nc")
    count = 140
    places = pd.DataFrame(
        {
            "Bohrung": [f"B{i}" for i in range(count)],
            "Längengrad": rng.uniform(WEST, EAST, count).round(4),
            "Breitengrad": rng.uniform(SOUTH, NORTH, count).round(4),
        }
    )
    rows = places.loc[np.repeat(np.arange(count), 6)].reset_index(drop=True)
    top = 0.5 + np.tile(np.arange(6.0), count)
    ice = 45 + 25 * np.sin(3 * rows["Breitengrad"]) + rng.normal(size=len(rows)) * 8
    rows = rows.assign(
        **{
            "permafrost_table [m]": 0.5,
            "von [m]": top,
            "bis [m]": top + 1,
            "Eisgehalt [%]": ice.clip(1, 95).round(1),
        }
    )
    rows.to_csv(folder / "Bohrungen.csv", sep=";", decimal=",", index=False, encoding="utf-8")


def test_from_a_folder_of_files_to_a_map_in_the_browser(icemap, tmp_path):
    write_inputs(tmp_path)
    assert "140 places with sites" in call(icemap, tmp_path, "init")
    assert "PROBLEM" not in call(icemap, tmp_path, "doctor", "config.yaml", "--cluster", "serial")
    said = call(icemap, tmp_path, "run", "config.yaml", "--quick", "--cluster", "serial")
    assert "This is a preview" in said
    assert "Nothing to do" in call(icemap, tmp_path, "run", "config.yaml", "--dry-run")
    run = tmp_path / "run"
    require_preview(run)
    with subprocess.Popen(
        [str(icemap), "view", "run", "--no-browser", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        address = process.stdout.readline().split()[0]
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.status == 200
            assert b"<title>" in page.read()
        asked = urllib.request.Request(f"{address}products/T5m_VIC.tif")
        asked.add_header("Range", "bytes=0-3")
        with urllib.request.urlopen(asked, timeout=30) as part:
            assert part.status == 206
            assert part.read() in (b"II*\0", b"II+\0")
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def require_preview(run: Path) -> None:
    """Every product of a preview says that it is one."""
    attrs = json.loads((run / "map.zarr" / "zarr.json").read_text())["attributes"]
    assert attrs["title"].endswith("(preview)")
    assert attrs["preview"].startswith("a preview")
    with rasterio.open(run / "products" / "T5m_VIC.tif") as dataset:
        assert dataset.tags()["preview"] == attrs["preview"]
    for name in ("verification.json", "ice_storage.json"):
        assert json.loads((run / name).read_text())["preview"] == attrs["preview"], name
    collection = json.loads((run / "stac" / "collection.json").read_text())
    assert collection["title"].endswith("(preview)")
    for page in ("report.html", "verification.html", "boreholes.html", "predictors.html"):
        text = (run / page).read_text(encoding="utf-8")
        assert "(preview)" in text, page
    assert "This is a preview" in (run / "report.html").read_text(encoding="utf-8")
