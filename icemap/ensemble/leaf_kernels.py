"""Compiled loops over places and the trees of a quantile forest: one thread, no interpreter lock."""

from __future__ import annotations

import numba
import numpy as np

# Places whose sums stay in cache while the trees pass.
_BLOCK = 256


@numba.njit(cache=True, nogil=True, boundscheck=False)
def look_up(codes, forest, means, cdf, mean):  # type: ignore[no-untyped-def]
    """Distribution functions at the nodes of the target, and means.

    Parameters
    ----------
    codes : (predictors, n) uint8
    forest : QuantileForest
    means : (k + 1,) float32
        Mean of a site in each cell.
    cdf : (n, k + 2) float32, written
        With 0 before and 1 behind the nodes.
    mean : (n,) float32, written
    """
    root, nodes, first_entry, cell, share, spread = forest.root, forest.nodes, forest.first_entry, forest.cell, forest.share, forest.spread
    n, k = cdf.shape[0], cdf.shape[1] - 2
    mass = np.empty((_BLOCK, k + 1), np.float32)
    for begin in range(0, n, _BLOCK):
        size = min(_BLOCK, n - begin)
        mass[:size] = 0
        for tree in range(root.size):
            for i in range(size):
                at = root[tree]
                while at >= 0:
                    at = nodes[at, 2] if codes[nodes[at, 0], begin + i] <= nodes[at, 1] else nodes[at, 3]
                for entry in range(first_entry[-1 - at], first_entry[-at]):
                    mass[i, cell[entry]] += share[entry]
        for i in range(size):
            row, total = cdf[begin + i], np.float32(0)
            row[:] = 0
            row[k + 1] = 1
            for c in range(k + 1):
                weight = mass[i, c]
                if weight > 0:
                    total += weight * means[c]
                    for j in range(k):
                        row[1 + j] += weight * spread[c, j]
            for j in range(k):
                row[1 + j] = min(row[1 + j], np.float32(1))
            mean[begin + i] = total
