"""Trees, and what they ask, as plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Of a tree, so that two masks for each of its nodes have numbers of 16 bits.
MAX_LEAVES = 2**15


class Conditions(NamedTuple):
    """What trees ask of coded predictors: rows 0, 1, ... are thresholds, predictor by predictor,
    then subsets of classes.

    Attributes
    ----------
    first : (predictors + 1,) int64
        Row of "code <= 0" of each predictor; the last is the number of thresholds.
    subset_predictor : (subsets,) int64
    subset_members : (subsets, 256) bool
        Whether a level is in the subset.
    """

    first: NDArray[np.int64]
    subset_predictor: NDArray[np.int64]
    subset_members: NDArray[np.bool_]


class Trees(NamedTuple):
    """Trees one after the other, inner nodes and leaves apart.

    Attributes
    ----------
    nodes : (nodes,) uint64
        Four numbers of 16 bits, from the lowest: a row of the conditions, and the first, middle and
        end of the leaves below the node. A pixel goes left, to those before the middle, where the
        condition holds. Read backwards, the nodes of a tree are its root, those to the left of it
        and those to the right, and so on: a node comes after all below it.
    first_node, first_leaf : (trees + 1,) int64
    value : (leaves,) int32
        From left to right, in units of 1 / scale: whole numbers add up to the same whatever the
        order, and so whatever the neighbours of a pixel.
    scale : (1,) float64
    first_tree : (replicates + 1,) int64
    """

    nodes: NDArray[np.uint64]
    first_node: NDArray[np.int64]
    first_leaf: NDArray[np.int64]
    value: NDArray[np.int32]
    scale: NDArray[np.float64]
    first_tree: NDArray[np.int64]


def require_sound(trees: Trees, conditions: Conditions, predictors: int, replicates: int) -> None:
    """Refuse tables that would lead the compiled loops, which check no index, beyond their arrays;
    they may come from a file of somebody else's.

    Raises
    ------
    ValueError
    """
    nodes, size = trees.nodes, np.diff(trees.first_node)
    rows = int(conditions.first[-1]) + len(conditions.subset_predictor)
    sound = (
        conditions.first.shape == (predictors + 1,)
        and trees.first_tree.shape == (replicates + 1,)
        and nodes.ndim == 1
    )
    sound = (
        sound
        and conditions.subset_members.shape == (len(conditions.subset_predictor), 256)
        and nodes.dtype == np.uint64
    )
    for starts, end in (
        (conditions.first, conditions.first[-1]),
        (trees.first_node, len(nodes)),
        (trees.first_tree, len(size)),
    ):
        sound = (
            sound and starts[0] == 0 and starts[-1] == end and bool((np.diff(starts) >= 0).all())
        )
    sound = sound and np.diff(conditions.first).max() <= 256 and size.max() < MAX_LEAVES
    sound = sound and bool(
        ((conditions.subset_predictor >= 0) & (conditions.subset_predictor < predictors)).all()
    )
    # A tree has one leaf more than nodes.
    sound = (
        sound
        and np.array_equal(trees.first_leaf, trees.first_node + np.arange(len(size) + 1))
        and trees.first_leaf[-1] == len(trees.value)
    )
    sound = sound and bool(((nodes & np.uint64(0xFFFF)) < rows).all())
    sound = sound and _nested(nodes, trees.first_node)
    if not sound:
        raise ValueError("a table of trees leads beyond its arrays")


def _nested(nodes: NDArray[np.uint64], first_node: NDArray[np.int64]) -> bool:
    """Whether the root of each tree has all its leaves, and what is below a node those it says."""
    size = np.diff(first_node)
    first, middle, end = ((nodes >> np.uint64(16 * k)).astype(np.int64) & 0xFFFF for k in (1, 2, 3))
    roots = first_node[1:][size > 0] - 1
    if (first[roots] != 0).any() or (end[roots] != size[size > 0] + 1).any():
        return False
    if not ((first < middle) & (middle < end)).all():
        return False
    # From the root on, each node is where that above it expects it: none is left out or beyond.
    start, own = np.repeat(first_node[:-1], size), np.arange(len(nodes))
    for below, low, high in ((own - 1, first, middle), (own - (middle - first), middle, end)):
        inner = high - low > 1
        child = below[inner]
        if (child < start[inner]).any():
            return False
        if (first[child] != low[inner]).any() or (end[child] != high[inner]).any():
            return False
    return True
