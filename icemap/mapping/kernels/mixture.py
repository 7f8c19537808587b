"""The pooled mixture of all replicates and members as sums of short vectors.

Every conditional distribution is a curve over the target that depends on one number, the member's prediction. All these curves are combinations of a few
dozen common ones to within the tolerance of the map, so that the mixture at a pixel is the sum of one short vector per replicate and member; the distribution
function is computed from it where the search for a quantile looks. The means of the replicates come from tables of their own and are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from icemap.ensemble.bma import CopulaBMA
from icemap.ensemble.margins import cdf_interval
from icemap.ensemble.nodes import lagrange
from icemap.ensemble.pooled import PooledMixture, score_span
from icemap.mapping.kernels.bits import add_between
from icemap.mapping.kernels.packable import CannotPackError

_CELLS = 4096
_FINEST = 256
_NODES, _EVEN_NODES, _REACH = 384, 257, 4.2
_RANKS = (32, 48, 64)
_BLOCK = 2048
#: Largest error of a quantile at the test places, as a share of the target's range, for which a number of common curves is enough.
QUANTILE_TOLERANCE = 1e-4


class Mixture(NamedTuple):
    """Tables of all components, members one after the other and within them replicates.

    Attributes
    ----------
    low, step : (components,) float32
    cells : (components, cells) uint16
        An even grid over the predictions, and the last knot at or below each cell.
    knots : (components, knots, 4) float32
        Prediction, one over the distance to the next, place on the rows of the table, and weight times mean; linear between.
    table : (components, rows, rank) float32
        Weight times the curve's vector; linear between the rows.
    counts : (components,) bool
        Whether a component has any weight.
    ranges : (components, 2) float32
        Out-of-fold predictions lie between.
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
    x: NDArray[np.float64]


def pack_mixture(pooled: PooledMixture) -> Mixture:
    """Tables with as few common curves as quantiles at random places allow."""
    if pooled._has_pool.any():
        raise CannotPackError("its replicates have a beta pool each")
    x, levels = _nodes(pooled.bmas)
    weights = pooled._weights.T.astype(np.float64)
    share = weights / weights.sum() / (_rows_at(pooled) + 1)
    center, moment = np.zeros(len(x)), np.zeros((len(x), len(x)))
    for (k, s), table in _components(pooled, levels):
        center += share[k, s] * table.sum(axis=0)
        moment += share[k, s] * (table.T @ table)
    moment -= np.outer(center, center) * share.sum() * (_rows_at(pooled) + 1)
    # An error of the distribution function moves a quantile most where the density is low.
    dense = np.clip(center * (1 - center), 0.01, None)
    _, vectors = np.linalg.eigh(moment / dense[:, None] / dense)
    most = vectors[:, ::-1][:, : _RANKS[-1]]
    vectors_of = np.empty((*weights.shape, _rows_at(pooled) + 1, _RANKS[-1]), np.float32)
    for (k, s), table in _components(pooled, levels):
        vectors_of[k, s] = weights[k, s] / weights.shape[1] * ((table - center) @ (most / dense[:, None]))
    for rank in _RANKS:
        mixture = _assemble(pooled, vectors_of[..., :rank], center, most[:, :rank] * dense[:, None], x)
        if quantile_error(pooled, mixture) <= QUANTILE_TOLERANCE:
            break
    return mixture


