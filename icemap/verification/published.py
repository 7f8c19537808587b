"""The recipe of Wang, Ran & Li (2026) as printed, fitted on the same training side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.folds import replicate_splits
from icemap.ensemble.members import MEMBERS
from icemap.ensemble.model import replicate_seed
from icemap.ensemble.pooled import replicate_interval
from icemap.ensemble.replicates import Replicate, TrainingOptions, TrainingTable, fit_replicate
from icemap.recipe import PUBLISHED_HELD_OUT, Recipe
from icemap.verification.measured import measured_forecast
from icemap.verification.records import Forecast
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
            On the same training side; bounds and settings of the members are used, and what
            COP-BMA is fitted on where the recipe is the published one.
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
            recipe=options.recipe if options.recipe.published else Recipe.of("published"),
        )
        table = training.alike()
        splits = replicate_splits(table.cell, PUBLISHED_HELD_OUT, count, seed)
        seeds = [replicate_seed(seed, index) for index in range(count)]
        return cls(
            [
                fit_replicate(table.take(~out), chosen, coding, one)
                for out, one in zip(splits, seeds, strict=True)
            ]
        )

    def forecasts(self, X: Array, y: Array) -> dict[str, Forecast]:
        """Forecasts for coded predictors (n, predictors) and target (n,), by name of the row."""
        F = np.stack([replicate.member_predictions(X) for replicate in self.replicates])
        bmas = [replicate.bma for replicate in self.replicates]
        means = np.stack([bma.predict(f) for bma, f in zip(bmas, F, strict=True)])

        def distribution(x: Array) -> Array:
            parts = [bma.distribution(f, x) for bma, f in zip(bmas, F, strict=True)]
            return np.asarray(np.mean(parts, axis=0))

        ends = np.array([bma.target_margin_.ppf([1e-6, 1 - 1e-6]) for bma in bmas])
        span = float(ends[:, 0].min()), float(ends[:, 1].max())
        exact = np.zeros(len(y))
        mixture = measured_forecast(
            distribution, span, y, exact, COVERAGES, np.array([]), bmas[0].bounds
        )
        del mixture["quantiles"]
        return {PUBLISHED: replicate_forecast(means, y), PUBLISHED_MIXTURE: mixture}


def replicate_forecast(means: Array, y: Array) -> Forecast:
    """The replicates' means (replicates, n) as a forecast of the target (n,): as many equally
    likely values, without a density.
    """
    below, up_to = (means < y).mean(axis=0), (means <= y).mean(axis=0)
    return {
        "mean": means.mean(axis=0),
        "pit": 0.5 * (below + up_to),
        "crps": crps_sample(y, means.T),
        "interval": {f"{c:g}": replicate_interval(means, c) for c in COVERAGES},
    }
