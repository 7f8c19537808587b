"""What a predictor says of a table of places beyond the map's variables: means alone, and any
quantile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from icemap.ensemble.mixture import mix, pooled_means
from icemap.ensemble.predictive import check_coverage, check_probabilities
from icemap.mapping.broadcast import Predictor
from icemap.mapping.chunk import mean_and_spread
from icemap.mapping.compiled_ensemble import BATCH

Array = NDArray[np.float64]

#: Levels at which a distribution is kept: even steps, and finer ones in the tails.
_TAIL = np.array([0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04])
LEVELS = np.concatenate([_TAIL, np.linspace(0.05, 0.95, 91), 1 - _TAIL[::-1]])


def predict_means(predictor: Predictor, X: Array, vectors: Array | None = None) -> Array:
    """Mean at places, (n,): bit for bit that of the map.

    Parameters
    ----------
    predictor : Predictor
    X : ndarray of shape (n, predictors)
    vectors : ndarray of shape (n, 3), optional
        Unit vectors of the places; without them they are far from every sample.
    """
    compiled, parts = predictor.compiled, []
    for start in range(0, len(X), BATCH):
        rows = X[start : start + BATCH]
        padded, where = compiled.whole_packets(rows, _rows(vectors, start))
        codes, design, _ = compiled.code(padded)
        F = compiled.predict_members(padded, codes, design)
        partners = compiled.partners(codes, design, where)
        means = pooled_means(mix(F, compiled.mixture), compiled.mixture, partners)
        parts.append(mean_and_spread(means)[0][: len(rows)])
    return np.concatenate(parts) if parts else np.empty(0)


def predict_quantiles(
    predictor: Predictor, X: Array, q: ArrayLike, vectors: Array | None = None
) -> Array:
    """Calibrated quantiles (n, k) at places; of 2.5 and 97.5 % they are the bounds of the map.

    Parameters
    ----------
    predictor : Predictor
    X : ndarray of shape (n, predictors)
    q : array_like of shape (k,)
        Probabilities.
    vectors : ndarray of shape (n, 3), optional
        Unit vectors of the places; without them they are far from every sample.
    """
    compiled, calibration = predictor.compiled, predictor.calibration
    levels, parts = check_probabilities(q), []
    low, high = float(compiled.mixture.x[0]), float(compiled.mixture.x[-1])
    for start in range(0, len(X), BATCH):
        rows = X[start : start + BATCH]
        padded, where = compiled.whole_packets(rows, _rows(vectors, start))
        codes, design, _ = compiled.code(padded)
        F = compiled.predict_members(padded, codes, design)
        partners = compiled.partners(codes, design, where)
        at = calibration.levels(levels)
        means, found, _ = compiled.pool(F, partners, at)
        if compiled.published:
            found = np.quantile(
                means.astype(np.float64), levels, axis=0, method="median_unbiased"
            ).T
        found = _widened(mean_and_spread(means)[0], found, levels, calibration.nugget)
        parts.append(np.clip(found, low, high)[: len(rows)])
    return np.concatenate(parts) if parts else np.empty((0, len(levels)))


def _rows(vectors: Array | None, start: int) -> Array | None:
    return None if vectors is None else vectors[start : start + BATCH]


def _widened(mean: Array, quantiles: Array, levels: Array, nugget: float) -> Array:
    """As `icemap.verification.calibration.Calibration.widened`, for any levels (k,)."""
    if nugget == 0:
        return quantiles
    z = special.ndtri(np.clip(levels, 1e-12, 1 - 1e-12))
    away = np.divide(quantiles - mean[:, None], z, out=np.zeros_like(quantiles), where=z != 0)
    return np.where(z == 0, quantiles, mean[:, None] + z * np.hypot(away, nugget))


@dataclass(frozen=True, eq=False)
class Distribution:
    """Predictive distributions of n places, as quantiles at the same levels; straight lines between
    them.

    Attributes
    ----------
    mean : ndarray of shape (n,)
    levels : ndarray of shape (k,)
    quantiles : ndarray of shape (n, k)

    Examples
    --------
    >>> one = Distribution(np.array([5.0]), np.array([0.0, 1.0]), np.array([[0.0, 10.0]]))
    >>> one.cdf(2.5), one.ppf([0.1, 0.9]), one.interval(0.8)
    (array([0.25]), array([[1., 9.]]), array([[1., 9.]]))
    """

    mean: Array
    levels: Array
    quantiles: Array

    def __len__(self) -> int:
        return len(self.mean)

    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles (n, k) at probabilities (k,); beyond the outer levels, those of them."""
        at = check_probabilities(q)
        return np.stack([np.interp(at, self.levels, row) for row in self.quantiles])

    def interval(self, coverage: float = 0.95) -> Array:
        """Central interval, (n, 2)."""
        tail = (1.0 - check_coverage(coverage)) / 2.0
        return self.ppf([tail, 1.0 - tail])

    def cdf(self, y: ArrayLike) -> Array:
        """P(Y <= y), (n,); y is one value or one per place."""
        values = np.broadcast_to(np.asarray(y, dtype=np.float64), (len(self),))
        right = np.array(
            [np.interp(v, row, self.levels) for v, row in zip(values, self.quantiles, strict=True)]
        )
        outer = np.where(values < self.quantiles[:, 0], 0.0, right)
        return np.where(values >= self.quantiles[:, -1], 1.0, outer)

    def sample(self, size: int, seed: int = 0) -> Array:
        """Draws, (n, size)."""
        drawn = np.random.default_rng(seed).random((len(self), size))
        return np.stack(
            [np.interp(u, self.levels, row) for u, row in zip(drawn, self.quantiles, strict=True)]
        )
