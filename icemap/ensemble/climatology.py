"""How much of the pool is climatology: chosen by spatial folds of the training side, none where the
rest earns it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.curves import integral_from, integral_of_product
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.quantile_forest import SHARE
from icemap.ensemble.replicates import (
    BLOCK_HALVINGS,
    TrainingOptions,
    TrainingTable,
    bma_of,
    grow_forest,
)
from icemap.ensemble.target import TargetScale

Array = NDArray[np.float64]
# Values of the target at which distributions are compared.
_NODES = 400
_MIN_BLOCKS = 8
# A third of the forest of the map: the evidence moves by some 0.15 (eighteen tables of 90 and 300
# rows), as with another seed.
_TREES = 100
#: Standard errors by which the pool must be better than climatology to stand alone.
MAX_EVIDENCE = 2.0


@dataclass(frozen=True, eq=False)
class PoolScores:
    """Of each left-out row, the parts of the CRPS of a pool with any share of climatology.

    Attributes
    ----------
    pool, climatology : (n,) ndarray
        CRPS of the pool without climatology, and of climatology, in units of the target.
    cross : (n,) ndarray
        Integral of the product of their errors.
    weight : (n,) ndarray
        How much each row counts.
    cluster : (n,) ndarray
        Rows of one spatial block are not independent.
    """

    pool: Array
    climatology: Array
    cross: Array
    weight: Array
    cluster: NDArray[np.int64]

    def crps(self, share: float) -> float:
        """Weighted mean CRPS of the pool with this share of climatology."""
        parts = (1 - share) ** 2 * self.pool + 2 * share * (1 - share) * self.cross
        return float(np.average(parts + share**2 * self.climatology, weights=self.weight))

    @property
    def evidence(self) -> float:
        """By how many standard errors the pool is better than climatology.

        The error is that of the mean of clusters, of which a few dozen are worth far fewer rows
        than they hold.
        """
        gain = self.climatology - self.pool
        mean = float(np.average(gain, weights=self.weight))
        cluster = np.unique(self.cluster, return_inverse=True)[1]
        sums = np.bincount(cluster, self.weight * (gain - mean))
        count = len(sums)
        if count < 2:
            return 0.0
        error = np.sqrt(float(sums @ sums) * count / (count - 1)) / self.weight.sum()
        return mean / float(error) if error > 0 else 0.0

    @property
    def share(self) -> float:
        """Share of climatology (choice): all of the pool where it is better by less than one
        standard error, none from two on.

        The share with the smallest CRPS would be fitted to the same chance as the members: on noise
        of sixty samples it is none in every third case, and the pool worse than climatology.
        """
        return float(np.clip(MAX_EVIDENCE - self.evidence, 0.0, 1.0))


def climatology_scores(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    F: Array,
    folds: NDArray[np.int64],
    seed: int,
) -> PoolScores:
    """Scores of pool and climatology for rows left out, fold by fold.

    Parameters
    ----------
    F : (n, members + 1) ndarray
        Out-of-fold predictions of members and consensus.
    folds : (n,) ndarray
        Spatial folds.
    """
    scale = TargetScale.fit(table.y, options.bounds)
    pool, climatology, cross = (np.empty(len(table)) for _ in range(3))
    for fold in np.unique(folds):
        test = folds == fold
        training, left_out = table.take(~test), table.take(test)
        fitted = training.without_error(scale.inverse(F[~test, -1]))
        bma = bma_of(options).fit(F[~test], fitted.y, sample_weight=training.weight)
        forest, everywhere = grow_forest(training, options, coding, seed, _TREES)
        x = _values(forest.x, table.y, options.bounds)
        G = (1 - SHARE) * bma.distribution(F[test], x) + SHARE * forest.at(
            coding.codes(left_out.X)
        ).at_values(x)
        of_forest = np.interp(x, forest.x, everywhere, left=0.0, right=1.0)
        C = (1 - SHARE) * np.asarray(bma.target_margin_.cdf(x)) + SHARE * of_forest
        # Everywhere the same.
        C = np.broadcast_to(C, G.shape)
        y, beyond = left_out.y, x[-1] - left_out.y
        of_pool, of_climatology = integral_from(G, x, y), integral_from(C, x, y)
        pool[test] = integral_of_product(G, G, x) - 2 * of_pool + beyond
        climatology[test] = integral_of_product(C, C, x) - 2 * of_climatology + beyond
        cross[test] = integral_of_product(G, C, x) - of_pool - of_climatology + beyond
    blocks = _blocks(table, options.block_degrees)
    return PoolScores(pool, climatology, cross, table.weight, blocks)


def _blocks(table: TrainingTable, degrees: float) -> NDArray[np.int64]:
    """Spatial blocks, smaller than asked for where there are too few of them for a standard
    error.
    """
    if not table.placed:
        return table.cell
    for halvings in range(BLOCK_HALVINGS + 1):
        blocks = spatial_blocks(table.longitude, table.latitude, degrees / 2**halvings)
        if len(np.unique(blocks)) >= _MIN_BLOCKS:
            break
    return blocks


def _values(nodes: Array, y: Array, bounds: tuple[float, float] | None) -> Array:
    """Values from end to end of what either distribution holds possible."""
    low, high = bounds if bounds is not None else (2 * y.min() - y.mean(), 2 * y.max() - y.mean())
    return np.unique(np.concatenate([np.linspace(low, high, _NODES), nodes]))
