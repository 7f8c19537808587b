"""Matrix products whose sums have one order, whatever the place in a batch and the processor.

BLAS adds the terms of a product in an order that depends on the shape of its micro-kernels, and so
on a row's place in the block and on the processor. Here each sum runs from the first term to the
last in fused multiply-adds, which round in the same way everywhere; only how many sums run side
by side follows the registers of the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

_, _cpu, _features = cpu_target.target_context.codegen().magic_tuple()
_HAS_32_REGISTERS = "+avx512f" in _features or _cpu == "x86-64-v4"
#: Rows of a product that are summed side by side: their sums fill the vector registers.
ROWS_AT_ONCE = 12 if _HAS_32_REGISTERS else 6
#: Bytes of a row that are summed side by side.
BYTES_AT_ONCE = 64
LANES32, LANES64 = BYTES_AT_ONCE // 4, BYTES_AT_ONCE // 8


@intrinsic
def add_products(typingctx, left, row, right, first, column, depth, totals, target):  # type: ignore[no-untyped-def]
    """totals[row + r, target + c] += sum over k < depth of left[row + r, k] right[first + k, column
    + c].

    For r < `ROWS_AT_ONCE` and c < `LANES32` or `LANES64`. ``left`` and ``right`` are of one type,
    in which the sum runs; ``totals`` is float64.
    """
    index = types.int64
    signature = types.void(left, index, right, index, index, index, totals, index)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, row, right, first, column, depth, totals, target = args
        left_type, right_type, totals_type = (signature.args[i] for i in (0, 2, 6))
        element = ir.FloatType() if left_type.dtype == types.float32 else ir.DoubleType()
        lanes = LANES32 if left_type.dtype == types.float32 else LANES64
        vector, wide = ir.VectorType(element, lanes), ir.VectorType(ir.DoubleType(), lanes)
        kind = ir.FunctionType(vector, [vector] * 3)
        name = f"llvm.fma.v{lanes}f{32 if element == ir.FloatType() else 64}"
        fma = cgutils.get_or_insert_function(builder.module, kind, name)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        zero32 = ir.Constant(ir.IntType(32), 0)

        def pointer(array_type: Any, array: Any, row: Any, column: Any) -> Any:
            made = context.make_array(array_type)(context, builder, array)
            columns = builder.extract_value(made.shape, 1)
            return builder.gep(made.data, [builder.add(builder.mul(row, columns), column)])

        zero = ir.Constant(ir.IntType(64), 0)
        rows = [builder.add(row, ir.Constant(ir.IntType(64), r)) for r in range(ROWS_AT_ONCE)]
        lefts = [pointer(left_type, left, each, zero) for each in rows]
        # Local variables that the optimizer keeps in registers.
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in rows]
        with cgutils.for_range(builder, depth, intp=ir.IntType(64)) as loop:
            source = pointer(right_type, right, builder.add(first, loop.index), column)
            values = builder.load(builder.bitcast(source, vector.as_pointer()), align=4)
            for start, total in zip(lefts, sums):
                one = builder.load(builder.gep(start, [loop.index]))
                lone = builder.insert_element(ir.Constant(vector, ir.Undefined), one, zero32)
                all_lanes = builder.shuffle_vector(lone, lone, zeros)
                builder.store(builder.call(fma, [all_lanes, values, builder.load(total)]), total)
        for each, total in zip(rows, sums):
            place = pointer(totals_type, totals, each, target)
            place = builder.bitcast(place, wide.as_pointer())
            found = builder.load(total)
            found = found if vector == wide else builder.fpext(found, wide)
            builder.store(builder.fadd(builder.load(place, align=8), found), place, align=8)
        return context.get_dummy_value()

    return signature, codegen
