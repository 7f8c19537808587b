from __future__ import annotations

import numpy as np
import pytest

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.members import MEMBERS, fit_member, make_member, member_inputs

NAMES = ["warm", "wet", "rock"]


def training(n: int = 150, seed: int = 0):
    """Coded predictors, one of them a class whose levels matter, and a target that all members can
    learn.
    """
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.uniform(-2, 2, n), rng.normal(size=n), rng.choice([3, 7, 9], n)])
    y = 30 + 8 * np.tanh(2 * X[:, 0]) + 3 * X[:, 1] + 15 * (X[:, 2] == 7) + rng.normal(size=n)
    coding = PredictorCoding.fit(X, NAMES, ["rock"])
    return coding, coding.encode(X)[0], y


def fitted(name, coding, X, y, weight=None, **options):
    """A member fitted to coded predictors, and how it predicts others."""
    weight = np.ones(len(y)) if weight is None else weight
    member = fit_member(
        make_member(name, coding, options.pop("seed", 0), **options),
        coding,
        member_inputs([name], coding, X)[name],
        y,
        weight,
    )
    return member, lambda new: member.predict(member_inputs([name], coding, new)[name])


@pytest.mark.parametrize("name", [*MEMBERS, "sklearn.linear_model.Ridge"])
def test_every_member_learns_curves_and_classes(name):
    coding, X, y = training()
    _, new, truth = training(seed=1)
    error = truth - fitted(name, coding, X, y)[1](new)
    assert 1 - error.var() / truth.var() > 0.8


@pytest.mark.parametrize("name", MEMBERS)
def test_weights_reach_every_member(name):
    """Of two contradicting halves of the table, the one with the weight is believed."""
    coding, X, y = training()
    both, contradicting = np.vstack([X, X]), np.concatenate([y, y + 40])
    for heavy, expected in ((slice(0, 150), 0), (slice(150, 300), 40)):
        weight = np.full(300, 1e-3)
        weight[heavy] = 1.0
        predicted = fitted(name, coding, both, contradicting, weight)[1](X)
        assert np.median(predicted - y) == pytest.approx(expected, abs=5)


@pytest.mark.parametrize("name", [*MEMBERS, "sklearn.ensemble.ExtraTreesRegressor"])
def test_the_seed_decides_every_bit(name):
    coding, X, y = training()
    _, new, _ = training(seed=1)
    one, two, other = (fitted(name, coding, X, y, seed=seed)[1](new) for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert np.array_equal(one, other) == (name in ("svr", "gam"))


def test_fitting_leaves_the_member_as_it_was():
    coding, X, y = training()
    member = make_member("svr", coding, 0)
    fit_member(member, coding, coding.design(X), y, np.ones(len(y)))
    assert not hasattr(member, "regressor_")


def test_lightgbm_takes_classes_natively_and_svr_one_hot():
    coding, X, y = training()
    assert fitted("lightgbm", coding, X, y)[0].booster_.params["categorical_column"] == [2]
    assert fitted("svr", coding, X, y)[0].n_features_in_ == 2 + 4


@pytest.mark.parametrize("name", ["random_forest", "lightgbm"])
def test_trees_split_between_codes_and_nowhere_else(name):
    """Values between the same two edges are one value to a tree."""
    coding, X, y = training()
    predict = fitted(name, coding, X, y)[1]
    edge = coding.edges["warm"][40]
    inside = np.array(
        [
            [np.nextafter(np.float32(edge), np.float32(9)), 0.1, 1.0],
            [coding.edges["warm"][41], 0.1, 1.0],
        ]
    )
    assert np.ptp(predict(inside)) == 0


@pytest.mark.parametrize("name", ["gam", "random_forest", "lightgbm"])
def test_a_monotone_predictor_never_turns_back(name):
    coding, X, y = training()
    y = y + 25 * np.sin(2.5 * X[:, 0])
    along = np.column_stack([np.linspace(-2, 2, 200), np.zeros(200), np.ones(200)])
    assert np.diff(fitted(name, coding, X, y)[1](along)).min() < -0.01
    assert np.diff(fitted(name, coding, X, y, monotone={"warm": 1})[1](along)).min() > -1e-6


def test_settings_replace_defaults():
    coding, X, y = training()
    assert fitted("svr", coding, X, y, settings={"C": 7.0})[0].regressor_.C == 7.0
    assert fitted("lightgbm", coding, X, y, settings={"num_leaves": 3})[0].num_leaves == 3


def test_additive_models_of_parts_of_the_table_share_their_knots():
    coding, X, y = training()
    fits = [fitted("gam", coding, X[rows], y[rows])[0] for rows in (slice(0, 100), slice(50, 150))]
    for span in ("lowest_", "highest_"):
        np.testing.assert_array_equal(*(getattr(fit, span) for fit in fits))


@pytest.mark.parametrize(
    "name", ["svr", "gam", "random_forest", "lightgbm", "sklearn.linear_model.Ridge"]
)
def test_a_level_without_training_samples_can_be_predicted(name):
    """The level "other" is always there, also when no class was rare."""
    coding, X, y = training()
    assert coding.levels["rock"] == (3, 7, 9)
    assert np.isfinite(fitted(name, coding, X, y)[1](np.array([[0.0, 0.0, 3.0]]))).all()
