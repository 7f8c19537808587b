"""Compiled loops over places and the trees of a quantile forest: one thread, no interpreter
lock.
"""

from __future__ import annotations

import numba
import numpy as np

# Places that pass a tree together: its curves are fetched once for them, and their sums stay in
# cache.
_BLOCK = 2048


@numba.njit(cache=True, nogil=True, boundscheck=False)
def look_up(codes, forest, cdf, mean):  # type: ignore[no-untyped-def]
    """Distribution functions at the nodes of the target, and means.

    Parameters
    ----------
    codes : (predictors, n) uint8
    forest : QuantileForest
    cdf : (n, k + 2) float32, written
        With 0 before and 1 behind the nodes.
    mean : (n,) float32, written
    """
    root, nodes, depth, curves, means = (
        forest.root,
        forest.nodes,
        forest.depth,
        forest.curves,
        forest.means,
    )
    n, k = cdf.shape[0], cdf.shape[1] - 2
    at, sums = np.empty(_BLOCK, np.int32), np.empty((_BLOCK, k), np.float32)
    for begin in range(0, n, _BLOCK):
        size = min(_BLOCK, n - begin)
        sums[:size] = 0
        mean[begin : begin + size] = 0
        for tree in range(root.size):
            at[:size] = root[tree]
            # All places side by side and without a branch: each step of one does not wait for that
            # of another.
            for _ in range(depth[tree]):
                for i in range(size):
                    here = at[i]
                    node = max(here, 0)
                    child = (
                        nodes[node, 2]
                        if codes[nodes[node, 0], begin + i] <= nodes[node, 1]
                        else nodes[node, 3]
                    )
                    at[i] = child if here >= 0 else here
            for i in range(size):
                leaf = -1 - at[i]
                mean[begin + i] += means[leaf]
                for j in range(k):
                    sums[i, j] += curves[leaf, j]
        for i in range(size):
            cdf[begin + i, 0], cdf[begin + i, k + 1] = 0, 1
            for j in range(k):
                cdf[begin + i, 1 + j] = min(sums[i, j], np.float32(1))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def invert_leaves(cdf, x, levels, quantiles):  # type: ignore[no-untyped-def]
    """Quantiles (n, k), written, of distribution functions ``cdf`` (n, nodes + 2), with 0 before
    and 1 behind the nodes x, at the levels (n, k) of each place.
    """
    last = x.size
    for i in range(levels.shape[0]):
        for k in range(levels.shape[1]):
            p = levels[i, k]
            if p <= cdf[i, 1]:
                quantiles[i, k] = x[0]
                continue
            if p >= cdf[i, last]:
                quantiles[i, k] = x[last - 1]
                continue
            low, high = 1, last
            while high - low > 1:
                middle = (low + high) // 2
                if cdf[i, middle] <= p:
                    low = middle
                else:
                    high = middle
            below, above = np.float64(cdf[i, low]), np.float64(cdf[i, high])
            share = (p - below) / (above - below)
            quantiles[i, k] = x[low - 1] + (x[high - 1] - x[low - 1]) * share
