"""All additive models in one pass: their splines share one basis, of which four functions are not zero at a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from icemap.mapping.kernels.packable import CannotPackError

_ORDER = 3


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


def pack_gams(members: Sequence[Any]) -> GAMs:
    """One fitted `SplineGAM` per replicate, all with the same knots and number of splines."""
    low, high = members[0].lowest_, members[0].highest_
    if any(not (np.array_equal(m.lowest_, low) and np.array_equal(m.highest_, high)) for m in members):
        raise CannotPackError("its replicates have different knots")
    columns, replicates, functions = len(low), len(members), members[0].splines
    if any(m.splines != functions for m in members):
        raise CannotPackError("its replicates have different numbers of splines")
    splines, lines, intercepts = np.zeros((columns, functions, replicates)), np.zeros((columns, replicates)), np.zeros(replicates)
    for s, member in enumerate(members):
        gam, at = member.gam_, 0
        for term in gam.terms:
            coefficients = gam.coef_[at : at + term.n_coefs]
            at += term.n_coefs
            if term.isintercept:
                intercepts[s] = coefficients[0]
            elif type(term).__name__ == "LinearTerm":
                lines[term.feature, s] = coefficients[0]
            else:
                _require_shared_basis(term, low[term.feature], high[term.feature], functions)
                splines[term.feature, :, s] = coefficients
    has_spline, has_line = np.asarray(splines.any(axis=(1, 2))), np.asarray(lines.any(axis=1))
    return GAMs(low, high, splines.astype(np.float32), lines.astype(np.float32), has_spline, has_line, intercepts.astype(np.float32))


def _require_shared_basis(term: Any, low: float, high: float, functions: int) -> None:
    if type(term).__name__ != "SplineTerm" or term.spline_order != _ORDER or term.basis != "ps" or term.n_splines != functions:
        raise CannotPackError(f"it has a term of another kind ({term})")
    if not np.allclose(term.edge_knots_, (low, high), rtol=1e-12, atol=0) or high <= low:
        raise CannotPackError("its splines have knots of their own")


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
                    w1, w2 = np.float32((3 * t * t * t - 6 * t * t + 4) / 6), np.float32((3 * m * m * m - 6 * m * m + 4) / 6)
                    c0, c1, c2, c3 = gams.splines[column, q], gams.splines[column, q + 1], gams.splines[column, q + 2], gams.splines[column, q + 3]
                    for s in range(replicates):
                        total[s] += w0 * c0[s] + w1 * c1[s] + w2 * c2[s] + w3 * c3[s]
                if gams.has_line[column] and x != 0:
                    slope, value = gams.lines[column], np.float32(x)
                    for s in range(replicates):
                        total[s] += value * slope[s]
        for s in range(replicates):
            for i in range(begin, end):
                out[s, i] = block[i - begin, s]
