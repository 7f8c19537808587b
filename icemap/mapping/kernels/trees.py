"""All trees of all replicates on coded predictors, 512 pixels at a time, without a branch per pixel.

A relative of QuickScorer (Lucchese et al. 2015, doi:10.1145/2766462.2767733) and RapidScorer (Ye et al. 2018, doi:10.1145/3219819.3219857). One table holds, for each
condition that any tree asks (a code at most c, a class in a subset), the 512 answers of a packet; it serves every tree of every replicate. A group of packets first cuts
each tree down to the nodes whose answers differ within the group. What is left numbers its leaves so that going right at a node flips a few bits of the leaf's number:
the number of the leaf of each pixel is then a handful of exclusive ors of masks. Small trees share one number and one table of sums, so that a pixel reads one value for
several trees.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from icemap.mapping.kernels.bits import PIXELS, WORDS, planes_to_bytes, split, toggle, unite

#: Packets that share one pruning of the trees.
PACKETS = 4
_PLANES = 8
_MIXED, _ALWAYS, _NEVER = 0, 1, 2


class Conditions(NamedTuple):
    """What trees ask of coded predictors: rows 0, 1, ... are thresholds, predictor by predictor, then subsets of classes.

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
    condition : (nodes,) uint16 or uint32
        A row of the conditions; a pixel for which it holds goes left.
    left, right : (nodes,) int16
        An inner node of the same tree, or -1 - leaf.
    first_node, first_leaf : (trees + 1,) int64
    value : (leaves,) int32
        In units of 1 / scale: whole numbers add up to the same whatever the order, and so whatever the neighbours of a pixel.
    scale : (1,) float64
    first_tree : (replicates + 1,) int64
    """

    condition: NDArray[np.unsignedinteger]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    first_node: NDArray[np.int64]
    first_leaf: NDArray[np.int64]
    value: NDArray[np.int32]
    scale: NDArray[np.float64]
    first_tree: NDArray[np.int64]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _settle(codes, start, stop, conditions, low, high, present, state):  # type: ignore[no-untyped-def]
    """Which conditions have one answer in all pixels of a group; range of the codes of each predictor; levels that occur."""
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
                inside, outside = inside or subset_members[j, level], outside or not subset_members[j, level]
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


# Columns of a node: the condition, and where the masks of the node, of its left and of its right child lie.
_CONDITION, _SELF, _LEFT, _RIGHT = 0, 1, 2, 3


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _cut(tree, trees, state, stack, before, room, nodes, node, slot, toggles, toggled, shift, values):  # type: ignore[no-untyped-def]
    """The nodes of one tree whose answers differ within the group, from ``nodes[node]`` on, their masks from ``slot`` on.

    Returns the next node, the next toggle and the number of leaves; leaves are numbered in Gray code, and ``values[number]`` is the value of a leaf.
    """
    condition, left, right, first_node, first_leaf, value, _, _ = trees
    base, leaf_base, root, leaves, depth = first_node[tree], first_leaf[tree], node, 0, 1
    stack[0, 0], stack[0, 1], stack[0, 2] = -1 if first_node[tree + 1] == base else 0, -1, 0
    while depth > 0:
        depth -= 1
        k, parent, is_right = int(stack[depth, 0]), int(stack[depth, 1]), stack[depth, 2]
        while k >= 0:
            answer = state[condition[base + k]]
            if answer == _MIXED:
                break
            k = int(left[base + k]) if answer == _ALWAYS else int(right[base + k])
        mask = slot + node - root
        if is_right:
            own = mask if k >= 0 else room + slot + parent - root
            nodes[parent, _RIGHT] = own
            flips = (leaves ^ (leaves >> 1)) ^ (before[parent - root] ^ (before[parent - root] >> 1))
            plane = shift
            while flips:
                if flips & 1:
                    toggles[toggled, 0], toggles[toggled, 1] = plane, own
                    toggled += 1
                flips >>= 1
                plane += 1
        elif parent >= 0:
            nodes[parent, _LEFT] = mask if k >= 0 else 2 * room
        if k < 0:
            values[leaves ^ (leaves >> 1)] = value[leaf_base - 1 - k]
            leaves += 1
            continue
        nodes[node, _CONDITION] = condition[base + k]
        nodes[node, _SELF] = 2 * room + 1 if node == root else mask
        before[node - root] = leaves
        stack[depth, 0], stack[depth, 1], stack[depth, 2] = right[base + k], node, 1
        stack[depth + 1, 0], stack[depth + 1, 1], stack[depth + 1, 2] = left[base + k], node, 0
        depth += 2
        node += 1
    return node, toggled, leaves


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _move(nodes, first_node, last_node, toggles, first_toggle, last_toggle, by, shift, fixed):  # type: ignore[no-untyped-def]
    """Make a tree the first of a new number: its masks and planes start at zero."""
    for i in range(first_node, last_node):
        for column in range(_SELF, _RIGHT + 1):
            if nodes[i, column] < fixed:
                nodes[i, column] -= by
    for i in range(first_toggle, last_toggle):
        toggles[i, 0] -= shift
        toggles[i, 1] -= by


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _read(table, first, wide, bytes_low, bytes_high, total):  # type: ignore[no-untyped-def]
    """Add to each pixel the value of its leaf number."""
    if wide:
        for q in range(PIXELS):
            total[q] += table[first + np.uint64(bytes_low[q]) + (np.uint64(bytes_high[q]) << np.uint64(8))]
    else:
        for q in range(PIXELS):
            total[q] += table[first + np.uint64(bytes_low[q])]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _most(trees):  # type: ignore[no-untyped-def]
    """Largest numbers of nodes of a tree and of a replicate, of trees of a replicate, and of table entries of a replicate."""
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
def _combine(trees, s, state, scratch, nodes, toggles, table, bins, room):  # type: ignore[no-untyped-def]
    """The trees of replicate ``s`` cut to the group and packed into numbers of at most eight bits.

    Each row of ``bins`` tells where the nodes, toggles and table of a number end, and whether it is one tree that needs sixteen bits. Returns the number of bins and
    the sum of the trees that are one leaf.
    """
    stack, before, values = scratch
    constant, node, toggled, count = np.int32(0), 0, 0, 0
    planes, entries, bin_node = 0, 0, 0
    open_bin = False
    for t in range(trees.first_tree[s], trees.first_tree[s + 1]):
        first, first_toggle = node, toggled
        node, toggled, leaves = _cut(t, trees, state, stack, before, room, nodes, node, node - bin_node, toggles, toggled, planes, values)
        if leaves == 1:
            constant = np.int32(constant + values[0])
            continue
        bits = 1
        while (1 << bits) < leaves:
            bits += 1
        if open_bin and planes + bits > _PLANES:
            bins[count, 0], bins[count, 1], bins[count, 2], bins[count, 3] = first, first_toggle, entries + (1 << planes), 0
            count += 1
            entries += 1 << planes
            _move(nodes, first, node, toggles, first_toggle, toggled, first - bin_node, planes, 2 * room)
            open_bin = False
        if not open_bin:
            bin_node, planes, open_bin = first, 0, True
            table[entries] = 0
        width = 1 << planes
        for high in range((1 << bits) - 1, -1, -1):
            for low in range(width):
                table[entries + high * width + low] = table[entries + low] + values[high]
        planes += bits
        if planes >= _PLANES:
            bins[count, 0], bins[count, 1], bins[count, 2], bins[count, 3] = node, toggled, entries + (1 << planes), int(planes > _PLANES)
            count += 1
            entries += 1 << planes
            planes, bin_node, open_bin = 0, node, False
    if open_bin:
        bins[count, 0], bins[count, 1], bins[count, 2], bins[count, 3] = node, toggled, entries + (1 << planes), 0
        count += 1
    return count, constant


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
    room = 256 + of_tree
    low, high, known = np.zeros(predictors, np.int64), np.zeros(predictors, np.int64), np.zeros(predictors, np.bool_)
    present = np.zeros((predictors, 256), np.bool_)
    state = np.zeros(rows, np.uint8)
    answers, equal = np.zeros((PACKETS, rows, WORDS), np.uint64), np.zeros((predictors, 256, WORDS), np.uint64)
    masks, planes, packed = np.zeros((2 * room + 2, WORDS), np.uint64), np.zeros((16, WORDS), np.uint64), np.zeros((2, 8, WORDS), np.uint64)
    masks[2 * room + 1] = ~np.uint64(0)
    bytes_low, bytes_high = packed[0].view(np.uint8).reshape(-1), packed[1].view(np.uint8).reshape(-1)
    values = np.zeros(2 * of_tree + 4, np.int32)
    scratch = np.zeros((of_tree + 4, 3), np.int32), np.zeros(of_tree + 1, np.int32), values
    nodes, toggles = np.zeros((of_replicate + 1, 4), np.int32), np.zeros((of_replicate * 16 + 1, 2), np.int32)
    table, bins, total = np.zeros(entries, np.int32), np.zeros((tree_count + 1, 4), np.int64), np.zeros(PIXELS, np.int32)
    for start in range(0, n, PACKETS * PIXELS):
        packets = min(PACKETS, (n - start) // PIXELS)
        _settle(codes, start, start + packets * PIXELS, conditions, low, high, present, state)
        for packet in range(packets):
            _answer(codes, start + packet * PIXELS, conditions, low, high, state, answers[packet], equal, known)
        for s in range(trees.first_tree.size - 1):
            count, constant = _combine(trees, s, state, scratch, nodes, toggles, table, bins, room)
            for packet in range(packets):
                answer = answers[packet]
                total[:] = constant
                node, toggled, entry = 0, 0, 0
                for b in range(count):
                    wide = bins[b, 3] == 1
                    for p in range(16 if wide else 8):
                        planes[p] = 0
                    for i in range(node, bins[b, 0]):
                        split(answer, nodes[i, _CONDITION], masks, nodes[i, _SELF], nodes[i, _LEFT], nodes[i, _RIGHT])
                    for i in range(toggled, bins[b, 1]):
                        toggle(planes, toggles[i, 0], masks, toggles[i, 1])
                    planes_to_bytes(planes, 0, packed[0])
                    if wide:
                        planes_to_bytes(planes, 8, packed[1])
                    _read(table, np.uint64(entry), wide, bytes_low, bytes_high, total)
                    node, toggled, entry = bins[b, 0], bins[b, 1], bins[b, 2]
                begin = start + packet * PIXELS
                for y in range(8):
                    for w in range(WORDS):
                        for i in range(8):
                            out[s, begin + 64 * w + 8 * y + i] = np.float32(total[64 * y + 8 * w + i] * unit)
