from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from icemap.config_sections import EnsembleConfig
from icemap.ensemble.model import RESERVED, IceEnsemble, predictor_columns, replicate_seed

pytestmark = pytest.mark.usefixtures("little")
LINEAR = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")


def table(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    samples = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, n),
            "slope": rng.gamma(2, 2, n),
            "rock": rng.choice([1, 2, 5], n),
        }
    )
    value = (
        40
        - 2.5 * samples.maat
        - 2 * samples.slope
        + 8 * (samples.rock == 2)
        - 15
        + 4 * rng.normal(size=n)
    )
    return samples.assign(
        value=value.clip(0, 100), lon=rng.uniform(-180, 180, n), lat=rng.uniform(55, 80, n)
    )


def model(**changes) -> IceEnsemble:
    return IceEnsemble(
        **{
            "classes": ["rock"],
            "members": LINEAR,
            "replicates": 3,
            "folds": 4,
            "seed": 1,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def fitted() -> IceEnsemble:
    return model().fit(table())


def test_it_learns_and_its_interval_holds_the_mean(fitted):
    new = table(300, seed=9)
    prediction = fitted.predict_all(new)
    assert np.corrcoef(prediction.mean, new.value)[0, 1] > 0.9
    assert np.array_equal(prediction.mean, fitted.predict(new))
    assert (prediction.lower <= prediction.mean).all()
    assert (prediction.mean <= prediction.upper).all()
    assert prediction.lower.min() >= 0
    assert prediction.upper.max() <= 100
    covered = ((new.value >= prediction.lower) & (new.value <= prediction.upper)).mean()
    assert 0.88 < covered < 0.99


def test_the_mean_and_spread_are_those_of_the_replicates(fitted):
    prediction = fitted.predict_all(table(50, seed=2))
    assert prediction.replicate_means.shape == (3, 50)
    np.testing.assert_allclose(prediction.mean, prediction.replicate_means.mean(axis=0))
    np.testing.assert_allclose(
        prediction.sd_ensemble, prediction.replicate_means.std(axis=0, ddof=1)
    )


def test_one_replicate_has_no_spread():
    prediction = model(replicates=1).fit(table()).predict_all(table(20, seed=2))
    assert (prediction.sd_ensemble == 0).all()


def test_columns_are_found_by_name_and_the_rest_is_ignored(fitted):
    new = table(30, seed=3)
    shuffled = new[["rock", "slope", "value", "maat"]].assign(other=1.0)
    predictors = new[["maat", "slope", "rock"]]
    assert np.array_equal(fitted.predict(shuffled), fitted.predict(predictors))
    assert np.array_equal(fitted.predict(predictors.to_numpy(float)), fitted.predict(predictors))


def test_a_table_with_places_is_predicted_where_it_is(fitted):
    new = table(30, seed=3)
    here = fitted.predict_all(new)
    assert np.array_equal(fitted.predict_all(new.assign(lat=new.lat)).mean, here.mean)
    nowhere, elsewhere = (
        fitted.predict_all(new[["maat", "slope", "rock"]]),
        fitted.predict_all(new.assign(lat=-new.lat)),
    )
    assert not np.array_equal(here.mean, nowhere.mean)
    np.testing.assert_allclose(elsewhere.mean, nowhere.mean, atol=0.5)


def test_a_replicate_depends_on_seed_and_number_alone(fitted):
    alone = model(replicates=3)
    alone.prepare(table())
    alone.tuning_ = fitted.tuning_
    again = alone.fit_one(table(), 2)
    X = alone.table(table()).X
    assert np.array_equal(again.member_predictions(X), fitted.replicates_[2].member_predictions(X))
    assert again.bma.to_dict() == fitted.replicates_[2].bma.to_dict()
    assert fitted.replicates_[0].bma.to_dict() != fitted.replicates_[2].bma.to_dict()


def test_each_replicate_leaves_its_own_tenth_of_the_cells_out(fitted):
    assert fitted.held_out_.shape == (3, 120)
    assert (fitted.held_out_.sum(axis=1) == 12).all()
    assert not np.array_equal(fitted.held_out_[0], fitted.held_out_[1])
    assert len(fitted.replicates_[0].out_of_fold) == 108


def test_samples_of_one_cell_are_never_on_both_sides():
    samples = table().assign(cell=np.repeat(np.arange(40), 3))
    ensemble = model()
    ensemble.prepare(samples)
    for held_out in ensemble.held_out_:
        assert (np.bincount(samples.cell, held_out) % 3 == 0).all()


def test_unseen_classes_and_extrapolation_are_flagged(fitted):
    new = table(5, seed=4)
    new.loc[1, "rock"] = 77
    new.loc[2, "maat"] = -400.0
    prediction = fitted.predict_all(new)
    assert prediction.unseen_class.tolist() == [False, True, False, False, False]
    assert prediction.extrapolated[2]
    assert not prediction.extrapolated[[0, 3, 4]].any()


def test_an_unbounded_target_may_be_negative():
    samples = table()
    samples["value"] -= 60
    ensemble = model(bounds=None, replicates=1).fit(samples)
    prediction = ensemble.predict_all(samples)
    assert prediction.mean.min() < -5
    assert (prediction.lower < prediction.upper).all()


@pytest.mark.quick
def test_what_is_wrong_with_the_samples_is_said():
    with pytest.raises(ValueError, match="there are 40 samples, an ensemble needs at least 50"):
        model().fit(table(40))
    with pytest.raises(ValueError, match="'value' is 120 in row 7, outside the bounds"):
        model().fit(table().assign(value=lambda t: t.value.where(t.index != 7, 120.0)))
    with pytest.raises(ValueError, match="'value' is missing in row 3"):
        model().fit(table().assign(value=lambda t: t.value.where(t.index != 3)))
    with pytest.raises(ValueError, match="'slope' has no value in row 5"):
        model().fit(table().assign(slope=lambda t: t.slope.where(t.index != 5)))
    with pytest.raises(NotFittedError):
        model().predict(table())


@pytest.mark.quick
def test_parameters_and_columns():
    assert clone(model()).get_params() == model().get_params()
    samples = table().assign(**dict.fromkeys(set(RESERVED) - {"lon", "lat", "value"}, 1))
    assert predictor_columns(samples) == ["maat", "slope", "rock"]
    assert (
        len(
            {replicate_seed(0, index) for index in range(500)}
            | {replicate_seed(1, index) for index in range(500)}
        )
        == 1000
    )


def test_the_defaults_are_those_of_the_config():
    """What a config leaves out and what a call leaves out are the same ensemble."""
    defaults, parameters = EnsembleConfig(), IceEnsemble().get_params()
    shared = EnsembleConfig.model_fields.keys() & parameters.keys() - {"monotone"}
    assert len(shared) == 11
    assert {n: getattr(defaults, n) for n in shared} == {n: parameters[n] for n in shared}


def test_member_predictions_in_units_are_those_of_every_member(fitted):
    replicate = fitted.replicates_[0]
    F = replicate.out_of_fold
    found = replicate.in_units(F)
    assert found.shape == (len(F), len(replicate.members))
    np.testing.assert_array_equal(found[:, -1], replicate.scale.inverse(F[:, -2]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(name="a"), "column 'name' holds something else than numbers"),
        (lambda t: t.drop(columns="lon"), "column 'lon' is not in the table"),
        (lambda t: t.drop(columns="value"), "column 'value' is not in the table"),
        (lambda t: pd.concat([t, t[["slope"]]], axis=1), "column 'slope' is in the table 2 times"),
        (lambda t: t.assign(weight=-1.0), "sample_weight must hold finite numbers"),
        (lambda t: t.assign(cell=np.where(t.index == 3, np.nan, t.index)), "'cell' is missing in"),
        (lambda t: t.assign(rock=t.rock + 0.5), "'rock' has the class 1.5: classes are whole"),
    ],
)
def test_a_wrong_table_is_told_by_its_column(change, words):
    with pytest.raises(ValueError, match=words):
        model().prepare(change(table()))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.astype({"slope": str, "value": object}),
        lambda t: t.astype({"rock": "category", "maat": "float64"}),
        lambda t: t.assign(weight=1, cell=range(len(t))),
        lambda t: t[t.columns[::-1]][["maat", "slope", "rock", "lat", "lon", "value"]],
    ],
)
def test_numbers_of_any_type_are_taken(change):
    expected = model().prepare(table())
    made = model().prepare(change(table()))
    np.testing.assert_array_equal(made.X, expected.X)
    np.testing.assert_array_equal(made.y, expected.y)


def test_what_is_predicted_has_the_predictors(fitted):
    with pytest.raises(ValueError, match="column 'rock' is not in the table"):
        fitted.predict(table().drop(columns="rock"))
    masked = np.ma.masked_less(table()[["maat", "slope", "rock"]].to_numpy(), -14)
    with pytest.raises(ValueError, match="values of X are masked"):
        fitted.predict(masked)
