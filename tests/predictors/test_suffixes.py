"""NetCDF is heard by whatever name."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from icemap.errors import IcemapError
from icemap.predictors.sources import open_source
from icemap.predictors.suffixes import is_for_xarray
from icemap.source import Source
from icemap.store import write_bytes
from tests.netcdf_field import GRID, write_field

pytestmark = pytest.mark.quick

RAMP = np.add.outer(np.arange(6) * 10.0, np.arange(10))


def write(path: Path, form="NETCDF4", dtype="f4", values=RAMP, **attrs) -> Path:
    return write_field(path, values, attrs, dtype=dtype, name="z", form=form)


def read(path, **keys):
    described = {"family": "topography", "long_name": "a field", "unit": "m"}
    source = Source(name="a", url=str(path), **described, **keys)
    with open_source(source, GRID) as raster:
        return raster.read(slice(0, 6), slice(0, 10))


@pytest.mark.parametrize("name", ["a.grd", "a.netcdf", "a", "a.he5"])
@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"])
def test_what_it_declares_counts(tmp_path, name, form) -> None:
    path = write(tmp_path / name, form, valid_max=np.float32(58))
    values = read(path)
    assert np.isnan(values[5, 9])
    assert values[5, 8] == 58
    flags = {"flag_values": np.array([1, 2], "i1"), "flag_meanings": "till rock"}
    codes = write(tmp_path / name, form, "i1", np.ones((6, 10)), **flags)
    with pytest.raises(IcemapError, match="has flags"):
        read(codes)


def test_other_rasters_of_that_name_stay_with_gdal(tmp_path) -> None:
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        width=10,
        height=6,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(1, 0, 100, 0, -1, 66),
    ) as file:
        file.write(RAMP.astype("f4"), 1)
    copy(str(tmp_path / "a.tif"), str(tmp_path / "a.grd"), driver="GSBG")
    np.testing.assert_array_equal(read(tmp_path / "a.grd", crs="EPSG:4326"), RAMP)
    assert not is_for_xarray(str(tmp_path / "a.tif"))
    assert not is_for_xarray(str(tmp_path / "none.grd"))


@pytest.mark.parametrize("name", ["a.grd", "a.dat", "a"])
def test_in_a_bucket_it_is_heard_too(tmp_path, s3_url, name) -> None:
    path = write(tmp_path / name, valid_max=np.float32(58))
    write_bytes(f"{s3_url}/{name}", path.read_bytes())
    assert np.isnan(read(f"{s3_url}/{name}")[5, 9])
