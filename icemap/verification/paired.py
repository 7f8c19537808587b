"""Is the ensemble better than a competitor, or was it luck: differences in score, with intervals
from resampled spatial blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.verification.records import BlockDifference, DifferenceRow, LeftOutForecasts

Array = NDArray[np.float64]
DRAWS = 2000
# With fewer blocks than this their resampling says nothing of the spread between blocks.
MIN_BLOCKS = 8


def winkler(y: Array, interval: Array, coverage: float = 0.95) -> Array:
    """Winkler score of each row: width of the interval plus 2/alpha times the distance by which the
    target is missed (doi:10.1198/016214506000001437).

    Parameters
    ----------
    y : ndarray of shape (n,)
        Observations.
    interval : ndarray of shape (n, 2)
        Lower and upper bound.
    coverage : float
        Of the interval, 0 to 1.

    Examples
    --------
    >>> winkler(np.array([5.0, 11.0]), np.array([[0.0, 10.0], [0.0, 10.0]])).round(6).tolist()
    [10.0, 50.0]
    """
    low, high = interval[:, 0], interval[:, 1]
    return np.asarray(
        high - low + 2.0 / (1.0 - coverage) * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))
    )


def block_difference(difference: ArrayLike, blocks: ArrayLike, seed: int) -> BlockDifference:
    """Mean of a difference and its 95 % interval when whole spatial blocks are resampled.

    Parameters
    ----------
    difference : array_like of shape (n,)
        Score of the one minus score of the other, for each sample.
    blocks : array_like of shape (n,)
        Neighbours are not independent: samples of one block stay together (Lahiri 2003,
        doi:10.1007/978-1-4757-3803-2).
    seed : int

    Returns
    -------
    BlockDifference
        ``low`` and ``high`` are None with fewer than 8 blocks, or where there is no difference in
        any block. Bias-corrected and accelerated bootstrap of 2,000
        draws (Efron 1987, doi:10.1080/01621459.1987.10478410).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = block_difference(rng.normal(-1, 1, 200), np.repeat(np.arange(20), 10), seed=0)
    >>> found["low"] < found["difference"] < found["high"] < 0
    True
    """
    from scipy.stats import bootstrap

    values = np.asarray(difference, dtype=float)
    block = np.unique(np.asarray(blocks), return_inverse=True)[1]
    sums, counts = np.bincount(block, values), np.bincount(block).astype(float)
    found: BlockDifference = {
        "difference": float(values.mean()),
        "low": None,
        "high": None,
        "blocks": len(counts),
    }
    if len(counts) < MIN_BLOCKS or not np.ptp(sums / counts) > 0:
        return found

    def mean(total: Array, count: Array, axis: int = -1) -> Array:
        return np.asarray(total.sum(axis=axis) / count.sum(axis=axis))

    interval = bootstrap(
        (sums, counts),
        mean,
        n_resamples=DRAWS,
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    if np.isfinite([interval.low, interval.high]).all():
        found |= {"low": float(interval.low), "high": float(interval.high)}
    return found


def differences(
    part: LeftOutForecasts, own: str, own_interval: str, blocks: ArrayLike, seed: int
) -> list[DifferenceRow]:
    """Own model minus each other one, in CRPS and in the Winkler score of the 95 % interval:
    negative is better.

    Parameters
    ----------
    part : LeftOutForecasts
        From `icemap.verification.cross_validation.gather`.
    own, own_interval : str
        Models whose CRPS and whose interval are compared with those of the others.
    blocks : array_like of shape (all samples,)
        Spatial block of each sample.
    seed : int
    """
    y, models, here = part["y"], part["models"], np.asarray(blocks)[part["rows"]]
    rows: list[DifferenceRow] = []
    for name, other in models.items():
        if name in (own, own_interval):
            continue
        if "crps" in other:
            rows.append(
                {
                    "model": name,
                    "score": "crps",
                    **block_difference(models[own]["crps"] - other["crps"], here, seed),
                }
            )
        if "0.95" in other["interval"]:
            gap = winkler(y, models[own_interval]["interval"]["0.95"]) - winkler(
                y, other["interval"]["0.95"]
            )
            rows.append({"model": name, "score": "winkler_95", **block_difference(gap, here, seed)})
    return rows
