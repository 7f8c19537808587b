"""The method against a known truth: ``python tests/statistical/virtual_arctic.py [SEEDS]
[--resolution 10arcmin]`` prints what the tests check.

On each virtual Arctic boreholes are read, sampled from a cube (of 0.25 degrees in the tests), and
an ensemble is trained, verified by folds, calibrated and mapped as by the commands. The map and
what would be used instead are then compared with the true ice content of cells drawn by area.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from icemap import IceEnsemble, open_cube
from icemap.boreholes.sample_files import read_samples
from icemap.config import load_config
from icemap.ensemble.baselines import BestMember, EqualWeights, GaussianBMA
from icemap.ensemble.folds import cell_folds, spatial_blocks
from icemap.ensemble.inputs import predictors_of
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.predictor_weights import predictor_weights
from icemap.ensemble.replicates import TrainingTable, fit_replicate
from icemap.gridded import grid_of
from icemap.mapping.chunk import map_pixels
from icemap.mapping.compiled_ensemble import compile_ensemble
from icemap.mapping.places import choose_places, read_places
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.sphere import unit_vectors
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration
from icemap.verification.competitors import quantile_forest
from icemap.verification.cross_validation import MODEL, gather, verify_fold
from icemap.verification.knndm import knndm_folds
from icemap.verification.measured import measured_forecast
from icemap.verification.published import PublishedFit
from icemap.verification.sides import Sides
from icemap.virtual_arctic.demo import write_demo
from icemap.virtual_arctic.world import PREDICTORS, truth_at_points

CELLS = 4000
# Points a side whose mean is the truth of a cell.
POINTS = 9
RESOLUTION = "15 arcmin"
FOLDS = 8
REPLICATES = 16
# Of the recipe as printed.
PUBLISHED_REPLICATES = 20
# Settings tried per member: fewer than by default, because every fold tunes again.
CANDIDATES = 4


@dataclass(frozen=True)
class Scores:
    """CRPS, share inside the 95 % interval, its mean width and Winkler score, RMSE and bias against
    the truth.

    The bias is that of the total, whose summed bounds are ``lowest`` and ``highest`` of the truth's
    mean away from it.
    """

    crps: float
    coverage: float
    width: float
    winkler: float
    rmse: float
    bias: float
    lowest: float
    highest: float

    @classmethod
    def of(
        cls,
        y: np.ndarray,
        crps: np.ndarray,
        interval: np.ndarray,
        mean: np.ndarray,
        inside: np.ndarray,
    ) -> Scores:
        low, high = interval[inside].T
        truth = y[inside]
        missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
        width = high - low
        figures = (
            crps[inside].mean(),
            (missed == 0).mean(),
            width.mean(),
            (width + 40 * missed).mean(),
            np.sqrt(np.mean((mean[inside] - truth) ** 2)),
        )
        total = truth.mean()
        away = mean[inside].mean() - total, low.mean() - total, high.mean() - total
        return cls(*map(float, (*figures, *away)))


def run(folder: Path, seed: int, resolution: str) -> tuple[pd.DataFrame, Any]:
    """Training table and cube of one virtual Arctic, made by the chain's own steps."""
    path = Path(write_demo(str(folder), "small", seed))
    content = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump(
            {**content, "grid": {**content["grid"], "resolution": resolution, "chunk": 128}}
        )
    )
    config = load_config(str(path))
    context = Context(config, "serial", 1, lambda line: None)
    run_steps(STEPS, context, ["cube", "boreholes"])
    return read_samples(config.folder.samples), open_cube(config.folder.cube)


def mean_in_cells(
    longitude: np.ndarray, latitude: np.ndarray, resolution: float, seed: int
) -> np.ndarray:
    """True mean of cells from points spread evenly over each; the sea has none."""
    step = (np.arange(POINTS) + 0.5) / POINTS - 0.5
    east, north = (part.ravel() * resolution for part in np.meshgrid(step, step))
    lon, lat = longitude[:, None] + east, latitude[:, None] + north
    found = truth_at_points(lon.ravel(), lat.ravel(), seed).reshape(lon.shape)
    return np.nanmean(found.astype(float), axis=1)


def at_boreholes(
    pooled: PooledMixture, members: np.ndarray, partners: Any, truth: np.ndarray, nugget: float
) -> dict[str, np.ndarray]:
    """Forecasts of a borehole in each cell, which spreads about its mean by the nugget."""
    nodes = pooled.tables.x
    parts = []
    for start in range(0, len(truth), 250):
        rows = slice(start, start + 250)
        here = None if partners is None else partners.rows(rows)
        distribution = pooled.curves(members[:, rows], here).at_values
        span, error = (float(nodes[0]), float(nodes[-1])), np.full(len(truth[rows]), nugget)
        found = measured_forecast(
            distribution, span, truth[rows], error, [0.95], np.array([0.5]), (0.0, 100.0)
        )
        parts.append({**found, "interval": found["interval"]["0.95"]})
    return {name: np.concatenate([p[name] for p in parts]) for name in ("crps", "mean", "interval")}


