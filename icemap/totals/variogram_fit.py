"""Variogram of the residuals at held-out sites, by restricted maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.sphere import arc_km, unit_vectors
from icemap.totals.residual_field import Variogram

# The cost grows with the third power of their number: some seconds for so many.
MAX_SITES = 1500
# Fewer cannot tell a nugget from a short range.
MIN_SITES = 30
# Limits of the range, km: a shorter one cannot be told from a nugget, and a longer one not from
# another mean.
RANGES_KM = (5.0, 2000.0)
# Limits of sill and nugget, in variances of the residuals.
SHARES = (1e-6, 10.0)
# Where the search is begun: the best of these ranges (km) and shares of the nugget.
STARTS = tuple((range_km, share) for range_km in (50.0, 200.0, 800.0) for share in (0.25, 0.75))

# Relative variance of a variance with three degrees of freedom: of more doubt than that the
# curvature of a likelihood says nothing.
MOST_DOUBT = 2 / 3

Array = NDArray[np.float64]


def fit_variogram(
    longitude: NDArray[np.floating],
    latitude: NDArray[np.floating],
    residual: NDArray[np.floating],
    standard_error: NDArray[np.floating] | None = None,
) -> Variogram:
    """Exponential variogram of residuals at sites, by restricted maximum likelihood.

    Parameters
    ----------
    longitude, latitude : ndarray of shape (n,)
        Degrees.
    residual : ndarray of shape (n,)
        Observed minus predicted, from folds that did not see the site; target unit.
    standard_error : ndarray of shape (n,), optional
        Of what was observed, target unit. Its variance is no part of the nugget.

    Returns
    -------
    Variogram
        ``mean_sd`` is the standard error of the generalized least squares mean of the sites.

    Raises
    ------
    ValueError
        If there are fewer than `MIN_SITES` sites, or their residuals are all the same.

    Notes
    -----
    The residuals are taken for a Gaussian field with an unknown mean, the exponential covariance,
    a nugget, and the variance of each site's own error. The likelihood is that of the contrasts,
    which are without the mean (Patterson & Thompson 1971, doi:10.1093/biomet/58.3.545): sites in
    clusters, whose pairs all say the same, count for what they are worth. How well the standard
    error of the mean is known follows from the information of the likelihood (Kenward & Roger 1997,
    doi:10.2307/2533558). Of more than `MAX_SITES`
    sites so many are drawn at random, always the same.

    Examples
    --------
    Residuals of which neighbours know nothing are all nugget:

    >>> rng = np.random.default_rng(0)
    >>> longitude, latitude = rng.uniform(0, 40, 400), rng.uniform(60, 70, 400)
    >>> residual = rng.normal(0, 3, 400)
    >>> found = fit_variogram(longitude, latitude, residual)
    >>> round(found.nugget / float(residual.var()), 1)
    1.0
    """
    from scipy.optimize import minimize

    values = np.asarray(residual, dtype=float)
    variance = float(np.var(values)) if len(values) else 0.0
    if len(values) < MIN_SITES or variance == 0:
        raise ValueError(
            f"{len(values)} sites with a variance of {variance:g} between their residuals: a"
            f" variogram needs {MIN_SITES} sites whose residuals differ"
        )
    errors = np.zeros(len(values)) if standard_error is None else np.asarray(standard_error, float)
    some = np.arange(len(values))
    if len(values) > MAX_SITES:
        some = np.sort(np.random.default_rng(0).choice(len(values), MAX_SITES, replace=False))
    places = unit_vectors(longitude, latitude)[some]
    contrasts = _Contrasts(
        arc_km(np.linalg.norm(places[:, None] - places[None], axis=2)),
        values[some] / np.sqrt(variance),
        errors[some] ** 2 / variance,
    )
    starts = [np.log([1 - share, range_km, share]) for range_km, share in STARTS]
    start = min(starts, key=lambda one: contrasts.deviance(one)[0])
    limits = [np.log(limit) for limit in (SHARES, RANGES_KM, SHARES)]
    at = minimize(contrasts.deviance, start, jac=True, method="L-BFGS-B", bounds=limits).x
    sill, range_km, nugget = (float(value) for value in np.exp(at))
    inside = np.array([low < value < high for value, (low, high) in zip(at, limits, strict=True)])
    mean_variance, doubt = contrasts.mean_variance(at, inside)
    mean_sd = float(np.sqrt(variance * mean_variance))
    return Variogram(variance * sill, range_km, variance * nugget, mean_sd, min(doubt, MOST_DOUBT))


@dataclass(frozen=True)
class _Contrasts:
    """Restricted likelihood of a Gaussian field at n sites: distances (n, n) in km, values (n,) and
    the variances (n,) of their errors.
    """

    distance: Array
    value: Array
    known: Array

    def deviance(self, logarithms: Array) -> tuple[float, Array]:
        """Minus twice the log likelihood and its gradient, at the logarithms of sill, range and
        nugget.
        """
        relative, correlated, factor = self._factor(logarithms)
        nugget = np.exp(logarithms[2])
        inverse = _inverse(factor)
        ones = inverse.sum(axis=1)
        total = ones.sum()
        # P = C^-1 - C^-1 1 1' C^-1 / 1' C^-1 1, and P y.
        whitened = inverse @ self.value - ones * (ones @ self.value / total)
        deviance = 2 * np.log(np.diag(factor)).sum() + np.log(total) + float(self.value @ whitened)
        # The derivative along a parameter is the sum of this times that of the covariance.
        slope = inverse - np.outer(ones, ones / total) - np.outer(whitened, whitened)
        along = slope * correlated
        gradient = [along.sum(), (along * relative).sum(), nugget * np.trace(slope)]
        return float(deviance), np.array(gradient)

    def mean_variance(self, logarithms: Array, inside: NDArray[np.bool_]) -> tuple[float, float]:
        """Of the generalized least squares mean, 1 / 1' C^-1 1, and the variance of its logarithm.

        The latter is by the curvature of the likelihood along the parameters that are not at a
        limit.
        """
        relative, correlated, factor = self._factor(logarithms)
        inverse = _inverse(factor)
        ones = inverse.sum(axis=1)
        total = ones.sum()
        projector = inverse - np.outer(ones, ones / total)
        nugget = np.exp(logarithms[2]) * np.eye(len(ones))
        each = correlated, correlated * relative, nugget
        along = [part for part, kept in zip(each, inside, strict=True) if kept]
        if not along:
            return float(1 / total), 0.0
        slopes = np.array([ones @ part @ ones / total for part in along])
        moved = [projector @ part for part in along]
        information = np.array([[0.5 * np.vdot(one.T, other) for other in moved] for one in moved])
        return float(1 / total), float(slopes @ np.linalg.pinv(information) @ slopes)

    def _factor(self, logarithms: Array) -> tuple[Array, Array, Array]:
        """Distances in ranges, correlated part of the covariance, and Cholesky factor of all of it
        (lower triangle).
        """
        from scipy.linalg import cholesky

        sill, range_km, nugget = np.exp(logarithms)
        relative = self.distance / range_km
        correlated = sill * np.exp(-relative)
        covariance = correlated.copy()
        # A trace more, so that sites at one place do not make the matrix singular.
        covariance[np.diag_indices(len(relative))] += nugget + self.known + 1e-9 * sill
        return relative, correlated, cholesky(covariance, lower=True, check_finite=False)


def _inverse(factor: Array) -> Array:
    """Of a matrix, from the lower triangle that is its Cholesky factor."""
    from scipy.linalg.lapack import dpotri

    lower, failed = dpotri(factor, lower=True)
    if failed:
        raise np.linalg.LinAlgError("the covariance of the residuals is singular")
    found = np.tril(lower)
    return np.asarray(found + np.tril(found, -1).T)


def empirical_variogram(
    longitude: NDArray[np.floating],
    latitude: NDArray[np.floating],
    residual: NDArray[np.floating],
    max_km: float = 2000.0,
) -> tuple[Array, Array, Array]:
    """Half the mean squared difference between residuals, by their distance: what the fit is looked
    at with, and not made of.

    Parameters
    ----------
    longitude, latitude : ndarray of shape (n,)
        Degrees.
    residual : ndarray of shape (n,)
        Observed minus predicted, target unit.
    max_km : float
        Pairs farther apart are left out.

    Returns
    -------
    pairs, gamma, lag_km : ndarray of shape (16,)
        Number of pairs, semivariance (target unit squared) and mean distance in bins of growing
        width; each pair counts once.

    Examples
    --------
    Two neighbours that differ by 2, far from a third:

    >>> pairs, gamma, lag_km = empirical_variogram([0, 0.01, 90], [60, 60, 60], [1, 3, 5])
    >>> pairs.sum().item(), gamma.max().item()
    (1.0, 2.0)
    """
    edges = np.concatenate([[0.0], np.geomspace(5.0, max_km, 16)])
    places, values = unit_vectors(longitude, latitude), np.asarray(residual, dtype=float)
    bins = len(edges) - 1
    pairs, squares, distances = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for i in range(len(values) - 1):
        distance = arc_km(np.linalg.norm(places[i + 1 :] - places[i], axis=1))
        number = np.searchsorted(edges, distance, side="right") - 1
        near = number < bins
        number, distance = number[near], distance[near]
        difference = values[i + 1 :][near] - values[i]
        pairs += np.bincount(number, minlength=bins)
        squares += np.bincount(number, difference**2, minlength=bins)
        distances += np.bincount(number, distance, minlength=bins)
    count = np.maximum(pairs, 1)
    return pairs, squares / count / 2, distances / count
