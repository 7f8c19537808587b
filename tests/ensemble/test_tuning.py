"""What the tuning chooses, from what, and that it does not see what it must not."""

import json
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from icemap.ensemble import tuning
from icemap.ensemble.members import MEMBERS
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.pool_parts import Shares
from icemap.ensemble.replicates import fit_replicate
from icemap.ensemble.strength import STRENGTHS
from icemap.ensemble.tuning import SEARCH_TREES, Tuning, search_space, tune_member, tune_pool
from icemap.verification.cross_validation import verify_fold
from tests.small_chain import in_little


def prepared(n: int = 150, **options) -> tuple[IceEnsemble, pd.DataFrame]:
    rng = np.random.default_rng(0)
    samples = pd.DataFrame(
        {
            "a": rng.uniform(-2, 2, n),
            "b": rng.normal(size=n),
            "lon": rng.uniform(-180, 180, n),
            "lat": rng.uniform(50, 80, n),
        }
    )
    samples["value"] = 50 + 15 * np.sin(3 * samples.a) + 4 * samples.b + rng.normal(size=n)
    ensemble = IceEnsemble(bounds=None, seed=3, **options)
    ensemble.prepare(samples)
    return ensemble, samples


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_keeps_its_defaults_unless_spatial_folds_say_otherwise(name):
    ensemble, samples = prepared()
    settings, record = tune_member(
        name, ensemble.table(samples), ensemble.options, ensemble.coding_, 3, 3
    )
    assert len(record) == 4
    assert record[0]["settings"] == {}
    best = min(record, key=lambda row: row["mean_squared_error"])
    assert {key: list(v) if isinstance(v, tuple) else v for key, v in settings.items()} == best[
        "settings"
    ]
    again, _ = tune_member(name, ensemble.table(samples), ensemble.options, ensemble.coding_, 3, 3)
    assert again == settings


def test_few_trees_that_learn_faster_err_as_all_trees_do():
    """At the rates of all trees they would err 1.4 to 4 times as much."""
    ensemble, samples = prepared()
    table, options, coding = ensemble.table(samples), ensemble.options, ensemble.coding_
    _, few = tune_member("lightgbm", table, options, coding, 8, 1)
    with patch.dict(SEARCH_TREES, {"lightgbm": 200}):
        _, all_trees = tune_member("lightgbm", table, options, coding, 8, 1)
    assert [row["settings"] for row in few] == [row["settings"] for row in all_trees]
    assert not any("n_estimators" in row["settings"] for row in few)
    errors = [[row["mean_squared_error"] for row in record] for record in (few, all_trees)]
    np.testing.assert_allclose(*errors, rtol=0.2)


def test_a_wavy_target_wants_a_smaller_penalty_than_the_largest():
    ensemble, samples = prepared()
    _, record = tune_member(
        "gam", ensemble.table(samples), ensemble.options, ensemble.coding_, 12, 0
    )
    errors = {
        row["settings"]["penalties"][0]: row["mean_squared_error"]
        for row in record
        if row["settings"]
    }
    assert errors[min(errors)] < errors[max(errors)]


def test_without_candidates_nothing_is_searched():
    ensemble, samples = prepared()
    assert tune_member(
        "svr", ensemble.table(samples), ensemble.options, ensemble.coding_, 0, 3
    ) == ({}, [])


def test_regressors_by_import_path_have_nothing_to_tune():
    assert search_space("sklearn.linear_model.Ridge", 3) == {}


def test_the_strength_of_the_prior_is_one_of_those_tried():
    ensemble, samples = prepared(
        members=("sklearn.linear_model.Ridge", "sklearn.neighbors.KNeighborsRegressor")
    )
    found = tune_pool(
        ensemble.table(samples),
        ensemble.options,
        ensemble.coding_,
        3,
        prior=True,
        climatology=False,
        shares=False,
    )
    strength, record = found.prior_strength, found.record
    assert strength in STRENGTHS
    assert [row["prior_strength"] for row in record] == [0.0, 30.0, 100.0, 300.0, "inf"]
    assert min(row["crps"] for row in record) == next(
        row["crps"] for row in record if float(row["prior_strength"]) == strength
    )


def test_too_few_rows_keep_the_strength_they_have():
    ensemble, samples = prepared(
        70, members=("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")
    )
    few = ensemble.table(samples).take(np.arange(32))
    found = tune_pool(
        few, ensemble.options, ensemble.coding_, 3, prior=True, climatology=True, shares=True
    )
    assert (found.prior_strength, found.climatology, list(found.record)) == (100.0, 0.0, [])
    assert found.shares is None


