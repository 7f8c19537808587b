"""All trees of all replicates on coded predictors, 512 pixels at a time, without a branch per
pixel.

A relative of QuickScorer (Lucchese et al. 2015, doi:10.1145/2766462.2767733) and RapidScorer (Ye et
al. 2018, doi:10.1145/3219819.3219857). One table holds, for each condition that any tree asks (a
code at most c, a class in a subset), the 512 answers of a packet; it serves every tree of every
replicate. A group of packets first cuts each tree down to the nodes whose answers differ within the
group. What is left numbers its leaves so that going right at a node flips a few bits of the leaf's
number: the number of the leaf of each pixel is then a handful of exclusive ors of masks. Small
trees share one number and one table of sums, so that a pixel reads one value for several trees.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from icemap.mapping.kernels.bits import PIXELS, WORDS, planes_to_bytes, split, toggle, unite

#: Packets that share one pruning of the trees.
PACKETS = 8
#: Added to the number of a leaf to tell it from a node.
LEAF = 2**15
_PLANES = 8
_MIXED, _ALWAYS, _NEVER = 0, 1, 2


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
    nodes : (nodes, 3) uint16
        A row of the conditions, and where a pixel goes for which it holds or not: an inner node of
        the same tree, or `LEAF` + leaf.
    first_node, first_leaf : (trees + 1,) int64
    value : (leaves,) int32
        In units of 1 / scale: whole numbers add up to the same whatever the order, and so whatever
        the neighbours of a pixel.
    scale : (1,) float64
    first_tree : (replicates + 1,) int64
    """

    nodes: NDArray[np.uint16]
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
    tree = np.repeat(np.arange(len(size)), np.maximum(size, 0))
    rows = int(conditions.first[-1]) + len(conditions.subset_predictor)
    sound = (
        conditions.first.shape == (predictors + 1,)
        and trees.first_tree.shape == (replicates + 1,)
        and nodes.shape == (len(tree), 3)
    )
    sound = (
        sound
        and conditions.subset_members.shape == (len(conditions.subset_predictor), 256)
        and nodes.dtype == np.uint16
    )
    for starts, end in (
        (conditions.first, conditions.first[-1]),
        (trees.first_node, len(nodes)),
        (trees.first_tree, len(size)),
    ):
        sound = (
            sound and starts[0] == 0 and starts[-1] == end and bool((np.diff(starts) >= 0).all())
        )
    sound = sound and np.diff(conditions.first).max() <= 256 and size.max() < LEAF
    sound = sound and bool(
        ((conditions.subset_predictor >= 0) & (conditions.subset_predictor < predictors)).all()
    )
    # A tree has one leaf more than nodes, and each of its parts is a child of one earlier
    # node.
    sound = (
        sound
        and np.array_equal(trees.first_leaf, trees.first_node + np.arange(len(size) + 1))
        and trees.first_leaf[-1] == len(trees.value)
    )
    if sound:
        child, is_leaf = nodes[:, 1:].astype(np.int64), nodes[:, 1:] >= LEAF
        first, own, many = (
            trees.first_node[tree][:, None],
            (np.arange(len(nodes)) - trees.first_node[tree])[:, None],
            size[tree][:, None],
        )
        sound = bool(
            (nodes[:, 0] < rows).all()
            and np.where(is_leaf, child - LEAF <= many, (child > own) & (child < many)).all()
        )
        ids = np.where(
            is_leaf, trees.first_leaf[tree][:, None] + child - LEAF + len(nodes), first + child
        )
        sound = sound and np.bincount(ids.ravel(), minlength=1).max() <= 1
    if not sound:
        raise ValueError("a table of trees leads beyond its arrays")


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _settle(codes, start, stop, conditions, low, high, present, state):  # type: ignore[no-untyped-def]
    """Which conditions have one answer in all pixels of a group; range of the codes of each
    predictor; levels that occur.
    """
    first, subset_predictor, subset_members = conditions
    for p in range(codes.shape[0]):
        lowest, highest = codes[p, start], codes[p, start]
        for i in range(start, stop):
            lowest, highest = min(lowest, codes[p, i]), max(highest, codes[p, i])
        low[p], high[p] = lowest, highest
        for row in range(first[p], first[p + 1]):
            code = row - first[p]
            state[row] = _ALWAYS if code >= highest else _NEVER if code < lowest else _MIXED
    present[:] = False
    for j in range(subset_predictor.size):
        p = subset_predictor[j]
        if not present[p, codes[p, start]]:
            for i in range(start, stop):
                present[p, codes[p, i]] = True
        inside, outside = False, False
        for level in range(low[p], high[p] + 1):
            if present[p, level]:
                inside, outside = (
                    inside or subset_members[j, level],
                    outside or not subset_members[j, level],
                )
        state[first[-1] + j] = _MIXED if inside and outside else _ALWAYS if inside else _NEVER


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _answer(codes, start, conditions, low, high, state, table, equal, known):  # type: ignore[no-untyped-def]
    """The 512 answers to each condition that differs within the group."""
    first, subset_predictor, subset_members = conditions
    one = np.uint64(1)
    for p in range(codes.shape[0]):
        for row in range(first[p] + low[p], min(first[p] + high[p], first[p + 1])):
            table[row, :] = 0
        rows = first[p + 1] - first[p]
        for i in range(PIXELS):
            code = codes[p, start + i]
            if code < rows:
                table[first[p] + code, i >> 6] |= one << np.uint64(i & 63)
        for row in range(first[p] + low[p] + 1, min(first[p] + high[p], first[p + 1])):
            unite(table, row, row - 1)
    known[:] = False
    for j in range(subset_predictor.size):
        row = first[-1] + j
        if state[row] != _MIXED:
            continue
        p = subset_predictor[j]
        if not known[p]:
            for level in range(low[p], high[p] + 1):
                equal[p, level, :] = 0
            for i in range(PIXELS):
                equal[p, codes[p, start + i], i >> 6] |= one << np.uint64(i & 63)
            known[p] = True
        table[row, :] = 0
        for level in range(low[p], high[p] + 1):
            if subset_members[j, level]:
                for w in range(WORDS):
                    table[row, w] |= equal[p, level, w]


