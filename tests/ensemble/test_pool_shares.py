"""Climatology in the pool: how its share is chosen, and that every way to ask the pool agrees on
it.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from icemap import CopulaBMA, IceEnsemble
from icemap.ensemble.pool_parts import Shares
from icemap.ensemble.pool_shares import FOREST_LEAVES, LeftOutParts, PoolScores
from icemap.ensemble.quantile_forest import grow_quantile_forest, with_climatology
from icemap.ensemble.tuning import tune_pool
from tests.small_chain import in_little

LINEAR = ("sklearn.linear_model.Ridge", "sklearn.linear_model.BayesianRidge")


def scores(gain: float, spread: float = 1.0, clusters: int = 20) -> PoolScores:
    """The pool better than climatology by ``gain`` standard errors of the mean of its clusters."""
    n = 10 * clusters
    noise = np.repeat(np.tile([-1.0, 1.0], clusters // 2), 10) * spread
    error = spread * np.sqrt(clusters / (clusters - 1)) / np.sqrt(clusters)
    better = noise + gain * error
    return PoolScores(
        20 - better,
        np.full(n, 20.0),
        np.ones(n),
        np.repeat(np.arange(clusters), 10),
    )


@pytest.mark.quick
@pytest.mark.parametrize(
    ("gain", "share"), [(-3.0, 1.0), (0.0, 1.0), (0.9, 1.0), (1.5, 0.5), (2.1, 0.0), (9.0, 0.0)]
)
def test_the_share_is_none_where_the_pool_is_better_beyond_chance_and_all_where_it_is_not(
    gain, share
):
    assert scores(gain).evidence == pytest.approx(gain)
    assert scores(gain).share == pytest.approx(share)


@pytest.mark.quick
def test_rows_of_one_cluster_are_no_evidence_of_their_own():
    one = scores(3.0)
    split = replace(one, cluster=np.arange(len(one.cluster)))
    assert split.evidence > 2.5 * one.evidence
    assert replace(one, cluster=np.zeros(len(one.cluster), int)).share == 1.0


def table(noise: bool, n: int = 90, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "maat": rng.uniform(-15, 0, n),
            "slope": rng.gamma(2, 2, n),
            "lon": rng.uniform(-180, 180, n),
            "lat": rng.uniform(55, 75, n),
        }
    )
    y = (
        50 + 15 * rng.normal(size=n)
        if noise
        else 45 - 2.5 * frame.maat - 2 * frame.slope + 5 * rng.normal(size=n)
    )
    return frame.assign(value=y.clip(1, 99))


def tuned(samples: pd.DataFrame) -> tuple[float, dict]:
    ensemble = IceEnsemble(members=LINEAR, folds=4, seed=1)
    found = tune_pool(
        ensemble.prepare(samples),
        ensemble.options,
        ensemble.coding_,
        1,
        prior=False,
        climatology=True,
        shares=True,
    )
    return found.climatology, dict(found.record[-1])


@in_little()
def test_a_target_of_noise_gets_climatology_and_one_with_skill_none():
    share, record = tuned(table(noise=True))
    assert share > 0.9
    assert record["crps"] > 0.97 * record["crps_climatology"]
    share, record = tuned(table(noise=False))
    assert share == 0.0
    assert record["crps"] < 0.7 * record["crps_climatology"]


@pytest.fixture(scope="module")
def case() -> tuple:
    rng = np.random.default_rng(0)
    y = np.where(rng.random(200) < 0.05, 0.0, 100 * rng.beta(2, 3, 200))
    F = y[:, None] + rng.normal(0, [8.0, 15.0], (200, 2))
    codes = rng.integers(0, 200, (200, 2), dtype=np.uint8)
    codes[:, 0] = (2 * y + rng.normal(0, 10, 200)).clip(0, 255)
    grown = grow_quantile_forest(codes, y, np.ones(200), (0.0, 100.0), 0)
    return y, F, codes, CopulaBMA().fit(F, y), grown


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_share_of_climatology_is_one_component_more(case, share):
    _, F, codes, bma, (forest, everywhere) = case
    x = np.linspace(0, 99, 40)
    mixed, margin = bma.with_climatology(share), bma.target_margin_
    expected = (1 - share) * bma.distribution(F[:9], x) + share * margin.cdf(x)
    assert np.allclose(mixed.distribution(F[:9], x), expected, atol=1e-12)
    assert np.allclose(mixed.cdf(F[:9], x[:9]), np.diag(expected[:, :9]), atol=1e-12)
    density = (1 - share) * bma.pdf(F[:9], x[1:10]) + share * margin.pdf(x[1:10])
    assert np.allclose(mixed.pdf(F[:9], x[1:10]), density)
    assert np.allclose(
        mixed.predict(F[:9]),
        (1 - share) * bma.predict(F[:9]) + share * mixed.with_climatology(1.0).predict(F[:9]),
    )
    assert np.allclose(mixed.cdf(F[:9], mixed.predict_quantile(F[:9], 0.7)[:, 0]), 0.7, atol=1e-9)
    pair = with_climatology(forest, everywhere, share)
    assert np.allclose(
        pair.at(codes[:9]).cdf[:, 1:-1],
        (1 - share) * forest.at(codes[:9]).cdf[:, 1:-1] + share * everywhere,
        atol=2e-6,
    )
    pair.require_sound(2)


def test_no_share_changes_nothing(case):
    y, F, _, bma, (forest, everywhere) = case
    assert with_climatology(forest, everywhere, 0.0) is forest
    same = bma.with_climatology(0.5).with_climatology(0.0)
    for name in ("predict", "crps", "cdf", "pdf"):
        arguments = (F,) if name == "predict" else (F, y)
        assert np.array_equal(getattr(same, name)(*arguments), getattr(bma, name)(*arguments)), name
    assert same.to_dict() == bma.to_dict()


def test_it_survives_json(case):
    _, F, _, bma, _ = case
    mixed = bma.with_climatology(0.4)
    again = CopulaBMA.from_dict(json.loads(json.dumps(mixed.to_dict())))
    assert again.climatology_ == 0.4
    assert np.array_equal(again.predict(F), mixed.predict(F))


@pytest.mark.quick
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_its_range_is_refused(case, share):
    with pytest.raises(ValueError, match="share of climatology"):
        case[3].with_climatology(share)


def left_out(noise: list[float], n: int = 400, seed: int = 0) -> LeftOutParts:
    """Parts that know the target but for errors of these sizes."""
    rng = np.random.default_rng(seed)
    y = rng.normal(50, 15, n)
    levels = (np.arange(100) + 0.5) / 100
    parts = [(y + rng.normal(0, sd, n))[:, None] + sd * stats.norm.ppf(levels) for sd in noise]
    climatology = np.tile(50 + 15 * stats.norm.ppf(levels), (n, 1))
    return LeftOutParts(np.array(parts), climatology, y, np.ones(n), np.arange(n) % 40)


def test_parts_of_one_skill_get_equal_shares_and_a_poor_one_little():
    equal = left_out([6.0, 6.0, 6.0]).shares()
    assert min(equal.bma, equal.forest, equal.process) > 0.25
    poor = left_out([25.0, 6.0, 6.0]).shares()
    assert poor.bma < 0.2
    assert poor.bma + poor.forest + poor.process == pytest.approx(1)
    assert left_out([6.0, 25.0]).shares().process == 0


def test_few_rows_leave_the_shares_near_equal():
    many, few = (left_out([25.0, 6.0, 6.0], n).shares() for n in (2000, 40))
    assert many.bma < 0.05
    assert 0.25 < few.bma < 1 / 3


def test_the_chosen_shares_are_no_worse_than_equal_ones_where_they_were_chosen():
    parts = left_out([20.0, 6.0, 9.0])
    chosen, equal = parts.scores(parts.shares()), parts.scores(Shares.equal(process=True))
    assert chosen.means()[0] < equal.means()[0]


@pytest.mark.quick
def test_climatology_takes_its_share_from_the_process_too():
    shares = Shares(0.3, 0.3, 0.4).with_climatology(0.75)
    assert (shares.process, shares.bma) == pytest.approx((0.1, 0.45))
    assert Shares(0.3, 0.3, 0.4).with_climatology(0.0) == Shares(0.3, 0.3, 0.4)
    assert Shares(0.0, 0.0, 1.0).with_climatology(1.0) == Shares(0.5, 0.5, 0.0)


@pytest.mark.parametrize(("noise", "leaf"), [(0.3, 2), (25.0, 5)])
@in_little()
def test_leaves_are_small_where_the_predictors_explain_the_target(noise, leaf):
    samples = table(noise=False)
    rng = np.random.default_rng(3)
    y = 45 - 2.5 * samples.maat - 2 * samples.slope + noise * rng.normal(size=len(samples))
    ensemble = IceEnsemble(members=LINEAR, replicates=2, folds=4, bounds=None, seed=1)
    ensemble.fit(samples.assign(value=y))
    assert ensemble.tuning_.forest_leaf == leaf
    compared = {
        row["forest_leaf"]: row["crps"] for row in ensemble.tuning_.record if "forest_leaf" in row
    }
    assert set(compared) == set(FOREST_LEAVES)
    assert leaf == 5 or compared[2] < compared[5]
    # Of the forest that maps: half of a tree's leaves have this many of the sites that it drew.
    drawn = len(samples) * len(ensemble.parts_.forest.root) / len(ensemble.parts_.forest.curves)
    assert leaf <= drawn < 2.5 * leaf


@in_little()
def test_the_shares_are_those_that_the_pool_maps_with():
    ensemble = IceEnsemble(members=LINEAR, replicates=2, folds=4, seed=1)
    ensemble.fit(table(noise=False))
    chosen = ensemble.tuning_.shares
    assert chosen is not None
    assert chosen.process > 0
    assert ensemble.parts_.shares == chosen.with_climatology(ensemble.tuning_.climatology)
    assert ensemble.tuning_.from_dict(ensemble.tuning_.to_dict()).shares == chosen
