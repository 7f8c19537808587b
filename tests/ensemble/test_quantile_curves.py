"""Distributions given by their quantiles, against closed forms."""

import numpy as np
import pytest
from scipy import stats

from icemap.ensemble.quantile_curves import LEVELS, QuantileCurves

pytestmark = pytest.mark.quick
MEAN, SD = np.array([10.0, 40.0, -3.0]), np.array([1.0, 12.0, 0.2])


def normal() -> QuantileCurves:
    inner = np.clip(LEVELS, 1e-7, 1 - 1e-7)
    return QuantileCurves(LEVELS, stats.norm.ppf(inner, MEAN[:, None], SD[:, None]))


@pytest.mark.parametrize("z", [-2.5, -0.3, 0.0, 1.1, 3.0])
def test_a_normal_distribution_is_itself(z):
    y = MEAN + z * SD
    np.testing.assert_allclose(normal().cdf(y), stats.norm.cdf(z), atol=2e-5)
    np.testing.assert_allclose(normal().pdf(y), stats.norm.pdf(z) / SD, rtol=0.04)
    crps = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(normal().crps(y) / SD, crps, atol=5e-4)


def test_beyond_the_ends():
    assert normal().cdf(MEAN + 50 * SD).tolist() == [1, 1, 1]
    assert normal().cdf(MEAN - 50 * SD).tolist() == [0, 0, 0]
    assert (normal().pdf(MEAN - 50 * SD) == 0).all()
    far = normal().crps(MEAN + 50 * SD)
    np.testing.assert_allclose(far / SD, 50 - 1 / np.sqrt(np.pi), atol=1e-3)


def atoms() -> QuantileCurves:
    """30 % at 0, 20 % at 100, even between."""
    one = np.clip((LEVELS - 0.3) / 0.5, 0, 1) * 100
    return QuantileCurves(LEVELS, np.tile(one, (400, 1)))


def test_atoms_keep_their_mass_and_a_pit_within_one_is_drawn():
    left, right = atoms().cdf_interval(0.0)
    np.testing.assert_allclose([left[0], right[0]], [0, 0.3], atol=0.006)
    left, right = atoms().cdf_interval(100.0)
    np.testing.assert_allclose([left[0], right[0]], [0.8, 1], atol=0.006)
    np.testing.assert_allclose(atoms().pdf(0.0)[0], 0.3, atol=0.006)
    np.testing.assert_allclose(atoms().pdf(30.0)[0], 0.005, rtol=0.05)
    drawn = atoms().pit(np.zeros(400), seed=1)
    assert stats.kstest(drawn, stats.uniform(0, 0.3).cdf).pvalue > 1e-3
    np.testing.assert_allclose(atoms().at_values([0.0, 50.0])[7], [0.3, 0.55], atol=0.006)


def test_the_crps_is_the_integral_of_its_definition():
    curves, grid = atoms(), np.linspace(0, 100, 20_001)
    G = 0.3 + 0.5 * grid / 100
    for y in (0.0, 22.0, 100.0):
        exact = np.trapezoid((G - (grid >= y)) ** 2, grid)
        assert curves.crps(y)[0] == pytest.approx(exact, abs=0.02)
