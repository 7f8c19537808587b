"""The mixture over all replicates and members: means, quantiles and scores of many pixels at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.mixture import (
    Mixed,
    Mixture,
    compile_mixture,
    mix,
    pooled_means,
    quantiles,
    target_nodes,
)
from icemap.ensemble.pool_parts import Partners
from icemap.ensemble.quantile_curves import LEVELS, QuantileCurves

if TYPE_CHECKING:
    from icemap.ensemble.bma import CopulaBMA

Array = NDArray[np.float64]


def replicate_interval(means: NDArray[np.floating], coverage: float = 0.95) -> NDArray[np.float64]:
    """Central interval of the replicates' means, (replicates, n) -> (n, 2).

    Median-unbiased percentiles (Hyndman & Fan 1996, doi:10.2307/2684934), which a few replicates
    estimate as wide as many would, as far as their outermost values reach.

    Examples
    --------
    >>> replicate_interval(np.arange(1.0, 201.0)[:, None]).round(2).tolist()
    [[5.34, 195.66]]
    """
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]
    return np.quantile(means.astype(np.float64), tails, axis=0, method="median_unbiased").T


class PooledMixture:
    """Equal mixture of several COP-BMA fits, alone or pooled with what the other parts say.

    Parameters
    ----------
    bmas : sequence of CopulaBMA
        One per replicate, with the same members in the same order.

    Notes
    -----
    All comes from tables, made when they are first needed; predictions agree with exact inversion
    to 3e-4 of the target's range. Member predictions come as (replicates, n, members); every method
    also takes what the `Partners` say of the n places: the pool is the weighted mean of quantiles.

    Examples
    --------
    >>> from icemap import CopulaBMA
    >>> rng = np.random.default_rng(0)
    >>> y = 100 * rng.beta(2, 3, 200)
    >>> F = np.clip(y[:, None] + rng.normal(0, 8.0, (200, 3)), 0, 100)
    >>> rows = [rng.choice(200, 180, replace=False) for _ in range(2)]
    >>> mixture = PooledMixture([CopulaBMA().fit(F[r], y[r]) for r in rows])
    >>> stack = np.stack([F[:5], F[:5]])
    >>> mixture.replicate_means(stack).shape, mixture.quantile(stack, [0.025, 0.975]).shape
    ((2, 5), (5, 2))
    """

    def __init__(self, bmas: Sequence[CopulaBMA]) -> None:
        if not bmas:
            raise ValueError("A pooled mixture needs at least one fitted CopulaBMA.")
        members = {len(bma.weights_) for bma in bmas}
        if len(members) != 1:
            raise ValueError(
                f"The replicates have {sorted(members)} members; all must have the same."
            )
        self.bmas = list(bmas)

    @cached_property
    def tables(self) -> Mixture:
        """What `icemap.ensemble.mixture` makes of the replicates."""
        return compile_mixture(self.bmas)

    @cached_property
    def span(self) -> tuple[float, float]:
        """First and last of the tables' nodes of the target, for which no table is needed."""
        x, _ = target_nodes(self.bmas)
        return float(x[0]), float(x[-1])

    def summary(
        self, F: ArrayLike, probabilities: ArrayLike, partners: Partners | None = None
    ) -> tuple[Array, Array, NDArray[np.int64]]:
        """Replicate means (replicates, n), pooled quantiles (n, k), and in how many replicates a
        member left its out-of-fold range (n,).

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        probabilities : array_like of shape (k,)
            Of the quantiles.
        partners : Partners, optional
            What the other parts of the pool say of the rows.

        Raises
        ------
        ValueError
            For a wrong shape or NaN.
        """
        mixed = self._mixed(F, partners)
        levels = np.atleast_1d(np.asarray(probabilities, dtype=np.float64))
        means = pooled_means(mixed, self.tables, partners).astype(np.float64)
        return means, quantiles(mixed, self.tables, levels, partners), mixed.outside

    def replicate_means(self, F: ArrayLike, partners: Partners | None = None) -> Array:
        """Mean of each replicate's predictive distribution, (replicates, n), in units of the
        target; see `icemap.ensemble.mixture.pooled_means`.
        """
        return self.summary(F, [0.5], partners)[0]

    def quantile(
        self, F: ArrayLike, probabilities: ArrayLike, partners: Partners | None = None
    ) -> Array:
        """Quantiles of the pool, (n, k), in units of the target.

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        probabilities : array_like of shape (k,)
        partners : Partners, optional
            What the other parts of the pool say of the rows.
        """
        return self.summary(F, probabilities, partners)[1]

    def curves(self, F: ArrayLike, partners: Partners | None = None) -> QuantileCurves:
        """The pool's distributions at n places: what they say of a value, and how they score.

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        partners : Partners, optional
            What the other parts of the pool say of the rows.
        """
        return QuantileCurves(LEVELS, self.quantile(F, LEVELS, partners))

    def _mixed(self, F: ArrayLike, partners: Partners | None) -> Mixed:
        values = np.asarray(F)
        replicates, members = len(self.bmas), len(self.bmas[0].weights_)
        if values.ndim != 3 or values.shape[0] != replicates or values.shape[2] != members:
            raise ValueError(
                f"F has shape {values.shape}; give member predictions as (replicates, n, members),"
                f" here ({replicates}, n, {members})."
            )
        if partners is not None and len(partners) != values.shape[1]:
            raise ValueError(
                f"The other parts of the pool speak of {len(partners)} places, F of"
                f" {values.shape[1]}: give both for the same."
            )
        if not all(np.isfinite(replicate).all() for replicate in values):
            raise ValueError(
                "Member predictions hold NaN or infinite values; pass valid pixels only."
            )
        return mix(np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32), self.tables)