@in_little()
def test_what_is_found_on_the_way_is_what_the_fits_after_it_would_find():
    options = {"members": ("sklearn.linear_model.Ridge",), "folds": 4, "candidates": 0}
    ensemble, samples = prepared(**options)
    table, coding = ensemble.table(samples), ensemble.coding_
    found = ensemble.tune(table)
    chosen = ensemble.options_of(found)
    replicate = fit_replicate(table, chosen, coding, ensemble.seed)
    np.testing.assert_array_equal(found.left_out, replicate.out_of_fold)
    given = fit_replicate(table, chosen, coding, 1, found.left_out)
    assert given.out_of_fold is found.left_out
    np.testing.assert_array_equal(given.bma.weights_, replicate.bma.weights_)
    ensemble.adopt(found)
    ours, theirs = (ensemble.fit_parts(table, kernel) for kernel in (found.kernel, None))
    for one, other in zip(ours.process, theirs.process, strict=True):
        np.testing.assert_array_equal(one, other)


@in_little()
def test_a_fold_does_not_take_what_was_found_of_all_samples():
    ensemble, samples = prepared(members=("sklearn.linear_model.Ridge",), folds=4, candidates=0)
    labels = np.arange(len(samples)) % 5
    ensemble.tuning_ = ensemble.tune(ensemble.table(samples))
    found = verify_fold(ensemble, samples, labels, 0, nested=False)
    ensemble.tuning_ = Tuning.from_dict(ensemble.tuning_.to_dict())
    assert found == verify_fold(ensemble, samples, labels, 0, nested=False)


@pytest.mark.quick
def test_it_survives_json():
    tuning = Tuning(
        {"gam": {"penalties": (30.0,), "splines": 6}},
        float("inf"),
        0.25,
        Shares(0.2, 0.5, 0.3),
        2,
        9.0,
        ({"member": "gam", "settings": {}, "mean_squared_error": 1.0},),
    )
    again = Tuning.from_dict(json.loads(json.dumps(tuning.to_dict(), allow_nan=False)))
    assert again.settings == tuning.settings
    assert again.prior_strength == float("inf")
    assert (again.climatology, again.model_variance) == (0.25, 9.0)
    assert again.shares == tuning.shares


def test_pseudo_sites_are_not_what_a_pool_is_chosen_by():
    """Bedrock that a predictor tells exactly says nothing of how well boreholes are forecast."""
    rng = np.random.default_rng(0)
    samples = pd.DataFrame(
        {"a": rng.uniform(-2, 2, 120), "lon": rng.uniform(-180, 180, 120), "lat": 65.0}
    )
    samples["value"] = rng.uniform(20, 80, 120)
    bedrock = samples.iloc[:60].assign(a=rng.uniform(8, 9, 60), value=2.5)
    both = pd.concat([samples.assign(pseudo=False), bedrock.assign(pseudo=True)])
    members = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")
    pool, member = {}, {}
    for name, table in (("marked", both), ("taken for boreholes", both.drop(columns="pseudo"))):
        ensemble = IceEnsemble(members=members, bounds=None, seed=3)
        ensemble.prepare(table)
        rows = ensemble.table(table)
        options, coding = ensemble.options, ensemble.coding_
        with in_little():
            found = tune_pool(rows, options, coding, 3, **ensemble.chosen)
        pool[name] = found.record[-1]["crps"]
        _, tried = tune_member("random_forest", rows, options, coding, 1, 3)
        member[name] = tried[0]["mean_squared_error"]
    # A third of the rows would be forecast nearly exactly.
    assert pool["marked"] > 1.3 * pool["taken for boreholes"]
    assert member["marked"] > 1.3 * member["taken for boreholes"]


def of_places(seed: int, slope: float) -> pd.DataFrame:
    """Two hundred places in forty clusters, whose value rises northwards and eastwards by a slope,
    and with a predictor.
    """
    rng = np.random.default_rng(seed)
    lon = np.repeat(rng.uniform(0, 120, 40), 5) + rng.normal(0, 1, 200)
    lat = np.repeat(rng.uniform(50, 80, 40), 5) + rng.normal(0, 1, 200)
    a = rng.normal(size=200)
    value = 50 + 8 * a + slope * ((lat - 65) / 15 + (lon - 60) / 60) + rng.normal(0, 4, 200)
    return pd.DataFrame({"a": a, "b": rng.normal(size=200), "lon": lon, "lat": lat, "value": value})


