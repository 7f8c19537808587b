from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import shap
from lightgbm import LGBMRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence as sklearn_dependence
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge

from icemap import IceEnsemble
from icemap.ensemble.coding import PredictorCoding
from icemap.verification import importance as influence
from icemap.verification.importance import (
    ReplicateMean,
    explain,
    partial_dependence,
    permutation_importance_table,
    permuted_errors,
    tree_shap,
)

pytestmark = pytest.mark.usefixtures("little")
NAMES = ["warm", "wet", "rock", "noise"]


def made(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, PredictorCoding]:
    """A target that rises with the first predictor, falls with the second and jumps at class 7; the
    last says nothing.
    """
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [rng.normal(size=n), rng.uniform(size=n), rng.choice([2.0, 7.0], n), rng.normal(size=n)]
    )
    y = 40 + 6 * X[:, 0] - 10 * X[:, 1] + 8 * (X[:, 2] == 7) + rng.normal(size=n)
    coding = PredictorCoding.fit(X, NAMES, ["rock"])
    return coding.encode(X)[0], y, coding


@pytest.fixture(scope="module")
def forest():
    X, y, _ = made()
    return RandomForestRegressor(30, min_samples_leaf=5, random_state=0).fit(X, y)


def test_permuted_errors_are_those_of_scikit_learn(forest, monkeypatch):
    """The same figures but for the permutations drawn."""
    monkeypatch.setattr(influence, "REPEATS", 60)
    X, y, _ = made(150, 1)
    found = permuted_errors(forest, X, y, NAMES, seed=0)
    reference = permutation_importance(
        forest, X, y, scoring="neg_mean_squared_error", n_repeats=60, random_state=0
    )
    assert found["mse"] == pytest.approx(np.mean((forest.predict(X) - y) ** 2))
    for k, name in enumerate(NAMES):
        error = np.hypot(np.std(found["increase"][name]), reference.importances_std[k]) / np.sqrt(
            60
        )
        assert np.mean(found["increase"][name]) == pytest.approx(
            reference.importances_mean[k], abs=4 * error + 1e-12
        ), name
    assert found == permuted_errors(forest, X, y, NAMES, seed=0)


def test_importance_over_folds_counts_each_fold_by_its_samples():
    parts = [
        {"n": 30, "mse": 4.0, "increase": {"a": [5.0, 5.0], "b": [0.0, 1.0]}},
        {"n": 10, "mse": 16.0, "increase": {"a": [9.0, 9.0], "b": [0.0, -1.0]}},
    ]
    first, second = permutation_importance_table(parts)
    assert (first["predictor"], second["predictor"]) == ("a", "b")
    assert first["rmse_increase"] == pytest.approx(np.sqrt(7 + 6) - np.sqrt(7))
    assert first["sd"] == 0
    assert second["sd"] > 0


class Columns:
    """Two models side by side, as partial_dependence asks for."""

    def __init__(self, *models) -> None:
        self.models = models

    def predict(self, X):
        return np.column_stack([model.predict(X) for model in self.models])


def test_partial_dependence_is_that_of_scikit_learn(forest):
    X, y, coding = made()
    ridge = Ridge().fit(X, y)
    curves = partial_dependence(Columns(forest, ridge), X, coding, ["ridge"], seed=0)
    background = X[np.sort(np.random.default_rng(0).permutation(200)[: influence._BACKGROUND])]
    for column, name in enumerate(NAMES):
        values = np.array([0.0, 1.0]) if name == "rock" else np.array(curves[name]["values"])
        for model, found in (
            (forest, curves[name]["mean"]),
            (ridge, curves[name]["members"]["ridge"]),
        ):
            reference = sklearn_dependence(
                model,
                background,
                features=[column],
                custom_values={column: values},
                method="brute",
                kind="average",
            )
            np.testing.assert_allclose(found, reference["average"][0], rtol=1e-10)
    assert curves["rock"]["values"] == [2, 7]
    assert curves["rock"]["mean"][1] - curves["rock"]["mean"][0] > 4
    assert np.ptp(curves["noise"]["mean"]) < 2 < 10 < np.ptp(curves["warm"]["mean"])


