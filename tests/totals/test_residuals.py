"""Residuals of a run, and what they mean for the sums of its map."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from icemap.grid import Grid
from icemap.totals import residuals
from icemap.totals.residual_field import Variogram
from icemap.totals.residuals import Residuals, map_residual_sd

GRID = Grid(20, 55, 60, 75, 0.5)
FIELD, NUGGET = Variogram(40.0, 400.0), Variogram(0.0, 400.0, 30.0)


def cube(fraction: np.ndarray) -> xr.Dataset:
    """A mapped field whose cells count in parts."""
    transform = f"{GRID.west} {GRID.resolution} 0 {GRID.north} 0 -{GRID.resolution}"
    dims = ("latitude", "longitude")
    return xr.Dataset(
        {
            "valid": (dims, np.ones(GRID.shape, np.int8)),
            "fraction": (dims, fraction),
            "spatial_ref": ((), 0, {"GeoTransform": transform}),
        },
        {"latitude": GRID.latitudes, "longitude": GRID.longitudes},
    )


@pytest.mark.parametrize("variogram", [FIELD, NUGGET])
@pytest.mark.parametrize("most", [1000, 200])
def test_thinned_cells_say_what_all_of_them_do(monkeypatch, variogram, most):
    """Each stands for the area of those left out, and the nugget of every cell is its own."""
    fraction = np.full(GRID.shape, 0.6, np.float32)
    whole = map_residual_sd(cube(fraction), variogram)
    monkeypatch.setattr(residuals, "MAX_CELLS", most)
    thinned = map_residual_sd(cube(fraction), variogram)
    assert thinned.keys() == whole.keys()
    assert thinned["all"] == pytest.approx(whole["all"], rel=0.03)


def test_what_counts_of_a_cell_is_that_of_the_mask():
    """A nugget alone adds up as squares of the areas that count."""
    fraction = np.where(np.arange(GRID.shape[1]) < 40, 0.8, 0.2) * np.ones(GRID.shape)
    found = map_residual_sd(cube(fraction), NUGGET)
    area = np.broadcast_to(GRID.cell_area()[:, None], GRID.shape)
    assert found["all"] == pytest.approx(np.sqrt(30.0 * np.sum((area * fraction) ** 2)), rel=1e-6)
    majority = area[fraction >= 0.5]
    assert found["all / majority"] == pytest.approx(np.sqrt(30.0 * np.sum(majority**2)), rel=1e-6)
    assert found["all / whole"] == pytest.approx(np.sqrt(30.0 * np.sum(area**2)), rel=1e-6)


def test_residuals_are_those_of_the_rows_that_were_left_out():
    samples = pd.DataFrame(
        {
            "lon": [10.0, 20.0, 30.0],
            "lat": [60.0, 61.0, 62.0],
            "standard_error": [3.0, np.nan, 1.0],
        }
    )
    folds = {"rows": [2, 0], "observed": [50.0, 40.0], "mean": [45.0, 48.0]}
    found = Residuals.of(samples, folds)
    assert found.longitude.tolist() == [30.0, 10.0]
    assert found.latitude.tolist() == [62.0, 60.0]
    assert found.value.tolist() == [5.0, -8.0]
    assert found.error is not None
    assert found.error.tolist() == [1.0, 3.0]
    assert found.error_variance == 5.0
    assert found.variogram() is None
    assert Residuals.of(samples.drop(columns="standard_error"), folds).error_variance == 0.0
