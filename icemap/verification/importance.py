"""Which predictors the ensemble leans on, and how: permutation importance, partial dependence,
Shapley values of the tree members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.members import member_inputs
from icemap.ensemble.model import IceEnsemble, replicate_seed
from icemap.ensemble.pool_parts import PoolParts
from icemap.ensemble.replicates import Replicate, fit_replicate
from icemap.verification.records import Dependence, Explanation, PermutationRow, PermutedErrors

Array = NDArray[np.float64]
REPEATS = 10
# Samples over which a partial dependence is averaged, and points of its curve.
_BACKGROUND = 150
_CURVE_POINTS = 20


class ReplicateMean(RegressorMixin, BaseEstimator):
    """A fitted replicate, pooled with the other parts, as scikit-learn's inspection tools want it:
    coded predictors in, predictive mean out, of places far from every sample.

    With ``members``, one column more for the prediction of each member.
    """

    def __init__(
        self, replicate: Replicate, parts: PoolParts | None, members: bool = False
    ) -> None:
        self.replicate = replicate
        self.parts = parts
        self.members = members

    def fit(self, X: Array, y: Array | None = None) -> ReplicateMean:
        """Nothing to do: the replicate is fitted."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Array) -> Array:
        """Means of shape (n,), or (n, 1 + members)."""
        coded = np.asarray(X, dtype=float)
        F = self.replicate.member_predictions(coded)
        mean = self.replicate.bma.predict(F)
        if self.parts is not None:
            partners = self.parts.at_coded(self.replicate.coding, coded)
            mean = partners.shares.bma * mean + partners.means()
        return np.column_stack([mean, self.replicate.in_units(F)]) if self.members else mean


