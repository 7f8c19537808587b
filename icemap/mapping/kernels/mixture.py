"""The pooled mixture of all replicates and members as sums of short vectors.

Every conditional distribution is a curve over the target that depends on one number, the member's prediction. All these curves are combinations of a few dozen common
ones to within the tolerance of the map, so that the mixture at a pixel is the sum of one short vector per replicate and member; the distribution function follows by one
small matrix product. The means of the replicates come from tables of their own and are exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from icemap.ensemble.bma import CopulaBMA
from icemap.ensemble.nodes import lagrange
from icemap.ensemble.pooled import PooledMixture, score_span
from icemap.mapping.kernels.bits import add_between
from icemap.mapping.kernels.packable import CannotPackError

_CELLS = 4096
_FINEST = 256
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
    center : (nodes,), curves : (rank, nodes)
        The distribution function is the center plus vector times curves.
    fine_x : (nodes - 1, steps + 1)
        Target values inside each cell between the nodes.
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
    fine_x: NDArray[np.float64]


def pack_mixture(pooled: PooledMixture) -> Mixture:
    """Tables with as few common curves as quantiles at random places allow."""
    if pooled._has_pool.any():
        raise CannotPackError("its replicates have a beta pool each")
    tables = _fine_rows(pooled._tables)
    weights = pooled._weights.T.astype(np.float64)
    replicates = weights.shape[1]
    center, moment = _spread(tables, weights)
    dense = np.clip(center * (1 - center), 0.01, None)
    _, vectors = np.linalg.eigh(moment / dense[:, None] / dense)
    for rank in _RANKS:
        directions = vectors[:, ::-1][:, :rank]
        mixture = _assemble(pooled, tables, weights / replicates, center, directions / dense[:, None], directions.T * dense)
        if quantile_error(pooled, mixture) <= QUANTILE_TOLERANCE:
            break
    return mixture


def _fine_rows(tables: NDArray[np.float32]) -> NDArray[np.float32]:
    """Members first, and more rows, so that straight lines between them suffice; (members, replicates, rows, nodes)."""
    tables = tables.transpose(1, 0, 2, 3)
    rows = tables.shape[2]
    parts = max(1, -(-_FINEST // (rows - 1)))
    at = np.arange((rows - 1) * parts + 1) / parts
    first = np.clip(at.astype(int) - 1, 0, rows - 4)
    cubic = lagrange(at - first)
    to_fine = np.zeros((len(at), rows), np.float32)
    to_fine[np.arange(len(at))[:, None], first[:, None] + np.arange(4)] = cubic
    return np.matmul(to_fine, tables)


def _spread(tables: NDArray[np.float32], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean of the curves, and their second moments about it."""
    nodes = tables.shape[-1]
    share = weights / weights.sum() / tables.shape[2]
    center = np.einsum("ks,ksrj->j", share, tables, optimize=True)
    moment = np.zeros((nodes, nodes))
    for k, s in np.ndindex(*weights.shape):
        away = tables[k, s] - center
        moment += share[k, s] * (away.T @ away)
    return center, moment


def _assemble(pooled, tables, weights, center, project, curves) -> Mixture:  # type: ignore[no-untyped-def]
    """The arrays for given common curves; weights are those in the pooled mixture."""
    members, replicates, rows, _ = tables.shape
    components, rank = members * replicates, curves.shape[0]
    table = (((tables - center) @ project) * weights[:, :, None, None]).astype(np.float32).reshape(components, rows, rank)
    knots = pooled._knots.transpose(1, 0, 2).reshape(components, -1)
    places = pooled._places.transpose(1, 0, 2).reshape(components, -1) * ((rows - 1) / (pooled._tables.shape[2] - 1))
    means = np.empty(knots.shape)
    nodes = pooled._nodes
    for c, (k, s) in enumerate(np.ndindex(members, replicates)):
        means[c] = _means(pooled.bmas[s], k, pooled._places[s, k] / (pooled._tables.shape[2] - 1))
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
    packed = np.stack([knots, inverse, places, means], axis=2).astype(np.float32)
    thin = (ranges.astype(np.float32), center.astype(np.float32), curves.astype(np.float32))
    return Mixture(low, step, cells, packed, table, weights.reshape(-1) > 0, *thin, nodes.fine_x)


