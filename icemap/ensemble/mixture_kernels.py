"""Compiled loops over pixels for the pooled mixture: one thread, no interpreter lock.

Every sum has one order, so that a pixel has the same digits in any batch and on any processor.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_INT64 = ir.IntType(64)
# Pixels for which a component's tables are fetched once; their vectors should stay in cache while
# the components pass.
_BLOCK = 8192


@intrinsic
def add_between(typingctx, tables, count, starts, shares, pixel, sums, part):  # type: ignore[no-untyped-def]
    """sums[pixel] += (1 - share) row + share next row of ``count`` components, one after the other,
    for part number ``part`` of sixteen columns.

    The sum stays in a register meanwhile. Tables (all, rows, columns), shares (components, pixels)
    and sums (pixels, columns) are float32; starts (components, pixels) int64 say where in all
    tables a row begins.
    """
    index = types.int64
    signature = types.void(tables, index, starts, shares, index, sums, index)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, lane = ir.VectorType(ir.FloatType(), 16), ir.IntType(32)
        tables, starts, shares, sums = (
            context.make_array(kind)(context, builder, array)
            for kind, array in zip(signature.args, args)
            if isinstance(kind, types.Array)
        )
        count, pixel, part = args[1], args[4], args[6]
        pixels = builder.extract_value(starts.shape, 1)
        width = builder.extract_value(sums.shape, 1)
        first = builder.mul(part, ir.Constant(_INT64, 16))
        start = builder.gep(tables.data, [first])

        def sixteen(start: Any, offset: Any) -> Any:
            return builder.bitcast(builder.gep(start, [offset]), vector.as_pointer())

        place = sixteen(sums.data, builder.add(builder.mul(pixel, width), first))
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
        builder.store(builder.load(place, align=4), total)
        with cgutils.for_range(builder, count, intp=_INT64) as loop:
            at = builder.add(builder.mul(loop.index, pixels), pixel)
            row = builder.load(builder.gep(starts.data, [at]))
            lower = builder.load(sixteen(start, row), align=4)
            upper = builder.load(sixteen(start, builder.add(row, width)), align=4)
            share = builder.insert_element(
                ir.Constant(vector, ir.Undefined),
                builder.load(builder.gep(shares.data, [at])),
                ir.Constant(lane, 0),
            )
            share = builder.shuffle_vector(
                share, share, ir.Constant(ir.VectorType(lane, 16), [ir.Constant(lane, 0)] * 16)
            )
            between = builder.fadd(lower, builder.fmul(share, builder.fsub(upper, lower)))
            builder.store(builder.fadd(builder.load(total), between), total)
        builder.store(builder.load(total), place, align=4)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def between_knots(typingctx, knots, knot, x, found, target):  # type: ignore[no-untyped-def]
    """found[target] = place on the rows and weighted mean at x, on the straight lines from a knot
    to the next; knots (4 n,), found (n, 2), all float32.

    All four numbers of both knots are fetched and lie in one vector.
    """
    signature = types.void(knots, types.uint64, types.float32, found, types.uint64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        knots_type, _, _, found_type, _ = signature.args
        knots, knot, x, found, target = args
        numbers, pair = (ir.VectorType(ir.FloatType(), size) for size in (4, 2))

        def number(index: int) -> Any:
            return ir.Constant(ir.IntType(32), index)

        def chosen(indices: list[int]) -> Any:
            return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), indices)

        start = context.make_array(knots_type)(context, builder, knots).data
        first = builder.mul(knot, ir.Constant(_INT64, 4))
        left, right = (
            builder.load(
                builder.bitcast(builder.gep(start, [index]), numbers.as_pointer()), align=4
            )
            for index in (first, builder.add(first, ir.Constant(_INT64, 4)))
        )
        share = builder.fmul(
            builder.fsub(x, builder.extract_element(left, number(0))),
            builder.extract_element(left, number(1)),
        )
        one = ir.Constant(ir.FloatType(), 1.0)
        share = builder.select(builder.fcmp_ordered("<", share, one), share, one)
        shares = builder.insert_element(ir.Constant(numbers, ir.Undefined), share, number(0))
        shares = builder.shuffle_vector(shares, shares, chosen([0] * 4))
        between = builder.fadd(left, builder.fmul(shares, builder.fsub(right, left)))
        place = builder.gep(
            context.make_array(found_type)(context, builder, found).data,
            [builder.mul(target, ir.Constant(_INT64, 2))],
        )
        builder.store(
            builder.shuffle_vector(between, between, chosen([2, 3])),
            builder.bitcast(place, pair.as_pointer()),
            align=4,
        )
        return context.get_dummy_value()

    return signature, codegen


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _place(f, c, mixture, means, starts, shares, scratch):  # type: ignore[no-untyped-def]
    """Where the predictions of component c at a block of pixels are in all tables: the start of the
    row below and the share of the next one. The means are added.
    """
    inside, where, found = scratch
    low, step, cells, knots = mixture.low[c], mixture.step[c], mixture.cells[c], mixture.knots[c]
    _, height, width = mixture.table.shape
    last_row, own = np.int32(height - 2), c * height
    top, zero = np.float32(cells.size - 1), np.float32(0)
    one, four, last = np.uint64(1), np.uint64(4), np.uint64(knots.shape[0] - 2)
    numbers, first, final = knots.reshape(-1), knots[0, 0], knots[last + one, 0]
    # Three passes: all but the search are straight.
    for i in range(f.size):
        inside[i] = min(max(f[i], first), final)
        where[i] = np.uint32(min(max((inside[i] - low) * step, zero), top))
    for i in range(np.uint64(f.size)):
        x, c = inside[i], np.uint64(cells[where[i]])
        # A step that is often taken and often not is no branch; a further one is rare.
        c += np.uint64((c < last) & (numbers[(c + one) * four] <= x))
        while c < last and numbers[(c + one) * four] <= x:
            c += one
        between_knots(numbers, c, x, found, i)
    for i in range(f.size):
        means[i] += found[i, 1]
        row = min(np.int32(found[i, 0]), last_row)
        starts[i] = (own + row) * width
        shares[i] = found[i, 0] - np.float32(row)


@intrinsic
def inner_product(typingctx, curves, row, vector):  # type: ignore[no-untyped-def]
    """Sum of curves[row, r] vector[r], r below a multiple of sixteen; all float32.

    Sixteen sums run side by side; their halves are then added until one is left.
    """
    signature = types.float32(curves, types.int64, vector)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        curves_type, _, vector_type = signature.args
        curves, row, vector = args
        lanes = ir.VectorType(ir.FloatType(), 16)
        made = context.make_array(curves_type)(context, builder, curves)
        size = builder.extract_value(made.shape, 1)
        left = builder.gep(made.data, [builder.mul(row, size)])
        right = context.make_array(vector_type)(context, builder, vector).data
        total = cgutils.alloca_once_value(builder, ir.Constant(lanes, None))
        parts = builder.udiv(size, ir.Constant(_INT64, 16))
        with cgutils.for_range(builder, parts, intp=_INT64) as loop:
            first = builder.mul(loop.index, ir.Constant(_INT64, 16))
            both = (
                builder.bitcast(builder.gep(start, [first]), lanes.as_pointer())
                for start in (left, right)
            )
            product = builder.fmul(*(builder.load(part, align=4) for part in both))
            builder.store(builder.fadd(builder.load(total), product), total)
        sums = builder.load(total)
        for half in (8, 4, 2, 1):
            lower, upper = (
                builder.shuffle_vector(
                    sums,
                    sums,
                    ir.Constant(
                        ir.VectorType(ir.IntType(32), half), list(range(start, start + half))
                    ),
                )
                for start in (0, half)
            )
            sums = builder.fadd(lower, upper)
        return builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    return signature, codegen


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _at_node(j, vector, center, curves):  # type: ignore[no-untyped-def]
    """The distribution function at a node."""
    return center[j] + inner_product(curves, np.int64(j), vector)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _quantile(vector, p, center, curves, x):  # type: ignore[no-untyped-def]
    """Where the distribution function reaches p; it is computed where bisection looks."""
    low, high = 0, x.size - 1
    at_low = _at_node(low, vector, center, curves)
    at_high = _at_node(high, vector, center, curves)
    if p <= at_low:
        return x[low]
    if p >= at_high:
        return x[high]
    while high - low > 1:
        middle = (low + high) // 2
        value = _at_node(middle, vector, center, curves)
        if value <= p:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
    return x[low] + (x[high] - x[low]) * (p - at_low) / (at_high - at_low)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def accumulate(F, mixture, means, vectors, outside):  # type: ignore[no-untyped-def]
    """Means of the replicates, and the vector of the whole mixture.

    Parameters
    ----------
    F : (members, replicates, n) float32
    mixture : Mixture
    means : (replicates, n) float32, written
    vectors : (n, rank) float32, written
    outside : (n,) int64, written
        Number of replicates in which a member leaves the range of its out-of-fold predictions.
    """
    members, replicates, n = F.shape
    left, parts = np.empty(_BLOCK, np.int32), mixture.table.shape[2] // 16
    starts, shares = np.empty((members, _BLOCK), np.int64), np.empty((members, _BLOCK), np.float32)
    inside, where = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.uint32)
    scratch = inside, where, np.empty((_BLOCK, 2), np.float32)
    for begin in range(0, n, _BLOCK):
        end = min(begin + _BLOCK, n)
        size, total = end - begin, vectors[begin:end]
        total[:] = 0
        outside[begin:end] = 0
        for s in range(replicates):
            means[s, begin:end] = 0
            left[:] = 0
            count = 0
            for k in range(members):
                c, f = k * replicates + s, F[k, s, begin:end]
                if mixture.counts[c]:
                    mean = means[s, begin:end]
                    _place(f, c, mixture, mean, starts[count], shares[count], scratch)
                    count += 1
                lowest, highest = mixture.ranges[c, 0], mixture.ranges[c, 1]
                for i in range(size):
                    left[i] |= np.int32((f[i] < lowest) | (f[i] > highest))
            for i in range(size):
                outside[begin + i] += left[i]
            for i in range(size):
                for part in range(parts):
                    add_between(mixture.table, count, starts, shares, i, total, part)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def invert(vectors, mixture, levels, quantiles):  # type: ignore[no-untyped-def]
    """Quantiles (n, k) of the mixtures of vectors (n, rank), at the levels (k,)."""
    for i in range(vectors.shape[0]):
        for k in range(levels.size):
            quantiles[i, k] = _quantile(
                vectors[i], levels[k], mixture.center, mixture.curves, mixture.x
            )


@numba.njit(cache=True, nogil=True, boundscheck=False)
def limit_and_average(F, limits):  # type: ignore[no-untyped-def]
    """Members' predictions are taken to the limits of their replicate, and the last of F becomes
    their mean, summed from the first to the last.

    Parameters
    ----------
    F : (members + 1, replicates, n) float32, written
    limits : (replicates, 2) float32
    """
    members = len(F) - 1
    for s in range(F.shape[1]):
        consensus, lowest, highest = F[members, s], limits[s, 0], limits[s, 1]
        consensus[:] = 0
        for k in range(members):
            own = F[k, s]
            for i in range(own.size):
                own[i] = min(max(own[i], lowest), highest)
                consensus[i] += own[i]
        for i in range(consensus.size):
            consensus[i] /= np.float32(members)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def mean_over_replicates(values):  # type: ignore[no-untyped-def]
    """Mean over the first axis, (replicates, n) -> (n,) float64, summed from the first to the
    last.
    """
    total = np.zeros(values.shape[1])
    for s in range(values.shape[0]):
        for i in range(total.size):
            total[i] += values[s, i]
    return total / values.shape[0]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def squares_over_replicates(values, mean):  # type: ignore[no-untyped-def]
    """Sum over the first axis of (values - mean)^2, (replicates, n) and (n,) -> (n,) float64."""
    total = np.zeros(mean.size)
    for s in range(values.shape[0]):
        for i in range(total.size):
            away = values[s, i] - mean[i]
            total[i] += away * away
    return total
