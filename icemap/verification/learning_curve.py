"""Would more sites help: the scores of left-out samples when the pool is fitted to nested random
parts of the training sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.config_sections import TargetConfig
from icemap.ensemble.checks import MIN_TRAINING
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.replicates import BLOCK_HALVINGS, TrainingTable
from icemap.json_records import LearningCurve, LearningPoint
from icemap.verification.paired import MIN_BLOCKS, block_difference
from icemap.verification.records import FoldRecord, ForecastRecord, LearningPart

Array = NDArray[np.float64]
#: Of the training side of a fold, by number of sites.
SHARES = (0.25, 0.5)
# The smallest part has then as many blocks as the limits of a score need.
_LEAST_GROUPS = round(MIN_BLOCKS / SHARES[0])


def nested_parts(
    training: TrainingTable, block_degrees: float, seed: int
) -> dict[float, NDArray[np.bool_]]:
    """Random parts of a training side, each of which holds the smaller ones.

    Parameters
    ----------
    training : TrainingTable
        Of n samples. All pseudo-sites are in every part.
    block_degrees : float
        Side of the spatial blocks that are drawn as a whole.
    seed : int

    Returns
    -------
    dict of float to ndarray of bool, shape (n,)
        By `SHARES`, as nearly as whole blocks allow. A part of too few sites to train on is left
        out, as is one that is the next larger one.

    Notes
    -----
    Boreholes come in groups along roads and coasts, and the next ones will, too: of single sites
    drawn at random a half would still know every group, and the other half would look worthless.
    Blocks are made smaller where there are fewer than 32, and grid cells where that does not help.

    Examples
    --------
    >>> place = np.linspace(0, 359, 400), np.full(400, 65.0)
    >>> table = TrainingTable(place[0][:, None], place[0], np.ones(400), *place, np.arange(400))
    >>> quarter, half = nested_parts(table, 2.0, seed=0).values()
    >>> bool(half[quarter].all()), round(float(half.mean()), 2)
    (True, 0.5)
    """
    here = training.drilled
    groups = _groups(training.take(here), block_degrees)
    size = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(size))
    reached = np.cumsum(size[order])
    rank = np.argsort(order)[groups]
    parts: dict[float, NDArray[np.bool_]] = {}
    taken = len(size) - 1
    for share in sorted(SHARES, reverse=True):
        last = int(np.argmin(np.abs(reached - share * here.sum())))
        if last < taken and reached[last] >= MIN_TRAINING:
            chosen = ~here
            chosen[here] = rank <= last
            parts[share], taken = chosen, last
    return dict(sorted(parts.items()))


def _groups(drilled: TrainingTable, block_degrees: float) -> NDArray[np.int64]:
    if drilled.placed:
        for halvings in range(BLOCK_HALVINGS + 1):
            side = block_degrees / 2**halvings
            blocks = spatial_blocks(drilled.longitude, drilled.latitude, side)
            groups = np.unique(blocks, return_inverse=True)[1]
            if groups.max() + 1 >= _LEAST_GROUPS:
                return groups
    return np.unique(drilled.cell, return_inverse=True)[1]


@dataclass(frozen=True)
class LearnedPart:
    """Of all folds of one kind, what was forecast from one share of their training sides.

    Attributes
    ----------
    share : float
    sites : float
        Mean number over the folds.
    crps, mean : ndarray of shape (n,)
        Of the left-out samples, in rising order of their rows.
    """

    share: float
    sites: float
    crps: Array
    mean: Array


def gather_parts(records: Sequence[FoldRecord]) -> list[LearnedPart]:
    """Join the parts of all folds of one kind, smallest share first.

    A share that some fold lacks is left out, and all where that leaves nothing to compare with the
    whole.
    """
    order = np.argsort(np.concatenate([np.asarray(record["rows"], int) for record in records]))
    by_fold = [{part["share"]: part for part in record.get("learning", [])} for record in records]
    kept = set(by_fold[0]).intersection(*by_fold[1:])
    if len(kept) < 2:
        return []

    def joined(parts: Sequence[LearningPart]) -> LearnedPart:
        return LearnedPart(
            parts[0]["share"],
            float(np.mean([part["sites"] for part in parts])),
            np.concatenate([part["crps"] for part in parts])[order],
            np.concatenate([part["mean"] for part in parts])[order],
        )

    return [joined([fold[share] for fold in by_fold]) for share in sorted(kept)]


def learning_part(share: float, training: TrainingTable, forecast: ForecastRecord) -> LearningPart:
    """What a fold keeps of the forecast from one part of its training side."""
    return {
        "share": share,
        "sites": int(training.drilled.sum()),
        "crps": forecast["crps"],
        "mean": forecast["mean"],
    }


def learning_curve(
    parts: Sequence[LearnedPart],
    y: Array,
    blocks: NDArray[np.object_],
    seed: int,
    target: TargetConfig,
) -> LearningCurve:
    """Scores by number of sites, and the change from the last part to the whole training side.

    Parameters
    ----------
    parts : sequence of LearnedPart
        From `gather_parts`; the last is the whole.
    y : ndarray of shape (n,)
        The left-out samples.
    blocks : ndarray of shape (n,)
        Spatial block of each, resampled for the limits.
    seed : int
    target : TargetConfig

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, blocks = rng.normal(size=200), np.arange(200) // 10
    >>> few, all_ = (LearnedPart(s, 800 * s, (2 - s) * abs(y), 0 * y) for s in (0.5, 1.0))
    >>> found = learning_curve([few, all_], y, blocks, 0, TargetConfig())
    >>> found["sentence"].partition(":")[0]
    'More sites help'
    """
    points: list[LearningPoint] = []
    for part in parts:
        score = block_difference(part.crps, blocks, seed)
        points.append(
            {
                "share": part.share,
                "sites": part.sites,
                "crps": score["difference"],
                "crps_low": score["low"],
                "crps_high": score["high"],
                "rmse": float(np.sqrt(np.mean((part.mean - y) ** 2))),
            }
        )
    change = block_difference(parts[-1].crps - parts[-2].crps, blocks, seed)
    curve: LearningCurve = {
        "sentence": "",
        "points": points,
        "change": change["difference"],
        "change_low": change["low"],
        "change_high": change["high"],
        "blocks": change["blocks"],
    }
    return {**curve, "sentence": learning_sentence(curve, target)}


def learning_sentence(curve: LearningCurve, target: TargetConfig) -> str:
    """What the last step of the curve means, in one sentence."""
    before, after = curve["points"][-2:]
    change, low, high = curve["change"], curve["change_low"], curve["change_high"]
    times = after["sites"] / before["sites"]
    step = (
        f"from {before['sites']:,.0f} to {after['sites']:,.0f} sites ({times:.1f} times as many)"
        f" the CRPS of left-out samples goes from {before['crps']:.3g} to {after['crps']:.3g}"
        f" {target.unit}"
    )
    if low is None or high is None:
        return (
            f"Whether more sites help cannot be told: {step}, but {curve['blocks']} clusters of"
            f" sites allow no interval ({MIN_BLOCKS} are needed)."
        )
    interval = f"a change of {_signed(change)}, 95 % interval {_signed(low)} to {_signed(high)}"
    if high < 0:
        return f"More sites help: {step} ({interval})."
    if low > 0:
        return f"More sites do not help: {step} ({interval})."
    return f"The learning curve is flat within chance: {step} ({interval}, which holds 0)."


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")
