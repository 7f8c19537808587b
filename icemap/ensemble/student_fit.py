"""The Student copula of greatest likelihood, by quantiles from a table."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special
from scipy.interpolate import CubicSpline

Array = NDArray[np.float64]
#: Where degrees of freedom are sought, as pyvinecopulib has it: beyond, it is a Gaussian copula.
DEGREES_OF_FREEDOM = (2.0, 50.0)
# The likelihood along the degrees of freedom is a polynomial through so many of them, read as
# finely as a thousandth of their logarithm.
_NODES = 12
_FINE = 3200
# Fisher's z of the strongest correlation that a Copula takes.
_STRONGEST = float(np.arctanh(0.999999))
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_CUTS = 36  # of a bracket, to less than a ten-millionth of its width


def fit_student(u: Array, v: Array, weights: Array | None = None) -> tuple[float, float]:
    """Maximum-likelihood correlation and degrees of freedom of a Student copula.

    Parameters
    ----------
    u, v : ndarray of shape (n,)
        Pseudo-observations, inside (0, 1).
    weights : ndarray of shape (n,), optional
        Non-negative weights of the rows; equal when left out.

    Returns
    -------
    (float, float)
        Correlation, and degrees of freedom between 2 and 50.

    Notes
    -----
    What costs time in the fit are the quantiles of Student's distribution, which change with every
    trial of the degrees of freedom. Here they are splines of the normal scores for twelve degrees
    of freedom, made once; the greatest likelihood is found along a polynomial through these twelve.
    The correlation for it is then found with exact quantiles.

    Examples
    --------
    >>> from icemap.ensemble.copulas import Copula
    >>> rng = np.random.default_rng(1)
    >>> v, p = rng.random(2000), rng.random(2000)
    >>> rho, nu = fit_student(Copula("student", [0.7, 4.0]).h_inverse(p, v), v)
    >>> bool(abs(rho - 0.7) < 0.03), bool(3 < nu < 5)
    (True, True)
    """
    w = np.ones(len(u)) if weights is None else np.asarray(weights, dtype=np.float64)
    nodes, quantiles = _quantiles()
    degrees = np.exp(nodes)
    x, y = (np.sinh(quantiles(special.ndtri(part))) for part in (u, v))
    likelihood = _greatest_along_correlation(x, y, w, degrees)
    along = np.polynomial.Chebyshev.fit(nodes, likelihood, _NODES - 1)
    fine = np.linspace(nodes[0], nodes[-1], _FINE)
    # Rounding puts the last of them beyond the range.
    nu = float(np.clip(np.exp(fine[np.argmax(along(fine))]), *DEGREES_OF_FREEDOM))
    x, y = (special.stdtrit(nu, part)[None] for part in (u, v))
    found = optimize.minimize_scalar(
        lambda z: float(_losses(np.array([z]), x, y, w, np.array([nu]))[0]),
        bounds=(-_STRONGEST, _STRONGEST),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return float(np.tanh(found.x)), nu


@lru_cache(maxsize=1)
def _quantiles() -> tuple[Array, CubicSpline]:
    """Logarithms of twelve degrees of freedom, and the inverse hyperbolic sine of the quantiles of
    each by normal scores: a smooth function, also where the quantiles are huge.
    """
    low, high = np.log(DEGREES_OF_FREEDOM)
    turns = np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
    nodes = (low + high) / 2 - (high - low) / 2 * turns
    # Of all numbers between 0 and 1 that a computer has.
    scores = np.linspace(-37.5, 8.3, 2400)
    return nodes, CubicSpline(scores, _hyperbolic(scores, np.exp(nodes)), axis=1)


def _hyperbolic(scores: Array, degrees: Array) -> Array:
    tail = special.ndtr(-np.abs(scores))
    return np.array([-np.sign(scores) * np.arcsinh(special.stdtrit(nu, tail)) for nu in degrees])


def _greatest_along_correlation(x: Array, y: Array, w: Array, degrees: Array) -> Array:
    """Log-likelihood (degrees,) at the best correlation of each, for quantiles (degrees, n)."""
    nu = degrees[:, None]
    margins = (np.log1p(x * x / nu) + np.log1p(y * y / nu)) @ w * (degrees + 1) / 2
    halves = special.gammaln(degrees / 2 + 1) + special.gammaln(degrees / 2)
    constant = halves - 2 * special.gammaln((degrees + 1) / 2)
    low = np.full(len(degrees), -_STRONGEST)
    high = -low
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = (_losses(z, x, y, w, degrees) for z in (left, right))
    for _ in range(_CUTS):
        lower = at_left < at_right
        high, low = np.where(lower, right, high), np.where(lower, low, left)
        new = np.where(lower, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_new = _losses(new, x, y, w, degrees)
        left, right = np.where(lower, new, right), np.where(lower, left, new)
        at_left, at_right = (
            np.where(lower, at_new, at_right),
            np.where(lower, at_left, at_new),
        )
    return constant * w.sum() + margins - np.minimum(at_left, at_right)


def _losses(z: Array, x: Array, y: Array, w: Array, degrees: Array) -> Array:
    """What the log-likelihood (degrees,) loses by correlations tanh(z), one for each of the degrees
    of freedom, whose quantiles x and y (degrees, n) are.
    """
    rho, unexplained = np.tanh(z)[:, None], 1 / np.cosh(z)[:, None] ** 2
    distance = ((x - rho * y) ** 2 / unexplained + y * y) / degrees[:, None]
    return w.sum() * np.log(unexplained[:, 0]) / 2 + (degrees + 2) / 2 * (np.log1p(distance) @ w)
