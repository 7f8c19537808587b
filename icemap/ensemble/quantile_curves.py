"""Predictive distributions given by their quantiles, and how they score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]

#: Levels at which a distribution is described: even in normal scores, and even in probability.
LEVELS = np.unique(
    np.concatenate(
        [[0.0, 1.0], special.ndtr(np.linspace(-4.2, 4.2, 257)), np.linspace(0.005, 0.995, 199)]
    )
)
_ROWS_AT_ONCE = 4096


class QuantileCurves(NamedTuple):
    """Distributions of n places, straight lines between their quantiles; a value that several
    levels share is an atom.

    Attributes
    ----------
    levels : (k,) float64
        Rising, from 0 to 1.
    values : (n, k) float64
        Quantiles at the levels, in units of the target.

    Examples
    --------
    >>> curves = QuantileCurves(np.array([0.0, 0.25, 1.0]), np.array([[0.0, 0.0, 6.0]]))
    >>> curves.cdf(3.0).tolist(), curves.pdf(0.0).tolist(), curves.crps(0.0).round(3).tolist()
    ([0.625], [0.25], [1.125])
    """

    levels: Array
    values: Array

    def cdf_interval(self, y: ArrayLike) -> tuple[Array, Array]:
        """P(Y < y) and P(Y <= y), each (n,): different only at an atom. y is one value or one for
        each place.
        """
        at = np.broadcast_to(np.asarray(y, dtype=np.float64), (len(self.values),))
        below, upto = self._ranks(at)
        rows, last = np.arange(len(at)), len(self.levels) - 1
        left, right = np.clip(below - 1, 0, last), np.clip(below, 0, last)
        low, high = self.values[rows, left], self.values[rows, right]
        part = np.divide(at - low, high - low, out=np.zeros_like(at), where=high > low)
        between = self.levels[left] + part * (self.levels[right] - self.levels[left])
        between = np.where(below > last, 1.0, np.where(below == 0, 0.0, between))
        meets = upto > below
        return (
            np.where(meets, self.levels[np.minimum(below, last)], between),
            np.where(meets, self.levels[np.maximum(upto - 1, 0)], between),
        )

    def cdf(self, y: ArrayLike) -> Array:
        """P(Y <= y), (n,)."""
        return self.cdf_interval(y)[1]

    def at_values(self, x: ArrayLike) -> Array:
        """P(Y <= x) at the same values x (k,) at every place, (n, k)."""
        at = np.asarray(x, dtype=np.float64)
        return np.stack([self.cdf(value) for value in at], axis=-1)

    def pdf(self, y: ArrayLike) -> Array:
        """Density at y, (n,), per unit of the target; at an atom, its probability."""
        at = np.broadcast_to(np.asarray(y, dtype=np.float64), (len(self.values),))
        below, _ = self._ranks(at)
        rows, last = np.arange(len(at)), len(self.levels) - 1
        right = np.clip(below, 1, last)
        rise = self.levels[right] - self.levels[right - 1]
        width = self.values[rows, right] - self.values[rows, right - 1]
        slope = np.divide(rise, width, out=np.zeros_like(at), where=width > 0)
        outside = (at < self.values[:, 0]) | (at > self.values[:, -1])
        lower, upper = self.cdf_interval(at)
        return np.where(upper > lower, upper - lower, np.where(outside, 0.0, slope))

    def pit(self, y: ArrayLike, seed: int = 0) -> Array:
        """Randomized probability integral transform, (n,): at an atom, uniform between P(Y < y) and
        P(Y <= y) (Czado et al. 2009, doi:10.1111/j.1541-0420.2009.01191.x).

        Parameters
        ----------
        y : array_like of shape (n,)
        seed : int
            Of the draws at atoms.
        """
        left, right = self.cdf_interval(y)
        return left + np.random.default_rng(seed).random(len(left)) * (right - left)

    def crps(self, y: ArrayLike) -> Array:
        """Continuous ranked probability score, (n,), in units of the target."""
        target = np.broadcast_to(np.asarray(y, dtype=np.float64), (len(self.values),))
        found = np.empty(len(target))
        for start in range(0, len(target), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            found[rows] = QuantileCurves(self.levels, self.values[rows])._crps(target[rows])
        return found

    def _ranks(self, y: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """How many quantiles lie below y, and how many do not lie above it."""
        return (
            (self.values < y[:, None]).sum(axis=1),
            (self.values <= y[:, None]).sum(axis=1),
        )

    def _crps(self, y: Array) -> Array:
        width = np.diff(self.values, axis=1)
        low, high = self.levels[:-1], self.levels[1:]
        square = width @ ((low * low + low * high + high * high) / 3)
        # The part of each piece that is above y, and the integral of the distribution over it.
        start = np.clip(y[:, None], self.values[:, :-1], self.values[:, 1:])
        above = self.values[:, 1:] - start
        share = np.divide(above, width, out=np.zeros_like(width), where=width > 0)
        over = (above * (high - 0.5 * share * (high - low))).sum(axis=1)
        inside = np.clip(y, self.values[:, 0], self.values[:, -1])
        return square - 2 * over + (self.values[:, -1] - inside) + np.abs(y - inside)
