"""How strongly to shrink: chosen by folds of the training side, reported as one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from icemap.ensemble.bma import CopulaBMA

#: Rows' worth of belief in the prior weights, from none (plain EM) to all.
STRENGTHS = (0.0, 30.0, 100.0, 300.0, float("inf"))


def choose_prior_strength(
    estimator: CopulaBMA,
    F: ArrayLike,
    y: ArrayLike,
    folds: ArrayLike,
    strengths: Sequence[float] = STRENGTHS,
    sample_weight: ArrayLike | None = None,
    scored: ArrayLike | None = None,
) -> tuple[float, dict[float, float]]:
    """Strength of a prior with the smallest mean CRPS over held-out folds; of equals, the
    strongest.

    Parameters
    ----------
    estimator : CopulaBMA
        Not fitted; it stays as it is.
    F, y, sample_weight
        Out-of-fold member predictions (n, members), target (n,) and optional row weights (n,), all
        of the training side.
    folds : (n,) array
        Fold of each row, in practice spatial blocks: strengths must be judged at places as far away
        as those of the map.
    strengths : sequence of float
        What to try.
    scored : (n,) array of bool, optional
        Rows whose CRPS counts; the others are only fitted to.

    Returns
    -------
    strength : float
    crps : dict of strength to mean CRPS, in units of the target

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=200)
    >>> F = y[:, None] + rng.normal(size=(200, 4))
    >>> strength, crps = choose_prior_strength(CopulaBMA(bounds=None), F, y, np.arange(200) % 4,
    ...     strengths=(0.0, float("inf")))
    >>> strength
    inf
    """
    members, target, fold = (
        np.asarray(F, dtype=np.float64),
        np.asarray(y, dtype=np.float64),
        np.asarray(folds),
    )
    rows = (
        np.ones(len(target))
        if sample_weight is None
        else np.asarray(sample_weight, dtype=np.float64)
    )
    counted = np.ones(len(target), bool) if scored is None else np.asarray(scored, dtype=bool)
    if fold.shape != target.shape or len(np.unique(fold)) < 2:
        raise ValueError(
            f"folds have shape {fold.shape} and {len(np.unique(fold))} values; give each of the"
            f" {len(target)} rows one of at least two folds."
        )
    totals = dict.fromkeys((float(s) for s in strengths), 0.0)
    for held_out in np.unique(fold[counted]):
        test = fold == held_out
        judged = test & counted
        fits = clone(estimator).fit_strengths(
            members[~test], target[~test], list(totals), rows[~test]
        )
        for strength, fit in zip(totals, fits, strict=True):
            totals[strength] += float(rows[judged] @ fit.crps(members[judged], target[judged]))
    scores = {strength: total / float(rows[counted].sum()) for strength, total in totals.items()}
    least = min(scores.values())
    return max(s for s, value in scores.items() if value <= least), scores
