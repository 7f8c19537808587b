"""All additive models in one pass: their splines share one basis, of which four functions are not
zero at a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.gam import SplineGAM
from icemap.mapping.kernels.compilable import CannotCompileError


class GAMs(NamedTuple):
    """Coefficients of all replicates.

    Attributes
    ----------
    low, high : (columns,) float64
        Span of each column of the design; values beyond are held at its ends.
    splines : (columns, functions, replicates) float32
        Of the cubic B-splines; zero where a replicate has a straight line.
    lines : (columns, replicates) float32
    has_spline, has_line : (columns,) bool
    intercepts : (replicates,) float32
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    splines: NDArray[np.float32]
    lines: NDArray[np.float32]
    has_spline: NDArray[np.bool_]
    has_line: NDArray[np.bool_]
    intercepts: NDArray[np.float32]


def compile_gams(members: Sequence[SplineGAM]) -> GAMs:
    """One fitted member per replicate, all with the same knots and number of splines."""
    low, high = members[0].lowest_, members[0].highest_
    if any(
        not (np.array_equal(m.lowest_, low) and np.array_equal(m.highest_, high)) for m in members
    ):
        raise CannotCompileError("its replicates have different knots")
    if len({m.splines for m in members}) > 1:
        raise CannotCompileError("its replicates have different numbers of splines")
    splines = np.stack([m.splines_ for m in members], axis=-1)
    lines = np.stack([m.lines_ for m in members], axis=-1)
    intercepts = np.array([m.intercept_ for m in members])
    has_spline, has_line = np.asarray(splines.any(axis=(1, 2))), np.asarray(lines.any(axis=1))
    return GAMs(
        low,
        high,
        splines.astype(np.float32),
        lines.astype(np.float32),
        has_spline,
        has_line,
        intercepts.astype(np.float32),
    )


@numba.njit(cache=True, nogil=True, boundscheck=False)
def predict_gams(design, gams, out):  # type: ignore[no-untyped-def]
    """Predictions of all replicates.

    Parameters
    ----------
    design : (n, columns) float32
    gams : GAMs
    out : (replicates, n) float32, written
    """
    n, columns = design.shape
    replicates = gams.intercepts.size
    cells = gams.splines.shape[1] - 3
    block = np.empty((16, replicates), np.float32)
    for begin in range(0, n, 16):
        end = min(begin + 16, n)
        for i in range(begin, end):
            total = block[i - begin]
            for s in range(replicates):
                total[s] = gams.intercepts[s]
            for column in range(columns):
                x = min(max(np.float64(design[i, column]), gams.low[column]), gams.high[column])
                if gams.has_spline[column]:
                    u = (x - gams.low[column]) / (gams.high[column] - gams.low[column]) * cells
                    q = min(int(u), cells - 1)
                    t = u - q
                    m = 1 - t
                    w0, w3 = np.float32(m * m * m / 6), np.float32(t * t * t / 6)
                    w1, w2 = (
                        np.float32((3 * t * t * t - 6 * t * t + 4) / 6),
                        np.float32((3 * m * m * m - 6 * m * m + 4) / 6),
                    )
                    c0, c1, c2, c3 = (
                        gams.splines[column, q],
                        gams.splines[column, q + 1],
                        gams.splines[column, q + 2],
                        gams.splines[column, q + 3],
                    )
                    for s in range(replicates):
                        total[s] += w0 * c0[s] + w1 * c1[s] + w2 * c2[s] + w3 * c3[s]
                if gams.has_line[column] and x != 0:
                    slope, value = gams.lines[column], np.float32(x)
                    for s in range(replicates):
                        total[s] += value * slope[s]
        for s in range(replicates):
            for i in range(begin, end):
                out[s, i] = block[i - begin, s]
