"""Forecasts made on the scale on which the members learn, and taken back to the target's units.

A normal error of one size fits the transformed target better than the target itself, whose errors
grow with its values: whoever uses one member, an equal mean or Gaussian BMA would fit it there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from icemap.ensemble.target import TargetScale
from icemap.verification.records import Forecast
from icemap.verification.scores import COVERAGES, crps_sample

Array = NDArray[np.float64]

#: Ending of the names of such rows.
TRANSFORMED = ", transformed"
# Equally likely values, as many as the CRPS needs to be exact in the third digit.
_LEVELS = (np.arange(500) + 0.5) / 500
_TAILS = np.ravel([[(1 - c) / 2, (1 + c) / 2] for c in COVERAGES])


def back_transformed(
    quantile: Callable[[Array], Array],
    pit: Array,
    density: Array,
    scale: TargetScale,
    y: Array,
) -> Forecast:
    """A forecast in units of the target.

    Parameters
    ----------
    quantile : callable
        Levels (k,) to quantiles on the transformed scale, (n, k).
    pit, density : ndarray of shape (n,)
        Distribution function and density on the transformed scale at the transformed target.
    scale : TargetScale
    y : ndarray of shape (n,)
        In units.

    Returns
    -------
    dict
        ``mean``, ``pit``, ``crps``, ``log_density`` (n,) and ``interval`` by coverage, (n, 2): the
        mean is that of the distribution, not the transformed mean.
    """
    values = scale.inverse(quantile(_LEVELS))
    ends = scale.inverse(quantile(_TAILS)).reshape(len(y), len(COVERAGES), 2)
    # Slope of the transform: densities are per unit of the target.
    slope = (np.abs(y) + 1.0) ** np.where(y >= 0, scale.power - 1.0, 1.0 - scale.power)
    least = np.finfo(np.float64).tiny
    return {
        "mean": values.mean(axis=1),
        "pit": np.clip(pit, 0.0, 1.0),
        "crps": crps_sample(y, values),
        "log_density": np.log(np.maximum(density * slope / scale.spread, least)),
        "interval": {f"{coverage:g}": ends[:, k] for k, coverage in enumerate(COVERAGES)},
    }


def transformed_pool(pool: Any, F: Array, y: Array, scale: TargetScale) -> Forecast:
    """The forecast of a pool that was fitted on the transformed scale, from member predictions F
    (n, members) on that scale.
    """
    z = scale.transform(y)
    return back_transformed(
        lambda levels: pool.predict_quantile(F, levels), pool.cdf(F, z), pool.pdf(F, z), scale, y
    )


def transformed_normal(mean: Array, sd: Array, scale: TargetScale, y: Array) -> Forecast:
    """The forecast of normal distributions (n,) on the transformed scale."""
    z = (scale.transform(y) - mean) / sd
    return back_transformed(
        lambda levels: mean[:, None] + sd[:, None] * special.ndtri(levels),
        special.ndtr(z),
        np.exp(-0.5 * z * z) / (sd * np.sqrt(2 * np.pi)),
        scale,
        y,
    )
