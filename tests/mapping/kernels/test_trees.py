"""The sum of all trees against the libraries' own predict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMRegressor
from sklearn.ensemble import RandomForestRegressor

from icemap.ensemble.pool_parts import PoolParts, Shares
from icemap.ensemble.quantile_forest import grow_quantile_forest
from icemap.mapping.compiled_ensemble import compile_leaves, pad
from icemap.mapping.kernels.bits import PIXELS
from icemap.mapping.kernels.compilable import CannotCompileError
from icemap.mapping.kernels.forests import (
    Tree,
    TreeBuilder,
    forest_trees,
    leaf_trees,
    lightgbm_trees,
)
from icemap.mapping.kernels.tree_tables import Conditions
from icemap.mapping.kernels.trees import _most, sum_trees

QUIET = {"verbosity": -1, "n_jobs": 1, "max_bin": 255, "min_data_in_bin": 1}


def packed_sum(models, X, counts):
    """Predictions of all models (models, n) by the kernel."""
    builder = TreeBuilder(counts)
    of = lightgbm_trees if isinstance(models[0], LGBMRegressor) else forest_trees
    trees = builder.pack(of(getattr(model, "booster_", model), builder) for model in models)
    codes = np.ascontiguousarray(pad(X).T)
    out = np.empty((len(models), codes.shape[1]), np.float32)
    sum_trees(codes, builder.conditions(), trees, out)
    return out[:, : len(X)]


def table(rng, n, counts):
    return np.column_stack([rng.integers(0, count, n) for count in counts]).astype(np.uint8)


def test_a_forest_of_integer_codes_with_ties_at_every_threshold():
    rng = np.random.default_rng(0)
    counts = [255, 255, 3, 1, 12]
    X = table(rng, 800, counts)
    y = 0.3 * X[:, 0] + 20 * (X[:, 2] == 1) + 5 * X[:, 4] + rng.normal(size=800)
    forests = [
        RandomForestRegressor(20, min_samples_leaf=leaf, random_state=leaf).fit(X, y)
        for leaf in (1, 3)
    ]
    assert max(tree.get_n_leaves() for tree in forests[0].estimators_) > 256, (
        "one number of a leaf must need more than eight bits"
    )
    for pixels in (table(rng, 5000, counts), X, np.sort(X, axis=0), X[:1], X[: PIXELS + 1]):
        expected = np.stack([forest.predict(pixels) for forest in forests])
        np.testing.assert_allclose(packed_sum(forests, pixels, counts), expected, atol=1e-4)


def test_lightgbm_with_classes_one_by_one_and_in_subsets():
    rng = np.random.default_rng(1)
    counts = [200, 100, 3, 30, 9]
    X = table(rng, 900, counts)
    effect = rng.normal(0, 20, 30)
    y = 0.2 * X[:, 0] + effect[X[:, 3]] + 15 * (X[:, 2] == 2) + 4 * X[:, 4] + rng.normal(size=900)
    models = [
        LGBMRegressor(n_estimators=60, num_leaves=31, random_state=s, **QUIET).fit(
            X[s:], y[s:], categorical_feature=[2, 3, 4]
        )
        for s in range(2)
    ]
    assert any(
        "cat_threshold" in block for block in models[0].booster_.model_to_string().split("Tree=")
    )
    # Level 29 of predictor 3 at the pixels alone: a level that no subset may know.
    for pixels in (table(rng, 3000, counts), X[:1], X[: PIXELS + 1]):
        expected = np.stack([model.predict(pixels) for model in models])
        np.testing.assert_allclose(packed_sum(models, pixels, counts), expected, atol=1e-4)


@settings(max_examples=25)
@given(st.data())
def test_small_forests_of_any_shape(data):
    seed = data.draw(st.integers(0, 10**6))
    counts = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=5))
    rng = np.random.default_rng(seed)
    X = table(rng, data.draw(st.integers(1, 60)), counts)
    y = rng.choice([0.0, 50.0, 100.0], len(X)) + X[:, 0]
    depth = data.draw(st.sampled_from([1, 2, None]))
    forests = [
        RandomForestRegressor(data.draw(st.integers(1, 7)), max_depth=depth, random_state=seed).fit(
            X, y
        )
    ]
    pixels = table(rng, data.draw(st.sampled_from([1, 40, 512, 513])), counts)
    np.testing.assert_allclose(
        packed_sum(forests, pixels, counts), [forests[0].predict(pixels)], atol=1e-4
    )


def numbers(*values):
    return np.array(values, dtype=np.int64)


def test_nodes_and_leaves_are_put_in_order():
    """Of nodes 0 (left leaf 2, right node 1) and 1 (left node 2, right leaf 0), however numbered.

    ::

        0 -- leaf 2
          `- 1 -- 2 -- leaf 3
             |    `--- leaf 1
             `--- leaf 0
    """
    left, right = numbers(-3, 2, -4), numbers(1, -1, -2)
    tree = Tree(numbers(7, 8, 9), left, right, np.array([0.0, 10.0, 20.0, 30.0]))
    nodes, leaves = tree.in_order()
    assert leaves.tolist() == [20.0, 30.0, 10.0, 0.0]
    parts = nodes[:, None] >> np.arange(0, 64, 16, dtype=np.uint64) & np.uint64(0xFFFF)
    assert parts.tolist() == [[9, 1, 2, 3], [8, 1, 3, 4], [7, 0, 1, 4]]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((-1, -3), (0, -2)),  # round in circles
        ((-1, -1), (1, 1)),  # a node twice
        ((-1, -2), (-2, -3)),  # a node of no parent
        ((-1, -4), (1, -2)),  # a leaf that is not there
        ((-1, -3), (2, -2)),  # a node that is not there
    ],
)
def test_nodes_that_are_no_tree_are_not_packed(left, right):
    tree = Tree(numbers(0, 0), numbers(*left), numbers(*right), np.zeros(3))
    with pytest.raises(CannotCompileError, match="no tree"):
        tree.in_order()


@settings(max_examples=60)
@given(st.data())
def test_groups_of_pixels_that_leave_any_part_of_a_tree(data):
    """Within a group some predictors are the same everywhere, so that trees are cut at any node."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    counts = [200, 40, 7, 3]
    X = table(rng, data.draw(st.sampled_from([30, 300])), counts)
    y = rng.integers(0, 1000, len(X)) / 8
    forest = RandomForestRegressor(4, bootstrap=False, random_state=0).fit(X, y)
    pixels = table(rng, 600, counts)
    for predictor in data.draw(st.sets(st.integers(0, 3))):
        pixels[:, predictor] = pixels[0, predictor]
    spread = data.draw(st.sampled_from([1, 10, 255]))
    pixels[:, 0] = np.clip(pixels[0, 0] + rng.integers(0, spread, 600), 0, 199)
    np.testing.assert_allclose(
        packed_sum([forest], pixels, counts)[0], forest.predict(pixels), atol=1e-4
    )
    alone = np.array(
        [packed_sum([forest], pixels[i : i + 1], counts)[0, 0] for i in range(0, 600, 97)]
    )
    assert np.array_equal(packed_sum([forest], pixels, counts)[0, ::97], alone)


def test_trees_of_a_single_leaf():
    X, y = np.zeros((30, 2), np.uint8), np.full(30, 7.5)
    forest = RandomForestRegressor(3, random_state=0).fit(X, y)
    assert np.array_equal(packed_sum([forest], X, [1, 1]), np.full((1, 30), 7.5, np.float32))
    model = LGBMRegressor(n_estimators=5, **QUIET).fit(X, y)
    np.testing.assert_allclose(packed_sum([model], X, [1, 1]), 7.5)


def test_room_is_made_for_the_largest_tree_and_the_largest_replicate():
    """Wherever they are among the replicates; the loops that fill it check no bounds."""
    rng = np.random.default_rng(3)
    counts = [200, 100]
    X = table(rng, 700, counts)
    y = X[:, 0] + rng.normal(size=700)
    sizes = [(2, 300), (5, 20), (9, 4), (1, 2)]  # trees, rows of a leaf
    forests = [
        RandomForestRegressor(n, min_samples_leaf=leaf, random_state=n).fit(X, y)
        for n, leaf in sizes
    ]
    for order in (forests, forests[::-1], forests[2:] + forests[:2]):
        builder = TreeBuilder(counts)
        trees = builder.pack(forest_trees(forest, builder) for forest in order)
        nodes = np.diff(trees.first_node)
        parts = [nodes[i:j] for i, j in zip(trees.first_tree, trees.first_tree[1:])]
        assert _most(trees) == (
            nodes.max(),
            max(part.sum() for part in parts),
            9,
            max(np.maximum(256, 2 * part + 2).sum() for part in parts),
        )


def test_a_pixel_does_not_depend_on_its_neighbours():
    """Bit for bit: the trees are cut to the group of pixels, but whole numbers add up to the
    same.
    """
    rng = np.random.default_rng(2)
    counts = [255, 255, 40]
    X = table(rng, 600, counts)
    forest = RandomForestRegressor(30, min_samples_leaf=3, random_state=0).fit(
        X, rng.normal(size=600)
    )
    pixels = table(rng, 6000, counts)
    together = packed_sum([forest], pixels, counts)
    order = rng.permutation(6000)
    assert np.array_equal(packed_sum([forest], pixels[order], counts), together[:, order])
    assert np.array_equal(packed_sum([forest], pixels[17:18], counts), together[:, 17:18])


@pytest.mark.parametrize(("trees", "n"), [(12, 300), (7, 40), (3, 8)])
def test_the_leaves_of_a_quantile_forest_are_those_it_finds_itself(trees, n):
    """Bit for bit, with trees of one leaf among them, wherever the pixels are in a batch."""
    rng = np.random.default_rng(4)
    counts = [200, 1, 6]
    X = table(rng, n, counts)
    y = X[:, 0] + rng.normal(size=n)
    forest, _ = grow_quantile_forest(X, y, rng.random(n), None, seed=1, trees=trees)
    assert (forest.root < 0).any() == (n == 8)
    conditions = TreeBuilder(counts).conditions()
    pixels = pad(table(rng, 3000, counts))
    found = np.empty((trees, len(pixels)), np.float32)
    sum_trees(np.ascontiguousarray(pixels.T), conditions, leaf_trees(forest, conditions), found)
    expected = forest.at(pixels)
    for rows in (slice(None), slice(2047, 2100), slice(0, 1)):
        leaves = forest.of_leaves(np.ascontiguousarray(found[:, rows]))
        np.testing.assert_array_equal(leaves.cdf, expected.cdf[rows])
        np.testing.assert_array_equal(leaves.mean, expected.mean[rows])
    assert len(np.unique(found)) > trees or n == 8


def test_a_quantile_forest_that_asks_of_other_codes_finds_its_leaves_itself():
    rng = np.random.default_rng(5)
    X = table(rng, 200, [200, 9])
    forest, _ = grow_quantile_forest(X, X[:, 0] * 1.0, np.ones(200), None, seed=1, trees=5)
    few, none = TreeBuilder([20, 9]).conditions(), np.zeros(0, np.int64)
    parts = PoolParts(forest, None, Shares.equal(process=False))
    assert compile_leaves(parts, few) is None
    assert compile_leaves(None, few) is None
    with pytest.raises(CannotCompileError, match="outside the codes"):
        leaf_trees(forest, few)
    damaged = Conditions(np.array([0, 199, 207]), none + 1, np.zeros((1, 256), bool))
    with pytest.raises(CannotCompileError, match="beyond its arrays"):
        leaf_trees(forest, damaged)


def test_a_tree_that_splits_outside_the_codes_is_not_packed():
    X = np.repeat(np.arange(10, dtype=np.uint8), 5)[:, None]
    forest = RandomForestRegressor(1, random_state=0).fit(X, X[:, 0])
    with pytest.raises(CannotCompileError, match="outside the codes"):
        TreeBuilder([4]).pack([forest_trees(forest, TreeBuilder([4]))])


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "poisson"},
        {"linear_tree": True},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
    ],
)
def test_lightgbm_models_that_are_no_sum_of_trees_are_not_packed(settings):
    rng = np.random.default_rng(0)
    X = table(rng, 200, [50])
    model = LGBMRegressor(n_estimators=3, **settings, **QUIET).fit(X, X[:, 0] + 1.0)
    with pytest.raises(CannotCompileError, match=r"sum of trees|linear leaves"):
        lightgbm_trees(model.booster_, TreeBuilder([50]))
