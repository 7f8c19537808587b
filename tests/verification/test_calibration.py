"""The spread of the predictive distribution at places more and less like the training sites."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from icemap.verification.calibration import Calibration, LocalSpread

pytestmark = pytest.mark.quick


def pits(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """PITs of a forecast that is too wide near the sites and too narrow far from them."""
    rng = np.random.default_rng(seed)
    d = rng.lognormal(-1, 0.6, n)
    a = np.exp(-0.3 - 0.5 * (np.log(d) + 1))
    return rng.beta(a, a), d


def test_a_known_spread_is_found_and_makes_the_pits_uniform():
    pit, d = pits()
    spread = LocalSpread.fit(pit, d)
    assert spread.intercept == pytest.approx(-0.3, abs=0.07)
    assert spread.slope == pytest.approx(-0.5, abs=0.1)
    new_pit, new_d = pits(seed=1)
    transformed = spread.transform(new_pit, new_d)
    for far in (False, True):
        part = transformed[(new_d > 0.37) == far]
        assert 12 * part.var() == pytest.approx(1, abs=0.07)


def test_calibrated_levels_cover_near_and_far_where_one_pair_of_levels_does_not():
    calibration = Calibration.fit(*pits())
    pit, d = pits(seed=2)
    low, high = calibration.levels(d).T
    inside, plain = (low <= pit) & (pit <= high), (pit >= 0.025) & (pit <= 0.975)
    near, far = d < np.quantile(d, 0.2), d > np.quantile(d, 0.8)
    assert plain[far].mean() < 0.85 < 0.96 < plain[near].mean()
    assert inside[near].mean() == pytest.approx(0.95, abs=0.025)
    assert inside[far].mean() == pytest.approx(0.95, abs=0.025)


def test_few_calibrated_rows_change_little():
    rng = np.random.default_rng(3)
    spread = LocalSpread.fit(rng.random(60), rng.lognormal(0, 0.5, 60))
    assert abs(spread.intercept) < 0.3
    assert abs(spread.slope) < 0.5


def test_what_may_be_chance_is_hardly_believed_and_what_many_blocks_say_is():
    pit, d = pits(n=1200)
    apart, even = np.arange(1200) // 10, np.random.default_rng(5).random(1200)
    spread = LocalSpread.fit(pit, d)
    assert spread.believed(pit, d, apart) > 0.95
    by_chance = [
        LocalSpread.fit(e, d).believed(e, d, apart)
        for e in np.random.default_rng(5).random((60, 1200))
    ]
    assert np.mean(by_chance) < 0.45
    assert np.mean(np.equal(by_chance, 0)) > 0.25
    # Ten copies of each row in one block tell no more than the row does.
    few, of_few = even[:120], d[:120]
    alone = spread.believed(few, of_few, np.arange(120))
    copies = spread.believed(np.repeat(few, 10), np.repeat(of_few, 10), np.repeat(range(120), 10))
    assert copies == pytest.approx(alone)
    assert spread.believed(pit, d, np.zeros(1200)) == 0


def test_a_calibration_makes_as_much_of_what_it_found_as_is_believed():
    rng = np.random.default_rng(11)
    blocks = np.arange(300) // 15
    # Errors of a block are alike, so that few of them look like a spread that is too narrow.
    pit = special.ndtr(np.sqrt(0.7) * rng.normal(size=20)[blocks] + 0.7 * rng.normal(size=300))
    d = rng.uniform(0.1, 1, 300)
    fitted, share = LocalSpread.fit(pit, d), LocalSpread.fit(pit, d).believed(pit, d, blocks)
    assert 0 < share < 0.9
    spread = Calibration.fit(pit, d, blocks=blocks).spread
    assert (spread.intercept, spread.slope) == (share * fitted.intercept, share * fitted.slope)
    alone = Calibration.fit(pit, d)
    assert abs(alone.spread.intercept) > abs(spread.intercept)
    one = Calibration.fit(pit, d, blocks=np.zeros(300))
    np.testing.assert_allclose(one.levels([0.3]), [[0.025, 0.975]], atol=1e-9)


def test_places_beyond_the_fitted_dissimilarities_have_the_spread_of_the_ends():
    spread = LocalSpread.fit(*pits())
    assert spread.shape(1e9) == spread.shape(np.exp(spread.highest))
    assert spread.shape(0.0) == spread.shape(np.exp(spread.lowest))


@given(st.floats(0.01, 10), st.floats(0.0, 1.0))
def test_the_transform_keeps_the_order_and_the_median(d, pit):
    spread = LocalSpread(-0.4, -0.3, -3.0, -1.0, 1.0)
    assert 0 <= spread.transform(pit, d) <= 1
    assert (spread.transform(pit, d) <= spread.transform(0.5, d)) == (
        pit <= 0.5
    ) or pit == pytest.approx(0.5)
    assert spread.transform(0.5, d) == pytest.approx(0.5)


def test_levels_are_the_inverse_of_the_transform():
    calibration = Calibration.fit(*pits())
    d = np.array([0.05, 0.3, 1.0, 3.0])
    levels = calibration.levels(d)
    np.testing.assert_allclose(
        calibration.spread.transform(levels[:, 0], d), calibration.levels95[0], atol=2e-4
    )
    np.testing.assert_allclose(
        calibration.spread.transform(levels[:, 1], d), calibration.levels95[1], atol=2e-4
    )


def test_equal_dissimilarities_are_no_obstacle():
    calibration = Calibration.fit(np.linspace(0.01, 0.99, 99), np.full(99, 0.5))
    assert np.isfinite(calibration.levels([0.1, 0.5, 2.0])).all()


def test_it_survives_json():
    calibration = Calibration.fit(*pits())
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
