"""Distance to the nearest of a thousand sites, for millions of places."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

# Places per matrix product; always as many, so that a place's digits do not depend on how many
# there are.
_ROWS = 256


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
    transposed = np.ascontiguousarray(sites.T, dtype=np.float32)
    squares = np.einsum("ij,ij->i", sites, sites)
    half = (squares / 2).astype(np.float32)
    product = np.empty((_ROWS, len(sites)), np.float32)
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
    columns = places.shape[1]
    for i in range(len(places)):
        reach = 0.0
        for j in range(columns):
            reach += abs(places[i, j])
        if not np.isfinite(reach):
            out[i] = np.nan
            continue
        row = product[i]
        least = np.float32(np.inf)
        for s in range(half.size):
            least = min(least, half[s] - row[s])
        # Twice the rounding of a sum of as many products in single precision.
        limit = least + np.float32(1.2e-7 * (columns + 2) * largest * (reach + columns * largest))
        best = np.inf
        for s in range(half.size):
            if half[s] - row[s] <= limit:
                total = 0.0
                for j in range(columns):
                    total += (places[i, j] - sites[s, j]) ** 2
                best = min(best, total)
        out[i] = np.sqrt(best)
