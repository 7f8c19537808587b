import numpy as np
import pytest

from icemap.mapping.forecast import Distribution

LEVELS = np.linspace(0.01, 0.99, 99)


def test_the_interval_is_central_and_of_95_percent_unless_told():
    one = Distribution(np.array([50.0]), LEVELS, 100 * LEVELS[None])
    assert one.interval() == pytest.approx(np.array([[2.5, 97.5]]))
    assert one.interval(0.5) == pytest.approx(np.array([[25.0, 75.0]]))
    assert one.cdf(30.0) == pytest.approx(np.array([0.3]))
