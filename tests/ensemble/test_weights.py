"""EM for the weights: exact cases, monotone ascent, prior, posterior."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from icemap import em_weights


def random_likelihood(seed: int, n: int = 200, members: int = 4) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, 1.5, (n, members)))


def test_rows_that_only_one_member_explains_give_their_shares() -> None:
    likelihood = np.repeat(np.eye(3) * [0.1, 5.0, 2e4], [7, 2, 1], axis=0)
    weights, path = em_weights(likelihood)
    np.testing.assert_allclose(weights, [0.7, 0.2, 0.1], atol=1e-12)
    assert path[-1] == pytest.approx(7 * np.log(0.07) + 2 * np.log(1.0) + np.log(2e3))


def test_two_mirrored_kinds_of_row_have_a_closed_form() -> None:
    # n1 rows (a, b) and n2 rows (b, a): the score equation is linear in w.
    a, b, n1, n2 = 3.0, 1.0, 12, 8
    weights, _ = em_weights(np.repeat([[a, b], [b, a]], [n1, n2], axis=0))
    expected = (n1 * (a - b) * a - n2 * (a - b) * b) / ((n1 + n2) * (a - b) ** 2)
    assert weights[0] == pytest.approx(expected, abs=1e-8)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_the_objective_never_falls_and_every_start_ends_at_the_same_place(seed: int) -> None:
    likelihood = random_likelihood(seed, n=60, members=3)
    weights, path = em_weights(likelihood)
    assert np.diff(path).min(initial=0.0) > -1e-9
    assert weights.sum() == pytest.approx(1.0)
    other, other_path = em_weights(
        likelihood, start=np.random.default_rng(seed).dirichlet(np.ones(3))
    )
    assert other_path[-1] == pytest.approx(path[-1], abs=1e-6)
    np.testing.assert_allclose(other, weights, atol=1e-3)


def test_the_optimum_is_that_of_a_general_optimizer() -> None:
    likelihood = random_likelihood(5)

    def loss(x: np.ndarray) -> float:
        w = np.exp(x - x.max())
        return -np.log(likelihood @ (w / w.sum())).sum()

    found = optimize.minimize(loss, np.zeros(4), method="BFGS")
    weights, path = em_weights(likelihood)
    assert path[-1] >= -found.fun - 1e-6
    np.testing.assert_allclose(weights, np.exp(found.x) / np.exp(found.x).sum(), atol=1e-4)


@given(st.permutations(range(4)))
@settings(max_examples=24)
def test_permuting_members_permutes_weights(order: list[int]) -> None:
    likelihood = random_likelihood(1)
    np.testing.assert_allclose(
        em_weights(likelihood[:, order])[0], em_weights(likelihood)[0][order], atol=1e-8
    )


def test_a_far_observation_does_not_stop_the_fit() -> None:
    logs = np.log(random_likelihood(2))
    near = em_weights(logs, log=True)[0]
    far = np.vstack([logs, [[-5e4, -5e4, -5e4, -5e4]], [[-np.inf] * 4]])
    np.testing.assert_allclose(em_weights(far, log=True)[0], near, atol=1e-6)
    zeros = np.vstack([np.exp(logs), np.zeros((1, 4))])
    np.testing.assert_allclose(em_weights(zeros)[0], near, atol=1e-6)


def test_a_weight_that_starts_at_zero_does_not_break_the_rows_only_it_explains() -> None:
    weights, path = em_weights(np.repeat(np.eye(2), [3, 1], axis=0), start=[1.0, 0.0])
    np.testing.assert_allclose(weights, [0.75, 0.25], atol=1e-9)
    assert np.all(np.isfinite(path))


def test_row_weights_count_as_repetitions() -> None:
    likelihood, repeats = random_likelihood(3), np.random.default_rng(3).integers(1, 4, 200)
    np.testing.assert_allclose(
        em_weights(likelihood, sample_weight=repeats)[0],
        em_weights(np.repeat(likelihood, repeats, axis=0))[0],
        atol=1e-7,
    )


def test_the_prior_runs_from_plain_em_to_equal_weights() -> None:
    likelihood = random_likelihood(4)
    plain = em_weights(likelihood)[0]
    distance = [
        np.abs(em_weights(likelihood, prior_strength=s)[0] - 0.25).max()
        for s in (0.0, 10.0, 100.0, 1e4, np.inf)
    ]
    assert distance[0] == np.abs(plain - 0.25).max()
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] == 0.0
    path = em_weights(likelihood, prior_strength=50.0)[1]
    assert np.diff(path).min() > -1e-9


def test_the_prior_counts_as_rows() -> None:
    weights, _ = em_weights(np.repeat(np.eye(2), [30, 10], axis=0), prior_strength=20.0)
    np.testing.assert_allclose(weights, [40 / 60, 20 / 60], atol=1e-9)


@pytest.mark.parametrize(
    ("likelihood", "keywords", "part"),
    [
        ([[1.0, -1.0]], {}, "member 1 in row 0"),
        ([[1.0, np.nan]], {}, "member 1 in row 0"),
        ([1.0, 2.0], {}, "rows x members"),
        ([[1.0, 2.0]], {"prior_strength": -1.0}, "prior_strength"),
        ([[1.0, 2.0]], {"sample_weight": [-1.0]}, ">= 0"),
        ([[1.0, 2.0]], {"sample_weight": [1.0, 1.0]}, "one weight per row"),
        ([[1.0, 2.0]], {"start": [1.0]}, "one per member"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(likelihood: list, keywords: dict, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        em_weights(likelihood, **keywords)


def test_the_prior_draws_towards_its_weights():
    likelihood = np.random.default_rng(5).random((40, 3)) + np.array([1.0, 0.0, 0.0])
    believed = (0.0, 0.0, 1.0)
    shares = [
        em_weights(likelihood, prior_strength=s, prior_weights=believed)[0]
        for s in (0.0, 20.0, 200.0, np.inf)
    ]
    assert np.all(np.diff([w[2] for w in shares]) > 0)
    assert shares[-1].tolist() == [0.0, 0.0, 1.0]
    path = em_weights(likelihood, prior_strength=20.0, prior_weights=believed)[1]
    assert np.all(np.diff(path) >= -1e-9)


@pytest.mark.parametrize("wrong", [(0.5, 0.5), (0.9, 0.2, 0.2), (1.5, -0.5, 0.0)])
def test_prior_weights_that_are_no_weights_are_refused(wrong):
    with pytest.raises(ValueError, match="give 3 numbers >= 0, one per member, that add up to one"):
        em_weights(np.ones((5, 3)), prior_strength=1.0, prior_weights=wrong)


def test_masked_likelihoods_are_refused() -> None:
    masked = np.ma.masked_less(random_likelihood(0), 0.05)
    with pytest.raises(ValueError, match="values of likelihood are masked"):
        em_weights(masked)
    whole = random_likelihood(0)
    np.testing.assert_array_equal(em_weights(np.ma.asarray(whole))[0], em_weights(whole)[0])
    rows = np.ma.masked_equal(np.arange(200.0), 7)
    with pytest.raises(ValueError, match=r"values of sample_weight are masked \(first in row 7\)"):
        em_weights(whole, sample_weight=rows)
