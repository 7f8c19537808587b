"""scikit-learn's contract for what combines members, with its own checks."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from icemap import CopulaBMA, GaussianBMA
from icemap.ensemble.baselines import BestMember, EqualWeights


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


@pytest.mark.parametrize("estimator", [CopulaBMA(), GaussianBMA(), BestMember(), EqualWeights()])
def test_rows_that_do_not_belong_together_are_refused(estimator):
    F, y = (pd.DataFrame(table()[0]).add_prefix("m"), pd.Series(table()[1]))
    fitted, other = estimator.fit(F, y), y.sample(frac=1, random_state=0)
    for wrong in (estimator.fit, fitted.crps, fitted.cdf, fitted.pdf):
        with pytest.raises(ValueError, match="F and y have the same index in another order"):
            wrong(F, other)
    masked = np.ma.masked_greater(y.to_numpy(), 60)
    for wrong in (estimator.fit, fitted.crps):
        with pytest.raises(ValueError, match="values of y are masked"):
            wrong(F, masked)
    dates = pd.Series(pd.date_range("1990", periods=len(y)), F.index)
    with pytest.raises(ValueError, match="y has dates or durations: give them as numbers"):
        estimator.fit(F, dates)
    for column in (dates, dates - dates[0]):
        with pytest.raises(ValueError, match="F has dates or durations"):
            estimator.fit(F.assign(m0=column), y)
    rows = F.index[::-1]
    np.testing.assert_array_equal(fitted.crps(F.loc[rows], y.loc[rows]), fitted.crps(F, y)[::-1])
