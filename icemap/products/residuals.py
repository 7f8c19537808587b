"""The correlated residual of a run's totals: residuals at held-out sites, their variogram, and what it means for the sum over the map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.regions import region_of
from icemap.gridded import grid_of
from icemap.products.residual_field import Variogram, fit_variogram, residual_total_sd

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Cells that stand for the map; the residual is smooth at this density, and its blocks are coarser still.
MOST_CELLS = 200_000


def residual_variogram(samples: pd.DataFrame, folds: dict[str, Any]) -> Variogram | None:
    """Variogram of observed minus predicted for samples held out in kNNDM folds; None where there are too few.

    Parameters
    ----------
    samples : DataFrame
        ``lon`` and ``lat`` in the order of the verification.
    folds : dict
        ``observed`` and ``mean`` of the COP-BMA (see `icemap.verification.cross_validation`).
    """
    residual = np.asarray(folds["observed"], dtype=float) - np.asarray(folds["mean"], dtype=float)
    try:
        return fit_variogram(samples["lon"].to_numpy(), samples["lat"].to_numpy(), residual)
    except ValueError:
        return None


def map_residual_sd(cube: xr.Dataset, variogram: Variogram) -> dict[str, float]:
    """Standard deviation of the residual's total over the mapped cells, target unit x km2, for ``all`` and each region."""
    step = max(1, int(np.ceil((cube.sizes["latitude"] * cube.sizes["longitude"] / MOST_CELLS) ** 0.5)))
    counts = _counted_area(cube, step)
    row, col = np.nonzero(counts)
    longitude, latitude, area = cube.longitude.to_numpy()[::step][col], cube.latitude.to_numpy()[::step][row], counts[row, col]
    region = region_of(longitude, latitude)
    places = {"all": np.ones(len(region), dtype=bool)} | {str(name): region == name for name in np.unique(region)}
    return {name: residual_total_sd(longitude[here], latitude[here], area[here], variogram) for name, here in places.items()}


def _counted_area(cube: xr.Dataset, step: int) -> NDArray[np.float64]:
    thinned = cube[["valid", "fraction"]].isel(latitude=slice(None, None, step), longitude=slice(None, None, step)).load()
    area = grid_of(cube).cell_area()[::step, None] * step**2
    return np.where(thinned["valid"] == 1, thinned["fraction"], 0.0) * area
