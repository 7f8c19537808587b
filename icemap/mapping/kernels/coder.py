"""Predictors of a pixel become codes for the trees and the design for the others, once
for all replicates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from icemap.ensemble.coding import PredictorCoding

_BUCKETS = 4096
_EDGES = 256


class Coder(NamedTuple):
    """A `PredictorCoding` as arrays with one row per predictor.

    Attributes
    ----------
    is_class : (predictors,) bool
    edges : (predictors, 256) float32
        Between the codes, rising, padded with infinity.
    low, step, start : (predictors,) float32, (predictors,) float32, (predictors, buckets) uint8
        An even grid over the values, and the number of edges in lower cells of it.
    values, levels : (predictors, 256) float64, (predictors, 256) uint8
        Class codes met in training, rising, padded with infinity, and their levels.
    others : (predictors,) uint8
        The level of every other code.
    anchor, height, run : (predictors, 256) float64
        The lines of `PredictorCoding.lines`, by code.
    column : (predictors,) int64
        The column of a continuous predictor in the design, the column of a class predictor's first
        level.
    columns : (1,) int64
        Number of columns of the design.
    """

    is_class: NDArray[np.bool_]
    edges: NDArray[np.float32]
    low: NDArray[np.float32]
    step: NDArray[np.float32]
    start: NDArray[np.uint8]
    values: NDArray[np.float64]
    levels: NDArray[np.uint8]
    others: NDArray[np.uint8]
    anchor: NDArray[np.float64]
    height: NDArray[np.float64]
    run: NDArray[np.float64]
    column: NDArray[np.int64]
    columns: NDArray[np.int64]


def compile_coding(coding: PredictorCoding) -> Coder:
    """The arrays of a coding."""
    n = len(coding.names)
    edges, values = np.full((n, _EDGES), np.inf, np.float32), np.full((n, _EDGES), np.inf)
    low, step = np.zeros(n, np.float32), np.zeros(n, np.float32)
    start, levels, others = (
        np.zeros((n, _BUCKETS), np.uint8),
        np.zeros((n, _EDGES), np.uint8),
        np.zeros(n, np.uint8),
    )
    anchor, height, run = np.zeros((n, _EDGES)), np.zeros((n, _EDGES)), np.ones((n, _EDGES))
    column = np.zeros(n, np.int64)
    width = 0
    for i in coding.continuous_columns:
        name = coding.names[i]
        own = np.asarray(coding.edges[name], dtype=np.float32)
        edges[i, : len(own)] = own
        if len(own):
            low[i] = own[0]
            step[i] = (_BUCKETS - 2) / max(float(own[-1]) - float(own[0]), 1e-30)
            # The very arithmetic of the kernel, so that an edge and a value next to it fall in the
            # right order.
            cells = np.clip((own - low[i]) * step[i] + np.float32(1), 0, _BUCKETS - 1).astype(
                np.int64
            )
            start[i] = np.searchsorted(cells, np.arange(_BUCKETS), side="left")
        for array, line in zip((anchor, height, run), coding.lines(name), strict=True):
            array[i, : len(line)] = line
        column[i] = width
        width += 1
    for name, known in coding.levels.items():
        i = coding.names.index(name)
        seen = np.sort(np.array(coding.seen[name], dtype=float))
        values[i, : len(seen)] = seen
        levels[i, : len(seen)] = [
            known.index(int(code)) if int(code) in known else len(known) for code in seen
        ]
        others[i], column[i] = len(known), width
        width += len(known) + 1
    is_class = np.array([name in coding.levels for name in coding.names])
    return Coder(
        is_class,
        edges,
        low,
        step,
        start,
        values,
        levels,
        others,
        anchor,
        height,
        run,
        column,
        np.array([width]),
    )


@numba.njit(cache=True, nogil=True, boundscheck=False)  # type: ignore[untyped-decorator]
def code_pixels(X: Any, coder: Any, codes: Any, design: Any, unseen: Any) -> None:
    """Codes, design and unseen classes of pixels.

    Parameters
    ----------
    X : (n, predictors)
        Finite values; classes as codes.
    coder : Coder
    codes : (predictors, n) uint8, written
    design : (n, columns) float32, written
    unseen : (n,) bool, written
    """
    n, predictors = X.shape
    top, one, zero = np.float32(coder.start.shape[1] - 1), np.float32(1), np.float32(0)
    for begin in range(0, n, 512):
        end = min(begin + 512, n)
        for i in range(begin, end):
            design[i, :] = 0
            unseen[i] = False
        for p in range(predictors):
            column = coder.column[p]
            if coder.is_class[p]:
                for i in range(begin, end):
                    value, row = np.float64(X[i, p]), 0
                    while coder.values[p, row] < value:
                        row += 1
                    known = coder.values[p, row] == value
                    level = coder.levels[p, row] if known else coder.others[p]
                    unseen[i] = unseen[i] or not known
                    codes[p, i] = level
                    design[i, column + level] = 1
            else:
                low, step = coder.low[p], coder.step[p]
                for i in range(begin, end):
                    x = np.float32(X[i, p])
                    cell = np.uint64(min(max((x - low) * step + one, zero), top))
                    k = np.uint64(coder.start[p, cell])
                    while coder.edges[p, k] < x:
                        k += np.uint64(1)
                    codes[p, i] = k
                    rise = (np.float64(X[i, p]) - coder.anchor[p, k]) / coder.run[p, k]
                    design[i, column] = np.float32(coder.height[p, k] + rise)
