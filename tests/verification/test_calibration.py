"""Levels of the interval by the PITs of left-out samples, and how much of them is believed."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from icemap.errors import IcemapError
from icemap.verification.calibration import NOT_CALIBRATED, Calibration, believed

pytestmark = pytest.mark.quick


def too_narrow(n: int, by: float, seed: int = 0) -> np.ndarray:
    """PITs of a normal forecast whose standard deviation is too small by a factor."""
    return special.ndtr(by * np.random.default_rng(seed).normal(size=n))


def test_an_interval_that_is_too_narrow_or_too_wide_is_put_right():
    for by in (1.5, 0.7):
        low, high = Calibration.fit(too_narrow(4000, by)).levels95
        new = too_narrow(20_000, by, seed=1)
        assert np.mean((low <= new) & (new <= high)) == pytest.approx(0.95, abs=0.01)
        assert abs(np.mean((new >= 0.025) & (new <= 0.975)) - 0.95) > 0.03


def test_each_end_has_its_own_level():
    pit = special.ndtr(np.random.default_rng(2).standard_t(3, 4000))
    # Above the median the forecast is right, below it is too narrow.
    pit = np.where(pit < 0.5, pit, np.random.default_rng(3).uniform(0.5, 1, 4000))
    low, high = Calibration.fit(pit).levels95
    assert low < 0.01
    assert high == pytest.approx(0.975, abs=0.005)


def test_few_calibrated_rows_change_little():
    for seed in range(20):
        levels = Calibration.fit(np.random.default_rng(seed).random(60)).levels95
        assert np.abs(special.ndtri(levels) - special.ndtri([0.025, 0.975])).max() < 0.5


def test_what_may_be_chance_is_hardly_believed_and_what_many_blocks_say_is():
    apart, narrow = np.arange(1200) // 10, too_narrow(1200, 1.5)
    assert believed(narrow, apart) > 0.95
    by_chance = [believed(e, apart) for e in np.random.default_rng(5).random((200, 1200))]
    assert np.mean(by_chance) < 0.25
    assert np.mean(np.equal(by_chance, 0)) > 0.5
    # Ten copies of each row in one block tell no more than the row does.
    few = narrow[:120]
    copies = believed(np.repeat(few, 10), np.repeat(np.arange(120), 10))
    assert copies == pytest.approx(believed(few, np.arange(120)))
    assert believed(narrow, np.zeros(1200)) == 0


def test_a_calibration_makes_as_much_of_what_it_found_as_is_believed():
    rng = np.random.default_rng(11)
    blocks = np.arange(300) // 15
    # Errors of a block are alike, so that few of them look like a spread that is too narrow.
    pit = special.ndtr(1.3 * (np.sqrt(0.7) * rng.normal(size=20)[blocks] + rng.normal(size=300)))
    share = believed(pit, blocks)
    assert 0 < share < believed(pit, np.arange(300))
    none, (low, high) = (
        special.ndtri([0.025, 0.975]),
        special.ndtri(Calibration.fit(pit, blocks=blocks).levels95),
    )
    alone = special.ndtri(Calibration.fit(pit).levels95)
    found = none + (alone - none) / believed(pit, np.arange(300))
    np.testing.assert_allclose([low, high], none + share * (found - none), atol=1e-9)
    one = Calibration.fit(pit, blocks=np.zeros(300))
    np.testing.assert_allclose(one.levels95, NOT_CALIBRATED.levels95, atol=1e-9)


@given(st.lists(st.floats(0.001, 0.999), min_size=2, max_size=9, unique=True))
def test_levels_keep_the_order_and_the_median_and_meet_the_interval(probabilities):
    calibration = Calibration((0.01, 0.96))
    at = np.sort(probabilities)
    levels = calibration.levels(at)
    assert (np.diff(levels) >= 0).all()
    np.testing.assert_array_equal(levels < 0.5, at < 0.5)
    np.testing.assert_allclose(calibration.levels([0.025, 0.5, 0.975]), [0.01, 0.5, 0.96])


def test_it_survives_json():
    calibration = Calibration.fit(too_narrow(200, 1.2), nugget=2.0)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_a_calibration_of_an_earlier_version_is_not_taken_for_one_of_today():
    spread = {"intercept": 0.1, "slope": 0.0, "lowest": -1.0, "middle": 0.0, "highest": 1.0}
    with pytest.raises(IcemapError, match="again with 'icemap verify'"):
        Calibration.from_dict({"spread": spread, "levels95": [0.03, 0.97]})
