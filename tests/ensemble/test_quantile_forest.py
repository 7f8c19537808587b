"""The quantile forest against its definition, and what its arrays must be."""

import numpy as np
import pytest
from quantile_forest import RandomForestQuantileRegressor
from sklearn.ensemble import RandomForestRegressor

from icemap.ensemble.quantile_curves import LEVELS, QuantileCurves
from icemap.ensemble.quantile_forest import QuantileForest, grow_quantile_forest


def fitted(*table, **options) -> QuantileForest:
    """Without the distribution of all sites."""
    return grow_quantile_forest(*table, **options)[0]


def sites(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 120, (n, 4), dtype=np.uint8)
    y = np.clip(codes[:, 0] * 0.6 + (5 + codes[:, 1] / 6) * rng.normal(size=n), 0, 100)
    return codes, y, rng.uniform(0.2, 1.0, n)


@pytest.fixture(scope="module")
def forest() -> QuantileForest:
    return fitted(*sites(), (0.0, 100.0), seed=3)


PLACES = np.random.default_rng(9).integers(0, 120, (2500, 4), dtype=np.uint8)


def shares_by_definition(places: np.ndarray) -> np.ndarray:
    """The weight of each site at each place, (places, sites), from scikit-learn's own leaves and
    draws: equation 5 of Meinshausen 2006.
    """
    codes, y, weight = sites()
    grown = RandomForestRegressor(300, min_samples_leaf=5, max_features=1 / 3, random_state=3).fit(
        codes, y, sample_weight=weight
    )
    drawn = np.array(
        [np.bincount(samples, minlength=len(y)) for samples in grown.estimators_samples_]
    ).T
    in_leaf = (grown.apply(places)[:, None, :] == grown.apply(codes)[None]) * drawn[None]
    return (in_leaf / in_leaf.sum(axis=1, keepdims=True)).mean(axis=2)


def test_it_is_the_distribution_of_the_sites_in_the_same_leaves(forest):
    _, y, _ = sites()
    share, leaves = shares_by_definition(PLACES[:100]), forest.at(PLACES[:100])
    below = np.column_stack([y[:, None] <= forest.x[:-1], y < forest.x[-1]])
    np.testing.assert_allclose(leaves.cdf[:, 1:-1], share @ below, atol=1e-6)
    assert np.abs(leaves.mean - share @ y).max() < 0.2
    assert (leaves.cdf[:, 0] == 0).all()
    assert (leaves.cdf[:, -1] == 1).all()


def test_all_sites_together_have_the_distribution_that_they_have():
    """Where there is nothing to split, a place has the distribution of what the trees drew."""
    _, y, weight = sites()
    forest, everywhere = grow_quantile_forest(
        np.zeros((300, 2), np.uint8), y, weight, (0.0, 100.0), seed=0
    )
    share = weight / weight.sum()
    at_nodes = np.array([share[y <= x].sum() for x in forest.x[:-1]])
    np.testing.assert_allclose(everywhere[:-1], at_nodes, atol=1e-12)
    leaves = forest.at(np.zeros((1, 2), np.uint8))
    np.testing.assert_allclose(leaves.cdf[0, 1:-2], at_nodes, atol=0.01)
    assert leaves.mean[0] == pytest.approx(share @ y, abs=0.3)


def test_the_outermost_sites_have_nodes_between_them():
    """Ends of intervals are read there, and values are far apart."""
    y = np.random.default_rng(0).permutation(np.exp(np.linspace(0, 7, 3000)))
    x = fitted(np.zeros((3000, 2), np.uint8), y, np.ones(3000), None, seed=0).x
    between = np.diff(np.searchsorted(np.sort(y), x[1:-1]))
    assert (between[0], between[-1]) == (1, 1)
    assert between.max() < 3000 / 128 * 2


def test_it_says_what_the_library_says(forest):
    codes, y, weight = sites()
    library = RandomForestQuantileRegressor(
        300, min_samples_leaf=5, max_samples_leaf=None, max_features=1 / 3, random_state=3
    )
    library.fit(codes, y, sample_weight=weight)
    leaves = forest.at(PLACES)
    np.testing.assert_allclose(
        leaves.mean, library.predict(PLACES, quantiles="mean", weighted_leaves=True), atol=0.5
    )
    theirs = library.predict(PLACES, quantiles=[0.1, 0.5, 0.9], weighted_leaves=True)
    ours = np.array(
        [[np.interp(p, cdf, forest.x) for p in (0.1, 0.5, 0.9)] for cdf in leaves.cdf[:, 1:-1]]
    )
    # The library's quantiles are values of sites.
    assert np.abs(ours - theirs).mean() < 1.0
    assert np.abs((ours - theirs).mean(axis=0)).max() < 0.5


