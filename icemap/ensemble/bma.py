"""Copula-embedded Bayesian model averaging (COP-BMA): the distribution of the target given the
predictions of several members.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn.base import clone

from icemap.ensemble.baselines import BestMember, EqualWeights, GaussianBMA
from icemap.ensemble.checks import check_bounds, check_fit, check_target
from icemap.ensemble.copulas import Copula
from icemap.ensemble.fitting import Components, FitOptions, fit_components
from icemap.ensemble.margins import Margin, cdf_interval, describe_margin, margin_from_dict
from icemap.ensemble.nodes import Nodes
from icemap.ensemble.predictive import PredictiveMixture
from icemap.ensemble.weights import em_weights

__all__ = ["BestMember", "CopulaBMA", "EqualWeights", "GaussianBMA", "em_weights"]

Array = NDArray[np.float64]

_ROWS_AT_ONCE = 1024
_NODE_COUNT, _NODE_REACH, _MAX_NODES = 193, 6.0, 16
_INSIDE = (np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)


def _nodes_for(copulas: Sequence[Copula]) -> int:
    """Number of nodes: more than usual only for a copula narrower than the step between them, as
    that of a member that is nearly right.
    """
    tau = max((copula.tau for copula in copulas), default=0.0)
    width = float(np.cos(0.5 * np.pi * max(tau, 0.0)))  # of a Gaussian copula, in normal scores
    step = 2 * _NODE_REACH / (_NODE_COUNT - 1)
    finer = 1
    while finer < _MAX_NODES and width < step / finer:
        finer *= 2
    return (_NODE_COUNT - 1) * finer + 1


class Shrunk:
    """A copula drawn towards independence: of the target given the member, a share is the target's
    own distribution.
    """

    def __init__(self, copula: Copula, share: float) -> None:
        self.copula = copula
        self.share = share

    def h(self, u: Array, v: Array) -> Array:
        """P(U <= u | V = v)."""
        return np.asarray((1 - self.share) * self.copula.h(u, v) + self.share * u)

    def pdf(self, u: Array, v: Array) -> Array:
        """The density of u and v."""
        return np.asarray((1 - self.share) * self.copula.pdf(u, v) + self.share)


class CopulaBMA(PredictiveMixture):
    """Copula-embedded Bayesian model averaging (Madadgar & Moradkhani 2014,
    doi:10.1002/2014WR015965).

    With u = F_Y(y) and v_k = F_k(f_k), the predictive distribution of the target given the member
    predictions f is G(y | f) = sum_k w_k h_k(F_Y(y) | v_k). F_Y and F_k are smoothed and empirical
    distributions of the rows, the family of each copula is chosen by AIC, and the weights come from
    EM with the copulas as they are.

    Parameters
    ----------
    bounds : (low, high) or None
        Physical bounds of the target, in its unit; None for an unbounded target.
    prior_strength : float
        Rows' worth of belief in ``prior_weights``; 0 is plain EM, ``inf`` gives the prior weights.
    prior_weights : (members,) tuple, optional
        Towards which the prior draws; equal weights when not given.
    seed : int
        Of the randomized transform at atoms.
    idle : tuple of int
        Numbers of members that get no weight; ``prior_weights`` are then those of the others.

    Attributes
    ----------
    n_features_in_, feature_names_in_
        Number of members, and their names where F is a DataFrame.
    weights_ : (members,) array
    copulas_ : list of Copula
    target_margin_, member_margins_ : margins
    climatology_ : float
        Share of the target's own distribution in the mixture, see `with_climatology`; 0 after a
        fit.
    log_likelihoods_ : (iterations,) array
        The EM objective, per iteration.
    ranges_ : (members, 2) array
        Smallest and largest out-of-fold prediction of each member.

    Notes
    -----
    Fit on out-of-fold predictions always: in-sample predictions are better than those at new
    places, and the intervals come out too narrow.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = 100 * rng.beta(2, 3, 400)
    >>> F = y[:, None] + rng.normal(0, [6.0, 12.0], (400, 2))
    >>> bma = CopulaBMA(bounds=(0, 100)).fit(F, y)
    >>> bool(bma.weights_[0] > bma.weights_[1])
    True
    >>> low, high = bma.interval(F[:1])[0]
    >>> bool(0 <= low < bma.predict(F[:1])[0] < high <= 100)
    True
    """

    def __init__(
        self,
        bounds: tuple[float, float] | None = (0.0, 100.0),
        prior_strength: float = 0.0,
        prior_weights: tuple[float, ...] | None = None,
        seed: int = 0,
        idle: tuple[int, ...] = (),
    ) -> None:
        self.bounds = bounds
        self.prior_strength = prior_strength
        self.prior_weights = prior_weights
        self.seed = seed
        self.idle = idle

    def fit(self, F: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> CopulaBMA:
        """Fit margins, copulas and weights.

        Parameters
        ----------
        F : (n, members)
            Out-of-fold member predictions; the column names of a DataFrame are used in messages.
        y : (n,)
            The target, inside the bounds.
        sample_weight : (n,), optional
            Declustering weights, >= 0: how much a row stands for, not how often it was seen. A row
            with weight 0 is a row that is not there, and the same weight for all rows is none.
            Repeated rows are more evidence than weights: they sharpen the margin of the target,
            weigh against the prior and in the choice of the copulas (Kish's effective number of
            rows counts there). Repeat the rows where weights are counts.

        Raises
        ------
        ValueError
            For NaN, constant members, y outside the bounds, mismatched lengths or negative weights.

        Warns
        -----
        UserWarning
            For fewer than 30 different rows, and of a value of an unbounded target that is far
            beyond all others.
        """
        return self._weighed(*self._components(F, y, sample_weight))

    def fit_strengths(
        self,
        F: ArrayLike,
        y: ArrayLike,
        strengths: Sequence[float],
        sample_weight: ArrayLike | None = None,
    ) -> list[CopulaBMA]:
        """A fit with each strength of the prior, as `fit` would make it; margins and copulas, which
        do not depend on it, are fitted once.

        Parameters
        ----------
        F, y, sample_weight
            As of `fit`.
        strengths : sequence of float
            Values of ``prior_strength``.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> y = 100 * rng.beta(2, 3, 400)
        >>> F = y[:, None] + rng.normal(0, [6.0, 12.0], (400, 2))
        >>> free, prior = CopulaBMA().fit_strengths(F, y, [0.0, float("inf")])
        >>> bool(free.weights_[0] > 0.5), prior.weights_.tolist()
        (True, [0.5, 0.5])
        """
        found = self._components(F, y, sample_weight)
        return [clone(self).set_params(prior_strength=s)._weighed(*found) for s in strengths]

    def _components(
        self, F: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Components, Array, list[str]]:
        options = self._options()
        members, target, weights, names = check_fit(
            self, F, y, sample_weight, options.bounds, options.idle
        )
        return fit_components(members, target, weights, names, options), members, names

    def _options(self) -> FitOptions:
        return FitOptions(
            check_bounds(self.bounds),
            self.prior_strength,
            self.prior_weights,
            self.seed,
            self.idle,
        )

    def _weighed(self, components: Components, members: Array, names: list[str]) -> CopulaBMA:
        parts = components.weighed(self._options())
        self._set_parts(
            parts.target_margin, parts.member_margins, parts.copulas, parts.weights, parts.v_clip
        )
        self.log_likelihoods_ = parts.log_likelihoods
        self._remember(members, names)
        return self

    @classmethod
    def from_parts(
        cls,
        target_margin: Margin,
        member_margins: Sequence[Margin],
        copulas: Sequence[Copula],
        weights: ArrayLike,
        bounds: tuple[float, float] | None = None,
    ) -> CopulaBMA:
        """The mixture with given margins, copulas and weights, exactly: no clipping of v, no range.

        Parameters
        ----------
        target_margin : Margin
            With ``cdf``, ``ppf`` and ``pdf``, as frozen distributions of scipy have them.
        member_margins : sequence of Margin
            One per member.
        copulas : sequence of Copula
            Of the target (first) and each member.
        weights : array_like of shape (members,)
            They add up to 1.
        bounds : (float, float), optional
            Of the target.

        Examples
        --------
        >>> from scipy import stats
        >>> bma = CopulaBMA.from_parts(stats.norm(), [stats.norm()], [Copula("gaussian", [0.6])],
        ...     [1.0])
        >>> round(float(bma.predict([[2.0]])[0]), 6)
        1.2
        """
        w = np.asarray(weights, dtype=np.float64)
        if not len(member_margins) == len(copulas) == len(w):
            raise ValueError(
                f"There are {len(member_margins)} member margins, {len(copulas)} copulas and"
                f" {len(w)} weights; give one of each per member."
            )
        if not np.all(w >= 0) or not np.isclose(w.sum(), 1.0):
            raise ValueError(f"weights are {w.tolist()}; they must be >= 0 and add up to one.")
        self = cls(bounds=bounds)
        self._set_parts(target_margin, list(member_margins), list(copulas), w / w.sum(), 0.0)
        self._remember(
            np.tile([[-np.inf], [np.inf]], len(w)), [f"member {k}" for k in range(len(w))]
        )
        return self

    def with_climatology(self, share: float) -> CopulaBMA:
        """This mixture with a share of climatology, the target's own distribution, as one more
        component.

        G(y | f) becomes (1 - share) G(y | f) + share F_Y(y): 0 leaves it as it is, 1 knows nothing
        of the members.

        Examples
        --------
        >>> from scipy import stats
        >>> bma = CopulaBMA.from_parts(stats.norm(), [stats.norm()], [Copula("gaussian", [0.6])],
        ...     [1.0])
        >>> round(float(bma.with_climatology(0.25).predict([[2.0]])[0]), 6)
        0.9
        """
        if not 0 <= share <= 1:
            raise ValueError(f"the share of climatology is {share}; it must lie between 0 and 1.")
        made = copy(self)
        made.climatology_ = float(share)
        copulas = self.copulas_
        made.conditionals_ = [Shrunk(c, share) for c in copulas] if share > 0 else list(copulas)
        return made

    def _set_parts(
        self,
        target_margin: Any,
        member_margins: list[Any],
        copulas: list[Copula],
        weights: Array,
        v_clip: float,
    ) -> None:
        self.target_margin_, self.member_margins_ = target_margin, member_margins
        self.copulas_, self.weights_, self.v_clip_ = copulas, weights, v_clip
        self.climatology_: float = 0.0
        #: What each member says of the target: its copula, or that with a share of climatology.
        self.conditionals_: list[Copula | Shrunk] = list(copulas)
        self._nodes = Nodes.of(target_margin.ppf, _nodes_for(copulas), _NODE_REACH)

    # --- pieces of the mixture

    def member_levels(self, F: Array) -> Array:
        """v_k = F_k(f_k), clipped to [1/(2n), 1 - 1/(2n)] of the n rows of the fit; (n,
        members).
        """
        low = max(self.v_clip_, 1e-300)
        high = min(1.0 - self.v_clip_, _INSIDE[1])
        return np.column_stack(
            [
                np.clip(margin.cdf(F[:, k]), low, high)
                for k, margin in enumerate(self.member_margins_)
            ]
        )

    def _linear(self, u: Array, v: Array) -> Array:
        """sum_k w_k h_k(u | v_k) with u (n, j) and v (n, members)."""
        total = sum(
            w * c.h(u, v[:, k, None])
            for k, (w, c) in enumerate(zip(self.weights_, self.conditionals_))
            if w > 0
        )
        return np.where(
            u >= 1.0, 1.0, np.minimum(total, 1.0)
        )  # rounding can carry the sum past one, or leave it short of one at the end

    def _linear_density(self, u: Array, v: Array) -> Array:
        return sum(
            w * c.pdf(u, v[:, k, None])
            for k, (w, c) in enumerate(zip(self.weights_, self.conditionals_))
            if w > 0
        )

    def _target(self, y: ArrayLike, n: int) -> Array:
        return check_target(np.broadcast_to(np.asarray(y), (n,)) if np.ndim(y) == 0 else y, n, None)

    def _blocks(self, n: int) -> list[slice]:
        return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, n, _ROWS_AT_ONCE)]

    def _at_nodes(self, v: Array) -> Array:
        return self._linear(self._nodes.u[None, :], v)

    # --- predictions

    def predict(self, F: ArrayLike) -> Array:
        """Mean of the predictive distribution, (n,), in units of the target."""
        members = self._checked(F)
        v = self.member_levels(members)
        return np.concatenate(
            [self._nodes.mean(self._at_nodes(v[block])) for block in self._blocks(len(v))]
        )

    def cdf(self, F: ArrayLike, y: ArrayLike) -> Array:
        """G(y | f) = P(Y <= y | f), (n,); y is one value or one per row."""
        members = self._checked(F, y)
        u = np.asarray(self.target_margin_.cdf(self._target(y, len(members))), dtype=np.float64)
        return self._linear(u[:, None], self.member_levels(members))[:, 0]

    def distribution(self, F: ArrayLike, x: ArrayLike) -> Array:
        """P(Y <= x | f) at the same values x (k,) for every row, (n, k)."""
        u = np.asarray(self.target_margin_.cdf(np.asarray(x, dtype=np.float64)), dtype=np.float64)
        v = self.member_levels(self._checked(F))
        blocks = [self._linear(u[None, :], v[block]) for block in self._blocks(len(v))]
        return np.concatenate(blocks)

    def pdf(self, F: ArrayLike, y: ArrayLike) -> Array:
        """Predictive density at y, (n,), per unit of the target; at an atom, its probability."""
        members = self._checked(F, y)
        v, target = self.member_levels(members), self._target(y, len(members))
        left, right = (u[:, None] for u in cdf_interval(self.target_margin_, target))
        density = (
            self._linear_density(np.clip(right, *_INSIDE), v)
            * np.asarray(self.target_margin_.pdf(target))[:, None]
        )
        atom = left < right
        if atom.any():
            density = np.where(atom, self._linear(right, v) - self._linear(left, v), density)
        return density[:, 0]

    def pit(self, F: ArrayLike, y: ArrayLike, seed: int | np.random.SeedSequence = 0) -> Array:
        """Randomized probability integral transform, (n,): at an atom, uniform between P(Y < y) and
        P(Y <= y) (Czado et al. 2009).

        Parameters
        ----------
        F : array_like of shape (n, members)
            Member predictions.
        y : array_like of shape (n,)
            Target.
        seed : int or SeedSequence
            Of the draws at atoms.
        """
        members = self._checked(F, y)
        v, target = self.member_levels(members), self._target(y, len(members))
        left, right = (
            self._linear(u[:, None], v)[:, 0] for u in cdf_interval(self.target_margin_, target)
        )
        return left + np.random.default_rng(seed).random(len(left)) * (right - left)

    def crps(self, F: ArrayLike, y: ArrayLike) -> Array:
        """Continuous ranked probability score, (n,), in units of the target (Gneiting & Raftery
        2007, doi:10.1198/016214506000001437).
        """
        members = self._checked(F, y)
        v, target = self.member_levels(members), self._target(y, len(members))
        return np.concatenate(
            [
                self._nodes.crps(self._at_nodes(v[block]), target[block])
                for block in self._blocks(len(v))
            ]
        )

    def variance(self, F: ArrayLike) -> tuple[Array, Array]:
        """Predictive variance in its two parts, within and between members, each (n,), in squared
        units of the target.

        They add up to the variance of the predictive distribution.
        """
        members = self._checked(F)
        parts = [
            self._variance(v)
            for v in np.split(
                self.member_levels(members), range(_ROWS_AT_ONCE, len(members), _ROWS_AT_ONCE)
            )
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _variance(self, v: Array) -> tuple[Array, Array]:
        u = self._nodes.u[None, :]
        each = np.stack([c.h(u, v[:, k, None]) for k, c in enumerate(self.conditionals_)])
        share = self.weights_[:, None]
        first, second = self._nodes.mean(each), self._nodes.second_moment(each)
        mean = (share * first).sum(axis=0)
        within = (share * np.maximum(second - first**2, 0.0)).sum(axis=0)
        return within, (share * (first - mean) ** 2).sum(axis=0)

    # --- inversion

    def _quantile(self, F: Array, levels: Array) -> Array:
        v = self.member_levels(F)
        z = np.concatenate(
            [self._invert(v[block], levels[block]) for block in self._blocks(len(v))]
        )
        return np.asarray(
            self.target_margin_.ppf(
                np.where(levels <= 0, 0.0, np.where(levels >= 1, 1.0, special.ndtr(z)))
            ),
            dtype=np.float64,
        )

    def _invert(self, v: Array, levels: Array) -> Array:
        """Normal scores z with sum_k w_k h_k(Phi(z) | v_k) = level, by Newton steps kept inside a
        bracket; levels (n, j) -> (n, j).
        """
        grid = np.concatenate([[-37.0], self._nodes.z, [8.2]])
        G = self._linear(special.ndtr(grid)[None, :], v)
        index = np.clip((G[:, :, None] <= levels[:, None, :]).sum(axis=1) - 1, 0, len(grid) - 2)
        low, high = grid[index], grid[index + 1]
        g_low, g_high = (
            np.take_along_axis(G, index, axis=1),
            np.take_along_axis(G, index + 1, axis=1),
        )
        z = low + (high - low) * np.clip(
            np.divide(
                levels - g_low, g_high - g_low, out=np.full_like(levels, 0.5), where=g_high > g_low
            ),
            0.0,
            1.0,
        )
        for _ in range(80):
            u = special.ndtr(z)
            error = self._linear(u, v) - levels
            low, high = np.where(error < 0, z, low), np.where(error < 0, high, z)
            slope = self._linear_density(u, v) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
            moved = z - np.divide(error, slope, out=np.full_like(error, np.inf), where=slope > 0)
            moved = np.where((moved > low) & (moved < high), moved, 0.5 * (low + high))
            done = (np.abs(error) <= 1e-14) | (high - low <= 1e-13)
            z = np.where(done, z, moved)
            if done.all():
                break
        return z

    # --- storage

    def to_dict(self) -> dict[str, Any]:
        """The fitted estimator as floats, lists and strings: JSON-able, and :meth:`from_dict`
        restores it exactly.
        """
        return self._described(
            {
                "target_margin": describe_margin(self.target_margin_),
                "member_margins": [describe_margin(m) for m in self.member_margins_],
                "copulas": [c.to_dict() for c in self.copulas_],
                "weights": self.weights_.tolist(),
                "v_clip": self.v_clip_,
                **({"climatology": self.climatology_} if self.climatology_ else {}),
            }
        )

    @classmethod
    def from_dict(cls, described: dict[str, Any]) -> CopulaBMA:
        """The estimator that :meth:`to_dict` described."""
        self = cls._from_parameters(described)
        self._set_parts(
            margin_from_dict(described["target_margin"]),
            [margin_from_dict(m) for m in described["member_margins"]],
            [Copula.from_dict(c) for c in described["copulas"]],
            np.array(described["weights"], dtype=np.float64),
            float(described["v_clip"]),
        )
        self._recall(described)
        return self.with_climatology(float(described.get("climatology", 0.0)))
