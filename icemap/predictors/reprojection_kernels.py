"""Samples of a raster at given positions, block of cells by block of cells."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Field = NDArray[np.float32]
Positions = NDArray[np.float64]

NEAREST, BILINEAR, MEAN, MODE = range(4)


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _nearest(values: Field, col: float, row: float) -> np.float32:
    # Also false where a position is NaN or infinite.
    if 0 <= col < values.shape[1] and 0 <= row < values.shape[0]:
        return values[int(row), int(col)]
    return np.float32(np.nan)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _bilinear(values: Field, col: float, row: float) -> float:
    """Weights of the four nearest cell centres, shared among those with data; no value in a cell
    without, as in GDAL.
    """
    rows, cols = values.shape
    if np.isnan(_nearest(values, col, row)):
        return np.nan
    left, top = int(np.floor(col - 0.5)), int(np.floor(row - 0.5))
    right_part, bottom_part = col - 0.5 - left, row - 0.5 - top
    total, weights = 0.0, 0.0
    for down in range(2):
        for right in range(2):
            i, j = top + down, left + right
            if 0 <= i < rows and 0 <= j < cols and not np.isnan(values[i, j]):
                weight = (bottom_part if down else 1 - bottom_part) * (
                    right_part if right else 1 - right_part
                )
                total += weight * values[i, j]
                weights += weight
    return total / weights


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mean(values: Field, position: Positions, top: int, left: int, samples: int) -> float:
    rows, cols = values.shape
    total, count = 0.0, 0
    for i in range(top, top + samples):
        for j in range(left, left + samples):
            col, row = position[0, i, j], position[1, i, j]
            if 0 <= col < cols and 0 <= row < rows:
                value = values[np.uint64(row), np.uint64(col)]
                if value == value:
                    total += value
                    count += 1
    return total / count if count else np.nan


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mode(
    values: Field, position: Positions, top: int, left: int, samples: int, votes: Field
) -> np.float32:
    """The most frequent code, the lowest of several."""
    count = 0
    for i in range(top, top + samples):
        for j in range(left, left + samples):
            value = _nearest(values, position[0, i, j], position[1, i, j])
            if not np.isnan(value):
                votes[count] = value
                count += 1
    votes[:count].sort()
    winner, longest, start = np.float32(np.nan), 0, 0
    for k in range(1, count + 1):
        if k == count or votes[k] != votes[start]:
            if k - start > longest:
                winner, longest = votes[start], k - start
            start = k
    return winner


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _interpolate(
    nodes: Positions, top: int, left: int, basis: Positions, position: Positions
) -> None:
    """Fill the positions of one block from its 3 x 3 nodes."""
    size = basis.shape[0]
    for axis in range(2):
        corner = nodes[axis, top : top + 3, left : left + 3]
        for i in range(size):
            a, b, c = basis[i, 0], basis[i, 1], basis[i, 2]
            first = a * corner[0, 0] + b * corner[1, 0] + c * corner[2, 0]
            middle = a * corner[0, 1] + b * corner[1, 1] + c * corner[2, 1]
            last = a * corner[0, 2] + b * corner[1, 2] + c * corner[2, 2]
            for j in range(size):
                position[axis, i, j] = (
                    basis[j, 0] * first + basis[j, 1] * middle + basis[j, 2] * last
                )


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def resample(
    values: Field,
    nodes: Positions,
    basis: Positions,
    index: NDArray[np.int64],
    exact: Positions,
    samples: int,
    method: int,
    skipped: tuple[int, int],
    out: Field,
) -> None:
    """Resample ``values`` into ``out``.

    Parameters
    ----------
    values : ndarray of float32, shape (rows, columns)
        Of the source, NaN for nodata; positions are columns and rows in it, whole numbers at the
        upper left corners of cells.
    nodes : ndarray of shape (2, 2 blocks down + 1, 2 blocks across + 1)
        Positions (column, row) at the corners, edge middles and centres of blocks.
    basis : ndarray of shape (size, 3)
        Weights of a block's three nodes along an axis at each of its ``size`` samples.
    index : ndarray of int, shape (blocks down, blocks across)
        Where the positions of a block are in ``exact``, -1 where they follow from its nodes.
    exact : ndarray of shape (blocks listed, 2, size, size)
    samples : int
        Per cell and side.
    method : int
        NEAREST or BILINEAR for one sample, MEAN or MODE for many.
    skipped : (int, int)
        Rows and columns of cells in the first blocks that lie before ``out``.
    out : ndarray of float32
        Written in place.
    """
    size = basis.shape[0]
    cells = size // samples
    own = np.empty((2, size, size))
    votes = np.empty(samples * samples, dtype=np.float32)
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            if index[i, j] >= 0:
                position = exact[index[i, j]]
            else:
                _interpolate(nodes, 2 * i, 2 * j, basis, own)
                position = own
            top, left = i * cells - skipped[0], j * cells - skipped[1]
            for r in range(max(top, 0), min(top + cells, out.shape[0])):
                for c in range(max(left, 0), min(left + cells, out.shape[1])):
                    y, x = (r - top) * samples, (c - left) * samples
                    if method == NEAREST:
                        out[r, c] = _nearest(values, position[0, y, x], position[1, y, x])
                    elif method == BILINEAR:
                        out[r, c] = _bilinear(values, position[0, y, x], position[1, y, x])
                    elif method == MEAN:
                        out[r, c] = _mean(values, position, y, x, samples)
                    else:
                        out[r, c] = _mode(values, position, y, x, samples, votes)
