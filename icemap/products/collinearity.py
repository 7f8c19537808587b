"""How far predictors say the same: correlations and variance inflation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A predictor explained this well by the others is a combination of them; what is left is rounding.
EXACT = 1 - 1e-9


def correlations(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson correlations between columns.

    Parameters
    ----------
    values : ndarray of shape (cells, predictors)
        No NaN.

    Returns
    -------
    ndarray of shape (predictors, predictors)
        NaN in the row and column of a constant predictor.

    Examples
    --------
    >>> correlations(np.array([[0.0, 1.0], [1.0, -1.0], [2.0, -3.0]])).round(12)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    centred = np.asarray(values, dtype=np.float64) - np.mean(values, axis=0, dtype=np.float64)
    spread = np.sqrt((centred**2).sum(axis=0))
    rounding = 1e-6 * np.abs(np.asarray(values)).max(axis=0, initial=0) * np.sqrt(len(centred))
    scaled = np.divide(centred, spread, out=np.full_like(centred, np.nan), where=spread > rounding)
    return np.asarray(np.clip(scaled.T @ scaled, -1, 1))


def variance_inflation(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance inflation factors: 1 / (1 - R2) of each predictor in a linear regression on all the
    others.

    Parameters
    ----------
    correlation : ndarray of shape (predictors, predictors)
        From `correlations`.

    Returns
    -------
    ndarray of shape (predictors,)
        1 for a predictor unrelated to the others, infinite for a combination of them, NaN for a
        constant.

    References
    ----------
    Belsley, Kuh & Welsch 1980, Regression Diagnostics, doi:10.1002/0471725153.

    Examples
    --------
    >>> variance_inflation(np.array([[1.0, 0.6], [0.6, 1.0]]))
    array([1.5625, 1.5625])
    """
    factors = np.full(len(correlation), np.nan)
    varying = np.flatnonzero(np.isfinite(np.diag(correlation)))
    for i in varying:
        others = varying[varying != i]
        with_others = correlation[others, i]
        explained = (
            with_others
            @ np.linalg.pinv(correlation[np.ix_(others, others)], rcond=1e-9, hermitian=True)
            @ with_others
            if others.size
            else 0.0
        )
        factors[i] = np.inf if explained > EXACT else 1 / (1 - explained)
    return factors
