from __future__ import annotations

import numpy as np
import pytest

from icemap.verification.paired import block_difference

pytestmark = pytest.mark.quick


def test_independent_samples_have_the_interval_of_the_mean():
    values = np.random.default_rng(0).normal(0.3, 2.0, 1000)
    found = block_difference(values, np.arange(1000), seed=1)
    half = 1.96 * values.std() / np.sqrt(1000)
    assert found["difference"] == pytest.approx(values.mean())
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_what_neighbours_share_is_not_counted_as_evidence():
    """With one value per block there are as many observations as blocks."""
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(40), 25)
    shared = rng.normal(size=40)[blocks]
    by_block, by_sample = (
        block_difference(shared, blocks, 0),
        block_difference(shared, np.arange(1000), 0),
    )
    ratio = (by_block["high"] - by_block["low"]) / (by_sample["high"] - by_sample["low"])
    assert ratio == pytest.approx(5, rel=0.2)


def test_the_interval_covers_as_it_promises():
    """Blocks of unequal size with a shared part; the true difference is 0."""
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        blocks = np.repeat(np.arange(30), rng.integers(2, 40, 30))
        found = block_difference(
            rng.normal(size=30)[blocks] + rng.normal(size=len(blocks)), blocks, seed
        )
        hits += found["low"] <= 0 <= found["high"]
    assert 0.88 <= hits / 200 <= 0.98


def test_reversed_roles_and_the_same_seed():
    rng = np.random.default_rng(3)
    values, blocks = rng.normal(0.2, 1, 300), np.repeat(np.arange(30), 10)
    one, other = block_difference(values, blocks, 0), block_difference(-values, blocks, 0)
    assert one == block_difference(values, blocks, 0)
    assert other["low"] == pytest.approx(-one["high"], rel=0.1)


@pytest.mark.parametrize(
    ("values", "blocks"),
    [(np.arange(7.0), np.arange(7)), (np.zeros(40), np.arange(40))],
    ids=["few blocks", "no difference"],
)
def test_no_interval_is_made_up(values, blocks):
    found = block_difference(values, blocks, 0)
    assert found["low"] is found["high"] is None
    assert found["difference"] == values.mean()
