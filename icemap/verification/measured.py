"""Forecasts of samples that have errors: the distribution of the truth, made as wide as what was
measured spreads about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.curves import integral_from, integral_of_product
from icemap.verification.records import Forecast

Array = NDArray[np.float64]
_NODES = 801
# Standard errors beyond the outer values that a distribution reaches.
_REACH = 4.0


def measured_forecast(
    distribution: Callable[[Array], Array],
    span: tuple[float, float],
    y: Array,
    error: Array,
    coverages: Sequence[float],
    levels: Array,
    bounds: tuple[float, float] | None,
) -> Forecast:
    """A forecast of measured samples, scored.

    Parameters
    ----------
    distribution : callable
        P(truth <= x) at values x (k,) for every sample, (n, k).
    span : (float, float)
        Values between which the truth is.
    y, error : ndarray of shape (n,)
        Samples, and their standard errors; 0 leaves the distribution as it is.
    coverages : sequence of float
        Of the central intervals.
    levels : ndarray of shape (m,)
        Of the quantiles.
    bounds : (float, float) or None
        Beyond which no sample is.

    Returns
    -------
    Forecast
        Of the distribution of truth plus a normal error, with m ``quantiles``.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> found = measured_forecast(
    ...     lambda x: norm.cdf(x, 50, 3)[None], (20, 80), np.array([55.0]), np.array([4.0]), [0.95],
    ...     np.array([0.5]), None)
    >>> found["interval"]["0.95"].round(1), found["pit"].round(2)
    (array([[40.2, 59.8]]), array([0.84]))
    """
    from scipy.ndimage import gaussian_filter1d

    reach = _REACH * float(error.max())
    low, high = min(span[0] - reach, float(y.min())), max(span[1] + reach, float(y.max()))
    x = np.linspace(low, high, _NODES)
    step = x[1] - x[0]
    G = np.where(x < span[0], 0.0, np.where(x >= span[1], 1.0, distribution(np.clip(x, *span))))
    G = np.array(
        [
            gaussian_filter1d(row, se / step, mode="nearest", truncate=_REACH) if se > 0 else row
            for row, se in zip(G, error, strict=True)
        ]
    )
    G = np.maximum.accumulate(np.clip(G, 0.0, 1.0), axis=1)
    density = np.gradient(G, x, axis=1)
    tails = np.array([[(1 - c) / 2, (1 + c) / 2] for c in coverages]).ravel()
    found = np.array([_quantiles(row, x, np.concatenate([levels, tails])) for row in G])
    if bounds is not None:
        found = np.clip(found, *bounds)
    ends = found[:, len(levels) :].reshape(len(y), len(coverages), 2)
    at_y = np.array([np.interp(v, x, row) for v, row in zip(y, G, strict=True)])
    dense = np.array([np.interp(v, x, row) for v, row in zip(y, density, strict=True)])
    return {
        "quantiles": found[:, : len(levels)],
        "mean": x[-1] - np.trapezoid(G, x, axis=1),
        "pit": at_y,
        "crps": integral_of_product(G, G, x) - 2 * integral_from(G, x, y) + x[-1] - y,
        "log_density": np.log(np.maximum(dense, np.finfo(float).tiny)),
        "interval": {f"{c:g}": ends[:, k] for k, c in enumerate(coverages)},
    }


def _quantiles(G: Array, x: Array, levels: Array) -> Array:
    """Where a distribution function reaches the levels; only its rising part tells."""
    rising = np.concatenate([[True], np.diff(G) > 0])
    return np.interp(levels, G[rising], x[rising])
