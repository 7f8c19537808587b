from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from icemap.verification.measured import measured_forecast
from icemap.verification.scores import crps_normal

pytestmark = pytest.mark.quick
RNG = np.random.default_rng(0)
N = 400
MEAN, ERROR = RNG.uniform(30, 70, N), RNG.choice([0.0, 2.0, 15.0], N)
TRUTH = MEAN + 5 * RNG.normal(size=N)
Y = TRUTH + ERROR * RNG.normal(size=N)


@pytest.fixture(scope="module")
def found() -> dict:
    return measured_forecast(
        lambda x: norm.cdf(x, MEAN[:, None], 5.0),
        (-20.0, 120.0),
        Y,
        ERROR,
        [0.5, 0.95],
        np.array([0.1, 0.9]),
        None,
    )


def test_a_normal_forecast_with_a_normal_error_is_the_wider_normal(found):
    sd = np.hypot(5.0, ERROR)
    assert np.allclose(found["crps"], crps_normal(Y, MEAN, sd), atol=0.05)
    assert np.allclose(found["pit"], norm.cdf(Y, MEAN, sd), atol=0.01)
    assert np.allclose(found["log_density"], norm.logpdf(Y, MEAN, sd), atol=0.1)
    assert np.allclose(found["mean"], MEAN, atol=0.05)
    assert np.allclose(
        found["interval"]["0.95"], MEAN[:, None] + 1.96 * sd[:, None] * [-1, 1], atol=0.2
    )
    assert np.allclose(
        found["quantiles"], MEAN[:, None] + norm.ppf([0.1, 0.9]) * sd[:, None], atol=0.2
    )


def test_intervals_cover_what_was_measured_and_end_at_the_bounds(found):
    low, high = found["interval"]["0.95"].T
    assert np.mean((low <= Y) & (high >= Y)) == pytest.approx(0.95, abs=0.03)
    bounded = measured_forecast(
        lambda x: norm.cdf(x, MEAN[:, None], 5.0),
        (0.0, 100.0),
        Y,
        ERROR,
        [0.95],
        np.array([]),
        (0.0, 100.0),
    )
    assert bounded["interval"]["0.95"].min() >= 0
    assert bounded["quantiles"].shape == (N, 0)
