"""The correlated residual of a run's totals: residuals at held-out sites, their variogram, and what
it means for the sum over the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.model import sample_errors
from icemap.gridded import grid_of
from icemap.json_records import FoldColumns
from icemap.mapping.zones import masks_of, total_name, zones_of
from icemap.store import storage_errors
from icemap.totals.residual_field import Variogram, residual_total_sd
from icemap.totals.variogram_fit import fit_variogram

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Array = NDArray[np.float64]
# Cells that stand for the map; the residual is smooth at this density, and its blocks are coarser
# still.
MAX_CELLS = 200_000


@dataclass(frozen=True)
class Residuals:
    """Observed minus predicted for n samples that were held out in kNNDM folds.

    Attributes
    ----------
    longitude, latitude : ndarray of shape (n,)
        Degrees.
    value : ndarray of shape (n,)
        Target unit.
    error : ndarray of shape (n,), optional
        Standard errors of the samples, target unit, where any is known.
    """

    longitude: Array
    latitude: Array
    value: Array
    error: Array | None = None

    @classmethod
    def of(cls, samples: pd.DataFrame, folds: FoldColumns) -> Residuals:
        """Of a verification.

        Parameters
        ----------
        samples : DataFrame
            ``lon``, ``lat`` and, optional, ``standard_error`` of all samples.
        folds : FoldColumns
            ``rows`` (of the samples that were left out), ``observed`` and ``mean`` of what is
            mapped (see `icemap.verification.cross_validation`).
        """
        left_out = samples.iloc[folds["rows"]]
        return cls(
            left_out["lon"].to_numpy(float),
            left_out["lat"].to_numpy(float),
            np.asarray(folds["observed"], float) - np.asarray(folds["mean"], float),
            sample_errors(left_out),
        )

    @property
    def error_variance(self) -> float:
        """Mean variance of the samples' errors, target unit squared."""
        return 0.0 if self.error is None else float(np.mean(self.error**2))

    def variogram(self) -> Variogram | None:
        """Of the map's residual, without the samples' errors; None where there are too few."""
        try:
            return fit_variogram(self.longitude, self.latitude, self.value, self.error)
        except ValueError:
            return None


def mean_in_words(variogram: Variogram, unit: str) -> str:
    """What left-out sites say of the mean of the map's error.

    Examples
    --------
    >>> mean_in_words(Variogram(40.0, 300.0, mean=-0.81, mean_sd=1.23), "cm")
    'the mean residual of left-out sites, -0.81 cm (standard error 1.2)'
    """
    mean = f"{variogram.mean:+.2g} {unit} (standard error {variogram.mean_sd:.2g})"
    return f"the mean residual of left-out sites, {mean}"


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
            found[total_name(name, mask)] = sd
    return found
