"""The pooled mixture from tables against exact inversion."""

import numpy as np
import pytest
from scipy import optimize

from icemap import CopulaBMA
from icemap.ensemble.gaussian_process import ProcessSamples, condition, find_kernel
from icemap.ensemble.pool_parts import Partners, PoolParts, Shares
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.quantile_forest import grow_quantile_forest

LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])


def simulated(
    bounds: tuple[float, float] | None, noise: float, n: int = 300, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    unit = rng.beta(1.2, 2.0, n)
    low, high = bounds or (-20.0, 5.0)
    y = low + (high - low) * unit
    return (
        y[:, None] + (high - low) * rng.normal(0, noise * np.array([1.0, 1.2, 1.5, 2.0]), (n, 4)),
        y,
    )


def replicates(F: np.ndarray, y: np.ndarray, count: int, **parameters: object) -> list[CopulaBMA]:
    rng = np.random.default_rng(1)
    rows = [rng.choice(len(y), int(0.9 * len(y)), replace=False) for _ in range(count)]
    return [CopulaBMA(prior_strength=100.0, **parameters).fit(F[r], y[r]) for r in rows]


@pytest.mark.parametrize(
    ("bounds", "noise"),
    [((0.0, 100.0), 0.03), ((0.0, 100.0), 0.2), ((0.0, 300.0), 0.1), (None, 0.1)],
)
def test_tables_agree_with_exact_inversion(
    bounds: tuple[float, float] | None, noise: float
) -> None:
    F, y = simulated(bounds, noise)
    bma = CopulaBMA(bounds=bounds, prior_strength=100.0).fit(F, y)
    mixture = PooledMixture([bma])
    rng = np.random.default_rng(2)
    coherent = F[rng.integers(len(F), size=400)] + rng.normal(0, 0.01 * np.ptp(y), (400, 4))
    incoherent = rng.uniform(F.min() - 1, F.max() + 1, (400, 4))
    for pixels in (coherent, incoherent):
        means, quantiles, _ = mixture.summary(pixels[None], LEVELS)
        scale = np.ptp(y) if bounds is None else bounds[1] - bounds[0]
        assert np.abs(means[0] - bma.predict(pixels)).max() < 2e-4 * scale
        assert np.abs(quantiles - bma.predict_quantile(pixels, LEVELS)).max() < 3e-4 * scale


def test_the_mixture_is_the_equal_one_over_replicates() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    bmas = replicates(F, y, 3)
    mixture = PooledMixture(bmas)
    pixels = np.stack([F[:40] + shift for shift in (-2.0, 0.0, 3.0)])
    np.testing.assert_allclose(
        mixture.replicate_means(pixels), [b.predict(f) for b, f in zip(bmas, pixels)], atol=0.02
    )
    quantiles = mixture.quantile(pixels, LEVELS)
    for row in (0, 17, 39):
        for column, level in enumerate(LEVELS):

            def gap(x: float, row: int = row, level: float = level) -> float:
                exact = [b.cdf(f[[row]], x)[0] for b, f in zip(bmas, pixels, strict=True)]
                return float(np.mean(exact) - level)

            assert quantiles[row, column] == pytest.approx(optimize.brentq(gap, 0, 100), abs=0.02)
    grid = np.linspace(0, 100, 4001)
    every = [
        b.cdf(np.repeat(f[[5]], len(grid), axis=0), grid) for b, f in zip(bmas, pixels, strict=True)
    ]
    assert float(mixture.curves(pixels[:, [5]]).crps(y[[5]])[0]) == pytest.approx(
        np.trapezoid((np.mean(every, axis=0) - (grid >= y[5])) ** 2, grid), abs=0.01
    )


def test_float32_members_and_any_block_size_give_the_same() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    mixture = PooledMixture(replicates(F, y, 2))
    pixels = np.stack([F, F])
    means, quantiles, _ = mixture.summary(pixels.astype(np.float32), LEVELS)
    full, full_quantiles, _ = mixture.summary(pixels, LEVELS)
    np.testing.assert_allclose(means, full, atol=1e-3)
    np.testing.assert_allclose(quantiles, full_quantiles, atol=1e-3)
    parts = [mixture.summary(pixels[:, start : start + 37], LEVELS) for start in range(0, 300, 37)]
    np.testing.assert_array_equal(np.concatenate([p[0] for p in parts], axis=1), full)
    np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), full_quantiles)


def test_atoms_come_through_the_tables() -> None:
    rng = np.random.default_rng(3)
    latent = rng.normal(30, 40, 500)
    y, F = np.clip(latent, 0, 100), latent[:, None] + rng.normal(0, 20, (500, 2))
    bma = CopulaBMA(prior_strength=100.0).fit(F, y)
    means, quantiles, _ = PooledMixture([bma]).summary(F[None], [0.025, 0.5])
    exact = bma.predict_quantile(F, [0.025, 0.5])
    assert np.any(exact[:, 0] == 0)
    assert np.abs(means[0] - bma.predict(F)).max() < 0.02
    assert np.abs(quantiles - exact).max() < 0.025


