"""One fold of a verification: ``python tests/benchmarks/bench_fold.py``.

The same fold of the virtual Arctic is tuned, fitted and scored in one process with settings
searched with all trees, with few as `icemap verify` does, and, as in a preview, with settings that
were chosen before. CPU seconds are printed, and their ratios to the first, which travel between
machines.
"""

import json
from unittest.mock import patch

import numpy as np
from threadpoolctl import threadpool_limits
from timing import from_command_line, timed
from trained import draw_sites

from icemap import IceEnsemble
from icemap.ensemble.tuning import SEARCH_TREES
from icemap.verification.cross_validation import verify_fold
from icemap.virtual_arctic import world

ALL_TREES = {"random_forest": 50, "lightgbm": 200}


def main(small: bool = False) -> dict[str, float]:
    """Run the fold in each way, print and return the figures."""
    sites, folds, candidates = (90, 3, 1) if small else (300, 10, 8)
    classes = [name for name, info in world.PREDICTORS.items() if info.kind == "class"]
    samples = draw_sites(sites).drop(columns="northness").assign(standard_error=5.0)
    ensemble = IceEnsemble(classes=classes, folds=folds, candidates=candidates)
    table = ensemble.prepare(samples)
    labels = np.arange(len(samples)) % 5
    with threadpool_limits(1, "blas"):
        # What is looked up and compiled once.
        verify_fold(ensemble, samples, labels, 0, nested=False)
        tuned = timed(lambda: setattr(ensemble, "tuning_", ensemble.tune(table)))[1]
        fitted = timed(lambda: verify_fold(ensemble, samples, labels, 0, nested=False))[1]
        searched = timed(lambda: verify_fold(ensemble, samples, labels, 0))[1]
        with patch.dict(SEARCH_TREES, ALL_TREES):
            whole = timed(lambda: verify_fold(ensemble, samples, labels, 0))[1]
    figures = {
        "samples": sites,
        "seconds_tuning": tuned,
        "seconds_all_trees": whole,
        "seconds": searched,
        "seconds_preview": fitted,
        "ratio": searched / whole,
        "ratio_preview": fitted / whole,
    }
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    from_command_line(main, __doc__)
