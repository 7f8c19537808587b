"""The compiled process against scikit-learn's, and what it promises of places."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel

from icemap.ensemble import gaussian_process
from icemap.ensemble.gaussian_process import (
    GaussianProcess,
    MaternOn,
    ProcessKernel,
    ProcessSamples,
    condition,
    find_kernel,
)
from icemap.sphere import unit_vectors


def sites(n: int, seed: int = 0, columns: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictors, unit vectors and a target that depends on both."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns))
    longitude, latitude = rng.uniform(60, 120, n), rng.uniform(55, 75, n)
    y = 40 + 8 * X[:, 0] + 10 * np.sin(longitude / 8) + rng.normal(0, 3, n)
    return X, unit_vectors(longitude, latitude), y.clip(0, 100)


def kernel_of(samples: ProcessSamples, importance: Sequence[float] = (3, 1, 1, 1)) -> ProcessKernel:
    return find_kernel(samples, np.array(importance) / np.sum(importance), 0)


def of(n: int, **options) -> ProcessSamples:
    X, vectors, y = sites(n)
    return ProcessSamples.of(X, vectors, y, options.get("error"), (0.0, 100.0))


def test_it_says_what_scikit_learn_says():
    samples = of(120)
    kernel = kernel_of(samples)
    process = condition(samples, kernel)
    X, vectors, _ = sites(500, seed=1)
    columns = X.shape[1]
    alone, like, near = kernel.lengths
    over_predictors = [
        variance * MaternOn(length, first=0, last=columns)
        for variance, length in zip(kernel.variances, (alone, like), strict=True)
    ]
    over_sphere = MaternOn(near, first=columns, last=columns + 3)
    whole = over_predictors[0] + over_predictors[1] * over_sphere + WhiteKernel(kernel.nugget)
    weighted = [
        np.hstack([np.sqrt(kernel.importance) * design, where])
        for design, where in ((samples.inputs[:, :-3], samples.inputs[:, -3:]), (X, vectors))
    ]
    exact = GaussianProcessRegressor(whole, optimizer=None).fit(weighted[0], samples.z)
    mean, spread = exact.predict(weighted[1], return_std=True)
    found = process.at(X, vectors)
    np.testing.assert_allclose(found.mean, mean, atol=2e-4)
    np.testing.assert_allclose(found.spread, spread, atol=2e-4)


def test_a_predictor_without_importance_says_nothing():
    samples = of(120)
    process = condition(samples, kernel_of(samples, (1, 0, 1, 1)))
    X, vectors, _ = sites(50, seed=1)
    other = X.copy()
    other[:, 1] += 1
    moved = process.at(other, vectors).mean - process.at(X, vectors).mean
    other[:, 0] += 1
    spoken = process.at(other, vectors).mean - process.at(X, vectors).mean
    assert np.abs(moved).max() < 0.02
    assert np.abs(spoken).min() > 0.1


def test_a_relation_that_holds_in_one_region_is_not_carried_to_another():
    rng = np.random.default_rng(0)
    x, east = rng.normal(size=(300, 1)), rng.random(300) < 0.5
    vectors = unit_vectors(np.where(east, 130.0, -130.0) + rng.normal(0, 3, 300), np.full(300, 65))
    y = 50 + np.where(east, 1, -1) * 10 * x[:, 0] + rng.normal(0, 1, 300)
    samples = ProcessSamples.of(x, vectors, y, None, (0.0, 100.0))
    process = condition(samples, kernel_of(samples, (1,)))
    high = np.array([[1.0], [1.0]])
    there = unit_vectors(np.array([130.0, -130.0]), np.array([65.0, 65.0]))
    rising, falling = process.at(high, there).target_mean()
    assert rising == pytest.approx(60, abs=1.5)
    assert falling == pytest.approx(40, abs=1.5)


def test_a_few_samples_carry_many(monkeypatch):
    samples = of(400)
    kernel = kernel_of(samples)
    X, vectors, y = sites(600, seed=1)
    exact = condition(samples, kernel).at(X, vectors)
    monkeypatch.setattr(gaussian_process, "MAX_POINTS", 200)
    fewer = condition(samples, kernel).at(X, vectors)
    assert np.sqrt(np.mean((fewer.mean - exact.mean) ** 2)) < 0.25 * exact.spread.mean()
    # What fewer samples say less of is left in the spread.
    assert fewer.spread.mean() > exact.spread.mean() - 1e-3
    inside = np.abs(samples.scale.transform(y) - fewer.mean) < 1.96 * fewer.spread
    assert 0.92 < inside.mean() < 0.98


def test_a_place_is_the_same_whatever_its_neighbours():
    samples = of(90)
    process = condition(samples, kernel_of(samples))
    X, vectors, _ = sites(300, seed=1)
    whole = process.at(X, vectors)
    for start, stop in ((0, 1), (95, 97), (130, 300)):
        part = process.at(X[start:stop], vectors[start:stop])
        np.testing.assert_array_equal(part.mean, whole.mean[start:stop])
        np.testing.assert_array_equal(part.spread, whole.spread[start:stop])


def test_a_place_that_nobody_knows_is_one_far_from_every_sample():
    samples = of(120)
    process = condition(samples, kernel_of(samples))
    X, vectors, _ = sites(200, seed=1)
    unknown, known = process.at(X), process.at(X, vectors)
    far = process.at(X, np.tile(unit_vectors(np.array([-90.0]), np.array([-60.0])), (200, 1)))
    np.testing.assert_allclose(unknown.mean, far.mean, atol=1e-3)
    np.testing.assert_allclose(unknown.spread, far.spread, atol=1e-3)
    assert known.spread.mean() < 0.8 * unknown.spread.mean()


def test_without_places_only_the_predictors_speak():
    X, vectors, y = sites(120)
    samples = ProcessSamples.of(X, None, y, None, (0.0, 100.0))
    process = condition(samples, kernel_of(samples))
    assert process.variances[1] == 0
    one, other = process.at(X[:9], vectors[:9]), process.at(X[:9])
    np.testing.assert_array_equal(one.mean, other.mean)


def test_errors_of_the_samples_are_not_spread_of_the_truth():
    rng = np.random.default_rng(3)
    X, vectors, y = sites(250)
    error = np.full(250, 12.0)
    measured = (y + rng.normal(0, 12, 250)).clip(0, 100)
    told, untold = (
        ProcessSamples.of(X, vectors, measured, said, (0.0, 100.0)) for said in (error, None)
    )
    new, where, truth = sites(400, seed=5)
    with_error = condition(told, kernel_of(told)).at(new, where)
    without = condition(untold, kernel_of(untold)).at(new, where)
    width = [np.diff(one.quantiles([0.025, 0.975]), axis=1).mean() for one in (with_error, without)]
    assert width[0] < 0.75 * width[1]
    low, high = with_error.quantiles([0.025, 0.975]).T
    assert ((low <= truth) & (truth <= high)).mean() > 0.9


def test_the_mean_is_that_of_the_distribution_and_stays_within_the_bounds():
    samples = of(80)
    found = condition(samples, kernel_of(samples)).at(*sites(50, seed=1)[:2])
    levels = (np.arange(4000) + 0.5) / 4000
    np.testing.assert_allclose(
        found.target_mean(), found.quantiles(levels).mean(axis=1), rtol=2e-3, atol=0.02
    )
    ends = found.quantiles([0.0, 1.0])
    assert (ends == [0.0, 100.0]).all()


def test_intervals_hold():
    samples = of(300)
    X, vectors, y = sites(1000, seed=2)
    found = condition(samples, kernel_of(samples)).at(X, vectors)
    pit = stats.norm.cdf((samples.scale.transform(y) - found.mean) / found.spread)
    assert 0.92 < ((pit > 0.025) & (pit < 0.975)).mean() < 0.98


@pytest.mark.quick
def test_arrays_that_lead_beyond_themselves_are_refused():
    samples = of(40)
    process = condition(samples, kernel_of(samples))
    process.require_sound(4)
    with pytest.raises(ValueError, match="beyond"):
        process.require_sound(5)
    for field, value in {
        "projection": process.projection[:-1],
        "columns": process.columns.astype(np.float32),
        "vectors": process.vectors[:2],
        "scales": process.scales[:1],
        "ratio": np.ones(2),
        "variances": np.zeros(2),
    }.items():
        broken = GaussianProcess(**{**process._asdict(), field: value})
        with pytest.raises(ValueError, match="beyond"):
            broken.require_sound(4)
