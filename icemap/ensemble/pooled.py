"""The mixture over all replicates and members: means, quantiles and scores of many pixels at
once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.mixture import Mixed, Mixture, compile_mixture, mix, pooled_means, quantiles
from icemap.ensemble.quantile_forest import SHARE, Leaves, QuantileForest

if TYPE_CHECKING:
    from icemap.ensemble.bma import CopulaBMA

Array = NDArray[np.float64]

_ROWS_AT_ONCE = 4096


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
    """Equal mixture of several COP-BMA fits, pooled with a quantile forest if there is one.

    Parameters
    ----------
    bmas : sequence of CopulaBMA
        One per replicate, with the same members in the same order.
    forest : QuantileForest, optional

    Notes
    -----
    All but `cdf`, `pdf` and `pit` come from tables, made when they are first needed; predictions
    agree with exact inversion to 3e-4 of the target's range. Member predictions come as
    (replicates, n, members); with a forest, every method also takes its `Leaves` at the n places.

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

    def __init__(self, bmas: Sequence[CopulaBMA], forest: QuantileForest | None = None) -> None:
        if not bmas:
            raise ValueError("A pooled mixture needs at least one fitted CopulaBMA.")
        members = {len(bma.weights_) for bma in bmas}
        if len(members) != 1:
            raise ValueError(
                f"The replicates have {sorted(members)} members; all must have the same."
            )
        self.bmas = list(bmas)
        self.forest = forest

    @cached_property
    def tables(self) -> Mixture:
        """What `icemap.ensemble.mixture` makes of the replicates."""
        return compile_mixture(self.bmas, None if self.forest is None else self.forest.x)

    def summary(
        self, F: ArrayLike, probabilities: ArrayLike, leaves: Leaves | None = None
    ) -> tuple[Array, Array, NDArray[np.int64]]:
        """Replicate means (replicates, n), mixture quantiles (n, k), and in how many replicates a
        member left its out-of-fold range (n,).

        The probabilities are the same for all rows, (k,), or those of each row, (n, k).

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        probabilities : array_like of shape (k,) or (n, k)
            Of the quantiles, the same for all rows or of each.
        leaves : Leaves, optional
            What the quantile forest says of the rows.

        Raises
        ------
        ValueError
            For a wrong shape or NaN.
        """
        mixed = self._mixed(F, leaves)
        levels = np.atleast_1d(np.asarray(probabilities, dtype=np.float64))
        levels = np.ascontiguousarray(
            np.broadcast_to(levels, (len(mixed.outside), levels.shape[-1]))
        )
        means = pooled_means(mixed, self.tables, leaves).astype(np.float64)
        return means, quantiles(mixed, self.tables, levels, leaves), mixed.outside

    def replicate_means(self, F: ArrayLike, leaves: Leaves | None = None) -> Array:
        """Mean of each replicate's predictive distribution, (replicates, n), in units of the
        target; see `icemap.ensemble.mixture.pooled_means`.
        """
        return self.summary(F, [0.5], leaves)[0]

    def quantile(
        self, F: ArrayLike, probabilities: ArrayLike, leaves: Leaves | None = None
    ) -> Array:
        """Quantiles of the pooled mixture, (n, k), in units of the target.

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        probabilities : array_like of shape (k,) or (n, k)
        leaves : Leaves, optional
            What the quantile forest says of the rows.
        """
        return self.summary(F, probabilities, leaves)[1]

    def cdf(self, F: ArrayLike, y: ArrayLike, leaves: Leaves | None = None) -> Array:
        """P(Y <= y) under the pooled mixture, exactly, (n,).

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        y : array_like of shape (n,)
            In units of the target.
        leaves : Leaves, optional
            What the quantile forest says of the rows.
        """
        values = self._checked(F, leaves)
        own = np.mean([bma.cdf(values[s], y) for s, bma in enumerate(self.bmas)], axis=0)
        return own if leaves is None else (1 - SHARE) * own + SHARE * leaves.cdf_interval(y)[1]

    def distribution(self, F: ArrayLike, x: ArrayLike, leaves: Leaves | None = None) -> Array:
        """P(Y <= x) at the same values x (k,) at every place, exactly, (n, k).

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        x : array_like of shape (k,)
            In units of the target.
        leaves : Leaves, optional
            What the quantile forest says of the places.
        """
        values, at = self._checked(F, leaves), np.asarray(x, dtype=np.float64)
        own = np.mean([bma.distribution(values[s], at) for s, bma in enumerate(self.bmas)], axis=0)
        return own if leaves is None else (1 - SHARE) * own + SHARE * leaves.at_values(at)

    def pdf(self, F: ArrayLike, y: ArrayLike, leaves: Leaves | None = None) -> Array:
        """Predictive density at y, (n,), per unit of the target; at an atom, its probability.

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        y : array_like of shape (n,)
            In units of the target.
        leaves : Leaves, optional
            What the quantile forest says of the rows.
        """
        values = self._checked(F, leaves)
        own = np.mean([bma.pdf(values[s], y) for s, bma in enumerate(self.bmas)], axis=0)
        return own if leaves is None else (1 - SHARE) * own + SHARE * leaves.pdf(y)

    def pit(self, F: ArrayLike, y: ArrayLike, leaves: Leaves | None = None, seed: int = 0) -> Array:
        """Randomized probability integral transform, (n,): at an atom, uniform between P(Y < y) and
        P(Y <= y) (Czado et al. 2009).

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        y : array_like of shape (n,)
            In units of the target.
        leaves : Leaves, optional
            What the quantile forest says of the rows.
        seed : int
            Of the draws at atoms.
        """
        values = self._checked(F, leaves)
        own = np.mean([bma.pit(values[s], y, seed) for s, bma in enumerate(self.bmas)], axis=0)
        if leaves is None:
            return own
        left, right = leaves.cdf_interval(y)
        # The draws of the COP-BMA, so that the pool has one for each place.
        return (1 - SHARE) * own + SHARE * (
            left + np.random.default_rng(seed).random(len(left)) * (right - left)
        )

    def crps(self, F: ArrayLike, y: ArrayLike, leaves: Leaves | None = None) -> Array:
        """Continuous ranked probability score of the pooled mixture, (n,), in units of the
        target.

        Parameters
        ----------
        F : array_like of shape (replicates, n, members)
            Member predictions of each replicate.
        y : array_like of shape (n,)
            In units of the target.
        leaves : Leaves, optional
            What the quantile forest says of the rows.
        """
        x, target = self.tables.x, np.asarray(y, dtype=np.float64)
        scores = []
        for rows, G in self._distributions(self._mixed(F, leaves), leaves):
            inside = np.clip(target[rows], x[0], x[-1])
            cell = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, len(x) - 2)
            at, here = np.arange(len(G)), inside - x[cell]
            rise = (G[at, cell + 1] - G[at, cell]) / (x[cell + 1] - x[cell])
            # The integrals of G and of its square; between the nodes it is a straight line.
            below = np.insert(
                np.cumsum(0.5 * np.diff(x) * (G[:, 1:] + G[:, :-1]), axis=1), 0, 0.0, axis=1
            )
            above = below[:, -1] - below[at, cell] - here * (G[at, cell] + 0.5 * rise * here)
            square = (np.diff(x) * (G[:, 1:] ** 2 + G[:, 1:] * G[:, :-1] + G[:, :-1] ** 2)).sum(
                axis=1
            ) / 3
            scores.append(square - 2 * above + (x[-1] - inside) + np.abs(target[rows] - inside))
        return np.concatenate(scores)

    def _checked(self, F: ArrayLike, leaves: Leaves | None) -> NDArray:
        values = np.asarray(F)
        if (leaves is None) != (self.forest is None):
            raise ValueError(
                "A pool with a quantile forest needs the forest's leaves at the places, one without"
                " takes none."
            )
        replicates, members = len(self.bmas), len(self.bmas[0].weights_)
        if values.ndim != 3 or values.shape[0] != replicates or values.shape[2] != members:
            raise ValueError(
                f"F has shape {values.shape}; give member predictions as (replicates, n, members),"
                f" here ({replicates}, n, {members})."
            )
        if not all(np.isfinite(replicate).all() for replicate in values):
            raise ValueError(
                "Member predictions hold NaN or infinite values; pass valid pixels only."
            )
        return values

    def _mixed(self, F: ArrayLike, leaves: Leaves | None) -> Mixed:
        return mix(
            np.ascontiguousarray(self._checked(F, leaves).transpose(2, 0, 1), dtype=np.float32),
            self.tables,
        )

    def _distributions(self, mixed: Mixed, leaves: Leaves | None) -> Iterator[tuple[slice, Array]]:
        """Rows, and their distribution functions at the nodes of the tables, a block at a time."""
        for start in range(0, len(mixed.outside), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            G = np.clip(
                self.tables.center + mixed.vectors[rows] @ self.tables.curves.T, 0.0, 1.0
            ).astype(np.float64)
            G = np.maximum.accumulate(G, axis=1)
            yield (
                rows,
                (
                    G
                    if leaves is None
                    else (1 - SHARE) * G + SHARE * leaves.rows(rows).at_values(self.tables.x)
                ),
            )
