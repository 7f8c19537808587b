"""Copulas against closed forms in 50-digit decimals, scipy and pyvinecopulib."""

import json
import warnings
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special, stats

from icemap import Copula
from icemap.ensemble.copulas import CANDIDATES, fit_copula, fit_parameters

REFERENCE = Path(__file__).parents[2] / "../shared/reference"
EDGES = [1e-6, 1e-4, 0.01, 0.2, 0.5, 0.75, 0.97, 1 - 1e-4, 1 - 1e-6]
ARCHIMEDEAN = [
    *(("clayton", t) for t in ("0.01", "0.5", "2", "15", "28")),
    *(("gumbel", t) for t in ("1.0001", "1.05", "2", "12", "40")),
    *(("frank", t) for t in ("0.001", "1", "6", "35", "-5")),
    *(("joe", t) for t in ("1.01", "1.5", "2", "5", "30")),
]
ALL = [
    Copula("independence"),
    Copula("gaussian", [0.7]),
    Copula("student", [0.6, 4.0]),
    *(
        Copula(family, [theta], rotation)
        for family, theta in (("clayton", 2.0), ("gumbel", 1.8), ("joe", 2.5))
        for rotation in (0, 90, 180, 270)
    ),
    Copula("frank", [6.0]),
]
IDS = [f"{c.family}{c.rotation}" for c in ALL]


def exact(family: str, u: float, v: float, theta: str) -> tuple[Decimal, Decimal]:
    """Density and h-function by the textbook formula, in 50 digits."""
    getcontext().prec = 50
    a, b, t, one = Decimal(u), Decimal(v), Decimal(theta), Decimal(1)
    if family == "clayton":
        s = a**-t + b**-t - 1
        return (1 + t) * (a * b) ** (-t - 1) * s ** (-2 - 1 / t), b ** (-t - 1) * s ** (-1 - 1 / t)
    if family == "gumbel":
        x, y = -a.ln(), -b.ln()
        s = x**t + y**t
        root = s ** (1 / t)
        c = (-root).exp()
        return c / (a * b) * (x * y) ** (t - 1) * s ** (2 / t - 2) * (
            1 + (t - 1) / root
        ), c / b * y ** (t - 1) * s ** (1 / t - 1)
    if family == "frank":
        whole = one - (-t).exp()
        d = whole - (one - (-t * a).exp()) * (one - (-t * b).exp())
        return t * whole * (-t * (a + b)).exp() / d**2, (-t * b).exp() * (one - (-t * a).exp()) / d
    x, y = (1 - a) ** t, (1 - b) ** t
    s = x + y - x * y
    return s ** (1 / t - 2) * ((1 - a) * (1 - b)) ** (t - 1) * (t - 1 + s), s ** (1 / t - 1) * (
        1 - x
    ) * (1 - b) ** (t - 1)


@pytest.mark.parametrize(("family", "theta"), ARCHIMEDEAN)
def test_archimedean_density_and_h_agree_with_the_textbook_to_1e_8(family: str, theta: str) -> None:
    copula = Copula(family, [float(theta)])
    for u in EDGES:
        for v in EDGES:
            pdf, h = exact(family, u, v, theta)
            assert float(copula.pdf(u, v)) == pytest.approx(float(pdf), rel=1e-8, abs=1e-8)
            assert float(copula.h(u, v)) == pytest.approx(float(h), abs=1e-10)
            if 1e-6 < float(h) < 1 - 1e-6:
                assert float(copula.h_inverse(float(h), v)) == pytest.approx(u, abs=1e-8)


@pytest.mark.parametrize("rho", [-0.8, 0.1, 0.7, 0.99])
def test_gaussian_is_the_ratio_of_normal_densities(rho: float) -> None:
    u, v = np.meshgrid(EDGES, EDGES)
    x, y = special.ndtri(u), special.ndtri(v)
    joint = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).pdf(np.stack([x, y], axis=-1))
    np.testing.assert_allclose(
        Copula("gaussian", [rho]).pdf(u, v),
        joint / stats.norm.pdf(x) / stats.norm.pdf(y),
        rtol=1e-8,
        atol=1e-300,
    )
    np.testing.assert_allclose(
        Copula("gaussian", [rho]).h(u, v),
        stats.norm.cdf(x, rho * y, np.sqrt(1 - rho**2)),
        atol=1e-12,
    )


