"""Conformal calibration: order statistics, guarantees, covariate shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.verification.conformal import ConformalPIT


@given(st.integers(1, 400), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]), st.integers(0, 100))
@settings(max_examples=80)
def test_levels_are_the_published_order_statistics(n: int, coverage: float, seed: int) -> None:
    r = np.random.default_rng(seed).random(n)
    ordered, alpha = np.sort(r), round(1 - coverage, 10)
    lower, upper = (
        int(np.floor((n + 1) * alpha / 2 + 1e-9)),
        int(np.ceil((n + 1) * (1 - alpha / 2) - 1e-9)),
    )
    a, b = ConformalPIT().fit(r).levels(coverage)
    assert a == (ordered[lower - 1] if lower >= 1 else 0.0)
    assert b == (ordered[upper - 1] if upper <= n else 1.0)


def test_one_sided_levels_leave_the_other_side_open() -> None:
    r = np.linspace(0.01, 0.99, 99)
    calibration = ConformalPIT().fit(r)
    assert calibration.levels(0.9, "lower") == (pytest.approx(0.10), 1.0)
    assert calibration.levels(0.9, "upper") == (0.0, pytest.approx(0.90))
    assert calibration.levels(0.9) == (pytest.approx(0.05), pytest.approx(0.95))


def test_too_few_rows_give_everything() -> None:
    assert ConformalPIT().fit([0.4, 0.5, 0.6]).levels(0.95) == (0.0, 1.0)


def test_equal_weights_change_nothing_and_zero_weights_leave_rows_out() -> None:
    r = np.random.default_rng(0).random(150)
    plain = ConformalPIT().fit(r).levels(0.9)
    assert ConformalPIT().fit(r, np.full(150, 3.0)).levels(0.9) == plain
    padded = ConformalPIT().fit(np.append(r, np.zeros(50)), np.append(np.ones(150), np.zeros(50)))
    assert padded.levels(0.9, test_weight=1.0) == plain


@pytest.mark.parametrize("side", ["both", "lower", "upper"])
def test_coverage_is_at_least_what_was_asked_for_whatever_the_forecast(side: str) -> None:
    """Exchangeable rows, a forecast that is far too narrow, many repetitions: the mean coverage
    is in [0.9, 0.9 + 2/(n+1)].
    """
    rng, n, hits = np.random.default_rng(0), 60, []
    for _ in range(4000):
        r = rng.beta(0.3, 0.4, n + 1)
        a, b = ConformalPIT().fit(r[:-1]).levels(0.9, side)
        hits.append(a <= r[-1] <= b)
    assert 0.9 - 0.012 < np.mean(hits) < 0.9 + 2 / (n + 1) + 0.012


def test_weights_repair_a_covariate_shift() -> None:
    """Boreholes mostly where errors are small; the map mostly where they are large."""
    rng = np.random.default_rng(1)
    x = rng.random(4000) ** 3
    r = np.clip(0.5 + rng.normal(0, 0.05 + 0.3 * x), 0, 1)
    places = rng.random(20_000)
    truth = np.clip(0.5 + rng.normal(0, 0.05 + 0.3 * places), 0, 1)

    def covered(levels: tuple[float, float]) -> float:
        return float(np.mean((truth >= levels[0]) & (truth <= levels[1])))

    density_of_boreholes = x ** (-2 / 3) / 3
    assert covered(ConformalPIT().fit(r).levels(0.9)) < 0.8
    assert covered(ConformalPIT().fit(r, 1 / density_of_boreholes).levels(0.9)) == pytest.approx(
        0.9, abs=0.02
    )


@pytest.mark.parametrize(
    ("pit", "weights", "message"),
    [
        ([0.1, np.nan], None, "without NaN"),
        ([0.1, 1.2], None, "between 0 and 1"),
        ([], None, "one out-of-fold value per row"),
        ([0.1, 0.2], [1.0], "one weight for each"),
        ([0.1, 0.2], [1.0, -1.0], ">= 0"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(pit: list, weights: list | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConformalPIT().fit(pit, weights)


def test_wrong_questions_are_refused_in_a_sentence() -> None:
    calibration = ConformalPIT().fit([0.1, 0.5])
    with pytest.raises(ValueError, match="coverage is 95"):
        calibration.levels(95)
    with pytest.raises(ValueError, match="side"):
        calibration.levels(0.9, "left")
