"""Distance to the nearest of a thousand sites, for millions of places."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

# Places per matrix product; always as many, so that a place's digits do not depend on how many
# there are.
_ROWS = 256
# Sites that are looked at side by side.
_LANES = 16


def nearest_distances(
    places: NDArray[np.float64], sites: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Euclidean distance of each place (n, columns) to the nearest site (sites, columns); NaN where
    a column is.

    Notes
    -----
    A matrix product in single precision finds the sites that may be nearest. It cancels close to a
    site, so that the distances to them are computed again.
    """
    largest = float(np.abs(sites).max(initial=0.0))
    # Whole groups of sites: what fills the last one is infinitely far away.
    groups = -(-len(sites) // _LANES)
    transposed = np.zeros((sites.shape[1], groups * _LANES), np.float32)
    transposed[:, : len(sites)] = sites.T
    half = np.full((groups, _LANES), np.inf, np.float32)
    half.reshape(-1)[: len(sites)] = np.einsum("ij,ij->i", sites, sites) / 2
    product = np.empty((_ROWS, groups * _LANES), np.float32)
    block, out = np.zeros((_ROWS, sites.shape[1])), np.empty(len(places))
    for start in range(0, len(places), _ROWS):
        size = min(_ROWS, len(places) - start)
        block[:size] = places[start : start + size]
        np.dot(block.astype(np.float32), transposed, out=product)
        _nearest(block[:size], sites, product, half, largest, out[start : start + size])
    return out


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _nearest(places, sites, product, half, largest, out):  # type: ignore[no-untyped-def]
    """The smallest distance among the sites whose |site|^2 / 2 - place . site is least but for
    rounding.
    """
    columns, lanes = places.shape[1], np.empty(_LANES, np.float32)
    for i in range(len(places)):
        reach = 0.0
        for j in range(columns):
            reach += abs(places[i, j])
        if not np.isfinite(reach):
            out[i] = np.nan
            continue
        row = product[i].reshape(half.shape)
        lanes[:] = np.inf
        for g in range(len(half)):
            for k in range(_LANES):
                away = half[g, k] - row[g, k]
                lanes[k] = away if away < lanes[k] else lanes[k]
        # Twice the rounding of a sum of as many products in single precision.
        limit = lanes.min() + np.float32(
            1.2e-7 * (columns + 2) * largest * (reach + columns * largest)
        )
        best = np.inf
        for g in range(len(half)):
            near = False
            for k in range(_LANES):
                near |= half[g, k] - row[g, k] <= limit
            if near:
                for k in range(_LANES):
                    if half[g, k] - row[g, k] <= limit:
                        best = min(best, _squared(places[i], sites[g * _LANES + k]))
        out[i] = np.sqrt(best)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _squared(place, site):  # type: ignore[no-untyped-def]
    """Squared distance, summed from the first column to the last."""
    total = 0.0
    for j in range(place.size):
        total += (place[j] - site[j]) ** 2
    return total
