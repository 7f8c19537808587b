"""Compiled loops over places and the samples that carry a Gaussian process: one thread, no
interpreter lock, sums in one order.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from icemap.ensemble.exponentials import exponentials
from icemap.ensemble.products import LANES32, LANES64, ROWS_AT_ONCE, add_products

# Places that pass a block of samples together, and samples of a block.
_ROWS = 96
_DEPTH = 64


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _squares(places, scales, scaled, out):  # type: ignore[no-untyped-def]
    """Places in units of a kernel's length (rows of ``scaled``), and their squares."""
    for i in range(places.shape[0]):
        total = 0.0
        for c in range(places.shape[1]):
            value = scales[c] * places[i, c]
            scaled[i, c] = value
            total += value * value
        out[i] = total


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _distances(places, squares, sites, site_squares, first, depth, squared, out):  # type: ignore[no-untyped-def]
    """Of a block of places and samples, in units of a kernel's length, written."""
    for i in range(_ROWS):
        for j in range(depth):
            squared[i, j] = squares[i] + site_squares[first + j]
    for j in range(0, depth, LANES64):
        for i in range(0, _ROWS, ROWS_AT_ONCE):
            add_products(places, i, sites, 0, first + j, sites.shape[0], squared, j)
    # What is beyond the depth of the last block is of the one before, and not used.
    values = squared.reshape(-1)
    for k in range(values.size):
        out[k] = math.sqrt(np.float32(max(values[k], 0.0)))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _kernel_alone(unlike, variance, work, kernels):  # type: ignore[no-untyped-def]
    """Matern 3/2 kernel of distances over predictors, written."""
    exponents, falling = work
    one, height = np.float32(1), np.float32(variance)
    for k in range(unlike.size):
        exponents[k] = -unlike[k]
    exponentials(exponents, falling)
    for k in range(unlike.size):
        kernels[k] = height * (one + unlike[k]) * falling[k]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _add_kernel_near(unlike, ratio, away, variance, work, kernels):  # type: ignore[no-untyped-def]
    """The same times the kernel of distances over the sphere, added."""
    exponents, falling = work
    one, height, longer = np.float32(1), np.float32(variance), np.float32(ratio)
    for k in range(unlike.size):
        exponents[k] = -(longer * unlike[k] + away[k])
    exponentials(exponents, falling)
    for k in range(unlike.size):
        both = (one + longer * unlike[k]) * (one + away[k])
        kernels[k] += height * both * falling[k]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def in_units(z, ends, table, values):  # type: ignore[no-untyped-def]
    """Values of the target, written, at transformed values z: straight lines between those of the
    table, which stand even steps apart from end to end. All of shape (n,) but the table.
    """
    last = table.size - 1
    step = (ends[1] - ends[0]) / last
    for i in range(z.size):
        place = (min(max(z[i], ends[0]), ends[1]) - ends[0]) / step
        cell = min(np.int64(place), last - 1)
        values[i] = table[cell] + (place - cell) * (table[cell + 1] - table[cell])


@numba.njit(cache=True, nogil=True, boundscheck=False)
def krige(design, vectors, process, mean, variance):  # type: ignore[no-untyped-def]
    """Mean and variance of a process, without its nugget, on the transformed scale.

    Parameters
    ----------
    design : (n, columns) float32
    vectors : (n, 3) or (0, 3) float64
        Unit vectors of the places; none where nobody says where they are.
    process : GaussianProcess
    mean, variance : (n,) float64, written
    """
    n, columns = design.shape
    sites, width = process.projection.shape
    near = len(vectors) > 0 and process.variances[1] > 0
    by_column, by_vector = np.zeros((_ROWS, columns)), np.zeros((_ROWS, 3))
    column_squares, vector_squares = np.zeros(_ROWS), np.zeros(_ROWS)
    squared, block = np.zeros((_ROWS, _DEPTH)), _ROWS * _DEPTH
    unlike, away = np.zeros(block, np.float32), np.zeros(block, np.float32)
    work = np.zeros(block, np.float32), np.zeros(block, np.float32)
    kernels, totals = np.zeros((_ROWS, _DEPTH), np.float32), np.zeros((_ROWS, width))
    # Sums of squares that run side by side.
    known, prior = np.zeros(LANES64), process.variances[0] + process.variances[1]
    for start in range(0, n, _ROWS):
        size = min(_ROWS, n - start)
        end = start + size
        _squares(design[start:end], process.scales[:columns], by_column, column_squares)
        if near:
            _squares(vectors[start:end], process.scales[columns:], by_vector, vector_squares)
        totals[:] = 0
        for first in range(0, sites, _DEPTH):
            depth = min(_DEPTH, sites - first)
            _distances(
                by_column,
                column_squares,
                process.columns,
                process.column_squares,
                first,
                depth,
                squared,
                unlike,
            )
            _kernel_alone(unlike, process.variances[0], work, kernels.reshape(-1))
            if near:
                _distances(
                    by_vector,
                    vector_squares,
                    process.vectors,
                    process.vector_squares,
                    first,
                    depth,
                    squared,
                    away,
                )
                _add_kernel_near(
                    unlike,
                    process.ratio[0],
                    away,
                    process.variances[1],
                    work,
                    kernels.reshape(-1),
                )
            for s in range(0, width, LANES32):
                # The projection is lower triangular but for its last columns.
                if s < first + depth or s + LANES32 > sites:
                    for i in range(0, _ROWS, ROWS_AT_ONCE):
                        add_products(kernels, i, process.projection, first, s, depth, totals, s)
        for i in range(size):
            known[:] = 0
            for s in range(0, sites, LANES64):
                for k in range(LANES64):
                    known[k] += totals[i, s + k] * totals[i, s + k]
            mean[start + i] = totals[i, sites]
            variance[start + i] = max(prior - known.sum(), 0.0)
