"""The Student copula of greatest likelihood, compared with pyvinecopulib's."""

import numpy as np
import pytest

from icemap.ensemble.copula_formulas import student_logpdf
from icemap.ensemble.copulas import Copula, fit_parameters
from icemap.ensemble.student_fit import DEGREES_OF_FREEDOM, fit_student

pv = pytest.importorskip("pyvinecopulib")

TRUTHS = [
    Copula("student", [0.5, 3.0]),
    Copula("student", [-0.8, 8.0]),
    Copula("student", [0.95, 2.0]),
    Copula("student", [0.9999, 2.2]),
    Copula("gaussian", [0.6]),
    Copula("gumbel", [2.0]),
    Copula("clayton", [1.0], 180),
    Copula("frank", [4.0]),
    Copula("joe", [1.1]),
]


def drawn(truth: Copula, n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    v, p = rng.random(n), rng.random(n)
    return truth.h_inverse(p, v), v, rng.uniform(0.3, 3, n)


def likelihood(parameters, u, v, w) -> float:
    return float(w @ student_logpdf(u, v, *parameters))


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
def test_no_likelihood_is_lost_beside_pyvinecopulib(truth):
    u, v, w = drawn(truth)
    theirs = pv.Bicop(pv.BicopFamily.student, 0)
    theirs.fit(np.column_stack([u, v]), pv.FitControlsBicop(weights=w))
    of_theirs = np.ravel(theirs.parameters)
    ours = fit_student(u, v, w)
    assert likelihood(ours, u, v, w) > likelihood(of_theirs, u, v, w) - 1e-4
    assert ours[0] == pytest.approx(of_theirs[0], abs=1e-4)
    assert ours[1] == pytest.approx(of_theirs[1], rel=1e-3, abs=0.02)


@pytest.mark.parametrize("truth", [TRUTHS[0], TRUTHS[1], TRUTHS[7]], ids=str)
def test_no_point_near_it_has_a_greater_likelihood(truth):
    u, v, w = drawn(truth, seed=1)
    rho, nu = fit_student(u, v, w)
    best = likelihood((rho, nu), u, v, w)
    for change_rho in (-1e-3, 0.0, 1e-3):
        for change_nu in (0.98, 1.0, 1.02):
            near = rho + change_rho * (1 - rho**2), nu * change_nu
            assert likelihood(near, u, v, w) <= best + 1e-5


def test_weights_count_as_repetitions():
    u, v, _ = drawn(TRUTHS[0])
    repeats = np.random.default_rng(2).integers(1, 4, len(u))
    weighted = fit_student(u, v, repeats.astype(float))
    repeated = fit_student(np.repeat(u, repeats), np.repeat(v, repeats))
    assert weighted == pytest.approx(repeated, rel=1e-6)


def test_without_weights_all_rows_are_equal():
    u, v, _ = drawn(TRUTHS[0])
    assert fit_student(u, v) == fit_student(u, v, np.ones(len(u)))


def test_probabilities_at_the_edge_of_what_a_computer_has():
    u, v, _ = drawn(TRUTHS[0])
    u[:2], v[:2] = [np.finfo(float).tiny, 1 - np.finfo(float).epsneg], [1e-300, 1 - 1e-16]
    rho, nu = fit_student(u, v)
    assert 0.3 < rho < 0.999999
    assert DEGREES_OF_FREEDOM[0] <= nu <= DEGREES_OF_FREEDOM[1]


def test_it_is_what_a_copula_is_fitted_by():
    u, v, w = drawn(TRUTHS[0])
    assert tuple(fit_parameters("student", 0, u, v, w).parameters) == fit_student(u, v, w)
