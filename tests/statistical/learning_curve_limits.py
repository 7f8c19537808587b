"""How often the limits of a learning curve hold the mean change over many tables of noise.

Least squares with normal errors on a mean and some predictors that say nothing: a doubling of the
sites improves their coefficients alone. Prints, for each setting, the share of tables whose 95 %
interval holds the mean change, and the share that says that more sites help.
"""

from __future__ import annotations

import numpy as np

from icemap.ensemble.folds import block_folds, spatial_blocks
from icemap.ensemble.replicates import TrainingTable
from icemap.verification.learning_curve import nested_parts
from icemap.verification.paired import block_difference
from icemap.verification.scores import crps_normal

DEGREES = 10.0
# Folds, sites, predictors, tables.
SETTINGS = ((10, 240, 0, 120), (10, 1000, 0, 60), (10, 1000, 8, 60), (3, 240, 0, 60))


def change(folds: int, sites: int, predictors: int, seed: int) -> tuple[float, float, float]:
    """Change of the CRPS from half of the sites to all, and its limits."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(-180, 180, sites), rng.uniform(60, 75, sites)
    X = np.column_stack([np.ones(sites), rng.normal(size=(sites, predictors))])
    y = 12 * rng.normal(size=sites)
    table = TrainingTable(X, y, np.ones(sites), *place, np.arange(sites))
    labels = block_folds(*place, DEGREES, folds, seed)
    difference = np.empty(sites)
    for fold in range(folds):
        training, test = table.take(labels != fold), labels == fold

        def crps(side: TrainingTable, test=test) -> np.ndarray:
            found = np.linalg.lstsq(side.X, side.y, rcond=None)[0]
            spread = (side.y - side.X @ found).std(ddof=predictors + 1)
            return crps_normal(y[test], X[test] @ found, spread)

        half = nested_parts(training, DEGREES, 1000 * seed + fold)[0.5]
        difference[test] = crps(training) - crps(training.take(half))
    found = block_difference(difference, spatial_blocks(*place, DEGREES), 0)
    assert found["low"] is not None
    assert found["high"] is not None
    return found["difference"], found["low"], found["high"]


def main() -> None:
    for folds, sites, predictors, tables in SETTINGS:
        found = [change(folds, sites, predictors, seed) for seed in range(tables)]
        value, low, high = np.array(found).T
        mean = value.mean()
        print(
            f"{folds} folds, {sites} sites, {predictors} predictors: change {mean:+.3f}, held by"
            f" {np.mean((low <= mean) & (mean <= high)):.1%}, {np.mean(high < 0):.1%} say that more"
            f" sites help, {np.mean(low > 0):.1%} that they do not"
        )


if __name__ == "__main__":
    main()
