"""The beta transform of the pool: maximum likelihood, and when it is not kept."""

import numpy as np
import pytest
from scipy import special, stats

from icemap import Copula
from icemap.ensemble.fitting import earned_pool, fit_beta_pool
from icemap.ensemble.nodes import Nodes

UNIFORM = stats.uniform(0, 100)


def crps_with(pool: tuple[float, float], copula: Copula, u: np.ndarray, v: np.ndarray) -> float:
    nodes = Nodes.of(UNIFORM.ppf, 193, 6.0)
    G = special.betainc(*pool, copula.h(nodes.u[None, :], v[:, None]))
    return float(nodes.crps(G, 100 * u).mean())


def pool_of(copula: Copula, u: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    return earned_pool(UNIFORM, [copula], np.ones(1), u, v[:, None], 100 * u, np.ones(len(u)))


def test_the_transform_is_the_beta_distribution_of_the_pits() -> None:
    pit = np.random.default_rng(0).beta(2.0, 1.4, 20_000)
    assert fit_beta_pool(pit, np.ones(20_000)) == pytest.approx(stats.beta.fit(pit, floc=0, fscale=1)[:2], rel=0.01)
    a, b = fit_beta_pool(pit, np.ones(20_000), symmetric=True)
    assert a == pytest.approx(b, rel=1e-6)
    both = np.concatenate([pit, 1 - pit])
    assert a == pytest.approx(fit_beta_pool(both, np.ones(40_000))[0], rel=0.01)


def test_few_rows_hold_the_transform_near_none() -> None:
    pit = np.full(5, 0.5) + np.linspace(-0.05, 0.05, 5)
    few, many = fit_beta_pool(pit, np.ones(5))[0], fit_beta_pool(np.tile(pit, 100), np.ones(500))[0]
    assert 1.0 < few < many


def test_a_transform_that_sharpens_is_kept_as_it_is() -> None:
    rng = np.random.default_rng(1)
    v = rng.random(600)
    u = Copula("gaussian", [0.9]).h_inverse(rng.random(600), v)
    wide = Copula("gaussian", [0.7])
    pool = pool_of(wide, u, v)
    assert pool == fit_beta_pool(wide.h(u, v), np.ones(600))
    assert min(pool) > 1.2
    assert crps_with(pool, wide, u, v) < crps_with((1.0, 1.0), wide, u, v)


def test_a_lopsided_transform_that_costs_accuracy_is_not_kept() -> None:
    """One row in fifteen is low where the member says middling: the likelihood would shift every place for their sake."""
    rng = np.random.default_rng(2)
    v = rng.random(800)
    copula = Copula("gaussian", [0.98])
    u = copula.h_inverse(rng.random(800), v)
    missed = rng.random(800) < 1 / 15
    u[missed] = 0.08 * rng.random(int(missed.sum()))
    likeliest = fit_beta_pool(copula.h(u, v), np.ones(800))
    assert likeliest[0] < 0.95 * likeliest[1] < 0.95
    assert crps_with(likeliest, copula, u, v) > crps_with((1.0, 1.0), copula, u, v)
    assert pool_of(copula, u, v) == (1.0, 1.0)