def _nodes(bmas: Sequence[CopulaBMA]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Target values, dense where the replicates expect the target and nowhere sparse, and their level in the margin of each replicate, (replicates, nodes).

    The first level includes an atom at the lower bound, the last excludes one at the upper bound: a quantile beyond either is the bound.
    """
    u = special.ndtr(np.linspace(-_REACH, _REACH, _NODES))
    expected = np.mean([np.asarray(bma.target_margin_.ppf(u), dtype=float) for bma in bmas], axis=0)
    x = np.union1d(expected, np.linspace(expected[0], expected[-1], _EVEN_NODES))
    limits = [cdf_interval(bma.target_margin_, x) for bma in bmas]
    return x, np.array([np.append(right[:-1], left[-1]) for left, right in limits])


def _rows_at(pooled: PooledMixture) -> int:
    """Number of steps between the rows of a table, a multiple of what cubic interpolation needs, so that straight lines suffice."""
    coarse = pooled._tables.shape[2] - 1
    return coarse * max(1, -(-_FINEST // coarse))


def _components(pooled: PooledMixture, levels: NDArray[np.float64]) -> Iterator[tuple[tuple[int, int], NDArray[np.float64]]]:
    """Member, replicate, and conditional distributions (rows, nodes), one component after the other."""
    coarse = pooled._tables.shape[2]
    at = np.arange(_rows_at(pooled) + 1) / _rows_at(pooled) * (coarse - 1)
    first = np.clip(at.astype(int) - 1, 0, coarse - 4)
    to_fine = np.zeros((len(at), coarse))
    to_fine[np.arange(len(at))[:, None], first[:, None] + np.arange(4)] = lagrange(at - first)
    for s, bma in enumerate(pooled.bmas):
        v = special.ndtr(np.linspace(*score_span(bma), coarse))[:, None]
        for k, copula in enumerate(bma.copulas_):
            if bma.weights_[k] > 0:
                yield (k, s), to_fine @ copula.h(levels[s][None, :], v)


def _assemble(pooled: PooledMixture, vectors: NDArray[np.float32], center: NDArray[np.float64], curves: NDArray[np.float64], x: NDArray[np.float64]) -> Mixture:
    """The arrays for given common curves."""
    members, replicates, rows, rank = vectors.shape
    components = members * replicates
    knots = pooled._knots.transpose(1, 0, 2).reshape(components, -1)
    places = pooled._places.transpose(1, 0, 2).reshape(components, -1) / (pooled._tables.shape[2] - 1)
    means = np.array([_means(pooled.bmas[s], k, places[k * replicates + s]) for k, s in np.ndindex(members, replicates)])
    gaps = np.diff(knots.astype(np.float64), axis=1, append=knots[:, -1:].astype(np.float64) + 1)
    inverse = np.where(gaps > 0, 1 / np.maximum(gaps, 1e-30), 0)
    low = knots[:, 0].copy()
    step = (_CELLS / np.maximum(knots[:, -1].astype(np.float64) - low, 1e-30)).astype(np.float32)
    cells = np.empty((components, _CELLS + 1), np.uint16)
    for c in range(components):
        # The kernel's own arithmetic, so that no prediction is looked for above its knot.
        own = np.minimum(((knots[c] - low[c]) * step[c]).astype(np.int64), _CELLS)
        cells[c] = np.clip(np.searchsorted(own, np.arange(_CELLS + 1), side="left") - 1, 0, knots.shape[1] - 2)
    ranges = np.array([[bma.ranges_[k] for bma in pooled.bmas] for k in range(members)]).reshape(components, 2)
    packed = np.stack([knots, inverse, places * (rows - 1), means], axis=2).astype(np.float32)
    counts = pooled._weights.T.reshape(-1) > 0
    table = np.where(counts[:, None, None], vectors.reshape(components, rows, rank), np.float32(0))
    return Mixture(low, step, cells, packed, table, counts, ranges.astype(np.float32), center.astype(np.float32), curves.astype(np.float32), x)


def _means(bma: CopulaBMA, k: int, places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weight times mean of a component where its prediction lies ``places`` (0 to 1) of the way between its outer normal scores."""
    first, last = score_span(bma)
    v = special.ndtr(np.linspace(first, last, _FINEST))
    rows = bma._nodes.mean(bma.copulas_[k].h(bma._nodes.u[None, :], v[:, None]))
    at = places.astype(float) * (_FINEST - 1)
    start = np.clip(at.astype(int) - 1, 0, _FINEST - 4)
    return float(bma.weights_[k]) * np.einsum("nc,nc->n", lagrange(at - start), rows[start[:, None] + np.arange(4)])


def quantile_error(pooled: PooledMixture, mixture: Mixture, places: int = 256) -> float:
    """Largest error of the quantiles 2.5, 50 and 97.5 % at random places where the members agree more or less, as a share of the target's range.

    The exact distribution function at a quantile misses its level by the error times the density.
    """
    rng = np.random.default_rng(0)
    replicates, members = pooled._weights.shape
    z = rng.normal(0, 1.5, places)[:, None] + rng.uniform(0.05, 0.8, places)[:, None] * rng.normal(size=(places, members))
    v = special.ndtr(z + 0.1 * rng.normal(size=(replicates, places, members)))
    F = np.stack([np.column_stack([bma.member_margins_[k].ppf(v[s, :, k]) for k in range(members)]) for s, bma in enumerate(pooled.bmas)])
    levels = np.tile([0.025, 0.5, 0.975], (places, 1))
    quantiles, means = np.empty(levels.shape), np.empty((replicates, places), np.float32)
    mix(np.ascontiguousarray(F.transpose(2, 0, 1), dtype=np.float32), mixture, levels, means, quantiles, np.empty(places, np.int64))
    low, high = float(mixture.x[0]), float(mixture.x[-1])
    step = 1e-3 * (high - low)
    worst = 0.0
    for column in range(levels.shape[1]):
        q = quantiles[:, column]
        left, middle, right = (pooled.cdf(F, np.clip(q + move, low, high)) for move in (-step, 0, step))
        inside = (q > low) & (q < high)
        error = np.abs(middle - levels[:, column]) * 2 * step / np.maximum(right - left, 1e-12)
        worst = max(worst, float(error[inside].max(initial=0.0)))
    return worst / (high - low)


@numba.njit(cache=True, nogil=True, boundscheck=False, fastmath={"contract", "nsz"})
def _add(f, low, step, cells, knots, table, means, total):  # type: ignore[no-untyped-def]
    """One component at a block of pixels: its mean and its vector."""
    last, top, parts = knots.shape[0] - 2, np.float32(cells.size - 1), table.shape[1] // 16
    last_row, zero, one = table.shape[0] - 2, np.float32(0), np.float32(1)
    first, final = knots[0, 0], knots[last + 1, 0]
    for i in range(f.size):
        x = min(max(f[i], first), final)
        c = np.int64(cells[np.uint32(min(max((x - low) * step, zero), top))])
        while c < last and knots[c + 1, 0] <= x:
            c += 1
        t = min((x - knots[c, 0]) * knots[c, 1], one)
        means[i] += knots[c, 3] + t * (knots[c + 1, 3] - knots[c, 3])
        place = knots[c, 2] + t * (knots[c + 1, 2] - knots[c, 2])
        row = min(np.int64(place), last_row)
        for part in range(parts):
            add_between(table, row, place - np.float32(row), total, i, part)


@numba.njit(cache=True, nogil=True, boundscheck=False, fastmath={"contract", "nsz", "reassoc"})
def _at_node(j, vector, center, curves):  # type: ignore[no-untyped-def]
    """The distribution function at a node."""
    curve, total = curves[j], center[j]
    for r in range(curve.size):
        total += vector[r] * curve[r]
    return total


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _quantile(vector, p, center, curves, x):  # type: ignore[no-untyped-def]
    """Where the distribution function reaches p; it is computed where bisection looks."""
    low, high = 0, x.size - 1
    at_low, at_high = _at_node(low, vector, center, curves), _at_node(high, vector, center, curves)
    if p <= at_low:
        return x[low]
    if p >= at_high:
        return x[high]
    while high - low > 1:
        middle = (low + high) // 2
        value = _at_node(middle, vector, center, curves)
        if value <= p:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
    return x[low] + (x[high] - x[low]) * (p - at_low) / (at_high - at_low)


@numba.njit(cache=True, nogil=True, boundscheck=False, fastmath={"contract", "nsz", "reassoc"})
def mix(F, mixture, levels, means, quantiles, outside):  # type: ignore[no-untyped-def]
    """Means, quantiles and extrapolation of the pooled mixture.

    Parameters
    ----------
    F : (members, replicates, n) float32
    mixture : Mixture
    levels : (n, k) float64
        Probabilities of the quantiles of each pixel.
    means : (replicates, n) float32, written
    quantiles : (n, k) float64, written
    outside : (n,) int64, written
        Number of replicates in which a member leaves the range of its out-of-fold predictions.
    """
    members, replicates, n = F.shape
    total, left = np.empty((_BLOCK, mixture.curves.shape[1]), np.float32), np.empty(_BLOCK, np.bool_)
    for begin in range(0, n, _BLOCK):
        end = min(begin + _BLOCK, n)
        size = end - begin
        total[:] = 0
        outside[begin:end] = 0
        for s in range(replicates):
            means[s, begin:end] = 0
            left[:] = False
            for k in range(members):
                c, f = k * replicates + s, F[k, s, begin:end]
                if mixture.counts[c]:
                    _add(f, mixture.low[c], mixture.step[c], mixture.cells[c], mixture.knots[c], mixture.table[c], means[s, begin:end], total)
                lowest, highest = mixture.ranges[c, 0], mixture.ranges[c, 1]
                for i in range(size):
                    left[i] |= (f[i] < lowest) | (f[i] > highest)
            for i in range(size):
                outside[begin + i] += left[i]
        for i in range(size):
            for k in range(levels.shape[1]):
                quantiles[begin + i, k] = _quantile(total[i], levels[begin + i, k], mixture.center, mixture.curves, mixture.x)
