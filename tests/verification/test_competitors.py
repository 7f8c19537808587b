from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from icemap.ensemble.replicates import TrainingTable
from icemap.verification.competitors import (
    conformal_quantiles,
    installed,
    quantile_forest,
)
from icemap.verification.sides import Sides


def made(n: int, seed: int) -> TrainingTable:
    """y = 40 + 10 x + noise of 5; the second predictor is a class without effect."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.uniform(-2, 2, n), rng.integers(0, 3, n)])
    y = np.clip(40 + 10 * X[:, 0] + 5 * rng.normal(size=n), 0, 100)
    return TrainingTable(
        X, y, np.ones(n), rng.uniform(-180, 180, n), rng.uniform(55, 75, n), np.arange(n)
    )


def test_the_quantile_forest_nearly_knows_what_there_is_to_know():
    test = made(800, 1)
    found = quantile_forest(Sides(made(1000, 0), test, [1], (0.0, 100.0), 10.0, 0))
    truth = 5 / np.sqrt(np.pi)  # CRPS of the distribution that the data come from
    assert truth < np.mean(found["crps"]) < 1.15 * truth
    for coverage, interval in found["interval"].items():
        inside = (test.y >= interval[:, 0]) & (test.y <= interval[:, 1])
        assert inside.mean() == pytest.approx(float(coverage), abs=0.12), coverage
        # Interval and PIT are of one distribution.
        assert np.mean(inside == (np.abs(found["pit"] - 0.5) <= float(coverage) / 2)) > 0.98


def test_its_mean_is_that_of_the_forest_it_is_made_of():
    training, test = made(200, 0), made(20, 1)
    found = quantile_forest(Sides(training, test, [1], None, 10.0, 3))
    forest = RandomForestRegressor(300, min_samples_leaf=5, max_features=1 / 3, random_state=3).fit(
        training.X, training.y, sample_weight=training.weight
    )
    np.testing.assert_allclose(found["mean"], forest.predict(test.X), rtol=1e-9)


def test_conformal_quantiles_cover_what_they_promise_and_leave_logging_alone():
    test, before = made(1000, 1), list(logging.getLogger().handlers)
    found = conformal_quantiles(Sides(made(600, 0), test, [1], (0.0, 100.0), 10.0, 0))
    assert list(found) == ["interval"]
    low, high = found["interval"]["0.95"].T
    assert np.mean((test.y >= low) & (test.y <= high)) == pytest.approx(0.95, abs=0.035)
    assert low.min() >= 0
    assert high.max() <= 100
    assert 15 < np.mean(high - low) < 35
    assert logging.getLogger().handlers == before


@pytest.mark.quick
def test_too_few_sites_for_conformal_quantiles():
    test = made(10, 1)
    assert conformal_quantiles(Sides(made(41, 0), test, [1], None, 10.0, 0)) is None
    assert conformal_quantiles(Sides(made(60, 0), test, [1], None, 10.0, 0)) is not None


def test_a_competitor_whose_package_is_not_there_is_left_out_with_a_word(monkeypatch):
    every = ("quantile_forest", "conformal_quantiles", "published_recipe")
    assert installed(every) == (every, [])
    monkeypatch.setattr(
        "icemap.verification.competitors.find_spec", lambda name: None if name == "mapie" else 1
    )
    kept, notes = installed(every)
    assert kept == ("quantile_forest", "published_recipe")
    assert notes == [
        "conformal quantiles: left out, the package mapie is not installed"
        " (pip install 'icemap[verify]')"
    ]
