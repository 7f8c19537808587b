"""The fit of COP-BMA: margins, copulas, weights by EM, pool transform. Arrays in, parts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from icemap.ensemble.copulas import Copula, fit_copula, fit_parameters
from icemap.ensemble.margins import AtomMargin, RankMargin, SmoothMargin, cdf_interval, midranks
from icemap.ensemble.nodes import Nodes
from icemap.ensemble.weights import em_weights, responsibilities

Array = NDArray[np.float64]

TARGET_MARGINS = ("smooth", "aic", "beta", "logit_normal", "beta_mixture", "normal")

_POOL_PRIOR_ROWS = 10.0  # rows' worth of belief that the linear pool needs no transform
_LEAST_ATOM_ROWS = 3
_JOINT_ITERATIONS = 60
_JOINT_TOLERANCE = 1e-7


@dataclass(frozen=True)
class FitOptions:
    """What a fit may choose; the meaning is that of the parameters of CopulaBMA."""

    bounds: tuple[float, float] | None
    target_margin: str
    method: str
    criterion: str
    pool: str | None
    prior_strength: float
    prior_weights: tuple[float, ...] | None
    copula_strength: float
    seed: int

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("target_margin", self.target_margin, TARGET_MARGINS),
            ("method", self.method, ("two_stage", "joint")),
            ("criterion", self.criterion, ("aic", "bic")),
            ("pool", self.pool, ("beta", None)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(repr, allowed))}.")
        for name, strength in (("prior_strength", self.prior_strength), ("copula_strength", self.copula_strength)):
            if not strength >= 0:
                raise ValueError(f"{name} is {strength}; it must be a number >= 0.")


@dataclass(frozen=True)
class FittedParts:
    """Everything a fitted mixture consists of."""

    target_margin: Any
    member_margins: list[Any]
    copulas: list[Copula]
    weights: Array
    pool: tuple[float, float]
    v_clip: float
    log_likelihoods: Array


def fit_parts(F: Array, y: Array, row_weights: Array, names: Sequence[str], options: FitOptions) -> FittedParts:
    """Fit all parts to checked member predictions F (n, members), target y (n,) and row weights (n,)."""
    n, members = F.shape
    clip = 0.5 / n
    target_margin = fit_target_margin(y, row_weights, options)
    left, right = cdf_interval(target_margin, y)
    u = np.clip(left + np.random.default_rng(options.seed).random(n) * (right - left), clip, 1 - clip)
    member_margins = [RankMargin.fit(F[:, k], row_weights) for k in range(members)]
    v = np.column_stack([np.clip(margin.cdf(F[:, k]), clip, 1 - clip) for k, margin in enumerate(member_margins)])
    ranks_u, ranks_v = pseudo_observations(u, row_weights), np.column_stack([pseudo_observations(F[:, k], row_weights) for k in range(members)])
    copulas = [fit_copula(ranks_u, ranks_v[:, k], row_weights, criterion=options.criterion, name=names[k]) for k in range(members)]
    copulas = shrink_to_common_tau(copulas, options.copula_strength, float(row_weights.sum()))
    fit_weights = joint_weights if options.method == "joint" else two_stage_weights
    copulas, weights, path = fit_weights(copulas, u, v, row_weights, options.prior_strength, options.prior_weights)
    pool = (1.0, 1.0)
    if options.pool == "beta":
        pool = earned_pool(target_margin, copulas, weights, u, v, y, row_weights)
    return FittedParts(target_margin, member_margins, copulas, weights, pool, clip, path)


def fit_target_margin(y: Array, weights: Array, options: FitOptions) -> Any:
    """Margin of the target, with an atom wherever at least three rows lie exactly on a bound."""
    if options.bounds is None:
        return _continuous(y, weights, None, options.target_margin)
    low, high = options.bounds
    at_low, at_high = y == low, y == high
    at_low, at_high = (at if np.count_nonzero(at & (weights > 0)) >= _LEAST_ATOM_ROWS else np.zeros(len(y), bool) for at in (at_low, at_high))
    inside = ~(at_low | at_high)
    if np.count_nonzero(inside & (weights > 0)) < 10 or np.ptp(y[inside]) == 0:
        raise ValueError(f"Only {int(inside.sum())} target values lie between the bounds {low:g} and {high:g}; a distribution between them needs at least 10.")
    between = _continuous(y[inside], weights[inside], (low, high), options.target_margin)
    if inside.all():
        return between
    return AtomMargin(between, float(weights[at_low].sum() / weights.sum()), float(weights[at_high].sum() / weights.sum()), (low, high))


def _continuous(y: Array, weights: Array, bounds: tuple[float, float] | None, kind: str) -> Any:
    used = weights > 0
    if kind == "smooth":
        return SmoothMargin.fit(y[used], weights[used], bounds)
    from icemap.ensemble.parametric_margins import fit_parametric

    return fit_parametric(y[used], weights[used], bounds, kind)


def pseudo_observations(x: Array, weights: Array) -> Array:
    """Weighted mid-ranks R/(n+1) of each value, (n,)."""
    values, levels = midranks(x, weights)
    n = len(x)
    return (n * np.interp(x, values, levels) + 0.5) / (n + 1)


def shrink_to_common_tau(copulas: list[Copula], strength: float, rows: float) -> list[Copula]:
    """Move each Kendall's tau towards the members' mean as if ``strength`` rows said so; family and rotation stay."""
    if strength == 0 or len(copulas) == 1:
        return copulas
    common = float(np.mean([c.tau for c in copulas]))
    share = 1.0 if np.isinf(strength) else strength / (strength + rows)
    return [c if c.family == "independence" else c.with_tau((1 - share) * c.tau + share * common) for c in copulas]


def log_densities(copulas: Sequence[Copula], u: Array, v: Array) -> Array:
    """log c_k(u_i, v_ik), (n, members)."""
    return np.column_stack([copula.logpdf(u, v[:, k]) for k, copula in enumerate(copulas)])


def two_stage_weights(
    copulas: list[Copula], u: Array, v: Array, rows: Array, prior_strength: float, prior_weights: Sequence[float] | None
) -> tuple[list[Copula], Array, Array]:
    """Weights for copulas that stay as they were fitted member by member."""
    logs = log_densities(copulas, u, v)
    return copulas, *em_weights(logs, log=True, sample_weight=rows, prior_strength=prior_strength, prior_weights=prior_weights)


def joint_weights(
    copulas: list[Copula], u: Array, v: Array, rows: Array, prior_strength: float, prior_weights: Sequence[float] | None
) -> tuple[list[Copula], Array, Array]:
    """Weights and copula parameters together: a generalized EM whose M-step refits each copula by z-weighted likelihood.

    A refitted copula is kept only where it raises the z-weighted likelihood, so the objective never falls. A member without weight keeps
    the copula it has.
    """
    copulas, logs = list(copulas), log_densities(copulas, u, v)
    members = len(copulas)
    believed = np.full(members, 1.0 / members) if prior_weights is None else np.asarray(prior_weights, dtype=np.float64)
    weights, path = believed if np.isinf(prior_strength) else np.full(members, 1.0 / members), []
    for _ in range(_JOINT_ITERATIONS):
        shares, _ = responsibilities(logs, weights)
        shares = shares * rows[:, None]
        if np.isfinite(prior_strength):
            weights = (shares.sum(axis=0) + prior_strength * believed) / (rows.sum() + prior_strength)
        for k, copula in enumerate(copulas):
            if copula.family == "independence" or shares[:, k].sum() < 5.0:
                continue
            try:
                candidate = fit_parameters(copula.family, copula.rotation, u, v[:, k], shares[:, k])
            except RuntimeError:
                continue
            values = candidate.logpdf(u, v[:, k])
            if shares[:, k] @ values > shares[:, k] @ logs[:, k]:
                copulas[k], logs[:, k] = candidate, values
        objective = float(rows @ responsibilities(logs, weights)[1])
        if 0 < prior_strength < np.inf:
            objective += prior_strength * float(believed @ np.log(np.maximum(weights, np.finfo(np.float64).tiny)))
        path.append(objective)
        if len(path) > 1 and path[-1] - path[-2] <= _JOINT_TOLERANCE * (1 + abs(path[-1])):
            break
    return copulas, weights, np.array(path)


def earned_pool(target_margin: Any, copulas: Sequence[Copula], weights: Array, u: Array, v: Array, y: Array, rows: Array) -> tuple[float, float]:
    """The beta transform, kept only where it does not raise the CRPS of the out-of-fold rows; else its symmetric form (a = b), else none.

    A pool of calibrated parts is too wide, and the transform mends that. Where the parts themselves do not fit, the likelihood asks for a
    lopsided transform that costs more accuracy than it gains calibration; conformal levels do better there, and leave the mean alone.
    """

    def linear(at: Array) -> Array:
        return np.minimum(sum(w * c.h(at, v[:, k, None]) for k, (w, c) in enumerate(zip(weights, copulas))), 1.0)

    nodes = Nodes.of(target_margin.ppf, 65, 4.2)
    G, pit = linear(nodes.u[None, :]), linear(u[:, None])[:, 0]
    plain = float(rows @ nodes.crps(G, y))
    for symmetric in (False, True):
        a, b = fit_beta_pool(pit, rows, symmetric)
        if float(rows @ nodes.crps(special.betainc(a, b, G), y)) <= plain:
            return a, b
    return 1.0, 1.0


def fit_beta_pool(pit: Array, weights: Array, symmetric: bool = False) -> tuple[float, float]:
    """Maximum-likelihood (a, b) of the beta transform from out-of-fold values G_i of the linear pool (Gneiting & Ranjan 2013).

    Ten rows' worth of uniform values hold a and b near one where there are few rows; ``symmetric`` keeps a = b.
    """
    inside = np.clip(pit, 1e-6, 1 - 1e-6)
    total = weights.sum() + _POOL_PRIOR_ROWS
    log_g = (float(weights @ np.log(inside)) - _POOL_PRIOR_ROWS) / total
    log_1g = (float(weights @ np.log1p(-inside)) - _POOL_PRIOR_ROWS) / total
    if symmetric:
        log_g = log_1g = 0.5 * (log_g + log_1g)  # then the likelihood has its maximum at a = b

    def loss(logs: Array) -> tuple[float, Array]:
        a, b = np.exp(logs)
        slope = np.array([log_g - special.digamma(a) + special.digamma(a + b), log_1g - special.digamma(b) + special.digamma(a + b)])
        return float(special.betaln(a, b) - (a - 1) * log_g - (b - 1) * log_1g), -slope * (a, b)

    found = optimize.minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-1.5, 1.5)] * 2, options={"ftol": 1e-14, "gtol": 1e-10})
    a, b = np.exp(found.x)
    return float(a), float(b)
