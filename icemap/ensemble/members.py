"""The four members as scikit-learn regressors: support vector regression, additive model, random
forest, LightGBM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.gam import SplineGAM
from icemap.ensemble.imported_members import imported_member
from icemap.recipe import MEMBER_NAMES

Array = NDArray[np.float64]

MEMBERS = MEMBER_NAMES
# Trees split quantile codes, the others take the design.
OF_CODES = ("random_forest", "lightgbm")
# The plain mean of the members, as a component of COP-BMA.
CONSENSUS = "consensus"
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def member_inputs(
    names: Iterable[str], coding: PredictorCoding, coded: Array
) -> dict[str, NDArray[Any]]:
    """Coded predictors, shape (n, predictors), in the form that each member takes, shape (n,
    columns); members of one form share one array.

    Parameters
    ----------
    names : iterable of str
        Of the members.
    coding : PredictorCoding
    coded : ndarray of shape (n, predictors)
        Classes as level numbers.
    """
    codes, design = coding.codes(coded), coding.design(coded)
    return {name: codes if name in OF_CODES else design for name in names}


def make_member(
    name: str,
    coding: PredictorCoding,
    seed: int,
    settings: Mapping[str, Any] = NO_SETTINGS,
    monotone: Mapping[str, int] = NO_SETTINGS,
) -> Any:
    """An unfitted regressor for the inputs of `member_inputs`.

    Parameters
    ----------
    name : str
        One of `MEMBERS`, or the import path of a scikit-learn regressor such as
        ``sklearn.linear_model.Ridge``.
    coding : PredictorCoding
        Says which columns hold class levels.
    seed : int
        For members that draw random numbers.
    settings : mapping
        Parameters other than the defaults, as the tuning found them.
    monotone : mapping of str to int
        Predictors along which the target never falls (1) or never rises (-1); SVR and regressors by
        import path have no such setting.

    Raises
    ------
    IcemapError
        If the name is neither.

    Notes
    -----
    Classes are one-hot for SVR and GAM, native for LightGBM, and ordered levels for the random
    forest.
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    if name == "svr":
        width = len(coding.design_columns)
        return TransformedTargetRegressor(
            SVR(**{"C": 1.0, "epsilon": 0.1, "gamma": 1.0 / width, **settings}),
            transformer=StandardScaler(),
        )
    if name == "gam":
        columns = coding.design_columns
        continuous = len(coding.continuous_columns)
        directions = tuple(
            monotone.get(column, 0) if i < continuous else 0 for i, column in enumerate(columns)
        )
        shared = {
            "linear_columns": tuple(range(continuous, len(columns))),
            "knots": _spans(coding),
            "monotone": directions if any(directions) else (),
        }
        return SplineGAM(**{**shared, **settings})
    directions = tuple(monotone.get(column, 0) for column in coding.names)
    if name == "random_forest":
        # A replicate needs no more: the figures are in docs/explanation/performance.md.
        grown = {
            "n_estimators": 50,
            "min_samples_leaf": 3,
            "max_features": 1 / 3,
            "monotonic_cst": directions if any(directions) else None,
        }
        return RandomForestRegressor(**{**grown, **settings}, n_jobs=1, random_state=seed)
    if name == "lightgbm":
        from lightgbm import LGBMRegressor

        grown = {
            "n_estimators": 200,
            "num_leaves": 15,
            "learning_rate": 0.05,
            "min_child_samples": 10,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
        }
        if any(directions):
            grown["monotone_constraints"] = directions
        # One bin per code, so that every split is between two codes.
        exact = {
            "subsample_freq": 1,
            "max_bin": 255,
            "min_data_in_bin": 1,
            "deterministic": True,
            "force_row_wise": True,
            "n_jobs": 1,
            "verbosity": -1,
        }
        return LGBMRegressor(**{**grown, **settings}, **exact, random_state=seed)
    model = imported_member(name)
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return model.set_params(**settings)


def fit_member(
    member: Any, coding: PredictorCoding, inputs: NDArray[Any], y: Array, weight: Array
) -> Any:
    """A fitted clone.

    Parameters
    ----------
    member : estimator
        Of scikit-learn's kind, not fitted; it stays as it is.
    coding : PredictorCoding
    inputs : ndarray of shape (n, columns)
        From `member_inputs`.
    y : ndarray of shape (n,)
        Target on the members' scale.
    weight : ndarray of shape (n,)
    """
    return clone(member).fit(inputs, y, **fit_options(member, coding, weight))


def fit_options(member: Any, coding: PredictorCoding, weight: Array) -> dict[str, object]:
    """Weights and class columns, for members whose ``fit`` takes them.

    Parameters
    ----------
    member : estimator
    coding : PredictorCoding
        Says which columns hold classes.
    weight : ndarray of shape (n,)
    """
    options: dict[str, object] = {}
    if has_fit_parameter(getattr(member, "regressor", member), "sample_weight"):
        options["sample_weight"] = weight
    if has_fit_parameter(member, "categorical_feature") and coding.class_columns:
        options["categorical_feature"] = coding.class_columns
    return options


def predict_members(
    members: Mapping[str, Any], inputs: Mapping[str, NDArray[Any]], limits: tuple[float, float]
) -> Array:
    """Predictions of fitted members for their `member_inputs`, held within the limits, and last
    their mean; shape (n, members + 1).

    Members err in different ways, so that their plain mean, the consensus, mostly errs least:
    COP-BMA has it as a component of its own.

    Parameters
    ----------
    members : mapping of str to estimator
        Fitted, by name.
    inputs : mapping of str to ndarray of shape (n, columns)
        From `member_inputs`, by name.
    limits : (float, float)
        Lowest and highest prediction.
    """
    F = np.clip(
        np.column_stack([member.predict(inputs[name]) for name, member in members.items()]), *limits
    )
    return np.column_stack([F, F.mean(axis=1)])


def _spans(coding: PredictorCoding) -> tuple[tuple[float, float], ...]:
    """Range of the training values of each column of the design, between the outer code edges for
    continuous predictors.
    """
    spans = []
    for name in (coding.names[i] for i in coding.continuous_columns):
        edges = coding.edges[name] or (coding.center[name],)
        low, high = coding.continuous(name, np.array([edges[0], edges[-1]]))
        spans.append((float(low), float(high)))
    return (*spans, *((0.0, 1.0) for _ in range(len(coding.design_columns) - len(spans))))
