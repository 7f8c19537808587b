"""What pseudo-sites of bedrock do to the map, against a known truth: ``python
tests/statistical/bedrock.py [SEEDS] [--rules 1 1:20]`` prints bias, coverage and CRPS where
sediment is thin, and elsewhere.

On each virtual Arctic an ensemble is trained, calibrated by kNNDM folds and mapped without
pseudo-sites and with those of each rule, and compared with the true mean of the same cells.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from virtual_arctic import RESOLUTION, mean_in_cells

from icemap import IceEnsemble, open_cube
from icemap.boreholes.pseudo import is_pseudo
from icemap.boreholes.sample_files import read_samples
from icemap.config import load_config
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.inputs import predictors_of
from icemap.ensemble.predictor_weights import predictor_weights
from icemap.gridded import grid_of
from icemap.mapping.chunk import ChunkResult, map_pixels
from icemap.mapping.compiled_ensemble import compile_ensemble
from icemap.mapping.places import CubePlaces, choose_places, read_places
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.sphere import unit_vectors
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration
from icemap.verification.cross_validation import MODEL, gather, verify_fold
from icemap.verification.cv_schemes import with_pseudo_sites
from icemap.verification.knndm import knndm_folds
from icemap.virtual_arctic.demo import write_demo
from icemap.virtual_arctic.world import PREDICTORS

CELLS = 4000
FOLDS = 5
REPLICATES = 4
# Cells with less sediment (m) are thin.
THIN = 1.0
RULED = "sediment_thickness"


def proof(seed: int, rules: list[dict[str, Any] | None], resolution: str) -> list[dict]:
    """Figures of one virtual Arctic: a row for each rule and group of cells."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(write_demo(folder, "small", seed))
        content = yaml.safe_load(path.read_text())
        content["grid"] |= {"resolution": resolution, "chunk": 128}
        tables = []
        for rule in rules:
            boreholes = content["boreholes"] | ({"bedrock": rule} if rule else {})
            path.write_text(yaml.safe_dump({**content, "boreholes": boreholes}))
            config = load_config(str(path))
            context = Context(config, "serial", 1, lambda line: None)
            run_steps(STEPS, context, ["cube", "boreholes"])
            tables.append(read_samples(config.folder.samples))
        cube = open_cube(config.folder.cube)
        # Drawn with another seed than the pseudo-sites are.
        places = choose_places(cube, CELLS, seed + 1000)
        X = read_places(cube, places, list(PREDICTORS))
        side = grid_of(cube).resolution
    truth = mean_in_cells(places.longitude, places.latitude, side, seed)
    thin = X[:, list(PREDICTORS).index(RULED)] < THIN
    rows, first = [], None
    for rule, samples in zip(rules, tables, strict=True):
        mapped, crps, verified = mapped_cells(samples, places, X, truth, seed)
        # The area of applicability of the map without pseudo-sites, which all are compared in.
        first = mapped.aoa if first is None else first
        groups = {
            "thin, in AOA": thin & first,
            "other, in AOA": ~thin & first,
            "thin": thin,
            "other": ~thin,
            "all": np.ones(len(thin), bool),
        }
        for name, here in groups.items():
            inside = (truth >= mapped.lower) & (truth <= mapped.upper)
            rows.append(
                {
                    "seed": seed,
                    "rule": "none" if rule is None else named(rule),
                    "boreholes": int((~is_pseudo(samples)).sum()),
                    "pseudo_sites": int(is_pseudo(samples).sum()),
                    "cells": name,
                    "share": float(here.mean()),
                    "truth": float(truth[here].mean()),
                    "in_aoa": float(mapped.aoa[here].mean()),
                    "bias": float((mapped.mean - truth)[here].mean()),
                    "coverage": float(inside[here].mean()),
                    "width": float((mapped.upper - mapped.lower)[here].mean()),
                    "crps": float(crps[here].mean()),
                    **verified,
                }
            )
    return rows


def named(rule: dict[str, Any]) -> str:
    return f"below {rule['below']:g} m" + (f", {rule['sites']}" if "sites" in rule else "")


def mapped_cells(
    samples: pd.DataFrame, places: CubePlaces, X: np.ndarray, truth: np.ndarray, seed: int
) -> tuple[ChunkResult, np.ndarray, dict[str, float]]:
    """Cells as a map of these samples has them, the CRPS of each, and the scores at boreholes."""
    classes = [name for name, info in PREDICTORS.items() if info.kind == "class"]
    ensemble = IceEnsemble(classes=classes, replicates=REPLICATES, candidates=0, seed=seed)
    ensemble.fit(samples)
    table, coding = ensemble.table(samples), ensemble.coding_
    boreholes = table.take(table.drilled)
    of_boreholes = knndm_folds(
        boreholes.longitude, boreholes.latitude, places.longitude, places.latitude, FOLDS, seed
    )
    labels = with_pseudo_sites(table, of_boreholes)
    records = [verify_fold(ensemble, samples, labels, k) for k in range(FOLDS)]
    part = gather(records, np.arange(len(boreholes)))
    found = part["models"][MODEL]
    verified = {
        "rows_scored": len(part["y"]),
        "crps_at_boreholes": float(found["crps"].mean()),
        "bias_at_boreholes": float((found["mean"] - part["y"]).mean()),
    }
    design = coding.design(table.X)
    applicability = Applicability.fit(
        design, predictor_weights(design, table.y, seed), labels, table.drilled
    )
    vectors = unit_vectors(places.longitude, places.latitude)
    mapped = map_pixels(
        compile_ensemble(ensemble, predictors_of(samples, coding))[0],
        applicability,
        Calibration.fit(
            found["pit"],
            blocks=spatial_blocks(boreholes.longitude, boreholes.latitude, 10.0),
        ),
        X,
        vectors,
    )
    coded = coding.encode(coding.with_position(X, vectors))[0]
    curves = ensemble.pooled_.curves(
        ensemble.member_predictions(coded), ensemble.partners(coded, vectors)
    )
    return mapped, curves.crps(truth), verified


def rule_of(text: str) -> dict[str, float | str]:
    """The keys of a rule, from ``below`` or ``below:sites``."""
    below, _, sites = text.partition(":")
    return {"predictor": RULED, "below": float(below), **({"sites": int(sites)} if sites else {})}


def report(rows: list[dict]) -> str:
    """The figures as text, means over the seeds."""
    table = pd.DataFrame(rows)
    means = table.groupby(["cells", "rule"], sort=False).mean(numeric_only=True)
    return means.drop(columns="seed").round(3).to_string()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=[205])
    parser.add_argument(
        "--rules", nargs="*", default=["1"], help="m of sediment, or m:number of pseudo-sites"
    )
    parser.add_argument("--resolution", default=RESOLUTION, help="of the cube")
    options = parser.parse_args()
    asked = [None, *map(rule_of, options.rules)]
    found = []
    for one in options.seeds:
        found += proof(one, asked, options.resolution)
        for row in found[-5 * len(asked) :]:
            print(json.dumps(row), flush=True)
    print(report(found))
