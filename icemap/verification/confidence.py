"""How far the levels of an interval must be apart for a coverage that holds with confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from icemap.verification.conformal import ConformalPIT
from icemap.verification.coverage import BlockDraws

Array = NDArray[np.float64]

# Closest that a level comes to 0 and 1.
EDGE = 1e-6
# Of the interval.
COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class Confidence:
    """What is asked for: an interval that covers what it says with this probability, over networks
    of boreholes.

    Attributes
    ----------
    level : float
        Between 0 and 1.
    blocks : ndarray of shape (n,)
        Spatial block of each sample: samples of one are hit or missed together.
    seed : int
        Of the resampling of blocks.
    """

    level: float
    blocks: NDArray[np.object_] | NDArray[np.int64]
    seed: int

    def of(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Confidence:
        """Of some of the samples."""
        return Confidence(self.level, self.blocks[rows], self.seed)


@dataclass(frozen=True)
class ConfidentLevels:
    """Levels of an interval, and how sure its coverage is.

    Attributes
    ----------
    levels : (float, float)
    reached : float
        The confidence that they have: less than was asked for where there are too few samples.
    """

    levels: tuple[float, float]
    reached: float


def least_samples(level: float) -> int:
    """Independent samples without which no interval inside of what they span has the confidence.

    Parameters
    ----------
    level : float
        The confidence, 0 to 1.

    Examples
    --------
    >>> least_samples(0.9)
    45
    """
    return int(np.ceil(np.log1p(-level) / np.log(COVERAGE)))


def confident_levels(pit: Array, believed: Array, confidence: Confidence) -> ConfidentLevels:
    """The narrowest levels at which the real rows alone tell of the coverage with confidence.

    The pairs that are looked at are those of a conformal interval with ever more coverage. How
    sure one is: the tolerance interval of order statistics, and where there are 8 spatial blocks
    the share of their resamplings that have the coverage, whichever is less. Invented rows place
    the levels, but are no evidence.

    Parameters
    ----------
    pit : ndarray of shape (n,)
        Of left-out samples.
    believed : ndarray
        Rows that are put to them where the levels are looked for.
    confidence : Confidence

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> apart = Confidence(0.9, np.arange(300), 0)
    >>> found = confident_levels(rng.random(300), np.empty(0), apart)
    >>> low, high = found.levels
    >>> bool(high - low > 0.95), found.reached >= 0.9
    (True, True)
    """
    # A level of 0 or 1 would be a bound at infinity.
    pit = np.clip(pit, EDGE, 1 - EDGE)
    rows = ConformalPIT().fit(np.concatenate([pit, believed]))
    draws = BlockDraws.of(confidence.blocks, confidence.seed)
    count = len(pit) + len(believed) + 1
    best = ConfidentLevels(rows.levels(COVERAGE), 0.0)
    for outside in range(int((1 - COVERAGE) / 2 * count), 0, -1):
        low, high = rows.levels(1 - 2 * outside / count)
        # One of the two ends is a row of its own.
        inside = (pit > low) & (pit <= high)
        reached = float(stats.beta.sf(COVERAGE, inside.sum(), (~inside).sum() + 1))
        if len(draws.size):
            shares = draws.times @ np.bincount(draws.block, inside.astype(float)) / draws.size
            reached = min(reached, float((shares >= COVERAGE).mean()))
        if reached > best.reached:
            best = ConfidentLevels((low, high), reached)
        if reached >= confidence.level:
            break
    return best
