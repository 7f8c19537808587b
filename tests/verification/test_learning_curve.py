"""Would more sites help: parts of a training side, and what their scores say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from icemap import IceEnsemble
from icemap.config_sections import TargetConfig
from icemap.ensemble.folds import cell_folds, spatial_blocks
from icemap.ensemble.model import replicate_seed
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.replicates import TrainingTable, fit_replicate
from icemap.ensemble.tuning import Tuning
from icemap.json_records import LearningCurve, check_record
from icemap.verification import cross_validation
from icemap.verification.cross_validation import MODEL, verify_fold
from icemap.verification.learning_curve import (
    LearnedPart,
    gather_parts,
    learning_curve,
    nested_parts,
)
from icemap.verification.scores import crps_normal

N, PREDICTORS = 240, 16
MEMBERS = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")


def table(n: int = 400, **changes) -> TrainingTable:
    rng = np.random.default_rng(3)
    y = rng.normal(size=n)
    place = rng.uniform(-180, 180, n), rng.uniform(60, 78, n)
    made = TrainingTable(y[:, None], y, np.ones(n), *place, np.arange(n) // 2)
    return replace(made, **changes)


def test_parts_are_nested_whole_blocks_of_the_shares_asked_for():
    here = table()
    # Of 10 degrees there are fewer than 32, too few for a quarter of them.
    parts = nested_parts(here, 10.0, seed=5)
    assert list(parts) == [0.25, 0.5]
    assert parts[0.5][parts[0.25]].all()
    assert len(np.unique(spatial_blocks(here.longitude, here.latitude, 10.0))) < 32
    blocks = spatial_blocks(here.longitude, here.latitude, 5.0)
    for share, rows in parts.items():
        assert rows.mean() == pytest.approx(share, abs=0.04)
        assert not set(blocks[rows]) & set(blocks[~rows])


def test_the_draw_is_by_the_seed():
    first, again, other = (nested_parts(table(), 10.0, seed)[0.5] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("placed", [True, False])
def test_where_blocks_are_few_cells_stay_together(placed):
    here = table()
    near = replace(here, longitude=np.full(400, 70.0), latitude=np.full(400, 70.0))
    parts = nested_parts(near if placed else here.unplaced(), 10.0, seed=0)
    for share, rows in parts.items():
        assert rows.mean() == share
        assert not set(here.cell[rows]) & set(here.cell[~rows])


def test_every_part_has_all_pseudo_sites_which_are_not_counted():
    pseudo = np.arange(400) >= 300
    for share, rows in nested_parts(table(pseudo=pseudo), 10.0, seed=0).items():
        assert rows[pseudo].all()
        assert rows[~pseudo].mean() == pytest.approx(share, abs=0.05)


def test_a_part_too_small_to_train_on_is_left_out():
    assert list(nested_parts(table(120), 10.0, seed=0)) == [0.5]
    assert nested_parts(table(60), 10.0, seed=0) == {}


def test_parts_that_one_large_group_makes_the_same_are_one():
    cell = np.where(np.arange(400) < 300, 0, np.arange(400))
    found = [nested_parts(table(cell=cell).unplaced(), 10.0, seed) for seed in range(8)]
    for parts in found:
        sizes = [int(rows.sum()) for rows in parts.values()]
        assert sizes == sorted(set(sizes))
        assert max(sizes, default=0) < 400
    assert min(len(parts) for parts in found) < 2


def samples(noise: bool) -> pd.DataFrame:
    """Many predictors with an effect each, so that a linear member needs many sites; or none."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(N, PREDICTORS))
    effect = np.zeros(PREDICTORS) if noise else np.full(PREDICTORS, 3.0)
    value = 50 + X @ effect + (12.0 if noise else 3.0) * rng.normal(size=N)
    names = [f"p{k}" for k in range(PREDICTORS)]
    return pd.DataFrame(X, columns=names).assign(
        lon=rng.uniform(-180, 180, N),
        lat=rng.uniform(60, 75, N),
        value=value.clip(0, 100),
        cell=np.arange(N),
    )