def _means(bma: CopulaBMA, k: int, places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weight times mean of a component where its prediction lies ``places`` (0 to 1) of the way between its outer normal scores."""
    first, last = score_span(bma)
    v = special.ndtr(np.linspace(first, last, _FINEST))
    rows = bma._nodes.mean(bma.copulas_[k].h(bma._nodes.u[None, :], v[:, None]))
    at = places.astype(float) * (_FINEST - 1)
    start = np.clip(at.astype(int) - 1, 0, _FINEST - 4)
    return float(bma.weights_[k]) * np.einsum("nc,nc->n", lagrange(at - start), rows[start[:, None] + np.arange(4)])


def quantile_error(pooled: PooledMixture, mixture: Mixture, places: int = 512) -> float:
    """Largest error of the quantiles 2.5, 50 and 97.5 % at random places where the members agree more or less, as a share of the target's range."""
    rng = np.random.default_rng(0)
    replicates, members = pooled._weights.shape
    z = rng.normal(0, 1.5, places)[:, None] + rng.uniform(0.05, 0.8, places)[:, None] * rng.normal(size=(places, members))
    levels = 1 / (1 + np.exp(-1.702 * (z + 0.1 * rng.normal(size=(replicates, places, members)))))
    F = np.stack([np.column_stack([bma.member_margins_[k].ppf(levels[s, :, k]) for k in range(members)]) for s, bma in enumerate(pooled.bmas)])
    asked = np.tile([0.025, 0.5, 0.975], (places, 1))
    _, exact = pooled.summary(F, asked[0])
    quantiles = np.empty((places, 3))
    means = np.empty((replicates, places), np.float32)
    mix(np.ascontiguousarray(F.transpose(2, 0, 1), dtype=np.float32), mixture, asked, means, quantiles, np.empty(places, np.int64))
    return float(np.abs(quantiles - exact).max() / (pooled._nodes.x[-1] - pooled._nodes.x[0]))


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


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _quantile(row, p, fine_x):  # type: ignore[no-untyped-def]
    """Where the distribution function, a cubic through four nodes, reaches p."""
    nodes, steps = row.size, fine_x.shape[1] - 1
    low, high = 0, nodes - 1
    if p <= row[0]:
        return fine_x[0, 0]
    if p >= row[high]:
        return fine_x[nodes - 2, steps]
    while high - low > 1:
        middle = (low + high) // 2
        if row[middle] <= p:
            low = middle
        else:
            high = middle
    first = min(max(low - 1, 0), nodes - 4)
    offset = low - first
    g0, g1, g2, g3 = float(row[first]), float(row[first + 1]), float(row[first + 2]), float(row[first + 3])
    # Newton's form of the cubic, centred on the cell's first node.
    a1, a2, a3 = g1 - g0, (g2 - 2 * g1 + g0) / 2, (g3 - 3 * g2 + 3 * g1 - g0) / 6
    left, right = 0.0, 1.0
    t = (p - row[low]) / max(row[low + 1] - row[low], 1e-30)
    for _ in range(30):
        x = t + offset
        value = g0 + x * (a1 + (x - 1) * (a2 + (x - 2) * a3)) - p
        slope = a1 + (2 * x - 1) * a2 + (3 * x * x - 6 * x + 2) * a3
        if value < 0:
            left = t
        else:
            right = t
        moved = t - value / slope if slope > 0 else 2.0
        if not (left < moved < right):
            moved = 0.5 * (left + right)
        if abs(moved - t) < 1e-5:
            t = moved
            break
        t = moved
    at = t * steps
    cell = min(int(at), steps - 1)
    return fine_x[low, cell] + (at - cell) * (fine_x[low, cell + 1] - fine_x[low, cell])


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
    rank, nodes = mixture.curves.shape
    total, row, left = np.empty((_BLOCK, rank), np.float32), np.empty(nodes, np.float32), np.empty(_BLOCK, np.bool_)
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
            for j in range(nodes):
                row[j] = mixture.center[j]
            for r in range(rank):
                x, curve = total[i, r], mixture.curves[r]
                for j in range(nodes):
                    row[j] += x * curve[j]
            for j in range(1, nodes):
                row[j] = max(row[j], row[j - 1])
            for k in range(levels.shape[1]):
                quantiles[begin + i, k] = _quantile(row, levels[begin + i, k], mixture.fine_x)
