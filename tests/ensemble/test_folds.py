from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict

from icemap.ensemble.folds import (
    block_folds,
    cell_folds,
    great_circle,
    knndm,
    knndm_folds,
    nearest_distance,
    random_folds,
    region_folds,
    replicate_splits,
    spatial_blocks,
    split_numbers,
    splitter,
)

POINTS = Path(__file__).parents[2] / "../shared/realcase/points"


def on_the_sphere(
    n: int, seed: int, south: float = -90, north: float = 90
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sine = rng.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), n)
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(sine))


def along_roads(seed: int = 0, roads: int = 40, per_road: int = 8) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = on_the_sphere(roads, seed, 55, 75)
    rng = np.random.default_rng(seed + 1)
    return np.repeat(lon, per_road) + rng.uniform(0, 1.5, roads * per_road), np.repeat(
        lat, per_road
    ) + rng.uniform(0, 0.5, roads * per_road)


def reach(lon, lat, labels):
    """Distance of each site to the nearest one of another fold, the plain way."""
    distances = great_circle(lon, lat)
    return np.array([distances[i, labels != labels[i]].min() for i in range(len(labels))])


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


def test_one_region_is_refused_by_name():
    with pytest.raises(ValueError, match="region Siberia"):
        region_folds(["Siberia", "Siberia"])


def test_great_circle_distances_against_the_ellipsoid():
    lon, lat = on_the_sphere(40, 5)
    i, j = np.triu_indices(40, 1)
    geodesic = Geod(ellps="WGS84").inv(lon[i], lat[i], lon[j], lat[j])[2] / 1000
    # A sphere is at most 0.6 % wrong on this ellipsoid.
    assert great_circle(lon, lat)[i, j] == pytest.approx(geodesic, rel=6e-3)
    everywhere = nearest_distance(lon, lat, lon[:7], lat[:7])
    assert everywhere == pytest.approx(great_circle(lon, lat)[:, :7].min(axis=1), abs=1e-4)


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


def test_knndm_gives_the_figure_of_cast():
    # CAST, tests/testthat/test-knndm.R, "works with geographical coordinates and prediction
    # points": W = 121095.2 m with 3 clusters. Its prediction points are sf's regular sample of 20
    # in a 10 x 10 degree square: an R draw, set.seed(1); runif(2), places the lattice.
    lon, lat = [1, 1, 2, 2, 1, 5], [1, 2, 2, 3, 4, 4]
    step = np.sqrt(100 / 20)
    west, south = 10 * np.array([0.2655086631421000, 0.3721238996367902]) % step
    domain_lon, domain_lat = (
        a.ravel() for a in np.meshgrid(west + step * np.arange(5), south + step * np.arange(4))
    )
    found = knndm(lon, lat, domain_lon, domain_lat, k=2, seed=0, largest_fold=0.8)
    assert round(found.w, 4) == 121.0952
    assert found.clusters == 3


def test_knndm_matches_the_map_where_random_folds_do_not():
    lon, lat = along_roads()
    domain = on_the_sphere(2000, 9, 55, 75)
    found = knndm(lon, lat, *domain, k=5, seed=0)
    w_random = wasserstein_distance(
        reach(lon, lat, random_folds(len(lon), 5, 0)), found.domain_to_site
    )
    assert found.w == pytest.approx(
        wasserstein_distance(reach(lon, lat, found.labels), found.domain_to_site)
    )
    assert found.test_to_train == pytest.approx(reach(lon, lat, found.labels))
    assert found.w < 0.3 * w_random
    assert set(found.labels) == set(range(5))
    assert np.bincount(found.labels).max() <= 0.5 * len(lon)


def test_knndm_returns_random_folds_for_random_sites():
    lon, lat = on_the_sphere(200, 3, 55, 75)
    found = knndm(lon, lat, *on_the_sphere(2000, 4, 55, 75), k=10, seed=7)
    assert found.clusters == 0
    assert np.array_equal(found.labels, random_folds(200, 10, 7))


def test_knndm_is_blind_to_the_date_line():
    lon, lat = along_roads(seed=4)
    domain_lon, domain_lat = on_the_sphere(2000, 9, 55, 75)
    here = knndm(lon, lat, domain_lon, domain_lat, k=5, seed=0)
    turned = knndm(
        (lon + 137 + 180) % 360 - 180,
        lat,
        (domain_lon + 137 + 180) % 360 - 180,
        domain_lat,
        k=5,
        seed=0,
    )
    assert turned.w == pytest.approx(here.w, rel=0.05)


def test_knndm_takes_sites_at_one_place():
    lon, lat = np.repeat([10.0, 50.0, 90.0, 130.0], 10), np.repeat([65.0, 66.0, 67.0, 68.0], 10)
    labels = knndm_folds(lon, lat, *on_the_sphere(500, 1, 60, 70), k=4, seed=0)
    assert all(len(set(labels[lon == place])) == 1 for place in set(lon))


def test_knndm_needs_sites():
    with pytest.raises(ValueError, match="10 folds and 5 sites"):
        knndm(np.arange(5), np.full(5, 60), [0, 1], [60, 60], k=10, seed=0)


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


@pytest.mark.skipif(
    not POINTS.exists(), reason="the real measurement points are not on this machine"
)
def test_knndm_on_active_layer_sites_lies_between_random_folds_and_the_map():
    points = pd.read_csv(POINTS / "points_alt.csv")
    domain = on_the_sphere(3000, 0, 60, 75)
    found = knndm(points.lon, points.lat, *domain, k=10, seed=0)
    lon, lat = points.lon.to_numpy(), points.lat.to_numpy()
    w_random = wasserstein_distance(
        reach(lon, lat, random_folds(len(lon), 10, 0)), found.domain_to_site
    )
    w_blocks = wasserstein_distance(
        reach(lon, lat, block_folds(lon, lat, 10, 10, 0)), found.domain_to_site
    )
    assert found.w < w_blocks < w_random
