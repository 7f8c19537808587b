"""The verification table, and the calibration of the map's interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.verification.calibration import ConformalPIT
from icemap.verification.cross_validation import KIND_NAMES, MODEL, TAIL_LEVELS
from icemap.verification.scores import Scores

Array = NDArray[np.float64]


def calibrate(pit: Array) -> dict[str, Any]:
    """PIT levels of the map's 95 % interval, from out-of-fold PITs of shape (n,).

    Returns
    -------
    dict
        ``levels95`` and the conformal calibration they come from.
    """
    conformal = ConformalPIT().fit(pit)
    return {"levels95": list(conformal.levels(0.95)), "conformal": conformal.to_dict()}


def importance(X: Array, y: Array, seed: int) -> Array:
    """Importance of each predictor column, by how much a random forest gains from it: the weights of the dissimilarity index.

    Parameters
    ----------
    X : ndarray of shape (n, columns)
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (columns,)
        Adds up to 1.
    """
    from sklearn.ensemble import RandomForestRegressor

    return np.asarray(
        RandomForestRegressor(n_estimators=200, min_samples_leaf=3, max_features=1 / 3, n_jobs=1, random_state=seed).fit(X, y).feature_importances_
    )


def calibrated_interval(part: Mapping[str, Any], labels: NDArray[np.int64]) -> tuple[Array, Array]:
    """Interval for each sample with levels from the PITs of the other folds, so that no sample calibrates its own interval.

    Parameters
    ----------
    part : mapping
        ``pit`` of shape (n,) and ``quantiles`` of shape (n, levels) at `TAIL_LEVELS`.
    labels : ndarray of shape (n,)
        Fold of each sample.
    """
    bounds = np.empty((len(labels), 2))
    for fold in np.unique(labels):
        here = labels == fold
        levels = ConformalPIT().fit(part["pit"][~here]).levels(0.95)
        bounds[here] = [np.interp(levels, TAIL_LEVELS, row) for row in part["quantiles"][here]]
    return bounds[:, 0], bounds[:, 1]


def verification_table(by_kind: Mapping[str, Mapping[str, Any]], labels: Mapping[str, NDArray[np.int64]]) -> list[dict[str, Any]]:
    """One row per kind of folds and model: scores of predictions for sites that were left out.

    Parameters
    ----------
    by_kind : mapping
        Output of `icemap.verification.cross_validation.gather` per kind.
    labels : mapping
        Fold of each sample, per kind.
    """
    rows = []
    for kind, part in by_kind.items():
        for name, model in part["models"].items():
            intervals = {float(c): (bounds[:, 0], bounds[:, 1]) for c, bounds in model["interval"].items()}
            rows.append(_row(kind, name, part["y"], model, intervals))
            if name == MODEL:
                rows.append(_row(kind, f"{MODEL} calibrated", part["y"], model, {0.95: calibrated_interval(model, labels[kind])}))
        for name, mean in part["members"].items():
            rows.append({"folds": KIND_NAMES[kind], "model": name, **Scores.of(part["y"], mean).table()})
    return rows


def _row(kind: str, name: str, y: Array, model: Mapping[str, Any], intervals: Mapping[float, Any]) -> dict[str, Any]:
    scores = Scores.of(y, model["mean"], pit=model["pit"], crps=model["crps"], log_density=model["log_density"], intervals=intervals)
    return {"folds": KIND_NAMES[kind], "model": name, **scores.table()}
