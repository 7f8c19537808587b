"""Whether settings searched with few trees are as good as with all of them: ``python
tests/statistical/search_size.py [SEEDS] [--trees 100 50 25]``.

On each virtual Arctic every spatial fold is left out in turn. The settings of the random forest and
of LightGBM are searched on the rest with so many percent of their trees; a member of full size with
the chosen ones then forecasts the fold. Errors are mean squared errors on the members' scale,
relative to those of the search with all trees on the same fold; costs are ratios of CPU time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
from virtual_arctic import RESOLUTION, run

from icemap import IceEnsemble
from icemap.ensemble import tuning
from icemap.ensemble.members import fit_member, make_member, member_inputs
from icemap.ensemble.replicates import inner_folds, weighed_table
from icemap.virtual_arctic.world import PREDICTORS

FOLDS = 8
CANDIDATES = 8
WHOLE = {"random_forest": 50, "lightgbm": 200}


def searches(seed: int, percents: Sequence[int]) -> Iterator[dict]:
    """A row for each fold, member and number of trees."""
    with tempfile.TemporaryDirectory() as folder:
        samples, _ = run(Path(folder), seed, RESOLUTION)
    classes = [name for name, info in PREDICTORS.items() if info.kind == "class"]
    ensemble = IceEnsemble(classes=classes, seed=seed)
    table = ensemble.prepare(samples)
    options, coding = ensemble.options, ensemble.coding_
    labels = inner_folds(table, options, FOLDS, seed + 1000)
    for fold in np.unique(labels):
        training, left_out = table.take(labels != fold), table.take(labels == fold)
        training, _ = weighed_table(training, options, coding, seed)
        scale = options.scale(training.y)
        y, observed = scale.transform(training.y), scale.transform(left_out.y)
        for name, whole in WHOLE.items():
            inputs, places = (
                member_inputs([name], coding, part.X)[name] for part in (training, left_out)
            )
            for percent in percents:
                start = time.process_time()
                with patch.dict(tuning.SEARCH_TREES, {name: whole * percent // 100}):
                    settings, _ = tuning.tune_member(
                        name, training, options, coding, CANDIDATES, seed
                    )
                seconds = time.process_time() - start
                member = make_member(name, coding, seed, settings)
                fitted = fit_member(member, coding, inputs, y, training.weight)
                yield {
                    "seed": seed,
                    "samples": len(table),
                    "fold": int(fold),
                    "member": name,
                    "percent": percent,
                    "settings": settings,
                    "error": float(np.mean((fitted.predict(places) - observed) ** 2)),
                    "seconds": seconds,
                }


def report(rows: list[dict], percents: Sequence[int]) -> str:
    """Errors and costs against those of the first number of trees, and how often the same settings
    are chosen.
    """
    lines = [f"{'member':15}{'trees':>7}{'error':>18}{'CPU':>7}{'same settings':>15}"]
    for name, whole in WHOLE.items():
        found = [
            [row for row in rows if row["member"] == name and row["percent"] == p] for p in percents
        ]
        first = found[0]
        for percent, some in zip(percents, found, strict=True):
            change = np.log([a["error"] / b["error"] for a, b in zip(some, first, strict=True)])
            error = change.std(ddof=1) / len(change) ** 0.5
            cost = sum(a["seconds"] for a in some) / sum(b["seconds"] for b in first)
            same = np.mean(
                [a["settings"] == b["settings"] for a, b in zip(some, first, strict=True)]
            )
            lines.append(
                f"{name:15}{whole * percent // 100:>7}{change.mean():>+9.2%} +- {error:5.2%}"
                f"{cost:>7.2f}{same:>15.0%}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=(210, 211, 212))
    parser.add_argument("--trees", type=int, nargs="+", default=(100, 50, 25), help="in percent")
    options = parser.parse_args()
    found = []
    for number in options.seeds:
        for row in searches(number, options.trees):
            found.append(row)
            print(json.dumps(row), flush=True)
    print(report(found, options.trees))
