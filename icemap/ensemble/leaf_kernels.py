"""Compiled loops over places and the trees of a quantile forest: one thread, no interpreter lock."""

from __future__ import annotations

import numba
import numpy as np

# Places whose sums stay in cache while the trees pass.
_BLOCK = 256


@numba.njit(cache=True, nogil=True, boundscheck=False)
def look_up(codes, root, nodes, first_entry, cell, share, middle, cdf, mean):  # type: ignore[no-untyped-def]
    """Distribution functions at the nodes of the target, and means.

    Parameters
    ----------
    codes : (predictors, n) uint8
    root, nodes, first_entry, cell, share
        Of a `icemap.ensemble.quantile_forest.QuantileForest`.
    middle : (k + 1,) float32
        Mean of the values of each cell.
    cdf : (n, k + 2) float32, written
        With 0 before and 1 behind the nodes.
    mean : (n,) float32, written
    """
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
            below, total = np.float32(0), np.float32(0)
            for j in range(k + 1):
                cdf[begin + i, j] = min(below, np.float32(1))
                below += mass[i, j]
                total += mass[i, j] * middle[j]
            cdf[begin + i, k + 1] = 1
            mean[begin + i] = total
