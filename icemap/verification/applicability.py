"""Where the map may be trusted: dissimilarity index and area of applicability (Meyer & Pebesma
2021, doi:10.1111/2041-210X.13650).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.checks import require_rows
from icemap.json_records import ApplicabilityRecord

Array = NDArray[np.float64]

# Rows per matrix product: fastest of 256 to 4096 at 1,100 sites, where the products stay in the
# cache.
_ROWS = 512


@dataclass(frozen=True, eq=False)
class Applicability:
    """The training sites in standardized, weighted predictor space, ready to judge map cells.

    Attributes
    ----------
    center, factor : ndarray of shape (predictors,)
        A predictor x becomes (x - center) * factor; factor is weight / standard deviation, and 0
        for predictors without variance.
    points : ndarray of shape (sites, predictors)
        Training sites in that space.
    mean_distance : float
        Mean distance between all pairs of sites, the unit of the index.
    train_index : ndarray of shape (scored sites,)
        Index of each training site that is scored against the sites of other folds.
    threshold : float
        A cell with an index at or below it is inside the area of applicability.

    Examples
    --------
    >>> train = np.random.default_rng(0).normal(size=(60, 2))
    >>> aoa = Applicability.fit(train)
    >>> aoa.index([[0.0, 0.0], [30.0, 0.0]]) <= aoa.threshold
    array([ True, False])
    """

    center: Array
    factor: Array
    points: Array
    mean_distance: float
    train_index: Array
    threshold: float

    @classmethod
    def fit(
        cls,
        train: Any,
        weights: ArrayLike | None = None,
        folds: ArrayLike | None = None,
        scored: ArrayLike | None = None,
    ) -> Applicability:
        """Fit to the training sites.

        Parameters
        ----------
        train : array_like or DataFrame, shape (sites, predictors)
            Numbers only: classes come as one column each, with the weight of the class predictor.
        weights : array_like, shape (predictors,), optional
            Importance of each predictor; negative ones count as 0. Equal by default.
        folds : array_like, shape (sites,), optional
            Folds of the cross-validation whose error is to hold inside the area. Leave-one-out by
            default.
        scored : array_like of bool, shape (sites,), optional
            Sites that the cross-validation scores: the threshold is of their index. All by default;
            pseudo-sites are not.

        Raises
        ------
        ValueError
            If a value is missing, if no predictor has both variance and weight, or if all sites are
            in one fold.
        """
        values = _matrix(train, "training")
        center, factor = _standardization(values, weights)
        points = (values - center) * factor
        nearest, mean_distance = _distances_between(points, folds)
        train_index = nearest / mean_distance
        if scored is not None:
            train_index = train_index[np.asarray(scored, dtype=bool)]
        return cls(
            center, factor, points, mean_distance, train_index, applicability_threshold(train_index)
        )

    def index(self, X: Any) -> Array:
        """Dissimilarity index of each row.

        Parameters
        ----------
        X : array_like or DataFrame, shape (n, predictors)

        Returns
        -------
        ndarray of shape (n,)
            0 at a training site; NaN where a predictor is missing.
        """
        values = np.asarray(X, dtype=float)
        if values.ndim != 2 or values.shape[1] != len(self.center):
            raise ValueError(
                f"the rows to judge have the shape {values.shape}: {len(self.center)} predictors"
                " are expected, as in training."
            )
        from icemap.verification.nearest import nearest_distances

        return (
            nearest_distances((values - self.center) * self.factor, self.points)
            / self.mean_distance
        )

    def to_dict(self) -> ApplicabilityRecord:
        """Plain lists and numbers; a round trip through JSON gives every bit back."""
        return {
            "center": self.center.tolist(),
            "factor": self.factor.tolist(),
            "points": self.points.tolist(),
            "train_index": self.train_index.tolist(),
            "mean_distance": self.mean_distance,
            "threshold": self.threshold,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Applicability:
        """The reverse of `to_dict`."""
        arrays = {
            name: np.asarray(content[name], dtype=float)
            for name in ("center", "factor", "points", "train_index")
        }
        return cls(
            mean_distance=float(content["mean_distance"]),
            threshold=float(content["threshold"]),
            **arrays,
        )


def dissimilarity_index(
    X: Any, train: Any, weights: ArrayLike | None = None, folds: ArrayLike | None = None
) -> Array:
    """Distance to the nearest training site in predictor space, in units of the mean distance
    between training sites.

    Parameters
    ----------
    X : array_like or DataFrame, shape (n, predictors)
        Rows to judge.
    train : array_like or DataFrame, shape (sites, predictors)
    weights : array_like, shape (predictors,), optional
        Importance of each predictor.
    folds : array_like, shape (sites,), optional
        Only where ``X`` is ``train``: sites of a row's own fold do not count as its neighbours.
        Give every row its own fold to leave out the row alone.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        See `Applicability.fit`; also if folds are given and ``X`` is not the training table.

    Notes
    -----
    Meyer & Pebesma 2021, doi:10.1111/2041-210X.13650, with the arithmetic of the R package CAST:
    standard deviations with n - 1, all pairs of training sites in the mean distance whatever their
    folds.

    Examples
    --------
    >>> train = [[0.0], [1.0], [3.0]]
    >>> dissimilarity_index([[4.0]], train)
    array([0.5])
    >>> dissimilarity_index(train, train, folds=[0, 0, 1])
    array([1.5, 1. , 1. ])
    """
    require_rows(X=X)
    require_rows(train=train, weights=weights)
    X = _columns_as(train, X)
    if folds is None:
        return Applicability.fit(train, weights).index(X)
    if not np.array_equal(np.asarray(X, dtype=float), np.asarray(train, dtype=float)):
        raise ValueError(
            "folds belong to the training rows: give X = train, or leave out the folds."
        )
    return Applicability.fit(train, weights, folds).train_index


def applicability_threshold(train_di: ArrayLike) -> float:
    """Largest index inside the area of applicability: upper quartile plus 1.5 interquartile ranges,
    at most the largest in training.

    Parameters
    ----------
    train_di : array_like, shape (sites,)
        Index of the training sites against other folds.

    Examples
    --------
    >>> applicability_threshold([0.0, 0.25, 0.5, 0.75, 5.0])
    1.5
    """
    values = np.asarray(train_di, dtype=float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(
            "the training dissimilarity index has missing or infinite values: compute it with at"
            " least two folds, without missing predictors."
        )
    lower, upper = np.quantile(values, [0.25, 0.75])
    return float(min(upper + 1.5 * (upper - lower), values.max()))


def _columns_as(train: Any, X: Any) -> Any:
    """The rows to judge with their columns in the order of the training table."""
    if not (hasattr(train, "columns") and hasattr(X, "columns")):
        return X
    names, given = list(train.columns), list(X.columns)
    if len(names) != len(given) or set(names) != set(given):
        raise ValueError(
            f"the rows to judge have the predictors {', '.join(map(str, given))}, and the training"
            f" table {', '.join(map(str, names))}: give the same."
        )
    return X[names]


def _matrix(table: Any, what: str) -> Array:
    values = np.asarray(table, dtype=float)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(
            f"the {what} table has the shape {values.shape}: at least two rows of predictors are"
            " needed."
        )
    missing = ~np.isfinite(values).all(axis=0)
    if missing.any():
        names = getattr(table, "columns", range(values.shape[1]))
        named = ", ".join(str(name) for name, bad in zip(names, missing) if bad)
        raise ValueError(
            f"the {what} table has missing or infinite values in the predictors {named}: fill them"
            " or drop the rows."
        )
    return values


def _standardization(values: Array, weights: ArrayLike | None) -> tuple[Array, Array]:
    center, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
    importance = np.ones(values.shape[1]) if weights is None else np.asarray(weights, dtype=float)
    if importance.shape != (values.shape[1],) or not np.isfinite(importance).all():
        raise ValueError(
            f"the weights {importance} do not fit: give one finite number for each of the"
            f" {values.shape[1]} predictors."
        )
    # The mean of equal numbers can miss them by a rounding error, which must not count as variance.
    varies = np.ptp(values, axis=0) > 0
    factor = np.where(varies, np.maximum(importance, 0) / np.where(varies, deviation, 1), 0)
    if not factor.any():
        raise ValueError(
            "no predictor has both variance and a positive weight: dissimilarity is not defined."
        )
    return center, factor


def _distances_between(points: Array, folds: ArrayLike | None) -> tuple[Array, float]:
    """Distance of each site to the nearest one of another fold, and the mean distance between all
    pairs.
    """
    from scipy.spatial.distance import cdist

    n = len(points)
    labels = np.arange(n) if folds is None else np.unique(np.asarray(folds), return_inverse=True)[1]
    if labels.shape != (n,) or labels.max() < 1:
        raise ValueError(
            f"the folds must give one label for each of the {n} training sites, and at least two"
            " folds."
        )
    nearest, total = np.empty(n), 0.0
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        distances = cdist(points[rows], points)
        total += distances.sum()
        nearest[rows] = np.where(labels[rows, None] == labels[None, :], np.inf, distances).min(
            axis=1
        )
    return nearest, total / (n * (n - 1))
