"""The 95 % interval of the map, corrected by the PITs of left-out samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from icemap.errors import IcemapError
from icemap.json_records import CalibrationRecord
from icemap.verification.confidence import Confidence, confident_levels
from icemap.verification.conformal import ConformalPIT
from icemap.verification.interval_scope import NORMAL_95, IntervalScope

Array = NDArray[np.float64]

# Rows' worth of belief in the pool as it is. Some hundred clustered sites are worth far fewer
# independent ones: levels of them alone err more than the pool does.
_PRIOR_ROWS = 100
# All of the evidence that there is in the mean where the pool is right. Twice as much would leave a
# pool that is too narrow as it is where sites are few (choice).
_CHANCE = 1.0


@dataclass(frozen=True)
class Calibration:
    """The 95 % interval of the map: PIT levels, shrunk towards those of the pool as it is.

    This is shrinkage, not conformal calibration: 100 rows of uniform PITs, which say that the pool
    is right, are added to the n real ones, so that their weight is 100 / (n + 100) and falls with
    n; and of what is found only as much is made as spatial blocks of the samples tell from chance,
    see `believed`. There is no finite-sample guarantee: a pool that is much too narrow stays too
    narrow in part where there are few sites. In return a pool that is right is hardly disturbed by
    the chance of few sites. `ConformalPIT` alone, without invented rows, is the conformal interval.

    The levels are the same everywhere: that an interval is wider far from the sites is left to the
    parts of the pool, of which the Gaussian process knows where they are.

    Attributes
    ----------
    levels95 : (float, float)
        PIT levels of the interval under the pool.
    nugget : float
        Standard deviation of a new borehole about the mean of its cell, by which the interval is
        widened; 0 for an interval of the cell's mean.
    confidence : float
        With which the coverage holds; 0 where none was asked for, and it holds in the mean.
    stretch : float
        How many times as far apart, in normal scores, the levels are as without a confidence.

    Examples
    --------
    >>> even = np.linspace(0.001, 0.999, 999)
    >>> Calibration.fit(even).levels95
    (0.025, 0.975)
    """

    levels95: tuple[float, float]
    nugget: float = 0.0
    confidence: float = 0.0
    stretch: float = 1.0

    @classmethod
    def fit(
        cls,
        pit: ArrayLike,
        nugget: float = 0.0,
        confidence: Confidence | None = None,
        blocks: ArrayLike | None = None,
    ) -> Self:
        """Fit to PITs of left-out samples under kNNDM folds.

        Parameters
        ----------
        pit : array_like of shape (n,)
            0 to 1.
        nugget : float
            Spread of boreholes about the mean of their cell that the samples do not have, in units
            of the target.
        confidence : Confidence, optional
            With which the interval is to cover 95 %; without it, it does so in the mean.
        blocks : array_like of shape (n,), optional
            Spatial block of each sample; without them every sample is one of its own.
        """
        found = np.asarray(pit, dtype=np.float64)
        share = believed(found, np.arange(found.size) if blocks is None else blocks)
        even = (np.arange(_PRIOR_ROWS) + 0.5) / _PRIOR_ROWS
        ends = special.ndtri(ConformalPIT().fit(np.concatenate([found, even])).levels(0.95))
        scores = share * ends + (1 - share) * NORMAL_95 * np.array([-1.0, 1.0])
        low, high = special.ndtr(scores)
        levels = float(low), float(high)
        if confidence is None:
            return cls(levels, nugget)
        sure = confident_levels(found, even, confidence)
        stretch = np.diff(special.ndtri(sure.levels)) / np.diff(special.ndtri(levels))
        return cls(sure.levels, nugget, sure.reached, float(stretch[0]))

    @property
    def scope(self) -> IntervalScope:
        """What its interval holds in addition to the error of the mean of a cell."""
        return IntervalScope(self.nugget, self.stretch)

    def widened(self, mean: Array, interval: Array, low: float, high: float) -> Array:
        """The interval (n, 2) with the nugget, between the lowest and the highest value of the
        target.

        Variances add up: each end moves away from the mean as the ends of a normal distribution
        would.

        Parameters
        ----------
        mean : ndarray of shape (n,)
            In units of the target.
        interval : ndarray of shape (n, 2)
            Lower and upper bound without the nugget.
        low, high : float
            Lowest and highest value of the target.

        Examples
        --------
        >>> none = Calibration((0.025, 0.975), nugget=4 / 1.959964)
        >>> none.widened(np.array([50.0]), np.array([[47.0, 53.0]]), 0.0, 100.0).round(3)
        array([[45., 55.]])
        """
        if self.nugget == 0:
            return interval
        away = (interval - mean[:, None]) / NORMAL_95
        ends = mean[:, None] + NORMAL_95 * np.array([-1.0, 1.0]) * np.hypot(away, self.nugget)
        return np.clip(ends, low, high)

    def levels(self, probabilities: ArrayLike) -> Array:
        """PIT levels under the pool of any probabilities (k,), (k,).

        The median stays; on either side of it the level of the 95 % interval says by how much
        normal scores are stretched.

        Examples
        --------
        >>> Calibration((0.01, 0.975)).levels([0.025, 0.5, 0.975]).round(6).tolist()
        [0.01, 0.5, 0.975]
        """
        scores = special.ndtri(np.asarray(probabilities, dtype=np.float64))
        below, above = special.ndtri(np.array(self.levels95)) / [-NORMAL_95, NORMAL_95]
        stretched = np.where(scores == 0, 0.0, scores * np.where(scores < 0, below, above))
        return np.asarray(special.ndtr(stretched))

    def to_dict(self) -> CalibrationRecord:
        """Plain numbers, for JSON."""
        content: CalibrationRecord = {"levels95": self.levels95}
        if self.nugget:
            content["nugget"] = self.nugget
        if self.confidence:
            content["confidence"] = self.confidence
            content["stretch"] = self.stretch
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`.

        Raises
        ------
        IcemapError
            If an earlier version wrote it, whose levels are not those of the pool.
        """
        if "spread" in content:
            raise IcemapError(
                "The calibration of this ensemble was written by an earlier version of icemap, and"
                " means something else today: delete its calibration.json, and make it again with"
                " 'icemap verify'."
            )
        low, high = content["levels95"]
        return cls(
            (float(low), float(high)),
            float(content.get("nugget", 0.0)),
            float(content.get("confidence", 0.0)),
            float(content.get("stretch", 1.0)),
        )


