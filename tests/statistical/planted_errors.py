"""Do standard errors of samples make a better map: ``python tests/statistical/planted_errors.py
[SEEDS]`` prints what the tests check.

On each virtual Arctic the samples are the true ice content of their cells plus errors of known,
unequal size: most are small, a few large. The ensemble is trained, verified and calibrated twice,
once with the errors and once as if nothing were known of them; both maps are compared with the
truth.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from icemap import IceEnsemble
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.inputs import predictors_of
from icemap.ensemble.predictor_weights import predictor_weights
from icemap.mapping.chunk import map_pixels
from icemap.mapping.compiled_ensemble import compile_ensemble
from icemap.mapping.places import choose_places, read_places
from icemap.sphere import unit_vectors
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration
from icemap.verification.cross_validation import MODEL, gather, verify_fold
from icemap.verification.knndm import knndm_folds
from icemap.virtual_arctic.world import PREDICTORS, truth_at_points

sys.path.insert(0, str(Path(__file__).parent))
from virtual_arctic import Scores, run

CELLS = 1500
RESOLUTION = "30 arcmin"
FOLDS = 5
# Two members that fit fast: what is compared are weights, not members.
MEMBERS = ("sklearn.linear_model.Ridge", "random_forest")
# Of %VIC: a good log, and a hole of which little was sampled; and the share of the poor.
ERRORS = (2.0, 25.0)
POOR = 0.4


def planted(samples: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The samples with the truth of their cells plus errors of known size."""
    rng = np.random.default_rng(1000 + seed)
    truth = truth_at_points(samples["lon"].to_numpy(), samples["lat"].to_numpy(), seed).astype(
        float
    )
    error = np.where(rng.random(len(samples)) < POOR, ERRORS[1], ERRORS[0])
    value = np.clip(truth + error * rng.normal(size=len(samples)), 0, 100)
    # A mean position in the sea has no truth.
    return samples.assign(value=value, standard_error=error).dropna(subset=["value"])


def proof(seed: int) -> dict[str, Any]:
    """Scores against the truth of one virtual Arctic's maps, with the errors known and not."""
    with tempfile.TemporaryDirectory() as folder:
        samples, cube = run(Path(folder), seed, RESOLUTION)
        places = choose_places(cube, CELLS, seed)
        X = read_places(cube, places, list(PREDICTORS))
    truth = truth_at_points(places.longitude, places.latitude, seed).astype(float)
    known = planted(samples, seed)
    tables = {"errors known": known, "errors ignored": known.assign(standard_error=np.nan)}
    scores = {name: vars(mapped(table, places, X, truth, seed)) for name, table in tables.items()}
    return {"seed": seed, "samples": len(samples), **scores}


def mapped(
    samples: pd.DataFrame, places: Any, X: np.ndarray, truth: np.ndarray, seed: int
) -> Scores:
    """Train, verify and calibrate, and compare the map with the truth inside the area of
    applicability and outside.
    """
    classes = [name for name, info in PREDICTORS.items() if info.kind == "class"]
    # The strength of the prior and climatology have proofs of their own.
    ensemble = IceEnsemble(
        classes=classes,
        members=MEMBERS,
        replicates=3,
        candidates=0,
        prior_strength=100.0,
        climatology=0.0,
        seed=seed,
    )
    ensemble.fit(samples)
    table, coding = ensemble.table(samples), ensemble.coding_
    domain = places.longitude, places.latitude
    folds = knndm_folds(table.longitude, table.latitude, *domain, FOLDS, seed)
    left_out = gather(
        [verify_fold(ensemble, samples, folds, k) for k in range(FOLDS)], np.arange(len(table))
    )
    calibration = Calibration.fit(
        left_out["models"][MODEL]["pit"],
        blocks=spatial_blocks(table.longitude, table.latitude, 10.0),
    )
    design = coding.design(table.X)
    applicability = Applicability.fit(design, predictor_weights(design, table.y, seed), folds)
    compiled, _ = compile_ensemble(ensemble, predictors_of(samples, coding))
    vectors = unit_vectors(places.longitude, places.latitude)
    found = map_pixels(compiled, applicability, calibration, X, vectors)
    coded = coding.encode(coding.with_position(X, vectors))[0]
    F, partners = ensemble.member_predictions(coded), ensemble.partners(coded, vectors)
    crps = ensemble.pooled_.curves(F, partners).crps(truth)
    interval = np.column_stack([found.lower, found.upper])
    return Scores.of(truth, crps, interval, found.mean, np.ones(len(truth), bool))


def report(proofs: list[dict[str, Any]]) -> str:
    """The figures as text, means over the seeds last."""
    lines = [
        f"{'seed':>5} {'samples':>8} {'':16} {'CRPS':>7} {'coverage':>9} {'width':>7} {'RMSE':>7}"
    ]
    names = ("errors known", "errors ignored")
    for found in proofs:
        for name in names:
            s = found[name]
            lines.append(
                f"{found['seed']:>5} {found['samples']:>8} {name:16} {s['crps']:>7.3f}"
                f" {s['coverage']:>9.1%} {s['width']:>7.1f} {s['rmse']:>7.2f}"
            )
    for name in names:
        crps, coverage, width, rmse = (
            np.mean([found[name][key] for found in proofs])
            for key in ("crps", "coverage", "width", "rmse")
        )
        lines.append(
            f"{'mean':>5} {'':>8} {name:16} {crps:>7.3f} {coverage:>9.1%} {width:>7.1f}"
            f" {rmse:>7.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=range(4))
    found = []
    for number in parser.parse_args().seeds:
        found.append(proof(number))
        print(json.dumps(found[-1]), flush=True)
    print(report(found))
