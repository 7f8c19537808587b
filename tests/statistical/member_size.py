"""How many trees the members of a replicate need: ``python tests/statistical/member_size.py
[SEEDS] [--replicates 12]``.

On each virtual Arctic an ensemble is fitted to its boreholes with members of several sizes, the
settings otherwise those without tuning, and forecasts cells drawn by area. Figures are relative to
the first size on the same Arctic: CRPS against the true ice, spread of the replicates, the mean
over all cells and its spread, and CPU time of a fit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from icemap import Grid, IceEnsemble
from icemap.boreholes.sample_weights import declustering_weights
from icemap.ensemble.tuning import Tuning
from icemap.sphere import unit_vectors
from icemap.virtual_arctic import world

NAMES = list(world.PREDICTORS)
CLASSES = [name for name in NAMES if world.PREDICTORS[name].kind == "class"]
GRID = Grid(-180, 25, 180, 85, 1.0)
CELLS = 1500


@dataclass(frozen=True)
class Size:
    """Trees of the random forest, samples in its leaves at least, and trees of LightGBM."""

    forest: int
    leaf: int
    boosted: int

    @property
    def tuning(self) -> Tuning:
        """LightGBM learns faster with fewer trees."""
        forest = {"n_estimators": self.forest, "min_samples_leaf": self.leaf}
        boosted = {"n_estimators": self.boosted, "learning_rate": 0.05 * 200 / self.boosted}
        return Tuning({"random_forest": forest, "lightgbm": boosted})


SIZES = (
    Size(100, 3, 200),
    Size(50, 3, 200),
    Size(25, 3, 200),
    Size(50, 5, 200),
    Size(100, 3, 100),
)


def predictors(longitude: np.ndarray, latitude: np.ndarray, seed: int) -> np.ndarray:
    fields = world.predictors_at_points(longitude, latitude, NAMES, seed)
    return np.column_stack([fields[name].astype(float) for name in NAMES])


def boreholes(seed: int) -> pd.DataFrame:
    """Samples at the virtual boreholes."""
    sites = world.borehole_truth(seed)
    lon, lat = sites["lon"].to_numpy(), sites["lat"].to_numpy()
    table = pd.DataFrame(predictors(lon, lat, seed), columns=NAMES).assign(
        value=sites["vic"].to_numpy(), lon=lon, lat=lat
    )
    table = table[np.isfinite(table[NAMES]).all(axis=1)].reset_index(drop=True)
    return table.assign(
        weight=declustering_weights(table["lon"].to_numpy(), table["lat"].to_numpy())
    )


def mapped_cells(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of cells with permafrost, drawn by area."""
    lon, lat = (values.ravel() for values in np.meshgrid(GRID.longitudes, GRID.latitudes))
    masks = world.predictors_at_points(lon, lat, list(world.MASKS), seed)
    here = (masks["land_fraction"] >= 0.5) & (masks["permafrost_fraction"] >= 0.1)
    area = np.repeat(GRID.cell_area(), GRID.shape[1])[here]
    drawn = np.random.default_rng(seed).choice(
        np.flatnonzero(here), CELLS, replace=False, p=area / area.sum()
    )
    return lon[drawn], lat[drawn]


def figures(seed: int, replicates: int) -> Iterator[dict]:
    """A row for each size."""
    samples = boreholes(seed)
    lon, lat = mapped_cells(seed)
    X, truth = predictors(lon, lat, seed), world.truth_at_points(lon, lat, seed).astype(float)
    for size in SIZES:
        ensemble = IceEnsemble(classes=CLASSES, replicates=replicates, seed=seed)
        table = ensemble.prepare(samples)
        ensemble.tuning_ = size.tuning
        start = time.process_time()
        ensemble.replicates_ = [ensemble.fit_one(samples, index) for index in range(replicates)]
        seconds = time.process_time() - start
        ensemble.parts_ = ensemble.fit_parts(table)
        coded, _ = ensemble.coding_.encode(X)
        F, partners = (
            ensemble.member_predictions(coded),
            ensemble.partners(coded, unit_vectors(lon, lat)),
        )
        means, _, _ = ensemble.pooled_.summary(F, (0.025, 0.975), partners)
        totals = means.mean(axis=1)
        yield {
            "seed": seed,
            "size": f"{size.forest} of {size.leaf}, {size.boosted}",
            "crps": float(ensemble.pooled_.curves(F, partners).crps(truth).mean()),
            "spread": float(means.std(axis=0, ddof=1).mean()),
            "mean": float(totals.mean()),
            "spread of mean": float(totals.std(ddof=1)),
            "seconds": seconds,
        }


def report(rows: pd.DataFrame) -> str:
    """Each figure as a ratio to that of the first size on the same Arctic, the mean as a
    difference: mean and standard error over the Arctics.
    """
    first = rows.groupby("seed").transform("first")
    keys = ["crps", "spread", "spread of mean", "seconds"]
    told = 100 * (rows[keys] / first[keys] - 1)
    told["mean"] = rows["mean"] - first["mean"]
    told = told.groupby(rows["size"], sort=False)
    error = told.std() / np.sqrt(rows["seed"].nunique())
    return (
        "relative to the first, % (mean: %VIC)\n"
        f"{told.mean().round(2)}\nstandard error\n{error.round(2)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="*", type=int, default=[220, 221, 222, 223])
    parser.add_argument("--replicates", type=int, default=12)
    options = parser.parse_args()
    found = []
    for number in options.seeds:
        for row in figures(number, options.replicates):
            found.append(row)
            print(row, flush=True)
    print(report(pd.DataFrame(found)))
