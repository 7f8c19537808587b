"""A quantile regression forest: what the sites in the same leaves say of a place. Its distribution
goes into the pool together with COP-BMA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.measurement import without_error

Array = NDArray[np.float64]

TREES = 300
#: Sites of the smallest leaf, unless folds choose a smaller one.
MIN_LEAF = 5
_NODES = 128


class QuantileForest(NamedTuple):
    """Trees whose leaves hold the sites that fell into them (Meinshausen 2006, JMLR 7:983).

    The distribution at a place is that of the sites in its leaves, as often as the tree drew them,
    every tree with one vote; straight lines between nodes that lie between the values of the sites.

    Attributes
    ----------
    root : (trees,) int32
        A node, or -1 - leaf.
    nodes : (inner nodes, 4) int32
        Predictor, largest code that goes left, and the children: nodes, which come later, or -1 -
        leaf.
    depth : (trees,) int32
        Most nodes on the way to a leaf.
    curves : (leaves, k) float32
        What a leaf adds to the distribution function at the nodes of the target; all trees together
        add up to it.
    means : (leaves,) float32
        What a leaf adds to the mean.
    x : (k,) float64
        The nodes of the target, in its units, between the values of the sites.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> codes = rng.integers(0, 200, (400, 3), dtype=np.uint8)
    >>> forest, everywhere = grow_quantile_forest(codes, codes[:, 0] / 2 + rng.normal(0, 3, 400),
    ...     np.ones(400), None, seed=0)
    >>> low, high = forest.at(codes[np.argsort(codes[:, 0])][[20, -20]]).mean
    >>> bool(low < 20 < 80 < high)
    True
    """

    root: NDArray[np.int32]
    nodes: NDArray[np.int32]
    depth: NDArray[np.int32]
    curves: NDArray[np.float32]
    means: NDArray[np.float32]
    x: Array

    def at(self, codes: NDArray[np.uint8]) -> Leaves:
        """Distributions at places with coded predictors, (n, predictors)."""
        return self.at_columns(np.ascontiguousarray(codes.T))

    def at_columns(self, codes: NDArray[np.uint8]) -> Leaves:
        """As `at`, for coded predictors of shape (predictors, n)."""
        from icemap.ensemble.leaf_kernels import look_up

        leaves = self._room(codes.shape[1])
        look_up(codes, self, leaves.cdf, leaves.mean)
        return leaves

    def of_leaves(self, numbers: NDArray[np.float32]) -> Leaves:
        """Distributions at places in the leaves of these numbers, (trees, n)."""
        from icemap.ensemble.leaf_kernels import add_leaves

        leaves = self._room(numbers.shape[1])
        add_leaves(numbers, self, leaves.cdf, leaves.mean)
        return leaves

    def _room(self, n: int) -> Leaves:
        return Leaves(np.empty((n, len(self.x) + 2), np.float32), np.empty(n, np.float32), self.x)

    def require_sound(self, predictors: int) -> None:
        """Refuse arrays that would lead the compiled loops, which check no index, beyond them; they
        may come from a file of somebody else's.

        Raises
        ------
        ValueError
        """
        own, leaves = np.arange(len(self.nodes))[:, None], len(self.means)
        sound = [array.dtype for array in self] == [
            np.int32,
            np.int32,
            np.int32,
            np.float32,
            np.float32,
            np.float64,
        ]
        sound = (
            sound
            and self.nodes.shape == (len(own), 4)
            and self.root.shape == self.depth.shape == (len(self.root),)
        )
        sound = (
            sound
            and self.curves.shape == (leaves, len(self.x))
            and leaves >= 1
            and len(self.x) >= 2
            and bool((np.diff(self.x) > 0).all())
        )
        if sound:
            children = self.nodes[:, 2:]
            sound = bool(
                ((children < 0) | ((children > own) & (children < len(own)))).all()
                and (self.root < len(own)).all()
            )
            sound = sound and min(children.min(initial=0), self.root.min(initial=0)) >= -leaves
            sound = sound and bool(
                ((self.nodes[:, 0] >= 0) & (self.nodes[:, 0] < predictors)).all()
            )
            sound = sound and np.array_equal(self.depth, _depths(self.root, self.nodes))
            sound = sound and self._in_order()
        if not sound:
            raise ValueError("a quantile forest leads beyond its arrays")

    def first_nodes(self) -> NDArray[np.intp]:
        """The first node of each tree, and the number of all nodes.

        The trees lie one after the other; each has one leaf more than nodes, a tree of one leaf
        none.
        """
        ends = np.append(np.where(self.root < 0, len(self.nodes), self.root), len(self.nodes))
        return np.minimum.accumulate(ends[::-1])[::-1]

    def _in_order(self) -> bool:
        """Whether the nodes and the leaves of each tree are where `first_nodes` says."""
        first, trees = self.first_nodes(), np.arange(len(self.root) + 1)
        first_leaf = first + trees
        tree = np.repeat(trees[:-1], np.diff(first))
        roots = np.where(np.diff(first) > 0, first[:-1], -1 - first_leaf[:-1])
        if first[0] != 0 or first_leaf[-1] != len(self.means) or (self.root != roots).any():
            return False
        leaf = -1 - self.nodes[:, 2:]
        inside = (leaf >= first_leaf[tree][:, None]) & (leaf < first_leaf[tree + 1][:, None])
        return bool(np.where(leaf < 0, -1 - leaf < first[tree + 1][:, None], inside).all())


class Leaves(NamedTuple):
    """What a quantile forest says of n places.

    Attributes
    ----------
    cdf : (n, k + 2) float32
        Before the nodes 0; P(Y <= x) at the nodes, but P(Y < x) at the last, which excludes an atom
        at the upper bound; 1 behind them.
    mean : (n,) float32
    x : (k,) float64
        The nodes.
    """

    cdf: NDArray[np.float32]
    mean: NDArray[np.float32]
    x: Array

    def quantiles(self, levels: Array) -> Array:
        """Quantiles at levels (k,), (n, k)."""
        from icemap.ensemble.leaf_kernels import invert_leaves

        found = np.empty((len(self.cdf), len(levels)))
        invert_leaves(self.cdf, self.x, levels, found)
        return found

    def rows(self, rows: slice) -> Leaves:
        """Some of the places."""
        return Leaves(self.cdf[rows], self.mean[rows], self.x)


def with_climatology(forest: QuantileForest, everywhere: Array, share: float) -> QuantileForest:
    """The forest with a share of the distribution of all sites, ``everywhere`` (k,), at every
    place.

    Every leaf gets its part, so that looking up a place costs what it did.

    Parameters
    ----------
    forest : QuantileForest
    everywhere : ndarray of shape (k,)
        Distribution function of all sites at the forest's values.
    share : float
        Of that distribution, 0 to 1.
    """
    if share == 0:
        return forest
    curves = (1 - share) * forest.curves + share / len(forest.root) * everywhere
    mean = forest.x[-1] - np.trapezoid(everywhere, forest.x)
    means = (1 - share) * forest.means + share / len(forest.root) * mean
    return forest._replace(curves=curves.astype(np.float32), means=means.astype(np.float32))


def grow_quantile_forest(
    codes: NDArray[np.uint8],
    y: Array,
    weight: Array,
    bounds: tuple[float, float] | None,
    seed: int,
    directions: Sequence[int] = (),
    error: Array | None = None,
    trees: int = TREES,
    leaf: int = MIN_LEAF,
) -> tuple[QuantileForest, Array]:
    """Grow the trees with scikit-learn and put the sites into their leaves.

    Parameters
    ----------
    codes : (n, predictors) uint8
        Coded predictors of the sites, see `icemap.ensemble.coding.PredictorCoding.codes`.
    y, weight : (n,)
        Target, and weights of the sites, by which scikit-learn (from 1.9 on) draws them.
    bounds : (low, high) or None
        Physical bounds of the target.
    seed : int
    directions : (predictors,) sequence of int
        1, -1 or 0 for each predictor: splits after which the mean of the sites would fall, or rise,
        along it are not made.
    error : (n,) array, optional
        Standard errors of the sites, which the distributions are then without (see
        `icemap.ensemble.measurement.without_error`).
    trees : int
    leaf : int
        Sites of the smallest leaf.

    Returns
    -------
    forest : QuantileForest
    everywhere : (k,) ndarray
        Distribution function of all sites, by their weights, at the nodes of the target.
    """
    from sklearn.ensemble import RandomForestRegressor

    grown: dict[str, Any] = {
        "min_samples_leaf": leaf,
        "max_features": 1 / 3,
        "monotonic_cst": list(directions) or None,
    }
    forest = RandomForestRegressor(trees, **grown, n_jobs=1, random_state=seed).fit(
        codes, y, sample_weight=weight
    )
    if error is not None:
        y = _without_error(forest, codes, y, error, weight)
    x = _nodes(y, bounds)
    cell = np.searchsorted(x, y, side="left")
    cell[y >= x[-1]] = len(x)
    first_node, first_leaf = 0, 0
    root, nodes, curves = [], [], []
    for estimator, drawn, reached in zip(
        forest.estimators_, forest.estimators_samples_, forest.apply(codes).T, strict=True
    ):
        tree = estimator.tree_
        is_leaf = tree.children_left < 0
        # Depth first, parents come before their children; nodes and leaves get a count of their
        # own.
        number = np.where(
            is_leaf, -first_leaf - np.cumsum(is_leaf), first_node + np.cumsum(~is_leaf) - 1
        )
        inner = ~is_leaf
        root.append(number[0])
        code = np.floor(tree.threshold[inner]).astype(int)
        nodes.append(
            np.column_stack(
                [
                    tree.feature[inner],
                    code,
                    number[tree.children_left[inner]],
                    number[tree.children_right[inner]],
                ]
            )
        )
        drawn_in = np.zeros((int(is_leaf.sum()), len(x) + 1))
        np.add.at(drawn_in, (-1 - number[reached[drawn]] - first_leaf, cell[drawn]), 1.0)
        below = np.cumsum(drawn_in, axis=1)
        curves.append(below[:, :-1] / (below[:, -1:] * trees))
        first_node, first_leaf = first_node + len(nodes[-1]), first_leaf + len(drawn_in)
    roots, every, steps = (
        np.array(root, np.int32),
        np.concatenate(nodes).astype(np.int32),
        np.concatenate(curves),
    )
    means = x[-1] / trees - np.trapezoid(steps, x, axis=1)
    forest_of = QuantileForest(
        roots, every, _depths(roots, every), steps.astype(np.float32), means.astype(np.float32), x
    )
    below = np.cumsum(np.bincount(cell, weight, len(x) + 1))
    return forest_of, below[:-1] / below[-1]


def _without_error(
    forest: Any, codes: NDArray[np.uint8], y: Array, error: Array, weight: Array
) -> Array:
    """Sites without their errors, by the predictions of the trees that did not draw them.

    A site that every tree drew, as one of great weight may be, has no such prediction, and hardly
    an error: it stays.
    """
    total, count = np.zeros(len(y)), np.zeros(len(y))
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        out = np.ones(len(y), dtype=bool)
        out[drawn] = False
        if out.any():
            total[out] += tree.predict(codes[out].astype(np.float32))
            count[out] += 1
    told, found = count > 0, y.copy()
    if told.sum() > 1:
        found[told] = without_error(y[told], total[told] / count[told], error[told], weight[told])
    return found


def _nodes(y: Array, bounds: tuple[float, float] | None) -> Array:
    """Nodes halfway between values of the sites, and one beyond either end, inside the bounds.

    Gaps hold fewer sites the nearer they are to the ends, where the values are far apart and the
    ends of intervals are read: the first and the last have one each.
    """
    ordered = np.sort(y)
    apart = np.flatnonzero(np.diff(ordered) > 0)
    if len(apart) == 0:
        raise ValueError(
            f"the target is {ordered[0]:g} at every site: a quantile forest needs values that"
            " differ."
        )
    ranks = (1 - np.cos(np.linspace(0, np.pi, _NODES - 2))) / 2 * (len(ordered) - 2)
    at = apart[np.unique(np.searchsorted(apart, ranks).clip(0, len(apart) - 1))]
    inner = (ordered[at] + ordered[at + 1]) / 2
    low, high = 2 * ordered[0] - inner[0], 2 * ordered[-1] - inner[-1]
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return np.unique(np.concatenate([[low], inner, [high]]))


def _depths(root: NDArray[np.int32], nodes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Most nodes on the way from each root to a leaf."""
    below = np.zeros(len(nodes) + 1, np.int32)  # the last stands for every leaf
    for node in range(len(nodes) - 1, -1, -1):
        below[node] = 1 + below[np.maximum(nodes[node, 2:], -1)].max()
    return below[np.maximum(root, -1)]
