"""Compiled loops over pixels for the pooled mixture: one thread, no interpreter lock."""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 128  # pixels whose rows stay in cache while the replicates pass


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def accumulate(F, low, step, buckets, knots, places, tables, weights, pools, has_pool, mean_weights, top, means, rows):  # type: ignore[no-untyped-def]
    """Replicate means and the pooled distribution function at the nodes.

    Parameters
    ----------
    F : (replicates, n, members)
    low, step, buckets : (replicates, members), (replicates, members), (replicates, members, m) uint16
        An even grid over the predictions, and the last knot at or below each of its edges.
    knots, places : (replicates, members, knots) float32
        Predictions, and where on the rows of the tables each lies; linear between.
    tables : (replicates, members, rows, nodes) float32
        h_k at the nodes, for each v; cubic between the rows.
    weights : (replicates, members) float32
    pools : (replicates, p) float32
        The beta transform on an even grid of probabilities; used where ``has_pool``.
    mean_weights : (nodes,) float32
    top : float
        Target value of the last node.
    means : (replicates, n) float64, written
    rows : (n, nodes) float32, written
    """
    replicates, n, members = F.shape
    last_bucket, last_knot = buckets.shape[2] - 2, knots.shape[2] - 1
    last_row, nodes = tables.shape[2] - 1, tables.shape[3]
    last_pool = pools.shape[1] - 1
    one, two, three, six = np.float32(1), np.float32(2), np.float32(3), np.float32(6)
    row, cells = np.empty(nodes, np.float32), np.empty(nodes, np.int32)
    share = np.float32(1.0 / replicates)
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        for i in range(start, stop):
            for j in range(nodes):
                rows[i, j] = 0
        for s in range(replicates):
            for i in range(start, stop):
                for j in range(nodes):
                    row[j] = 0
                for k in range(members):
                    w = weights[s, k]
                    if w == 0:
                        continue
                    f, knot, place_of = np.float32(F[s, i, k]), knots[s, k], places[s, k]
                    if f <= knot[0]:
                        place = place_of[0]
                    elif f >= knot[last_knot]:
                        place = place_of[last_knot]
                    else:
                        bucket = min(int((f - low[s, k]) * step[s, k]), last_bucket)
                        first, last = int(buckets[s, k, bucket]), min(int(buckets[s, k, bucket + 1]) + 1, last_knot)
                        while first + 1 < last and knot[first + 1] <= f:
                            first += 1
                        rise = (place_of[first + 1] - place_of[first]) / max(knot[first + 1] - knot[first], np.float32(1e-30))
                        place = place_of[first] + (f - knot[first]) * rise
                    q = max(min(int(place) - 1, last_row - 3), 0)
                    x = place - np.float32(q)
                    w0 = w * (one - x) * (two - x) * (three - x) / six
                    w1 = w * x * (two - x) * (three - x) / two
                    w2 = w * x * (x - one) * (three - x) / two
                    w3 = w * x * (x - one) * (x - two) / six
                    t0, t1, t2, t3 = tables[s, k, q], tables[s, k, q + 1], tables[s, k, q + 2], tables[s, k, q + 3]
                    for j in range(nodes):
                        row[j] += w0 * t0[j] + w1 * t1[j] + w2 * t2[j] + w3 * t3[j]
                if has_pool[s]:
                    pool = pools[s]
                    for j in range(nodes):
                        p = row[j] * np.float32(last_pool)
                        cells[j] = np.int32(min(max(p, np.float32(0)), np.float32(last_pool - 1)))
                        row[j] = p - np.float32(cells[j])
                    for j in range(nodes):
                        c = np.uint32(cells[j])
                        row[j] = pool[c] + row[j] * (pool[c + np.uint32(1)] - pool[c])
                total = np.float32(0)
                for j in range(nodes):
                    total += row[j] * mean_weights[j]
                    rows[i, j] += share * row[j]
                means[s, i] = top - total


@numba.njit(cache=True, nogil=True)
def invert(rows, levels, fine_x, out):  # type: ignore[no-untyped-def]
    """Quantiles from distribution functions at the nodes.

    Parameters
    ----------
    rows : (n, nodes) float32
        Never falling along a row.
    levels : (n, k)
        Probabilities, those of each row.
    fine_x : (nodes - 1, steps + 1)
        Target values inside each cell, even in z.
    out : (n, k), written
    """
    n, nodes = rows.shape
    steps = fine_x.shape[1] - 1
    for i in range(n):
        for k in range(levels.shape[1]):
            p = levels[i, k]
            low, high = 0, nodes - 1
            if p <= rows[i, 0]:
                out[i, k] = fine_x[0, 0]
                continue
            if p >= rows[i, high]:
                out[i, k] = fine_x[nodes - 2, steps]
                continue
            while high - low > 1:
                middle = (low + high) // 2
                if rows[i, middle] <= p:
                    low = middle
                else:
                    high = middle
            first = min(max(low - 1, 0), nodes - 4)
            g0, g1, g2, g3 = float(rows[i, first]), float(rows[i, first + 1]), float(rows[i, first + 2]), float(rows[i, first + 3])
            offset = low - first
            left, right = 0.0, 1.0
            t = (p - rows[i, low]) / max(rows[i, low + 1] - rows[i, low], 1e-30)
            for _ in range(30):
                x = t + offset
                value = (
                    -g0 * (x - 1) * (x - 2) * (x - 3) / 6 + g1 * x * (x - 2) * (x - 3) / 2 - g2 * x * (x - 1) * (x - 3) / 2 + g3 * x * (x - 1) * (x - 2) / 6
                ) - p
                slope = (
                    -g0 * (3 * x * x - 12 * x + 11) / 6
                    + g1 * (3 * x * x - 10 * x + 6) / 2
                    - g2 * (3 * x * x - 8 * x + 3) / 2
                    + g3 * (3 * x * x - 6 * x + 2) / 6
                )
                if value < 0:
                    left = t
                else:
                    right = t
                moved = t - value / slope if slope > 0 else 2.0
                if not (left < moved < right):
                    moved = 0.5 * (left + right)
                if abs(moved - t) < 1e-6:
                    break
                t = moved
            at = t * steps
            c = min(int(at), steps - 1)
            out[i, k] = fine_x[low, c] + (at - c) * (fine_x[low, c + 1] - fine_x[low, c])
