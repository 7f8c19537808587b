"""The fit of COP-BMA: margins, copulas, weights by EM. Arrays in, parts out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.copulas import Copula, fit_copula
from icemap.ensemble.margins import AtomMargin, RankMargin, SmoothMargin, cdf_interval, midranks
from icemap.ensemble.weights import em_weights

Array = NDArray[np.float64]

_MIN_ATOM_ROWS = 3
_MIN_INSIDE = 10


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


def fit_parts(
    F: Array, y: Array, row_weights: Array, names: Sequence[str], options: FitOptions
) -> FittedParts:
    """Fit all parts to checked member predictions F (n, members), target y (n,) and row weights
    (n,).
    """
    n, members = F.shape
    clip = 0.5 / n
    target_margin = fit_target_margin(y, row_weights, options.bounds)
    left, right = cdf_interval(target_margin, y)
    u = np.clip(
        left + np.random.default_rng(options.seed).random(n) * (right - left), clip, 1 - clip
    )
    member_margins = [RankMargin.fit(F[:, k], row_weights) for k in range(members)]
    v = np.column_stack(
        [np.clip(margin.cdf(F[:, k]), clip, 1 - clip) for k, margin in enumerate(member_margins)]
    )
    ranks_u, ranks_v = (
        pseudo_observations(u, row_weights),
        np.column_stack([pseudo_observations(F[:, k], row_weights) for k in range(members)]),
    )
    copulas = [
        fit_copula(ranks_u, ranks_v[:, k], row_weights, name=names[k]) for k in range(members)
    ]
    logs = np.column_stack([copula.logpdf(u, v[:, k]) for k, copula in enumerate(copulas)])
    used = [k for k in range(members) if k not in options.idle]
    weights = np.zeros(members)
    weights[used], path = em_weights(
        logs[:, used],
        log=True,
        sample_weight=row_weights,
        prior_strength=options.prior_strength,
        prior_weights=options.prior_weights,
    )
    return FittedParts(target_margin, member_margins, copulas, weights, clip, path)


def fit_target_margin(y: Array, weights: Array, bounds: tuple[float, float] | None) -> Any:
    """Margin of the target, with an atom wherever at least three rows lie exactly on a bound and
    enough of the others do not.
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
    if inside.sum() < _MIN_INSIDE or np.ptp(y[inside]) == 0:
        if not inside.all():
            warnings.warn(
                f"Only {int(inside.sum())} target values lie between the bounds {low:g} and"
                f" {high:g}, too few for a distribution between them of its own: values on the"
                " bounds are taken for values near them.",
                UserWarning,
                stacklevel=2,
            )
        inside = np.ones(len(y), bool)
        at_low = at_high = ~inside
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


def pseudo_observations(x: Array, weights: Array) -> Array:
    """Weighted mid-ranks R/(n+1) of each value, (n,)."""
    values, levels = midranks(x, weights)
    n = len(x)
    return (n * np.interp(x, values, levels) + 0.5) / (n + 1)
