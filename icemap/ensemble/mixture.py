"""The pooled mixture of all replicates and members as sums of short vectors.

Every conditional distribution is a curve over the target that depends on one number, the member's
prediction. All these curves are combinations of a few dozen common ones to within the tolerance of
the map, so that the mixture at a pixel is the sum of one short vector per replicate and member; the
distribution function is computed from it where the search for a quantile looks. The means of the
replicates come from tables of their own and are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from icemap.ensemble.margins import RankMargin, cdf_interval
from icemap.ensemble.nodes import lagrange
from icemap.ensemble.pool_parts import Partners

if TYPE_CHECKING:
    from icemap.ensemble.bma import CopulaBMA

Array = NDArray[np.float64]

_CELLS = 4096
_FINEST = 256
_NODES, _EVEN_NODES, _REACH = 384, 257, 4.2
_ROWS = (48, 64, 96, 128, 192, 256, 512)
_RANKS = (16, 32, 48, 64)
# Share of the highest density below which an error counts no more.
_LEAST_DENSITY = 0.05
# Interpolation between the rows may err by this share of h (1 - h) + 0.005.
_ROW_TOLERANCE = 1.5e-3
_SCORE_TOLERANCE = 2e-5
# : Largest error of a quantile at the test places, as a share of the target's range, for which a
# number of common curves is enough.
QUANTILE_TOLERANCE = 2e-4


class Mixture(NamedTuple):
    """Tables of all components, members one after the other and within them replicates.

    Attributes
    ----------
    low, step : (components,) float32
    cells : (components, cells) uint16
        An even grid over the predictions, and the last knot at or below each cell.
    knots : (components, knots, 4) float32
        Prediction, one over the distance to the next, place on the rows of the table, and weight
        times mean; linear between.
    table : (components, rows, rank) float32
        Weight times the curve's vector; linear between the rows.
    counts : (components,) bool
        Whether a component has any weight.
    ranges : (components, 2) float32
        Out-of-fold predictions are between.
    center : (nodes,), curves : (nodes, rank)
        The distribution function is the center plus curves times vector.
    x : (nodes,) float64
        Target values of the nodes; straight lines between.
    """

    low: NDArray[np.float32]
    step: NDArray[np.float32]
    cells: NDArray[np.uint16]
    knots: NDArray[np.float32]
    table: NDArray[np.float32]
    counts: NDArray[np.bool_]
    ranges: NDArray[np.float32]
    center: NDArray[np.float32]
    curves: NDArray[np.float32]
    x: Array


class Mixed(NamedTuple):
    """The mixture at n pixels: means (replicates, n), vectors (n, rank), and in how many replicates
    a member extrapolates (n,).
    """

    means: NDArray[np.float32]
    vectors: NDArray[np.float32]
    outside: NDArray[np.int64]


def mix(F: NDArray[np.float32], mixture: Mixture) -> Mixed:
    """The mixture at the pixels of member predictions F (members, replicates, n)."""
    from icemap.ensemble.mixture_kernels import accumulate

    _, replicates, n = F.shape
    mixed = Mixed(
        np.empty((replicates, n), np.float32),
        np.empty((n, mixture.curves.shape[1]), np.float32),
        np.empty(n, np.int64),
    )
    accumulate(F, mixture, *mixed)
    return mixed


def quantiles(
    mixed: Mixed, mixture: Mixture, levels: Array, partners: Partners | None = None
) -> Array:
    """Quantiles (n, k) at the levels (k,), of the mixture alone or pooled with the other parts:
    their weighted mean, so that the pool is no wider than its parts are (Lichtendahl
    et al. 2013, doi:10.1287/mnsc.1120.1667).

    Parameters
    ----------
    mixed : Mixed
        Where the predictions are in the mixture.
    mixture : Mixture
    levels : ndarray of shape (k,)
        Probabilities.
    partners : Partners, optional
        What the other parts say of the places.
    """
    from icemap.ensemble.mixture_kernels import invert

    found = np.empty((len(mixed.vectors), len(levels)))
    invert(mixed.vectors, mixture, levels, found)
    if partners is None:
        return found
    pooled = partners.shares.bma * found + partners.quantiles(levels)
    return np.clip(pooled, mixture.x[0], mixture.x[-1])


def pooled_means(
    mixed: Mixed, mixture: Mixture, partners: Partners | None = None
) -> NDArray[np.float32]:
    """Means of the replicates (replicates, n), of the mixture alone or pooled with the other parts.

    The other parts move the means of all replicates by the same amount (choice): there is one of
    each, and how much replicates differ is left to COP-BMA, which would otherwise seem surer of
    itself than it is.

    Parameters
    ----------
    mixed : Mixed
        Where the predictions are in the mixture.
    mixture : Mixture
    partners : Partners, optional
        What the other parts say of the places.
    """
    from icemap.ensemble.mixture_kernels import mean_over_replicates

    if partners is None:
        return mixed.means
    others = 1 - partners.shares.bma
    shift = partners.means() - others * mean_over_replicates(mixed.means)
    means = mixed.means + shift.astype(np.float32)
    return np.clip(means, np.float32(mixture.x[0]), np.float32(mixture.x[-1]), out=means)


def compile_mixture(bmas: Sequence[CopulaBMA]) -> Mixture:
    """Tables with as few common curves as quantiles at random places allow. They hold the linear
    pools.
    """
    x, levels = target_nodes(bmas)
    weights = np.array([bma.weights_ for bma in bmas]).T
    coarse = _enough_rows(bmas, levels)
    # A multiple of what cubic interpolation needs, so that straight lines suffice.
    rows = (coarse - 1) * -(-_FINEST // (coarse - 1)) + 1
    share = weights / weights.sum() / rows
    center, moment = np.zeros(len(x)), np.zeros((len(x), len(x)))
    for (k, s), table in _components(bmas, levels, coarse, rows):
        center += share[k, s] * table.sum(axis=0)
        moment += share[k, s] * (table.T @ table)
    moment -= np.outer(center, center) * share.sum() * rows
    # An error of the distribution function moves a quantile by the error over the density.
    density = np.gradient(center, x)
    dense = np.clip(density / density.max(), _LEAST_DENSITY, None)
    _, vectors = np.linalg.eigh(moment / dense[:, None] / dense)
    most = vectors[:, ::-1][:, : _RANKS[-1]]
    table_of = np.zeros((*weights.shape, rows, most.shape[1]), np.float32)
    for (k, s), table in _components(bmas, levels, coarse, rows):
        table_of[k, s] = (
            weights[k, s] / weights.shape[1] * ((table - center) @ (most / dense[:, None]))
        )
    low, step, cells, knots = _places(bmas, rows)
    ranges = (
        np.array([bma.ranges_ for bma in bmas]).transpose(1, 0, 2).reshape(-1, 2).astype(np.float32)
    )
    base = center.astype(np.float32)
    for rank in _RANKS:
        curves = (most[:, :rank] * dense[:, None]).astype(np.float32)
        rows_of = np.ascontiguousarray(table_of[..., :rank].reshape(-1, rows, rank))
        mixture = Mixture(
            low, step, cells, knots, rows_of, weights.reshape(-1) > 0, ranges, base, curves, x
        )
        if quantile_error(bmas, mixture) <= QUANTILE_TOLERANCE:
            break
    return mixture


def target_nodes(bmas: Sequence[CopulaBMA]) -> tuple[Array, Array]:
    """Target values, dense where the replicates expect the target and nowhere sparse, and their
    level in the margin of each replicate, (replicates, nodes).

    The first level includes an atom at the lower bound, the last excludes one at the upper bound: a
    quantile beyond either is the bound.
    """
    u = special.ndtr(np.linspace(-_REACH, _REACH, _NODES))
    expected = np.mean([np.asarray(bma.target_margin_.ppf(u), dtype=float) for bma in bmas], axis=0)
    x = np.union1d(expected, np.linspace(expected[0], expected[-1], _EVEN_NODES))
    limits = [cdf_interval(bma.target_margin_, x) for bma in bmas]
    return x, np.array([np.append(right[:-1], left[-1]) for left, right in limits])


def _score_span(bma: CopulaBMA) -> tuple[float, float]:
    low = max(bma.v_clip_, float(special.ndtr(-_REACH)))
    return float(special.ndtri(low)), float(-special.ndtri(low))


def _enough_rows(bmas: Sequence[CopulaBMA], levels: Array) -> int:
    """The fewest normal scores of a prediction between which the cubic follows every conditional
    distribution.
    """
    for count in _ROWS:
        middle = np.arange(count - 1)
        first = np.clip(middle - 1, 0, count - 4)
        between = lagrange(middle - first + 0.5)
        worst = 0.0
        for bma, level in zip(bmas, levels, strict=True):
            v = special.ndtr(np.linspace(*_score_span(bma), 2 * count - 1))[:, None]
            for weight, copula in zip(bma.weights_, bma.conditionals_, strict=True):
                if weight > 0:
                    exact = copula.h(level[None, ::4], v)
                    guess = np.einsum(
                        "rc,rcn->rn", between, exact[::2][first[:, None] + np.arange(4)]
                    )
                    worst = max(
                        worst,
                        float(weight)
                        * float(
                            (
                                np.abs(guess - exact[1::2])
                                / (exact[1::2] * (1 - exact[1::2]) + 0.005)
                            ).max()
                        ),
                    )
            if worst > _ROW_TOLERANCE:
                break
        else:
            break
    return count


def _components(
    bmas: Sequence[CopulaBMA], levels: Array, coarse: int, rows: int
) -> Iterator[tuple[tuple[int, int], Array]]:
    """Member, replicate, and conditional distributions (rows, nodes), one component after the
    other.
    """
    at = np.linspace(0, coarse - 1, rows)
    first = np.clip(at.astype(int) - 1, 0, coarse - 4)
    to_fine = np.zeros((rows, coarse))
    to_fine[np.arange(rows)[:, None], first[:, None] + np.arange(4)] = lagrange(at - first)
    for s, bma in enumerate(bmas):
        v = special.ndtr(np.linspace(*_score_span(bma), coarse))[:, None]
        for k, copula in enumerate(bma.conditionals_):
            if bma.weights_[k] > 0:
                yield (k, s), to_fine @ copula.h(levels[s][None, :], v)


def _places(bmas: Sequence[CopulaBMA], rows: int) -> tuple[NDArray[Any], ...]:
    """For each component, knots of its prediction, the place of each knot on the rows of its table,
    and where to look for a knot.
    """
    every = []
    for k in range(len(bmas[0].weights_)):
        for bma in bmas:
            first, last = _score_span(bma)
            knots, v = _margin_knots(
                bma.member_margins_[k], float(special.ndtr(first)), float(special.ndtr(last))
            )
            place = np.clip(
                (special.ndtri(np.clip(v, 1e-300, 1.0)) - first) / (last - first), 0.0, 1.0
            )
            every.append(np.stack([knots.astype(np.float32), place, _means(bma, k, place)]))
    longest = max(part.shape[1] for part in every)
    knots, places, means = np.array(
        [np.pad(part, ((0, 0), (0, longest - part.shape[1])), mode="edge") for part in every]
    ).transpose(1, 0, 2)
    gaps = np.diff(knots, axis=1, append=knots[:, -1:] + 1)
    inverse = np.where(gaps > 0, 1 / np.maximum(gaps, 1e-30), 0)
    compiled = np.stack([knots, inverse, places * (rows - 1), means], axis=2).astype(np.float32)
    low = compiled[:, 0, 0].copy()
    step = (_CELLS / np.maximum(knots[:, -1] - low, 1e-30)).astype(np.float32)
    cells = np.empty((len(every), _CELLS + 1), np.uint16)
    for c in range(len(every)):
        # The kernel's own arithmetic, so that no prediction is looked for above its knot.
        own = np.minimum(((compiled[c, :, 0] - low[c]) * step[c]).astype(np.int64), _CELLS)
        cells[c] = np.clip(
            np.searchsorted(own, np.arange(_CELLS + 1), side="left") - 1, 0, longest - 2
        )
    return low, step, cells, compiled


def _margin_knots(margin: Any, low: float, high: float) -> tuple[Array, Array]:
    """Predictions and levels between which the normal score of v is nearly linear."""
    if not isinstance(margin, RankMargin):
        v = special.ndtr(np.linspace(special.ndtri(low), special.ndtri(high), 4096))
        return np.asarray(margin.ppf(v), dtype=np.float64), v
    levels = np.unique(
        np.concatenate([margin.levels[(margin.levels > low) & (margin.levels < high)], [low, high]])
    )
    width, outer = (
        np.diff(levels),
        np.minimum(np.minimum(levels[:-1], levels[1:]), 1 - np.maximum(levels[:-1], levels[1:])),
    )
    z = special.ndtri(outer)
    bend = (
        np.abs(z) * 2 * np.pi * np.exp(z * z) * width**2 / 8
    )  # error of a straight line to the normal score, z'' = z / phi(z)^2
    parts = np.clip(np.ceil(np.sqrt(bend / _SCORE_TOLERANCE)), 1, 64).astype(int)
    step = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    v = np.append(np.repeat(levels[:-1], parts) + np.repeat(width / parts, parts) * step, high)
    return margin.ppf(v), v


def _means(bma: CopulaBMA, k: int, places: Array) -> Array:
    """Weight times mean of a component where its prediction is ``places`` (0 to 1) of the way
    between its outer normal scores.
    """
    first, last = _score_span(bma)
    v = special.ndtr(np.linspace(first, last, _FINEST))
    rows = bma._nodes.mean(bma.conditionals_[k].h(bma._nodes.u[None, :], v[:, None]))
    at = places * (_FINEST - 1)
    start = np.clip(at.astype(int) - 1, 0, _FINEST - 4)
    return float(bma.weights_[k]) * np.einsum(
        "nc,nc->n", lagrange(at - start), rows[start[:, None] + np.arange(4)]
    )


def quantile_error(bmas: Sequence[CopulaBMA], mixture: Mixture) -> float:
    """Largest error of the quantiles 2.5, 50 and 97.5 % at random places where the members agree
    more or less, as a share of the target's range.

    The exact distribution function at a quantile misses its level by the error times the density.

    Parameters
    ----------
    bmas : sequence of CopulaBMA
        One per replicate.
    mixture : Mixture
        Their table.
    """
    rng, places = np.random.default_rng(0), 256
    members = len(bmas[0].weights_)
    z = rng.normal(0, 1.5, places)[:, None] + rng.uniform(0.05, 0.8, places)[:, None] * rng.normal(
        size=(places, members)
    )
    v = special.ndtr(z + 0.1 * rng.normal(size=(len(bmas), places, members)))
    F = np.array(
        [
            [bma.member_margins_[k].ppf(v[s, :, k]) for s, bma in enumerate(bmas)]
            for k in range(members)
        ]
    )
    levels = np.array([0.025, 0.5, 0.975])
    found = quantiles(mix(F.astype(np.float32), mixture), mixture, levels)
    low, high = float(mixture.x[0]), float(mixture.x[-1])
    step = 1e-3 * (high - low)
    worst = 0.0
    for q, level in zip(found.T, levels, strict=True):
        left, middle, right = (
            _linear_cdf(bmas, F, np.clip(q + move, low, high)) for move in (-step, 0, step)
        )
        inside = (q > low) & (q < high)
        error = np.abs(middle - level) * 2 * step / np.maximum(right - left, 1e-12)
        worst = max(worst, float(error[inside].max(initial=0.0)))
    return worst / (high - low)


def _linear_cdf(bmas: Sequence[CopulaBMA], F: Array, y: Array) -> Array:
    """The exact mixture, F (members, replicates, n) and y (n,) -> (n,)."""
    parts = [
        bma._linear(np.asarray(bma.target_margin_.cdf(y))[:, None], bma.member_levels(F[:, s].T))[
            :, 0
        ]
        for s, bma in enumerate(bmas)
    ]
    return np.mean(parts, axis=0)
