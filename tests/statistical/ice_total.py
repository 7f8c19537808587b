"""The total of virtual Arctics, whose ice is known: does its 95 % interval hold it?

``python -m tests.statistical.ice_total 0 1 2 [--replicates 200]`` takes some 100 s of CPU time a
seed with 40 replicates, 350 s with 200.

Where the total is wrong, boreholes are few: they are sunk where there is sediment to drill. Under
2 m of it have a tenth of the area and fewer of the sites, and the ensemble, drawn towards what it
has seen, says too much ice there.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd

from icemap import Grid, IceEnsemble
from icemap.ensemble.folds import split_numbers
from icemap.mapping.sums import chunk_sums
from icemap.totals.ice_totals import totals
from icemap.totals.residual_field import residual_total_sd
from icemap.totals.variogram_fit import fit_variogram
from icemap.verification.cross_validation import MODEL, gather, verify_fold
from icemap.verification.knndm import knndm_folds
from icemap.virtual_arctic import world
from tests.statistical.member_size import CLASSES, NAMES, boreholes, predictors

MEMBERS = ("svr", "lightgbm", "random_forest")
GRID = Grid(-180, 25, 180, 85, 1.5)
HELD_OUT = 0.1
# As few as tell the chance of fitting from that of sampling.
REPLICATES = 40
# Ground that boreholes avoid: a tenth of the map.
THIN_SEDIMENT_M = 2.0


@dataclass(frozen=True)
class Total:
    """True mean ice (%VIC) over the area that counts, what the chain says of it, and of the ground
    with thin sediment how much too high it is, and the share whose interval holds the truth.
    """

    truth: float
    row: dict[str, float]
    thin_bias: float
    thin_coverage: float

    @property
    def held(self) -> bool:
        return self.row["mean_lower95"] <= self.truth <= self.row["mean_upper95"]


def cells(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitude, latitude and area that counts of the mapped cells, masked as the demo is."""
    lon, lat = (values.ravel() for values in np.meshgrid(GRID.longitudes, GRID.latitudes))
    masks = world.predictors_at_points(lon, lat, list(world.MASKS), seed)
    here = (
        (masks["land_fraction"] >= 0.5)
        & (masks["permafrost_fraction"] >= 0.1)
        & (masks["glacier_fraction"] <= 0.5)
    )
    counted = masks["permafrost_fraction"] * np.clip(
        1 - masks["lake_fraction"] - masks["glacier_fraction"], 0, 1
    )
    return lon[here], lat[here], (np.repeat(GRID.cell_area(), GRID.shape[1]) * counted)[here]


def mean_ice(seed: int, replicates: int = REPLICATES) -> Total:
    """One virtual Arctic, with members cut to three and no tuning."""
    lon, lat, weight = cells(seed)
    samples = boreholes(seed)
    options = {
        "replicates": replicates,
        "folds": 4,
        "candidates": 0,
        "prior_strength": 100.0,
        "held_out": HELD_OUT,
        "seed": seed,
    }
    ensemble = IceEnsemble(classes=CLASSES, members=MEMBERS, **options).fit(samples)
    mapped = pd.DataFrame(predictors(lon, lat, seed), columns=NAMES).assign(lon=lon, lat=lat)
    prediction = ensemble.predict_all(mapped)
    places = np.random.default_rng(seed).choice(len(lon), 1000, p=weight / weight.sum())
    labels = knndm_folds(
        samples["lon"].to_numpy(), samples["lat"].to_numpy(), lon[places], lat[places], 5, seed
    )
    folds = gather(
        [verify_fold(ensemble, samples, labels, fold) for fold in np.unique(labels)],
        np.arange(len(samples)),
    )
    residual = folds["y"] - folds["models"][MODEL]["mean"]
    variogram = fit_variogram(samples["lon"].to_numpy(), samples["lat"].to_numpy(), residual)
    sd = (prediction.upper - prediction.lower) / (2 * 1.96)
    sums = chunk_sums(
        weight, np.ones(len(weight)), prediction.replicate_means, sd, np.ones(len(weight))
    )["all"]
    truth = world.truth_at_points(lon, lat, seed)
    row = totals(
        sums,
        residual_total_sd(lon, lat, weight, variogram),
        None,
        HELD_OUT,
        splits=split_numbers(replicates),
        variogram=variogram,
    )
    thin = mapped["sediment_thickness"].to_numpy() < THIN_SEDIMENT_M
    covered = (prediction.lower <= truth) & (truth <= prediction.upper)
    too_high = prediction.replicate_means.mean(axis=0) - truth
    return Total(
        float(np.average(truth, weights=weight)),
        row,
        float(np.average(too_high[thin], weights=weight[thin])),
        float(np.average(covered[thin], weights=weight[thin])),
    )


def line(seed: int, found: Total) -> str:
    row = found.row
    return (
        f"seed {seed}: true {found.truth:.2f}, {row['mean']:.2f} ({row['mean_lower95']:.2f} to"
        f" {row['mean_upper95']:.2f}), residual {row['share_residual']:.0%}; thin sediment"
        f" {found.thin_bias:+.1f}, {found.thin_coverage:.0%} covered"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    options = parser.parse_args()
    for seed in options.seeds:
        print(line(seed, mean_ice(seed, options.replicates)), flush=True)
