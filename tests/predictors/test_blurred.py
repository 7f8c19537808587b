"""Values that resampling has mixed with the code for missing."""

import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import uniform_filter

from icemap.errors import IcemapError
from icemap.grid import Grid
from tests.netcdf_field import write_field
from tests.small_rasters import read_whole, source, write_tif

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 110, 66, 1)
PLACE = Affine(0.25, 0, 100, 0, -0.25, 66)


def field(code, middle=30.0) -> np.ndarray:
    """A field of 24 x 40 cells with a lake of cells that have the code."""
    values = np.random.default_rng(1).uniform(middle - 10, middle + 10, (24, 40))
    values[8:16, 10:24] = code
    return values


def blurred(code, middle=30.0) -> np.ndarray:
    values = field(code, middle)
    return np.where(values == code, code, uniform_filter(values, 3))


def read(path, **keys) -> np.ndarray:
    return read_whole(source(path, unit="m", **keys), GRID)


@pytest.mark.parametrize(("code", "middle"), [(-9999, 30), (-32768, 30), (9999, -5)])
def test_values_on_the_way_to_the_code_are_refused(tmp_path, code, middle) -> None:
    path = write_tif(tmp_path / "a.tif", blurred(code, middle).astype("f4"), PLACE, nodata=code)
    with pytest.raises(IcemapError, match=rf"has mixed the code for missing, {code}, with values"):
        read(path)
    assert np.isfinite(read(path, valid_range=[-1e5, 1e5])).sum() == 24 * 40 - 8 * 14


def test_they_are_refused_in_netcdf(tmp_path) -> None:
    values = np.full((6, 10), 30.0)
    values[:, :2], values[:, 2] = -9999, -3000
    attrs = {"missing_value": np.float32(-9999)}
    path = write_field(tmp_path / "a.nc", values, attrs, dtype="f4")
    with pytest.raises(IcemapError, match="has mixed the code for missing, -9999"):
        read(path, variable="v")


@pytest.mark.parametrize("deep", [(slice(2, 6), slice(4, 9)), (slice(6, 8), slice(8, 22))])
def test_values_that_are_also_elsewhere_are_left(tmp_path, deep) -> None:
    """A trench may touch cells without a value, and goes on away from them."""
    values = field(-9999)
    values[deep] = -4000
    values[0, 30] = -3000
    path = write_tif(tmp_path / "a.tif", values.astype("f4"), PLACE, nodata=-9999)
    assert np.nanmin(read(path)) == -4000


def test_a_share_that_fades_out_into_zeros_is_left(tmp_path) -> None:
    values = np.where(field(0) == 0, 0, 100.0)
    path = write_tif(tmp_path / "a.tif", uniform_filter(values, 3).astype("f4"), PLACE, nodata=0)
    assert np.nanmin(read(path)) < 50


def test_a_code_next_to_which_nothing_changes_is_left(tmp_path) -> None:
    for code in (-9999, 255, 0):
        path = write_tif(tmp_path / "a.tif", field(code).astype("f4"), PLACE, nodata=code)
        assert np.nanmax(read(path)) < 40
