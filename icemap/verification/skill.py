"""Do the predictors explain the target: the skill of a forecast against climatology, with an
interval from resampled blocks.
"""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.config_sections import TargetConfig
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.replicates import BLOCK_HALVINGS
from icemap.verification.paired import DRAWS, MIN_BLOCKS
from icemap.verification.records import LeftOutForecasts

Array = NDArray[np.float64]
CLIMATOLOGY = "climatology"


class Skill(TypedDict):
    """CRPS skill score: 1 is perfect, 0 as good as climatology; the interval is None where there
    are too few blocks.
    """

    crpss: float
    low: float | None
    high: float | None
    blocks: int


def skill_score(crps: ArrayLike, climatology: ArrayLike, blocks: ArrayLike, seed: int) -> Skill:
    """1 - CRPS / CRPS of climatology, with its 95 % interval when whole spatial blocks are
    resampled.

    Parameters
    ----------
    crps, climatology : array_like of shape (n,)
        CRPS of each left-out sample under the forecast and under climatology, whose distribution
        is that of the same training side.
    blocks : array_like of shape (n,)
        Samples of one block stay together.
    seed : int

    Returns
    -------
    Skill
        ``crpss``, ``low`` and ``high`` (None with fewer than 8 blocks, or where no block differs),
        ``blocks``. Bias-corrected and accelerated bootstrap of 2,000 draws.

    Notes
    -----
    Both means are resampled together: a ratio of means, not a mean of ratios, which would depend on
    the samples that climatology happens to hit (Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = skill_score(rng.gamma(4, 1, 200), rng.gamma(4, 2, 200), np.arange(200) // 10, 0)
    >>> 0 < found["low"] < found["crpss"] < found["high"] < 1
    True
    """
    from scipy.stats import bootstrap

    own, other = np.asarray(crps, dtype=float), np.asarray(climatology, dtype=float)
    block = np.unique(np.asarray(blocks), return_inverse=True)[1]
    sums = np.bincount(block, own), np.bincount(block, other)
    found: Skill = {
        "crpss": float(1 - own.sum() / other.sum()),
        "low": None,
        "high": None,
        "blocks": len(sums[0]),
    }
    if len(sums[0]) < MIN_BLOCKS or not np.ptp(sums[0] / sums[1]) > 0:
        return found

    def score(total: Array, reference: Array, axis: int = -1) -> Array:
        return np.asarray(1 - total.sum(axis=axis) / reference.sum(axis=axis))

    rng = np.random.default_rng(seed)
    interval = bootstrap(
        sums, score, n_resamples=DRAWS, paired=True, vectorized=True, rng=rng
    ).confidence_interval
    if np.isfinite([interval.low, interval.high]).all():
        found |= {"low": float(interval.low), "high": float(interval.high)}
    return found


def skill_blocks(longitude: Array, latitude: Array, degrees: float) -> tuple[NDArray[Any], float]:
    """Block of each sample for the resampling, and the side of the blocks in degrees.

    Where there are too few blocks of the side asked for, smaller ones: neighbouring blocks are
    then less independent than they are taken for, which is better than no interval.

    Parameters
    ----------
    longitude, latitude : ndarray of shape (n,)
        Degrees.
    degrees : float
        Side of a block that is asked for.
    """
    for halvings in range(BLOCK_HALVINGS + 1):
        side = degrees / 2**halvings
        blocks = spatial_blocks(longitude, latitude, side)
        if len(np.unique(blocks)) >= MIN_BLOCKS:
            break
    return blocks, side


def skills(part: LeftOutForecasts, blocks: NDArray[Any], seed: int) -> dict[str, Skill]:
    """Skill of every model that has a CRPS, but for climatology itself.

    Parameters
    ----------
    part : LeftOutForecasts
        Of one kind of folds.
    blocks : ndarray of shape (all samples,)
        Spatial block of each sample.
    seed : int
    """
    models, here = part["models"], blocks[part["rows"]]
    if CLIMATOLOGY not in models:
        return {}
    reference = models[CLIMATOLOGY]["crps"]
    return {
        name: skill_score(model["crps"], reference, here, seed)
        for name, model in models.items()
        if "crps" in model and name != CLIMATOLOGY
    }


def skill_sentence(skill: Skill, target: TargetConfig) -> str:
    """What the skill means for a reader of the map, in one sentence."""
    score, what = f"{_percent(skill['crpss'])} %", target.long_name
    if skill["low"] is None or skill["high"] is None:
        return (
            f"Whether these predictors explain {what} at these sites cannot be told: the skill "
            f"against climatology is {score}, but {skill['blocks']} clusters of sites allow no "
            f"interval ({MIN_BLOCKS} are needed); take the map for climatology."
        )
    interval = f"95 % interval {_percent(skill['low'])} to {_percent(skill['high'])} %"
    if skill["low"] > 0:
        return (
            f"These predictors explain part of {what} at these sites: the skill against climatology"
            f" is {score} ({interval})."
        )
    if skill["high"] < 0:
        return (
            f"These predictors do not explain {what} at these sites: the skill against "
            f"climatology is {score} ({interval}), so that the map is worse than climatology."
        )
    return (
        f"These predictors do not explain {what} at these sites: the skill against climatology is "
        f"{score} ({interval}, which holds 0), and the map is close to climatology."
    )


def _percent(share: float) -> str:
    """Whole percents; on which side of 0 a small share is can be read."""
    return f"{100 * share:.0f}" if abs(share) >= 0.005 else f"{100 * share:.1g}"
