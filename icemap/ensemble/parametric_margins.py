"""Parametric margins of the target and their choice by AIC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from icemap.ensemble.margins import Kernel, SmoothMargin

Array = NDArray[np.float64]
Bounds = tuple[float, float]

# Below 0.7 the density at a bound is so steep that neighbouring doubles differ by more than 1e-9 in probability, and above 4 a
# logit-normal has the same trouble: the inverse would no longer be one.
_LEAST_SHAPE, _LARGEST_SHAPE = 0.7, 500.0
_LARGEST_LOGIT_SD = 4.0


def _inverse(cdf: Any, pdf: Any, p: Array, low: float, high: float) -> Array:
    """The x in [low, high] with cdf(x) = p, by Newton steps kept inside a bracket."""
    left, right = np.full(p.shape, low), np.full(p.shape, high)
    x = 0.5 * (left + right)
    for _ in range(200):
        error = cdf(x) - p
        left, right = np.where(error < 0, x, left), np.where(error < 0, right, x)
        slope = pdf(x)
        moved = x - np.divide(error, slope, out=np.full_like(error, np.inf), where=np.isfinite(slope) & (slope > 0))
        moved = np.where((moved > left) & (moved < right), moved, 0.5 * (left + right))
        done = (np.abs(error) <= 1e-14) | (moved == x)
        x = np.where(done, x, moved)
        if done.all():
            break
    return x


@dataclass(frozen=True)
class BetaMixtureMargin:
    """Mixture of beta distributions on the bounds: one component is the beta margin, two make the two-component mixture.

    Parameters
    ----------
    a, b, shares : (components,) arrays
        Shapes and weights.
    bounds : (low, high)
    """

    a: Array
    b: Array
    shares: Array
    bounds: Bounds

    def _unit(self, x: ArrayLike) -> Array:
        return np.clip((np.asarray(x, dtype=np.float64) - self.bounds[0]) / (self.bounds[1] - self.bounds[0]), 0.0, 1.0)

    def _cdf(self, t: Array) -> Array:
        return sum(s * special.betainc(a, b, t) for a, b, s in zip(self.a, self.b, self.shares))

    def _pdf(self, t: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            parts = [s * np.exp(special.xlogy(a - 1, t) + special.xlog1py(b - 1, -t) - special.betaln(a, b)) for a, b, s in zip(self.a, self.b, self.shares)]
        return sum(parts)

    def cdf(self, x: ArrayLike) -> Array:
        """P(X <= x), the shape of x."""
        return self._cdf(self._unit(x))

    def pdf(self, x: ArrayLike) -> Array:
        """Density, the shape of x; 0 outside the bounds."""
        x = np.asarray(x, dtype=np.float64)
        return np.where((x < self.bounds[0]) | (x > self.bounds[1]), 0.0, self._pdf(self._unit(x)) / (self.bounds[1] - self.bounds[0]))

    def ppf(self, p: ArrayLike) -> Array:
        """The inverse of :meth:`cdf`, the shape of p."""
        p = np.asarray(p, dtype=np.float64)
        t = special.betaincinv(self.a[0], self.b[0], p) if len(self.a) == 1 else _inverse(self._cdf, self._pdf, p, 0.0, 1.0)
        t = np.where(p <= 0, 0.0, np.where(p >= 1, 1.0, t))
        return self.bounds[0] + (self.bounds[1] - self.bounds[0]) * t

    def to_dict(self) -> dict[str, Any]:
        """JSON-able description."""
        return {"kind": "beta_mixture", "a": self.a.tolist(), "b": self.b.tolist(), "shares": self.shares.tolist(), "bounds": list(self.bounds)}


@dataclass(frozen=True)
class NormalMargin:
    """Normal distribution, of the value itself or (with bounds) of its logit on the bounds.

    Parameters
    ----------
    mean, sd : float
        Of the value, in its unit, or of its logit.
    bounds : (low, high) or None
    """

    mean: float
    sd: float
    bounds: Bounds | None

    def cdf(self, x: ArrayLike) -> Array:
        """P(X <= x), the shape of x."""
        x = np.asarray(x, dtype=np.float64)
        if self.bounds is not None:
            low, high = self.bounds
            with np.errstate(divide="ignore"):
                x = np.log(np.clip(x - low, 0.0, None)) - np.log(np.clip(high - x, 0.0, None))
        return special.ndtr((x - self.mean) / self.sd)

    def pdf(self, x: ArrayLike) -> Array:
        """Density, the shape of x; 0 at and outside the bounds."""
        x = np.asarray(x, dtype=np.float64)
        if self.bounds is None:
            return np.exp(-0.5 * ((x - self.mean) / self.sd) ** 2) / (self.sd * np.sqrt(2 * np.pi))
        low, high = self.bounds
        inside = (x > low) & (x < high)
        kept = np.where(inside, x, 0.5 * (low + high))
        z = (np.log(kept - low) - np.log(high - kept) - self.mean) / self.sd
        density = np.exp(-0.5 * z * z) / (self.sd * np.sqrt(2 * np.pi)) * (high - low) / ((kept - low) * (high - kept))
        return np.where(inside, density, 0.0)

    def ppf(self, p: ArrayLike) -> Array:
        """The inverse of :meth:`cdf`, the shape of p."""
        with np.errstate(divide="ignore"):
            x = self.mean + self.sd * special.ndtri(np.asarray(p, dtype=np.float64))
        if self.bounds is None:
            return x
        return self.bounds[0] + (self.bounds[1] - self.bounds[0]) * special.expit(x)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able description."""
        return {"kind": "normal", "mean": self.mean, "sd": self.sd, "bounds": None if self.bounds is None else list(self.bounds)}


