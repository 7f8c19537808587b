"""icemap and its competitors on real targets: ``python tests/statistical/real_targets.py
[alt|thickness|temperature ...] [--assignments 3] [--untuned]``.

Active-layer thickness, permafrost thickness and ground temperature, with 36 predictors on a 10'
grid; folds of whole 10 degree blocks, everything tuned inside the training side of each fold. With
more than one assignment of blocks to folds, scores and differences are of all of them together;
the recipe as printed, which costs most, is left out then. Needs the folder with ``grids_10min/``
and ``points/`` next to the checkout, or named by ICEMAP_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from icemap import IceEnsemble
from icemap.boreholes.sample_weights import declustering_weights
from icemap.ensemble.folds import block_folds
from icemap.grid import wrapped
from icemap.sphere import unit_vectors
from icemap.verification.competitors import COMPETITORS
from icemap.verification.cross_validation import MODEL, gather, verify_fold
from icemap.verification.groups import block_names
from icemap.verification.published import PUBLISHED, PUBLISHED_MIXTURE, REPLICATES
from icemap.verification.records import LeftOutForecasts
from icemap.verification.summary import (
    CALIBRATED,
    difference_table,
    verification_table,
    with_calibrated,
)

REAL = Path(os.environ.get("ICEMAP_DATA", Path(__file__).parents[2].parent / "shared" / "realcase"))
CLASSES = ("koppen", "landcover")
# Known in North America alone, or of no use on land.
LEFT_OUT = ("degl_age_na", "proglacial_lake_na", "land_fraction")
TARGETS: dict[str, tuple[str, str, tuple[float, float] | None]] = {
    "alt": ("points_alt.csv", "alt_cm", (0.0, 300.0)),
    "thickness": ("points_pfthick.csv", "pf_thick_m", (0.0, 1500.0)),
    "temperature": ("points_magt.csv", "magt_c", None),
}
FOLDS = 10
KEYS = (
    "crps",
    "winkler_95",
    "coverage_95",
    "width_95",
    "worst_block_coverage_95",
    "rmse",
    "bias",
)
# Models whose scores are told for each assignment.
TOLD = (MODEL, CALIBRATED, "quantile_forest", "kriging")
# Degrees by which the blocks are shifted, and the seed that sorts them into folds.
ASSIGNMENTS = ((0.0, 0), (5.0, 0), (0.0, 1))


def samples(target: str) -> pd.DataFrame:
    """One row per site; a predictor missing in its cell (coasts, offshore) comes from the nearest
    cell that has it.
    """
    file, column, bounds = TARGETS[target]
    sites = pd.read_csv(REAL / "points" / file)
    sites = sites[
        sites.lat.between(30, 84) & (True if bounds is None else sites[column].between(*bounds))
    ].reset_index(drop=True)
    values: dict[str, Any] = {}
    for path in sorted((REAL / "grids_10min").glob("*.tif")):
        if path.stem in LEFT_OUT:
            continue
        with rasterio.open(path) as source:
            grid, transform = (
                source.read(1, masked=True).astype(float).filled(np.nan),
                source.transform,
            )
        row, col = (
            ((sites.lat - transform.f) / transform.e).astype(int),
            ((sites.lon - transform.c) / transform.a).astype(int) % grid.shape[1],
        )
        value = grid[row, col]
        missing = np.isnan(value)
        if missing.any():
            there = np.argwhere(np.isfinite(grid))
            places = unit_vectors(
                transform.c + (there[:, 1] + 0.5) * transform.a,
                transform.f + (there[:, 0] + 0.5) * transform.e,
            )
            nearest = cKDTree(places).query(unit_vectors(sites.lon[missing], sites.lat[missing]))[1]
            value[missing] = grid[tuple(there[nearest].T)]
        values[path.stem] = value
    weight = declustering_weights(sites.lon.to_numpy(), sites.lat.to_numpy())
    return pd.DataFrame(values).assign(
        value=sites[column].astype(float),
        lon=sites.lon,
        lat=sites.lat,
        cell=row * 10_000 + col,
        weight=weight,
    )


def left_out(
    table: pd.DataFrame,
    ensemble: IceEnsemble,
    shift: float,
    seed: int,
    competitors: Sequence[str],
    blocks: NDArray[np.object_],
) -> LeftOutForecasts:
    """Forecasts of every sample by folds that are assigned in one way."""
    labels = block_folds(wrapped(table.lon + shift), table.lat + shift, 10.0, FOLDS, seed)
    part = gather(
        [verify_fold(ensemble, table, labels, k, competitors) for k in range(FOLDS)],
        np.arange(len(table)),
    )
    return with_calibrated(part, labels, blocks=blocks)


def together(parts: Sequence[LeftOutForecasts]) -> LeftOutForecasts:
    """Forecasts of several assignments one after another: each sample is there as often, and in
    one block, so that a resampling of blocks keeps its copies together.
    """

    def joined(values: Sequence[Any]) -> Any:
        if isinstance(values[0], dict):
            # A model may not be had in every assignment.
            names = [name for name in values[0] if all(name in value for value in values)]
            return {name: joined([value[name] for value in values]) for name in names}
        return np.concatenate(values)

    return cast("LeftOutForecasts", joined(parts))


def verified(target: str, assignments: int, tuned: bool) -> dict[str, list[dict[str, Any]]]:
    """Scores of every model, and the paired differences to icemap."""
    table = samples(target)
    settings = {} if tuned else {"candidates": 0}
    ensemble = IceEnsemble(classes=CLASSES, bounds=TARGETS[target][2], seed=0, **settings)
    ensemble.prepare(table)
    competitors = COMPETITORS if assignments > 1 else (*COMPETITORS, PUBLISHED)
    blocks = block_names(table.lon, table.lat, 10.0)
    parts = []
    for shift, seed in ASSIGNMENTS[:assignments]:
        parts.append(left_out(table, ensemble, shift, seed, competitors, blocks))
        for row in verification_table({"block": parts[-1]}, blocks):
            if row["model"] in TOLD:
                print(f"shift {shift:g}, seed {seed}: {line(row)}", flush=True)
    by_kind = {"block": together(parts)}
    scored = verification_table(by_kind, blocks)
    if len(parts) > 1:
        # A small block would count as often as there are assignments, and pass for a large one.
        for row in scored:
            row.pop("worst_block_coverage_95", None)
    return {
        "table": scored,
        "differences": difference_table(by_kind, blocks, 0),
    }


def line(row: Mapping[str, Any]) -> str:
    """The scores of a model as text."""
    told = dict.fromkeys((PUBLISHED, PUBLISHED_MIXTURE), f" ({REPLICATES})")
    return f"{row['model'] + told.get(row['model'], ''):28}" + "".join(
        f"{row[key]:>13.3f}" if key in row else f"{'-':>13}" for key in KEYS
    )


def report(target: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """The figures as text."""
    lines = [
        f"{target:28}"
        + "".join(
            f"{key.replace('_95', '').replace('worst_block_coverage', 'worst block'):>13}"
            for key in KEYS
        )
    ]
    return "\n".join([*lines, *map(line, found["table"])])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*", metavar="|".join(TARGETS))
    parser.add_argument("--assignments", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--untuned", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    for name in options.targets or TARGETS:
        scores = verified(name, options.assignments, not options.untuned)
        print(report(name, scores), flush=True)
        print(json.dumps(scores["differences"]), flush=True)
