"""The target on the members' scale."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew
from sklearn.preprocessing import PowerTransformer

from icemap.ensemble.target import TargetScale

pytestmark = pytest.mark.quick


def test_it_equals_scikit_learn():
    y = np.random.default_rng(0).gamma(1.5, 40, 300)
    theirs = PowerTransformer().fit(y[:, None])
    ours = TargetScale.fit(y)
    np.testing.assert_allclose(ours.transform(y), theirs.transform(y[:, None])[:, 0], atol=1e-6)
    z = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        ours.inverse(z), theirs.inverse_transform(z[:, None])[:, 0], rtol=1e-5
    )


def test_a_skewed_target_becomes_symmetric():
    y = np.random.default_rng(1).lognormal(4, 0.8, 500)
    assert abs(skew(TargetScale.fit(y).transform(y))) < 0.15 < 1 < skew(y)


@given(
    st.floats(-1.9, 3.9).map(lambda power: round(power, 3)),
    st.lists(st.floats(-50, 50), min_size=1, max_size=20),
)
def test_there_and_back(power, values):
    scale = TargetScale(power, 0.3, 2.0, -60.0, 60.0)
    np.testing.assert_allclose(scale.inverse(scale.transform(values)), values, atol=1e-5)


def test_nothing_leaves_the_bounds():
    scale = TargetScale.fit(np.random.default_rng(2).uniform(0, 100, 50), (0.0, 100.0))
    assert scale.inverse([-1e9, 1e9]).tolist() == [0.0, 100.0]
    np.testing.assert_allclose(scale.inverse(scale.limits), [0, 100], atol=1e-9)


def test_an_unbounded_target_goes_one_range_beyond_what_was_seen():
    scale = TargetScale.fit([-10.0, -4.0, -3.0, 2.0])
    assert (scale.low, scale.high) == (-22.0, 14.0)


def test_a_constant_target_is_refused():
    with pytest.raises(
        ValueError, match="the target is 7 in all 3 rows: there is nothing to learn"
    ):
        TargetScale.fit([7.0, 7.0, 7.0])


def test_it_survives_json():
    scale = TargetScale.fit([1.0, 2.0, 9.0, 40.0], (0, 50))
    assert TargetScale.from_dict(json.loads(json.dumps(scale.to_dict()))) == scale


def test_a_power_of_one_only_standardizes():
    y = np.random.default_rng(1).lognormal(4, 0.8, 500)
    scale = TargetScale.fit(y, power=1.0)
    np.testing.assert_allclose(scale.transform(y), (y - y.mean()) / y.std())
    np.testing.assert_allclose(scale.inverse(scale.transform(y)), y)
