from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from icemap.grid import Grid
from icemap.products.figures.projection import downsample, drape, view_of

HEMISPHERE = Grid(-180, 30, 180, 90, 1.0)
REGION = Grid(-170, 54, -130, 72, 1.0)


def pixel_of(view, lon, lat):
    x, y = view.project(lon, lat)
    left, right, bottom, top = view.extent
    height, width = view.cells[0].shape
    return int((top - y) / (top - bottom) * height), int((x - left) / (right - left) * width)


def test_polar_when_the_grid_goes_round_the_pole():
    assert view_of(HEMISPHERE).polar
    assert not view_of(REGION).polar
    assert not view_of(HEMISPHERE, projection="plate-carree").polar


def test_polar_view_has_greenwich_down_and_east_to_the_right():
    view = view_of(HEMISPHERE, 200)
    middle = 100
    row, col = pixel_of(view, 0.0, 60.0)
    assert row > middle
    assert abs(col - middle) <= 1
    row, col = pixel_of(view, 90.0, 60.0)
    assert abs(row - middle) <= 1
    assert col > middle


@pytest.mark.parametrize(
    ("grid", "projection"),
    [
        (HEMISPHERE, "equal-area"),
        (REGION, "equal-area"),
        (HEMISPHERE, "plate-carree"),
        (REGION, "plate-carree"),
    ],
)
def test_every_place_is_drawn_where_it_is(grid, projection):
    view = view_of(grid, 300, projection)
    rows, cols = grid.shape
    values = np.arange(rows * cols, dtype="float32").reshape(rows, cols)
    picture = drape(values, 1, grid, view)
    rng = np.random.default_rng(0)
    seen = 0
    for lon, lat in zip(
        rng.uniform(grid.west + 2, grid.east - 2, 40),
        rng.uniform(grid.south + 2, min(grid.north, 86) - 2, 40),
    ):
        row, col = (int(i) for i in grid.locate(lon, lat))
        near = values[max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3]
        seen += picture[pixel_of(view, lon, lat)] in near
    assert seen == 40


def test_equal_area_is_equal():
    view = view_of(HEMISPHERE, 600)
    drawn = drape(np.ones(HEMISPHERE.shape, "float32"), 1, HEMISPHERE, view)
    left, right, bottom, top = view.extent
    shown = np.isfinite(drawn).sum() * (right - left) * (top - bottom) / drawn.size
    assert shown == pytest.approx(HEMISPHERE.cell_area().sum() * 360, rel=0.002)


@pytest.mark.parametrize("shape", [(12, 24), (13, 25), (2000, 7)])
@pytest.mark.parametrize("step", [1, 3, 5])
def test_downsample_is_the_mean_of_known_cells(shape, step):
    values = np.random.default_rng(1).normal(size=shape).astype("float32")
    values[np.random.default_rng(2).random(shape) < 0.6] = np.nan
    found = downsample(xr.DataArray(values, dims=("latitude", "longitude")), step)
    assert found.shape == tuple(-(-size // step) for size in shape)
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            block = values[i * step : (i + 1) * step, j * step : (j + 1) * step]
            known = block[np.isfinite(block)]
            np.testing.assert_allclose(
                found[i, j], known.mean() if known.size else np.nan, rtol=1e-4, atol=1e-6
            )
