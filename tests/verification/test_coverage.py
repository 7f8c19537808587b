"""Limits of coverage from resampled blocks."""

import numpy as np
import pytest

from icemap.verification.coverage import BlockDraws, with_block_limits
from icemap.verification.scores import Scores

pytestmark = pytest.mark.quick


def clustered(rng: np.random.Generator, blocks: int = 40, size: int = 12) -> np.ndarray:
    """Hits of a 90 % interval whose errors are shared by the samples of a block."""
    shared = rng.normal(size=blocks).repeat(size) * 0.7
    return np.abs(shared + 0.714 * rng.normal(size=blocks * size)) < 1.645


def test_block_limits_hold_the_true_coverage_where_binomial_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(40), 12)
    held, binomial = 0, 0
    for _ in range(200):
        hit = clustered(rng)
        low, high = BlockDraws.of(block, 1).limits(hit) or (1.0, 0.0)
        held += low <= 0.9 <= high
        n = len(hit)
        spread = 1.96 * np.sqrt(0.9 * 0.1 / n)
        binomial += abs(hit.mean() - 0.9) <= spread
    assert held >= 178
    assert binomial < held


def forecast(inside: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    bounds = np.where(inside[:, None], [-1.0, 1.0], [1.0, 2.0])
    return {"interval": {"0.95": bounds}}


def test_limits_are_never_narrower_than_binomial_ones() -> None:
    y, all_hit = np.zeros(100), np.ones(100, bool)
    draws = BlockDraws.of(np.arange(100) // 5, 0)
    found = with_block_limits(y, forecast(all_hit), draws)
    low, high = Scores.of(y, intervals={0.95: (y - 1, y + 1)}).coverage_limits(0.95)
    assert (found["coverage_95_low"], found["coverage_95_high"]) == (low, high)
    assert low < 0.97


def test_few_blocks_have_no_draws() -> None:
    draws = BlockDraws.of(np.arange(60) // 20, 0)
    assert draws.limits(np.ones(60, bool)) is None
    assert (
        with_block_limits(np.zeros(60), forecast(np.ones(60, bool)), draws)["coverage_95_high"] == 1
    )
