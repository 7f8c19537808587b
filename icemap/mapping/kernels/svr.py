"""All support vector regressions in two matrix products.

Their kernels share one width, and their support vectors are rows of one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.exponentials import exponentials
from icemap.ensemble.products import LANES32, LANES64, ROWS_AT_ONCE, add_products
from icemap.mapping.kernels.compilable import CannotCompileError

# Pixels that pass a block of sites together, and sites of a block: what they need stays in the
# cache. Within a block sums are in the precision of the coefficients, over the blocks in double.
_ROWS = 96
_DEPTH = 64
# Rounding errors behave like random numbers: their sum stays below so many standard deviations
# (Higham & Mary 2019, doi:10.1137/18M1226312).
_DEVIATIONS = 4.0


class SVRs(NamedTuple):
    """Support vectors and coefficients of all replicates, padded with sites and replicates of 0.

    Attributes
    ----------
    sites : (columns, sites) float64
        The design times twice gamma.
    offsets : (sites,) float64
        Minus gamma times the square of a site.
    gamma : (1,) float64
    coefficients : (sites, at least replicates) float32 or float64
        In units of the target.
    intercepts : (replicates,) float64
        In units of the target.
    """

    sites: NDArray[np.float64]
    offsets: NDArray[np.float64]
    gamma: NDArray[np.float64]
    coefficients: NDArray[np.floating]
    intercepts: NDArray[np.float64]


def compile_svrs(members: Sequence[Any]) -> SVRs:
    """One SVR per replicate, in double precision.

    Each is a TransformedTargetRegressor with a StandardScaler around a scikit-learn SVR.
    """
    gammas = {float(_fitted(member)._gamma) for member in members}
    if len(gammas) > 1 or any(_fitted(member).kernel != "rbf" for member in members):
        raise CannotCompileError("its replicates have different kernels")
    gamma = gammas.pop()
    number: dict[bytes, int] = {}
    rows: list[NDArray[np.float64]] = []
    places = []
    for member in members:
        vectors = np.ascontiguousarray(_fitted(member).support_vectors_, dtype=np.float64)
        for vector in vectors:
            if number.setdefault(vector.tobytes(), len(rows)) == len(rows):
                rows.append(vector)
        places.append([number[vector.tobytes()] for vector in vectors])
    if len(rows) > 2 * max(len(place) for place in places) + 1000:
        raise CannotCompileError("its replicates were trained on different tables")
    width = -(-len(members) // LANES32) * LANES32
    coefficients = np.zeros((-(-len(rows) // LANES64) * LANES64, width))
    intercepts = np.zeros(len(members))
    for s, (member, place) in enumerate(zip(members, places)):
        svr, scaler = _fitted(member), member.transformer_
        np.add.at(coefficients[:, s], place, svr.dual_coef_[0] * scaler.scale_[0])
        intercepts[s] = svr.intercept_[0] * scaler.scale_[0] + scaler.mean_[0]
    S = np.zeros((len(coefficients), len(rows[0])))
    S[: len(rows)] = rows
    sites = np.ascontiguousarray(2 * gamma * S.T)
    return SVRs(sites, -gamma * (S**2).sum(axis=1), np.array([gamma]), coefficients, intercepts)


def require_sound(svrs: SVRs, columns: int, replicates: int) -> None:
    """Refuse arrays that would lead the compiled loops, which check no index, beyond them.

    Raises
    ------
    ValueError
    """
    sites, width = svrs.coefficients.shape
    shapes = [array.shape for array in (svrs.sites, svrs.offsets, svrs.gamma, svrs.intercepts)]
    sound = shapes == [(columns, sites), (sites,), (1,), (replicates,)]
    sound = sound and sites % LANES64 == 0 and width % LANES32 == 0 and width >= replicates
    kinds = [array.dtype for array in svrs]
    sound = sound and kinds[3] in (np.float32, np.float64)
    if not sound or any(kind != np.float64 for kind in kinds[:3] + kinds[4:]):
        raise ValueError("support vectors lead beyond their arrays")


def in_single_precision(svrs: SVRs) -> SVRs:
    """The same with kernels and coefficients in single precision."""
    return svrs._replace(coefficients=svrs.coefficients.astype(np.float32))


def single_precision_error(svrs: SVRs) -> float:
    """Bound of the rounding errors of `in_single_precision`, in units of the target.

    The kernel, its product with the coefficient and the coefficient are rounded once each, the sum
    of a block of sites as often as it has terms. At a place these errors add up to a variance of
    the sum over the sites of (kernel x coefficient)^2; the bound is that of the site where it is
    largest, since other places are farther from the sites than sites are from each other.
    """
    gamma = float(svrs.gamma[0])
    S = svrs.sites.T / (2 * gamma)
    squares = -svrs.offsets / gamma
    kernels = np.exp(-gamma * np.maximum(squares[:, None] + squares - 2 * S @ S.T, 0))
    largest = float((kernels**2 @ svrs.coefficients.astype(np.float64) ** 2).max())
    # A rounding is uniform within half a unit in the last place.
    rounding = np.finfo(np.float32).eps / 2 / np.sqrt(3)
    return float(_DEVIATIONS * rounding * np.sqrt((3 + _DEPTH / 2) * largest))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def predict_svrs(design, svrs, out):  # type: ignore[no-untyped-def]
    """Predictions of all replicates.

    Parameters
    ----------
    design : (n, columns) float32
    svrs : SVRs
    out : (replicates, n) float32, written
    """
    n, columns = design.shape
    sites, width = svrs.coefficients.shape
    gamma, lanes = svrs.gamma[0], LANES32 * 4 // svrs.coefficients.itemsize
    places, squares = np.zeros((_ROWS, columns)), np.zeros(_ROWS)
    exponents = np.zeros((_ROWS, _DEPTH))
    kernels = np.zeros((_ROWS, _DEPTH), svrs.coefficients.dtype)
    totals = np.zeros((_ROWS, width))
    for start in range(0, n, _ROWS):
        size = min(_ROWS, n - start)
        for i in range(size):
            squares[i] = 0
            for c in range(columns):
                places[i, c] = design[start + i, c]
                squares[i] += places[i, c] * places[i, c]
        totals[:] = 0
        for first in range(0, sites, _DEPTH):
            depth = min(_DEPTH, sites - first)
            for i in range(_ROWS):
                for j in range(depth):
                    exponents[i, j] = svrs.offsets[first + j] - gamma * squares[i]
            for j in range(0, depth, LANES64):
                for i in range(0, _ROWS, ROWS_AT_ONCE):
                    add_products(places, i, svrs.sites, 0, first + j, columns, exponents, j)
            # What is beyond the depth of the last block is of the one before, and not used.
            exponentials(exponents.reshape(-1), kernels.reshape(-1))
            for s in range(0, width, lanes):
                for i in range(0, _ROWS, ROWS_AT_ONCE):
                    add_products(kernels, i, svrs.coefficients, first, s, depth, totals, s)
        for s in range(svrs.intercepts.size):
            for i in range(size):
                out[s, start + i] = np.float32(totals[i, s] + svrs.intercepts[s])


def _fitted(member: Any) -> Any:
    return member.regressor_