#: The interval as the ensemble gives it.
NOT_CALIBRATED = Calibration((0.025, 0.975))


def believed(pit: Array, blocks: ArrayLike) -> float:
    """How much of what PITs say of the spread is more than chance, 0 to 1: 1 - 1 / W, after James
    & Stein (1961, Proc. 4th Berkeley Symp. 1:361).

    W is the slope of the likelihood of a symmetric beta distribution of PITs where they are even,
    squared and in units of its variance from block to block; it is 1 in the mean where the spread
    is right.

    Parameters
    ----------
    pit : ndarray of shape (n,)
    blocks : array_like of shape (n,)
        Samples of one block are not independent.

    Examples
    --------
    >>> rng, each = np.random.default_rng(0), np.arange(500)
    >>> round(believed(rng.beta(0.5, 0.5, 500), each), 2), believed((each + 0.5) / 500, each)
    (0.99, 0.0)
    """
    levels = np.clip(pit, 1e-4, 1 - 1e-4)
    # The logarithms add up to -2 in the mean of even PITs.
    slopes = np.log(levels) + np.log1p(-levels) + 2
    sums = np.bincount(np.unique(np.asarray(blocks), return_inverse=True)[1], slopes)
    if (count := len(sums)) < 2:
        return 0.0
    variance = float(sums @ sums) * count / (count - 1)
    evidence = float(sums.sum()) ** 2 / variance if variance > 0 else 0.0
    return max(0.0, 1 - _CHANCE / evidence) if evidence > 0 else 0.0