def proof(seed: int, resolution: str = RESOLUTION, fold_count: int = FOLDS) -> dict[str, Any]:
    """All figures of one virtual Arctic."""
    with tempfile.TemporaryDirectory() as folder:
        samples, cube = run(Path(folder), seed, resolution)
        places = choose_places(cube, CELLS, seed)
        X = read_places(cube, places, list(PREDICTORS))
        truth = truth_at_points(places.longitude, places.latitude, seed).astype(float)
        mean_truth = mean_in_cells(
            places.longitude, places.latitude, grid_of(cube).resolution, seed
        )
    classes = [name for name, info in PREDICTORS.items() if info.kind == "class"]
    ensemble = IceEnsemble(
        classes=classes, replicates=REPLICATES, candidates=CANDIDATES, seed=seed
    ).fit(samples)
    table, coding = ensemble.table(samples), ensemble.coding_
    folds = {
        "knndm": knndm_folds(
            table.longitude, table.latitude, places.longitude, places.latitude, fold_count, seed
        ),
        "random": cell_folds(table.cell, fold_count, seed),
    }
    left_out = {
        kind: gather(
            [verify_fold(ensemble, samples, labels, k) for k in np.unique(labels)],
            np.arange(len(table)),
        )
        for kind, labels in folds.items()
    }
    rmse = {
        kind: float(np.sqrt(np.mean((part["models"][MODEL]["mean"] - part["y"]) ** 2)))
        for kind, part in left_out.items()
    }
    calibration = Calibration.fit(
        left_out["knndm"]["models"][MODEL]["pit"],
        blocks=spatial_blocks(table.longitude, table.latitude, 10.0),
    )
    design = coding.design(table.X)
    applicability = Applicability.fit(
        design, predictor_weights(design, table.y, seed), folds["knndm"]
    )
    vectors = unit_vectors(places.longitude, places.latitude)
    mapped = map_pixels(
        compile_ensemble(ensemble, predictors_of(samples, coding))[0],
        applicability,
        calibration,
        X,
        vectors,
    )
    coded = coding.encode(coding.with_position(X, vectors))[0]
    everywhere, inside = np.ones(len(truth), bool), mapped.aoa
    members, partners = ensemble.member_predictions(coded), ensemble.partners(coded, vectors)
    # The map is of the mean of a cell; a borehole in it, like those of the competitors, spreads
    # about that by the nugget of the samples.
    nugget = float(samples["nugget"].iloc[0])
    in_cell = np.column_stack([mapped.lower, mapped.upper])
    of_borehole = replace(calibration, nugget=nugget).widened(mapped.mean, in_cell, 0.0, 100.0)
    crps = {
        "borehole": at_boreholes(ensemble.pooled_, members, partners, truth, nugget)["crps"],
        "cell": ensemble.pooled_.curves(members, partners).crps(mean_truth),
    }
    models = {}
    for name, where in (("icemap", everywhere), ("icemap inside AOA", inside)):
        models[name] = Scores.of(truth, crps["borehole"], of_borehole, mapped.mean, where)
        models[f"{name}, cell mean"] = Scores.of(
            mean_truth, crps["cell"], in_cell, mapped.mean, where
        )
    alone = PooledMixture(ensemble.pooled_.bmas)
    found = at_boreholes(alone, members, None, truth, nugget)
    models["COP-BMA"] = Scores.of(
        truth, found["crps"], found["interval"], found["mean"], everywhere
    )
    replicate = fit_replicate(table, ensemble.options, coding, seed)
    F, new = (
        replicate.in_units(replicate.out_of_fold),
        replicate.in_units(replicate.member_predictions(coded)),
    )
    for name, pool in {
        "equal weights": EqualWeights(),
        "Gaussian BMA": GaussianBMA(),
        "best member": BestMember(),
    }.items():
        pool.fit(F, table.y, sample_weight=table.weight)
        models[name] = Scores.of(
            truth, pool.crps(new, truth), pool.interval(new), pool.predict(new), everywhere
        )
    forest = EqualWeights().fit(F[:, [2]], table.y, sample_weight=table.weight)
    models["random forest"] = Scores.of(
        truth,
        forest.crps(new[:, [2]], truth),
        forest.interval(new[:, [2]]),
        forest.predict(new[:, [2]]),
        everywhere,
    )
    cells = TrainingTable(
        coded,
        truth,
        everywhere.astype(float),
        places.longitude,
        places.latitude,
        np.arange(len(truth)),
    )
    quantiles = quantile_forest(
        Sides(table.seen_by(coding), cells, coding.class_columns, (0.0, 100.0), 10.0, seed)
    )
    models["quantile forest"] = Scores.of(
        truth, quantiles["crps"], quantiles["interval"]["0.95"], quantiles["mean"], everywhere
    )
    models |= published_rows(table, ensemble, coded, truth, seed)
    figures = {
        "seed": seed,
        "samples": len(table),
        "nugget": nugget,
        "inside_aoa": float(inside.mean()),
        "rmse_knndm": rmse["knndm"],
        "rmse_random": rmse["random"],
    }
    return {**figures, "models": {name: vars(scores) for name, scores in models.items()}}


