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
_PLANES = 8
# Answers to a condition within a group. They are how far the word of a node is shifted to begin
# with the leaves that no pixel reaches: with the middle where all go left, with the first where all
# go right.
_MIXED, _ALWAYS, _NEVER = 48, 32, 16


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


# Columns of a node that is left: the condition, and where the mask of the node is.
_CONDITION, _SELF = 0, 1
# Rows of the masks: all pixels, then two for each node, those of its left and its right child.
_ALL, _LEFT, _RIGHT = 0, 1, 2
# Columns of a tree that is left: where its nodes end, its first toggle, bits of its number, its
# first plane, and its table.
_END, _TOGGLES, _BITS, _SHIFT, _TABLE = 0, 1, 2, 3, 4


class _Desk(NamedTuple):
    """Room to cut a tree.

    Attributes
    ----------
    unreached : (2 * width,) uint16
        End of the leaves that no pixel reaches, where they begin; 0 elsewhere.
    before : (width,) uint16
        Leaves left before each leaf.
    left_mask, right_mask : (2 * width,) uint16
        Of the node between two leaves that are left.
    flips : (width,) uint16
    mixed : (width,) uint64
        Nodes whose answers differ within the group.
    values : (2 * width,) int32
        Of the leaves that are left, by their numbers.
    """

    unreached: NDArray[np.uint16]
    before: NDArray[np.uint16]
    left_mask: NDArray[np.uint16]
    right_mask: NDArray[np.uint16]
    flips: NDArray[np.uint16]
    mixed: NDArray[np.uint64]
    values: NDArray[np.int32]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _desk(of_tree):  # type: ignore[no-untyped-def]
    """For trees of so many nodes."""
    width = of_tree + 2
    # One after the other: addresses that agree in their last twelve bits would slow each other.
    room = np.zeros(8 * width, np.uint16)
    return _Desk(
        room[: 2 * width],
        room[2 * width : 3 * width],
        room[3 * width : 5 * width],
        room[5 * width : 7 * width],
        room[7 * width :],
        np.zeros(width, np.uint64),
        np.zeros(2 * width, np.int32),
    )


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _cut(tree, trees, state, desk, left, root, toggles, toggle_at, ends):  # type: ignore[no-untyped-def]
    """What is left of one tree, from ``left[root]`` on. Returns the next node, the number of
    leaves, the bits of their numbers and the end of the toggles.

    Leaves are numbered from left to right in Gray code, and ``desk.values[number]`` is the value of
    a leaf. Going right at a node flips those bits in which the first leaf to the right differs from
    the first to the left: the node's right mask is among the toggles of these bits, which end at
    ``ends[bit]``.

    All nodes and leaves are passed without a branch, since no processor could predict one. What is
    not left is written where the next one overwrites it or where nobody reads.
    """
    unreached, before, left_mask, right_mask, flips, mixed, values = desk
    # Unsigned throughout: a signed index would be tested for being below 0.
    one, low16 = np.uint64(1), np.uint64(0xFFFF)
    aside = np.uint64(before.size)
    first, first_leaf = np.uint64(trees.first_node[tree]), np.uint64(trees.first_leaf[tree])
    size = np.uint64(trees.first_node[tree + 1]) - first
    count = np.uint64(0)
    # A node comes after those below it, whose leaves without pixels are among its own.
    for j in range(size):
        node = trees.nodes[first + np.uint64(j)]
        answer = np.uint64(state[node & low16])
        differs = np.uint64(answer == np.uint64(_MIXED))
        gone = node >> answer
        unreached[(gone & low16) + (aside & (np.uint64(0) - differs))] = (
            gone >> np.uint64(16)
        ) & low16
        mixed[count] = node
        count += differs
    reached, leaves = np.int64(0), np.uint64(0)
    for leaf in range(np.int64(size) + 1):
        # The larger one, by arithmetic.
        further = np.int64(unreached[np.uint64(leaf)]) - reached
        reached += further & ~(further >> 63)
        unreached[np.uint64(leaf)] = 0
        before[np.uint64(leaf)] = leaves
        values[leaves ^ (leaves >> one)] = trees.value[first_leaf + np.uint64(leaf)]
        leaves += np.uint64(reached <= leaf)
    before[size + one] = leaves
    right_mask[0] = _ALL
    left_mask[leaves] = _ALL
    k = np.uint64(0)
    for j in range(count):
        node = mixed[count - one - np.uint64(j)]
        start = np.uint64(before[(node >> np.uint64(16)) & low16])
        middle = np.uint64(before[(node >> np.uint64(32)) & low16])
        end = np.uint64(before[node >> np.uint64(48)])
        # The parent is at the start or at the end of the leaves below the node: the later of both.
        mask = np.int64(right_mask[start])
        later = np.int64(left_mask[end]) - mask
        left[np.uint64(root) + k, _CONDITION] = node & low16
        left[np.uint64(root) + k, _SELF] = mask + (later & ~(later >> 63))
        flips[k] = start ^ middle
        alive = np.uint64(start != middle)
        between = middle + (aside & (alive - one))
        left_mask[between] = np.uint64(_LEFT) + k + k
        right_mask[between] = np.uint64(_RIGHT) + k + k
        k += alive
    bits = np.uint64(0)
    while (one << bits) < leaves:
        bits += one
    for i in range(k):
        flips[np.uint64(i)] ^= flips[np.uint64(i)] >> np.uint16(1)
    at = np.uint64(toggle_at)
    for bit in range(bits):
        for i in range(k):
            toggles[at] = np.uint64(_RIGHT) + np.uint64(i) + np.uint64(i)
            at += np.uint64((flips[np.uint64(i)] >> np.uint16(bit)) & np.uint16(1))
        ends[np.uint64(bit)] = at
    return root + np.int64(k), np.int64(leaves), np.int64(bits), np.int64(at)


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
def _cut_all(trees, s, state, desk, left, toggles, ends, kept, table):  # type: ignore[no-untyped-def]
    """The trees of replicate ``s`` cut to the group, those with few leaves sharing a number of at
    most eight bits.

    Returns the number of trees with more than one leaf, and the sum of the others.
    """
    constant, node, count, shift, entries, toggle_at = np.int32(0), 0, 0, _PLANES, 0, 0
    values = desk.values
    for t in range(trees.first_tree[s], trees.first_tree[s + 1]):
        first_toggle = toggle_at
        node, leaves, bits, toggle_at = _cut(
            t, trees, state, desk, left, node, toggles, toggle_at, ends[count]
        )
        if leaves == 1:
            constant = np.int32(constant + values[0])
            continue
        if shift + bits > _PLANES:
            shift = 0
            if count:
                entries += 1 << (kept[count - 1, _SHIFT] + kept[count - 1, _BITS])
            table[entries] = 0
        width = 1 << shift
        for high in range((1 << bits) - 1, -1, -1):
            for low in range(width):
                table[entries + high * width + low] = table[entries + low] + values[high]
        kept[count, _END], kept[count, _TOGGLES] = node, first_toggle
        kept[count, _BITS], kept[count, _SHIFT], kept[count, _TABLE] = bits, shift, entries
        count += 1
        shift += bits
    return count, constant


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _sum_packet(answers, masks, left, toggles, ends, kept, count, table, planes, compiled, total):  # type: ignore[no-untyped-def]
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
                _LEFT + 2 * (i - node),
                _RIGHT + 2 * (i - node),
            )
        node, start = kept[t, _END], kept[t, _TOGGLES]
        for bit in range(bits):
            toggle(planes, shift + bit, masks, toggles, start, ends[t, bit])
            start = ends[t, bit]
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
        np.zeros((2 * of_tree + 1, WORDS), np.uint64),
        np.zeros((16, WORDS), np.uint64),
        np.zeros((2, 8, WORDS), np.uint64),
    )
    masks[_ALL] = ~np.uint64(0)
    desk = _desk(of_tree)
    left, toggles = (
        np.zeros((of_replicate + 1, 2), np.uint16),
        np.zeros(16 * of_replicate + 1, np.uint16),
    )
    ends, kept = np.zeros((tree_count + 1, 16), np.int64), np.zeros((tree_count + 1, 5), np.int64)
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
            count, constant = _cut_all(trees, s, state, desk, left, toggles, ends, kept, table)
            for packet in range(packets):
                total[:] = constant
                _sum_packet(
                    answers[packet],
                    masks,
                    left,
                    toggles,
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
