"""The four members as scikit-learn pipelines: support vector regression, additive model, random forest, LightGBM."""

from __future__ import annotations

import importlib
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_regressor
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from icemap.ensemble.coding import PredictorCoding
from icemap.errors import IcemapError

MEMBERS = ("svr", "gam", "random_forest", "lightgbm")


class SplineGAM(RegressorMixin, BaseEstimator):
    """Additive model of penalized splines, by pygam, as a scikit-learn regressor.

    Parameters
    ----------
    linear_columns : tuple of int
        Columns with a straight-line term (one-hot classes); the others get a spline.
    splines : int
        Basis functions per spline.
    penalties : tuple of float
        Smoothing strengths tried; generalized cross-validation chooses.

    Notes
    -----
    Inputs are held at the range of the training sample: outside it a spline says nothing. Wood 2017, doi:10.1201/9781315370279.
    """

    def __init__(self, linear_columns: tuple[int, ...] = (), splines: int = 8, penalties: tuple[float, ...] = (1.0, 30.0, 1000.0)) -> None:
        self.linear_columns = linear_columns
        self.splines = splines
        self.penalties = penalties

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> SplineGAM:
        """Fit to X of shape (n, predictors) and y of shape (n,)."""
        from pygam import LinearGAM, l, s

        inputs, target = validate_data(self, X, y, dtype=np.float64)
        self.lowest_, self.highest_ = inputs.min(axis=0), inputs.max(axis=0)
        terms = None
        for column in range(inputs.shape[1]):
            # A spline over a column without spread has no basis.
            straight = column in self.linear_columns or len(np.unique(inputs[:, column])) < 4
            term = l(column) if straight else s(column, n_splines=self.splines)
            terms = term if terms is None else terms + term
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
        if weights is not None and not weights.any():
            raise ValueError("sample_weight is zero in every row: give some rows a positive weight.")
        # A fit writes its penalty into its terms, so that each needs terms of its own.
        # Its p-values, which nobody asks for here, divide by zero where a term is shrunk to nothing.
        with np.errstate(invalid="ignore", divide="ignore"):
            fits = [LinearGAM(deepcopy(terms), lam=penalty).fit(inputs, target, weights=weights) for penalty in self.penalties]
        self.gam_ = min(fits, key=lambda gam: gam.statistics_["GCV"])
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions of shape (n,)."""
        check_is_fitted(self)
        inputs = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.gam_.predict(np.clip(inputs, self.lowest_, self.highest_)))


def make_member(name: str, coding: PredictorCoding, seed: int) -> Any:
    """An unfitted pipeline whose last step is called ``model``.

    Parameters
    ----------
    name : str
        One of `MEMBERS`, or the import path of a scikit-learn regressor such as ``sklearn.linear_model.Ridge``.
    coding : PredictorCoding
        Says which columns hold class levels.
    seed : int
        For members that draw random numbers.

    Raises
    ------
    IcemapError
        If the name is neither.

    Notes
    -----
    Classes are one-hot for SVR and GAM, native for LightGBM, and ordered levels for the random forest.
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    if name == "svr":
        model: Any = TransformedTargetRegressor(SVR(C=1.0, epsilon=0.1, gamma="scale"), transformer=StandardScaler())
        return Pipeline([("prepare", _scaled_one_hot(coding)), ("model", model)])
    if name == "gam":
        continuous = len(coding.names) - len(coding.class_columns)
        one_hot = sum(len(levels) + 1 for levels in coding.levels.values())
        return Pipeline([("prepare", _scaled_one_hot(coding)), ("model", SplineGAM(linear_columns=tuple(range(continuous, continuous + one_hot))))])
    if name == "random_forest":
        return Pipeline([("model", RandomForestRegressor(n_estimators=100, min_samples_leaf=3, max_features=1 / 3, n_jobs=1, random_state=seed))])
    if name == "lightgbm":
        from lightgbm import LGBMRegressor

        settings = {"num_leaves": 15, "learning_rate": 0.05, "min_child_samples": 10, "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.8}
        exact = {"deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbosity": -1}
        return Pipeline([("model", LGBMRegressor(n_estimators=200, random_state=seed, **settings, **exact))])
    return _by_import_path(name, coding, seed)


def fit_member(member: Any, coding: PredictorCoding, X: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> Any:
    """A fitted clone; weights and class columns go to the model where it takes them."""
    fitted = clone(member)
    model = fitted.named_steps["model"]
    options: dict[str, Any] = {}
    if has_fit_parameter(getattr(model, "regressor", model), "sample_weight"):
        options["model__sample_weight"] = weight
    if has_fit_parameter(model, "categorical_feature") and coding.class_columns:
        options["model__categorical_feature"] = coding.class_columns
    return fitted.fit(X, y, **options)


def _scaled_one_hot(coding: PredictorCoding) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    continuous = [i for i in range(len(coding.names)) if i not in coding.class_columns]
    steps: list[Any] = [("scale", StandardScaler(), continuous)]
    if coding.class_columns:
        categories = [list(range(len(levels) + 1)) for levels in coding.levels.values()]
        steps.append(("one_hot", OneHotEncoder(categories=categories, sparse_output=False), coding.class_columns))
    return ColumnTransformer(steps)


def require_member(name: str) -> None:
    """Refuse a name that is neither a member nor a regressor's import path, before any work is done."""
    if name not in MEMBERS:
        _imported(name)


def _imported(name: str) -> Any:
    problem = f"The member '{name}' is unknown: use {', '.join(MEMBERS)} or the import path of a scikit-learn regressor, such as sklearn.linear_model.Ridge."
    module, _, attribute = name.rpartition(".")
    try:
        model = getattr(importlib.import_module(module), attribute)()
        usable = is_regressor(model)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise IcemapError(problem) from error
    if not usable:
        raise IcemapError(problem)
    return model


def _by_import_path(name: str, coding: PredictorCoding, seed: int) -> Any:
    from sklearn.pipeline import Pipeline

    model = _imported(name)
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return Pipeline([("prepare", _scaled_one_hot(coding)), ("model", model)])
