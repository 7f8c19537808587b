"""Gaussian BMA, equal weights and best member; parity with the R package ensembleBMA."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from sklearn.base import clone

from icemap import GaussianBMA
from icemap.ensemble.baselines import BestMember, EqualWeights, normal_mixture_crps
from icemap.verification.scores import crps_sample

SRFT = Path(__file__).parents[2] / "../shared/reference/srft.csv.gz"


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.normal(20, 6, 400)
    return 3 + 0.8 * y[:, None] + rng.normal(0, [1.0, 2.0, 4.0], (400, 3)), y


@pytest.fixture(
    params=[
        GaussianBMA(),
        GaussianBMA("additive", equal_variance=False),
        GaussianBMA("none"),
        EqualWeights(),
        BestMember(),
    ],
    ids=str,
)
def fitted(request: pytest.FixtureRequest, table: tuple[np.ndarray, np.ndarray]) -> object:
    return clone(request.param).fit(*table)


def test_every_method_speaks_of_the_same_distribution(
    fitted: object, table: tuple[np.ndarray, np.ndarray]
) -> None:
    F, y = table[0][:5], table[1][:5]
    grid = np.linspace(-60, 100, 40_001)
    for row in range(5):
        one = np.repeat(F[[row]], len(grid), axis=0)
        G, density = fitted.cdf(one, grid), fitted.pdf(one, grid)
        assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-8)
        mean = np.trapezoid(grid * density, grid)
        assert float(fitted.predict(F[[row]])[0]) == pytest.approx(mean, abs=1e-6)
        assert float(np.sum(fitted.variance(F[[row]]))) == pytest.approx(
            np.trapezoid((grid - mean) ** 2 * density, grid), rel=1e-6
        )
        assert float(fitted.crps(F[[row]], y[[row]])[0]) == pytest.approx(
            np.trapezoid((G - (grid >= y[row])) ** 2, grid), abs=4e-3
        )
    quantiles = fitted.predict_quantile(F, [0.001, 0.5, 0.975])
    for column, level in enumerate([0.001, 0.5, 0.975]):
        np.testing.assert_allclose(fitted.cdf(F, quantiles[:, column]), level, atol=1e-12)
    np.testing.assert_allclose(fitted.interval(F, 0.5), fitted.predict_quantile(F, [0.25, 0.75]))
    draws = fitted.sample(F[:1], 4000, seed=2)[0]
    assert stats.kstest(fitted.cdf(np.repeat(F[:1], 4000, axis=0), draws), "uniform").pvalue > 1e-3


def test_a_fit_survives_json_exactly(fitted: object, table: tuple[np.ndarray, np.ndarray]) -> None:
    restored = type(fitted).from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert restored.to_dict() == fitted.to_dict()
    np.testing.assert_array_equal(restored.interval(table[0]), fitted.interval(table[0]))
    np.testing.assert_array_equal(
        restored.extrapolated(table[0] + 5), fitted.extrapolated(table[0] + 5)
    )


def test_crps_of_a_normal_mixture_is_its_integral() -> None:
    means, sds, weights = (
        np.array([[-2.0, 1.0, 4.0]]),
        np.array([0.5, 1.0, 2.0]),
        np.array([0.2, 0.5, 0.3]),
    )
    for y in (-8.0, 0.3, 9.0):

        def cdf(x: float) -> float:
            return float(stats.norm.cdf((x - means[0]) / sds) @ weights)

        below = integrate.quad(lambda x: cdf(x) ** 2, -30, y, epsabs=1e-11, limit=200)[0]
        above = integrate.quad(lambda x: (1 - cdf(x)) ** 2, y, 40, epsabs=1e-11, limit=200)[0]
        assert normal_mixture_crps(np.array([y]), means, sds, weights)[0] == pytest.approx(
            below + above, abs=1e-8
        )


def test_regression_removes_bias_and_scale(table: tuple[np.ndarray, np.ndarray]) -> None:
    F, y = table
    regression = GaussianBMA().fit(F, y)
    slope, intercept = np.polyfit(F[:, 0], y, 1)
    np.testing.assert_allclose(regression.coef_[:, 0], [intercept, slope], rtol=1e-9)
    additive = GaussianBMA("additive").fit(F, y)
    np.testing.assert_allclose(additive.coef_, [y.mean() - F.mean(axis=0), np.ones(3)])
    np.testing.assert_array_equal(GaussianBMA("none").fit(F, y).coef_, [np.zeros(3), np.ones(3)])
    assert np.all(regression.sigma_ == regression.sigma_[0])
    assert len(set(GaussianBMA(equal_variance=False).fit(F, y).sigma_)) == 3
    assert regression.weights_[0] > 0.9


def test_strengths_lead_to_no_correction_and_equal_weights(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    F, y = table
    slopes = [GaussianBMA(bias_strength=s).fit(F, y).coef_[1, 2] for s in (0.0, 400.0, np.inf)]
    assert abs(slopes[1] - (slopes[0] + 1) / 2) < 1e-9
    assert slopes[2] == 1.0
    np.testing.assert_array_equal(
        GaussianBMA(prior_strength=np.inf).fit(F, y).weights_, np.full(3, 1 / 3)
    )


def test_a_far_observation_does_not_stop_the_fit(table: tuple[np.ndarray, np.ndarray]) -> None:
    F, y = table
    y = y.copy()
    y[0] = 1e4
    bma = GaussianBMA("none").fit(F, y)
    assert np.all(np.isfinite([*bma.weights_, *bma.sigma_, bma.log_likelihood_]))


def test_best_member_and_equal_weights_are_what_they_say(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    F, y = table
    best = BestMember().fit(F, y + 0)
    np.testing.assert_array_equal(
        best.weights_, np.eye(3)[np.argmin(((F - y[:, None]) ** 2).mean(axis=0))]
    )
    equal = EqualWeights().fit(F, y)
    np.testing.assert_allclose(equal.predict(F), F.mean(axis=1) + (y - F.mean(axis=1)).mean())
    assert equal.sigma_ == pytest.approx(np.std(y - F.mean(axis=1)))


@pytest.mark.parametrize("estimator", [GaussianBMA(), EqualWeights()])
def test_bad_input_is_refused_by_column(estimator: object) -> None:
    rng = np.random.default_rng(0)
    F = pd.DataFrame(rng.normal(size=(50, 2)), columns=["svr", "gam"])
    F.loc[4, "gam"] = np.inf
    with pytest.raises(ValueError, match="Column 'gam'"):
        clone(estimator).fit(F, rng.normal(size=50))
    with pytest.raises(ValueError, match="outside the bounds"):
        clone(estimator).set_params(bounds=(0, 1)).fit(
            F.fillna(0).replace(np.inf, 1), np.linspace(0, 2, 50)
        )
    with pytest.raises(ValueError, match="bias is 'cubic'"):
        GaussianBMA("cubic").fit(rng.normal(size=(50, 2)), rng.normal(size=50))


@pytest.mark.skipif(not SRFT.exists(), reason="the reference data are not here")
def test_the_printed_results_of_uw_technical_report_516r() -> None:
    members = ["CMCG", "ETA", "GASP", "GFS", "JMA", "NGPS", "TCWB", "UKMO"]
    table = pd.read_csv(SRFT, dtype={"date": str}).dropna(subset=[*members, "observation"])
    dates = sorted(table["date"].unique())
    train = table[table["date"].isin([d for d in dates if d <= "2004012900"][-25:])]
    test = table[table["date"] == "2004013100"]
    assert (len(train), len(test)) == (17_879, 712)
    F, y = test[members].to_numpy(), test["observation"].to_numpy()
    bma = GaussianBMA().fit(train[members], train["observation"])
    assert bma.crps(test[members], y).mean() == pytest.approx(1.380062, abs=1e-6)
    assert np.abs(bma.predict_quantile(F, 0.5)[:, 0] - y).mean() == pytest.approx(
        1.869166, abs=1e-5
    )
    assert crps_sample(y, F).mean() == pytest.approx(1.590730, abs=1e-6)
    assert np.abs(np.median(F, axis=1) - y).mean() == pytest.approx(1.929339, abs=1e-6)
