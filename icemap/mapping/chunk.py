"""The chunk function: predictors in, map variables out. Mathematics only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.mixture_kernels import mean_over_replicates, squares_over_replicates
from icemap.mapping.compiled_ensemble import BATCH, CompiledEnsemble
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration


@dataclass(frozen=True)
class ChunkResult:
    """Map variables of valid pixels, each of shape (n,), and the replicates' means, shape
    (replicates, n).
    """

    mean: NDArray[np.float64]
    sd_ensemble: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    dissimilarity: NDArray[np.float64]
    aoa: NDArray[np.bool_]
    extrapolated: NDArray[np.bool_]
    replicate_means: NDArray[np.float32]


def map_pixels(
    compiled: CompiledEnsemble,
    applicability: Applicability,
    calibration: Calibration,
    X: NDArray[Any],
    vectors: NDArray[np.float64] | None,
) -> ChunkResult:
    """Predict pixels, all in one result; see `map_batches`.

    Parameters
    ----------
    compiled : CompiledEnsemble
    applicability : Applicability
    calibration : Calibration
    X : ndarray of shape (n, predictors)
        In the ensemble's order of predictors, with or without the position; classes as codes.
    vectors : ndarray of shape (n, 3) or None
        Unit vectors of the pixels' centres; None where nobody says where they are.
    """
    parts = [result for _, result in map_batches(compiled, applicability, calibration, X, vectors)]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in ChunkResult.__dataclass_fields__
    }
    return ChunkResult(**joined)


def map_batches(
    compiled: CompiledEnsemble,
    applicability: Applicability,
    calibration: Calibration,
    X: NDArray[Any],
    vectors: NDArray[np.float64] | None,
) -> Iterator[tuple[slice, ChunkResult]]:
    """Predict the pixels of one chunk, `BATCH` at a time, so that memory does not grow with the
    chunk times the replicates.

    Parameters
    ----------
    X : ndarray of shape (n, predictors)
        Valid pixels in the ensemble's order of predictors; classes as codes.
    vectors : ndarray of shape (n, 3) or None
        Unit vectors of the pixels' centres; None where nobody says where they are.

    Yields
    ------
    slice, ChunkResult
        Rows of X, and their result. A pixel is inside the area of applicability when its
        dissimilarity is at most the threshold and all its classes were met in training.
    """
    for start in range(0, len(X), BATCH):
        rows = slice(start, min(start + BATCH, len(X)))
        where = None if vectors is None else vectors[rows]
        yield rows, _predict(compiled, applicability, calibration, X[rows], where)


def _predict(
    compiled: CompiledEnsemble,
    applicability: Applicability,
    calibration: Calibration,
    X: NDArray[Any],
    vectors: NDArray[np.float64] | None,
) -> ChunkResult:
    n, (padded, where) = len(X), compiled.whole_packets(X, vectors)
    codes, design, unseen = compiled.code(padded)
    F = compiled.predict_members(padded, codes, design)
    index = applicability.index(design)
    means, quantiles, extrapolated = compiled.pool(
        F, compiled.partners(codes, design, where), np.array(calibration.levels95)
    )
    mean, spread = mean_and_spread(means)
    # The nodes of the mixture end at the bounds of the target.
    quantiles = calibration.widened(
        mean, quantiles, float(compiled.mixture.x[0]), float(compiled.mixture.x[-1])
    )
    aoa = (index <= applicability.threshold) & ~unseen
    return ChunkResult(
        mean[:n],
        spread[:n],
        quantiles[:n, 0],
        quantiles[:n, 1],
        index[:n],
        aoa[:n],
        extrapolated[:n],
        means[:, :n],
    )


def mean_and_spread(means: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over the replicates, (replicates, n) -> (n,)."""
    mean = mean_over_replicates(means)
    if len(means) == 1:
        return mean, np.zeros_like(mean)
    return mean, np.sqrt(squares_over_replicates(means, mean) / (len(means) - 1))
