"""Kriging and forecasts on the transformed scale."""

from dataclasses import replace

import numpy as np
import pytest

from icemap.ensemble.baselines import EqualWeights
from icemap.ensemble.replicates import TrainingTable
from icemap.ensemble.target import TargetScale
from icemap.verification.kriging import kriging
from icemap.verification.scores import crps_normal
from icemap.verification.sides import Sides
from icemap.verification.transformed import transformed_normal, transformed_pool


def field(n: int, seed: int) -> TrainingTable:
    """A target that a predictor explains in part, and the place in part."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(0, 40, n), rng.uniform(60, 70, n)
    X = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)])
    y = 50 + 6 * X[:, 0] + 10 * np.sin(np.radians(lon * 9)) + 2 * rng.normal(size=n)
    return TrainingTable(X, y, np.ones(n), lon, lat, np.arange(n))


def test_kriging_finds_what_places_share_and_knows_its_error() -> None:
    test = field(300, 1)
    found = kriging(Sides(field(250, 0), test, [1], None, 10.0, 0))
    assert np.std(found["mean"] - test.y) < 3.5
    low, high = found["interval"]["0.95"].T
    assert np.mean((test.y >= low) & (test.y <= high)) == pytest.approx(0.95, abs=0.04)
    # Far from all sites the place says nothing.
    elsewhere = replace(test, longitude=test.longitude + 150, latitude=-test.latitude)
    away = kriging(Sides(field(250, 0), elsewhere, [1], None, 10.0, 0))
    widths = [np.diff(one["interval"]["0.95"]).mean() for one in (found, away)]
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.quick
def test_a_transform_that_leaves_the_target_leaves_the_forecast() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(10, 2, 200)
    scale = TargetScale.fit(y, power=1.0)
    mean, sd = scale.transform(y + rng.normal(size=200)), np.full(200, 0.5)
    found = transformed_normal(mean, sd, scale, y)
    in_units = scale.inverse(mean), sd * scale.spread
    np.testing.assert_allclose(found["mean"], in_units[0], atol=1e-6)
    np.testing.assert_allclose(found["crps"], crps_normal(y, *in_units), atol=5e-3)
    z = (y - in_units[0]) / in_units[1]
    density = np.exp(-0.5 * z**2) / (in_units[1] * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found["log_density"], np.log(density), atol=1e-9)


@pytest.mark.quick
def test_errors_that_grow_with_the_target_want_the_transformed_scale() -> None:
    rng = np.random.default_rng(1)
    truth = rng.lognormal(3, 0.8, 1500)
    f = truth * rng.lognormal(0, 0.3, 1500)
    scale = TargetScale.fit(truth)
    z = scale.transform(f)[:, None]
    here, there = slice(0, 500), slice(500, None)
    pool = EqualWeights().fit(z[here], scale.transform(truth[here]))
    found = transformed_pool(pool, z[there], truth[there], scale)
    plain = EqualWeights().fit(f[here, None], truth[here])
    assert found["crps"].mean() < 0.95 * plain.crps(f[there, None], truth[there]).mean()
    low, high = found["interval"]["0.95"].T
    assert np.mean((truth[there] >= low) & (truth[there] <= high)) == pytest.approx(0.95, abs=0.02)
    # The mean is that of the distribution, which a transformed mean would miss.
    assert found["mean"].mean() == pytest.approx(truth[there].mean(), rel=0.08)
