"""A remote source that changes between two commands of one process is read as it is now."""

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source
from icemap.store import write_bytes

GRID = Grid(0, 56, 4, 60, 1)


def write(path, value: float) -> None:
    """The same size whatever the value, so that size alone tells nothing."""
    values = np.full((4, 4), value, np.float32)
    if path.suffix == ".nc":
        data = xr.DataArray(
            values,
            coords={"lat": 59.5 - np.arange(4), "lon": 0.5 + np.arange(4)},
            dims=("lat", "lon"),
            attrs={"units": "m"},
        )
        data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
        data.to_dataset(name="v").to_netcdf(path)
        return
    profile = {
        "driver": "GTiff",
        "height": 4,
        "width": 4,
        "count": 1,
        "dtype": "float32",
        "transform": Affine(1, 0, 0, 0, -1, 60),
    }
    with rasterio.open(path, "w", crs="EPSG:4326", **profile) as file:
        file.write(values, 1)


def value_of(url: str) -> float:
    source = Source(name="v", url=url, family="topography", long_name="a field", unit="m")
    with open_source(source, GRID) as raster:
        return float(raster.window(slice(0, 4), slice(0, 4))[0, 0])


@pytest.mark.parametrize("name", ["v.tif", "v.nc"])
def test_in_a_bucket(s3_url, tmp_path, name):
    for value in (1.0, 2.0, 3.0):
        write(tmp_path / name, value)
        write_bytes(f"{s3_url}/{name}", (tmp_path / name).read_bytes())
        assert value_of(f"{s3_url}/{name}") == value


@pytest.fixture
def web(tmp_path):
    """A web server in a process of its own: GDAL holds the interpreter's lock while it asks for
    what stands next to a raster.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.mark.parametrize("name", ["v.tif", "v.nc"])
def test_on_a_web_server(web, tmp_path, name):
    for number, value in enumerate((1.0, 2.0, 3.0)):
        write(tmp_path / name, value)
        # A web server tells the time in whole seconds.
        os.utime(tmp_path / name, (1_700_000_000 + 10 * number,) * 2)
        assert value_of(f"{web}/{name}") == value
