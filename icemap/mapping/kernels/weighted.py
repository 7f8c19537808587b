"""Weighted sums over pixels, added in the order of the pixels on every processor."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, boundscheck=False)
def weighted_sums(weights, values):  # type: ignore[no-untyped-def]
    """Sum over the pixels of weight x value, in double precision.

    Parameters
    ----------
    weights : (parts, n) float64
        Most of them 0, which costs nothing.
    values : (n, replicates)

    Returns
    -------
    (parts, replicates) float64
    """
    parts, n = weights.shape
    total = np.zeros((parts, values.shape[1]))
    for p in range(parts):
        for i in range(n):
            weight = weights[p, i]
            if weight != 0:
                for s in range(values.shape[1]):
                    total[p, s] += weight * values[i, s]
    return total


@numba.njit(cache=True, nogil=True, boundscheck=False)
def grouped_sums(group, groups, weights, values):  # type: ignore[no-untyped-def]
    """Sum over the pixels of each group of weight x value, in double precision.

    Parameters
    ----------
    group : (n,) int64
        From 0 to groups - 1.
    groups : int
    weights : (n,) float64
    values : (n, replicates)

    Returns
    -------
    (groups, replicates) float64
    """
    n = len(group)
    total = np.zeros((groups, values.shape[1]))
    for i in range(n):
        weight = weights[i]
        if weight != 0:
            g = group[i]
            for s in range(values.shape[1]):
                total[g, s] += weight * values[i, s]
    return total
