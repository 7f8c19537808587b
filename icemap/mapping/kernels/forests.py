"""Random forests and LightGBM models as plain arrays of trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.quantile_forest import QuantileForest
from icemap.mapping.kernels.compilable import CannotCompileError
from icemap.mapping.kernels.tree_tables import MAX_LEAVES, Conditions, Trees, require_sound


@dataclass
class TreeBuilder:
    """Collects trees of several members that are asked of the same codes.

    Attributes
    ----------
    code_counts : sequence of int
        Number of codes of each predictor.
    """

    code_counts: Sequence[int]
    subsets: dict[tuple[int, bytes], int] = field(default_factory=dict)

    @property
    def first(self) -> NDArray[np.int64]:
        """Row of "code <= 0" of each predictor, and the number of thresholds."""
        return np.concatenate(
            [[0], np.cumsum(np.maximum(np.asarray(self.code_counts) - 1, 0))]
        ).astype(np.int64)

    def threshold(self, predictor: NDArray[Any], value: NDArray[Any]) -> NDArray[np.int64]:
        """Conditions "code <= value"; beyond the codes they are what they are for the last or,
        never true, before the first.
        """
        first = self.first
        rows = first[predictor] + np.floor(value).astype(np.int64)
        if ((rows < first[predictor]) | (rows >= first[np.asarray(predictor) + 1])).any():
            raise CannotCompileError("a tree splits outside the codes of a predictor")
        return rows

    def subset(self, predictor: int, levels: Iterable[int]) -> int:
        """Condition "the level is one of these"; numbered after the thresholds."""
        members = np.zeros(256, dtype=bool)
        members[list(levels)] = True
        return int(self.first[-1]) + self.subsets.setdefault(
            (predictor, members.tobytes()), len(self.subsets)
        )

    def conditions(self) -> Conditions:
        """All conditions, once every tree has been added."""
        predictors = np.array([p for p, _ in self.subsets], dtype=np.int64)
        members = np.array([np.frombuffer(m, dtype=bool) for _, m in self.subsets]).reshape(-1, 256)
        return Conditions(self.first, predictors, members)

    def pack(self, models: Iterable[list[Tree]]) -> Trees:
        """Trees of one member, a list for each replicate."""
        counts, nodes_of, leaves_of, parts = [0], [0], [0], []
        for trees in models:
            for tree in trees:
                if len(tree.condition) >= MAX_LEAVES:
                    raise CannotCompileError(
                        f"a tree has {len(tree.condition) + 1:,} leaves, more than {MAX_LEAVES:,}"
                    )
                parts.append(tree)
                nodes_of.append(len(tree.condition))
                leaves_of.append(len(tree.value))
            counts.append(len(trees))
        questions = max(int(tree.condition.max(initial=-1)) + 1 for tree in parts)
        if questions > 2**16:
            raise CannotCompileError(
                f"its trees ask {questions:,} different questions, more than {2**16:,}"
            )
        ordered = [tree.in_order() for tree in parts]
        largest = np.add.reduceat(
            [np.abs(tree.value).max() for tree in parts], np.cumsum(counts)[:-1]
        ).max()
        scale = 2.0 ** np.floor(np.log2((2.0**31 - 2.0**16) / max(float(largest), 1e-30)))
        value = np.rint(np.concatenate([value for _, value in ordered]) * scale).astype(np.int32)
        return Trees(
            np.concatenate([nodes for nodes, _ in ordered]),
            np.cumsum(nodes_of),
            np.cumsum(leaves_of),
            value,
            np.array([scale]),
            np.cumsum(counts),
        )


@dataclass(frozen=True)
class Tree:
    """Inner nodes and leaf values of one tree; children are nodes or -1 - leaf, parents come before
    their children.
    """

    condition: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]

    def in_order(self) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """Nodes and leaf values as `Trees` has them."""
        columns, leaves = np.zeros((len(self.condition), 4), np.uint64), np.zeros_like(self.value)
        if not _put_in_order(self.condition, self.left, self.right, self.value, columns, leaves):
            raise CannotCompileError("its nodes are no tree")
        shifted = columns[::-1] << np.arange(0, 64, 16, dtype=np.uint64)
        return np.bitwise_or.reduce(shifted, axis=1), leaves


@numba.njit(cache=True)
def _put_in_order(condition, left, right, value, nodes, leaves):  # type: ignore[no-untyped-def]
    """Nodes from the root on, those to the left first: condition, first, middle and end of their
    leaves; values from left to right. Returns whether it met as many of both as there are.
    """
    size, count, found, depth = len(condition), 0, 0, 1
    # A child, the place of its parent, and whether it is to the right.
    stack = np.zeros((size + 2, 3), np.int64)
    stack[0, 0] = 0 if size else -1
    while depth:
        depth -= 1
        child, parent, is_right = stack[depth]
        if is_right:
            nodes[parent, 2] = found
        if child < 0:
            if found > size or -1 - child > size:
                return False
            leaves[found] = value[-1 - child]
            found += 1
        else:
            if count == size or child >= size:
                return False
            nodes[count, 0], nodes[count, 1] = condition[child], found
            stack[depth, 0], stack[depth, 1], stack[depth, 2] = right[child], count, 1
            stack[depth + 1, 0], stack[depth + 1, 2] = left[child], 0
            depth += 2
            count += 1
    if size:
        nodes[0, 3] = size + 1
    for k in range(count):
        first, middle, end = np.int64(nodes[k, 1]), np.int64(nodes[k, 2]), np.int64(nodes[k, 3])
        if middle - first > 1:
            nodes[k + 1, 3] = middle
        if end - middle > 1:
            nodes[k + middle - first, 3] = end
    return count == size and found == size + 1


def forest_trees(forest: Any, builder: TreeBuilder) -> list[Tree]:
    """Trees of a fitted scikit-learn forest or tree ensemble that averages; their sum is its
    prediction.
    """
    trees = []
    for estimator in forest.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        # Preorder numbers nodes and leaves alike; each kind gets its own count.
        number = np.where(leaf, -np.cumsum(leaf), np.cumsum(~leaf) - 1)
        inner = ~leaf
        condition = builder.threshold(tree.feature[inner], tree.threshold[inner])
        value = tree.value[leaf, 0, 0] / len(forest.estimators_)
        trees.append(
            Tree(
                condition,
                number[tree.children_left[inner]],
                number[tree.children_right[inner]],
                value,
            )
        )
    return trees


def leaf_trees(forest: QuantileForest, conditions: Conditions) -> Trees:
    """The trees of a quantile forest, each as a replicate of its own that predicts the number of
    its leaf.
    """
    first, trees = forest.first_nodes(), len(forest.root)
    tree, first_leaf = np.repeat(np.arange(trees), np.diff(first)), first + np.arange(trees + 1)
    if first_leaf[-1] > 2**24:
        raise CannotCompileError("single precision does not hold the numbers of its leaves")
    builder = TreeBuilder((np.diff(conditions.first) + 1).tolist())
    condition = builder.threshold(forest.nodes[:, 0], forest.nodes[:, 1])
    child = forest.nodes[:, 2:].astype(np.int64)
    child += np.where(child < 0, first_leaf[tree][:, None], -first[tree][:, None])
    value = np.arange(first_leaf[-1], dtype=float)
    parts = [
        (slice(*first[t : t + 2]), value[first_leaf[t] : first_leaf[t + 1]]) for t in range(trees)
    ]
    packed = builder.pack(
        [Tree(condition[own], child[own, 0], child[own, 1], leaves)] for own, leaves in parts
    )
    try:
        require_sound(packed, conditions, len(conditions.first) - 1, trees)
    except ValueError as reason:
        raise CannotCompileError(str(reason)) from reason
    return packed


def lightgbm_trees(booster: Any, builder: TreeBuilder) -> list[Tree]:
    """Trees of a LightGBM booster; their sum is its prediction."""
    text = booster.model_to_string(num_iteration=-1)
    header = text.split("\nTree=")[0].splitlines()
    objective = next(
        (line.split("=", 1)[1] for line in header if line.startswith("objective=")), "regression"
    )
    if "average_output" in header or not objective.startswith("regression") or "sqrt" in objective:
        raise CannotCompileError(f"its prediction is not a sum of trees (objective {objective})")
    return [_lightgbm_tree(lines, builder) for lines in _tree_blocks(text)]


def _tree_blocks(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\nTree=")[1:]:
        yield dict(
            line.split("=", 1)
            for line in block.split("end of trees")[0].splitlines()
            if "=" in line
        )


def _lightgbm_tree(lines: dict[str, str], builder: TreeBuilder) -> Tree:
    def numbers(key: str, dtype: Any) -> NDArray[Any]:
        return np.array(lines.get(key, "").split(), dtype=dtype)

    value = numbers("leaf_value", float)
    if int(lines["num_leaves"]) == 1:
        none = np.zeros(0, dtype=np.int64)
        return Tree(none, none, none, value)
    if lines.get("is_linear", "0") != "0":
        raise CannotCompileError("its trees have linear leaves")
    predictor, threshold, kinds = (
        numbers("split_feature", int),
        numbers("threshold", float),
        numbers("decision_type", int),
    )
    categorical = (kinds & 1) == 1
    condition = np.empty(len(predictor), dtype=np.int64)
    condition[~categorical] = builder.threshold(predictor[~categorical], threshold[~categorical])
    boundaries, words = numbers("cat_boundaries", int), numbers("cat_threshold", np.uint32)
    for node in np.flatnonzero(categorical):
        at = int(threshold[node])
        bits = np.unpackbits(
            words[boundaries[at] : boundaries[at + 1]].astype("<u4").view(np.uint8),
            bitorder="little",
        )
        condition[node] = builder.subset(int(predictor[node]), np.flatnonzero(bits).tolist())
    return Tree(condition, numbers("left_child", int), numbers("right_child", int), value)
