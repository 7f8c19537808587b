"""Statistical proofs of COP-BMA: calibration of data simulated from the model, and why the fit must
be out of fold.
"""

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from icemap import Copula, CopulaBMA
from icemap.ensemble.pooled import PooledMixture
from icemap.verification.conformal import ConformalPIT

pytestmark = pytest.mark.slow

N = 1178


def from_the_model(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Members with beta margins; the target drawn from the mixture of their conditional
    distributions.
    """
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    v = stats.norm.cdf(0.8 * shared[:, None] + 0.6 * rng.normal(size=(n, 3)))
    F = np.column_stack(
        [
            stats.beta(2, 3, scale=100).ppf(v[:, 0]),
            stats.beta(3, 4, scale=100).ppf(v[:, 1]),
            stats.norm(40, 12).ppf(v[:, 2]),
        ]
    )
    truth = CopulaBMA.from_parts(
        stats.beta(1.5, 2.5, scale=100),
        [stats.uniform()] * 3,
        [Copula("gumbel", [2.2]), Copula("gaussian", [0.75]), Copula("clayton", [2.0])],
        [0.5, 0.3, 0.2],
        bounds=(0, 100),
    )
    return F, truth.sample(v, 1, seed)[:, 0]


def test_the_plain_pool_is_too_wide_and_calibration_mends_it() -> None:
    """Six fits of 1,178 rows, each judged on 4,000 new rows.

    Copulas that are fitted member by member make a pool wider than the truth, which is why what is
    mapped is calibrated by PITs of rows left out.
    """
    coverage, calibrated, pits = [], [], []
    for seed in range(6):
        F, y = from_the_model(N, seed)
        F_new, y_new = from_the_model(4000, 100 + seed)
        bma = CopulaBMA().fit(F, y)
        low, high = bma.interval(F_new).T
        coverage.append(np.mean((y_new >= low) & (y_new <= high)))
        levels = ConformalPIT().fit(bma.pit(F, y)).levels(0.95)
        low, high = bma.predict_quantile(F_new, levels).T
        calibrated.append(np.mean((y_new >= low) & (y_new <= high)))
        pits.append(bma.pit(F_new, y_new))
    assert 0.96 < np.mean(coverage) < 0.985
    assert 12 * np.concatenate(pits).var() < 0.95
    assert np.mean(calibrated) == pytest.approx(0.95, abs=0.012)


def test_conformal_levels_hold_their_coverage_on_new_data() -> None:
    F, y = from_the_model(N, 7)
    F_new, y_new = from_the_model(6000, 107)
    wrong = CopulaBMA(prior_strength=np.inf, prior_weights=(0.0, 0.0, 1.0)).fit(F, y)
    folds, pit = np.arange(N) % 10, np.empty(N)
    for k in range(10):
        pit[folds == k] = (
            CopulaBMA(prior_strength=np.inf, prior_weights=(0.0, 0.0, 1.0))
            .fit(F[folds != k], y[folds != k])
            .pit(F[folds == k], y[folds == k])
        )
    low, high = wrong.predict_quantile(F_new, ConformalPIT().fit(pit).levels(0.95)).T
    assert np.mean((y_new >= low) & (y_new <= high)) == pytest.approx(0.95, abs=0.015)


def test_members_that_know_are_much_better_than_climatology() -> None:
    F, y = from_the_model(N, 3)
    F_new, y_new = from_the_model(4000, 103)
    score = CopulaBMA().fit(F, y).crps(F_new, y_new).mean()
    climatology = CopulaBMA(prior_strength=np.inf).fit(np.random.default_rng(0).random((N, 2)), y)
    assert score < 0.8 * climatology.crps(np.full((4000, 2), 0.5), y_new).mean()


def clustered_field(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth field plus noise, seen at 1,178 sites in clusters."""
    rng = np.random.default_rng(seed)
    centres = rng.random((60, 2))
    sites = np.clip(centres[rng.integers(60, size=N)] + rng.normal(0, 0.02, (N, 2)), 0, 1)
    frequencies, phases = rng.normal(0, 6, (40, 2)), rng.uniform(0, 2 * np.pi, 40)
    smooth = np.cos(sites @ frequencies.T + phases).sum(axis=1) / np.sqrt(20)
    return sites, 100 * stats.norm.cdf(0.9 * smooth + 0.35 * rng.normal(size=N))


def test_out_of_fold_fitting_covers_and_in_sample_fitting_does_not() -> None:
    members = [
        RandomForestRegressor(60, random_state=0, n_jobs=1),
        KNeighborsRegressor(3, weights="distance"),
        GaussianProcessRegressor(alpha=0.05, kernel=None, normalize_y=True, optimizer=None),
    ]
    coverage = {"out of fold": [], "in sample": []}
    for seed in range(3):
        sites, y = clustered_field(seed)
        test = np.random.default_rng(seed).random(N) < 0.25
        train_x, train_y = sites[~test], y[~test]
        out_of_fold = np.column_stack(
            [
                cross_val_predict(m, train_x, train_y, cv=KFold(10, shuffle=True, random_state=0))
                for m in members
            ]
        )
        fitted = [m.fit(train_x, train_y) for m in members]
        in_sample = np.column_stack([m.predict(train_x) for m in fitted])
        new = np.column_stack([m.predict(sites[test]) for m in fitted])
        for name, table in (("out of fold", out_of_fold), ("in sample", in_sample)):
            low, high = CopulaBMA().fit(table, train_y).interval(new).T
            coverage[name].append(np.mean((y[test] >= low) & (y[test] <= high)))
    assert np.mean(coverage["out of fold"]) == pytest.approx(0.95, abs=0.025)
    assert np.mean(coverage["in sample"]) < 0.85


def test_tables_of_many_replicates_agree_with_exact_inversion_of_the_whole_mixture() -> None:
    F, y = from_the_model(N, 11)
    rng = np.random.default_rng(0)
    bmas = []
    for _ in range(12):
        rows = rng.choice(N, 1060, replace=False)
        bmas.append(CopulaBMA(prior_strength=100.0).fit(F[rows], y[rows]))
    pixels = F[rng.integers(N, size=300)] + rng.normal(0, 3, (12, 300, 3))
    mixture = PooledMixture(bmas)
    means, quantiles, _ = mixture.summary(pixels, [0.025, 0.975])
    np.testing.assert_allclose(means, [b.predict(f) for b, f in zip(bmas, pixels)], atol=0.02)
    for column, level in enumerate([0.025, 0.975]):
        below = mixture.cdf(pixels, np.maximum(quantiles[:, column] - 0.02, 0.0))
        above = mixture.cdf(pixels, np.minimum(quantiles[:, column] + 0.02, 100.0))
        assert np.all(below <= level + 1e-12)
        assert np.all(above >= level - 1e-12)
