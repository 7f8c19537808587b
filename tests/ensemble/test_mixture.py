"""The mixture on common curves against each replicate's own COP-BMA and the exact mixture."""

import numpy as np
import pytest

from icemap import CopulaBMA
from icemap.ensemble.mixture import compile_mixture, mix, quantiles


@pytest.fixture(scope="module")
def bmas():
    rng = np.random.default_rng(0)
    y = np.concatenate([100 * rng.beta(2, 3, 390), np.zeros(10)])
    F = np.clip(y[:, None] + rng.normal(0, [8, 12, 15], (400, 3)), 0, 100)
    F[:, 1] = np.round(F[:, 1])  # ties
    rows = [rng.choice(400, 360, replace=False) for _ in range(6)]
    return [CopulaBMA(prior_strength=20).fit(F[r], y[r]) for r in rows]


@pytest.fixture(scope="module")
def mixed(bmas):
    """F (replicates, n, members), levels (4,), and means, quantiles, outside."""
    rng = np.random.default_rng(1)
    F = np.clip(
        rng.uniform(0, 100, 300)[None, :, None] + rng.normal(0, 5, (6, 300, 3)), 0, 100
    ).astype(np.float32)
    levels = np.array([0.025, 0.1, 0.9, 0.975])
    tables = compile_mixture(bmas)
    result = mix(np.ascontiguousarray(F.transpose(2, 0, 1)), tables)
    return F.astype(float), levels, result.means, quantiles(result, tables, levels), result.outside


def test_replicate_means_are_exact(bmas, mixed):
    F, _, means, _, _ = mixed
    np.testing.assert_allclose(means, [bma.predict(f) for bma, f in zip(bmas, F)], atol=2e-3)


def test_quantiles_are_those_of_the_exact_mixture(bmas, mixed):
    F, levels, _, quantiles, _ = mixed
    for column in range(len(levels)):
        for step in (-0.02, 0.02):
            G = np.mean(
                [
                    bma.cdf(f, np.clip(quantiles[:, column] + step, 0, 100))
                    for bma, f in zip(bmas, F)
                ],
                axis=0,
            )
            inside = (quantiles[:, column] + step > 0) & (quantiles[:, column] + step < 100)
            assert (np.sign(step) * (G - levels[column]) >= 0)[inside].all()


def test_pixels_outside_the_out_of_fold_range_are_counted(bmas, mixed):
    F, *_, outside = mixed
    assert outside.max() > 0
    assert np.array_equal(outside, np.sum([bma.extrapolated(f) for bma, f in zip(bmas, F)], axis=0))
