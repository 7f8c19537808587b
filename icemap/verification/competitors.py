"""What users would run instead, fitted on the same training sides: a quantile forest, kriging, and
conformalized quantile regression.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.folds import block_folds, random_folds, spatial_blocks
from icemap.ensemble.replicates import TrainingTable
from icemap.verification.kriging import kriging
from icemap.verification.records import Forecast
from icemap.verification.scores import COVERAGES, crps_sample
from icemap.verification.sides import Sides

Array = NDArray[np.float64]
# The forest's distribution as equally likely values, as many as its CRPS needs to be exact in the
# third digit.
_FOREST_LEVELS = (np.arange(500) + 0.5) / 500
# Below this many rows to conformalize on, a 95 % interval has no end.
_MIN_CONFORMAL = 21
QUANTILE_COVERAGE = 0.95
# Packages of the extra ``verify``, and the rows that need them.
PACKAGES = {
    "quantile_forest": ("quantile_forest", "quantile-forest"),
    "conformal_quantiles": ("mapie", "mapie"),
}


def quantile_forest(sides: Sides) -> Forecast:
    """Forecasts of a quantile regression forest (Meinshausen 2006, JMLR 7:983): 300 trees, leaves
    of five sites or more, samples weighted as for the members.

    Returns
    -------
    Forecast
        The distribution is made of steps: it has no density.
    """
    from quantile_forest import RandomForestQuantileRegressor

    forest = RandomForestQuantileRegressor(
        n_estimators=300,
        min_samples_leaf=5,
        max_samples_leaf=None,
        max_features=1 / 3,
        n_jobs=1,
        random_state=sides.seed,
    )
    training, X, y = sides.training, sides.test.X, sides.test.y
    forest.fit(training.X, training.y, sample_weight=training.weight)
    # The weights of the paper, which give every tree one vote.
    options = {"weighted_leaves": True}
    values = forest.predict(X, quantiles=_FOREST_LEVELS.tolist(), **options)
    tails = [[(1 - coverage) / 2, (1 + coverage) / 2] for coverage in COVERAGES]
    ends = forest.predict(X, quantiles=np.ravel(tails).tolist(), **options).reshape(
        len(X), len(COVERAGES), 2
    )
    return {
        "mean": forest.predict(X, quantiles="mean", **options),
        "pit": 0.5 * ((values < y[:, None]).mean(axis=1) + (values <= y[:, None]).mean(axis=1)),
        "crps": crps_sample(y, values),
        "interval": {f"{coverage:g}": ends[:, k] for k, coverage in enumerate(COVERAGES)},
    }


def conformal_quantiles(sides: Sides) -> Forecast | None:
    """95 % interval by conformalized quantile regression (Romano et al. 2019, arXiv:1905.03222):
    MAPIE over LightGBM.

    A third of the training side is kept for the conformal correction; whole spatial blocks, because
    the test side is farther from the training sites than neighbours are.

    Returns
    -------
    Forecast or None
        ``interval`` of shape (n, 2) and nothing else: the method gives no distribution. None where
        the training side is too small.
    """
    from lightgbm import LGBMRegressor
    from mapie.regression import ConformalizedQuantileRegressor

    training = sides.training
    kept = _kept_for_conformal(training, sides.block_degrees, sides.seed)
    if kept is None:
        return None
    settings = {
        "n_estimators": 200,
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_child_samples": 10,
        "subsample": 0.8,
        "subsample_freq": 1,
    }
    exact = {"deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbosity": -1}
    quantile = LGBMRegressor(
        objective="quantile", alpha=0.5, random_state=sides.seed, **settings, **exact
    )
    regressor = ConformalizedQuantileRegressor(quantile, confidence_level=QUANTILE_COVERAGE)
    options = {
        "sample_weight": training.weight[~kept],
        **({"categorical_feature": sides.class_columns} if sides.class_columns else {}),
    }
    regressor.fit(training.X[~kept], training.y[~kept], fit_params=options)
    regressor.conformalize(training.X[kept], training.y[kept])
    with _without_logging_setup():
        interval = regressor.predict_interval(sides.test.X, symmetric_correction=True)[1][:, :, 0]
    # Quantiles fitted one by one may cross.
    interval = np.sort(interval, axis=1)
    return {
        "interval": {
            f"{QUANTILE_COVERAGE:g}": interval
            if sides.bounds is None
            else np.clip(interval, *sides.bounds)
        }
    }


def installed(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The competitors whose package is there, and a sentence for each of the others.

    Examples
    --------
    >>> installed(["published_recipe"])
    (('published_recipe',), [])
    """
    kept, notes = [], []
    for name in names:
        module, package = PACKAGES.get(name, ("", ""))
        if module and find_spec(module) is None:
            notes.append(left_out(name.replace("_", " "), package))
        else:
            kept.append(name)
    return tuple(kept), notes


def left_out(what: str, package: str) -> str:
    """That something is not there because a package is not installed.

    Examples
    --------
    >>> left_out("conformal quantiles", "mapie").partition(" (")[0]
    'conformal quantiles: left out, the package mapie is not installed'
    """
    return (
        f"{what}: left out, the package {package} is not installed (pip install 'icemap[verify]')"
    )


@contextmanager
def _without_logging_setup() -> Iterator[None]:
    """MAPIE sets up the root logger of the whole process to say that quantiles cross, unless it has
    a handler already.
    """
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _kept_for_conformal(
    training: TrainingTable, block_degrees: float, seed: int
) -> NDArray[np.bool_] | None:
    blocks = len(np.unique(spatial_blocks(training.longitude, training.latitude, block_degrees)))
    for parts in (3, 2):
        if blocks >= 3 * parts:
            labels = block_folds(training.longitude, training.latitude, block_degrees, parts, seed)
        else:
            labels = random_folds(len(training), parts, seed)
        kept = np.asarray(labels == 0)
        if kept.sum() >= _MIN_CONFORMAL and (~kept).sum() >= _MIN_CONFORMAL:
            return kept
    return None


#: By the name that the config gives.
COMPETITORS: dict[str, Callable[[Sides], Forecast | None]] = {
    "quantile_forest": quantile_forest,
    "kriging": kriging,
    "conformal_quantiles": conformal_quantiles,
}
