"""Variogram of the residuals at held-out sites, by restricted maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence
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
# And with a second structure: the best of these ranges, of which the sills are alike.
NESTED_STARTS = tuple((near, far) for near in (10.0, 50.0) for far in (150.0, 800.0))

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
    """Exponential variogram of residuals at sites, with one structure or two nested ones, by
    restricted maximum likelihood.

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
        ``mean`` is the generalized least squares mean of the sites, ``mean_sd`` its standard error.

    Raises
    ------
    ValueError
        If there are fewer than `MIN_SITES` sites, or their residuals are all the same.

    Notes
    -----
    The residuals are taken for a Gaussian field with an unknown mean, an exponential covariance,
    a nugget, and the variance of each site's own error. The likelihood is that of the contrasts,
    which are without the mean (Patterson & Thompson 1971, doi:10.1093/biomet/58.3.545): sites in
    clusters, whose pairs all say the same, count for what they are worth. How well the standard
    error of the mean is known follows from the information of the likelihood (Kenward & Roger 1997,
    doi:10.2307/2533558).

    Sites in clusters tell most of short distances, and one range fits those: what reaches farther,
    and matters for a total, would be lost. A second exponential structure is taken where it lowers
    the criterion of Akaike (1974, doi:10.1109/TAC.1974.1100705).

    Of more than `MAX_SITES` sites so many are drawn at random, always the same.

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
    at, deviance = contrasts.most_likely([[share, 1 - share, reach] for reach, share in STARTS])
    nugget, sill = np.exp(at[:2])
    nested, lower = contrasts.most_likely(
        [[nugget, sill / 2, near, sill / 2, far] for near, far in NESTED_STARTS]
    )
    if lower + 2 * (len(nested) - len(at)) < deviance:
        at = nested
    mean, mean_variance, doubt = contrasts.mean(at)
    nugget, *structures = (float(value) for value in np.exp(at))
    by_range = sorted(zip(structures[1::2], structures[::2], strict=True))
    (range_km, sill), (far_range_km, far_sill) = (*by_range, (1.0, 0.0))[:2]
    return Variogram(
        variance * sill,
        range_km,
        variance * nugget,
        float(np.sqrt(variance * mean_variance)),
        min(doubt, MOST_DOUBT),
        variance * far_sill,
        far_range_km,
        float(np.sqrt(variance) * mean),
    )


@dataclass(frozen=True)
class _Contrasts:
    """Restricted likelihood of a Gaussian field at n sites: distances (n, n) in km, values (n,) and
    the variances (n,) of their errors.

    Its parameters are the logarithms of the nugget, and of sill and range of each structure.
    """

    distance: Array
    value: Array
    known: Array

    def most_likely(self, starts: Sequence[Sequence[float]]) -> tuple[Array, float]:
        """Logarithms of the parameters that are most likely, from the best of the starts, and their
        deviance.
        """
        from scipy.optimize import minimize

        start = min((np.log(one) for one in starts), key=lambda one: self.deviance(one)[0])
        found = minimize(
            self.deviance, start, jac=True, method="L-BFGS-B", bounds=_limits(len(start))
        )
        return found.x, float(found.fun)

    def deviance(self, logarithms: Array) -> tuple[float, Array]:
        """Minus twice the log likelihood and its gradient."""
        slopes, factor = self._covariance(logarithms)
        inverse = _inverse(factor)
        ones = inverse.sum(axis=1)
        total = ones.sum()
        # P = C^-1 - C^-1 1 1' C^-1 / 1' C^-1 1, and P y.
        whitened = inverse @ self.value - ones * (ones @ self.value / total)
        deviance = 2 * np.log(np.diag(factor)).sum() + np.log(total) + float(self.value @ whitened)
        # The derivative along a parameter is the sum of this times that of the covariance.
        slope = inverse - np.outer(ones, ones / total) - np.outer(whitened, whitened)
        return float(deviance), np.array([np.vdot(slope, along) for along in slopes])

    def mean(self, logarithms: Array) -> tuple[float, float, float]:
        """The generalized least squares mean, its variance 1 / 1' C^-1 1, and the variance of the
        logarithm of that.

        The last is by the curvature of the likelihood along the parameters that are not at a
        limit.
        """
        slopes, factor = self._covariance(logarithms)
        inverse = _inverse(factor)
        ones = inverse.sum(axis=1)
        total = ones.sum()
        mean, variance = float(ones @ self.value / total), float(1 / total)
        projector = inverse - np.outer(ones, ones / total)
        limits = _limits(len(logarithms))
        free = [
            along
            for along, value, (low, high) in zip(slopes, logarithms, limits, strict=True)
            if low < value < high
        ]
        if not free:
            return mean, variance, 0.0
        gradient = np.array([ones @ along @ ones / total for along in free])
        moved = [projector @ along for along in free]
        information = np.array([[0.5 * np.vdot(one.T, other) for other in moved] for one in moved])
        return mean, variance, float(gradient @ np.linalg.pinv(information) @ gradient)

    def _covariance(self, logarithms: Array) -> tuple[list[Array], Array]:
        """Derivative of the covariance along each parameter, and its Cholesky factor (lower
        triangle).
        """
        from scipy.linalg import cholesky

        nugget, *structures = np.exp(logarithms)
        # A trace more, so that sites at one place do not make the matrix singular.
        own = nugget + self.known + 1e-9 * sum(structures[::2])
        slopes, covariance = [nugget * np.eye(len(own))], np.diag(own)
        for sill, range_km in zip(structures[::2], structures[1::2], strict=True):
            relative = self.distance / range_km
            correlated = sill * np.exp(-relative)
            covariance += correlated
            slopes += [correlated, correlated * relative]
        return slopes, cholesky(covariance, lower=True, check_finite=False)


def _limits(parameters: int) -> list[Array]:
    return [np.log(SHARES), *[np.log(SHARES), np.log(RANGES_KM)] * (parameters // 2)]


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
