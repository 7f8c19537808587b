"""The published files in the programs people open them with: the same numbers in each, from a
folder and from a bucket.

Debian's GDAL, which QGIS and terra of the same release use, is another and older build than the one
inside rasterio's wheel.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable

import intake
import numpy as np
import pytest
import rasterio
import xarray as xr

from icemap.config_sections import TargetConfig
from icemap.grid import Grid
from icemap.gridded import create_gridded
from icemap.mapping.map_schema import map_variables, open_map
from icemap.products.cog import write_cogs
from icemap.products.intake_catalog import write_catalog
from icemap.products.overviews import write_overviews
from icemap.products.query import query
from icemap.running.ledger import Ledger
from icemap.running.run import SerialExecutor, run_job
from icemap.store import join
from icemap.zarr_groups import write_chunk

GRID = Grid(-180, 40, 180, 90, 0.5)
TARGET = TargetConfig()
FILES = {"vic": "T5m_VIC", "vic_upper95": "T5m_VIC_upper95", "aoa": "T5m_VIC_aoa"}
# In the middle of cells: two with values, one without.
PLACES = [(-120.25, 68.75), (139.25, 70.75), (0.25, 80.25)]


def publish(run: str) -> str:
    url = join(run, "map.zarr")
    create_gridded(url, GRID, map_variables(TARGET), {"title": "A test of readers"}, chunk=128)
    rng = np.random.default_rng(5)
    for chunk in GRID.chunks(128):
        value = np.where(
            (rng.random(chunk.shape) < 0.2) | (chunk.index == (0, 2)),
            np.nan,
            rng.uniform(0, 100, chunk.shape),
        ).astype("float32")
        flag = np.where(np.isnan(value), 255, value > 50).astype("uint8")
        arrays = {
            v.name: flag if v.dtype == "uint8" else value + np.float32(v.name == "vic_upper95")
            for v in map_variables(TARGET)
        }
        write_chunk(url, chunk, arrays)
    write_cogs(url, join(run, "products"), TARGET)
    write_catalog(run, "A test of readers")

    def ledger(name: str) -> Ledger:
        return Ledger(join(run, "ledger", name))

    write_overviews(
        url, lambda job, name: run_job(job, ledger(name), SerialExecutor(), progress=False), ledger
    )
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return publish(str(tmp_path_factory.mktemp("readers") / "run"))


Found = dict[str, tuple[list[float], float]]


def for_gdal(run: str, variable: str) -> str:
    return join(run, "products", f"{FILES[variable]}.tif").replace("s3://", "/vsis3/")


def expected(run: str) -> Found:
    """The map's values at the places, and the mean of all, of each variable."""
    dataset = open_map(join(run, "map.zarr"))
    lon, lat = (xr.DataArray(list(axis), dims="place") for axis in zip(*PLACES))
    return {
        name: (
            dataset[name].sel(longitude=lon, latitude=lat).values.tolist(),
            float(dataset[name].mean(dtype=float)),
        )
        for name in FILES
    }


def by_rasterio(run: str) -> Found:
    found = {}
    for variable in FILES:
        with rasterio.open(for_gdal(run, variable)) as file:
            places = [
                float(values.astype(float).filled(np.nan)[0])
                for values in file.sample(PLACES, masked=True)
            ]
            found[variable] = places, float(file.read(1, masked=True).mean(dtype=float))
    return found


def by_xarray(run: str) -> Found:
    return {
        variable: _sampled(xr.open_dataset(for_gdal(run, variable), engine="rasterio").band_data)
        for variable in FILES
    }


def by_intake(run: str) -> Found:
    catalog = intake.open_catalog(join(run, "catalog.yaml"))
    return {variable: _sampled(catalog[file].read().band_data) for variable, file in FILES.items()}


def _sampled(band: xr.DataArray) -> tuple[list[float], float]:
    lon, lat = (xr.DataArray(list(axis), dims="place") for axis in zip(*PLACES))
    return band.isel(band=0).sel(x=lon, y=lat, method="nearest").values.tolist(), float(
        band.mean(dtype=float)
    )


