from __future__ import annotations

import numpy as np
import pytest
from pygam import LinearGAM, s
from sklearn.utils.estimator_checks import check_estimator

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.members import MEMBERS, SplineGAM, fit_member, make_member, require_member
from icemap.errors import IcemapError

NAMES = ["warm", "wet", "rock"]


def training(n: int = 150, seed: int = 0):
    """Coded predictors, one of them a class whose levels matter, and a target that all members can learn."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.uniform(-2, 2, n), rng.normal(size=n), rng.choice([3, 7, 9], n)])
    y = 30 + 8 * np.tanh(2 * X[:, 0]) + 3 * X[:, 1] + 15 * (X[:, 2] == 7) + rng.normal(size=n)
    coding = PredictorCoding.fit(X, NAMES, ["rock"])
    return coding, coding.encode(X)[0], y


@pytest.mark.parametrize("name", [*MEMBERS, "sklearn.linear_model.Ridge"])
def test_every_member_learns_curves_and_classes(name):
    coding, X, y = training()
    _, new, truth = training(seed=1)
    fitted = fit_member(make_member(name, coding, seed=0), coding, X, y, np.ones(len(y)))
    error = truth - fitted.predict(new)
    assert 1 - error.var() / truth.var() > 0.8


@pytest.mark.parametrize("name", MEMBERS)
def test_weights_reach_every_member(name):
    """Of two contradicting halves of the table, the one with the weight is believed."""
    coding, X, y = training()
    both, contradicting = np.vstack([X, X]), np.concatenate([y, y + 40])
    member = make_member(name, coding, seed=0)
    for heavy, expected in ((slice(0, 150), 0), (slice(150, 300), 40)):
        weight = np.full(300, 1e-3)
        weight[heavy] = 1.0
        predicted = fit_member(member, coding, both, contradicting, weight).predict(X)
        assert np.median(predicted - y) == pytest.approx(expected, abs=5)


@pytest.mark.parametrize("name", [*MEMBERS, "sklearn.ensemble.ExtraTreesRegressor"])
def test_the_seed_decides_every_bit(name):
    coding, X, y = training()
    _, new, _ = training(seed=1)
    one, two, other = (fit_member(make_member(name, coding, seed), coding, X, y, np.ones(len(y))).predict(new) for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert np.array_equal(one, other) == (name in ("svr", "gam"))


def test_fitting_leaves_the_member_as_it_was():
    coding, X, y = training()
    member = make_member("svr", coding, 0)
    fit_member(member, coding, X, y, np.ones(len(y)))
    assert not hasattr(member.named_steps["model"], "regressor_")


def test_lightgbm_takes_classes_natively_and_svr_one_hot():
    coding, X, y = training()
    lightgbm = fit_member(make_member("lightgbm", coding, 0), coding, X, y, np.ones(len(y)))
    assert lightgbm.named_steps["model"].booster_.params["categorical_column"] == [2]
    svr = fit_member(make_member("svr", coding, 0), coding, X, y, np.ones(len(y)))
    assert svr.named_steps["prepare"].transform(X).shape[1] == 2 + 4


@pytest.mark.parametrize("name", ["svr", "gam", "random_forest", "lightgbm", "sklearn.linear_model.Ridge"])
def test_a_level_without_training_samples_can_be_predicted(name):
    """The level "other" is always there, also when no class was rare."""
    coding, X, y = training()
    fitted = fit_member(make_member(name, coding, 0), coding, X, y, np.ones(len(y)))
    assert coding.levels["rock"] == (3, 7, 9)
    assert np.isfinite(fitted.predict([[0.0, 0.0, 3.0]])).all()


@pytest.mark.quick
@pytest.mark.parametrize(
    "name", ["forest", "", "sklearn", "sklearn.linear_model.Rigde", "no.such.Thing", "sklearn.cluster.KMeans", "collections.OrderedDict", "os.path"]
)
def test_unknown_members_are_refused_with_what_there_is(name):
    for refuse in (lambda: require_member(name), lambda: make_member(name, PredictorCoding((), {}, {}), 0)):
        with pytest.raises(IcemapError, match="svr, gam, random_forest, lightgbm or the import path of a scikit-learn regressor") as caught:
            refuse()
        assert f"'{name}'" in str(caught.value)


def test_splines_equal_pygam():
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, (200, 2))
    y = np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.normal(size=200)
    weights = rng.uniform(0.5, 2, 200)
    ours = SplineGAM(splines=8, penalties=(1.0,)).fit(X, y, sample_weight=weights)
    theirs = LinearGAM(s(0, n_splines=8) + s(1, n_splines=8), lam=1.0).fit(X, y, weights=weights)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-10)


def test_cross_validation_chooses_the_penalty():
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (300, 1))
    curved = SplineGAM().fit(x, np.sin(8 * x[:, 0]) + 0.05 * rng.normal(size=300))
    straight = SplineGAM().fit(x, x[:, 0] + rng.normal(size=300))
    assert curved.gam_.lam[0][0] < straight.gam_.lam[0][0]


def test_outside_the_training_range_splines_stay_at_its_edge():
    rng = np.random.default_rng(3)
    X = rng.uniform(0, 1, (100, 2))
    gam = SplineGAM().fit(X, 5 * X[:, 0] - X[:, 1])
    highest = X.max(axis=0)
    assert gam.predict([[50.0, highest[1]]])[0] == gam.predict([highest])[0]
    assert np.array_equal(gam.predict([[-9.0, 0.5]]), gam.predict([[X[:, 0].min(), 0.5]]))


def test_columns_without_spread_do_not_break_the_additive_model():
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.uniform(size=90), np.ones(90), rng.integers(0, 2, 90)])
    gam = SplineGAM(linear_columns=(2,)).fit(X, X[:, 0] + X[:, 2])
    assert np.corrcoef(gam.predict(X), X[:, 0] + X[:, 2])[0, 1] > 0.98


@pytest.mark.slow
def test_the_additive_model_is_a_scikit_learn_regressor():
    check_estimator(
        SplineGAM(),
        on_fail="raise",
        expected_failed_checks={"check_sample_weight_equivalence_on_dense_data": "generalized cross-validation counts rows, not weights"},
    )
