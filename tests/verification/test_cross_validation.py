from __future__ import annotations

import json
from copy import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from icemap import IceEnsemble
from icemap.ensemble.folds import cell_folds
from icemap.ensemble.tuning import Tuning
from icemap.verification.competitors import COMPETITORS
from icemap.verification.cross_validation import (
    MODEL,
    TAIL_LEVELS,
    WITHOUT_BMA,
    Fold,
    gather,
    verify_fold,
)
from icemap.verification.cv_schemes import with_pseudo_sites
from icemap.verification.scores import COVERAGES

pytestmark = pytest.mark.usefixtures("little")
MEMBERS = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 150
    table = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, n),
            "slope": rng.gamma(2, 2, n),
            "lon": rng.uniform(60, 180, n),
            "lat": rng.uniform(60, 75, n),
        }
    )
    return table.assign(
        value=(45 - 2 * table.maat - 2 * table.slope + 5 * rng.normal(size=n)).clip(0, 100),
        cell=np.repeat(np.arange(75), 2),
    )


@pytest.fixture(scope="module")
def ensemble(samples) -> IceEnsemble:
    ensemble = IceEnsemble(members=MEMBERS, replicates=1, folds=3, seed=4, position=False)
    ensemble.prepare(samples)
    return ensemble


@pytest.fixture(scope="module")
def labels(ensemble, samples):
    return cell_folds(samples.cell, 3, 0)


@pytest.fixture(scope="module")
def records(ensemble, samples, labels):
    return [
        verify_fold(ensemble, samples, labels, fold, tuple(COMPETITORS), importance=True)
        for fold in range(3)
    ]


def test_a_fold_is_scored_by_models_that_never_saw_it(ensemble, samples, labels, records):
    """Absurd values on the left-out samples change their scores, not their predictions."""
    changed = samples.assign(value=samples.value.where(labels != 1, 100 - samples.value))
    again = verify_fold(ensemble, changed, labels, 1, tuple(COMPETITORS))
    for name in ("mean", "quantiles"):
        assert again["models"][MODEL][name] == records[1]["models"][MODEL][name]
    for name, model in records[1]["models"].items():
        assert again["models"][name]["interval"] == model["interval"], name
        assert again["models"][name].get("mean") == model.get("mean"), name
    assert np.mean(again["models"][MODEL]["crps"]) > 2 * np.mean(
        records[1]["models"][MODEL]["crps"]
    )


def test_settings_that_were_chosen_once_are_used_as_they_are(ensemble, samples, labels, records):
    """Half of the pool is climatology, which the tuning of a fold does not find."""
    chosen = clone(ensemble)
    chosen.prepare(samples)
    chosen.tuning_ = Tuning(climatology=0.5)
    found = verify_fold(chosen, samples, labels, 0, nested=False)
    assert (found["climatology"], records[0]["climatology"]) == (0.5, 0.0)
    means = [np.ptp(record["models"][MODEL]["mean"]) for record in (found, records[0])]
    assert means[0] < 0.7 * means[1]


def test_models_agree_with_themselves(records):
    for record in records:
        n = len(record["y"])
        assert record["left_out"] == []
        assert set(record["models"]) == {
            MODEL,
            "COP-BMA",
            WITHOUT_BMA,
            "Gaussian BMA",
            "equal weights",
            "best member",
            "Gaussian BMA, transformed",
            "equal weights, transformed",
            "best member, transformed",
            "climatology",
            *MEMBERS,
            *COMPETITORS,
        }
        for name, model in record["models"].items():
            assert np.shape(model["interval"]["0.95"]) == (n, 2)
            assert (
                0 <= np.min(model["interval"]["0.95"]) <= np.max(model["interval"]["0.95"]) <= 100
            )
            if name == "conformal_quantiles":
                assert list(model) == ["interval"]
                continue
            assert len(model["mean"]) == len(model["pit"]) == len(model["crps"]) == n
            assert ("log_density" in model) == (name != "quantile_forest")
            assert 0 <= min(model["pit"]) <= max(model["pit"]) <= 1
            assert min(model["crps"]) >= 0
            widths = [
                np.mean(np.diff(model["interval"][f"{coverage:g}"], axis=1))
                for coverage in COVERAGES
            ]
            assert widths == sorted(widths), name
        quantiles = np.array(record["models"][MODEL]["quantiles"])
        assert quantiles.shape == (n, len(TAIL_LEVELS))
        assert (np.diff(quantiles, axis=1) >= 0).all()


def test_without_cop_bma_the_pool_is_what_the_others_make_of_it(ensemble, samples, labels, records):
    training = ensemble.table(samples).take(labels != 0)
    tuned = copy(ensemble)
    tuned.adopt(ensemble.tune(training))
    shares = tuned.fit_parts(training).shares
    assert 0 < shares.bma < 1
    assert records[0]["climatology"] == 0
    whole, alone, others = (
        np.array(records[0]["models"][name]["interval"]["0.5"])
        for name in (MODEL, "COP-BMA", WITHOUT_BMA)
    )
    # Averages of quantiles; COP-BMA alone is exact, in the pool it is tabulated.
    np.testing.assert_allclose(shares.bma * alone + (1 - shares.bma) * others, whole, atol=0.05)
    assert np.abs(others - whole).max() > 0.2


def test_the_best_member_is_one_of_the_members_alone(records):
    """Both are fitted on the scale on which the members learn."""
    for record in records:
        models = record["models"]
        best = models["best member, transformed"]["mean"]
        assert any(np.allclose(best, models[name]["mean"], atol=1e-9) for name in MEMBERS)


