"""Compiled loops over places and the trees of a quantile forest: one thread, no interpreter
lock.
"""

from __future__ import annotations

import numba
import numpy as np

# Places that pass the trees together: the curves of a tree are fetched once for them, and their
# sums stay in cache.
_BLOCK = 2048
# Trees whose curves are added while a sum is in a register.
_AT_ONCE = 4


@numba.njit(cache=True, nogil=True, boundscheck=False)
def look_up(codes, forest, cdf, mean):  # type: ignore[no-untyped-def]
    """As `add_leaves`, for the leaves that coded predictors, (predictors, n) uint8, lead to."""
    leaves, n = np.empty((forest.root.size, _BLOCK), np.int32), codes.shape[1]
    for begin in range(0, n, _BLOCK):
        end = min(begin + _BLOCK, n)
        _find(codes, begin, forest, leaves[:, : end - begin])
        add_leaves(leaves[:, : end - begin], forest, cdf[begin:end], mean[begin:end])


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _find(codes, begin, forest, leaves):  # type: ignore[no-untyped-def]
    """The leaf of each tree that places fall into from ``begin`` on, written."""
    nodes = forest.nodes
    for tree in range(forest.root.size):
        at = leaves[tree]
        at[:] = forest.root[tree]
        # All places side by side and without a branch: each step of one does not wait for that of
        # another.
        for _ in range(forest.depth[tree]):
            for i in range(at.size):
                here = at[i]
                node = max(here, 0)
                child = (
                    nodes[node, 2]
                    if codes[nodes[node, 0], begin + i] <= nodes[node, 1]
                    else nodes[node, 3]
                )
                at[i] = child if here >= 0 else here
        for i in range(at.size):
            at[i] = -1 - at[i]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def add_leaves(leaves, forest, cdf, mean):  # type: ignore[no-untyped-def]
    """Distribution functions at the nodes of the target, and means; the trees are added from the
    first to the last.

    Parameters
    ----------
    leaves : (trees, n)
        Whole numbers.
    forest : QuantileForest
    cdf : (n, k + 2) float32, written
        With 0 before and 1 behind the nodes.
    mean : (n,) float32, written
    """
    curves, means, trees = forest.curves, forest.means, len(leaves)
    n, k = cdf.shape[0], cdf.shape[1] - 2
    for begin in range(0, n, _BLOCK):
        end = min(begin + _BLOCK, n)
        cdf[begin:end] = 0
        mean[begin:end] = 0
        for tree in range(0, trees - trees % _AT_ONCE, _AT_ONCE):
            for i in range(begin, end):
                a, b = np.uint64(leaves[tree, i]), np.uint64(leaves[tree + 1, i])
                c, d = np.uint64(leaves[tree + 2, i]), np.uint64(leaves[tree + 3, i])
                mean[i] = (((mean[i] + means[a]) + means[b]) + means[c]) + means[d]
                for j in range(k):
                    two = (cdf[i, 1 + j] + curves[a, j]) + curves[b, j]
                    cdf[i, 1 + j] = (two + curves[c, j]) + curves[d, j]
        for tree in range(trees - trees % _AT_ONCE, trees):
            for i in range(begin, end):
                a = np.uint64(leaves[tree, i])
                mean[i] += means[a]
                for j in range(k):
                    cdf[i, 1 + j] += curves[a, j]
        for i in range(begin, end):
            cdf[i, k + 1] = 1
            for j in range(k):
                cdf[i, 1 + j] = min(cdf[i, 1 + j], np.float32(1))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def invert_leaves(cdf, x, levels, quantiles):  # type: ignore[no-untyped-def]
    """Quantiles (n, k), written, of distribution functions ``cdf`` (n, nodes + 2), with 0 before
    and 1 behind the nodes x, at the levels (k,).
    """
    last = x.size
    for i in range(cdf.shape[0]):
        for k in range(levels.size):
            p = levels[k]
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