# Columns of a node that is left: the condition, and where the masks of the node, of its left and of
# its right child lie.
_CONDITION, _SELF, _LEFT, _RIGHT = 0, 1, 2, 3
# Rows of the masks: all pixels, none that is looked at again, then two for each node.
_ALL, _NOWHERE, _FIRST = 0, 1, 2
# Columns of a tree that is left: where its nodes end, its first list of toggles, the room of a
# list, bits of its number, its first plane, and its table.
_END, _LISTS, _STRIDE, _BITS, _SHIFT, _TABLE = 0, 1, 2, 3, 4, 5


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _settled(nodes, base, k, state):  # type: ignore[no-untyped-def]
    """The first node from k on whose answer differs within the group, or the leaf that all pixels
    reach.
    """
    while k < LEAF:
        answer = state[nodes[base + k, 0]]
        if answer == _MIXED:
            break
        k = nodes[base + k, answer]
    return k


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _cut(tree, trees, state, stack, left, node, lists, first_list, stride, lengths, values):  # type: ignore[no-untyped-def]
    """What is left of one tree, from ``left[node]`` on. Returns the next node and the number of
    leaves.

    Leaves are numbered from left to right in Gray code, and ``values[number]`` is the value of a
    leaf. Going right at a node flips those bits in which the first leaf to the right differs from
    the first to the left: the node's right mask is put on the lists of these bits.
    """
    nodes, base, leaf_base = trees.nodes, trees.first_node[tree], trees.first_leaf[tree] - LEAF
    planes = lengths.size
    root, leaves, depth = node, 0, 0
    for plane in range(planes):
        lengths[plane] = 0
    k = np.int64(LEAF)
    if trees.first_node[tree + 1] > base:
        k = np.int64(_settled(nodes, base, np.int64(0), state))
    mask = _ALL
    while True:
        while k < LEAF:
            left[node, _CONDITION], left[node, _SELF] = nodes[base + k, 0], mask
            stack[depth, 0], stack[depth, 1], stack[depth, 2] = (
                nodes[base + k, 2],
                node,
                leaves ^ (leaves >> 1),
            )
            depth += 1
            k = np.int64(_settled(nodes, base, np.int64(nodes[base + k, 1]), state))
            mask = _FIRST + 2 * (node - root) if k < LEAF else _NOWHERE
            left[node, _LEFT] = mask
            node += 1
        values[leaves ^ (leaves >> 1)] = trees.value[leaf_base + k]
        leaves += 1
        if depth == 0:
            return node, leaves
        depth -= 1
        parent = np.int64(stack[depth, 1])
        mask = _FIRST + 2 * (parent - root) + 1
        left[parent, _RIGHT] = mask
        flips = stack[depth, 2] ^ leaves ^ (leaves >> 1)
        for plane in range(planes):
            lists[first_list + plane * stride + lengths[plane]] = mask
            lengths[plane] += (flips >> plane) & 1
        k = np.int64(_settled(nodes, base, np.int64(stack[depth, 0]), state))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _read(table, first, wide, bytes_low, bytes_high, total):  # type: ignore[no-untyped-def]
    """Add to each pixel the value of its leaf number."""
    if wide:
        for q in range(PIXELS):
            total[q] += table[
                first + np.uint64(bytes_low[q]) + (np.uint64(bytes_high[q]) << np.uint64(8))
            ]
    else:
        for q in range(PIXELS):
            total[q] += table[first + np.uint64(bytes_low[q])]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _most(trees):  # type: ignore[no-untyped-def]
    """Largest numbers of nodes of a tree and of a replicate, of trees of a replicate, and of table
    entries of a replicate.
    """
    first_node, first_tree = trees.first_node, trees.first_tree
    of_tree, of_replicate, trees_of_replicate, entries = 1, 1, 1, 256
    for s in range(first_tree.size - 1):
        size = 0
        for t in range(first_tree[s], first_tree[s + 1]):
            nodes = first_node[t + 1] - first_node[t]
            of_tree = max(of_tree, nodes)
            size += max(256, 2 * nodes + 2)
        of_replicate = max(of_replicate, first_node[first_tree[s + 1]] - first_node[first_tree[s]])
        trees_of_replicate = max(trees_of_replicate, first_tree[s + 1] - first_tree[s])
        entries = max(entries, size)
    return of_tree, of_replicate, trees_of_replicate, entries


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _cut_all(trees, s, state, stack, values, left, lists, ends, kept, table):  # type: ignore[no-untyped-def]
    """The trees of replicate ``s`` cut to the group, those with few leaves sharing a number of at
    most eight bits.

    Returns the number of trees with more than one leaf, and the sum of the others.
    """
    constant, node, count, shift, entries, first_list = np.int32(0), 0, 0, _PLANES, 0, 0
    for t in range(trees.first_tree[s], trees.first_tree[s + 1]):
        stride = trees.first_node[t + 1] - trees.first_node[t] + 1
        planes = 1
        while (1 << planes) < stride:
            planes += 1
        node, leaves = _cut(
            t,
            trees,
            state,
            stack,
            left,
            node,
            lists,
            first_list,
            stride,
            ends[count, :planes],
            values,
        )
        if leaves == 1:
            constant = np.int32(constant + values[0])
            continue
        bits = 1
        while (1 << bits) < leaves:
            bits += 1
        if shift + bits > _PLANES:
            shift = 0
            if count:
                entries += 1 << (kept[count - 1, _SHIFT] + kept[count - 1, _BITS])
            table[entries] = 0
        width = 1 << shift
        for high in range((1 << bits) - 1, -1, -1):
            for low in range(width):
                table[entries + high * width + low] = table[entries + low] + values[high]
        kept[count, _END], kept[count, _LISTS], kept[count, _STRIDE] = node, first_list, stride
        kept[count, _BITS], kept[count, _SHIFT], kept[count, _TABLE] = bits, shift, entries
        count += 1
        shift += bits
        first_list += planes * stride
    return count, constant


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _sum_packet(answers, masks, left, lists, ends, kept, count, table, planes, compiled, total):  # type: ignore[no-untyped-def]
    """Add the trees that are left to the 512 pixels of a packet."""
    bytes_low, bytes_high = (
        compiled[0].view(np.uint8).reshape(-1),
        compiled[1].view(np.uint8).reshape(-1),
    )
    node = 0
    for t in range(count):
        bits, shift = kept[t, _BITS], kept[t, _SHIFT]
        if shift == 0:
            for plane in range(2 * _PLANES if bits > _PLANES else _PLANES):
                planes[plane] = 0
        for i in range(node, kept[t, _END]):
            split(
                answers,
                np.int64(left[i, _CONDITION]),
                masks,
                np.int64(left[i, _SELF]),
                np.int64(left[i, _LEFT]),
                np.int64(left[i, _RIGHT]),
            )
        node = kept[t, _END]
        for bit in range(bits):
            start = kept[t, _LISTS] + bit * kept[t, _STRIDE]
            toggle(planes, shift + bit, masks, lists, start, start + ends[t, bit])
        if t == count - 1 or kept[t + 1, _SHIFT] == 0:
            planes_to_bytes(planes, 0, compiled[0])
            if bits > _PLANES:
                planes_to_bytes(planes, 8, compiled[1])
            _read(table, np.uint64(kept[t, _TABLE]), bits > _PLANES, bytes_low, bytes_high, total)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def sum_trees(codes, conditions, trees, out):  # type: ignore[no-untyped-def]
    """Sum of the trees of each replicate.

    Parameters
    ----------
    codes : (predictors, n) uint8
        n is a multiple of 512; pad with any pixel.
    conditions : Conditions
    trees : Trees
    out : (replicates, n) float32, written
    """
    predictors, n = codes.shape
    unit = 1 / trees.scale[0]
    rows = conditions.first[-1] + conditions.subset_predictor.size
    of_tree, of_replicate, tree_count, entries = _most(trees)
    low, high, known = (
        np.zeros(predictors, np.int64),
        np.zeros(predictors, np.int64),
        np.zeros(predictors, np.bool_),
    )
    present = np.zeros((predictors, 256), np.bool_)
    state = np.zeros(rows, np.uint8)
    answers, equal = (
        np.zeros((PACKETS, rows, WORDS), np.uint64),
        np.zeros((predictors, 256, WORDS), np.uint64),
    )
    masks, planes, compiled = (
        np.zeros((2 * of_tree + 2, WORDS), np.uint64),
        np.zeros((16, WORDS), np.uint64),
        np.zeros((2, 8, WORDS), np.uint64),
    )
    masks[_ALL] = ~np.uint64(0)
    stack, values = np.zeros((of_tree + 2, 3), np.int32), np.zeros(2 * of_tree + 4, np.int32)
    left, lists = (
        np.zeros((of_replicate + 1, 4), np.uint16),
        np.zeros(16 * (of_replicate + tree_count) + 1, np.uint16),
    )
    ends, kept = np.zeros((tree_count + 1, 16), np.int64), np.zeros((tree_count + 1, 6), np.int64)
    table, total = np.zeros(entries, np.int32), np.zeros(PIXELS, np.int32)
    for start in range(0, n, PACKETS * PIXELS):
        packets = min(PACKETS, (n - start) // PIXELS)
        _settle(codes, start, start + packets * PIXELS, conditions, low, high, present, state)
        for packet in range(packets):
            _answer(
                codes,
                start + packet * PIXELS,
                conditions,
                low,
                high,
                state,
                answers[packet],
                equal,
                known,
            )
        for s in range(trees.first_tree.size - 1):
            count, constant = _cut_all(
                trees, s, state, stack, values, left, lists, ends, kept, table
            )
            for packet in range(packets):
                total[:] = constant
                _sum_packet(
                    answers[packet],
                    masks,
                    left,
                    lists,
                    ends,
                    kept,
                    count,
                    table,
                    planes,
                    compiled,
                    total,
                )
                begin = start + packet * PIXELS
                for y in range(8):
                    for w in range(WORDS):
                        for i in range(8):
                            out[s, begin + 64 * w + 8 * y + i] = np.float32(
                                total[64 * y + 8 * w + i] * unit
                            )
