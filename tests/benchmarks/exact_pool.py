"""The pool worked out place by place from its definition, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from icemap import CopulaBMA
    from icemap.ensemble.pool_parts import Partners


def exact_means(bmas: Sequence[CopulaBMA], F: np.ndarray, partners: Partners | None) -> np.ndarray:
    """Means of the replicates (replicates, n): of each COP-BMA, all moved by the same amount to the
    weighted mean of the parts.
    """
    own = np.array([bma.predict(f) for bma, f in zip(bmas, F, strict=True)])
    if partners is None:
        return own
    pooled = partners.shares.bma * own.mean(axis=0) + partners.means()
    return own + pooled - own.mean(axis=0)


def exact_quantiles(
    bmas: Sequence[CopulaBMA],
    F: np.ndarray,
    levels: np.ndarray,
    partners: Partners | None,
    bounds: tuple[float, float] = (0.0, 100.0),
    steps: int = 20,
) -> np.ndarray:
    """Quantiles (n, k) at levels (k,): the exact mixture of the COP-BMAs inverted by bisection,
    averaged with those of the other parts.
    """
    low, high = (np.full((F[0].shape[0], len(levels)), float(end)) for end in bounds)
    for _ in range(steps):
        middle = 0.5 * (low + high)
        for k in range(len(levels)):
            at = [bma.cdf(f, middle[:, k]) for bma, f in zip(bmas, F, strict=True)]
            below = np.mean(at, axis=0) < levels[k]
            low[:, k] = np.where(below, middle[:, k], low[:, k])
            high[:, k] = np.where(below, high[:, k], middle[:, k])
    own = 0.5 * (low + high)
    return own if partners is None else partners.shares.bma * own + partners.quantiles(levels)