def published_rows(
    table: Any, ensemble: IceEnsemble, coded: np.ndarray, truth: np.ndarray, seed: int
) -> dict[str, Scores]:
    """The recipe as printed."""
    coding = ensemble.coding_.without_position()
    published = PublishedFit.of(table, ensemble.options, coding, PUBLISHED_REPLICATES, seed)
    # Its mixture is exact, and slow: every fourth of the cells, which were drawn at random.
    some = slice(None, None, 4)
    rows = {}
    for name, found in published.forecasts(coded[some], truth[some]).items():
        interval, mean = found["interval"]["0.95"], found["mean"]
        everywhere = np.ones(len(mean), bool)
        rows[f"{name} ({PUBLISHED_REPLICATES})"] = Scores.of(
            truth[some], found["crps"], interval, mean, everywhere
        )
    return rows


def ahead(proofs: list[dict[str, Any]], model: str) -> tuple[float, float]:
    """CRPS of icemap minus that of a model, and the standard error over the seeds."""
    difference = np.array(
        [found["models"]["icemap"]["crps"] - found["models"][model]["crps"] for found in proofs]
    )
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.nan
    return float(difference.mean()), float(error)


def report(proofs: list[dict[str, Any]]) -> str:
    """The figures as text, means over the seeds last."""
    lines = [
        f"{'seed':>5} {'samples':>8} {'in AOA':>7} {'coverage in AOA':>16} {'RMSE map':>9}"
        f" {'kNNDM':>7} {'random':>7}"
    ]
    for found in proofs:
        covered, rmse = (
            found["models"]["icemap inside AOA"]["coverage"],
            [found["models"]["icemap"]["rmse"], found["rmse_knndm"], found["rmse_random"]],
        )
        lines.append(
            f"{found['seed']:>5} {found['samples']:>8} {found['inside_aoa']:>7.1%} {covered:>16.1%}"
            f" {rmse[0]:>9.2f} {rmse[1]:>7.2f} {rmse[2]:>7.2f}"
        )
    lines.append(
        f"\n{'mean over the map':28} {'CRPS':>7} {'coverage':>9} {'width':>7} {'Winkler':>8}"
        f" {'RMSE':>7} {'bias':>7} {'summed bounds':>17} {'hold':>5}"
        f" {'CRPS of icemap minus it':>24}"
    )
    for name in proofs[0]["models"]:
        means = [
            np.mean([found["models"][name][key] for found in proofs])
            for key in ("crps", "coverage", "width", "winkler", "rmse")
        ]
        bias, lowest, highest = (
            np.array([found["models"][name][key] for found in proofs])
            for key in ("bias", "lowest", "highest")
        )
        bounds, hold = (
            f"{lowest.mean():+.2f} to {highest.mean():+.2f}",
            int(((lowest <= 0) & (highest >= 0)).sum()),
        )
        scores = (
            f"{means[0]:>7.3f} {means[1]:>9.1%} {means[2]:>7.1f} {means[3]:>8.2f} {means[4]:>7.2f}"
        )
        less, error = ahead(proofs, name)
        lines.append(
            f"{name:28} {scores} {bias.mean():>+7.2f} {bounds:>17} {hold:>2}/{len(proofs)}"
            f" {less:>+15.3f} +- {error:5.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=range(5))
    parser.add_argument("--resolution", default=RESOLUTION, help="of the cube")
    parser.add_argument("--folds", type=int, default=FOLDS)
    options = parser.parse_args()
    found = []
    for number in options.seeds:
        found.append(proof(number, options.resolution, options.folds))
        print(json.dumps(found[-1]), flush=True)
    print(report(found))
