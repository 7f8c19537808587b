"""Words of 512 bits, one bit per pixel of a packet, as LLVM vectors: the processor's widest
registers without code of its own for each.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

PIXELS = 512
WORDS = 8
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, WORDS)


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [ir.Constant(_WORD, value)] * WORDS)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    """Address of a row of an array of shape (rows, 8) of uint64."""
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.gep(data, [builder.mul(row, ir.Constant(_WORD, WORDS))])
    return builder.bitcast(first, _VECTOR.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(pointer, align=8)


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, pointer, align=8)


@intrinsic
def split(typingctx, conditions, condition, masks, parent, left, right):  # type: ignore[no-untyped-def]
    """masks[left] = masks[parent] & conditions[condition]; masks[right] = the rest of
    masks[parent].
    """
    signature = types.void(conditions, types.int64, masks, types.int64, types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table_type, _, masks_type, *_ = signature.args
        table, condition, masks, parent, left, right = args
        holds = _load(builder, _pointer(context, builder, table_type, table, condition))
        mask = _load(builder, _pointer(context, builder, masks_type, masks, parent))
        true = builder.and_(mask, holds)
        _store(builder, true, _pointer(context, builder, masks_type, masks, left))
        _store(
            builder, builder.xor(mask, true), _pointer(context, builder, masks_type, masks, right)
        )
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def toggle(typingctx, planes, plane, masks, rows, start, stop):  # type: ignore[no-untyped-def]
    """planes[plane] ^= masks[rows[start]] ^ ... ^ masks[rows[stop - 1]]; rows is an array (n,) of
    uint16.
    """
    signature = types.void(planes, types.int64, masks, rows, types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        planes_type, _, masks_type, rows_type, _, _ = signature.args
        planes, plane, masks, rows, start, stop = args
        target = _pointer(context, builder, planes_type, planes, plane)
        numbers = context.make_array(rows_type)(context, builder, rows).data
        # A local variable that the optimizer keeps in a register.
        total = cgutils.alloca_once_value(builder, _load(builder, target))
        with cgutils.for_range(builder, stop, start=start, intp=_WORD) as loop:
            row = builder.zext(builder.load(builder.gep(numbers, [loop.index])), _WORD)
            builder.store(
                builder.xor(
                    builder.load(total),
                    _load(builder, _pointer(context, builder, masks_type, masks, row)),
                ),
                total,
            )
        _store(builder, builder.load(total), target)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def unite(typingctx, rows, target, other):  # type: ignore[no-untyped-def]
    """rows[target] |= rows[other]."""
    signature = types.void(rows, types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, target, other = args
        pointer = _pointer(context, builder, signature.args[0], rows, target)
        _store(
            builder,
            builder.or_(
                _load(builder, pointer),
                _load(builder, _pointer(context, builder, signature.args[0], rows, other)),
            ),
            pointer,
        )
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def planes_to_bytes(typingctx, planes, first, out):  # type: ignore[no-untyped-def]
    """Eight planes of 512 bits, from row ``first`` on, become 512 bytes: bit p of a byte comes from
    plane p.

    Byte i of word w of row y of ``out`` belongs to pixel ``64 w + 8 y + i``.
    """
    signature = types.void(planes, types.int64, out)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        planes, first, out = args
        rows = [
            _load(
                builder,
                _pointer(
                    context,
                    builder,
                    signature.args[0],
                    planes,
                    builder.add(first, ir.Constant(_WORD, p)),
                ),
            )
            for p in range(8)
        ]

        def swap(a: Any, b: Any, shift: int, mask: int) -> tuple[Any, Any]:
            """Exchange the bits of a above the shift with those of b below it."""
            moved = builder.and_(builder.xor(builder.lshr(a, _constant(shift)), b), _constant(mask))
            return builder.xor(a, builder.shl(moved, _constant(shift))), builder.xor(b, moved)

        for distance, mask in (
            (4, 0x00000000FFFFFFFF),
            (2, 0x0000FFFF0000FFFF),
            (1, 0x00FF00FF00FF00FF),
        ):
            for p in range(8):
                if not p & distance:
                    rows[p], rows[p + distance] = swap(
                        rows[p], rows[p + distance], 8 * distance, mask
                    )
        for p in range(8):
            for shift, mask in (
                (7, 0x00AA00AA00AA00AA),
                (14, 0x0000CCCC0000CCCC),
                (28, 0x00000000F0F0F0F0),
            ):
                moved = builder.and_(
                    builder.xor(rows[p], builder.lshr(rows[p], _constant(shift))), _constant(mask)
                )
                rows[p] = builder.xor(
                    builder.xor(rows[p], moved), builder.shl(moved, _constant(shift))
                )
            _store(
                builder,
                rows[p],
                _pointer(context, builder, signature.args[2], out, ir.Constant(_WORD, p)),
            )
        return context.get_dummy_value()

    return signature, codegen
