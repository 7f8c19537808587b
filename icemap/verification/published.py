"""The recipe of Wang, Ran & Li (2026) as printed, fitted on the same training side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.folds import replicate_splits
from icemap.ensemble.members import MEMBERS
from icemap.ensemble.model import replicate_seed
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.recipe import PUBLISHED_HELD_OUT, Recipe, replicate_interval
from icemap.ensemble.replicates import Replicate, TrainingOptions, TrainingTable, fit_replicate
from icemap.verification.scores import COVERAGES, crps_sample

Array = NDArray[np.float64]

#: Name of the row, in the config and in the tables.
PUBLISHED = "published_recipe"
#: The same fits, with the quantiles of all predictive distributions together as the interval.
PUBLISHED_MIXTURE = "published_recipe_mixture"
#: Replicates in a fold, at most: there are dozens of folds.
REPLICATES = 20


@dataclass(frozen=True)
class PublishedFit:
    """Replicates of the recipe as printed."""

    replicates: list[Replicate]

    @classmethod
    def of(
        cls,
        training: TrainingTable,
        options: TrainingOptions,
        coding: PredictorCoding,
        count: int,
        seed: int,
    ) -> PublishedFit:
        """Fit to a training side.

        Parameters
        ----------
        training : TrainingTable
        options : TrainingOptions
            Of icemap on the same training side; bounds and settings of the members are used.
        coding : PredictorCoding
        count : int
            Replicates, each without a random tenth of the cells.
        seed : int
        """
        chosen = replace(
            options,
            members=MEMBERS,
            prior_strength=0.0,
            climatology=0.0,
            model_variance=0.0,
            monotone={},
            recipe=Recipe.of("published"),
        )
        table = training.alike()
        splits = replicate_splits(table.cell, PUBLISHED_HELD_OUT, count, seed)
        seeds = [replicate_seed(seed, index) for index in range(count)]
        return cls([fit_replicate(table.take(~out), chosen, coding, one) for out, one in zip(splits, seeds, strict=True)])

    def forecasts(self, X: Array, y: Array) -> dict[str, dict[str, Any]]:
        """Forecasts for coded predictors (n, predictors) and target (n,), by name of the row."""
        F = np.stack([replicate.member_predictions(X) for replicate in self.replicates])
        bmas = [replicate.bma for replicate in self.replicates]
        means = np.stack([bma.predict(f) for bma, f in zip(bmas, F, strict=True)])
        mixture = PooledMixture(bmas)
        tails = np.ravel([[(1 - c) / 2, (1 + c) / 2] for c in COVERAGES])
        ends = mixture.quantile(F, tails).reshape(len(X), len(COVERAGES), 2)
        density = np.maximum(mixture.pdf(F, y), np.finfo(float).tiny)
        return {
            PUBLISHED: replicate_forecast(means, y),
            PUBLISHED_MIXTURE: {
                "mean": means.mean(axis=0),
                "pit": np.clip(mixture.pit(F, y), 0.0, 1.0),
                "crps": mixture.crps(F, y),
                "log_density": np.log(density),
                "interval": {f"{c:g}": ends[:, k] for k, c in enumerate(COVERAGES)},
            },
        }


def replicate_forecast(means: Array, y: Array) -> dict[str, Array | Mapping[str, Array]]:
    """The replicates' means (replicates, n) as a forecast of the target (n,): as many equally likely values, without a density."""
    below, up_to = (means < y).mean(axis=0), (means <= y).mean(axis=0)
    return {
        "mean": means.mean(axis=0),
        "pit": 0.5 * (below + up_to),
        "crps": crps_sample(y, means.T),
        "interval": {f"{c:g}": replicate_interval(means, c) for c in COVERAGES},
    }
