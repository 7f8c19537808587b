"""scikit-learn's contract for what combines members, with its own checks."""

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from icemap import CopulaBMA, GaussianBMA
from icemap.ensemble.baselines import BestMember, EqualWeights
from icemap.ensemble.fitting import fit_target_margin


@parametrize_with_checks(
    [CopulaBMA(bounds=None), GaussianBMA(), GaussianBMA("additive"), BestMember(), EqualWeights()]
)
def test_scikit_learn_contract(estimator, check):
    with warnings.catch_warnings():
        # The checks have a dozen rows.
        warnings.simplefilter("ignore")
        check(estimator)


def table(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.clip(rng.normal(30, 30, n), 0, 100)
    return y[:, None] + rng.normal(0, [5.0, 15.0], (n, 2)), y


@pytest.mark.parametrize("estimator", [CopulaBMA(), GaussianBMA()])
def test_a_weight_of_two_is_a_row_given_twice_in_any_order(estimator):
    # With an atom at the lower bound, where the transform is random.
    F, y = table()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    rows = np.random.default_rng(2).permutation(np.repeat(np.arange(len(y)), weight))
    weighted = type(estimator)().fit(F, y, sample_weight=weight)
    repeated = type(estimator)().fit(F[rows], y[rows])
    np.testing.assert_array_equal(
        weighted.predict_quantile(F, [0.1, 0.9]), repeated.predict_quantile(F, [0.1, 0.9])
    )


@pytest.mark.parametrize("estimator", [CopulaBMA(), GaussianBMA()])
def test_few_rows_are_fitted_with_a_warning(estimator):
    F, y = table(12)
    with pytest.warns(UserWarning, match="There are 12 different rows"):
        fitted = estimator.fit(F, y)
    low, high = fitted.interval(F).T
    assert (low < high).all()


def test_a_member_without_weight_may_be_constant():
    F, y = table()
    fitted = CopulaBMA(idle=(1,)).fit(np.column_stack([F[:, 0], np.full(len(y), 3.0)]), y)
    assert fitted.weights_.tolist() == [1.0, 0.0]
    assert np.isfinite(fitted.predict([[40.0, 3.0]])).all()


def test_too_few_values_between_the_bounds_make_no_atom():
    y = np.array([0.0] * 20 + [50.0] * 3 + [100.0] * 10)
    with pytest.warns(UserWarning, match="Only 3 target values lie between the bounds 0 and 100"):
        margin = fit_target_margin(y, np.ones(len(y)), (0.0, 100.0))
    assert 0.3 < margin.cdf(30.0) < 0.8
    assert margin.cdf(0.0) == 0
