import numpy as np
import pytest

from icemap.ensemble.predictor_weights import predictor_weights


def test_importance_adds_up_to_one_and_finds_what_matters():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = 3 * X[:, 2] + np.sin(X[:, 0]) + 0.1 * rng.normal(size=200)
    found = predictor_weights(X, y, seed=1)
    assert found.shape == (4,)
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 2
    assert found[0] > max(found[1], found[3])
    assert np.array_equal(found, predictor_weights(X, y, seed=1))


def test_where_nothing_can_be_split_every_predictor_counts_alike():
    X = np.random.default_rng(0).normal(size=(30, 4))
    assert np.array_equal(predictor_weights(X, np.ones(30), seed=0), np.full(4, 0.25))
