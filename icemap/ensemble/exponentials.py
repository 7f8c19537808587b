"""Exponentials with the same digits on every processor, wherever the compiler puts the loop."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload


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
        bits = found.view(np.int32)
        for j in range(exponents.size):
            power = max(exponents[j] * log2_e, lowest)
            whole = (power + rounder) - rounder
            r = np.float32((power - whole) * ln_2)
            r2 = r * r
            found[j] = one + (r + r2 * (c2 + r * (c3 + r * (c4 + r * (c5 + r * c6)))))
            bits[j] += np.int32(whole) << np.int32(23)

    return in_single
