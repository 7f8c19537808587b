"""How the pool is shared out among its parts, how small the leaves of its forest are, and how much
of it is climatology: chosen by spatial folds of the training side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.fit_parts import condition_process, grow_forest, process_kernel
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.gaussian_process import ProcessKernel
from icemap.ensemble.pool_parts import Shares
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.quantile_forest import MIN_LEAF
from icemap.ensemble.replicates import BLOCK_HALVINGS, TrainingOptions, TrainingTable, bma_of
from icemap.ensemble.target import TargetScale

Array = NDArray[np.float64]
_MIN_BLOCKS = 8
# A third of the forest of the map: the evidence moves by some 0.15 (eighteen tables of 90 and 300
# rows), as with another seed.
_TREES = 100
# Levels whose quantile scores add up to the CRPS.
_LEVELS = (np.arange(100) + 0.5) / 100
# Steps of a share, of which the best are found.
_STEPS = 10
#: Sites of the forest's smallest leaf, and of the smaller one that is taken where it is better by a
#: standard error: it follows a target that the predictors explain well, and overfits another.
FOREST_LEAVES = (MIN_LEAF, 2)
#: Rows' worth of belief in equal shares (choice, made on the real targets of
#: docs/explanation/statistics.md): with less, chance in the folds cost more than it gained.
EQUAL_ROWS = 300.0
#: Standard errors by which the pool must be better than climatology to stand alone.
MAX_EVIDENCE = 2.0


@dataclass(frozen=True, eq=False)
class PoolScores:
    """CRPS of each left-out row under the pool and under climatology.

    Attributes
    ----------
    pool, climatology : (n,) ndarray
        In units of the target.
    weight : (n,) ndarray
        How much each row counts.
    cluster : (n,) ndarray
        Rows of one spatial block are not independent.
    """

    pool: Array
    climatology: Array
    weight: Array
    cluster: NDArray[np.int64]

    def means(self) -> tuple[float, float]:
        """Weighted mean CRPS of the pool and of climatology."""
        pool = float(np.average(self.pool, weights=self.weight))
        return pool, float(np.average(self.climatology, weights=self.weight))

    @property
    def evidence(self) -> float:
        """By how many standard errors the pool is better than climatology."""
        return evidence(self.climatology - self.pool, self.weight, self.cluster)

    @property
    def share(self) -> float:
        """Share of climatology (choice): all of the pool where it is better by less than one
        standard error, none from two on.

        The share with the smallest CRPS would be fitted to the same chance as the members: on noise
        of sixty samples it is none in every third case, and the pool worse than climatology.
        """
        return float(np.clip(MAX_EVIDENCE - self.evidence, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class LeftOutParts:
    """What each part of the pool says of rows that it was not fitted to.

    Attributes
    ----------
    parts : (parts, n, levels) ndarray
        Quantiles of COP-BMA, of the forest and, where there is one, of the process, in units of the
        target.
    climatology : (n, levels) ndarray
        Quantiles of the samples that the parts were fitted to.
    y, weight : (n,) ndarray
    cluster : (n,) ndarray
        Spatial block of each row.
    forest_leaf : int
        Smallest leaf of the forest that is among the parts.
    forest_crps : mapping of int to float
        Of the forest by its smallest leaf.
    kernel : ProcessKernel or None
        Of the process, found from all rows.
    """

    parts: Array
    climatology: Array
    y: Array
    weight: Array
    cluster: NDArray[np.int64]
    forest_leaf: int = MIN_LEAF
    forest_crps: Mapping[int, float] = field(default_factory=dict)
    kernel: ProcessKernel | None = None

    def shares(self) -> Shares:
        """Shares of the smallest CRPS, drawn towards equal ones."""
        count = len(self.parts)
        whole = [w for w in product(range(_STEPS + 1), repeat=count) if sum(w) == _STEPS]
        tried = [np.full(count, 1 / count), *(np.array(w) / _STEPS for w in whole)]
        scores = [np.average(_crps(self.y, self._pooled(w)), weights=self.weight) for w in tried]
        best = tried[int(np.argmin(scores))]
        rows = len(self.y)
        drawn = (rows * best + EQUAL_ROWS / count) / (rows + EQUAL_ROWS)
        bma, forest, *process = (float(share) for share in drawn)
        return Shares(bma, forest, process[0] if process else 0.0)

    def scores(self, shares: Shares) -> PoolScores:
        """Scores of a pool with these shares, and of climatology."""
        weights = np.array([shares.bma, shares.forest, shares.process])[: len(self.parts)]
        pool, climatology = (
            _crps(self.y, quantiles) for quantiles in (self._pooled(weights), self.climatology)
        )
        return PoolScores(pool, climatology, self.weight, self.cluster)

    def _pooled(self, weights: Array) -> Array:
        return np.tensordot(weights, self.parts, axes=1)


def _crps(y: Array, quantiles: Array) -> Array:
    away = y[:, None] - quantiles
    return 2 * np.maximum(_LEVELS * away, (_LEVELS - 1) * away).mean(axis=1)


def evidence(gain: Array, weight: Array, cluster: NDArray[np.int64]) -> float:
    """Weighted mean of the gain of rows (n,) in its standard errors.

    The error is that of the mean of clusters, of which a few dozen are worth far fewer rows than
    they hold.
    """
    mean = float(np.average(gain, weights=weight))
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weight * (gain - mean))
    count = len(sums)
    if count < 2:
        return 0.0
    error = np.sqrt(float(sums @ sums) * count / (count - 1)) / weight.sum()
    return mean / float(error) if error > 0 else 0.0


def left_out_parts(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    F: Array,
    folds: NDArray[np.int64],
    seed: int,
    leaves: Sequence[int] = FOREST_LEAVES,
) -> LeftOutParts:
    """Fit the parts of the pool without each fold in turn, and have them predict its boreholes.

    The kernels of the process are found once, of all rows: five numbers tell little of one fold.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
    F : (n, members + 1) ndarray
        Out-of-fold predictions of members and consensus.
    folds : (n,) ndarray
        Spatial folds.
    seed : int
    leaves : sequence of int
        Sites of the smallest leaf of the forests that are compared, the largest first.
    """
    scale = TargetScale.fit(table.y, options.bounds)
    kernel = process_kernel(table, options, coding, seed)
    count = 2 if kernel is None else 3
    parts = np.empty((count, len(table), len(_LEVELS)))
    climatology = np.empty((len(table), len(_LEVELS)))
    forests = {leaf: np.empty((len(table), len(_LEVELS))) for leaf in leaves}
    for fold in np.unique(folds):
        test = folds == fold
        training, left_out = table.take(~test), table.take(test)
        fitted = training.without_error(scale.inverse(F[~test, -1]))
        bma = bma_of(options).fit(F[~test], fitted.y, sample_weight=training.weight)
        parts[0, test] = PooledMixture([bma]).quantile(F[test][None], _LEVELS)
        for leaf, quantiles in forests.items():
            grown = replace(options, forest_leaf=leaf)
            forest, _ = grow_forest(training, grown, coding, seed, _TREES)
            quantiles[test] = forest.at(coding.codes(left_out.X)).quantiles(_LEVELS)
        if kernel is not None:
            process = condition_process(training, options, coding, kernel)
            design = coding.without_position().design(left_out.X)
            kriged = process.at(design, left_out.vectors)
            parts[2, test] = kriged.quantiles(_LEVELS)
        climatology[test] = bma.target_margin_.ppf(_LEVELS)
    here = table.drilled
    scored = table.take(here)
    blocks = blocks_of(scored, options.block_degrees)
    crps = {leaf: _crps(scored.y, quantiles[here]) for leaf, quantiles in forests.items()}
    leaf, *smaller = leaves
    for other in smaller:
        if evidence(crps[leaf] - crps[other], scored.weight, blocks) > 1:
            leaf = other
    parts[1] = forests[leaf]
    return LeftOutParts(
        parts[:, here],
        climatology[here],
        scored.y,
        scored.weight,
        blocks,
        leaf,
        {leaf: float(np.average(rows, weights=scored.weight)) for leaf, rows in crps.items()},
        kernel,
    )


def blocks_of(table: TrainingTable, degrees: float) -> NDArray[np.int64]:
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
