"""The pooled mixture from tables against exact inversion."""

import numpy as np
import pytest
from scipy import optimize

from icemap import CopulaBMA
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.quantile_forest import Leaves, grow_quantile_forest

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
        mixture.cdf(pixels, y[:40]),
        np.mean([b.cdf(f, y[:40]) for b, f in zip(bmas, pixels)], axis=0),
        atol=1e-14,
    )
    np.testing.assert_allclose(
        mixture.replicate_means(pixels), [b.predict(f) for b, f in zip(bmas, pixels)], atol=0.02
    )
    quantiles = mixture.quantile(pixels, LEVELS)
    for row in (0, 17, 39):
        for column, level in enumerate(LEVELS):

            def gap(x: float, row: int = row, level: float = level) -> float:
                return float(mixture.cdf(pixels[:, [row]], x)[0] - level)

            assert quantiles[row, column] == pytest.approx(optimize.brentq(gap, 0, 100), abs=0.02)
    grid = np.linspace(0, 100, 20_001)
    G = mixture.cdf(np.repeat(pixels[:, [5]], len(grid), axis=1), grid)
    assert float(mixture.crps(pixels[:, [5]], y[[5]])[0]) == pytest.approx(
        np.trapezoid((G - (grid >= y[5])) ** 2, grid), abs=0.01
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


def test_a_forest_has_half_of_the_pool() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    codes = np.clip(F + 20, 0, 150).astype(np.uint8)
    forest = grow_quantile_forest(codes, y, np.ones(len(y)), (0.0, 100.0), seed=0)[0]
    bmas = replicates(F, y, 3)
    alone, mixture = PooledMixture(bmas), PooledMixture(bmas, forest)
    pixels, leaves, target = (
        np.stack([F[:40] + shift for shift in (-2.0, 0.0, 3.0)]),
        forest.at(codes[60:100]),
        y[:40],
    )
    cdf = mixture.cdf(pixels, target, leaves)
    np.testing.assert_allclose(
        cdf, 0.5 * alone.cdf(pixels, target) + 0.5 * leaves.cdf_interval(target)[1], atol=1e-12
    )
    np.testing.assert_allclose(mixture.pit(pixels, target, leaves), cdf, atol=1e-12)
    np.testing.assert_allclose(
        mixture.pdf(pixels, target, leaves),
        0.5 * alone.pdf(pixels, target) + 0.5 * leaves.pdf(target),
        atol=1e-12,
    )
    x = np.array([5.0, 30.0, 70.0])
    np.testing.assert_allclose(
        mixture.distribution(pixels, x, leaves),
        np.stack([mixture.cdf(pixels, value, leaves) for value in x], axis=-1),
        atol=1e-12,
    )
    means, own = mixture.replicate_means(pixels, leaves), alone.replicate_means(pixels)
    np.testing.assert_allclose(
        means.mean(axis=0), 0.5 * own.mean(axis=0) + 0.5 * leaves.mean, atol=0.02
    )
    np.testing.assert_allclose(means - means.mean(axis=0), own - own.mean(axis=0), atol=0.02)
    quantiles = mixture.quantile(pixels, LEVELS, leaves)
    grid = np.linspace(0, 100, 20_001)
    for row in (0, 17, 39):
        here = Leaves(
            np.repeat(leaves.cdf[[row]], len(grid), 0),
            np.repeat(leaves.mean[[row]], len(grid)),
            leaves.x,
        )
        G = mixture.cdf(np.repeat(pixels[:, [row]], len(grid), axis=1), grid, here)
        np.testing.assert_allclose(quantiles[row], np.interp(LEVELS, G, grid), atol=0.03)
        score = mixture.crps(pixels[:, [row]], target[[row]], leaves.rows(slice(row, row + 1)))[0]
        assert score == pytest.approx(
            np.trapezoid((G - (grid >= target[row])) ** 2, grid), abs=0.01
        )


def test_atoms_of_a_forest_come_through_the_tables() -> None:
    rng = np.random.default_rng(3)
    latent = rng.normal(30, 40, 500)
    y, F = np.clip(latent, 0, 100), latent[:, None] + rng.normal(0, 20, (500, 2))
    codes = np.clip(F + 100, 0, 255).astype(np.uint8)
    forest, bma = (
        grow_quantile_forest(codes, y, np.ones(500), (0.0, 100.0), seed=0)[0],
        CopulaBMA().fit(F, y),
    )
    mixture, leaves = PooledMixture([bma], forest), forest.at(codes)
    quantiles = mixture.quantile(F[None], [0.05, 0.95], leaves)
    at_zero, at_hundred = quantiles[:, 0] == 0, quantiles[:, 1] == 100
    assert at_zero.any()
    assert at_hundred.any()
    assert (mixture.cdf(F[None], 0.0, leaves)[at_zero] >= 0.05 - 1e-4).all()
    assert (mixture.cdf(F[None], 100.0 - 1e-9, leaves)[at_hundred] <= 0.95 + 1e-4).all()
    pit = mixture.pit(F[None], y, leaves)
    assert (
        np.abs(pit[y == 0]).max() > 0.05
    )  # drawn within the atom, not piled up at one of its ends
    assert len(np.unique(pit[y == 0].round(6))) > 0.9 * (y == 0).sum()


def test_leaves_belong_to_a_pool_with_a_forest() -> None:
    F, y = simulated((0.0, 100.0), 0.1)
    codes = np.clip(F + 20, 0, 150).astype(np.uint8)
    forest, bmas = (
        grow_quantile_forest(codes, y, np.ones(len(y)), (0.0, 100.0), seed=0)[0],
        replicates(F, y, 2),
    )
    with pytest.raises(ValueError, match="needs the forest's leaves"):
        PooledMixture(bmas, forest).quantile(np.stack([F, F]), [0.5])
    with pytest.raises(ValueError, match="one without takes none"):
        PooledMixture(bmas).quantile(np.stack([F, F]), [0.5], forest.at(codes))