def parametric_from_dict(described: dict[str, Any]) -> Any:
    """The margin that its ``to_dict`` described."""
    bounds = None if described["bounds"] is None else (float(described["bounds"][0]), float(described["bounds"][1]))
    if described["kind"] == "normal":
        return NormalMargin(float(described["mean"]), float(described["sd"]), bounds)
    if described["kind"] == "beta_mixture" and bounds is not None:
        a, b, shares = (np.array(described[key], dtype=np.float64) for key in ("a", "b", "shares"))
        return BetaMixtureMargin(a, b, shares, bounds)
    raise ValueError(f"A margin of kind '{described['kind']}' is not known to this version.")


def _unit_data(y: Array, weights: Array, bounds: Bounds) -> Array:
    """The data on (0, 1), drawn half a row away from the ends (Smithson & Verkuilen 2006, doi:10.1037/1082-989X.11.1.54)."""
    t = (y - bounds[0]) / (bounds[1] - bounds[0])
    n = len(y)
    return (t * (n - 1) + 0.5) / n


def _fit_beta(t: Array, weights: Array) -> tuple[float, float]:
    """Maximum-likelihood shapes of one beta distribution from weighted data on (0, 1)."""
    share = weights / weights.sum()
    log_t, log_1t = float(share @ np.log(t)), float(share @ np.log1p(-t))

    def loss(logs: Array) -> tuple[float, Array]:
        a, b = np.exp(logs)
        both = special.digamma(a + b)
        slope = np.array([special.digamma(a) - both - log_t, special.digamma(b) - both - log_1t]) * (a, b)
        return float(special.betaln(a, b) - (a - 1) * log_t - (b - 1) * log_1t), slope

    mean = float(share @ t)
    size = max(mean * (1 - mean) / max(float(share @ (t - mean) ** 2), 1e-8) - 1, 1.5)
    limits = [(np.log(_LEAST_SHAPE), np.log(_LARGEST_SHAPE))] * 2
    start = np.clip(np.log([max(mean * size, 1e-3), max((1 - mean) * size, 1e-3)]), *limits[0])
    a, b = np.exp(optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits).x)
    return float(a), float(b)


