from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from icemap import IceEnsemble
from icemap.ensemble.folds import spatial_blocks
from icemap.verification.cross_validation import COVERAGES, KINDS, MODEL, TAIL_LEVELS, Fold, fold_labels, gather, verify_fold

MEMBERS = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 150
    table = pd.DataFrame({"maat": rng.uniform(-15, 0, n), "slope": rng.gamma(2, 2, n), "lon": rng.uniform(60, 180, n), "lat": rng.uniform(60, 75, n)})
    return table.assign(value=(45 - 2 * table.maat - 2 * table.slope + 5 * rng.normal(size=n)).clip(0, 100), cell=np.repeat(np.arange(75), 2))


@pytest.fixture(scope="module")
def ensemble(samples) -> IceEnsemble:
    ensemble = IceEnsemble(members=MEMBERS, replicates=1, folds=3, seed=4)
    ensemble.prepare(samples)
    return ensemble


@pytest.fixture(scope="module")
def labels(ensemble, samples):
    return fold_labels("cell", ensemble.table(samples), 3, 10.0, (samples.lon, samples.lat), 0)


@pytest.fixture(scope="module")
def records(ensemble, samples, labels):
    return [verify_fold(ensemble, samples, labels, fold) for fold in range(3)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fold_leaves_each_sample_out_once(ensemble, samples, kind):
    table = ensemble.table(samples)
    domain = np.random.default_rng(1).uniform((60, 60), (180, 75), (300, 2)).T
    labels = fold_labels(kind, table, 4, 10.0, (domain[0], domain[1]), 0)
    assert labels.shape == (150,)
    assert set(labels) == {0, 1, 2, 3}
    assert np.array_equal(labels, fold_labels(kind, table, 4, 10.0, (domain[0], domain[1]), 0))
    groups = {"cell": table.cell, "block": spatial_blocks(table.longitude, table.latitude, 10.0)}.get(kind)
    if groups is not None:
        assert all(len(set(labels[groups == group])) == 1 for group in np.unique(groups))


def test_a_fold_is_scored_by_models_that_never_saw_it(ensemble, samples, labels, records):
    """Absurd values on the left-out samples change their scores, not their predictions."""
    changed = samples.assign(value=samples.value.where(labels != 1, 100 - samples.value))
    again = verify_fold(ensemble, changed, labels, 1)
    for name in ("mean", "quantiles"):
        assert again["models"][MODEL][name] == records[1]["models"][MODEL][name]
    assert again["members"] == records[1]["members"]
    assert np.mean(again["models"][MODEL]["crps"]) > 2 * np.mean(records[1]["models"][MODEL]["crps"])


def test_models_agree_with_themselves(records):
    for record in records:
        for name, model in record["models"].items():
            n = len(record["y"])
            assert len(model["mean"]) == len(model["pit"]) == len(model["crps"]) == len(model["log_density"]) == n
            assert 0 <= min(model["pit"]) <= max(model["pit"]) <= 1
            assert min(model["crps"]) > 0
            widths = [np.mean(np.diff(model["interval"][f"{coverage:g}"], axis=1)) for coverage in COVERAGES]
            assert widths == sorted(widths), name
        quantiles = np.array(record["models"][MODEL]["quantiles"])
        assert quantiles.shape == (n, len(TAIL_LEVELS))
        assert (np.diff(quantiles, axis=1) >= 0).all()


def test_the_model_beats_climatology_which_says_the_same_everywhere(records):
    for record in records:
        models = record["models"]
        assert np.ptp(models["climatology"]["mean"]) < 1e-6
        assert np.mean(models[MODEL]["crps"]) < 0.8 * np.mean(models["climatology"]["crps"])


def test_records_join_in_the_order_of_the_samples(samples, records):
    joined = gather([json.loads(json.dumps(record)) for record in records[::-1]], 150)
    assert np.array_equal(joined["y"], samples.value.to_numpy())
    assert joined["models"][MODEL]["quantiles"].shape == (150, len(TAIL_LEVELS))
    assert joined["models"][MODEL]["interval"]["0.95"].shape == (150, 2)
    assert np.corrcoef(joined["models"][MODEL]["mean"], joined["y"])[0, 1] > 0.8
    for row, value in zip(records[2]["rows"], records[2]["members"][MEMBERS[0]], strict=True):
        assert joined["members"][MEMBERS[0]][row] == value


def test_a_sample_that_is_in_no_fold_is_noticed(records):
    with pytest.raises(ValueError, match="each sample must be left out exactly once"):
        gather(records[:2], 150)


@pytest.mark.quick
def test_keys_sort_as_numbers():
    assert sorted(Fold("cell", number).key for number in (10, 9, 0)) == ["cell-00", "cell-09", "cell-10"]