def by_gdal(run: str) -> Found:
    if not shutil.which("gdallocationinfo"):
        pytest.skip("needs GDAL's commands (gdal-bin)")
    return {variable: _told_by_gdal(for_gdal(run, variable)) for variable in FILES}


def _told_by_gdal(file: str) -> tuple[list[float], float]:
    places = "\n".join(f"{lon} {lat}" for lon, lat in PLACES)
    told = _output("gdallocationinfo", "-valonly", "-wgs84", file, input=places).split()
    described = json.loads(_output("gdalinfo", "-json", "-stats", file))
    (band,) = described["bands"]
    assert described["size"] == list(GRID.shape[::-1])
    assert 'ID["EPSG",4326]' in described["coordinateSystem"]["wkt"]
    assert described["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
    assert band["overviews"]
    nodata = float(band["noDataValue"])
    values = [float(value) for value in told]
    return [float("nan") if value == nodata else value for value in values], float(
        band["metadata"][""]["STATISTICS_MEAN"]
    )


def _output(*command: str, input: str | None = None) -> str:
    done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


TERRA = """
if (!requireNamespace("terra", quietly = TRUE)) quit(status = 77)
library(terra)
arguments <- commandArgs(trailingOnly = TRUE)
places <- matrix(as.numeric(arguments[1:6]), ncol = 2, byrow = TRUE)
for (file in arguments[-(1:6)]) {
  raster <- rast(file)
  stopifnot(nlyr(raster) == 1, is.lonlat(raster))
  cat(format(c(extract(raster, places)[, 1], global(raster, "mean", na.rm = TRUE)[1, 1]), digits = 15), "\\n")
}
"""  # noqa: E501


def by_terra(run: str) -> Found:
    if not shutil.which("Rscript"):
        pytest.skip("needs R with terra (r-base-core, r-cran-terra)")
    places = [str(number) for place in PLACES for number in place]
    told = subprocess.run(
        ["Rscript", "-e", TERRA, *places, *(for_gdal(run, variable) for variable in FILES)],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode == 77:
        pytest.skip("needs terra (r-cran-terra)")
    assert told.returncode == 0, told.stderr
    lines = [
        [float("nan") if word in ("NA", "NaN") else float(word) for word in line.split()]
        for line in told.stdout.splitlines()
    ]
    return {variable: (line[:-1], line[-1]) for variable, line in zip(FILES, lines, strict=True)}


def check(found: Found, wanted: Found) -> None:
    for variable, (places, mean) in wanted.items():
        assert np.isnan(places).tolist() == [False, False, True]
        assert found[variable][0] == pytest.approx(places, rel=1e-6, nan_ok=True), variable
        assert found[variable][1] == pytest.approx(mean, rel=1e-6), variable


@pytest.mark.parametrize("reader", [by_rasterio, by_xarray, by_intake, by_gdal, by_terra])
def test_the_same_numbers_in_every_program(folder, reader: Callable[[str], Found]):
    check(reader(folder), expected(folder))


def test_the_same_numbers_from_a_bucket(s3_url):
    run = publish(join(s3_url, "run"))
    wanted = expected(run)
    for reader in (by_rasterio, by_xarray, by_intake):
        check(reader(run), wanted)
    stored = intake.open_catalog(join(run, "catalog.yaml"))["map"].read()
    np.testing.assert_array_equal(stored.vic, open_map(join(run, "map.zarr")).vic)
    assert open_map(join(run, "map.zarr"), level=1).vic.shape == (50, 360)
    assert query(join(run, "map.zarr"), *PLACES[0])["vic"] == pytest.approx(wanted["vic"][0][0])
    # Programs outside Python last: where they are not installed, the rest has been checked.
    for reader in (by_gdal, by_terra):
        check(reader(run), wanted)


def test_xarray_alone_opens_the_map_and_its_levels(folder):
    stored = xr.open_zarr(join(folder, "map.zarr"), consolidated=False)
    np.testing.assert_array_equal(stored.vic, open_map(join(folder, "map.zarr")).vic)
    # A DataTree wants children on the grid of their parents; levels have their own, and are opened
    # as groups.
    groups = xr.open_groups(join(folder, "map.zarr"), engine="zarr", consolidated=False)
    assert groups["/overviews/1"].vic.shape == (50, 360)
