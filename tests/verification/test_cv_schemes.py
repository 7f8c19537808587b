from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from icemap.boreholes.sample_weights import declustering_weights
from icemap.ensemble.checks import MIN_TRAINING
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.replicates import TrainingTable
from icemap.verification.cv_schemes import (
    KIND_NAMES,
    FoldOptions,
    fold_labels,
    headline,
    importance_kind,
    region_labels,
    sample_facts,
    smallest_training,
)

pytestmark = pytest.mark.quick


def table(lon: np.ndarray, lat: np.ndarray, cell: np.ndarray | None = None) -> TrainingTable:
    n = len(lon)
    return TrainingTable(
        np.zeros((n, 1)), np.zeros(n), np.ones(n), lon, lat, np.arange(n) if cell is None else cell
    )


def spread(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """70 sites in Siberia, 70 in North America, 10 in the Nordic region."""
    rng = np.random.default_rng(seed)
    lon = np.concatenate(
        [rng.uniform(60, 170, 70), rng.uniform(-160, -60, 70), rng.uniform(10, 30, 10)]
    )
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
    assert [
        np.unique(labels["region"][part]).tolist()
        for part in (slice(0, 70), slice(70, 140), slice(140, 150))
    ] == [[1], [0], [-1]]
    assert notes == ["Nordic is not left out: it has 10 samples, fewer than 20"]
    again, _ = fold_labels(samples, options())
    assert all(np.array_equal(labels[kind], again[kind]) for kind in labels)


def test_random_folds_are_not_printed_twice():
    labels, notes = fold_labels(table(*spread()), options())
    assert "random" not in labels
    assert "every sample has a grid cell of its own" in notes[0]


def test_one_region_alone_cannot_be_left_out():
    rng = np.random.default_rng(0)
    labels, notes = fold_labels(
        table(rng.uniform(60, 170, 100), rng.uniform(60, 74, 100)), options(3)
    )
    assert "region" not in labels
    assert notes[-1] == "Siberia is not left out: the other regions have 0 samples, fewer than 60"


def test_a_region_that_holds_nearly_all_sites_is_always_trained_on():
    labels, notes = region_labels(np.repeat([-150.0, 130.0], [25, 100]), np.full(125, 68.0))
    assert labels.tolist() == [0] * 25 + [-1] * 100
    assert notes == ["Siberia is not left out: the other regions have 25 samples, fewer than 60"]


def clustered(sizes: list[int], spread: float = 0.3, seed: int = 0) -> TrainingTable:
    """Clusters of so many sites, 25 degrees apart, each some 30 km wide."""
    rng = np.random.default_rng(seed)
    lon = np.repeat((62.0 + 25 * np.arange(len(sizes))) % 360 - 180, sizes) + rng.normal(
        0, spread, sum(sizes)
    )
    return table(lon, np.repeat(65.0, sum(sizes)) + rng.normal(0, spread / 2, sum(sizes)))


@pytest.mark.parametrize(
    "sizes",
    [
        [34, 10, 8, 6, 5],  # one block with more than half of the samples
        [60],  # all in one block
        [30, 33],
        [20, 20, 20],
        [7] * 9,
        [64, 1, 1, 1, 1],
        [1] * 50,
        [51],
    ],
)
@pytest.mark.parametrize("folds", [3, 10])
def test_every_training_side_of_few_clustered_samples_is_large_enough(sizes, folds):
    samples = clustered(sizes)
    labels, notes = fold_labels(samples, options(folds))
    assert {"cell", "knndm"} <= set(labels)
    for kind, folds_of in labels.items():
        assert smallest_training(folds_of) >= MIN_TRAINING, kind
        if kind != "region":
            assert set(folds_of) == set(range(folds_of.max() + 1)), kind
    blocked = [note for note in notes if "spatial blocks" in note]
    assert ("block" not in labels or labels["block"].max() + 1 != folds) <= bool(blocked)


def test_blocks_that_hold_too_much_are_halved_and_that_is_said():
    labels, notes = fold_labels(clustered([34, 10, 8, 6, 5], spread=2.0), options(10))
    assert "block" in labels
    said = " ".join(notes)
    assert "spatial blocks have a side of" in said
    assert "degrees instead of 10" in said
    assert importance_kind(labels) == "block"


def test_fewer_blocks_than_folds_make_fewer_folds():
    labels, notes = fold_labels(clustered([30] * 5), options(10))
    assert labels["block"].max() == 4
    assert "spatial blocks: 5 folds instead of 10, there are no more to leave out" in notes


def test_samples_that_are_all_in_one_place_have_no_spatial_blocks():
    labels, notes = fold_labels(clustered([60], spread=0.01), options(10))
    assert "block" not in labels
    assert any(
        "spatial blocks are not left out: all 60 samples are in 1 blocks" in n for n in notes
    )
    assert importance_kind(labels) == "knndm"


def test_too_few_samples_for_any_folds_are_refused():
    with pytest.raises(ValueError, match=r"41 samples .* allow no folds that leave 40"):
        fold_labels(
            table(*np.random.default_rng(0).uniform(60, 70, (2, 41)), np.zeros(41)), options()
        )


def test_the_facts_say_what_the_samples_allow():
    few = sample_facts(clustered([34, 10, 8, 6, 5]), 10.0)
    assert few.startswith(
        "63 samples, worth 63 samples spread evenly, in 5 independent clusters (blocks of 10"
        " degrees; the largest has 34): "
    )
    assert ": too few to say how sure the scores are (8 clusters are needed), so that" in few
    assert "enough to say how sure" in sample_facts(table(*spread()), 10.0)
    # Nine samples at one place, a ninth each, and one on its own.
    lon, lat = np.r_[np.full(9, -150.0), 100.0], np.full(10, 68.0)
    ten = replace(table(lon, lat), weight=declustering_weights(lon, lat))
    assert sample_facts(ten, 10.0).startswith("10 samples, worth 4 samples spread evenly")


def test_the_published_recipe_has_random_folds_alone():
    lon, lat = spread()
    alone = replace(options(), random_alone=True)
    by_hole = fold_labels(table(lon, lat, np.arange(len(lon)) // 2), alone)[0]
    by_cell = fold_labels(table(lon, lat), alone)[0]
    assert (list(by_hole), list(by_cell)) == (["random"], ["cell"])
    assert (headline(by_hole), headline(by_cell)) == ("random", "cell")
    assert headline(fold_labels(table(lon, lat), options())[0]) == "knndm"
