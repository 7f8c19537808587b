"""Closed forms of the one- and two-parameter copulas: log-density, h-function, its inverse and
Kendall's tau.

Every function takes u (the target) and v (the member) strictly inside the unit square, float64, and
broadcasts. The h-function is h(u | v) = dC(u, v)/dv = P(U <= u | V = v). The forms follow Joe
(2014, doi:10.1201/b17116) and Aas et al. (2009, doi:10.1016/j.insmatheco.2007.02.001), rearranged
so that no two nearly equal numbers are subtracted: the textbook forms lose all digits for strong
dependence or close to the corners.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special

Array = NDArray[np.float64]


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


def _log_expm1(x: Array) -> Array:
    """log(exp(x) - 1) for x > 0, without overflow."""
    return x + np.log(-np.expm1(-x))


# --- independence
# -------------------------------------------------------------------------------------------------


def independence_logpdf(u: Array, v: Array) -> Array:
    return np.zeros(np.broadcast(u, v).shape)


def independence_h(u: Array, v: Array) -> Array:
    return np.broadcast_to(u, np.broadcast(u, v).shape).copy()


# --- Gaussian
# -------------------------------------------------------------------------------------------------


def gaussian_logpdf(u: Array, v: Array, rho: float) -> Array:
    x, y, s2 = special.ndtri(u), special.ndtri(v), (1.0 - rho) * (1.0 + rho)
    return -0.5 * np.log(s2) - rho * (rho * (x * x + y * y) - 2.0 * x * y) / (2.0 * s2)


def gaussian_h(u: Array, v: Array, rho: float) -> Array:
    return special.ndtr(
        (special.ndtri(u) - rho * special.ndtri(v)) / np.sqrt((1.0 - rho) * (1.0 + rho))
    )


def gaussian_h_inverse(p: Array, v: Array, rho: float) -> Array:
    return special.ndtr(
        special.ndtri(p) * np.sqrt((1.0 - rho) * (1.0 + rho)) + rho * special.ndtri(v)
    )


# --- Student t
# -------------------------------------------------------------------------------------------------


def student_logpdf(u: Array, v: Array, rho: float, nu: float) -> Array:
    x, y, s2 = special.stdtrit(nu, u), special.stdtrit(nu, v), (1.0 - rho) * (1.0 + rho)
    constant = (
        special.gammaln(nu / 2 + 1)
        + special.gammaln(nu / 2)
        - 2 * special.gammaln((nu + 1) / 2)
        - 0.5 * np.log(s2)
    )
    joint = np.log1p(((x - rho * y) ** 2 / s2 + y * y) / nu)
    return (
        constant
        - (nu + 2) / 2 * joint
        + (nu + 1) / 2 * (np.log1p(x * x / nu) + np.log1p(y * y / nu))
    )


def student_h(u: Array, v: Array, rho: float, nu: float) -> Array:
    x, y = special.stdtrit(nu, u), special.stdtrit(nu, v)
    scale = np.sqrt((nu + y * y) * (1.0 - rho) * (1.0 + rho) / (nu + 1))
    return special.stdtr(nu + 1, (x - rho * y) / scale)


def student_h_inverse(p: Array, v: Array, rho: float, nu: float) -> Array:
    y = special.stdtrit(nu, v)
    scale = np.sqrt((nu + y * y) * (1.0 - rho) * (1.0 + rho) / (nu + 1))
    return special.stdtr(nu, special.stdtrit(nu + 1, p) * scale + rho * y)


# --- Clayton
# -------------------------------------------------------------------------------------------------


def _clayton_log_sum(lu: Array, lv: Array, theta: float) -> Array:
    """log(u^-theta + v^-theta - 1)."""
    a, b = -theta * lu, -theta * lv
    large, small = np.maximum(a, b), np.minimum(a, b)
    return large + np.log1p(np.exp(small - large) * -np.expm1(-small))


def clayton_logpdf(u: Array, v: Array, theta: float) -> Array:
    lu, lv = np.log(u), np.log(v)
    return (
        np.log1p(theta)
        - (theta + 1) * (lu + lv)
        - (2 + 1 / theta) * _clayton_log_sum(lu, lv, theta)
    )


def clayton_h(u: Array, v: Array, theta: float) -> Array:
    lu, lv = np.log(u), np.log(v)
    return np.exp(-(theta + 1) * lv - (1 + 1 / theta) * _clayton_log_sum(lu, lv, theta))


def clayton_h_inverse(p: Array, v: Array, theta: float) -> Array:
    excess = _log_expm1(-theta / (1 + theta) * np.log(p)) - theta * np.log(v)
    return np.exp(-_softplus(excess) / theta)


# --- Gumbel
# -------------------------------------------------------------------------------------------------


def _gumbel_terms(u: Array, v: Array, theta: float) -> tuple[Array, Array, Array, Array]:
    x, y = -np.log(u), -np.log(v)
    lx, ly = np.log(x), np.log(y)
    return x, y, lx, ly


def gumbel_logpdf(u: Array, v: Array, theta: float) -> Array:
    x, y, lx, ly = _gumbel_terms(u, v, theta)
    log_a = np.logaddexp(theta * lx, theta * ly) / theta
    a = np.exp(log_a)
    return -a + x + y + (theta - 1) * (lx + ly) + (1 - 2 * theta) * log_a + np.log(a + theta - 1)


def gumbel_h(u: Array, v: Array, theta: float) -> Array:
    _, y, lx, ly = _gumbel_terms(u, v, theta)
    growth = _softplus(theta * (lx - ly)) / theta  # log(A / y), A = (x^theta + y^theta)^(1/theta)
    return np.exp(-y * np.expm1(growth) - (theta - 1) * growth)


def gumbel_h_inverse(p: Array, v: Array, theta: float) -> Array:
    y, c, target = -np.log(v), theta - 1.0, -np.log(p)
    # A + c log A = y + c log y - log p has the solution A = c w, w the Wright omega function; what
    # follows needs A - y to full precision, which two Newton steps on the (concave) equation for
    # the difference give.
    start = target / (1.0 + c / y)
    difference = (
        start
        if c == 0
        else np.maximum(c * special.wrightomega((y + target) / c + np.log(y / c)) - y, start)
    )
    for _ in range(4):
        residual = difference + c * np.log1p(difference / y) - target
        difference = np.maximum(difference - residual / (1.0 + c / (y + difference)), start)
    return np.exp(-y * np.exp(_log_expm1(theta * np.log1p(difference / y)) / theta))


# --- Frank
# -------------------------------------------------------------------------------------------------


def _frank_denominator(u: Array, v: Array, theta: float) -> Array:
    """D exp(theta v), where D = 1 - exp(-theta) - (1 - exp(-theta u)) (1 - exp(-theta v)); both
    terms have the sign of theta.
    """
    return -np.exp(theta * (v - u)) * np.expm1(-theta * v) - np.expm1(-theta * (1 - v))


def frank_logpdf(u: Array, v: Array, theta: float) -> Array:
    return (
        np.log(-theta * np.expm1(-theta))
        + theta * (v - u)
        - 2 * np.log(np.abs(_frank_denominator(u, v, theta)))
    )


def frank_h(u: Array, v: Array, theta: float) -> Array:
    return -np.expm1(-theta * u) / _frank_denominator(u, v, theta)


def frank_h_inverse(p: Array, v: Array, theta: float) -> Array:
    grown = np.expm1(theta * v)
    one_minus_a = p * (grown - np.expm1(-theta * (1 - v))) / (1 + p * grown)  # a = exp(-theta u)
    log_a = np.log((1 - p) + p * np.exp(-theta * (1 - v))) - np.log1p(p * grown)
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = np.log1p(-one_minus_a)
    return np.where(np.abs(one_minus_a) < 0.5, direct, log_a) / -theta


# --- Joe
# -------------------------------------------------------------------------------------------------


def _joe_terms(u: Array, v: Array, theta: float) -> tuple[Array, Array, Array]:
    """log(1-u), log(1-v) and L = log(s / (1-v)^theta), s = (1-u)^theta + (1-v)^theta - (1-u)^theta
    (1-v)^theta.
    """
    lx, ly = np.log1p(-u), np.log1p(-v)
    return lx, ly, _softplus(theta * (lx - ly) + np.log(-np.expm1(theta * ly)))


def joe_logpdf(u: Array, v: Array, theta: float) -> Array:
    lx, ly, growth = _joe_terms(u, v, theta)
    log_s = theta * ly + growth
    return (1 / theta - 2) * log_s + (theta - 1) * (lx + ly) + np.log(theta - 1 + np.exp(log_s))


def joe_h(u: Array, v: Array, theta: float) -> Array:
    lx, _, growth = _joe_terms(u, v, theta)
    return -np.expm1(theta * lx) * np.exp((1 / theta - 1) * growth)


def joe_h_inverse(p: Array, v: Array, theta: float) -> Array:
    ly = np.log1p(-v)
    log_r = np.log(-np.expm1(theta * ly)) - theta * ly
    slope, target = 1.0 - 1.0 / theta, np.log(p)
    # t = log (1-u)^theta solves log(1 - e^t) - slope softplus(t + log r) = log p: concave and
    # falling, so Newton from the right never overshoots.
    t = np.log1p(-p)
    if slope > 0:
        t = np.minimum(t, _log_expm1(-target / slope) - log_r)
    for _ in range(60):
        one_minus = -np.expm1(t)
        value = np.log(one_minus) - slope * _softplus(t + log_r) - target
        step = value / (-np.exp(t) / one_minus - slope * special.expit(t + log_r))
        t = t - step
        if np.all(np.abs(step) <= 1e-15 * np.maximum(1.0, np.abs(t))):
            break
    return -np.expm1(t / theta)


# --- Kendall's tau
# -------------------------------------------------------------------------------------------------


def _elliptical_tau(rho: float, *_: float) -> float:
    return float(2 / np.pi * np.arcsin(rho))


def _frank_tau(theta: float) -> float:
    debye = integrate.quad(lambda t: t / np.expm1(t) if t else 1.0, 0.0, abs(theta))[0] / abs(theta)
    return float(np.sign(theta) * (1 - 4 / abs(theta) * (1 - debye)))


def _joe_tau(theta: float) -> float:
    if abs(theta - 2.0) < 1e-6:
        return float(1 - special.polygamma(1, 2))
    return float(1 + 2 / (2 - theta) * (special.digamma(2) - special.digamma(2 / theta + 1)))


@dataclass(frozen=True)
class Family:
    """The functions of one copula family, and where its parameters may lie (open intervals count as
    allowed up to their ends).
    """

    logpdf: Callable[..., Array]
    h: Callable[..., Array]
    h_inverse: Callable[..., Array]
    tau: Callable[..., float]
    names: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    rotates: bool


FAMILIES: dict[str, Family] = {
    "independence": Family(
        independence_logpdf, independence_h, independence_h, lambda: 0.0, (), (), False
    ),
    "gaussian": Family(
        gaussian_logpdf,
        gaussian_h,
        gaussian_h_inverse,
        _elliptical_tau,
        ("rho",),
        ((-0.999999, 0.999999),),
        False,
    ),
    "student": Family(
        student_logpdf,
        student_h,
        student_h_inverse,
        _elliptical_tau,
        ("rho", "nu"),
        ((-0.999999, 0.999999), (1.0, 1000.0)),
        False,
    ),
    "clayton": Family(
        clayton_logpdf,
        clayton_h,
        clayton_h_inverse,
        lambda theta: theta / (theta + 2),
        ("theta",),
        ((1e-10, 100.0),),
        True,
    ),
    "gumbel": Family(
        gumbel_logpdf,
        gumbel_h,
        gumbel_h_inverse,
        lambda theta: 1 - 1 / theta,
        ("theta",),
        ((1.0, 100.0),),
        True,
    ),
    "frank": Family(
        frank_logpdf, frank_h, frank_h_inverse, _frank_tau, ("theta",), ((-200.0, 200.0),), False
    ),
    "joe": Family(joe_logpdf, joe_h, joe_h_inverse, _joe_tau, ("theta",), ((1.0, 100.0),), True),
}
