"""A chain of the virtual Arctic that runs in seconds: two plain members, a coarse grid, and
nothing to be chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from icemap.ensemble import fit_parts, predictor_weights, tuning
from icemap.ensemble.quantile_forest import grow_quantile_forest
from icemap.mapping import learning
from icemap.products.figures import style
from icemap.products.figures.maps import map_figure, width_parts_figure
from icemap.products.pages import run_report
from icemap.verification import cross_validation

TREES, TUNING_FOLDS, PIXELS, DPI = 20, 3, 150, 40
# The command in a process of its own, with workers, `in_little`.
COMMAND = [sys.executable, str(Path(__file__).with_name("small_command.py"))]

SMALL = {
    "grid": {"west": -180, "south": 40, "east": 180, "north": 84, "resolution": 2, "chunk": 64},
    "predictors": ["maat", "elevation", "deposit", "sediment_thickness"],
    "ensemble": {
        "members": ["sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"],
        "replicates": 2,
        "folds": 3,
        "candidates": 0,
        "prior_strength": 100,
        "climatology": 0,
        "position": False,
    },
    "verification": {"folds": 3, "places": 300, "competitors": []},
}


@contextmanager
def in_little() -> Iterator[None]:
    """Chains that are made meanwhile, in this process, have small forests, few folds by which they
    choose, and coarse pictures that nothing lays out: of a few sites a tree or a member costs the
    same whatever is in it, and all the folds together fit thousands.
    """

    grown_weights = predictor_weights.predictor_weights

    def grown(*sites: Any, **settings: Any) -> Any:
        return grow_quantile_forest(*sites, **{**settings, "trees": TREES})

    def weighed(design: Any, y: Any, seed: int, *_: int) -> Any:
        return grown_weights(design, y, seed, trees=TREES)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_parts, "grow_quantile_forest", grown)
        for module in (predictor_weights, fit_parts, cross_validation, learning):
            patch.setattr(module, "predictor_weights", weighed)
        patch.setattr(tuning, "TUNING_FOLDS", TUNING_FOLDS)
        for draw in (map_figure, width_parts_figure):
            patch.setattr(run_report, draw.__name__, partial(draw, pixels=PIXELS))
        patch.setattr(style.saved, "__kwdefaults__", {**style.saved.__kwdefaults__, "dpi": DPI})
        patch.setattr(style.new_figure, "__defaults__", (None,))
        yield