def test_permuting_what_matters_costs_most(records):
    increase = {
        name: np.mean([record["permuted"]["increase"][name] for record in records])
        for name in ("maat", "slope")
    }
    assert increase["maat"] > increase["slope"] > 0


def test_the_model_beats_climatology_which_says_the_same_everywhere(records):
    for record in records:
        models = record["models"]
        assert np.ptp(models["climatology"]["mean"]) < 1e-6
        assert np.mean(models[MODEL]["crps"]) < 0.8 * np.mean(models["climatology"]["crps"])


def test_records_join_in_the_order_of_the_samples(samples, records):
    joined = gather([json.loads(json.dumps(record)) for record in records[::-1]], np.arange(150))
    assert np.array_equal(joined["y"], samples.value.to_numpy())
    assert joined["models"][MODEL]["quantiles"].shape == (150, len(TAIL_LEVELS))
    assert joined["models"]["conformal_quantiles"]["interval"]["0.95"].shape == (150, 2)
    assert np.corrcoef(joined["models"][MODEL]["mean"], joined["y"])[0, 1] > 0.8
    for row, value in zip(
        records[2]["rows"], records[2]["models"][MEMBERS[0]]["mean"], strict=True
    ):
        assert joined["models"][MEMBERS[0]]["mean"][row] == value


def test_a_sample_that_is_in_no_fold_is_noticed_unless_it_is_meant(records):
    with pytest.raises(ValueError, match="each sample must be left out exactly once"):
        gather(records[:2], np.arange(150))
    rows = np.sort(np.concatenate([record["rows"] for record in records[:2]]))
    assert np.array_equal(gather(records[:2], rows)["rows"], rows)


def test_a_model_that_one_fold_has_not_is_left_out(records):
    models = {
        name: model for name, model in records[1]["models"].items() if name != "conformal_quantiles"
    }
    joined = gather([records[0], {**records[1], "models": models}, records[2]], np.arange(150))
    assert "conformal_quantiles" not in joined["models"]
    assert "quantile_forest" in joined["models"]


def test_a_predictor_without_variance_and_a_class_outside_one_fold_only(samples):
    """In the training side of fold 0 the glacier predictor is 0 everywhere, and nothing has the
    class 7.
    """
    labels = np.arange(150) % 3
    rng = np.random.default_rng(5)
    table = samples.assign(
        glacier=np.where(labels == 0, rng.uniform(1, 2, 150), 0.0),
        lithology=np.where(labels == 0, 7.0, rng.choice([1.0, 2.0], 150)),
    )
    ensemble = IceEnsemble(classes=("lithology",), replicates=1, folds=3, candidates=1, seed=4)
    ensemble.prepare(table)
    record = verify_fold(ensemble, table, labels, 0, tuple(COMPETITORS), importance=True)
    for name, model in record["models"].items():
        assert np.isfinite(model["interval"]["0.95"]).all(), name
        assert np.isfinite(model.get("crps", 0.0)).all(), name
    # No model can have learnt from what never varied on its training side.
    assert np.mean(record["models"][MODEL]["crps"]) < np.mean(
        record["models"]["climatology"]["crps"]
    )


@pytest.mark.quick
def test_keys_sort_as_numbers():
    assert sorted(Fold("cell", number).key for number in (10, 9, 0)) == [
        "cell-00",
        "cell-09",
        "cell-10",
    ]


@pytest.fixture(scope="module")
def with_bedrock(samples) -> pd.DataFrame:
    """The samples and twenty pseudo-sites, last."""
    rng = np.random.default_rng(1)
    bedrock = samples.iloc[:20].assign(
        slope=rng.uniform(20, 30, 20), lon=rng.uniform(60, 180, 20), value=2.5, pseudo=True
    )
    return pd.concat([samples.assign(pseudo=False), bedrock], ignore_index=True)


@pytest.fixture(scope="module")
def folds(ensemble, labels, with_bedrock):
    return with_pseudo_sites(ensemble.table(with_bedrock), labels)


@pytest.fixture(scope="module")
def trained_with_bedrock(ensemble, folds, with_bedrock):
    return [verify_fold(ensemble, with_bedrock, folds, fold, importance=True) for fold in range(3)]


def test_pseudo_sites_are_trained_on_and_never_scored(trained_with_bedrock, records):
    found = trained_with_bedrock
    part = gather(found, np.arange(150))
    assert part["rows"].tolist() == list(range(150))
    assert [one["permuted"]["n"] for one in found] == [one["permuted"]["n"] for one in records]
    assert found[0]["models"][MODEL]["mean"] != records[0]["models"][MODEL]["mean"]


def test_climatology_is_that_of_the_boreholes(trained_with_bedrock, records):
    """A reference that bedrock had made worse would flatter the map."""
    found = trained_with_bedrock[0]["models"]["climatology"]
    np.testing.assert_allclose(found["crps"], records[0]["models"]["climatology"]["crps"])


def test_left_out_pseudo_sites_tell_nothing(ensemble, folds, with_bedrock, trained_with_bedrock):
    left_out = with_bedrock["pseudo"] & (folds == 1)
    assert left_out.any()
    changed = with_bedrock.assign(value=with_bedrock["value"].mask(left_out, 90.0))
    again = verify_fold(ensemble, changed, folds, 1)
    assert trained_with_bedrock[1]["models"][MODEL]["mean"] == again["models"][MODEL]["mean"]
