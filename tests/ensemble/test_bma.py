"""COP-BMA: closed-form cases, properties, storage, bad input."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.base import clone

from icemap import Copula, CopulaBMA
from icemap.ensemble.baselines import normal_mixture_crps
from icemap.ensemble.strength import choose_prior_strength

RHO, WEIGHTS = np.array([0.6, 0.9]), np.array([0.3, 0.7])


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = 100 * rng.beta(1.3, 2.2, 500)
    return y[:, None] * 0.8 + 10 + rng.normal(0, [8.0, 11.0, 14.0], (500, 3)), y


@pytest.fixture(scope="module")
def fitted(table: tuple[np.ndarray, np.ndarray]) -> CopulaBMA:
    return CopulaBMA(prior_strength=50.0).fit(*table)


@pytest.fixture(scope="module")
def normal_case() -> tuple[CopulaBMA, np.ndarray, np.ndarray, np.ndarray]:
    """Normal margins and Gaussian copulas make the predictive distribution a mixture of N(rho f, 1
    - rho^2).
    """
    bma = CopulaBMA.from_parts(
        stats.norm(), [stats.norm()] * 2, [Copula("gaussian", [r]) for r in RHO], WEIGHTS
    )
    rng = np.random.default_rng(1)
    return bma, rng.normal(size=(60, 2)), rng.normal(size=60), np.sqrt(1 - RHO**2)


# --- closed forms
# -------------------------------------------------------------------------------------------------


def test_normal_margins_and_gaussian_copulas_are_a_normal_mixture(normal_case: tuple) -> None:
    bma, F, y, sd = normal_case
    means = F * RHO
    np.testing.assert_allclose(bma.predict(F), means @ WEIGHTS, atol=1e-8)
    np.testing.assert_allclose(
        bma.cdf(F, y), stats.norm.cdf((y[:, None] - means) / sd) @ WEIGHTS, atol=1e-12
    )
    np.testing.assert_allclose(
        bma.pdf(F, y), stats.norm.pdf((y[:, None] - means) / sd) @ (WEIGHTS / sd), rtol=1e-10
    )
    np.testing.assert_allclose(
        bma.crps(F, y), normal_mixture_crps(y, means, sd, WEIGHTS), atol=5e-6
    )
    within, between = bma.variance(F)
    np.testing.assert_allclose(within, WEIGHTS @ sd**2, atol=1e-5)
    np.testing.assert_allclose(
        between, (means - (means @ WEIGHTS)[:, None]) ** 2 @ WEIGHTS, atol=1e-6
    )


def test_quantiles_invert_the_mixture_not_its_parts(normal_case: tuple) -> None:
    bma, F, _, sd = normal_case
    levels = [1e-9, 0.025, 0.5, 0.9, 1 - 1e-6]
    quantiles = bma.predict_quantile(F, levels)
    for column, level in enumerate(levels):
        np.testing.assert_allclose(bma.cdf(F, quantiles[:, column]), level, atol=1e-12)
    averaged = (F * RHO + sd * stats.norm.ppf(0.9)) @ WEIGHTS
    assert np.abs(quantiles[:, 3] - averaged).max() > 0.1
    assert np.isneginf(bma.predict_quantile(F[:1], 0.0)[0, 0])


def test_independence_gives_back_the_climatology() -> None:
    climate = stats.beta(2, 3, scale=100)
    bma = CopulaBMA.from_parts(
        climate, [stats.uniform(0, 100)], [Copula("independence")], [1.0], bounds=(0, 100)
    )
    F = np.array([[5.0], [50.0], [99.0]])
    np.testing.assert_allclose(bma.predict(F), climate.mean(), atol=1e-5)
    np.testing.assert_allclose(
        bma.interval(F, 0.9), np.tile(climate.ppf([0.05, 0.95]), (3, 1)), atol=1e-9
    )
    within, between = bma.variance(F)
    np.testing.assert_allclose(within, climate.var(), rtol=1e-5)
    np.testing.assert_allclose(between, 0.0, atol=1e-9)


@pytest.mark.parametrize(
    "copula",
    [
        Copula("clayton", [3.0]),
        Copula("gumbel", [2.0], 180),
        Copula("student", [0.8, 3.0]),
        Copula("joe", [3.0]),
    ],
)
def test_the_mean_is_the_published_integral(copula: Copula) -> None:
    """m_k(v) = integral of F_Y^-1(u) c_k(u, v) du."""
    climate, member = stats.beta(1.5, 2.5, scale=100), stats.norm(40, 20)
    bma = CopulaBMA.from_parts(climate, [member], [copula], [1.0])
    for f in (5.0, 40.0, 90.0):
        v = float(member.cdf(f))

        def integrand(z: float, v: float = v) -> float:
            u = float(stats.norm.cdf(z))
            return float(climate.ppf(u) * copula.pdf(u, v) * stats.norm.pdf(z))

        expected = integrate.quad(integrand, -8, 8, limit=400, epsabs=1e-8)[0]
        assert float(bma.predict([[f]])[0]) == pytest.approx(expected, abs=2e-4)


# --- a fitted mixture is one distribution
# -------------------------------------------------------------------------------------


def test_every_method_speaks_of_the_same_distribution(
    fitted: CopulaBMA, table: tuple[np.ndarray, np.ndarray]
) -> None:
    F = table[0][:12]
    grid = np.linspace(0.0, 100.0, 20_001)
    for row in range(len(F)):
        one = np.repeat(F[[row]], len(grid), axis=0)
        G, density = fitted.cdf(one, grid), fitted.pdf(one, grid)
        assert (G[0], G[-1]) == (0.0, 1.0)
        mean = 100.0 - np.trapezoid(G, grid)
        assert float(fitted.predict(F[[row]])[0]) == pytest.approx(mean, abs=2e-3)
        assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-4)
        variance = np.trapezoid(2 * grid * (1 - G), grid) - mean**2
        assert float(np.sum(fitted.variance(F[[row]]))) == pytest.approx(variance, rel=1e-3)
        target = table[1][row]
        assert float(fitted.crps(F[[row]], target)[0]) == pytest.approx(
            np.trapezoid((G - (grid >= target)) ** 2, grid), abs=5e-3
        )
        assert float(fitted.log_score(F[[row]], target)[0]) == pytest.approx(
            -np.log(np.interp(target, grid, density)), abs=1e-3
        )


def test_samples_come_from_the_predictive_distribution(
    fitted: CopulaBMA, table: tuple[np.ndarray, np.ndarray]
) -> None:
    F = table[0][:3]
    draws = fitted.sample(F, 3000, seed=7)
    assert draws.shape == (3, 3000)
    for row in range(3):
        assert (
            stats.kstest(
                fitted.cdf(np.repeat(F[[row]], 3000, axis=0), draws[row]), "uniform"
            ).pvalue
            > 1e-3
        )
    np.testing.assert_array_equal(draws, fitted.sample(F, 3000, seed=7))
    assert np.any(draws != fitted.sample(F, 3000, seed=8))


def test_attributes_and_clone_follow_scikit_learn(
    fitted: CopulaBMA, table: tuple[np.ndarray, np.ndarray]
) -> None:
    assert fitted.weights_.sum() == pytest.approx(1.0)
    assert len(fitted.copulas_) == 3
    assert fitted.n_features_in_ == 3
    assert np.diff(fitted.log_likelihoods_).min() > -1e-9
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "weights_")
    np.testing.assert_array_equal(fresh.fit(*table).weights_, fitted.weights_)
    assert fitted.score(*table) > 0.8


# --- properties
# -------------------------------------------------------------------------------------------------


@given(st.permutations(range(3)))
@settings(max_examples=6)
def test_permuting_members_permutes_weights_and_nothing_else(order: list[int]) -> None:
    rng = np.random.default_rng(0)
    y = 100 * rng.beta(1.3, 2.2, 120)
    F = y[:, None] + rng.normal(0, [12.0, 15.0, 18.0], (120, 3))
    bma, permuted = CopulaBMA().fit(F, y), CopulaBMA().fit(F[:, order], y)
    np.testing.assert_allclose(permuted.weights_, bma.weights_[order], atol=1e-6)
    np.testing.assert_allclose(permuted.interval(F[:, order]), bma.interval(F), atol=1e-4)


@pytest.mark.parametrize(
    "transform", [np.exp, np.cbrt, lambda f: 3 * f - 7, lambda f: np.arctan(f) * 50]
)
def test_a_monotone_transform_of_a_member_changes_nothing(
    table: tuple[np.ndarray, np.ndarray], fitted: CopulaBMA, transform: object
) -> None:
    F, y = table
    warped = F.copy()
    warped[:, 1] = transform(F[:, 1] / 50)
    other = CopulaBMA(prior_strength=50.0).fit(warped, y)
    np.testing.assert_allclose(other.weights_, fitted.weights_, atol=1e-9)
    np.testing.assert_allclose(other.interval(warped), fitted.interval(F), atol=1e-7)


@given(st.integers(0, 1000), st.sampled_from([(0.0, 100.0), (0.0, 300.0), (-5.0, 5.0)]))
@settings(max_examples=8)
def test_nothing_leaves_the_bounds(seed: int, bounds: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    low, high = bounds
    y = low + (high - low) * rng.beta(0.5, 0.8, 80)
    F = y[:, None] + rng.normal(0, 0.3 * (high - low), (80, 2))
    bma = CopulaBMA(bounds=bounds).fit(F, y)
    wild = rng.uniform(low - 2 * (high - low), high + 2 * (high - low), (40, 2))
    for values in (
        bma.predict(wild),
        bma.predict_quantile(wild, [0.0, 1e-4, 0.5, 0.9999, 1.0]),
        bma.sample(wild, 20, seed),
    ):
        assert values.min() >= low
        assert values.max() <= high
    np.testing.assert_array_equal(bma.cdf(wild, low), 0.0)
    np.testing.assert_array_equal(bma.cdf(wild, high), 1.0)


def test_identical_members_share_one_prediction(table: tuple[np.ndarray, np.ndarray]) -> None:
    F, y = table
    twice = CopulaBMA().fit(F[:, [0, 0]], y)
    once = CopulaBMA().fit(F[:, [0]], y)
    np.testing.assert_allclose(twice.interval(F[:, [0, 0]]), once.interval(F[:, [0]]), atol=1e-6)
    assert twice.weights_.sum() == pytest.approx(1.0)


def test_an_unbounded_target_works_like_a_bounded_one() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(-4, 3, 300)
    bma = CopulaBMA(bounds=None).fit(y[:, None] + rng.normal(0, [1.0, 2.0], (300, 2)), y)
    F = np.array([[-4.0, -4.0], [-12.0, -12.0]])
    low, high = bma.interval(F).T
    assert np.all((low < bma.predict(F)) & (bma.predict(F) < high))
    assert bma.predict(F)[1] < bma.predict(F)[0]


# --- atoms, extrapolation, weights
# --------------------------------------------------------------------------------------------


def test_atoms_keep_their_probability_and_a_uniform_pit() -> None:
    rng = np.random.default_rng(5)
    latent = rng.normal(30, 30, 800)
    y = np.clip(latent, 0, 100)
    # Of one member: a pool of members whose errors are independent is wider than it has to be.
    F = latent[:, None] + rng.normal(0, 15.0, (800, 1))
    bma = CopulaBMA().fit(F, y)
    chance = bma.cdf(F, 0.0)
    assert chance.mean() == pytest.approx(np.mean(y == 0), abs=0.02)
    dry = np.argmin(F.sum(axis=1))
    assert chance[dry] > 0.5
    assert bma.interval(F[[dry]])[0, 0] == 0.0
    assert float(bma.pdf(F[[dry]], 0.0)[0]) == pytest.approx(chance[dry], abs=1e-12)
    assert stats.kstest(bma.pit(F, y, seed=1), "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(bma.fit(F, y).weights_, CopulaBMA().fit(F, y).weights_)


def test_leaving_the_fitted_range_is_flagged_and_held_at_the_edge(
    fitted: CopulaBMA, table: tuple[np.ndarray, np.ndarray]
) -> None:
    F = table[0]
    assert not fitted.extrapolated(F).any()
    outside = np.tile(np.median(F, axis=0), (3, 1))
    outside[1, 2], outside[2, 0] = F[:, 2].max() + 1, F[:, 0].min() - 1
    np.testing.assert_array_equal(fitted.extrapolated(outside), [False, True, True])
    v = fitted.member_levels(np.array([[-1e6] * 3, [1e6] * 3]))
    np.testing.assert_allclose(v, [[0.001] * 3, [0.999] * 3])


def test_equal_weights_are_the_end_of_the_prior(table: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(
        CopulaBMA(prior_strength=np.inf).fit(*table).weights_, np.full(3, 1 / 3)
    )


def test_members_that_agree_predict_alike_whatever_their_weights() -> None:
    rng = np.random.default_rng(6)
    y = 100 * rng.beta(2, 2, 300)
    shared = y + rng.normal(0, 10, 300)
    F = shared[:, None] + rng.normal(0, 0.5, (300, 2))
    bma = CopulaBMA().fit(F, y)
    assert (
        np.abs(bma.predict(F) - CopulaBMA(prior_strength=np.inf).fit(F, y).predict(F)).max() < 3.0
    )


def test_declustering_weights_move_the_climatology_but_their_scale_does_not_matter(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    F, y = table
    heavy = np.where(y > 60, 3.0, 1.0)
    weighted = CopulaBMA().fit(F, y, sample_weight=heavy)
    assert weighted.target_margin_.ppf(0.5) > CopulaBMA().fit(F, y).target_margin_.ppf(0.5) + 5
    np.testing.assert_allclose(
        CopulaBMA().fit(F, y, sample_weight=np.full(len(y), 7.0)).weights_,
        CopulaBMA().fit(F, y).weights_,
        atol=1e-9,
    )


def test_fits_of_several_strengths_are_those_of_each(table: tuple[np.ndarray, np.ndarray]) -> None:
    F, y = table
    heavy = np.where(y > 60, 3.0, 1.0)
    strengths = (0.0, 30.0, np.inf)
    model = CopulaBMA(prior_weights=(0.0,) * (F.shape[1] - 1) + (1.0,))
    for strength, fitted in zip(
        strengths, model.fit_strengths(F, y, strengths, heavy), strict=True
    ):
        alone = clone(model).set_params(prior_strength=strength).fit(F, y, heavy)
        assert fitted.to_dict() == alone.to_dict()
        assert fitted.crps(F, y).tolist() == alone.crps(F, y).tolist()
    assert not hasattr(model, "weights_")


def test_the_prior_strength_is_chosen_by_folds() -> None:
    rng = np.random.default_rng(8)
    y = 100 * rng.beta(2, 2, 240)
    folds = np.arange(240) % 4
    alike = np.clip(y[:, None] + rng.normal(0, 20, (240, 3)), 0, 100)
    one_good = np.column_stack([y + rng.normal(0, 3, 240), 100 * rng.random((240, 2))])
    best, table = choose_prior_strength(CopulaBMA(), alike, y, folds, strengths=(0.0, np.inf))
    assert best == min(table, key=table.get)
    best, table = choose_prior_strength(CopulaBMA(), one_good, y, folds, strengths=(0.0, np.inf))
    assert best == 0.0
    assert table[np.inf] > 2 * table[0.0]


# --- storage, names, bad input
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings_", [{}, {"prior_strength": 50.0, "prior_weights": (0.5, 0.5, 0.0)}, {"bounds": None}]
)
def test_a_fit_survives_json_exactly(table: tuple[np.ndarray, np.ndarray], settings_: dict) -> None:
    F, y = table
    bma = CopulaBMA(**settings_).fit(pd.DataFrame(F, columns=["svr", "gam", "forest"]), y)
    restored = CopulaBMA.from_dict(json.loads(json.dumps(bma.to_dict())))
    assert restored.to_dict() == bma.to_dict()
    assert restored.get_params() == bma.get_params()
    for method in ("predict", "interval", "extrapolated"):
        np.testing.assert_array_equal(getattr(restored, method)(F), getattr(bma, method)(F))
    np.testing.assert_array_equal(restored.crps(F, y), bma.crps(F, y))


def test_infinite_prior_strength_survives_json(table: tuple[np.ndarray, np.ndarray]) -> None:
    bma = CopulaBMA(prior_strength=np.inf).fit(*table)
    text = json.dumps(bma.to_dict(), allow_nan=False)
    assert CopulaBMA.from_dict(json.loads(text)).prior_strength == np.inf


def broken(change: str) -> tuple[object, np.ndarray, np.ndarray | None]:
    rng = np.random.default_rng(0)
    y = 100 * rng.beta(2, 2, 60)
    F = pd.DataFrame(y[:, None] + rng.normal(0, 5, (60, 2)), columns=["forest", "spline"])
    weights = None
    if change == "nan member":
        F.loc[3, "spline"] = np.nan
    elif change == "constant member":
        F["spline"] = 4.0
    elif change == "text member":
        F["spline"] = "wet"
    elif change == "y outside":
        y = y.copy()
        y[7] = 101.0
    elif change == "y nan":
        y = y.copy()
        y[7] = np.nan
    elif change == "y short":
        y = y[:-1]
    elif change == "y constant":
        y = np.full(60, 3.0)
    elif change == "negative weight":
        weights = np.linspace(-1, 1, 60)
    elif change == "short weights":
        weights = np.ones(5)
    elif change == "zero weights":
        weights = np.zeros(60)
    elif change == "flat members":
        F = F["forest"].to_numpy()
    return F, y, weights


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("nan member", "Column 'spline' of F has 1 missing"),
        ("constant member", "Column 'spline' of F is constant"),
        ("text member", "could not convert string to float"),
        ("y outside", "y is 101 in row 7, outside the bounds 0 to 100"),
        ("y nan", "Input y contains NaN"),
        ("y short", "inconsistent numbers of samples"),
        ("y constant", "y is constant"),
        ("negative weight", "drop rows"),
        ("short weights", "one weight per row"),
        ("zero weights", "zero in every row"),
        ("flat members", "Expected 2D array, got 1D array instead"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(change: str, part: str) -> None:
    F, y, weights = broken(change)
    with pytest.raises(ValueError, match=part):
        CopulaBMA().fit(F, y, sample_weight=weights)


@pytest.mark.parametrize(
    ("parameters", "part"),
    [
        ({"prior_strength": -1.0}, "prior_strength"),
        ({"prior_strength": np.nan}, "prior_strength"),
        ({"bounds": (1.0, 0.0)}, "bounds"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    table: tuple[np.ndarray, np.ndarray], parameters: dict, part: str
) -> None:
    with pytest.raises(ValueError, match=part):
        CopulaBMA(**parameters).fit(*table)


def test_prediction_asks_for_the_members_of_the_fit(table: tuple[np.ndarray, np.ndarray]) -> None:
    F, y = table
    named = CopulaBMA().fit(pd.DataFrame(F, columns=["a", "b", "c"]), y)
    with pytest.raises(ValueError, match="X has 2 features, but CopulaBMA is expecting 3 features"):
        named.predict(F[:, :2])
    with pytest.raises(ValueError, match="same order"):
        named.predict(pd.DataFrame(F, columns=["b", "a", "c"]))
    with pytest.raises(ValueError, match="Column 'b'"):
        named.predict(np.where(np.arange(3) == 1, np.nan, F))
    with pytest.raises(ValueError, match="not fitted"):
        CopulaBMA().predict(F)
    with pytest.raises(ValueError, match="between 0 and 1"):
        named.predict_quantile(F, [1.5])
    with pytest.raises(ValueError, match="coverage"):
        named.interval(F, 95)


def test_a_member_that_knows_nothing_does_no_harm(table: tuple[np.ndarray, np.ndarray]) -> None:
    F, y = table
    noise = np.random.default_rng(9).normal(size=(len(y), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bma = CopulaBMA().fit(np.hstack([F, noise]), y)
    assert bma.weights_[3] < 0.05
    assert bma.crps(np.hstack([F, noise]), y).mean() == pytest.approx(
        CopulaBMA().fit(F, y).crps(F, y).mean(), rel=0.03
    )


def test_an_idle_member_has_no_weight_and_changes_nothing(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    F, y = table
    alone, idle = CopulaBMA().fit(F[:, :2], y), CopulaBMA(idle=(2,)).fit(F, y)
    np.testing.assert_allclose(idle.weights_, [*alone.weights_, 0.0])
    np.testing.assert_allclose(idle.predict(F), alone.predict(F[:, :2]))
    restored = CopulaBMA.from_dict(json.loads(json.dumps(idle.to_dict())))
    assert restored.idle == (2,)
    np.testing.assert_array_equal(restored.weights_, idle.weights_)


def test_a_row_without_weight_is_a_row_that_is_not_there() -> None:
    rng = np.random.default_rng(8)
    y = 100 * rng.beta(2, 3, 120)
    F = y[:, None] + rng.normal(0, [6.0, 12.0], (120, 2))
    weight = np.where(np.arange(120) < 100, 1.0, 0.0)
    F[100:] = rng.uniform(0, 100, (20, 2))
    with_them, without = CopulaBMA().fit(F, y, weight), CopulaBMA().fit(F[:100], y[:100])
    np.testing.assert_array_equal(with_them.weights_, without.weights_)
    levels = [0.05, 0.5, 0.95]
    np.testing.assert_array_equal(
        with_them.predict_quantile(F, levels), without.predict_quantile(F, levels)
    )
