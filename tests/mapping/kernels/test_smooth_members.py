"""SVR and GAM of all replicates against their own predict."""

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from icemap.ensemble.gam import SplineGAM
from icemap.mapping.kernels.compilable import CannotCompileError
from icemap.mapping.kernels.gam import compile_gams, predict_gams
from icemap.mapping.kernels.svr import (
    compile_svrs,
    in_single_precision,
    predict_svrs,
    require_sound,
    single_precision_error,
)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(400, 4)), np.eye(3)[rng.integers(0, 3, 400)]])
    X[:, 3] = np.round(X[:, 3])
    return X, 40 + 10 * np.sin(2 * X[:, 0]) + 5 * X[:, 1] + 8 * X[:, 5] + rng.normal(size=400)


def pixels(X, n=512):
    rng = np.random.default_rng(1)
    return (X[rng.integers(0, len(X), n)] + [*rng.normal(0, 1.5, 4), 0, 0, 0]).astype(np.float32)


def svr(gamma=0.2, **settings):
    return TransformedTargetRegressor(SVR(gamma=gamma, **settings), transformer=StandardScaler())


def svrs_of(table, factors=(0.1, 1.0, 100.0)):
    X, y = table
    X = np.concatenate([X, X[:5]])
    y = np.concatenate([y, y[:5] + 1])
    return [svr(C=C, epsilon=0.05 * C**0.1).fit(X[s:], y[s:]) for s, C in enumerate(factors)]


@pytest.mark.parametrize(
    ("single", "factors", "error"),
    [(True, (0.1, 1.0, 10.0), 3e-4), (False, (0.1, 1.0, 100.0), 1e-5)],
)
def test_svr_with_its_own_c_epsilon_and_rows(table, single, factors, error):
    members = svrs_of(table, factors)
    compiled = compile_svrs(members)
    places = pixels(table[0])
    out = np.empty((3, 512), np.float32)
    predict_svrs(places, in_single_precision(compiled) if single else compiled, out)
    np.testing.assert_allclose(
        out, [member.predict(places.astype(float)) for member in members], atol=error
    )


@pytest.mark.parametrize("C", [0.1, 1.0, 30.0, 1000.0])
def test_the_bound_of_single_precision_holds_and_is_not_far_off(table, C):
    compiled = compile_svrs(svrs_of(table, (C,)))
    places = np.concatenate([pixels(table[0]), table[0].astype(np.float32)])
    exact, single = np.empty((1, len(places)), np.float32), np.empty((1, len(places)), np.float32)
    predict_svrs(places, compiled, exact)
    predict_svrs(places, in_single_precision(compiled), single)
    # Both are rounded when they are written.
    error = np.abs(single - exact).max() - np.spacing(np.abs(exact).max())
    assert error <= single_precision_error(compiled) <= 50 * max(error, 1e-6)


def test_arrays_that_lead_beyond_themselves_are_refused(table):
    compiled = compile_svrs(svrs_of(table))
    require_sound(compiled, 7, 3)
    broken = [
        compiled._replace(sites=compiled.sites[:, :-1]),
        compiled._replace(offsets=compiled.offsets[:-1]),
        compiled._replace(coefficients=np.ascontiguousarray(compiled.coefficients[:, :-1])),
        compiled._replace(intercepts=np.zeros(compiled.coefficients.shape[1] + 1)),
        compiled._replace(coefficients=compiled.coefficients.astype(np.float16)),
    ]
    for svrs in broken:
        with pytest.raises(ValueError, match="beyond"):
            require_sound(svrs, 7, 3)
    with pytest.raises(ValueError, match="beyond"):
        require_sound(compiled, 8, 3)


def test_svrs_with_kernels_of_their_own_are_not_packed(table):
    X, y = table
    with pytest.raises(CannotCompileError, match="different kernels"):
        compile_svrs([svr(0.1).fit(X, y), svr(0.2).fit(X, y)])


@pytest.mark.parametrize("single", [True, False])
def test_a_pixel_does_not_depend_on_its_place_in_a_batch(table, single):
    X, y = table
    svrs = compile_svrs([svr().fit(X[s:], y[s:]) for s in range(5)])
    svrs = in_single_precision(svrs) if single else svrs
    places = pixels(X, 1024)
    order = np.random.default_rng(0).permutation(1024)
    first, second = np.empty((5, 1024), np.float32), np.empty((5, 1024), np.float32)
    predict_svrs(places, svrs, first)
    predict_svrs(np.ascontiguousarray(places[order]), svrs, second)
    assert np.array_equal(second, first[:, order])


KNOTS = ((-2.0, 2.0), (-2.5, 2.0), (-2.0, 2.5), (-2.0, 2.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0))


def test_gam_with_splines_lines_and_monotone_terms(table):
    X, y = table
    few = X.copy()
    few[:, 2] = np.sign(few[:, 2])  # too few values for a spline, in one replicate alone
    settings = {"linear_columns": (4, 5, 6), "knots": KNOTS, "monotone": (0, 1, 0, 0, 0, 0, 0)}
    members = [SplineGAM(**settings).fit(values, y[-len(values) :]) for values in (X, X[50:], few)]
    places = pixels(X, 1000)
    out = np.empty((3, 1000), np.float32)
    predict_gams(places, compile_gams(members), out)
    np.testing.assert_allclose(
        out, [member.predict(places.astype(float)) for member in members], atol=2e-4
    )


def test_gams_with_knots_of_their_own_are_not_packed(table):
    X, y = table
    with pytest.raises(CannotCompileError, match="different knots"):
        compile_gams(
            [SplineGAM(linear_columns=(4, 5, 6)).fit(X[s:], y[s:]) for s in (0, 390 - 100)]
        )


def test_gams_with_other_numbers_of_splines_are_not_packed(table):
    X, y = table
    with pytest.raises(CannotCompileError, match="different numbers of splines"):
        compile_gams(
            [
                SplineGAM(linear_columns=(4, 5, 6), knots=KNOTS, splines=count).fit(X, y)
                for count in (6, 8)
            ]
        )