def _fit_beta_mixture(t: Array, weights: Array, bounds: Bounds) -> BetaMixtureMargin:
    """Maximum likelihood of two beta components, started from the lower and the upper half of the data."""
    log_t, log_1t, rows = np.log(t), np.log1p(-t), weights / weights.sum()
    lower = t <= np.median(t)
    starts = [_fit_beta(t, weights * np.where(part, 1.0, 0.05)) for part in (lower, ~lower)]

    def loss(x: Array) -> tuple[float, Array]:
        a, b, share = np.exp(x[:2]), np.exp(x[2:4]), special.expit(x[4])
        logs = (a - 1) * log_t[:, None] + (b - 1) * log_1t[:, None] - special.betaln(a, b) + np.log([share, 1 - share])
        total = np.logaddexp(logs[:, 0], logs[:, 1])
        z = rows[:, None] * np.exp(logs - total[:, None])
        size, both = z.sum(axis=0), special.digamma(a + b)
        slope_a, slope_b = a * (log_t @ z - size * (special.digamma(a) - both)), b * (log_1t @ z - size * (special.digamma(b) - both))
        return -float(rows @ total), -np.concatenate([slope_a, slope_b, [size[0] - share]])

    shape_limits = (np.log(_LEAST_SHAPE), np.log(_LARGEST_SHAPE))
    start = np.append(np.log(np.array(starts).T).ravel(), 0.0)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[shape_limits] * 4 + [(-6.0, 6.0)], options={"ftol": 1e-7, "maxiter": 200}).x
    share = float(special.expit(found[4]))
    return BetaMixtureMargin(np.exp(found[:2]), np.exp(found[2:4]), np.array([share, 1.0 - share]), bounds)


def _fit_normal(y: Array, weights: Array, bounds: Bounds | None) -> NormalMargin:
    x = y if bounds is None else special.logit(_unit_data(y, weights, bounds))
    share = weights / weights.sum()
    mean = float(share @ x)
    sd = float(np.sqrt(share @ (x - mean) ** 2))
    return NormalMargin(mean, sd if bounds is None else min(sd, _LARGEST_LOGIT_SD), bounds)


def fit_parametric(y: Array, weights: Array, bounds: Bounds | None, kind: str) -> Any:
    """Fit one family, or with ``kind="aic"`` all that suit the bounds, and return the margin of smallest AIC.

    The smoothed empirical margin takes part in the choice with its leave-one-out likelihood, which already pays for its flexibility.

    Parameters
    ----------
    y : (n,)
        Target values, inside the bounds.
    weights : (n,)
        Row weights; their sum counts as the number of rows.
    bounds : (low, high) or None
    kind : {"aic", "beta", "logit_normal", "beta_mixture", "normal"}

    Raises
    ------
    ValueError
        For a family that needs bounds without them, or the reverse.
    """
    fits: dict[str, tuple[Any, int]] = {}
    if bounds is None:
        if kind not in ("aic", "normal"):
            raise ValueError(f"target_margin '{kind}' needs bounds; give them, or choose 'smooth', 'normal' or 'aic' for an unbounded target.")
        fits["normal"] = (_fit_normal(y, weights, None), 2)
    else:
        if kind == "normal":
            raise ValueError("target_margin 'normal' is for an unbounded target; choose 'logit_normal' inside bounds.")
        unit = _unit_data(y, weights, bounds)
        if kind in ("aic", "beta"):
            a, b = _fit_beta(unit, weights)
            fits["beta"] = (BetaMixtureMargin(np.array([a]), np.array([b]), np.ones(1), bounds), 2)
        if kind in ("aic", "logit_normal"):
            fits["logit_normal"] = (_fit_normal(y, weights, bounds), 2)
        if kind in ("aic", "beta_mixture"):
            fits["beta_mixture"] = (_fit_beta_mixture(unit, weights, bounds), 5)
    if kind != "aic":
        return fits[kind][0]
    at = y if bounds is None else bounds[0] + (bounds[1] - bounds[0]) * unit
    best: Any = SmoothMargin.fit(y, weights, bounds)
    least = -2.0 * float(weights @ np.log(np.maximum(Kernel.fit(y, weights, bounds).pdf(y, leave_out=True), 1e-300)))
    for margin, parameters in fits.values():
        aic = -2.0 * float(weights @ np.log(np.maximum(margin.pdf(at), 1e-300))) + 2.0 * parameters
        if aic < least:
            best, least = margin, aic
    return best