def prepared(made: pd.DataFrame, climatology: float) -> IceEnsemble:
    ensemble = IceEnsemble(members=MEMBERS, replicates=1, folds=3, seed=4)
    ensemble.prepare(made)
    ensemble.tuning_ = Tuning(climatology=climatology)
    return ensemble


def curve(made: pd.DataFrame, climatology: float = 0.0) -> LearningCurve:
    ensemble, labels = prepared(made, climatology), cell_folds(made.cell, 2, 0)
    records = [
        verify_fold(ensemble, made, labels, fold, nested=False, learning=True) for fold in (0, 1)
    ]
    blocks = spatial_blocks(made.lon, made.lat, 10.0)
    return learning_curve(gather_parts(records), made.value.to_numpy(), blocks, 0, TargetConfig())


@pytest.fixture(scope="module")
def informative() -> LearningCurve:
    return curve(samples(noise=False))


def test_where_sites_are_worth_something_the_curve_falls(informative):
    half, whole = informative["points"]
    assert whole["crps"] < 0.95 * half["crps"]
    assert whole["rmse"] < 0.95 * half["rmse"]
    assert informative["change"] == pytest.approx(whole["crps"] - half["crps"])
    assert informative["change_high"] < 0
    start = f"More sites help: from {half['sites']:.0f} to 120 sites (2.0 times as many) the CRPS"
    assert informative["sentence"].startswith(start)


def test_of_noise_the_pool_gains_next_to_nothing(informative):
    found = curve(samples(noise=True), climatology=1.0)
    gains = [-one["change"] / one["points"][0]["crps"] for one in (found, informative)]
    assert abs(gains[0]) < 0.5 * gains[1]


