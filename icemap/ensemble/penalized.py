"""Penalized least squares by Cholesky factors: one basis, several strengths of the penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh

Array = NDArray[np.float64]

# The constants of pygam's fit, which this one equals: a ridge under all coefficients, the weight
# of a degree of freedom, and how hard and how long monotone coefficients are drawn together.
RIDGE = float(np.sqrt(np.finfo(float).eps))
GAMMA = 1.4
TIE, TIE_RIDGE = 1e9, 1e-3
TOLERANCE, ROUNDS = 1e-4, 100
# Rounds after which a tie is for good; with more rows than coefficients all end before.
SETTLED = 10
# A ridge below the rounding errors of a coefficient's sum of squares would hold nothing.
ROUNDING = float(64 * np.finfo(float).eps)


class Monotone(NamedTuple):
    """Neighbouring coefficients that never fall (direction 1) or never rise (-1)."""

    begin: int
    end: int
    direction: int


class PenalizedFit(NamedTuple):
    """Coefficients (m,) under one strength of the penalty, and their score, the less the better."""

    strength: float
    coefficients: Array
    score: float


def best_fit(
    basis: Array,
    y: Array,
    weights: Array,
    penalty: Array,
    strengths: Sequence[float],
    monotone: Sequence[Monotone] = (),
) -> PenalizedFit:
    """The fit whose strength generalized cross-validation finds best.

    Parameters
    ----------
    basis : ndarray of shape (n, m)
    y, weights : ndarray of shape (n,)
    penalty : ndarray of shape (m, m)
        Quadratic form of the coefficients, which each strength multiplies.
    strengths : sequence of float
    monotone : sequence of Monotone

    Notes
    -----
    Wood 2017, doi:10.1201/9781315370279; degrees of freedom are the trace of the hat matrix.
    Monotone coefficients have, as in pygam, a large penalty on the differences of the wrong sign,
    until these stay the same. With fewer rows than coefficients the fit keeps to as many
    directions as there are rows, those in which rows and penalty say most. So does pygam, whose
    search has then no end where coefficients are monotone: here ties become lasting.
    """
    gram = (basis * weights[:, None]).T @ basis
    moments = basis.T @ (weights * y)
    rank = min(len(gram), int(np.count_nonzero(weights)))
    fits = []
    for strength in strengths:
        matrix = gram + strength * penalty
        coefficients, freedom = _fitted(gram, moments, matrix, monotone, rank)
        deviance = float(weights @ (y - basis @ coefficients) ** 2)
        score = len(y) * deviance / (len(y) - GAMMA * freedom) ** 2
        fits.append(PenalizedFit(float(strength), coefficients, score))
    return min(fits, key=lambda fit: fit.score)


def _fitted(
    gram: Array,
    moments: Array,
    matrix: Array,
    monotone: Sequence[Monotone],
    rank: int,
) -> tuple[Array, float]:
    """Coefficients and their effective degrees of freedom."""
    diagonal = np.diag_indices_from(matrix)
    matrix[diagonal] += np.maximum(RIDGE, ROUNDING * matrix[diagonal])
    within = None if rank == len(matrix) else _stiffest(matrix, rank)
    coefficients = _solved(matrix, moments, within)
    tied, ever = matrix, [np.zeros(term.end - term.begin - 1, bool) for term in monotone]
    for rounds in range(ROUNDS if monotone else 0):
        before = coefficients
        wrong = [d * np.diff(before[begin:end]) < 0 for begin, end, d in monotone]
        ever = [now | then for now, then in zip(wrong, ever, strict=True)]
        tied = _tied(matrix, monotone, wrong if rounds < SETTLED else ever)
        coefficients = _solved(tied, moments, within)
        change = np.linalg.norm(coefficients - before)
        if change <= TOLERANCE * np.linalg.norm(coefficients):
            break
    return coefficients, float(np.trace(_solved(tied, gram, within)))


def _stiffest(matrix: Array, rank: int) -> Array:
    """The directions (m, rank) in which rows and penalty say most."""
    values, vectors = eigh(matrix, subset_by_index=[len(matrix) - rank, len(matrix) - 1])
    return np.asarray(vectors[:, values > ROUNDING * values[-1]])


def _solved(matrix: Array, right: Array, within: Array | None) -> Array:
    """Solution of a symmetric system, in all directions or within some."""
    if within is None:
        return np.asarray(cho_solve(cho_factor(matrix, lower=True), right))
    return np.asarray(within @ _solved(within.T @ matrix @ within, within.T @ right, None))


def _tied(
    matrix: Array,
    monotone: Sequence[Monotone],
    wrong: Sequence[NDArray[np.bool_]],
) -> Array:
    """The matrix with a penalty on the differences of neighbours that have the wrong sign."""
    tied = matrix.copy()
    for (begin, end, _), signs in zip(monotone, wrong, strict=True):
        if signs.any():
            differences = np.diff(np.eye(end - begin), axis=0)[signs]
            block = TIE * differences.T @ differences + TIE_RIDGE * np.eye(end - begin)
            tied[begin:end, begin:end] += block
    return tied
