"""The fit of an ensemble to a table in memory, with its calibration and its area of applicability:
arrays in, what maps pixels out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.fit_parts import fit_parts
from icemap.ensemble.folds import replicate_splits
from icemap.ensemble.model import IceEnsemble, replicate_seed
from icemap.ensemble.pool_parts import PoolParts
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.predictor_weights import predictor_weights
from icemap.ensemble.quantile_forest import TREES
from icemap.ensemble.replicates import (
    Replicate,
    TrainingOptions,
    TrainingTable,
    fit_replicate,
    inner_folds,
)
from icemap.mapping.broadcast import Predictor
from icemap.mapping.compiled_ensemble import compile_ensemble
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import NOT_CALIBRATED, Calibration

Array = NDArray[np.float64]

CALIBRATION_FOLDS = 5
#: Of fewer samples a calibration would say nothing: it is held near none by 200 rows' worth.
MIN_CALIBRATED = 50


@dataclass(frozen=True, eq=False)
class Learned:
    """What a fit gives: the ensemble, what maps pixels with it, and the importance of each
    predictor (predictors,), which adds up to 1.
    """

    ensemble: IceEnsemble
    predictor: Predictor
    importance: Array


def learn(
    ensemble: IceEnsemble,
    X: Array,
    names: Sequence[str],
    table_of: Callable[[Array], TrainingTable],
    n_jobs: int | None,
    *,
    calibrate: bool,
    progress: bool,
) -> Learned:
    """Tune, fit and compile an ensemble, whose parameters are given, and calibrate it.

    Parameters
    ----------
    ensemble : IceEnsemble
        Becomes fitted.
    X : ndarray of shape (n, predictors)
    table_of : callable
        The training table of coded predictors.
    n_jobs : int or None
        As joblib has it; None leaves it to the backend that is active.
    calibrate : bool
        Fit once more for each of five folds, to see how wide intervals should be.
    """
    ensemble.learn_coding(X, names)
    table = table_of(ensemble.columns_.encode(X)[0])
    if ensemble.followed.published:
        table = table.alike()
    ensemble.held_out_ = _held_out(ensemble, table)
    with _prepared(n_jobs):
        ensemble.adopt(ensemble.tune(table))
        options, coding, seed = ensemble.options, ensemble.coding_, ensemble.seed
        ensemble.replicates_ = _side_by_side(
            fit_replicate,
            [
                (table.take(~held), options, coding, replicate_seed(seed, index))
                for index, held in enumerate(ensemble.held_out_)
            ],
            "replicates" if progress else "",
        )
        fitting = _Fitting(options, coding, seed)
        ensemble.parts_ = fitting.parts(table)
        labels = inner_folds(table, options, CALIBRATION_FOLDS, seed)
        design = coding.design(table.X)
        weights = predictor_weights(design, table.y, seed, trees_for(len(table)))
        applicability = Applicability.fit(design, weights, labels)
        calibration = NOT_CALIBRATED
        if calibrate and len(table) >= MIN_CALIBRATED and not ensemble.followed.published:
            parts = _side_by_side(
                _left_out,
                [(fitting, table, labels == k) for k in np.unique(labels)],
                "calibration" if progress else "",
            )
            calibration = Calibration.fit(np.concatenate(parts))
        compiled, _ = compile_ensemble(ensemble, X)
    columns = np.array(coding.design_columns)
    importance = np.array([weights[columns == name].sum() for name in coding.names])
    return Learned(
        ensemble, Predictor(compiled, applicability, calibration), importance / importance.sum()
    )


def _held_out(ensemble: IceEnsemble, table: TrainingTable) -> NDArray[np.bool_]:
    """What each replicate leaves out: nothing where the rest would all be alike."""
    held = replicate_splits(table.cell, ensemble.held_out, ensemble.replicates, ensemble.seed)
    alike = [len(table.y[~row]) < 2 or np.ptp(table.y[~row]) == 0 for row in held]
    held[alike] = False
    return held


def trees_for(n: int) -> int:
    """Trees of a forest of n samples: a handful of samples differs in a handful of ways."""
    return int(np.clip(2 * n, 20, TREES))


@dataclass(frozen=True, eq=False)
class _Fitting:
    """What the fits of all folds share; small enough to travel."""

    options: TrainingOptions
    coding: PredictorCoding
    seed: int

    def parts(self, table: TrainingTable) -> PoolParts | None:
        """What is pooled with COP-BMA, of a table.

        A regressor is asked of predictors alone, so that its process knows of no places.
        """
        trees = trees_for(len(table))
        return fit_parts(table.unplaced(), self.options, self.coding, self.seed, trees)


def _left_out(fitting: _Fitting, table: TrainingTable, test: NDArray[np.bool_]) -> Array:
    """PIT of the samples of a fold, for one replicate and the other parts of the pool, fitted to
    the rest; with the settings tuned on all.
    """
    training, left = table.take(~test), table.take(test)
    replicate: Replicate = fit_replicate(training, fitting.options, fitting.coding, fitting.seed)
    parts = fitting.parts(training)
    partners = None if parts is None else parts.at_coded(fitting.coding, left.X)
    F = replicate.member_predictions(left.X)[None]
    return PooledMixture([replicate.bma]).curves(F, partners).pit(left.y)


@contextmanager
def _prepared(n_jobs: int | None) -> Iterator[None]:
    """One thread of the libraries for each fit, and searches in as many processes as asked for."""
    from joblib import parallel_config
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Said once, of the whole table.
        warnings.filterwarnings("ignore", message=r"There are \d+ different rows")
        if n_jobs is None:
            yield
        else:
            with parallel_config(n_jobs=n_jobs):
                yield


def _side_by_side(
    function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], what: str
) -> list[Any]:
    """Results in order; ``what`` names a progress bar."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    results = Parallel(return_as="generator")(delayed(_alone)(function, each) for each in arguments)
    return list(tqdm(results, total=len(arguments), desc=what, disable=not what))


def _alone(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """In a process of joblib's, which may have threads of its own."""
    with _prepared(None):
        return function(*arguments)
