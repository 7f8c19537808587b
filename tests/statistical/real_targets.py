"""icemap beside its competitors on real targets: ``python tests/statistical/real_targets.py
[alt|thickness|temperature ...]``.

Active-layer thickness, permafrost thickness and ground temperature, with 36 predictors on a 10'
grid; folds of whole 10 degree blocks, everything tuned inside the training side of each fold. Needs
the folder with ``grids_10min/`` and ``points/`` beside the checkout, or named by ICEMAP_DATA.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from scipy.spatial import cKDTree

from icemap import IceEnsemble
from icemap.boreholes.samples import declustering_weights
from icemap.ensemble.folds import block_folds
from icemap.sphere import unit_vectors
from icemap.verification.competitors import COMPETITORS
from icemap.verification.cross_validation import gather, verify_fold
from icemap.verification.groups import block_names
from icemap.verification.published import PUBLISHED, PUBLISHED_MIXTURE, REPLICATES
from icemap.verification.summary import difference_table, verification_table, with_calibrated

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


def verified(target: str, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Scores of every model, and the paired differences to icemap."""
    table = samples(target)
    ensemble = IceEnsemble(classes=CLASSES, bounds=TARGETS[target][2], seed=seed)
    ensemble.prepare(table)
    labels = block_folds(table.lon, table.lat, 10.0, FOLDS, seed)
    part = gather(
        [verify_fold(ensemble, table, labels, k, (*COMPETITORS, PUBLISHED)) for k in range(FOLDS)],
        np.arange(len(table)),
    )
    blocks = block_names(table.lon, table.lat, 10.0)
    by_kind = {"block": with_calibrated(part, labels)}
    return {
        "table": verification_table(by_kind, blocks),
        "differences": difference_table(by_kind, blocks, seed),
    }


def report(target: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """The figures as text."""
    keys = (
        "crps",
        "winkler_95",
        "coverage_95",
        "width_95",
        "worst_block_coverage_95",
        "rmse",
        "bias",
    )
    told = dict.fromkeys((PUBLISHED, PUBLISHED_MIXTURE), f" ({REPLICATES})")
    lines = [
        f"{target:28}"
        + "".join(
            f"{key.replace('_95', '').replace('worst_block_coverage', 'worst block'):>13}"
            for key in keys
        )
    ]
    lines += [
        f"{row['model'] + told.get(row['model'], ''):28}"
        + "".join(f"{row[key]:>13.3f}" if key in row else f"{'-':>13}" for key in keys)
        for row in found["table"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    for name in sys.argv[1:] or TARGETS:
        scores = verified(name)
        print(report(name, scores), flush=True)
        print(json.dumps(scores["differences"]), flush=True)
