"""The additive model against pygam's own fit of the same problem."""

from __future__ import annotations

import numpy as np
import pytest
from pygam import LinearGAM, l, s
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_limits

from icemap.ensemble.gam import SplineGAM

PENALTIES = (1.0, 30.0, 1000.0)
CONSTRAINTS = {0: None, 1: "monotonic_inc", -1: "monotonic_dec"}
# Relative to the spread of the target; pygam has its weights in single precision.
SAME = 3e-8


def table(n: int, smooth: int, lines: int = 0, seed: int = 0):
    """Curves and steps that a penalty of the middle describes best, and uneven weights."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(n, smooth)), rng.random((n, lines)) < 0.3])
    y = 3 * np.sin(X[:, 0]) + 0.3 * X[:, 1] ** 2 - X[:, 2] + X[:, smooth:].sum(axis=1)
    return X, y + rng.normal(size=n), rng.uniform(0.3, 3, n)


def reference(X, y, weights, penalties=PENALTIES, lines=(), monotone=(), splines=8) -> LinearGAM:
    """What pygam fits, with the penalty that its generalized cross-validation chooses."""
    fits = []
    for penalty in penalties:
        terms = None
        for column in range(X.shape[1]):
            constraint = CONSTRAINTS[monotone[column] if monotone else 0]
            curve = s(column, n_splines=splines, constraints=constraint)
            term = l(column) if column in lines else curve
            terms = term if terms is None else terms + term
        with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
            fits.append(LinearGAM(terms, lam=penalty).fit(X, y, weights=weights))
    return min(fits, key=lambda fit: fit.statistics_["GCV"])


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    ("lines", "monotone"),
    [(0, ()), (3, ()), (0, (1, 0, 1, 0, 0)), (3, (-1, 1, -1, 1, 0, 0, 0, 0))],
    ids=["curves", "lines", "monotone", "monotone and lines"],
)
def test_it_is_the_fit_of_pygam(lines, monotone, weighted):
    X, y, weights = table(200, 5, lines)
    weights = weights if weighted else None
    straight = tuple(range(5, 5 + lines))
    ours = SplineGAM(straight, penalties=PENALTIES, monotone=monotone).fit(X, y, weights)
    theirs = reference(X, y, weights, lines=straight, monotone=monotone)
    assert ours.penalty_ == theirs.lam[0][0]
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=SAME * np.ptp(y))
    if monotone:
        free = SplineGAM(straight, penalties=PENALTIES).fit(X, y, weights)
        assert np.abs(ours.predict(X) - free.predict(X)).max() > 0.1


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("rows", [30, 47, 49])
def test_with_fewer_rows_than_coefficients_it_is_the_fit_of_pygam(rows, penalty):
    X, y, weights = table(rows, 6, seed=1)
    ours = SplineGAM(penalties=(penalty,)).fit(X, y, weights)
    theirs = reference(X, y, weights, (penalty,))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=SAME * np.ptp(y))


def test_rows_without_weight_are_no_rows():
    X, y, weights = table(60, 6)
    weights[:40] = 0
    ours = SplineGAM(penalties=(30.0,)).fit(X, y, weights)
    spans = tuple(zip(X.min(axis=0), X.max(axis=0), strict=True))
    alone = SplineGAM(penalties=(30.0,), knots=spans).fit(X[40:], y[40:], weights[40:])
    np.testing.assert_allclose(ours.predict(X), alone.predict(X), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("rows", "least"), [(40, 0.0), (60, 1.0), (300, 1.0)])
def test_monotone_curves_do_not_turn_back_whatever_the_number_of_rows(rows, least):
    """Where rows are few, pygam's search has no end; where very few, the curves are flat."""
    rng, highest = np.random.default_rng(0), 0.0
    for _ in range(8):
        X, ways = rng.normal(size=(rows, 8)), rng.choice([-1, 1], 8)
        y = np.sin(2 * X).sum(axis=1) + rng.normal(size=rows)
        gam = SplineGAM(monotone=tuple(ways.tolist()), penalties=(1.0,)).fit(X, y)
        steps = ways[:, None] * np.diff(gam.splines_, axis=1)
        assert steps.min() > -1e-6
        highest = max(highest, steps.max())
    assert highest > least


@pytest.mark.parametrize("scale", [1e-9, 1e6, 1e12])
@pytest.mark.parametrize("penalty", [1e-3, 1e12])
@pytest.mark.parametrize("rows", [30, 300])
def test_heavy_weights_and_penalties_can_be_solved(rows, penalty, scale):
    X, y, weights = table(rows, 6)
    gam = SplineGAM(penalties=(penalty,), monotone=(0, 0, -1, 0, 0, 0)).fit(X, y, scale * weights)
    assert np.corrcoef(gam.predict(X), y)[0, 1] > 0.3


@pytest.mark.parametrize("splines", [4, 6, 13])
def test_the_number_of_splines_is_that_of_pygam(splines):
    X, y, weights = table(150, 3)
    ours = SplineGAM(splines=splines).fit(X, y, weights)
    theirs = reference(X, y, weights, splines=splines)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=SAME * np.ptp(y))


def test_cross_validation_chooses_the_penalty():
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (300, 1))
    curved = SplineGAM().fit(x, np.sin(8 * x[:, 0]) + 0.05 * rng.normal(size=300))
    straight = SplineGAM().fit(x, x[:, 0] + rng.normal(size=300))
    assert curved.penalty_ < straight.penalty_


def test_a_prediction_does_not_depend_on_the_other_rows():
    X, y, _ = table(200, 4, 2)
    gam = SplineGAM((4, 5)).fit(X, y)
    apart = [gam.predict(X[i : i + 1])[0] for i in range(20)]
    assert np.array_equal(gam.predict(X)[:20], apart)


def test_outside_the_training_range_splines_stay_at_its_edge():
    rng = np.random.default_rng(3)
    X = rng.uniform(0, 1, (100, 2))
    gam = SplineGAM().fit(X, 5 * X[:, 0] - X[:, 1])
    highest = X.max(axis=0)
    assert gam.predict([[50.0, highest[1]]])[0] == gam.predict([highest])[0]
    assert np.array_equal(gam.predict([[-9.0, 0.5]]), gam.predict([[X[:, 0].min(), 0.5]]))


@pytest.mark.parametrize("curved", [True, False])
def test_columns_without_spread_do_not_break_it(curved):
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.uniform(size=90), np.ones(90), rng.integers(0, 2, 90)])
    gam = SplineGAM(linear_columns=(2,) if curved else (0, 2)).fit(X, X[:, 0] + X[:, 2])
    assert np.corrcoef(gam.predict(X), X[:, 0] + X[:, 2])[0, 1] > 0.98


@pytest.mark.slow
def test_it_is_a_scikit_learn_regressor():
    check_estimator(
        SplineGAM(),
        on_fail="raise",
        expected_failed_checks=dict.fromkeys(
            ["check_sample_weight_equivalence_on_dense_data"],
            "generalized cross-validation counts rows, not weights",
        ),
    )