def test_nothing_leaves_the_bounds_and_quantiles_rise() -> None:
    F, y = simulated((0.0, 100.0), 0.2)
    mixture = PooledMixture(replicates(F, y, 2))
    wild = np.random.default_rng(0).uniform(-300, 400, (2, 500, 4))
    quantiles = mixture.quantile(wild, [0.0, 0.001, 0.5, 0.999, 1.0])
    assert quantiles.min() >= 0
    assert quantiles.max() <= 100
    assert np.diff(quantiles, axis=1).min() >= 0


def test_bad_input_is_refused_in_a_sentence() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    mixture = PooledMixture(replicates(F, y, 2))
    with pytest.raises(ValueError, match=r"\(2, n, 4\)"):
        mixture.quantile(F[None], [0.5])
    bad = np.stack([F, F])
    bad[1, 3, 2] = np.nan
    with pytest.raises(ValueError, match="valid pixels"):
        mixture.replicate_means(bad)
    with pytest.raises(ValueError, match="at least one"):
        PooledMixture([])
    with pytest.raises(ValueError, match="same"):
        PooledMixture([CopulaBMA().fit(F, y), CopulaBMA().fit(F[:, :2], y)])


def partners_of(y: np.ndarray, F: np.ndarray, rows: slice) -> Partners:
    """A forest and a process of everything, at some of the rows."""
    codes = np.clip(F + 20, 0, 150).astype(np.uint8)
    forest = grow_quantile_forest(codes, y, np.ones(len(y)), (0.0, 100.0), seed=0)[0]
    samples = ProcessSamples.of(F / 30, None, y, None, (0.0, 100.0))
    process = condition(samples, find_kernel(samples, np.ones(F.shape[1]), 0))
    parts = PoolParts(forest, process, Shares(0.5, 0.2, 0.3))
    return parts.at(np.ascontiguousarray(codes[rows].T), F[rows] / 30, None)


def test_the_pool_is_the_weighted_mean_of_the_quantiles_of_its_parts() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    mixture = PooledMixture(replicates(F, y, 3))
    pixels = np.stack([F[:40] + shift for shift in (-2.0, 0.0, 3.0)])
    partners = partners_of(y, F, slice(60, 100))
    own, pooled = mixture.quantile(pixels, LEVELS), mixture.quantile(pixels, LEVELS, partners)
    expected = 0.5 * own + 0.2 * partners.leaves.quantiles(LEVELS)
    np.testing.assert_allclose(pooled, expected + 0.3 * partners.kriged.quantiles(LEVELS))
    # No wider than its parts are: a mixture of their distributions would be.
    width = pooled[:, -1] - pooled[:, 0]
    parts = [own, partners.leaves.quantiles(LEVELS), partners.kriged.quantiles(LEVELS)]
    widths = [part[:, -1] - part[:, 0] for part in parts]
    assert (width <= np.max(widths, axis=0) + 1e-9).all()
    means, alone = mixture.replicate_means(pixels, partners), mixture.replicate_means(pixels)
    others = 0.2 * partners.leaves.mean + 0.3 * partners.kriged.target_mean()
    np.testing.assert_allclose(means.mean(axis=0), 0.5 * alone.mean(axis=0) + others, atol=0.02)
    np.testing.assert_allclose(means - means.mean(axis=0), alone - alone.mean(axis=0), atol=0.02)
    some = partners.rows(slice(3, 9))
    np.testing.assert_array_equal(mixture.quantile(pixels[:, 3:9], LEVELS, some), pooled[3:9])


def test_the_curves_of_the_pool_are_its_distribution() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    bmas = replicates(F, y, 3)
    mixture, pixels = PooledMixture(bmas), np.stack([F[:40] - 1, F[:40], F[:40] + 2])
    exact = np.mean([b.cdf(f, y[:40]) for b, f in zip(bmas, pixels, strict=True)], axis=0)
    np.testing.assert_allclose(mixture.curves(pixels).cdf(y[:40]), exact, atol=2e-3)
    partners = partners_of(y, F, slice(60, 100))
    curves = mixture.curves(pixels, partners)
    quantiles = mixture.quantile(pixels, LEVELS, partners)
    for level, quantile in zip(LEVELS, quantiles.T, strict=True):
        np.testing.assert_allclose(curves.cdf(quantile), level, atol=1e-3)


def test_parts_that_speak_of_other_places_are_refused() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    mixture = PooledMixture(replicates(F, y, 2))
    with pytest.raises(ValueError, match="speak of 40 places, F of 300"):
        mixture.quantile(np.stack([F, F]), [0.5], partners_of(y, F, slice(60, 100)))