def permuted_errors(
    model: Any, X: Array, y: Array, names: Sequence[str], seed: int
) -> PermutedErrors:
    """Mean square error on a test side, and its increase with each predictor permuted among the
    test samples (Breiman 2001, doi:10.1023/A:1010933404324).

    Classes are permuted as codes, all levels together.

    Parameters
    ----------
    model
        Has ``predict``, from predictors (n, predictors) to means (n,).
    X, y : ndarray of shape (n, predictors) and (n,)
        Coded predictors and target of the test side.
    names : sequence of str
        Of the predictors.
    seed : int

    Returns
    -------
    PermutedErrors
    """
    rng = np.random.default_rng(seed)
    rows, columns = X.shape
    # All at once: scikit-learn's permutation_importance predicts once for each predictor and
    # repeat, at five times the cost for test sides of fifty samples.
    permuted = np.tile(X, (columns * REPEATS, 1, 1))
    for k in range(columns * REPEATS):
        permuted[k, :, k // REPEATS] = X[rng.permutation(rows), k // REPEATS]
    predicted = model.predict(np.concatenate([X[None], permuted]).reshape(-1, columns)).reshape(
        -1, rows
    )
    mse = np.mean((predicted - y) ** 2, axis=1)
    increase = (mse[1:] - mse[0]).reshape(columns, REPEATS)
    return {
        "n": rows,
        "mse": float(mse[0]),
        "increase": {name: increase[k].tolist() for k, name in enumerate(names)},
    }


def permutation_importance_table(parts: Sequence[PermutedErrors]) -> list[PermutationRow]:
    """Increase of the RMSE over all folds when a predictor is permuted, most important first.

    Parameters
    ----------
    parts : sequence of PermutedErrors
        From `permuted_errors`, one per fold.

    Returns
    -------
    list of PermutationRow
        Mean and standard deviation over the repeats, in units of the target.

    Examples
    --------
    >>> part = {"n": 10, "mse": 9.0, "increase": {"snow": [0.0, 0.0], "maat": [7.0, 16.0]}}
    >>> [(row["predictor"], row["rmse_increase"]) for row in permutation_importance_table([part,
    ...     part])]
    [('maat', 1.5), ('snow', 0.0)]
    """
    share = np.array([part["n"] for part in parts], dtype=float)
    share /= share.sum()
    mse = float(share @ [part["mse"] for part in parts])
    rows: list[PermutationRow] = []
    unused = [0.0] * max(len(rise) for part in parts for rise in part["increase"].values())
    for name in dict.fromkeys(name for part in parts for name in part["increase"]):
        # A fold may have chosen to go without a predictor.
        rises = [part["increase"].get(name, unused) for part in parts]
        permuted = mse + share @ np.array(rises)
        rise = np.sqrt(np.maximum(permuted, 0.0)) - np.sqrt(mse)
        rows.append(
            {"predictor": name, "rmse_increase": float(rise.mean()), "sd": float(rise.std(ddof=1))}
        )
    return sorted(rows, key=lambda row: -row["rmse_increase"])


def explain(ensemble: IceEnsemble, samples: pd.DataFrame) -> Explanation:
    """Partial dependence and Shapley values of one replicate fitted to all samples.

    Returns
    -------
    Explanation
        See `partial_dependence` and `tree_shap`.
    """
    table = ensemble.table(samples)
    replicate = fit_replicate(
        table, ensemble.options, ensemble.coding_, replicate_seed(ensemble.seed, 0)
    )
    model = ReplicateMean(replicate, ensemble.fit_parts(table), members=True)
    curves = partial_dependence(model, table.X, ensemble.coding_, ensemble.members, ensemble.seed)
    return {
        "partial_dependence": curves,
        "shap": tree_shap(
            replicate.members,
            member_inputs(ensemble.members, ensemble.coding_, table.X),
            ensemble.coding_,
        ),
    }


def partial_dependence(
    model: Any, X: Array, coding: PredictorCoding, members: Sequence[str], seed: int
) -> dict[str, Dependence]:
    """Mean prediction as a function of one predictor, all others as they are at the sites (Friedman
    2001, doi:10.1214/aos/1013203451).

    Parameters
    ----------
    model
        Predicts columns: the ensemble's mean, and its members.
    X : ndarray of shape (n, predictors)
        Coded predictors of the samples.
    coding : PredictorCoding
    members : sequence of str
        Names of the columns after the first.
    seed : int
        Of the choice of samples whose other predictors are used.

    Returns
    -------
    dict of str to Dependence
        By predictor, without the position. The curve spans the central 90 % of the samples.
    """
    background = X[np.sort(np.random.default_rng(seed).permutation(len(X))[:_BACKGROUND])]
    curves: dict[str, Dependence] = {}
    # Nobody moves along one axis of the position alone.
    for column, name in enumerate(coding.given):
        is_class = column in coding.class_columns
        values = np.unique(X[:, column]) if is_class else _curve(X[:, column])
        # One prediction for the whole curve: scikit-learn's partial_dependence predicts once for
        # each point, which costs ten times as much.
        rows = np.repeat(background[None], len(values), axis=0)
        rows[:, :, column] = values[:, None]
        found = (
            model.predict(rows.reshape(-1, X.shape[1]))
            .reshape(len(values), len(background), -1)
            .mean(axis=1)
            .T
        )
        codes = [*coding.levels[name], None] if is_class else []
        shown = [codes[int(level)] for level in values] if is_class else values.tolist()
        curves[name] = {
            "values": shown,
            "mean": found[0].tolist(),
            "members": {m: found[k + 1].tolist() for k, m in enumerate(members)},
        }
    return curves


def _curve(column: Array) -> Array:
    low, high = np.quantile(column, [0.05, 0.95])
    return np.linspace(low, high, _CURVE_POINTS) if high > low else np.array([low])


def tree_shap(
    members: Mapping[str, Any], inputs: Mapping[str, NDArray[Any]], coding: PredictorCoding
) -> dict[str, dict[str, float]]:
    """Mean size of the Shapley values of each predictor in the tree members (Lundberg et al. 2020,
    doi:10.1038/s42256-019-0138-9).

    In units of the members' scale, standard deviations of the transformed target. Exact, by the
    path-dependent algorithm: LightGBM computes its own, the package shap those of a forest, where
    it is installed. Other members have none. The values of the columns of one predictor add up.

    Parameters
    ----------
    members : mapping of str to estimator
        Fitted, by name.
    inputs : mapping of str to ndarray of shape (n, columns)
        From `icemap.ensemble.members.member_inputs`.
    coding : PredictorCoding
    """
    sizes = {}
    for name, member in members.items():
        values = _shap_values(member, inputs[name])
        if values is not None:
            columns = np.array(
                coding.names if values.shape[1] == len(coding.names) else coding.design_columns
            )
            sizes[name] = {
                predictor: float(np.abs(values[:, columns == predictor].sum(axis=1)).mean())
                for predictor in coding.names
            }
    return sizes


def _shap_values(model: Any, X: Array) -> Array | None:
    from lightgbm import LGBMRegressor
    from sklearn.ensemble import RandomForestRegressor

    if isinstance(model, LGBMRegressor):
        return np.asarray(model.predict(X, pred_contrib=True))[:, :-1]
    if isinstance(model, RandomForestRegressor) and find_spec("shap") is not None:
        from shap import TreeExplainer

        return np.asarray(TreeExplainer(model).shap_values(X))
    return None
