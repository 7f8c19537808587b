"""The parts of the pool other than COP-BMA: a quantile forest and a Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.gaussian_process import GaussianProcess, Kriged
from icemap.ensemble.quantile_forest import Leaves, QuantileForest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """Shares of the parts in the pool, which add up to 1.

    Examples
    --------
    >>> Shares.equal(process=False)
    Shares(bma=0.5, forest=0.5, process=0.0)
    """

    bma: float
    forest: float
    process: float

    @classmethod
    def equal(cls, *, process: bool) -> Shares:
        """The same for each part, with a Gaussian process or without."""
        parts = 3 if process else 2
        return cls(1 / parts, 1 / parts, 1 / parts if process else 0.0)

    def without_bma(self) -> Shares:
        """For a pool of the other parts alone, whose shares are to each other as before.

        Examples
        --------
        >>> Shares(0.5, 0.4, 0.1).without_bma()
        Shares(bma=0.0, forest=0.8, process=0.2)
        """
        others = self.forest + self.process
        forest = self.forest / others if others > 0 else 0.5
        return Shares(0.0, forest, self.process / others if others > 0 else 0.5)

    def with_climatology(self, share: float) -> Shares:
        """For a pool with a share of climatology, which COP-BMA and the forest take up: the process
        leaves them that share of its own.
        """
        process, others = (1 - share) * self.process, self.bma + self.forest
        bma = self.bma / others if others > 0 else 0.5
        return Shares((1 - process) * bma, (1 - process) * (1 - bma), process)


@dataclass(frozen=True, eq=False)
class PoolParts:
    """What is pooled with COP-BMA.

    Attributes
    ----------
    forest : QuantileForest
    process : GaussianProcess or None
        None where the target must rise or fall along a predictor, which a process does not promise.
    shares : Shares
    """

    forest: QuantileForest
    process: GaussianProcess | None
    shares: Shares

    def at(
        self, codes: NDArray[np.uint8], design: NDArray[np.floating], vectors: Array | None
    ) -> Partners:
        """What the parts say of n places.

        Parameters
        ----------
        codes : ndarray of uint8, shape (predictors, n)
            Coded predictors, see `icemap.ensemble.coding.PredictorCoding.codes`.
        design : ndarray of shape (n, columns)
            Standardized predictors without the position, for which the process has a kernel of its
            own, see `icemap.ensemble.coding.PredictorCoding.design`.
        vectors : ndarray of shape (n, 3) or None
            Unit vectors of the places; None where nobody says where they are.
        """
        return self.given(self.forest.at_columns(codes), design, vectors)

    def given(
        self, leaves: Leaves, design: NDArray[np.floating], vectors: Array | None
    ) -> Partners:
        """As `at`, for places of which the quantile forest has been asked."""
        kriged = None if self.process is None else self.process.at(design, vectors)
        return Partners(leaves, kriged, self.shares)

    def at_coded(self, coding: PredictorCoding, X: Array, vectors: Array | None = None) -> Partners:
        """As `at`, for coded predictors of shape (n, predictors)."""
        codes = np.ascontiguousarray(coding.codes(X).T)
        return self.at(codes, coding.without_position().design(X), vectors)


@dataclass(frozen=True, eq=False)
class Partners:
    """What the parts other than COP-BMA say of n places.

    Attributes
    ----------
    leaves : Leaves
    kriged : Kriged or None
    shares : Shares
    """

    leaves: Leaves
    kriged: Kriged | None
    shares: Shares

    def __len__(self) -> int:
        return len(self.leaves.mean)

    def means(self) -> Array:
        """Share times mean, summed over the parts, (n,), in units of the target."""
        total = self.shares.forest * self.leaves.mean.astype(np.float64)
        if self.kriged is not None:
            total += self.shares.process * self.kriged.target_mean()
        return total

    def quantiles(self, levels: Array) -> Array:
        """Share times quantile at levels (k,), summed over the parts, (n, k), in units of the
        target.
        """
        total = self.shares.forest * self.leaves.quantiles(levels)
        if self.kriged is not None:
            total += self.shares.process * self.kriged.quantiles(levels)
        return total

    def rows(self, rows: slice) -> Partners:
        """Some of the places."""
        kriged = self.kriged and self.kriged._replace(
            mean=self.kriged.mean[rows], spread=self.kriged.spread[rows]
        )
        return Partners(self.leaves.rows(rows), kriged, self.shares)
