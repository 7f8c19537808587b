"""What the samples' standard errors mean for a fit: weights, and the spread that a map has without
them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# The model's own standard deviation is at least this share of the target's: a fit to a few
# samples that happens to be exact must not give those without an error all the weight.
MIN_SHARE = 0.1


def model_variance(residual: Array, error: Array, weight: Array) -> float:
    """Variance tau2 of a model about the truth, from residuals about samples with known errors.

    Parameters
    ----------
    residual : ndarray of shape (n,)
        Observed minus predicted, from folds that did not see the sample.
    error : ndarray of shape (n,)
        Standard error of each sample, in the same unit.
    weight : ndarray of shape (n,)

    Returns
    -------
    float
        Most likely tau2 when residuals are normal with variance tau2 + error**2, in squared units
        (the random-effects model of meta-analysis, Hardy & Thompson 1996,
        doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> error = rng.choice([1.0, 20.0], 4000)
    >>> residual = rng.normal(0, np.sqrt(5.0**2 + error**2))
    >>> round(model_variance(residual, error, np.ones(4000)) ** 0.5, 1)
    5.0
    """
    from scipy.optimize import minimize_scalar

    square = residual**2
    most = float(np.average(square, weights=weight))
    if most == 0:
        return 0.0

    def loss(log_variance: float) -> float:
        variance = np.exp(log_variance) + error**2
        return float(weight @ (np.log(variance) + square / variance))

    bounds = np.log(MIN_SHARE**2 * most), np.log(most)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def error_weights(weight: Array, error: Array, variance: float) -> Array:
    """Weights times 1 / (tau2 + error**2), with the sum that they had.

    Parameters
    ----------
    weight : ndarray of shape (n,)
    error : ndarray of shape (n,)
        Standard errors of the samples, in units of the target.
    variance : float
        tau2, of the model about the truth, in units of the target squared.

    Examples
    --------
    >>> error_weights(np.ones(2), np.array([0.0, 3.0]), 3.0).tolist()
    [1.6, 0.4]
    """
    heard = weight / (variance + error**2)
    return np.asarray(heard * (weight.sum() / heard.sum()))


def without_error(y: Array, predicted: Array, error: Array, weight: Array) -> Array:
    """Samples drawn towards their out-of-fold predictions until they spread as the truth does.

    What is left of a residual is sqrt(tau2 / (tau2 + error**2)) of it, so that a distribution
    fitted to the result is that of the truth at a place, not that of one more such sample.

    Parameters
    ----------
    y, predicted, error, weight : ndarray of shape (n,)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> error = rng.choice([1.0, 20.0], 4000)
    >>> y = rng.normal(0, np.sqrt(5.0**2 + error**2))
    >>> round(float(without_error(y, np.zeros(4000), error, np.ones(4000)).std()), 1)
    5.0
    """
    residual = y - predicted
    # A prediction that is off in the mean must not move the samples.
    shift = float(np.average(residual, weights=weight))
    variance = model_variance(residual - shift, error, weight)
    kept = np.sqrt(variance / (variance + error**2)) if variance > 0 else np.ones(len(y))
    drawn = predicted + shift + kept * (residual - shift)
    return np.where(error > 0, np.clip(drawn, y.min(), y.max()), y)
