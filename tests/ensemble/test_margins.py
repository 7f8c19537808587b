"""Margins: inverse, bounds, atoms, weights, choice by AIC."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from icemap.ensemble.fitting import fit_target_margin, pseudo_observations
from icemap.ensemble.margins import (
    AtomMargin,
    RankMargin,
    SmoothMargin,
    describe_margin,
    margin_from_dict,
)

LEVELS = np.concatenate(
    [[0.0, 1e-12, 1e-6], np.linspace(0.0, 1.0, 501), [1 - 1e-6, 1 - 1e-12, 1.0]]
)
BOUNDS = (0.0, 100.0)


def data(shape: str, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if shape == "skewed":
        return 100 * rng.beta(1.2, 4.0, n)
    if shape == "u-shaped":
        return np.clip(100 * rng.beta(0.4, 0.4, n), 1e-6, 100 - 1e-6)
    if shape == "two humps":
        return np.where(rng.random(n) < 0.4, 100 * rng.beta(5, 30, n), 100 * rng.beta(30, 8, n))
    if shape == "rounded":
        return np.clip(np.round(100 * rng.beta(2, 2, n), -1), 1, 99)
    return 50 + rng.normal(0, 0.01, n)


@pytest.mark.parametrize("n", [30, 60, 1178])
@pytest.mark.parametrize("shape", ["skewed", "u-shaped", "two humps", "rounded", "narrow"])
def test_cdf_undoes_ppf_to_1e_9(shape: str, n: int) -> None:
    y, weights = data(shape, n), np.random.default_rng(1).random(n) + 0.1
    margin = fit_target_margin(y, weights, BOUNDS)
    np.testing.assert_allclose(margin.cdf(margin.ppf(LEVELS)), LEVELS, atol=1e-9)
    assert margin.cdf(0.0) == 0.0
    assert margin.cdf(100.0) == 1.0
    x = np.linspace(-20, 120, 4001)
    assert np.diff(margin.cdf(x)).min() >= -1e-15
    assert np.all(margin.pdf(x[(x < 0) | (x > 100)]) == 0)


def test_an_unbounded_margin_has_tails_on_both_sides() -> None:
    y = np.random.default_rng(0).normal(-5, 3, 300)
    margin = fit_target_margin(y, np.ones(300), None)
    np.testing.assert_allclose(margin.cdf(margin.ppf(LEVELS[1:-1])), LEVELS[1:-1], atol=1e-9)
    assert 0 < margin.cdf(y.min() - 3) < 0.01 < 0.99 < margin.cdf(y.max() + 3) < 1
    assert margin.ppf(0.0) == -np.inf
    assert margin.ppf(1.0) == np.inf
    x = np.linspace(-60, 60, 200_001)
    assert np.trapezoid(margin.pdf(x), x) == pytest.approx(1.0, abs=1e-5)


def test_pdf_is_the_slope_of_cdf() -> None:
    margin = fit_target_margin(data("two humps", 500), np.ones(500), BOUNDS)
    x = np.linspace(1, 99, 777)
    np.testing.assert_allclose(
        (margin.cdf(x + 1e-5) - margin.cdf(x - 1e-5)) / 2e-5, margin.pdf(x), rtol=1e-5, atol=1e-8
    )


def test_the_density_of_ranks_holds_at_both_ends_and_not_beyond() -> None:
    margin = RankMargin(np.array([0.0, 10.0, 40.0]), np.array([0.0, 0.4, 1.0]))
    np.testing.assert_allclose(
        margin.pdf([-1e-9, 0.0, 10.0, 40.0, 40.0 + 1e-9]), [0.0, 0.04, 0.02, 0.02, 0.0]
    )


def test_the_smoothed_margin_follows_the_data() -> None:
    y = data("skewed", 1178)
    margin = SmoothMargin.fit(y, None, (0.0, 100.0))
    assert stats.kstest(y, margin.cdf).statistic < 0.02
    assert margin.pdf(np.linspace(0, 100, 1001)).min() > 0  # tails reach the bounds, gaps are open


def test_weights_of_the_margin_count_as_repetitions() -> None:
    y, repeats = data("skewed", 200), np.random.default_rng(2).integers(1, 4, 200)
    ranked = RankMargin.fit(y, repeats.astype(float))
    np.testing.assert_allclose(
        ranked.cdf(y), RankMargin.fit(np.repeat(y, repeats)).cdf(y), atol=1e-12
    )


def test_atoms_take_the_share_of_the_rows_at_the_bounds() -> None:
    rng = np.random.default_rng(0)
    y = np.concatenate([np.zeros(60), np.full(30, 100.0), 100 * rng.beta(2, 2, 210)])
    margin = fit_target_margin(y, np.ones(300), BOUNDS)
    assert isinstance(margin, AtomMargin)
    assert (margin.low, margin.high) == (0.2, 0.1)
    assert (margin.cdf(0.0), margin.cdf(100.0)) == (0.2, 1.0)
    assert (margin.cdf_left(0.0), margin.cdf_left(100.0)) == (0.0, pytest.approx(0.9))
    assert (margin.cdf(-1e-9), margin.ppf(0.1), margin.ppf(0.95)) == (0.0, 0.0, 100.0)
    inner = np.linspace(0.2, 0.9, 301)
    np.testing.assert_allclose(margin.cdf(margin.ppf(inner)), inner, atol=1e-9)


def test_two_rows_on_a_bound_are_no_atom() -> None:
    y = np.concatenate([[0.0, 0.0], data("skewed", 100)])
    assert isinstance(fit_target_margin(y, np.ones(102), BOUNDS), SmoothMargin)


@given(st.lists(st.integers(-1000, 1000), min_size=30, max_size=60, unique=True))
@settings(max_examples=40)
def test_ranks_do_not_change_under_a_monotone_transform(values: list[int]) -> None:
    x = np.array(values, dtype=float)
    warped = np.arctan(x / 300) * 7 + 2
    if len(np.unique(warped)) == len(x):
        np.testing.assert_array_equal(RankMargin.fit(x).cdf(x), RankMargin.fit(warped).cdf(warped))
    margin = RankMargin.fit(x)
    np.testing.assert_allclose(margin.cdf(margin.ppf(LEVELS)), LEVELS, atol=1e-9)


def test_pseudo_observations_are_ranks_over_n_plus_one() -> None:
    x = np.array([3.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(pseudo_observations(x, np.ones(4)), stats.rankdata(x) / 5)


@pytest.mark.parametrize(
    "margin",
    [
        fit_target_margin(data("skewed", 80), np.ones(80), BOUNDS),
        RankMargin.fit(data("skewed", 50)),
    ],
)
def test_a_margin_survives_json(margin: object) -> None:
    restored = margin_from_dict(json.loads(json.dumps(describe_margin(margin))))
    np.testing.assert_array_equal(restored.ppf(LEVELS), margin.ppf(LEVELS))
    frozen = margin_from_dict(json.loads(json.dumps(describe_margin(stats.norm(1, 2)))))
    assert frozen.cdf(1.0) == 0.5