def of_normals(effect: float, seed: int) -> LearningCurve:
    """Of least squares with normal errors, ten folds and the predictors of `samples`."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, PREDICTORS)) if effect else np.empty((N, 0))
    y = effect * X.sum(axis=1) + rng.normal(size=N)
    made = TrainingTable(
        np.column_stack([np.ones(N), X]),
        y,
        np.ones(N),
        rng.uniform(-180, 180, N),
        rng.uniform(60, 75, N),
        np.arange(N),
    )
    labels = cell_folds(made.cell, 10, seed)
    records = []
    for fold in range(10):
        training, test = made.take(labels != fold), labels == fold
        learning = []
        everything = np.ones(len(training), dtype=bool)
        parts = nested_parts(training, 10.0, 1000 * seed + fold)
        for share, rows in {**parts, 1.0: everything}.items():
            side = training.take(rows)
            coefficients = np.linalg.lstsq(side.X, side.y, rcond=None)[0]
            spread = (side.y - side.X @ coefficients).std(ddof=side.X.shape[1])
            mean = made.X[test] @ coefficients
            crps = crps_normal(y[test], mean, spread).tolist()
            learning.append(
                {"share": share, "sites": len(side), "crps": crps, "mean": mean.tolist()}
            )
        records.append({"rows": np.flatnonzero(test).tolist(), "learning": learning})
    blocks = spatial_blocks(made.longitude, made.latitude, 10.0)
    return learning_curve(gather_parts(records), y, blocks, 0, TargetConfig())


def test_noise_is_flat_and_a_signal_is_not():
    """Of noise a doubling improves no more than its mean and spread, by 0.4 % of the CRPS."""
    noise = [of_normals(0.0, seed) for seed in range(10)]
    flat = sum(found["sentence"].startswith("The learning curve is flat") for found in noise)
    assert flat >= 6
    assert abs(np.mean([one["change"] / one["points"][-1]["crps"] for one in noise])) < 0.01
    for seed in range(3):
        assert of_normals(1.0, seed)["change_high"] < 0


def test_the_record_is_what_readers_of_the_file_expect(informative):
    check_record("verification.json", informative, LearningCurve, "")
    for point in informative["points"]:
        assert point["crps_low"] < point["crps"] < point["crps_high"]


def test_a_part_is_fitted_to_its_own_rows_with_the_options_of_the_whole():
    made = samples(noise=False)
    ensemble, labels = prepared(made, 0.3), cell_folds(made.cell, 2, 0)
    record = verify_fold(ensemble, made, labels, 1, nested=False, learning=True)
    half, whole = record["learning"]
    assert (half["share"], whole["share"]) == (0.5, 1.0)
    assert whole["crps"] == record["models"][MODEL]["crps"]
    everything, seed = ensemble.table(made), replicate_seed(ensemble.seed, 1)
    training = everything.take(labels != 1)
    side = training.take(nested_parts(training, ensemble.block_degrees, seed)[0.5])
    alone = fit_replicate(side, ensemble.options, ensemble.coding_, seed)
    pool = ensemble.fit_parts(side)
    expected = cross_validation._mapped_forecast(
        PooledMixture([alone.bma]), alone, pool, ensemble, everything.take(labels == 1)
    )
    assert (half["sites"], half["mean"]) == (len(side), expected["mean"])


def test_a_part_that_cannot_be_fitted_leaves_the_fold_its_scores(monkeypatch):
    made = samples(noise=False)
    ensemble, labels = prepared(made, 0.0), cell_folds(made.cell, 2, 0)
    fit = cross_validation.fit_replicate

    def picky(side, *rest):
        if len(side) < N // 2:
            raise ValueError("all values are the same")
        return fit(side, *rest)

    monkeypatch.setattr(cross_validation, "fit_replicate", picky)
    record = verify_fold(ensemble, made, labels, 0, nested=False, learning=True)
    assert [part["share"] for part in record["learning"]] == [1.0]
    assert gather_parts([record]) == []


def fold(rows, shares, base) -> dict:
    learning = [
        {"share": share, "sites": int(100 * share) + base, "crps": rows, "mean": rows}
        for share in shares
    ]
    return {"rows": rows, "learning": learning}


def test_parts_are_joined_in_the_order_of_the_samples_and_a_share_that_a_fold_lacks_is_left_out():
    parts = gather_parts([fold([1, 3], [0.25, 0.5, 1.0], 0), fold([0, 2], [0.5, 1.0], 2)])
    assert [(part.share, part.sites) for part in parts] == [(0.5, 51.0), (1.0, 101.0)]
    assert parts[0].crps.tolist() == parts[0].mean.tolist() == [0, 1, 2, 3]


def test_folds_of_an_earlier_version_make_no_curve():
    assert gather_parts([{"rows": [0]}, fold([1], [0.5, 1.0], 0)]) == []


@pytest.mark.parametrize(
    ("better", "groups", "start"),
    [
        (0.4, 20, "More sites help: from 50 to 100 sites (2.0 times as many) the CRPS of left-out"),
        (-0.4, 20, "More sites do not help: "),
        (0.0, 20, "The learning curve is flat within chance: "),
        (0.4, 4, "Whether more sites help cannot be told: "),
    ],
)
def test_the_sentence_says_what_the_interval_allows(better, groups, start):
    rng = np.random.default_rng(1)
    crps, y = rng.gamma(4, 1, 200), np.zeros(200)
    parts = [
        LearnedPart(0.5, 50.0, crps, y),
        LearnedPart(1.0, 100.0, crps - better + 0.3 * rng.normal(size=200), y),
    ]
    found = learning_curve(parts, y, np.arange(200) % groups, 0, TargetConfig())
    assert found["sentence"].startswith(start)
    assert (found["change_low"] is None) == (groups == 4)
    if better == 0.4:
        assert " samples goes from 3.87 to 3.48 %" in found["sentence"]
