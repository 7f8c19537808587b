"""Errors of samples: how they weigh, and that nothing changes without them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from icemap import IceEnsemble
from icemap.ensemble.measurement import error_weights, model_variance, without_error
from icemap.ensemble.model import sample_errors
from tests.small_chain import in_little

pytestmark = pytest.mark.quick
LINEAR = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")


@pytest.mark.parametrize("share", [0.2, 0.8])
@pytest.mark.parametrize("sd", [2.0, 10.0])
def test_the_models_own_variance_is_found_beside_errors_of_unequal_size(share, sd):
    rng = np.random.default_rng(0)
    error = np.where(rng.random(5000) < share, 25.0, rng.uniform(0, 3, 5000))
    residual = rng.normal(0, np.hypot(sd, error))
    assert model_variance(residual, error, np.ones(5000)) ** 0.5 == pytest.approx(sd, rel=0.15)


def test_errors_that_explain_everything_leave_a_little_to_the_model():
    rng = np.random.default_rng(0)
    error = np.full(500, 20.0)
    found = model_variance(rng.normal(0, 5, 500), error, np.ones(500))
    assert 0 < found < 1
    assert model_variance(np.zeros(5), error[:5], np.ones(5)) == 0.0


def test_weights_keep_their_sum_and_equal_errors_change_nothing():
    weight = np.random.default_rng(0).uniform(0.2, 3, 50)
    assert np.allclose(error_weights(weight, np.full(50, 7.0), 4.0), weight)
    found = error_weights(weight, np.linspace(0, 20, 50), 4.0)
    assert found.sum() == pytest.approx(weight.sum())
    assert (np.diff(found / weight) < 0).all()


def test_samples_without_their_errors_spread_as_the_truth_does():
    rng = np.random.default_rng(1)
    predicted = rng.uniform(20, 80, 4000)
    truth = predicted + 6 * rng.normal(size=4000)
    error = rng.choice([0.0, 15.0], 4000)
    y = truth + error * rng.normal(size=4000)
    found = without_error(y, predicted, error, np.ones(4000))
    assert np.array_equal(found[error == 0], y[error == 0])
    assert np.std(found - predicted) == pytest.approx(6, rel=0.05)
    assert np.std(found) == pytest.approx(truth.std(), rel=0.03)
    # A prediction off by ten in the mean moves no sample.
    assert found.mean() == pytest.approx(
        without_error(y, predicted + 10, error, np.ones(4000)).mean(), abs=0.05
    )


def samples(n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, n),
            "lon": rng.uniform(-180, 180, n),
            "lat": rng.uniform(55, 75, n),
        }
    )
    return frame.assign(value=(40 - 3 * frame.maat + 5 * rng.normal(size=n)).clip(0, 100))


def predicted(frame: pd.DataFrame) -> np.ndarray:
    ensemble = IceEnsemble(members=LINEAR, replicates=1, folds=3, climatology=0.0, seed=2)
    with in_little():
        ensemble.fit(frame)
    found = ensemble.predict_all(frame[list(ensemble.coding_.names)])
    return np.stack([found.mean, found.lower, found.upper])


def test_without_errors_nothing_changes():
    frame = samples()
    before = predicted(frame)
    for nothing in (np.nan, 0.0, np.where(np.arange(80) % 2, np.nan, 0.0)):
        assert np.array_equal(predicted(frame.assign(standard_error=nothing)), before)


def test_a_sample_with_a_large_error_hardly_moves_the_map():
    frame = samples()
    wrong = frame.assign(value=frame.value.where(np.arange(80) >= 8, 100 - frame.value))
    error = np.where(np.arange(80) < 8, 60.0, 0.5)
    truth = predicted(frame)[0]
    heard, known = predicted(wrong)[0], predicted(wrong.assign(standard_error=error))[0]
    good = np.arange(80) >= 8
    assert np.abs(known - truth)[good].mean() < 0.5 * np.abs(heard - truth)[good].mean()


@pytest.mark.parametrize("bad", [-1.0, np.inf])
def test_impossible_errors_are_refused(bad):
    with pytest.raises(ValueError, match=r"'standard_error' is .* in row 3"):
        sample_errors(samples(5).assign(standard_error=[1.0, 2.0, np.nan, bad, 1.0]))


def test_known_errors_bring_the_map_nearer_to_the_truth_and_keep_its_coverage():
    """A small stand-in for tests/statistical/planted_errors.py, with a truth that is known
    everywhere.
    """
    rng = np.random.default_rng(5)
    n = 400
    x = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, n),
            "slope": rng.uniform(0, 10, n),
            "lon": rng.uniform(-180, 180, n),
            "lat": rng.uniform(50, 80, n),
        }
    )
    truth = 70 - 3 * np.abs(x.maat + 7) - 2 * x.slope + 4 * rng.normal(size=n)
    error = np.where(rng.random(n) < 0.4, 25.0, 1.0)
    frame = x.assign(value=(truth + error * rng.normal(size=n)).clip(0, 100))
    trained, places = np.arange(n) < 130, np.arange(n) >= 130
    members = ("sklearn.linear_model.Ridge", "sklearn.ensemble.ExtraTreesRegressor")
    scores = {}
    for name, stated in {"known": error, "ignored": np.nan}.items():
        table = frame.assign(standard_error=stated)[trained].reset_index(drop=True)
        ensemble = IceEnsemble(
            members=members, replicates=1, folds=4, climatology=0.0, prior_strength=100.0, seed=1
        ).fit(table)
        coded = ensemble.coding_.encode(frame.loc[places, ["maat", "slope"]].to_numpy())[0]
        F, partners = ensemble.member_predictions(coded), ensemble.partners(coded)
        y = truth[places].to_numpy().clip(0, 100)
        low, high = ensemble.pooled_.quantile(F, [0.025, 0.975], partners).T
        scores[name] = (
            ensemble.pooled_.curves(F, partners).crps(y).mean(),
            np.mean((low <= y) & (y <= high)),
            (high - low).mean(),
        )
    assert scores["known"][0] < 0.85 * scores["ignored"][0]
    assert scores["known"][1] > 0.9
    assert scores["known"][2] < 0.8 * scores["ignored"][2]


def test_a_fit_is_never_taken_for_exact():
    """Errors that explain all residuals leave a hundredth of their variance to the model."""
    residual = np.array([3.0, -4.0, 5.0, -3.0, 4.0, -5.0])
    found = model_variance(residual, np.full(6, 50.0), np.ones(6))
    assert found == pytest.approx(0.01 * np.mean(residual**2), rel=1e-3)
    assert model_variance(residual, np.zeros(6), np.ones(6)) == pytest.approx(
        np.mean(residual**2), rel=1e-3
    )