def test_shapley_values_are_exact(forest):
    """They add up to the prediction, and agree with the package shap where LightGBM computes its
    own.
    """
    X, y, coding = made()
    boosted = LGBMRegressor(
        n_estimators=40, num_leaves=7, verbosity=-1, n_jobs=1, random_state=0
    ).fit(X, y)
    for model in (forest, boosted):
        values = influence._shap_values(model, X)
        assert values.shape == X.shape
        assert np.ptp(model.predict(X) - values.sum(axis=1)) < 1e-9
    np.testing.assert_allclose(
        influence._shap_values(boosted, X), shap.TreeExplainer(boosted).shap_values(X), atol=1e-9
    )
    members = {"forest": forest, "ridge": Ridge().fit(X, y), "lightgbm": boosted}
    sizes = tree_shap(members, dict.fromkeys(members, X), coding)
    assert list(sizes) == ["forest", "lightgbm"]
    assert all(
        max(size, key=size.get) == "warm" and min(size, key=size.get) == "noise"
        for size in sizes.values()
    )


def test_the_columns_of_a_class_count_together():
    X, y, coding = made()
    design = coding.design(X)
    forest = RandomForestRegressor(30, min_samples_leaf=5, random_state=0).fit(design, y)
    values = influence._shap_values(forest, design)
    sizes = tree_shap({"forest": forest}, {"forest": design}, coding)["forest"]
    assert list(sizes) == NAMES
    assert sizes["rock"] == pytest.approx(np.abs(values[:, 3:].sum(axis=1)).mean())
    assert sizes["noise"] == pytest.approx(np.abs(values[:, 2]).mean())


def test_a_whole_replicate_is_explained():
    X, y, _coding = made(90)
    rng = np.random.default_rng(2)
    samples = pd.DataFrame(X, columns=NAMES).assign(
        rock=np.where(X[:, 2] == 0, 2, 7),
        value=y.clip(0, 100),
        lon=rng.uniform(60, 170, 90),
        lat=rng.uniform(60, 75, 90),
    )
    ensemble = IceEnsemble(
        classes=("rock",), members=("sklearn.linear_model.Ridge", "lightgbm"), replicates=1, folds=3
    )
    ensemble.prepare(samples)
    found = explain(ensemble, samples)
    assert list(found["shap"]) == ["lightgbm"]
    curve = found["partial_dependence"]["warm"]
    assert set(curve["members"]) == {"sklearn.linear_model.Ridge", "lightgbm"}
    assert curve["mean"][-1] - curve["mean"][0] > 5
    assert found == explain(ensemble, samples)


def test_the_mean_of_a_replicate_is_its_bma_over_its_members_and_the_forest():
    X, y, _ = made(90)
    rng = np.random.default_rng(2)
    samples = pd.DataFrame(X, columns=NAMES).assign(
        value=y.clip(0, 100), lon=rng.uniform(60, 170, 90), lat=rng.uniform(60, 75, 90)
    )
    ensemble = IceEnsemble(
        members=("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge"),
        replicates=1,
        folds=3,
    ).fit(samples)
    replicate = ensemble.replicates_[0]
    predicted = ReplicateMean(replicate, ensemble.parts_, members=True).predict(X)
    np.testing.assert_allclose(
        predicted[:, 0], ensemble.predict(X), atol=0.01
    )  # the pooled mixture reads its means from a table
    np.testing.assert_array_equal(
        predicted[:, 1:], replicate.in_units(replicate.member_predictions(X))
    )
    np.testing.assert_array_equal(
        ReplicateMean(replicate, ensemble.parts_).predict(X), predicted[:, 0]
    )


def test_a_predictor_that_a_fold_goes_without_does_not_matter_in_it():
    without = {"n": 10, "mse": 9.0, "increase": {"maat": [7.0, 7.0]}}
    with_it = {"n": 30, "mse": 9.0, "increase": {"maat": [7.0, 7.0], "position z": [40.0, 40.0]}}
    for parts in ([without, with_it], [with_it, without]):
        rows = {row["predictor"]: row for row in permutation_importance_table(parts)}
        assert rows["maat"]["rmse_increase"] == pytest.approx(1.0)
        assert rows["position z"]["rmse_increase"] == pytest.approx(np.sqrt(9.0 + 30.0) - 3.0)
