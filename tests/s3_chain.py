"""A small chain in a bucket: its inputs, the command line as one of the server's identities, and
what is there afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import xarray as xr
import yaml

from tests.small_chain import COMMAND, SMALL

INSTALLED = (str(Path(sys.executable).with_name("icemap")),)
GRID = {"west": 90, "south": 60, "east": 130, "north": 76, "resolution": 0.5, "chunk": 16}
CONFIG: dict[str, Any] = {
    "run": "runs/small",
    "title": "Ice in a bucket",
    "grid": GRID,
    "catalog": "catalog.yaml",
    "predictors": ["elevation", "maat"],
    "sites": {"table": "points/sites.csv", "value": "ice", "unit": "%"},
    "ensemble": SMALL["ensemble"],
    "verification": {"folds": 3, "places": 100, "competitors": []},
}
CATALOG: dict[str, Any] = {
    "version": 2,
    "data": {
        "dem": {"kwargs": {"url": "grids/elevation.tif"}},
        "climate": {"kwargs": {"url": "{CATALOG_DIR}/grids/climate.nc"}},
    },
    "entries": {
        "elevation": {
            "kwargs": {"data": "{data(dem)}"},
            "metadata": {"family": "topography", "long_name": "elevation", "unit": "m"},
        },
        "maat": {
            "kwargs": {"data": "{data(climate)}"},
            "metadata": {
                "family": "climate",
                "long_name": "air temperature",
                "unit": "degC",
                "variable": "t2m",
            },
        },
    },
}


def write_inputs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:52, 0:100]
    elevation = (500 + 400 * np.sin(x / 9) * np.cos(y / 7)).astype("f4")
    (folder / "grids").mkdir()
    (folder / "points").mkdir()
    options = {
        "driver": "GTiff",
        "height": 52,
        "width": 100,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
    }
    with rasterio.open(
        folder / "grids" / "elevation.tif",
        "w",
        transform=rasterio.Affine(0.5, 0, 85, 0, -0.5, 81),
        **options,
    ) as raster:
        raster.write(elevation, 1)
    lat, lon = 80.5 - np.arange(26), 0.5 + np.arange(360)
    temperature = -5 - 0.3 * lat[:, None] + np.sin(lon / 5)[None, :]
    xr.Dataset({"t2m": (("lat", "lon"), temperature)}, {"lat": lat, "lon": lon}).to_netcdf(
        folder / "grids" / "climate.nc"
    )
    lon, lat = rng.uniform(90, 130, 160), rng.uniform(60, 76, 160)
    ice = np.clip(40 + 20 * np.sin((lon - 85) * 2 / 9) + 6 * rng.normal(size=160), 0, 100)
    pd.DataFrame({"lon": lon, "lat": lat, "ice": ice}).to_csv(
        folder / "points" / "sites.csv", index=False
    )
    (folder / "catalog.yaml").write_text(yaml.safe_dump(CATALOG))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))


class Bucket:
    """A prefix in the bucket, and the command line as one of the server's identities."""

    def __init__(self, server, prefix: str) -> None:
        import s3fs

        self.server, self.url = server, f"s3://{server.bucket}/{prefix}"
        owner = server.owner
        self.files = s3fs.S3FileSystem(
            key=owner.access_key,
            secret=owner.secret_key,
            endpoint_url=server.endpoint,
            use_listings_cache=False,
        )
        self.said: list[str] = []

    def command(
        self, identity, *words: str, program: Sequence[str] = INSTALLED
    ) -> subprocess.CompletedProcess:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {**clean, **self.server.environment(identity), "OMP_NUM_THREADS": "1"}
        result = subprocess.run(
            [*program, *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=600,
            check=False,
        )
        self.said += [result.stdout, result.stderr]
        return result

    def upload(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.write(str(path.relative_to(folder)), path.read_bytes())

    def objects(self, below: str = "") -> dict[str, bytes]:
        root = f"{self.url}/{below}".removeprefix("s3://").rstrip("/")
        found = self.files.find(root, detail=True)  # of a prefix that was emptied: itself
        return {
            name.removeprefix(root + "/"): self.files.cat_file(name)
            for name, entry in found.items()
            if entry["type"] == "file"
        }

    def etags(self, below: str) -> dict[str, str]:
        found = self.files.find(f"{self.url}/{below}", detail=True)
        return {
            name: (entry["ETag"], str(entry["LastModified"]))
            for name, entry in found.items()
            if entry["type"] == "file"
        }

    def write(self, name: str, content: bytes) -> None:
        self.files.pipe_file(f"{self.url}/{name}", content)


def make_run(server: Any, folder: Path) -> Bucket:
    """Inputs in the bucket, and the finished run next to them, made without workers."""
    write_inputs(folder)
    bucket = Bucket(server, "chain")
    bucket.upload(folder)
    words = ["run", f"{bucket.url}/config.yaml", "--cluster", "serial"]
    result = bucket.command(server.owner, *words, program=COMMAND)
    assert result.returncode == 0, result.stderr
    return bucket
