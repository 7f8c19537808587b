"""Where tiles overlap, and whether they say the same there."""

import numpy as np
import pytest
import xarray as xr

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.tile_overlaps import MAX_OVERLAPS, WINDOW, different, rims
from tests.small_rasters import read_whole, source

pytestmark = pytest.mark.quick


def test_rims_are_in_both_tiles_and_few_and_small() -> None:
    boxes = [(0, 990 * col, 5000, 1000) for col in range(40)]
    windows = list(rims(boxes))
    assert 1 < len(windows) <= MAX_OVERLAPS
    for rows, cols in windows:
        assert rows.stop - rows.start == WINDOW
        assert cols.stop - cols.start == 10
        assert cols.start % 990 == 0


def test_tiles_that_touch_have_no_rim() -> None:
    assert list(rims([(0, 0, 5, 5), (0, 5, 5, 5), (5, 0, 5, 5)])) == []


def test_values_differ_beyond_rounding_alone() -> None:
    one = np.array([[np.nan, 1000.0, 3.0, np.inf]])
    assert different(one, np.array([[5.0, 1000.001, 3.0, np.inf]])) is None
    assert different(one, np.array([[5.0, 1001.0, 3.0, 7.0]])) == (0, 1, 2)


@pytest.mark.parametrize("shift", [0, 5])
def test_tiles_of_netcdf_are_compared_too(tmp_path, shift) -> None:
    values = np.random.default_rng(3).normal(size=(4, 9))
    parts = []
    for name, cols in (("a", slice(0, 5)), ("b", slice(4, 9))):
        path = tmp_path / f"{name}.nc"
        lat, lon = 60.5 + np.arange(4), 0.5 + np.arange(9)[cols]
        held = values[:, cols] + (shift if name == "b" else 0)
        xr.Dataset({"v": (("lat", "lon"), held)}, {"lat": lat, "lon": lon}).to_netcdf(path)
        parts.append(str(path))
    made = source(tmp_path / "a.nc", variable="v", parts=tuple(parts))
    grid = Grid(0, 60, 9, 64, 1.0)
    if not shift:
        np.testing.assert_allclose(read_whole(made, grid), values[::-1], rtol=1e-6)
        return
    with pytest.raises(IcemapError, match=r"a\.nc and .*b\.nc overlap, and have different"):
        read_whole(made, grid)