@pytest.mark.parametrize("nu", [1.0, 2.0, 3.3, 8.0, 40.0])
def test_student_is_the_ratio_of_t_densities(nu: float) -> None:
    rho, (u, v) = 0.6, np.meshgrid(EDGES, EDGES)
    if nu == 1:  # closed-form quantiles
        x, y = -1 / np.tan(np.pi * u), -1 / np.tan(np.pi * v)
    elif nu == 2:
        x, y = (2 * u - 1) / np.sqrt(2 * u * (1 - u)), (2 * v - 1) / np.sqrt(2 * v * (1 - v))
    else:
        x, y = stats.t.ppf(u, nu), stats.t.ppf(v, nu)
    joint = stats.multivariate_t([0, 0], [[1, rho], [rho, 1]], df=nu).pdf(np.stack([x, y], axis=-1))
    copula = Copula("student", [rho, nu])
    np.testing.assert_allclose(
        copula.pdf(u, v), joint / stats.t.pdf(x, nu) / stats.t.pdf(y, nu), rtol=1e-8
    )
    scale = np.sqrt((nu + y**2) * (1 - rho**2) / (nu + 1))
    np.testing.assert_allclose(
        copula.h(u, v), stats.t.cdf((x - rho * y) / scale, nu + 1), atol=1e-10
    )


@pytest.mark.parametrize("copula", ALL, ids=IDS)
def test_h_inverse_undoes_h_everywhere(copula: Copula) -> None:
    p, v = np.meshgrid([1e-9, *EDGES, 1 - 1e-9], EDGES)
    np.testing.assert_allclose(copula.h(copula.h_inverse(p, v), v), p, atol=1e-8)
    assert np.all(copula.h([0.0, 1.0], 0.3) == [0.0, 1.0])
    assert np.all(copula.h_inverse([0.0, 1.0], 0.3) == [0.0, 1.0])


@pytest.mark.parametrize("copula", ALL, ids=IDS)
@pytest.mark.parametrize("v", [0.003, 0.4, 0.98])
def test_density_integrates_to_one_and_is_the_slope_of_h(copula: Copula, v: float) -> None:
    z, weights = np.polynomial.legendre.leggauss(400)
    z, weights = (
        8.2 * z,
        8.2 * weights * stats.norm.pdf(8.2 * z),
    )  # on normal scores the density has no poles
    assert float(weights @ copula.pdf(stats.norm.cdf(z), v)) == pytest.approx(1.0, abs=1e-6)
    assert integrate.quad(lambda u: float(copula.pdf(u, v)), 0.2, 0.6, epsabs=1e-12)[
        0
    ] == pytest.approx(float(copula.h(0.6, v) - copula.h(0.2, v)), abs=1e-9)


@pytest.mark.parametrize("copula", ALL, ids=IDS)
@pytest.mark.parametrize("u", [0.01, 0.37, 0.9])
def test_h_integrated_over_v_gives_u(copula: Copula, u: float) -> None:
    z, weights = np.polynomial.legendre.leggauss(400)
    v, weights = stats.norm.cdf(8.2 * z), 8.2 * weights * stats.norm.pdf(8.2 * z)
    assert float(weights @ copula.h(u, v)) == pytest.approx(u, abs=1e-7)


