"""The chunk function: predictors in, map variables out. Mathematics only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.model import IceEnsemble
from icemap.verification.applicability import Applicability

# Pixels predicted at once: 200 replicates x 4 members of these take 50 MB.
BATCH = 8192


@dataclass(frozen=True)
class ChunkResult:
    """Map variables of the valid pixels of a chunk, each of shape (n,), and the replicates' means, shape (replicates, n)."""

    mean: NDArray[np.float64]
    sd_ensemble: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    dissimilarity: NDArray[np.float64]
    aoa: NDArray[np.bool_]
    extrapolated: NDArray[np.bool_]
    replicate_means: NDArray[np.float64]


def map_pixels(ensemble: IceEnsemble, applicability: Applicability, X: NDArray[np.float64]) -> ChunkResult:
    """Predict the pixels of one chunk.

    Parameters
    ----------
    X : ndarray of shape (n, predictors)
        Valid pixels in the ensemble's order of predictors; classes as codes.

    Returns
    -------
    ChunkResult
        A pixel is inside the area of applicability when its dissimilarity is at most the threshold and all its classes were met in training.
    """
    parts = [_predict(ensemble, applicability, X[start : start + BATCH]) for start in range(0, len(X), BATCH)]
    joined = {name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in ChunkResult.__dataclass_fields__}
    return ChunkResult(**joined)


def _predict(ensemble: IceEnsemble, applicability: Applicability, X: NDArray[np.float64]) -> ChunkResult:
    prediction = ensemble.predict_all(X)
    coded, _ = ensemble.coding_.encode(X)
    index = applicability.index(ensemble.coding_.design(coded))
    return ChunkResult(
        prediction.mean,
        prediction.sd_ensemble,
        prediction.lower,
        prediction.upper,
        index,
        (index <= applicability.threshold) & ~prediction.unseen_class,
        prediction.extrapolated,
        prediction.replicate_means,
    )
