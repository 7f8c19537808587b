"""Intervals whose coverage holds with confidence."""

import numpy as np
import pytest
from scipy.stats import norm

from icemap.verification.calibration import Calibration
from icemap.verification.confidence import Confidence, confident_levels, least_samples
from icemap.verification.conformal import ConformalPIT

pytestmark = pytest.mark.quick
EVEN = (np.arange(200) + 0.5) / 200
NETWORKS = 80


def coverages(n: int, per_block: int, narrow: float, level: float | None) -> np.ndarray:
    """True coverage of the intervals of networks whose forecasts are too narrow by a factor."""
    rng, found = np.random.default_rng(0), []
    blocks = np.repeat(np.arange(n // per_block), per_block)
    shared = 0.3 if per_block > 1 else 0.0
    for _ in range(NETWORKS):
        error = np.sqrt(shared) * rng.normal(size=blocks.max() + 1)[blocks]
        error += np.sqrt(1 - shared) * rng.normal(size=n)
        pit = norm.cdf(narrow * error)
        if level is None:
            levels = ConformalPIT().fit(np.concatenate([pit, EVEN])).levels(0.95)
        else:
            levels = confident_levels(pit, EVEN, Confidence(level, blocks, 0)).levels
        found.append(float(np.diff(norm.cdf(norm.ppf(levels) / narrow))[0]))
    return np.array(found)


@pytest.mark.parametrize("narrow", [1.0, 1.5])
@pytest.mark.parametrize("per_block", [1, 10])
@pytest.mark.parametrize("n", [80, 300])
def test_nine_of_ten_networks_have_the_coverage(n, per_block, narrow):
    sure = coverages(n, per_block, narrow, 0.9)
    mean = coverages(n, per_block, narrow, None)
    # 80 networks: a share of 0.9 is known to 0.07.
    assert (sure >= 0.95).mean() >= 0.83
    assert (mean >= 0.95).mean() < 0.75
    # The price is bounded.
    assert sure.mean() < 0.985


def test_more_confidence_is_never_narrower():
    pit, blocks = np.random.default_rng(1).random(200), np.arange(200) // 8
    widths = [
        np.diff(confident_levels(pit, EVEN, Confidence(level, blocks, 0)).levels)[0]
        for level in (0.5, 0.7, 0.9, 0.99)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_what_so_few_samples_cannot_give_is_told_by_the_confidence_reached():
    n = least_samples(0.9)
    assert 1 - 0.95**n >= 0.9 > 1 - 0.95 ** (n - 1)
    found = confident_levels((np.arange(30) + 0.5) / 30, EVEN, Confidence(0.9, np.arange(30), 0))
    assert 0.5 < found.reached < 0.9
    assert 0 < found.levels[0] < found.levels[1] < 1


def test_blocks_that_are_missed_whole_leave_less_confidence():
    hit = np.full(200, 0.5)
    hit[:10] = 1e-9
    told = [
        confident_levels(hit, np.empty(0), Confidence(0.9, blocks, 0)).reached
        for blocks in (np.arange(200), np.arange(200) // 10)
    ]
    assert told[1] <= told[0]


def test_the_calibration_remembers_how_sure_it_is_and_how_much_wider():
    rng = np.random.default_rng(2)
    pit = rng.random(150)
    plain = Calibration.fit(pit)
    sure = Calibration.fit(pit, 2.0, Confidence(0.9, np.arange(150), 0))
    assert Calibration.from_dict(sure.to_dict()) == sure
    assert (plain.confidence, plain.stretch) == (0.0, 1.0)
    assert sure.confidence >= 0.9
    ratio = np.diff(norm.ppf(sure.levels95)) / np.diff(norm.ppf(plain.levels95))
    assert sure.stretch == pytest.approx(ratio[0])
    assert sure.stretch > 1.05
    assert (sure.scope.nugget, sure.scope.stretch) == (2.0, sure.stretch)
