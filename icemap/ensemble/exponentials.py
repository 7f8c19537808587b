"""Exponentials with the same digits on every processor, wherever the compiler puts the loop."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)


@intrinsic
def _fused(typingctx, a, b, c):  # type: ignore[no-untyped-def]
    """a b + c, rounded once; all float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def _times_power_of_two(typingctx, value, power):  # type: ignore[no-untyped-def]
    """value 2^power, of normal float32 numbers, by their bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, power = args
        exponent = builder.shl(power, ir.Constant(_INT, 23))
        return builder.bitcast(builder.add(builder.bitcast(value, _INT), exponent), _FLOAT)

    return types.float32(types.float32, types.int32), codegen


def exponentials(exponents: Any, found: Any) -> None:
    """found = exp(exponents) of numbers that are not above 0 but for rounding, (n,) each.

    In the precision of ``found``.
    """
    raise NotImplementedError("compiled only")


@overload(exponentials)
def _compiled_exponentials(exponents, found):  # type: ignore[no-untyped-def]
    if found.dtype == numba.float64:

        def in_double(exponents, found):  # type: ignore[no-untyped-def]
            for j in range(exponents.size):
                found[j] = math.exp(exponents[j])

        return in_double

    log2_e, ln_2, lowest = 1.4426950408889634, 0.6931471805599453, -126.0
    # Added and taken away again, it leaves the nearest whole number.
    rounder = 1.5 * 2.0**52
    c2, c3, c4, c5, c6 = (np.float32(1 / math.factorial(k)) for k in range(2, 7))
    one = np.float32(1)

    def in_single(exponents, found):  # type: ignore[no-untyped-def]
        for j in range(exponents.size):
            power = max(exponents[j] * log2_e, lowest)
            whole = (power + rounder) - rounder
            r = np.float32((power - whole) * ln_2)
            series = _fused(_fused(_fused(_fused(c6, r, c5), r, c4), r, c3), r, c2)
            series = _fused(_fused(series, r, one), r, one)
            found[j] = _times_power_of_two(series, np.int32(whole))

    return in_single
