"""The fit of COP-BMA: margins, copulas, weights by EM. Arrays in, parts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.copulas import Copula, fit_copula
from icemap.ensemble.kernel_distribution import KernelDistribution
from icemap.ensemble.margins import (
    AtomMargin,
    RankMargin,
    SmoothMargin,
    cdf_interval,
    midranks,
)
from icemap.ensemble.weights import em_weights

Array = NDArray[np.float64]

_MIN_ATOM_ROWS = 3
# Members with errors narrower than this share of the target's kernel are aligned with it.
_NARROW = 0.5


@dataclass(frozen=True)
class FitOptions:
    """What a fit may choose; the meaning is that of the parameters of CopulaBMA."""

    bounds: tuple[float, float] | None
    prior_strength: float
    prior_weights: tuple[float, ...] | None
    seed: int
    idle: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.prior_strength >= 0:
            raise ValueError(f"prior_strength is {self.prior_strength}; it must be a number >= 0.")


@dataclass(frozen=True)
class FittedParts:
    """Everything a fitted mixture consists of."""

    target_margin: Any
    member_margins: list[Any]
    copulas: list[Copula]
    weights: Array
    v_clip: float
    log_likelihoods: Array


@dataclass(frozen=True)
class Components:
    """Margins and copulas, which no prior of the weights changes.

    Attributes
    ----------
    target_margin, member_margins : margins
    copulas : list of Copula
    v_clip : float
    log_densities : ndarray of shape (n, members)
        Of each copula at the rows that it was fitted to.
    row_weights : ndarray of shape (n,)
    """

    target_margin: Any
    member_margins: list[Any]
    copulas: list[Copula]
    v_clip: float
    log_densities: Array
    row_weights: Array

    def weighed(self, options: FitOptions) -> FittedParts:
        """With weights by EM."""
        used = [k for k in range(len(self.copulas)) if k not in options.idle]
        weights = np.zeros(len(self.copulas))
        weights[used], path = em_weights(
            self.log_densities[:, used],
            log=True,
            sample_weight=self.row_weights,
            prior_strength=options.prior_strength,
            prior_weights=options.prior_weights,
        )
        return FittedParts(
            self.target_margin, self.member_margins, self.copulas, weights, self.v_clip, path
        )


def fit_components(
    F: Array, y: Array, row_weights: Array, names: Sequence[str], options: FitOptions
) -> Components:
    """Fit margins and copulas to checked member predictions F (n, members), target y (n,) and row
    weights (n,).

    Parameters
    ----------
    F : ndarray of shape (n, members)
        Out-of-fold predictions.
    y : ndarray of shape (n,)
        Target.
    row_weights : ndarray of shape (n,)
    names : sequence of str
        Of the members, for messages.
    options : FitOptions
    """
    # A row without weight is a row that is not there.
    counted = row_weights > 0
    F, y, row_weights = F[counted], y[counted], row_weights[counted]
    n, members = F.shape
    clip = 0.5 / n
    target_margin = fit_target_margin(y, row_weights, options.bounds)
    left, right = cdf_interval(target_margin, y)
    u = np.clip(
        left + np.random.default_rng(options.seed).random(n) * (right - left), clip, 1 - clip
    )
    member_margins = [
        member_margin(F[:, k], y, row_weights, target_margin, options.bounds)
        for k in range(members)
    ]
    v = np.column_stack(
        [np.clip(margin.cdf(F[:, k]), clip, 1 - clip) for k, margin in enumerate(member_margins)]
    )
    ranks_u, ranks_v = (
        pseudo_observations(u, row_weights),
        np.column_stack([pseudo_observations(F[:, k], row_weights) for k in range(members)]),
    )
    copulas = [
        resolved(fit_copula(ranks_u, ranks_v[:, k], row_weights, name=names[k]), n)
        for k in range(members)
    ]
    logs = np.column_stack([copula.logpdf(u, v[:, k]) for k, copula in enumerate(copulas)])
    return Components(target_margin, member_margins, copulas, clip, logs, row_weights)


def fit_target_margin(y: Array, weights: Array, bounds: tuple[float, float] | None) -> Any:
    """Margin of the target, with an atom wherever at least three rows lie exactly on a bound.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Target.
    weights : ndarray of shape (n,)
    bounds : (float, float) or None
        Lowest and highest value of the target.
    """
    if bounds is None:
        return _continuous(y, weights, None)
    low, high = bounds
    at_low, at_high = y == low, y == high
    at_low, at_high = (
        at if np.count_nonzero(at & (weights > 0)) >= _MIN_ATOM_ROWS else np.zeros(len(y), bool)
        for at in (at_low, at_high)
    )
    inside = ~(at_low | at_high)
    if not np.any(inside & (weights > 0)):
        raise ValueError(
            f"Every target value is at one of the bounds {low:g} and {high:g}: such a target is a"
            " class and not a quantity; fit a classifier, or give the values between the bounds."
        )
    between = _continuous(y[inside], weights[inside], bounds)
    if inside.all():
        return between
    return AtomMargin(
        between,
        float(weights[at_low].sum() / weights.sum()),
        float(weights[at_high].sum() / weights.sum()),
        (low, high),
    )


def _continuous(y: Array, weights: Array, bounds: tuple[float, float] | None) -> SmoothMargin:
    used = weights > 0
    return SmoothMargin.fit(y[used], weights[used], bounds)


def member_margin(
    f: Array,
    y: Array,
    weights: Array,
    target_margin: Any,
    bounds: tuple[float, float] | None,
) -> RankMargin:
    """Margin of a member, from its ranks; aligned with that of the target where the member is
    nearly right.

    The target's margin is smoothed, the member's is not, so that equal ranks differ by the
    smoothing. That is nothing to a copula as wide as the errors of most members, but more than the
    whole width of one that is nearly right, whose likelihood is then zero where it should be
    largest. A member whose errors are narrower than half the smoothing kernel therefore gets the
    target's own level at each of its ranks.

    Parameters
    ----------
    f, y, weights : (n,)
    target_margin : margin
        Of y, by `fit_target_margin`.
    bounds : (low, high) or None
    """
    ranks = RankMargin.fit(f, weights)
    by_rank = RankMargin.fit(y, weights)
    partner = by_rank.ppf(ranks.cdf(f))
    inside = np.ones(len(y), bool) if bounds is None else (y > bounds[0]) & (y < bounds[1])
    error = np.abs(y - partner)[inside]
    # Of a normal error, the median is 0.6745 standard deviations.
    spread = float(np.median(error)) / 0.6745
    if spread >= _NARROW * KernelDistribution.fit(y[inside], weights[inside], bounds).bandwidth:
        return ranks
    at = by_rank.ppf(ranks.levels)
    left, right = cdf_interval(target_margin, at)
    # Inside an atom every rank keeps its own level.
    levels = np.clip(ranks.levels, left, right)
    levels = np.maximum.accumulate(levels)
    levels[0], levels[-1] = 0.0, 1.0
    return RankMargin(ranks.values, levels)


def resolved(copula: Copula, n: int) -> Copula:
    """The copula, or the sharpest that the ranks of n rows can tell from a perfect one.

    With a Kendall's tau above 1 - 2/(n - 1) fewer than every second row changes places with a
    neighbour: how far a new value is from its place then shows in no rank, and a copula fitted to
    them would be sure of it.

    Examples
    --------
    >>> round(resolved(Copula("gaussian", [0.9999]), 101).tau, 6)
    0.98
    """
    sharpest = 1.0 - 2.0 / (n - 1)
    if copula.tau <= sharpest:
        return copula
    return Copula("gaussian", [float(np.sin(0.5 * np.pi * sharpest))])


def pseudo_observations(x: Array, weights: Array) -> Array:
    """Weighted mid-ranks R/(n+1) of each value, (n,)."""
    values, levels = midranks(x, weights)
    n = len(x)
    return (n * np.interp(x, values, levels) + 0.5) / (n + 1)
