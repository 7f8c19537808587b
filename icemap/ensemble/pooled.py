"""The mixture over all replicates and members, from tables: means, quantiles and scores for many pixels at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from icemap.ensemble.margins import RankMargin, cdf_interval
from icemap.ensemble.nodes import Nodes, lagrange

if TYPE_CHECKING:
    from icemap.ensemble.bma import CopulaBMA

Array = NDArray[np.float64]

#: Interpolation in a table may err by this share of h (1 - h) + 0.005: a quantile then errs by less than 2e-4 of the range of the target.
TABLE_TOLERANCE = 1.5e-3

_REACH = 4.2
_NODE_COUNTS = (64, 80, 96, 128, 160, 192, 256)
_TABLE_ROWS = (48, 64, 96, 128, 192, 256, 512)
_SCORE_TOLERANCE = 2e-5
_BUCKETS = 1024
_POOL_CELLS = 2048


def _relative_error(guess: Array, exact: Array) -> float:
    return float((np.abs(guess - exact) / (exact * (1.0 - exact) + 0.005)).max())


def _halfway(values: Array) -> Array:
    """Cubic interpolation halfway between the columns, (n, k) -> (n, k - 1)."""
    count = values.shape[1]
    first = np.clip(np.arange(count - 1) - 1, 0, count - 4)
    return np.einsum("ncj,cj->nc", values[:, first[:, None] + np.arange(4)], lagrange(np.arange(count - 1) - first + 0.5))


def score_span(bma: CopulaBMA) -> tuple[float, float]:
    low = max(bma.v_clip_, float(special.ndtr(-_REACH)))
    return float(special.ndtri(low)), float(-special.ndtri(low))


def _margin_knots(margin: Any, low: float, high: float) -> tuple[Array, Array]:
    """Predictions and levels between which the normal score of v is nearly linear."""
    if not isinstance(margin, RankMargin):
        v = special.ndtr(np.linspace(special.ndtri(low), special.ndtri(high), 4096))
        return np.asarray(margin.ppf(v), dtype=np.float64), v
    levels = np.unique(np.concatenate([margin.levels[(margin.levels > low) & (margin.levels < high)], [low, high]]))
    width, outer = np.diff(levels), np.minimum(np.minimum(levels[:-1], levels[1:]), 1 - np.maximum(levels[:-1], levels[1:]))
    z = special.ndtri(outer)
    bend = np.abs(z) * 2 * np.pi * np.exp(z * z) * width**2 / 8  # error of a straight line to the normal score, z'' = z / phi(z)^2
    parts = np.clip(np.ceil(np.sqrt(bend / _SCORE_TOLERANCE)), 1, 64).astype(int)
    step = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    v = np.append(np.repeat(levels[:-1], parts) + np.repeat(width / parts, parts) * step, high)
    return margin.ppf(v), v


class PooledMixture:
    """Equal mixture of several COP-BMA fits, each after its own pool transform.

    Parameters
    ----------
    bmas : sequence of CopulaBMA
        One per replicate, with the same members in the same order.

    Notes
    -----
    Each conditional distribution h_k(F_Y(y) | v) is a table over v and nodes of y, with as many of both as interpolation needs; predictions
    agree with exact inversion to 2e-4 of the target's range. Member predictions come as (replicates, n,
    members); float32 is taken as it is.

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
            raise ValueError(f"The replicates have {sorted(members)} members; all must have the same.")
        self.bmas = list(bmas)
        self._weights = np.array([bma.weights_ for bma in bmas], dtype=np.float32)
        probabilities = np.linspace(0.0, 1.0, _POOL_CELLS + 1)
        self._pools = np.array([bma.pooled(probabilities) for bma in bmas], dtype=np.float32)
        self._has_pool = np.array([bma.pool_ != (1.0, 1.0) for bma in bmas])
        self._nodes = self._enough_nodes()
        self._tables = self._enough_rows()
        self._knots, self._places, self._buckets, self._bucket_low, self._bucket_step = self._fill_places()

    # --- tables ---------------------------------------------------------------------------------------------------------------

    def _enough_nodes(self) -> Nodes:
        """The fewest nodes between which the cubic follows every member's conditional distribution."""
        for count in _NODE_COUNTS:
            z = np.linspace(-_REACH, _REACH, 2 * count - 1)
            at_nodes, between = special.ndtr(z[::2]), special.ndtr(z[1::2])
            worst = 0.0
            for bma in self.bmas:
                v = special.ndtr(np.linspace(*score_span(bma), 41))[:, None]
                for copula, weight in zip(bma.copulas_, bma.weights_):
                    guess = _halfway(bma.pooled(copula.h(at_nodes[None, :], v)))
                    worst = max(worst, float(weight) * _relative_error(guess, bma.pooled(copula.h(between[None, :], v))))
            if worst <= TABLE_TOLERANCE:
                break
        return Nodes.of(lambda u: np.mean([np.asarray(bma.target_margin_.ppf(u)) for bma in self.bmas], axis=0), count, _REACH)

    def _enough_rows(self) -> NDArray[np.float32]:
        """h at the nodes for evenly spaced normal scores of v, with as many rows as cubic interpolation needs."""
        levels = []
        for bma in self.bmas:
            left, right = cdf_interval(bma.target_margin_, self._nodes.x)
            levels.append(np.clip(self._nodes.u, left, right))  # inside an atom, the node's own level
        for count in _TABLE_ROWS:
            worst = 0.0
            tables = np.zeros((*self._weights.shape, count, len(self._nodes.z)), dtype=np.float32)
            for s, bma in enumerate(self.bmas):
                v = special.ndtr(np.linspace(*score_span(bma), 2 * count - 1))[:, None]
                for k, copula in enumerate(bma.copulas_):
                    exact = copula.h(levels[s][None, :], v)
                    tables[s, k] = exact[::2]
                    worst = max(worst, float(bma.weights_[k]) * _relative_error(_halfway(exact[::2].T).T, exact[1::2]))
                if worst > TABLE_TOLERANCE and count != _TABLE_ROWS[-1]:
                    break
            else:
                break
        return tables

    def _fill_places(self) -> tuple[NDArray, ...]:
        """For each member, knots of its prediction, where on the rows of its table each knot lies, and where to look for a knot."""
        replicates, members = self._weights.shape
        last_row = self._tables.shape[2] - 1
        every = []
        for bma in self.bmas:
            first, last = score_span(bma)
            for margin in bma.member_margins_:
                knots, v = _margin_knots(margin, float(special.ndtr(first)), float(special.ndtr(last)))
                place = np.clip((special.ndtri(np.clip(v, 1e-300, 1.0)) - first) / (last - first), 0.0, 1.0) * last_row
                every.append((knots.astype(np.float32), place.astype(np.float32)))
        longest = max(len(k) for k, _ in every)
        knots = np.array([np.pad(k, (0, longest - len(k)), mode="edge") for k, _ in every])
        places = np.array([np.pad(p, (0, longest - len(p)), mode="edge") for _, p in every])
        low = knots[:, 0].astype(np.float64)
        step = _BUCKETS / (knots[:, -1].astype(np.float64) - low)
        edges = low[:, None] + np.arange(_BUCKETS + 1) / step[:, None]
        buckets = np.array([np.clip(np.searchsorted(k, e.astype(np.float32), side="right") - 1, 0, longest - 2) for k, e in zip(knots, edges)], dtype=np.uint16)
        shape = (replicates, members)
        return knots.reshape(*shape, -1), places.reshape(*shape, -1), buckets.reshape(*shape, -1), low.reshape(shape), step.reshape(shape)

    @property
    def nbytes(self) -> int:
        """Size of the tables in bytes."""
        return sum(a.nbytes for a in (self._tables, self._knots, self._places, self._buckets, self._pools))

    # --- predictions ----------------------------------------------------------------------------------------------------------

    def _checked(self, F: ArrayLike) -> NDArray:
        values = np.asarray(F)
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float64)
        if values.ndim != 3 or values.shape[0] != self._weights.shape[0] or values.shape[2] != self._weights.shape[1]:
            expected = f"({self._weights.shape[0]}, n, {self._weights.shape[1]})"
            raise ValueError(f"F has shape {values.shape}; give member predictions as (replicates, n, members), here {expected}.")
        if not all(np.isfinite(replicate).all() for replicate in values):
            raise ValueError("Member predictions hold NaN or infinite values; pass valid pixels only.")
        return values

    def summary(self, F: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
        """Replicate means (replicates, n) and mixture quantiles (n, k) in one pass over the tables.

        The probabilities are the same for all rows, (k,), or those of each row, (n, k).

        Raises
        ------
        ValueError
            For a wrong shape or NaN.
        """
        means, rows = self._accumulate(F)
        levels = np.atleast_1d(np.asarray(probabilities, dtype=np.float64))
        levels = np.ascontiguousarray(np.broadcast_to(levels, (len(rows), levels.shape[-1])))
        out = np.empty(levels.shape)
        from icemap.ensemble.pooled_kernels import invert

        invert(rows, levels, self._nodes.fine_x, out)
        return means, out

    def _accumulate(self, F: ArrayLike) -> tuple[Array, NDArray[np.float32]]:
        from icemap.ensemble.pooled_kernels import accumulate

        values = self._checked(F)
        replicates, n, _ = values.shape
        means, rows = np.empty((replicates, n)), np.empty((n, len(self._nodes.z)), dtype=np.float32)
        mean_weights, top = self._nodes.total.astype(np.float32), float(self._nodes.x[-1])
        arguments = (
            self._bucket_low,
            self._bucket_step,
            self._buckets,
            self._knots,
            self._places,
            self._tables,
            self._weights,
            self._pools,
            self._has_pool,
            mean_weights,
            top,
        )
        accumulate(values, *arguments, means, rows)
        np.maximum.accumulate(rows, axis=1, out=rows)
        return means, rows

    def replicate_means(self, F: ArrayLike) -> Array:
        """Mean of each replicate's predictive distribution, (replicates, n), in units of the target."""
        return self._accumulate(F)[0]

    def quantile(self, F: ArrayLike, probabilities: ArrayLike) -> Array:
        """Quantiles of the pooled mixture, (n, k), in units of the target."""
        return self.summary(F, probabilities)[1]

    def cdf(self, F: ArrayLike, y: ArrayLike) -> Array:
        """P(Y <= y) under the pooled mixture, exactly, (n,)."""
        values = self._checked(F)
        return np.mean([bma.cdf(values[s], y) for s, bma in enumerate(self.bmas)], axis=0)

    def crps(self, F: ArrayLike, y: ArrayLike) -> Array:
        """Continuous ranked probability score of the pooled mixture, (n,), in units of the target."""
        return self._nodes.crps(self._accumulate(F)[1].astype(np.float64), np.asarray(y, dtype=np.float64))