@pytest.mark.parametrize("copula", ALL[1:], ids=IDS[1:])
def test_rotations_and_tau_agree_with_pyvinecopulib(copula: Copula) -> None:
    import pyvinecopulib as pv

    other = pv.Bicop(
        getattr(pv.BicopFamily, copula.family),
        copula.rotation,
        np.array(copula.parameters)[:, None],
    )
    points = np.asfortranarray(np.random.default_rng(0).random((300, 2)))
    np.testing.assert_allclose(copula.pdf(*points.T), other.pdf(points), rtol=1e-8)
    np.testing.assert_allclose(copula.h(*points.T), other.hfunc2(points), atol=1e-8)
    assert copula.tau == pytest.approx(other.tau, abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("plackett", [2.0]), "not known"),
        (("gaussian", [1.2]), "between"),
        (("student", [0.3]), "takes 2 parameters"),
        (("clayton", [2.0], 45), "rotation 45"),
        (("frank", [2.0], 180), "symmetric"),
        (("frank", [0.0]), "independence"),
    ],
)
def test_wrong_copulas_are_refused_in_a_sentence(arguments: tuple, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        Copula(*arguments)


def test_a_copula_survives_json() -> None:
    for copula in ALL:
        assert Copula.from_dict(json.loads(json.dumps(copula.to_dict()))) == copula


@pytest.mark.parametrize("kind", CANDIDATES)
def test_each_family_is_recovered_from_its_own_sample(kind: tuple[str, int]) -> None:
    family, rotation = kind
    truth = Copula(
        family,
        {"gaussian": [0.7], "student": [0.7, 2.5], "frank": [8.0]}.get(family, [2.5]),
        rotation,
    )
    rng = np.random.default_rng(3)
    v = rng.random(3000)
    found = fit_copula(truth.h_inverse(rng.random(3000), v), v)
    likelihood_twins = {
        ("joe", 0): ("clayton", 180),
        ("joe", 180): ("clayton", 0),
    }  # nearly the same shape
    assert (found.family, found.rotation) in (
        kind,
        likelihood_twins.get(kind),
        {b: a for a, b in likelihood_twins.items()}.get(kind),
    )
    assert found.tau == pytest.approx(truth.tau, abs=0.03)


def test_row_weights_count_as_repetitions() -> None:
    rng = np.random.default_rng(0)
    v = rng.random(400)
    u = Copula("gumbel", [1.8]).h_inverse(rng.random(400), v)
    repeats = rng.integers(1, 4, 400)
    weighted = fit_parameters("gumbel", 0, u, v, repeats.astype(float))
    repeated = fit_parameters("gumbel", 0, np.repeat(u, repeats), np.repeat(v, repeats))
    assert weighted.parameters[0] == pytest.approx(repeated.parameters[0], rel=1e-5)


def test_negative_dependence_is_taken_as_independence() -> None:
    v = np.random.default_rng(0).random(200)
    assert fit_copula(1 - v, v).family == "independence"


def test_a_failing_fit_falls_back_to_independence_and_names_the_member() -> None:
    v = np.linspace(0.01, 0.99, 50)
    with pytest.warns(UserWarning, match="spline"):
        assert fit_copula(np.full(50, np.nan), v, name="spline").family == "independence"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_copula(v, v).tau > 0.9


def ranks(x: np.ndarray) -> np.ndarray:
    return stats.rankdata(x) / (len(x) + 1)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference data are not here")
def test_loss_and_alae_are_gumbel() -> None:
    table = np.genfromtxt(REFERENCE / "loss.csv", delimiter=",", names=True)
    table = table[table["censored"] == 0]
    assert len(table) == 1466
    u, v = ranks(table["loss"]), ranks(table["alae"])
    best = fit_copula(u, v)
    assert (best.family, best.rotation) == ("gumbel", 0)
    assert best.parameters[0] == pytest.approx(1.42484, abs=2e-5)
    assert -2 * best.logpdf(u, v).sum() + 2 == pytest.approx(-379.74, abs=0.005)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference data are not here")
def test_cobalt_and_scandium_are_student() -> None:
    table = np.genfromtxt(REFERENCE / "uranium.csv", delimiter=",", names=True)
    u, v = ranks(table["Co"]), ranks(table["Sc"])
    best = fit_copula(u, v)
    assert best.family == "student"
    assert best.parameters[0] == pytest.approx(0.73707, abs=1e-4)
    assert best.parameters[1] == pytest.approx(8.0, abs=0.1)
    assert -2 * best.logpdf(u, v).sum() + 4 == pytest.approx(-507.56, abs=0.005)


@pytest.mark.parametrize("wrong", [1.3, -0.2, 95.0, [0.2, 30.0]])
def test_what_is_no_probability_is_refused(wrong: object) -> None:
    copula = Copula("gumbel", 2.0, 90)
    for method in (copula.pdf, copula.h, copula.h_inverse):
        for arguments in ((wrong, 0.4), (0.4, wrong)):
            with pytest.raises(ValueError, match="is no probability: give numbers from 0 to 1"):
                method(*arguments)
        assert not np.isnan(method([0.0, 1.0], [1.0 + 1e-12, -1e-12])).any()
        with pytest.raises(ValueError, match=r"values of u are masked \(first in row 1\)"):
            method(np.ma.masked_array([0.2, 0.3], [False, True]), 0.4)
