"""Kernel-smoothed empirical distribution of a target, through whose values a smooth margin goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Bounds = tuple[float, float]

# Fewer values than this say little of their own spread.
_FEW = 10


@dataclass(frozen=True)
class KernelDistribution:
    """Gaussian kernel distribution, reflected at the bounds, with a broad component of weight
    1/(n+1).
    """

    x: Array
    weights: Array
    bandwidth: float
    broad: float
    bounds: Bounds | None

    @classmethod
    def fit(cls, x: Array, weights: Array | None, bounds: Bounds | None) -> KernelDistribution:
        """From data and row weights; the number of rows is Kish's effective one.

        Parameters
        ----------
        x : ndarray of shape (n,)
        weights : ndarray of shape (n,) or None
            Equal where None.
        bounds : (float, float) or None
            Lowest and highest value that there can be.
        """
        x = np.asarray(x, dtype=np.float64)
        w = np.full(len(x), 1.0 / len(x)) if weights is None else weights / weights.sum()
        effective = 1.0 / float(w @ w)
        spread = float(np.sqrt(w @ (x - w @ x) ** 2))
        low, high = np.quantile(x, [0.25, 0.75])
        if high > low:
            spread = min(spread, (high - low) / 1.349)
        if bounds is not None and len(x) < _FEW:
            # So few values do not tell their spread: one more row's worth of it is that of a
            # uniform distribution, as its share of the mass is.
            uniform = (bounds[1] - bounds[0]) ** 2 / 12
            spread = float(np.sqrt((len(x) * spread**2 + uniform) / (len(x) + 1)))
        return cls(
            x,
            w,
            max(1.06 * spread * effective ** (-1 / 3), 1e-9 * (1.0 + abs(float(x.max())))),
            1.0 / (effective + 1.0),
            bounds,
        )

    def _centres(self) -> list[Array]:
        return (
            [self.x]
            if self.bounds is None
            else [self.x, 2 * self.bounds[0] - self.x, 2 * self.bounds[1] - self.x]
        )

    def _broad(self) -> tuple[float, float]:
        mean = float(self.weights @ self.x)
        return mean, 2.0 * float(np.sqrt(self.weights @ (self.x - mean) ** 2)) + self.bandwidth

    def cdf(self, at: Array) -> Array:
        """Distribution function at the points ``at`` (k,)."""
        smooth = sum(
            special.ndtr((at[:, None] - c) / self.bandwidth) @ self.weights for c in self._centres()
        )
        if self.bounds is None:
            mean, spread = self._broad()
            return (1 - self.broad) * smooth + self.broad * special.ndtr((at - mean) / spread)
        low, high = self.bounds
        ends = sum(
            special.ndtr((np.array(self.bounds)[:, None] - c) / self.bandwidth) @ self.weights
            for c in self._centres()
        )
        return (1 - self.broad) * (smooth - ends[0]) / (ends[1] - ends[0]) + self.broad * (
            at - low
        ) / (high - low)

    def pdf(self, at: Array, leave_out: bool = False) -> Array:
        """Density at the points ``at`` (k,); with ``leave_out`` they are the data themselves, and
        each is left out of its own density.
        """
        kernels = [
            np.exp(-0.5 * ((at[:, None] - c) / self.bandwidth) ** 2)
            / (self.bandwidth * np.sqrt(2 * np.pi))
            for c in self._centres()
        ]
        smooth = sum(k @ self.weights for k in kernels)
        if leave_out:
            smooth = (smooth - sum(np.diag(k) for k in kernels) * self.weights) / (1 - self.weights)
        if self.bounds is None:
            mean, spread = self._broad()
            return (1 - self.broad) * smooth + self.broad * np.exp(
                -0.5 * ((at - mean) / spread) ** 2
            ) / (spread * np.sqrt(2 * np.pi))
        return (1 - self.broad) * smooth + self.broad / (self.bounds[1] - self.bounds[0])

    def knots(self, count: int) -> Array:
        """Where to tabulate: quantiles of the data, half a bandwidth around the outer ones, and an
        even grid up to the bounds.
        """
        order = np.argsort(self.x)
        cumulative = np.cumsum(self.weights[order])
        inner = np.interp(np.linspace(0, 1, count // 2), cumulative, self.x[order])
        reach = 3.0 * self.bandwidth
        if self.bounds is None:
            low, high = self.x.min() - reach, self.x.max() + reach
        else:
            low, high = self.bounds
        fringe = np.linspace(-reach, reach, 13)
        at = np.concatenate(
            [
                inner,
                np.linspace(low, high, count // 2),
                self.x.min() + fringe,
                self.x.max() + fringe,
            ]
        )
        at = np.unique(np.clip(at, low, high))
        apart = np.concatenate([[True], np.diff(at) > 1e-3 * self.bandwidth])
        apart[-1] = True
        if apart[-2] and at[-1] - at[-2] <= 1e-3 * self.bandwidth:
            apart[-2] = False
        return at[apart]
