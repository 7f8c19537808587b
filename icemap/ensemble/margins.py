"""Marginal distributions of the target and of the members.

A margin is any object with ``cdf``, ``ppf`` and ``pdf``: the classes here, or a frozen
:mod:`scipy.stats` distribution. Those fitted here are continuous except for atoms at the physical
bounds, and ``cdf(ppf(p))`` returns p to 1e-9 outside the atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.kernel_distribution import Bounds, KernelDistribution

Array = NDArray[np.float64]


class Margin(Protocol):
    """What the mixture asks of a marginal distribution."""

    def cdf(self, x: ArrayLike) -> Array: ...
    def ppf(self, p: ArrayLike) -> Array: ...
    def pdf(self, x: ArrayLike) -> Array: ...


def midranks(x: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Distinct values of x in rising order and their weighted mid-ranks (R - 1/2)/n, both
    (distinct,).
    """
    values, inverse = np.unique(x, return_inverse=True)
    share = np.bincount(inverse, weights=np.ones(len(x)) if weights is None else weights)
    share = share / share.sum()
    return values, np.cumsum(share) - share / 2


@dataclass(frozen=True)
class RankMargin:
    """Empirical distribution, linear between mid-ranks: a monotone transform of the data leaves the
    ranks of the data as they are.

    Used for the members: what the copula sees of a member is then the order of its predictions
    alone.

    Parameters
    ----------
    values, levels : (k,) arrays
        Strictly increasing values and their probabilities.
    """

    values: Array
    levels: Array

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> RankMargin:
        """From data x (n,) and row weights (n,); beyond the data the distribution ends half a mean
        spacing of the outer tenth away.
        """
        values, levels = midranks(np.asarray(x, dtype=np.float64), weights)
        if len(values) == 1:
            # A member that says the same of all rows.
            reach = max(abs(float(values[0])), 1.0) * 1e-6
            return cls(values[0] + reach * np.array([-1.0, 0.0, 1.0]), np.array([0.0, 0.5, 1.0]))
        outer = max(2, len(values) // 10)
        below = 0.5 * (values[outer - 1] - values[0]) / (outer - 1)
        above = 0.5 * (values[-1] - values[-outer]) / (outer - 1)
        return cls(
            np.concatenate([[values[0] - below], values, [values[-1] + above]]),
            np.concatenate([[0.0], levels, [1.0]]),
        )

    def cdf(self, x: ArrayLike) -> Array:
        """P(X <= x), the shape of x."""
        return np.interp(np.asarray(x, dtype=np.float64), self.values, self.levels)

    def ppf(self, p: ArrayLike) -> Array:
        """The inverse of :meth:`cdf`, the shape of p."""
        return np.interp(np.asarray(p, dtype=np.float64), self.levels, self.values)

    def pdf(self, x: ArrayLike) -> Array:
        """Piecewise constant density, the shape of x."""
        x = np.asarray(x, dtype=np.float64)
        cell = np.clip(np.searchsorted(self.values, x, side="right") - 1, 0, len(self.values) - 2)
        slope = np.diff(self.levels) / np.diff(self.values)
        return np.where((x < self.values[0]) | (x > self.values[-1]), 0.0, slope[cell])

    def to_dict(self) -> dict[str, object]:
        """JSON-able description."""
        return {"kind": "rank", "values": self.values.tolist(), "levels": self.levels.tolist()}


@dataclass(frozen=True)
class SmoothMargin:
    """Smoothed empirical distribution: a monotone cubic through knots of the kernel-smoothed
    empirical distribution.

    The kernel (Gaussian, bandwidth of order n^(-1/3), right for a distribution function) is
    reflected at finite bounds, and a share 1/(n+1) of the mass is spread over the whole range, so
    that the tails reach the bounds and no gap has density zero. Beyond the knots of an unbounded
    margin the tails are exponential.

    Parameters
    ----------
    knots, levels, slopes : (k,) arrays
        Values, probabilities and densities; knots and levels strictly increase.
    bounds : (low, high) or None
        None: unbounded, exponential tails.
    """

    knots: Array
    levels: Array
    slopes: Array
    bounds: Bounds | None

    @classmethod
    def fit(
        cls, x: Array, weights: Array | None = None, bounds: Bounds | None = None, knots: int = 160
    ) -> SmoothMargin:
        """From data x (n,) inside the bounds, and row weights (n,).

        Parameters
        ----------
        x : ndarray of shape (n,)
            Values inside the bounds.
        weights : ndarray of shape (n,), optional
            Equal when left out.
        bounds : (float, float), optional
            Lowest and highest value that there can be.
        knots : int
            Number of quantiles that the curve goes through, at most.
        """
        kernel = KernelDistribution.fit(x, weights, bounds)
        at = kernel.knots(knots)
        levels, density = kernel.cdf(at), kernel.pdf(at)
        if bounds is not None:
            levels[0], levels[-1] = 0.0, 1.0
        keep = np.concatenate([[True], np.diff(levels) > 1e-12])
        keep[-1] = True
        at, levels, density = at[keep], levels[keep], density[keep]
        secants = np.diff(levels) / np.diff(at)
        # Twice the smaller neighbouring secant keeps the cubic monotone (Fritsch & Carlson 1980,
        # doi:10.1137/0717021) and its density positive.
        limit = 2.0 * np.minimum(
            np.concatenate([secants[:1], secants]), np.concatenate([secants, secants[-1:]])
        )
        return cls(at, levels, np.minimum(density, limit), bounds)

    def _cell(self, index: NDArray[np.intp]) -> tuple[Array, ...]:
        left, width = self.knots[index], np.diff(self.knots)[index]
        rise = np.diff(self.levels)[index]
        d0, d1 = self.slopes[index] * width, self.slopes[index + 1] * width
        return left, width, self.levels[index], rise, d0, d1

    def cdf(self, x: ArrayLike) -> Array:
        """P(X <= x), the shape of x."""
        x = np.asarray(x, dtype=np.float64)
        index = np.clip(np.searchsorted(self.knots, x, side="right") - 1, 0, len(self.knots) - 2)
        left, width, base, rise, d0, d1 = self._cell(index)
        t = np.clip((x - left) / width, 0.0, 1.0)
        value = base + t * (d0 + t * (3 * rise - 2 * d0 - d1 + t * (d0 + d1 - 2 * rise)))
        if self.bounds is None:
            first, last = self.levels[0], 1.0 - self.levels[-1]
            with np.errstate(over="ignore", under="ignore"):
                value = np.where(
                    x < self.knots[0],
                    first * np.exp(np.minimum(0.0, (x - self.knots[0]) * self.slopes[0] / first)),
                    value,
                )
                value = np.where(
                    x > self.knots[-1],
                    1.0
                    - last * np.exp(np.minimum(0.0, (self.knots[-1] - x) * self.slopes[-1] / last)),
                    value,
                )
        return np.clip(value, 0.0, 1.0)

    def pdf(self, x: ArrayLike) -> Array:
        """Density, the shape of x; 0 outside the bounds."""
        x = np.asarray(x, dtype=np.float64)
        index = np.clip(np.searchsorted(self.knots, x, side="right") - 1, 0, len(self.knots) - 2)
        left, width, _, rise, d0, d1 = self._cell(index)
        t = np.clip((x - left) / width, 0.0, 1.0)
        value = (d0 + t * (2 * (3 * rise - 2 * d0 - d1) + 3 * t * (d0 + d1 - 2 * rise))) / width
        outside = (x < self.knots[0]) | (x > self.knots[-1])
        if self.bounds is not None:
            return np.where(outside, 0.0, value)
        first, last = self.levels[0], 1.0 - self.levels[-1]
        with np.errstate(over="ignore", under="ignore"):
            below = self.slopes[0] * np.exp(
                np.minimum(0.0, (x - self.knots[0]) * self.slopes[0] / first)
            )
            above = self.slopes[-1] * np.exp(
                np.minimum(0.0, (self.knots[-1] - x) * self.slopes[-1] / last)
            )
        return np.where(x < self.knots[0], below, np.where(x > self.knots[-1], above, value))

    def ppf(self, p: ArrayLike) -> Array:
        """The inverse of :meth:`cdf`, the shape of p; the bounds (or infinities) at 0 and 1."""
        p = np.asarray(p, dtype=np.float64)
        index = np.clip(np.searchsorted(self.levels, p, side="right") - 1, 0, len(self.knots) - 2)
        left, width, base, rise, d0, d1 = self._cell(index)
        target = np.clip(p - base, 0.0, rise)
        c2, c3 = 3 * rise - 2 * d0 - d1, d0 + d1 - 2 * rise
        low, high = np.zeros_like(target), np.ones_like(target)
        t = target / rise
        for _ in range(60):
            error = t * (d0 + t * (c2 + t * c3)) - target
            low, high = np.where(error < 0, t, low), np.where(error < 0, high, t)
            slope = d0 + t * (2 * c2 + 3 * t * c3)
            moved = t - np.divide(error, slope, out=np.full_like(error, np.inf), where=slope > 0)
            moved = np.where((moved > low) & (moved < high), moved, 0.5 * (low + high))
            if np.all(np.abs(error) <= 1e-15) or np.all(np.abs(moved - t) <= 1e-16):
                break
            t = moved
        value = left + width * t
        if self.bounds is not None:
            return np.where(p <= 0, self.bounds[0], np.where(p >= 1, self.bounds[1], value))
        first, last = self.levels[0], 1.0 - self.levels[-1]
        with np.errstate(divide="ignore"):
            value = np.where(
                p < first,
                self.knots[0] + np.log(np.minimum(p / first, 1.0)) * first / self.slopes[0],
                value,
            )
            return np.where(
                p > self.levels[-1],
                self.knots[-1] - np.log(np.minimum((1 - p) / last, 1.0)) * last / self.slopes[-1],
                value,
            )

    def to_dict(self) -> dict[str, object]:
        """JSON-able description."""
        arrays = {
            "knots": self.knots.tolist(),
            "levels": self.levels.tolist(),
            "slopes": self.slopes.tolist(),
        }
        return {
            "kind": "smooth",
            "bounds": None if self.bounds is None else list(self.bounds),
            **arrays,
        }


@dataclass(frozen=True)
class AtomMargin:
    """A margin with point masses at its bounds and a continuous part between them.

    Parameters
    ----------
    between : margin
        Distribution of the values strictly inside the bounds.
    low, high : float
        P(X = lower bound) and P(X = upper bound).
    bounds : (low, high)
        The physical bounds.
    """

    between: Any
    low: float
    high: float
    bounds: Bounds

    def cdf(self, x: ArrayLike) -> Array:
        """P(X <= x), the shape of x."""
        x = np.asarray(x, dtype=np.float64)
        value = self.low + (1 - self.low - self.high) * self.between.cdf(x)
        return np.where(x < self.bounds[0], 0.0, np.where(x >= self.bounds[1], 1.0, value))

    def cdf_left(self, x: ArrayLike) -> Array:
        """P(X < x), the shape of x: smaller than :meth:`cdf` by the atom, where there is one."""
        x = np.asarray(x, dtype=np.float64)
        value = self.low + (1 - self.low - self.high) * self.between.cdf(x)
        return np.where(x <= self.bounds[0], 0.0, np.where(x > self.bounds[1], 1.0, value))

    def ppf(self, p: ArrayLike) -> Array:
        """Smallest x with cdf(x) >= p, the shape of p."""
        p = np.asarray(p, dtype=np.float64)
        inner = self.between.ppf(np.clip((p - self.low) / (1 - self.low - self.high), 0.0, 1.0))
        return np.where(
            p <= self.low, self.bounds[0], np.where(p > 1 - self.high, self.bounds[1], inner)
        )

    def pdf(self, x: ArrayLike) -> Array:
        """Density between the bounds; at a bound with an atom, its probability. The shape of x."""
        x = np.asarray(x, dtype=np.float64)
        value = (1 - self.low - self.high) * self.between.pdf(x)
        value = np.where((x == self.bounds[0]) & (self.low > 0), self.low, value)
        return np.where((x == self.bounds[1]) & (self.high > 0), self.high, value)

    def to_dict(self) -> dict[str, object]:
        """JSON-able description."""
        return {
            "kind": "atoms",
            "low": self.low,
            "high": self.high,
            "bounds": list(self.bounds),
            "between": self.between.to_dict(),
        }


def cdf_interval(margin: Margin, x: ArrayLike) -> tuple[Array, Array]:
    """P(X < x) and P(X <= x): different only at an atom."""
    upper = np.asarray(margin.cdf(x), dtype=np.float64)
    return (
        (np.asarray(margin.cdf_left(x)), upper)
        if isinstance(margin, AtomMargin)
        else (upper, upper)
    )


def describe_margin(margin: Margin) -> dict[str, object]:
    """JSON-able description of a margin; :func:`margin_from_dict` makes an equal one."""
    if hasattr(margin, "to_dict"):
        return margin.to_dict()
    frozen: Any = margin
    return {
        "kind": "scipy",
        "name": frozen.dist.name,
        "args": [float(a) for a in frozen.args],
        "kwds": {k: float(a) for k, a in frozen.kwds.items()},
    }


def margin_from_dict(described: Mapping[str, Any]) -> Any:
    """The margin that :func:`describe_margin` described."""
    bounds: Any = described.get("bounds")
    if described["kind"] == "rank":
        return RankMargin(np.array(described["values"]), np.array(described["levels"]))
    if described["kind"] == "smooth":
        arrays = [
            np.array(described[key], dtype=np.float64) for key in ("knots", "levels", "slopes")
        ]
        return SmoothMargin(
            arrays[0], arrays[1], arrays[2], None if bounds is None else (bounds[0], bounds[1])
        )
    if described["kind"] == "atoms":
        return AtomMargin(
            margin_from_dict(described["between"]),
            described["low"],
            described["high"],
            (bounds[0], bounds[1]),
        )
    from scipy import stats

    return getattr(stats, described["name"])(*described["args"], **described["kwds"])
