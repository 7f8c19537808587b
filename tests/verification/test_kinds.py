from __future__ import annotations

import numpy as np
import pytest

from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.replicates import TrainingTable
from icemap.verification.kinds import KIND_NAMES, FoldOptions, fold_labels, region_labels

pytestmark = pytest.mark.quick


def table(lon: np.ndarray, lat: np.ndarray, cell: np.ndarray | None = None) -> TrainingTable:
    n = len(lon)
    return TrainingTable(np.zeros((n, 1)), np.zeros(n), np.ones(n), lon, lat, np.arange(n) if cell is None else cell)


def spread(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """70 sites in Siberia, 70 in North America, 10 in the Nordic region."""
    rng = np.random.default_rng(seed)
    lon = np.concatenate([rng.uniform(60, 170, 70), rng.uniform(-160, -60, 70), rng.uniform(10, 30, 10)])
    return lon, rng.uniform(60, 74, 150)


def options(folds: int = 4) -> FoldOptions:
    domain = np.random.default_rng(1).uniform((-180, 60), (180, 75), (300, 2)).T
    return FoldOptions(folds, 10.0, (domain[0], domain[1]), seed=0)


def test_every_kind_leaves_each_sample_out_once_and_keeps_together_what_belongs_together():
    lon, lat = spread()
    samples = table(lon, lat, np.repeat(np.arange(75), 2))
    labels, notes = fold_labels(samples, options())
    assert list(labels) == ["random", "cell", "block", "knndm", "region"]
    assert set(labels) <= set(KIND_NAMES)
    for kind in ("random", "cell", "block", "knndm"):
        assert set(labels[kind]) == {0, 1, 2, 3}
    for kind, groups in (("cell", samples.cell), ("block", spatial_blocks(lon, lat, 10.0))):
        assert all(len(set(labels[kind][groups == group])) == 1 for group in np.unique(groups))
    assert any(len(set(labels["random"][samples.cell == cell])) == 2 for cell in range(75))
    assert [np.unique(labels["region"][part]).tolist() for part in (slice(0, 70), slice(70, 140), slice(140, 150))] == [[1], [0], [-1]]
    assert notes == ["Nordic is not left out: it has 10 samples, fewer than 20"]
    again, _ = fold_labels(samples, options())
    assert all(np.array_equal(labels[kind], again[kind]) for kind in labels)


def test_random_folds_are_not_printed_twice():
    labels, notes = fold_labels(table(*spread()), options())
    assert "random" not in labels
    assert "every sample has a grid cell of its own" in notes[0]


def test_one_region_alone_cannot_be_left_out():
    rng = np.random.default_rng(0)
    labels, notes = fold_labels(table(rng.uniform(60, 170, 100), rng.uniform(60, 74, 100)), options(3))
    assert "region" not in labels
    assert notes[-1] == "Siberia is not left out: the other regions have 0 samples, fewer than 60"


def test_a_region_that_holds_nearly_all_sites_is_always_trained_on():
    labels, notes = region_labels(np.repeat([-150.0, 130.0], [25, 100]), np.full(125, 68.0))
    assert labels.tolist() == [0] * 25 + [-1] * 100
    assert notes == ["Siberia is not left out: the other regions have 25 samples, fewer than 60"]


def test_too_few_blocks_for_the_folds_is_said():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="4 folds cannot be made of 1 blocks of 10 degrees"):
        fold_labels(table(rng.uniform(91, 95, 80), rng.uniform(61, 64, 80)), options())
