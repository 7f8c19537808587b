import numpy as np
import pytest

from icemap.products.collinearity import correlations, variance_inflation

pytestmark = pytest.mark.quick


@pytest.fixture
def columns() -> np.ndarray:
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(size=(4, 5000))
    return np.stack([a, 0.9 * a + 0.3 * b, c, 1e4 + 3 * c - d], axis=1)


def test_correlations_are_those_of_numpy(columns):
    np.testing.assert_allclose(correlations(columns), np.corrcoef(columns.T), atol=1e-10)


def test_inflation_is_that_of_the_regressions(columns):
    expected = []
    for i in range(columns.shape[1]):
        design = np.column_stack([np.ones(len(columns)), np.delete(columns, i, axis=1)])
        residual = columns[:, i] - design @ np.linalg.lstsq(design, columns[:, i], rcond=None)[0]
        expected.append(columns[:, i].var() / residual.var())
    np.testing.assert_allclose(variance_inflation(correlations(columns)), expected, rtol=1e-6)


def test_a_combination_is_infinite_and_a_constant_has_none(columns):
    extended = np.column_stack(
        [columns[:, [0, 2]], columns[:, 0] - columns[:, 2], np.full(len(columns), 0.1)]
    ).astype(np.float32)
    factors = variance_inflation(correlations(extended))
    assert np.isinf(factors[:3]).all() or (factors[:3] > 1e9).all()
    assert np.isnan(factors[3])
    assert np.isnan(correlations(extended)[3]).all()


def test_one_predictor_alone_is_not_inflated():
    assert variance_inflation(correlations(np.arange(10.0)[:, None])).tolist() == [1.0]