@pytest.mark.quick
@pytest.mark.parametrize(("slope", "known"), [(15.0, True), (0.0, False)])
def test_the_position_is_a_predictor_where_left_out_blocks_are_nearer_with_it(slope, known):
    for seed in range(3):
        samples = of_places(seed, slope)
        ensemble = IceEnsemble(bounds=None)
        found = ensemble.tune_predictors(ensemble.prepare(samples))
        assert found.position is known
        rows = [row for row in found.record if "position" in row]
        without, with_it = (row["mean_squared_error"] for row in rows)
        assert [row["position"] for row in rows] == [False, True]
        assert (with_it < without) is known
        assert Tuning.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.quick
@pytest.mark.parametrize(
    ("options", "known"),
    [({"position": True}, True), ({"position": False}, False), ({"recipe": "published"}, False)],
)
def test_nobody_chooses_a_position_that_is_given(options, known):
    ensemble = IceEnsemble(bounds=None, **options)
    with patch("icemap.ensemble.model.tune_position", side_effect=AssertionError):
        found = ensemble.tune_predictors(ensemble.prepare(of_places(0, 0.0)))
    assert (found.position, [row for row in found.record if "position" in row]) == (known, [])


@pytest.mark.quick
@pytest.mark.parametrize("of_logarithm", [False, True])
def test_a_skewed_predictor_has_normal_scores_unless_left_out_blocks_are_nearer_without(
    of_logarithm,
):
    for seed in range(4):
        samples = of_places(seed, 0.0)
        if of_logarithm:
            samples["a"] = np.exp(1.5 * samples["a"])
        else:
            # A few sites are far from all others, and so are their values.
            samples["a"] += 6 * (samples["a"] > 1.2)
            samples["value"] += 8 * samples["a"]
        ensemble = IceEnsemble(bounds=None, position=False)
        found = ensemble.tune_predictors(ensemble.prepare(samples))
        plain, scored = (row["mean_squared_error"] for row in found.record)
        assert [row["scores"] for row in found.record] == [False, True]
        assert found.scores is (scored < plain) is of_logarithm
        assert ("a" in ensemble.coding_of(found).scored) is of_logarithm
        assert Tuning.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.quick
def test_where_no_predictor_is_skewed_nobody_asks():
    ensemble = IceEnsemble(bounds=None, position=False)
    found = ensemble.tune_predictors(ensemble.prepare(of_places(0, 0.0)))
    assert (found.scores, list(found.record)) == (False, [])


@pytest.mark.quick
def test_the_published_recipe_sees_predictors_as_they_are():
    samples = of_places(0, 0.0)
    samples["a"] = np.exp(1.5 * samples["a"])
    ensemble = IceEnsemble(bounds=None, recipe="published")
    assert not ensemble.tune_predictors(ensemble.prepare(samples)).scores


@pytest.mark.parametrize(("slope", "times"), [(0.0, 1), (15.0, 2)])
@in_little()
def test_samples_are_weighed_by_their_errors_once_for_the_same_predictors(slope, times):
    samples = of_places(0, slope).assign(standard_error=np.tile([2.0, 12.0], 100))
    members = ("random_forest", "lightgbm")
    ensemble = IceEnsemble(bounds=None, members=members, candidates=0, prior_strength=9.0)
    table = ensemble.prepare(samples)
    with patch.object(tuning, "weighed_table", wraps=tuning.weighed_table) as weighed:
        found = ensemble.tune(table)
    assert (weighed.call_count, found.position) == (times, times == 2)
    options, coding = ensemble.options_of(Tuning()), ensemble.coding_of(found)
    _, variance = tuning.weighed_table(table, options, coding, ensemble.seed)
    assert found.model_variance == variance > 0


@pytest.mark.quick
def test_samples_that_are_nowhere_have_no_position():
    samples = of_places(0, 15.0).assign(lon=np.nan, lat=np.nan)
    ensemble = IceEnsemble(bounds=None, position=True)
    assert not ensemble.tune_predictors(ensemble.prepare(samples)).position


@pytest.mark.quick
@in_little()
def test_a_fold_chooses_by_its_own_training_side():
    """The place tells the value in the west alone: a fold without the west does not see that."""
    samples = pd.concat([of_places(0, 0.0), of_places(1, 15.0).assign(lon=lambda s: s.lon - 130)])
    samples = samples.reset_index(drop=True)
    options = {"members": ("sklearn.linear_model.Ridge", "random_forest"), "folds": 3}
    ensemble = IceEnsemble(bounds=None, candidates=0, **options)
    ensemble.prepare(samples)
    labels = (samples.lon < 0).to_numpy().astype(int)
    found = [verify_fold(ensemble, samples, labels, fold, importance=True) for fold in (0, 1)]
    assert "position x" in found[0]["permuted"]["increase"]
    assert "position x" not in found[1]["permuted"]["increase"]
