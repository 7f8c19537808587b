"""How wide the predictive distribution is depends on how unlike the training sites a place is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from icemap.json_records import CalibrationRecord
from icemap.verification.confidence import Confidence, confident_levels
from icemap.verification.conformal import ConformalPIT
from icemap.verification.interval_scope import NORMAL_95, IntervalScope

Array = NDArray[np.float64]

# Rows' worth of belief in the mixture as it is. A few hundred clustered sites are worth far fewer
# independent ones: spread and levels fitted to them alone err more than the mixture does.
_PRIOR_ROWS = 200
# Half of the evidence that there is in the mean where the mixture is right (choice): all of it
# would leave a mixture that is too narrow as it is where sites are few.
_CHANCE = 1.0
# The transform is tabulated: steps of the logarithm of the dissimilarity.
_STEPS = 256


@dataclass(frozen=True)
class LocalSpread:
    """Symmetric beta transform of the predictive distribution, G -> B_aa(G), with log a linear in
    the logarithm of the dissimilarity.

    Below 1, a widens the distribution, above 1 it narrows it; the median stays. (Beta transforms:
    Gneiting & Ranjan 2013, doi:10.1214/13-EJS823.)

    Attributes
    ----------
    intercept, slope : float
        log a = intercept + slope * (log d - middle).
    lowest, middle, highest : float
        Of log d in the fit; places beyond have the a of its ends.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> d = rng.uniform(0.1, 1.0, 2000)
    >>> pit = rng.beta(0.6 / d**0.5, 0.6 / d**0.5)  # too narrow where sites are unlike
    >>> spread = LocalSpread.fit(pit, d)
    >>> bool(spread.shape(0.1)[()] > 1.2), bool(spread.shape(1.0)[()] < 0.8)
    (True, True)
    """

    intercept: float
    slope: float
    lowest: float
    middle: float
    highest: float

    @classmethod
    def fit(cls, pit: ArrayLike, dissimilarity: ArrayLike) -> Self:
        """Maximum likelihood of PITs (n,) of left-out samples, given how unlike the rest each of
        them is (n,); held near none where there are few.
        """
        logs, edge = _log(dissimilarity), _edge(pit)
        lowest, middle, highest = np.quantile(logs, [0.02, 0.5, 0.98])
        x = np.clip(logs, lowest, highest) - middle

        def loss(parameters: Array) -> tuple[float, Array]:
            a = np.exp(parameters[0] + parameters[1] * x)
            # The prior rows are uniform PITs, for which log G + log(1 - G) is -2 in the mean.
            value = (
                (a - 1) * edge
                + _PRIOR_ROWS / len(x) * (a - 1) * -2
                - (1 + _PRIOR_ROWS / len(x)) * special.betaln(a, a)
            )
            by_a = (
                edge
                - 2 * _PRIOR_ROWS / len(x)
                - (1 + _PRIOR_ROWS / len(x)) * 2 * (special.digamma(a) - special.digamma(2 * a))
            )
            return -float(value.sum()), -np.array([(by_a * a).sum(), (by_a * a * x).sum()])

        found = optimize.minimize(
            loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-1.0, 1.0)] * 2
        )
        return cls(
            float(found.x[0]), float(found.x[1]), float(lowest), float(middle), float(highest)
        )

    def shape(self, dissimilarity: ArrayLike) -> Array:
        """The parameter a at places, the shape of ``dissimilarity``."""
        return np.exp(self.intercept + self.slope * self._away(dissimilarity))

    def believed(self, pit: ArrayLike, dissimilarity: ArrayLike, blocks: ArrayLike) -> float:
        """How much of what was found is more than chance, 0 to 1: 1 - 1 / W, after James & Stein
        (1961, Proc. 4th Berkeley Symp. 1:361).

        W is the slope of the likelihood where nothing is transformed, squared and in units of its
        covariance from block to block; it is 2 in the mean where the distribution is right.

        Parameters
        ----------
        pit, dissimilarity : array_like of shape (n,)
            That the transform was fitted to.
        blocks : array_like of shape (n,)
            Samples of one block are not independent.
        """
        slopes = _edge(pit) + 2
        block = np.unique(np.asarray(blocks), return_inverse=True)[1]
        each = [np.bincount(block, s) for s in (slopes, slopes * self._away(dissimilarity))]
        sums = np.column_stack(each)
        if (count := len(sums)) < 2:
            return 0.0
        covariance = sums.T @ sums * count / (count - 1)
        total = sums.sum(axis=0)
        evidence = float(total @ np.linalg.pinv(covariance, hermitian=True) @ total)
        return max(0.0, 1 - _CHANCE / evidence) if evidence > 0 else 0.0

    def _away(self, dissimilarity: ArrayLike) -> Array:
        return np.clip(_log(dissimilarity), self.lowest, self.highest) - self.middle

    def transform(self, pit: ArrayLike, dissimilarity: ArrayLike) -> Array:
        """PITs of the transformed distribution, (n,)."""
        a = self.shape(dissimilarity)
        return np.asarray(special.betainc(a, a, np.asarray(pit, dtype=np.float64)))


@dataclass(frozen=True)
class Calibration:
    """The 95 % interval of the map: local spread, then PIT levels, both shrunk towards the mixture
    as it is.

    This is shrinkage, not conformal calibration: 200 rows of uniform PITs, which say that the
    mixture is right, are added to the n real ones, both in the fit of the spread and for the
    levels, so that their weight is 200 / (n + 200) and falls with n; and of what is found only as
    much is made as spatial blocks of the samples tell from chance, see `LocalSpread.believed`.
    There is no finite-sample guarantee: a mixture that is much too narrow stays too narrow in part
    where there are few sites. In return a mixture that is right is hardly disturbed by the chance
    of few sites. `ConformalPIT` alone, without invented rows, is the conformal interval.

    Attributes
    ----------
    spread : LocalSpread
    levels95 : (float, float)
        PIT levels of the interval under the transformed distribution.
    nugget : float
        Standard deviation of a new borehole about the mean of its cell, by which the interval is
        widened; 0 for an interval of the cell's mean.
    confidence : float
        With which the coverage holds; 0 where none was asked for, and it holds in the mean.
    stretch : float
        How many times as far apart, in normal scores, the levels are as without a confidence.

    Examples
    --------
    >>> pit, d = np.linspace(0.001, 0.999, 999), np.tile([0.2, 0.4, 0.8],
    ...     333)  # calibrated everywhere
    >>> bool(np.abs(Calibration.fit(pit, d).levels([0.3]) - [0.025, 0.975]).max() < 0.01)
    True
    """

    spread: LocalSpread
    levels95: tuple[float, float]
    nugget: float = 0.0
    confidence: float = 0.0
    stretch: float = 1.0

    @classmethod
    def fit(
        cls,
        pit: ArrayLike,
        dissimilarity: ArrayLike,
        nugget: float = 0.0,
        confidence: Confidence | None = None,
        blocks: ArrayLike | None = None,
    ) -> Self:
        """Fit to PITs (n,) of left-out samples under kNNDM folds and their dissimilarity to the
        sites of the other folds (n,).

        Parameters
        ----------
        pit : array_like of shape (n,)
            Of left-out samples under kNNDM folds, 0 to 1.
        dissimilarity : array_like of shape (n,)
            To the sites of the other folds.
        nugget : float
            Spread of boreholes about the mean of their cell that the samples do not have, in units
            of the target.
        confidence : Confidence, optional
            With which the interval is to cover 95 %; without it, it does so in the mean.
        blocks : array_like of shape (n,), optional
            Spatial block of each sample; without them every sample is one of its own.
        """
        spread = LocalSpread.fit(pit, dissimilarity)
        block = np.arange(np.size(pit)) if blocks is None else blocks
        share = spread.believed(pit, dissimilarity, block)
        spread = replace(spread, intercept=share * spread.intercept, slope=share * spread.slope)
        believed = (np.arange(_PRIOR_ROWS) + 0.5) / _PRIOR_ROWS
        transformed = spread.transform(pit, dissimilarity)
        found = ConformalPIT().fit(np.concatenate([transformed, believed])).levels(0.95)
        scores = share * special.ndtri(found) + (1 - share) * NORMAL_95 * np.array([-1.0, 1.0])
        low, high = special.ndtr(scores)
        levels = float(low), float(high)
        if confidence is None:
            return cls(spread, levels, nugget)
        sure = confident_levels(transformed, believed, confidence)
        stretch = np.diff(special.ndtri(sure.levels)) / np.diff(special.ndtri(levels))
        return cls(spread, sure.levels, nugget, sure.reached, float(stretch[0]))

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
        >>> none = Calibration(LocalSpread(0.0, 0.0, 0.0, 0.0, 0.0), (0.025, 0.975),
        ...     nugget=4 / 1.959964)
        >>> none.widened(np.array([50.0]), np.array([[47.0, 53.0]]), 0.0, 100.0).round(3)
        array([[45., 55.]])
        """
        if self.nugget == 0:
            return interval
        away = (interval - mean[:, None]) / NORMAL_95
        ends = mean[:, None] + NORMAL_95 * np.array([-1.0, 1.0]) * np.hypot(away, self.nugget)
        return np.clip(ends, low, high)

    def levels(self, dissimilarity: ArrayLike) -> Array:
        """PIT levels of the 95 % interval under the mixture itself at places (n,), shape (n, 2)."""
        return self._of_transformed(dissimilarity, np.array(self.levels95))

    def levels_at(self, dissimilarity: ArrayLike, probabilities: ArrayLike) -> Array:
        """PIT levels under the mixture itself of any probabilities (k,) at places (n,), shape (n,
        k).

        The median stays; on either side of it the conformal level of the 95 % interval says by how
        much normal scores are stretched.

        Examples
        --------
        >>> wider = Calibration(LocalSpread(0.0, 0.0, 0.0, 0.0, 0.0), (0.01, 0.975))
        >>> wider.levels_at([0.3], [0.025, 0.5, 0.975]).round(6).tolist()
        [[0.01, 0.5, 0.975]]
        """
        scores = special.ndtri(np.asarray(probabilities, dtype=np.float64))
        below, above = special.ndtri(np.array(self.levels95)) / [-NORMAL_95, NORMAL_95]
        stretched = np.where(scores == 0, 0.0, scores * np.where(scores < 0, below, above))
        return self._of_transformed(dissimilarity, special.ndtr(stretched))

    def _of_transformed(self, dissimilarity: ArrayLike, levels: Array) -> Array:
        """Levels (k,) under the transformed distribution as those under the mixture, (n, k)."""
        spread = self.spread
        steps = np.linspace(spread.lowest, spread.highest, _STEPS)
        a = spread.shape(np.exp(steps))[:, None]
        table = special.betaincinv(a, a, levels)
        logs = _log(dissimilarity)
        return np.column_stack([np.interp(logs, steps, column) for column in table.T])

    def to_dict(self) -> CalibrationRecord:
        """Plain numbers, for JSON."""
        spread = self.spread
        content: CalibrationRecord = {
            "spread": {
                "intercept": spread.intercept,
                "slope": spread.slope,
                "lowest": spread.lowest,
                "middle": spread.middle,
                "highest": spread.highest,
            },
            "levels95": self.levels95,
        }
        if self.nugget:
            content["nugget"] = self.nugget
        if self.confidence:
            content["confidence"] = self.confidence
            content["stretch"] = self.stretch
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`."""
        low, high = content["levels95"]
        return cls(
            LocalSpread(**content["spread"]),
            (float(low), float(high)),
            float(content.get("nugget", 0.0)),
            float(content.get("confidence", 0.0)),
            float(content.get("stretch", 1.0)),
        )


#: The interval as the ensemble gives it.
NOT_CALIBRATED = Calibration(LocalSpread(0.0, 0.0, 0.0, 0.0, 0.0), (0.025, 0.975))


def _edge(pit: ArrayLike) -> Array:
    """How near PITs are to their ends, -2 in the mean of even ones."""
    levels = np.clip(np.asarray(pit, dtype=np.float64), 1e-4, 1 - 1e-4)
    return np.log(levels) + np.log1p(-levels)


def _log(dissimilarity: ArrayLike) -> Array:
    return np.log(np.maximum(np.asarray(dissimilarity, dtype=np.float64), 1e-6))