def test_each_place_is_the_same_whatever_its_neighbours(forest):
    whole = forest.at(PLACES)
    for start, stop in ((0, 1), (5, 300), (2047, 2049), (2400, 2500)):
        part = forest.at(PLACES[start:stop])
        np.testing.assert_array_equal(part.cdf, whole.cdf[start:stop])
        np.testing.assert_array_equal(part.mean, whole.mean[start:stop])


def test_atoms_at_the_bounds_keep_their_mass():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 100, (300, 2), dtype=np.uint8)
    y = np.clip(codes[:, 0] * 1.6 - 30 + rng.normal(0, 15, 300), 0, 100)
    leaves = fitted(codes, y, np.ones(300), (0.0, 100.0), seed=0).at(
        np.array([[0, 50], [50, 50], [99, 50]], np.uint8)
    )
    curves = QuantileCurves(LEVELS, leaves.quantiles(LEVELS))
    left, right = curves.cdf_interval(0.0)
    assert (left == 0).all()
    assert right[0] > 0.7
    assert right[2] < 0.02
    left, right = curves.cdf_interval(100.0)
    assert (right == 1).all()
    assert left[2] < 0.4
    np.testing.assert_allclose(leaves.mean, curves.values @ np.gradient(LEVELS), atol=0.5)


def test_quantiles_are_where_the_distribution_reaches_the_level(forest):
    leaves = forest.at(PLACES[:50])
    levels = np.array([0.0, 0.025, 0.3, 0.975, 1.0])
    found = leaves.quantiles(levels)
    for row, cdf in zip(found, leaves.cdf[:, 1:-1], strict=True):
        assert (row[0], row[-1]) == (forest.x[0], forest.x[-1])
        inner = (row > forest.x[0]) & (row < forest.x[-1])
        np.testing.assert_allclose(np.interp(row, forest.x, cdf)[inner], levels[inner], atol=1e-5)
    assert (np.diff(found, axis=1) >= 0).all()


def test_an_unbounded_target_and_sites_without_weight():
    codes, y, weight = sites()
    weight[:290] = 0
    forest = fitted(codes, y - 300, weight, None, seed=0)
    leaves = forest.at(codes)
    assert np.isfinite(leaves.cdf).all()
    assert (np.diff(leaves.cdf, axis=1) >= 0).all()
    assert forest.x[0] < (y - 300).min() < (y - 300).max() < forest.x[-1]


def test_trees_of_one_leaf_hold_all_sites():
    y = np.arange(9.0)
    forest = fitted(np.zeros((9, 2), np.uint8), y, np.ones(9), None, seed=0)
    assert len(forest.nodes) == 0
    np.testing.assert_allclose(forest.at(np.zeros((1, 2), np.uint8)).mean, 4.0, atol=0.3)


def test_a_direction_leaves_out_the_splits_against_it():
    codes, y, weight = sites()
    means = []
    for direction in (1, -1):
        forest = fitted(codes, y, weight, (0.0, 100.0), seed=0, directions=[direction, 0, 0, 0])
        means.append(forest.at(np.array([[5, 60, 60, 60], [115, 60, 60, 60]], np.uint8)).mean)
    assert means[0][1] - means[0][0] > 40  # the target does rise along it
    assert abs(means[1][1] - means[1][0]) < 15


def test_a_constant_target_is_refused():
    with pytest.raises(ValueError, match="the target is 7 at every site"):
        fitted(np.zeros((9, 2), np.uint8), np.full(9, 7.0), np.ones(9), None, seed=0)


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("root", 0, 10**6),
        ("root", 0, -(10**6)),
        ("nodes", (0, 0), 4),
        ("nodes", (3, 2), 3),  # round in circles
        ("nodes", (3, 3), -(10**6)),
        ("depth", 0, 10**6),
        ("x", 5, 1e9),
    ],
)
def test_arrays_that_lead_beyond_themselves_are_refused(forest, name, where, value):
    forest.require_sound(4)
    array = getattr(forest, name).copy()
    array[where] = value
    with pytest.raises(ValueError, match="beyond its arrays"):
        forest._replace(**{name: array}).require_sound(4)
    for other in (
        {"x": np.sort(np.append(forest.x[:-1], forest.x[0]))},  # one node twice
        {"means": forest.means[:-1]},
        {"curves": forest.curves[:, :-1]},
        {"nodes": forest.nodes.astype(float)},
        {"root": forest.root[::-1].copy(), "depth": forest.depth[::-1].copy()},
        {"root": forest.root[1:], "depth": forest.depth[1:]},
    ):
        with pytest.raises(ValueError, match="beyond its arrays"):
            forest._replace(**other).require_sound(4)
