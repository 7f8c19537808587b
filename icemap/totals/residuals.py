"""The correlated residual of a run's totals: residuals at held-out sites, their variogram, and what
it means for the sum over the map.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from icemap.ensemble.model import sample_errors
from icemap.gridded import grid_of
from icemap.json_records import FoldColumns
from icemap.mapping.zones import DEFAULT_MASK, masks_of, zones_of
from icemap.store import storage_errors
from icemap.totals.residual_field import Variogram, fit_variogram, residual_total_sd

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Cells that stand for the map; the residual is smooth at this density, and its blocks are coarser
# still.
MAX_CELLS = 200_000


def residual_variogram(samples: pd.DataFrame, folds: FoldColumns) -> Variogram | None:
    """Variogram of observed minus predicted for samples held out in kNNDM folds; None where there
    are too few.

    Parameters
    ----------
    samples : DataFrame
        ``lon``, ``lat`` and, optional, ``standard_error`` of all samples.
    folds : FoldColumns
        ``rows`` (of the samples that were left out), ``observed`` and ``mean`` of what is mapped
        (see `icemap.verification.cross_validation`).
    """
    residual = np.asarray(folds["observed"], dtype=float) - np.asarray(folds["mean"], dtype=float)
    left_out = samples.iloc[folds["rows"]]
    error = sample_errors(left_out)
    try:
        found = fit_variogram(left_out["lon"].to_numpy(), left_out["lat"].to_numpy(), residual)
    except ValueError:
        return None
    if error is None:
        return found
    # Errors of samples are not the map's: they are without correlation, and so part of the nugget.
    return replace(found, nugget=max(found.nugget - float(np.mean(error**2)), 0.0))


def map_residual_sd(cube: xr.Dataset, variogram: Variogram) -> dict[str, float]:
    """Standard deviation of the residual's total over the mapped cells, target unit x km2, for
    every region and mask of the ledger.
    """
    step = max(
        1, int(np.ceil((cube.sizes["latitude"] * cube.sizes["longitude"] / MAX_CELLS) ** 0.5))
    )
    with storage_errors("the cube", "read"):
        thinned = (
            cube[["valid", "fraction"]]
            .isel(latitude=slice(None, None, step), longitude=slice(None, None, step))
            .load()
        )
    row, col = np.nonzero(thinned["valid"].to_numpy() == 1)
    fraction = thinned["fraction"].to_numpy()[row, col]
    longitude, latitude = thinned.longitude.to_numpy()[col], thinned.latitude.to_numpy()[row]
    area = grid_of(cube).cell_area()[::step][row] * step**2
    places = {"all": np.ones(len(row), dtype=bool)} | zones_of(longitude, latitude, fraction)
    found = {}
    for mask, part in masks_of(fraction).items():
        for name, here in places.items():
            weight = (area * part)[here]
            sd = residual_total_sd(
                longitude[here],
                latitude[here],
                weight,
                variogram,
                cell_squares=float(weight @ weight) / step**2,
            )
            found[name if mask == DEFAULT_MASK else f"{name} / {mask}"] = sd
    return found
