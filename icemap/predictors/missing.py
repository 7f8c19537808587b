"""Values that files mean as missing: how they are found where nothing declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# -99 to -999999, with or without decimals; without the sign from 999 on.
NINES = (99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99.9, 99.99, 999.9, 999.99, 9999.9)
# No quantity in a usual unit is so large.
HUGE = 1e15
LIMITS = tuple(
    float(limit)
    for bits in (16, 32, 64)
    for limit in (-(2 ** (bits - 1)), 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1, 2**bits - 1)
)
BYTE_LIMITS = {"uint8": (255.0,), "int8": (-128.0, -127.0, 127.0)}
# From here on a code stays one where a window holds nothing else.
SURELY = 9999.0
# Codes of integers in files whose values were converted since, the last ones before the limits, and
# powers of ten: numbers that a quantity may well reach, but hardly again and again with nothing
# near them.
LESSER = [127.0, *range(249, 256), 32766.0, 65534.0, *(-(10.0**n) for n in range(4, 10))]
LESSER += [10.0**n for n in range(9, 15)]
LESSER += [
    code / 10**digits
    for code in (127, 254, 255, -128, 32767, -32767, -32768, 65535)
    for digits in (1, 2, 3, 4)
]
REPEATED, DISTINCT = 5, 3


@dataclass(frozen=True)
class Suspect:
    """A value that looks like a code for missing: how often it is there, and what else is."""

    value: float
    count: int
    total: int
    others: tuple[float, float] | None

    def text(self, counted: str) -> str:
        """In words, for a sentence; ``counted`` is what has the values, in the plural."""
        found = f"the value {self.value:.9g} in {self.count:,} of {self.total:,} {counted}"
        if self.others is None:
            return f"{found} and no other"
        low, high = self.others
        is_near = low - high < self.value - low < 0
        where = "apart from" if is_near else "far outside"
        return f"{found}, {where} the others ({low:.6g} to {high:.6g})"


def same_code(values: NDArray[np.float64], code: float) -> NDArray[np.bool_]:
    """Where values are a code; single precision and printing round it."""
    return np.isclose(values, code, rtol=1e-6, atol=0, equal_nan=True)


def find_suspect(values: NDArray[np.float64], dtype: str = "float64") -> Suspect | None:
    """A value that looks like an undeclared code for missing, or None.

    A code is a row of nines, a limit of a type of integers, or larger than any quantity, and it is
    far outside all other values: a real -9999 m among depths of -9000 m is none. Other numbers are
    codes where they are repeated and further from all others than these are from one another, or
    whole and the only negative ones among values with decimals.

    Parameters
    ----------
    values : ndarray
        As stored, without those declared missing; all finite.
    dtype : str
        Of the file: 255 is a code among bytes only.

    Examples
    --------
    >>> find_suspect(np.array([3.0, 8.0, -9999.0])).value
    -9999.0
    >>> find_suspect(np.array([-8000.0, -9999.0, -9500.0])) is None
    True
    """
    if values.size == 0:
        return None
    ends = (float(values.min()), float(values.max()))
    if not any(is_code(end, dtype) for end in ends):
        return _find_repeated(values)
    codes = np.zeros(values.shape, dtype=bool)
    for code in _codes_in(values, lambda end: is_code(end, dtype)):
        codes |= same_code(values, code)
    others = values[~codes]
    span = (float(others.min()), float(others.max())) if others.size else None
    for end in ends:
        if is_code(end, dtype) and _is_far(end, span):
            return Suspect(end, int(same_code(values, end).sum()), int(values.size), span)
    return None


def _find_repeated(values: NDArray[np.float64]) -> Suspect | None:
    """A lesser code that is repeated, and as far off as none of the other values."""
    codes = list(_codes_in(values, _is_lesser_code))
    lowest = float(values.min())
    is_alone = (
        lowest < 0 and lowest % 1 == 0 and int((values < 0).sum()) == int((values == lowest).sum())
    )
    if is_alone and lowest not in codes:
        codes.append(lowest)
    if not codes:
        return None
    others = values[~np.any([same_code(values, code) for code in codes], axis=0)]
    if np.unique(others).size < DISTINCT:
        return None
    low, high = float(others.min()), float(others.max())
    for code in codes:
        count = int(same_code(values, code).sum())
        distance = low - code if code < low else code - high
        alone = is_alone and code == lowest and bool((others % 1 != 0).any())
        if count >= REPEATED and (alone or distance > max(high - low, 0.1 * abs(code))):
            return Suspect(code, count, int(values.size), (low, high))
    return None


def _is_lesser_code(value: float) -> bool:
    return any(abs(value - code) <= 1e-6 * abs(code) for code in LESSER)


def is_code(value: float, dtype: str = "float64") -> bool:
    """True for a number that files use for missing: nines, limits of integers, huge numbers."""
    if abs(value) >= HUGE:
        return True
    known = [*LIMITS, *BYTE_LIMITS.get(dtype, ())]
    known += [-number for number in NINES] + [number for number in NINES if number >= 999]
    return any(abs(value - code) <= 1e-6 * abs(code) for code in known)


def _codes_in(values: NDArray[np.float64], known: Callable[[float], bool]) -> Iterator[float]:
    """The codes at both ends of the values, from outside inwards."""
    left = values
    while left.size:
        ends = [end for end in (float(left.min()), float(left.max())) if known(end)]
        if not ends:
            return
        yield from ends
        for end in ends:
            left = left[~same_code(left, end)]


def _is_far(code: float, others: tuple[float, float] | None) -> bool:
    if others is None:
        return abs(code) >= SURELY or code in [-number for number in NINES]
    low, high = others
    distance = low - code if code < low else code - high
    # A quantity may well reach 999 or 255, hardly -999 or 9999.
    needed = 0.1 if code < 0 or abs(code) >= SURELY else 0.5 if code in (127, 255) else 1.0
    return distance > max(needed * (high - low), 0.1 * abs(code))
