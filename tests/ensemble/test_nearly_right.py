"""Members that are nearly right, targets that are mostly at a bound, stray values, row weights."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from icemap import Copula, CopulaBMA, GaussianBMA
from icemap.ensemble.baselines import BestMember, EqualWeights
from icemap.ensemble.checks import warn_of_stray
from icemap.ensemble.fitting import fit_target_margin, member_margin, resolved
from icemap.ensemble.margins import RankMargin, SmoothMargin

BOUNDS = (0.0, 100.0)


def case(n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = 100 * rng.beta(2, 3, n)
    return y[:, None] + rng.normal(0, [noise, 9.0], (n, 2)), y


def rmse(model: CopulaBMA | GaussianBMA, F: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((model.predict(F) - y) ** 2)))


def gaps(known: np.ndarray, new: np.ndarray) -> np.ndarray:
    """From the known value below each new one to that above it, or to itself at either end."""
    at, ends = np.searchsorted(known := np.sort(known), new), len(known) - 1
    below = np.where(at > 0, known[np.maximum(at - 1, 0)], new)
    above = np.where(at <= ends, known[np.minimum(at, ends)], new)
    return above - below


@given(
    st.sampled_from([1e-6, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]),
    st.sampled_from([60, 200]),
    st.integers(0, 50),
)
@example(1e-6, 60, 32)
@example(0.01, 200, 12)
@settings(max_examples=8, deadline=None)
def test_the_better_member_has_the_weight_at_every_ratio_of_noises(
    noise: float, n: int, seed: int
) -> None:
    F, y = case(n, noise, seed)
    new, truth = case(400, noise, seed + 1000)
    fitted, normal = CopulaBMA().fit(F, y), GaussianBMA().fit(F, y)
    assert fitted.weights_[0] > 0.8
    # Ranks tell a new value no better than to within its neighbours.
    between = float(np.sqrt(np.mean(gaps(y, truth) ** 2)))
    assert rmse(fitted, new, truth) < 1.4 * rmse(normal, new, truth) + between
    low, high = fitted.interval(new).T
    assert np.mean((truth >= low) & (truth <= high)) > 0.7


def test_a_monotone_transform_of_a_nearly_right_member_changes_nothing() -> None:
    F, y = case(200, 0.1, 0)
    fitted, warped = CopulaBMA().fit(F, y), F.copy()
    warped[:, 0] = np.exp(F[:, 0] / 30)
    other = CopulaBMA().fit(warped, y)
    np.testing.assert_allclose(other.weights_, fitted.weights_, atol=1e-9)


def test_the_margin_of_an_ordinary_member_is_that_of_its_ranks() -> None:
    F, y = case(200, 0.1, 0)
    weights, target = np.ones(200), fit_target_margin(y, np.ones(200), BOUNDS)
    near, ordinary = (member_margin(F[:, k], y, weights, target, BOUNDS) for k in (0, 1))
    plain = RankMargin.fit(F[:, 1], weights)
    np.testing.assert_array_equal(ordinary.levels, plain.levels)
    np.testing.assert_allclose(near.cdf(F[:, 0]), target.cdf(y), atol=0.02)
    apart = np.abs(RankMargin.fit(F[:, 0], weights).cdf(F[:, 0]) - target.cdf(y)).max()
    assert np.abs(near.cdf(F[:, 0]) - target.cdf(y)).max() < apart


def test_no_copula_is_sharper_than_the_ranks_of_its_rows() -> None:
    wide = Copula("clayton", [3.0])
    assert resolved(wide, 30) is wide
    sharp = resolved(Copula("student", [0.999999, 2.0]), 61)
    assert sharp.tau == pytest.approx(1 - 2 / 60)


# --- mostly at a bound
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [1, 2, 5, 9])
@pytest.mark.parametrize("at", [0.0, 100.0])
def test_a_target_mostly_at_a_bound_is_fitted_with_that_share(between: int, at: float) -> None:
    rng = np.random.default_rng(between)
    y = np.full(200, at)
    y[:between] = rng.uniform(5, 60, between)
    F = y[:, None] + rng.normal(0, 5, (200, 2))
    fitted = CopulaBMA().fit(F, y)
    share = fitted.target_margin_.cdf(0.0) if at == 0 else 1 - fitted.target_margin_.cdf(99.999999)
    assert share == pytest.approx(1 - between / 200, abs=1e-6)
    low, high = fitted.interval(F).T
    assert np.all((low >= 0) & (high <= 100))
    assert np.mean((y >= low) & (y <= high)) > 0.93
    assert np.all(np.isfinite(fitted.crps(F, y)))


def test_few_values_between_the_bounds_leave_all_between_open() -> None:
    y = np.zeros(100)
    y[:3] = (10.0, 10.1, 10.2)
    margin = fit_target_margin(y, np.ones(100), BOUNDS)
    # Three values near 10 do not tell that there are none at 60.
    assert (margin.cdf(100.0) - margin.cdf(50.0)) / 0.03 > 0.05


def test_a_target_at_its_bounds_alone_is_named_a_class() -> None:
    y = np.repeat([0.0, 100.0], 30)
    F = y[:, None] + np.random.default_rng(0).normal(0, 9, (60, 2))
    with pytest.raises(ValueError, match=r"at one of the bounds 0 and 100.*classifier"):
        CopulaBMA().fit(F, y)


# --- stray values
# -------------------------------------------------------------------------------------------------


def test_a_stray_value_of_an_unbounded_target_is_named() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(-4, 3, 100)
    F = y[:, None] + rng.normal(size=(100, 2))
    y[37] = 1e6
    with pytest.warns(UserWarning, match=r"y is 1e\+06 in row 37"):
        CopulaBMA(bounds=None).fit(F, y)


@pytest.mark.parametrize("law", ["normal", "lognormal", "exponential", "student"])
def test_long_tails_are_no_stray_values(law: str) -> None:
    rng = np.random.default_rng(1)
    y = {
        "normal": rng.normal(size=1000),
        "lognormal": rng.lognormal(3, 1, 1000),
        "exponential": rng.exponential(size=1000),
        "student": rng.standard_t(3, 1000),
    }[law]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_stray(y)
    assert isinstance(fit_target_margin(y, np.ones(1000), None), SmoothMargin)


# --- weights of the rows
# -------------------------------------------------------------------------------------------------


def test_a_row_without_weight_is_not_there() -> None:
    F, y = case(150, 5.0, 3)
    weights = np.random.default_rng(0).uniform(0.5, 2, 150)
    weights[::5] = 0.0
    kept = weights > 0
    with_zeros = CopulaBMA().fit(F, y, weights)
    without = CopulaBMA().fit(F[kept], y[kept], weights[kept])
    np.testing.assert_allclose(with_zeros.interval(F), without.interval(F), atol=1e-6)
    assert with_zeros.v_clip_ == without.v_clip_


def test_the_same_weight_for_all_rows_is_none() -> None:
    F, y = case(100, 5.0, 3)
    plain, doubled = CopulaBMA().fit(F, y), CopulaBMA().fit(F, y, np.full(100, 2.0))
    np.testing.assert_array_equal(plain.interval(F), doubled.interval(F))


@pytest.mark.parametrize("pool", [GaussianBMA(), EqualWeights(), BestMember()])
def test_whole_weights_are_repeated_rows_where_only_shares_count(pool: GaussianBMA) -> None:
    F, y = case(80, 5.0, 3)
    counts = np.random.default_rng(0).integers(1, 4, 80)
    weighted = pool.fit(F, y, counts.astype(float)).interval(F)
    repeated = pool.fit(np.repeat(F, counts, axis=0), np.repeat(y, counts)).interval(F)
    np.testing.assert_allclose(weighted, repeated, atol=1e-4)


def test_whole_weights_are_nearly_repeated_rows_for_the_copulas() -> None:
    F, y = case(300, 5.0, 3)
    counts = np.random.default_rng(0).integers(1, 4, 300)
    weighted = CopulaBMA().fit(F, y, counts.astype(float))
    repeated = CopulaBMA().fit(np.repeat(F, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.weights_, repeated.weights_, atol=0.05)
    assert np.abs(weighted.predict(F) - repeated.predict(F)).max() < 2.0
