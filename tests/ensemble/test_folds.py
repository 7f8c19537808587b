import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict

from icemap.ensemble.folds import (
    block_folds,
    cell_folds,
    random_folds,
    replicate_splits,
    spatial_blocks,
    split_numbers,
    splitter,
)
from tests.drawn_sites import along_roads, on_the_sphere


def test_splitter_trains_on_all_other_folds_and_serves_scikit_learn():
    labels = random_folds(40, 4, seed=3)
    for train, test in splitter(labels).split():
        assert set(labels[test]).isdisjoint(labels[train])
        assert len(train) + len(test) == 40
    assert splitter(labels).get_n_splits() == 4
    x = np.arange(40.0)[:, None]
    assert cross_val_predict(
        LinearRegression(), x, 2 * x[:, 0], cv=splitter(labels)
    ) == pytest.approx(2 * x[:, 0])


def test_splitter_refuses_a_single_fold():
    with pytest.raises(ValueError, match="all sites are in one fold"):
        splitter([3, 3, 3])


@given(n=st.integers(2, 60), data=st.data())
@settings(max_examples=40)
def test_random_folds_are_balanced(n, data):
    k = data.draw(st.integers(2, n))
    sizes = np.bincount(random_folds(n, k, seed=data.draw(st.integers(0, 99))), minlength=k)
    assert sizes.max() - sizes.min() <= 1


@given(
    cells=st.lists(st.integers(0, 30), min_size=8, max_size=200),
    k=st.integers(2, 8),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_no_cell_is_on_both_sides_and_folds_stay_balanced(cells, k, seed):
    groups = np.asarray(cells)
    if len(set(cells)) < k:
        with pytest.raises(
            ValueError, match=f"{k} folds cannot be made of {len(set(cells))} grid cells"
        ):
            cell_folds(groups, k, seed)
        return
    labels = cell_folds(groups, k, seed)
    assert all(len(set(labels[groups == cell])) == 1 for cell in set(cells))
    assert len(set(labels)) == k
    assert np.bincount(labels).max() <= len(cells) / k + np.bincount(groups).max()


def test_seed_alone_decides():
    lon, lat = on_the_sphere(300, 0, 50, 80)
    first = block_folds(lon, lat, 10, 5, seed=1)
    assert np.array_equal(first, block_folds(lon, lat, 10, 5, seed=1))
    assert not np.array_equal(first, block_folds(lon, lat, 10, 5, seed=2))


@pytest.mark.parametrize("degrees", [5, 10, 20])
def test_blocks_have_equal_areas_and_are_as_wide_as_high(degrees):
    lon, lat = on_the_sphere(400_000, 0)
    blocks = spatial_blocks(lon, lat, degrees)
    sites = np.bincount(blocks)
    expected = degrees**2 / (360**2 / np.pi) * 400_000
    # Counting noise, and the rounding of a row to whole blocks (largest at the pole: 3.1 blocks
    # become 3).
    assert np.abs(sites - expected).max() < 5 * np.sqrt(expected) + 0.06 * expected
    assert sites.sum() == 400_000


def test_one_place_is_in_one_block_however_its_longitude_is_written():
    assert len(set(spatial_blocks([-180, 180, 540], [70, 70, 70], 10).tolist())) == 1
    assert (
        spatial_blocks([-75.5, 120], [63, 90], 10).tolist()
        == spatial_blocks([284.5, -240], [63, 90], 10).tolist()
    )


def test_sites_of_a_block_share_a_fold():
    lon, lat = along_roads()
    blocks, labels = spatial_blocks(lon, lat, 10), block_folds(lon, lat, 10, 4, seed=0)
    assert all(len(set(labels[blocks == block])) == 1 for block in set(blocks.tolist()))
    assert set(labels) == {0, 1, 2, 3}


def test_too_large_blocks_are_refused():
    with pytest.raises(ValueError, match=r"5 folds cannot be made of \d blocks of 90 degrees"):
        block_folds(*along_roads(), 90, 5, seed=0)


@pytest.mark.parametrize(
    ("lon", "lat", "message"),
    [
        ([10, np.nan], [60, 60], "row 1 has longitude nan"),
        ([0], [91], "latitude 91"),
        ([0, 1], [60], "shapes"),
    ],
)
def test_impossible_places_are_named(lon, lat, message):
    with pytest.raises(ValueError, match=message):
        spatial_blocks(lon, lat, 10)


def test_replicates_hold_out_whole_cells_and_do_not_depend_on_their_number():
    cells = np.random.default_rng(0).integers(0, 120, 300)
    held = replicate_splits(cells, 0.1, replicates=20, seed=5)
    assert held.shape == (20, 300)
    for row in held:
        assert set(cells[row]).isdisjoint(cells[~row])
        assert len(set(cells[row])) == np.ceil(0.1 * len(set(cells)))
    assert len({row.tobytes() for row in held}) == 20
    assert np.array_equal(held[:7], replicate_splits(cells, 0.1, replicates=7, seed=5))
    assert not np.array_equal(held, replicate_splits(cells, 0.1, replicates=20, seed=6))


@pytest.mark.parametrize("replicates", [1, 21, 40, 41, 63, 200])
def test_of_forty_replicates_two_share_each_split(replicates):
    held = replicate_splits(range(300), 0.1, replicates, seed=5)
    numbers = split_numbers(replicates)
    same = (held[:, None] == held[None]).all(axis=2)
    assert np.array_equal(same, numbers[:, None] == numbers[None])
    assert np.bincount(numbers).max() <= 2
    assert len(set(numbers[:20])) == min(replicates, 20)
    assert np.array_equal(numbers, split_numbers(200)[:replicates])
