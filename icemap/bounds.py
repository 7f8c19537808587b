"""Physical bounds of a target: those that its unit implies, and what contradicts it.

Bounds are a lower and an upper end in the target's unit, either of them None where there is none;
None stands for no bounds at all.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from icemap.names import ICE, ICE_IN_WORDS
from icemap.units import conversion, is_unit, part_of_one, says_nothing

Bounds = tuple[float | None, float | None] | None
Closed = tuple[float, float]

# Quantities that are never less than nothing: lengths, areas, volumes, masses, by area or volume.
AMOUNTS = ("m", "m2", "m3", "kg", "kg m-2", "kg m-3")
# Units of numbers without dimension that need not be parts of a whole.
PLAIN_NUMBERS = {"1", "unitless", "dimensionless", "ratio"}
ABSOLUTE_ZERO = -273.15


def usual_bounds(unit: str) -> Bounds:
    """The bounds of a target that the config gives none for.

    Shares are between nothing and the whole, amounts and kelvins never below 0, and of anything
    else a unit does not tell.

    Examples
    --------
    >>> usual_bounds("%"), usual_bounds("fraction"), usual_bounds("cm"), usual_bounds("degC")
    ((0.0, 100.0), (0.0, 1.0), (0.0, None), None)
    """
    if unit == "%":
        return 0.0, 100.0
    if says_nothing(unit):
        return None
    # Tables write units in capitals as well: CM, KG/M3.
    for spelling in (unit, unit.lower()):
        part = part_of_one(spelling)
        if part is not None:
            return 0.0, float(f"{1 / part:.12g}")
        kelvins = conversion(spelling, "K")
        if kelvins is not None:
            return None if kelvins.offset else (0.0, None)
        if any(conversion(spelling, amount) is not None for amount in AMOUNTS):
            return 0.0, None
    return None


def limits(bounds: Bounds) -> Closed:
    """Both ends as numbers that values can be compared with.

    Examples
    --------
    >>> limits((0.0, None)), limits(None)
    ((0.0, inf), (-inf, inf))
    """
    low, high = (None, None) if bounds is None else bounds
    return -math.inf if low is None else low, math.inf if high is None else high


def closed(bounds: Bounds) -> Closed | None:
    """The bounds if they have both ends, else None."""
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return None
    return bounds[0], bounds[1]


def closed_around(bounds: Bounds, values: ArrayLike) -> Closed | None:
    """Bounds with both ends: an open one is one range of the values beyond them.

    Examples
    --------
    >>> closed_around((0.0, None), [20.0, 50.0, 80.0]), closed_around(None, [20.0, 80.0])
    ((0.0, 140.0), None)
    """
    if bounds is None:
        return None
    (low, high), (lowest, highest) = bounds, one_range_beyond(values)
    return lowest if low is None else low, highest if high is None else high


def one_range_beyond(values: ArrayLike) -> Closed:
    """Where a target without bounds is taken to end: the range of values (n,) below and above them.

    Examples
    --------
    >>> one_range_beyond([20.0, 50.0, 80.0])
    (-40.0, 140.0)
    """
    given = np.asarray(values, dtype=np.float64)
    lowest, highest = float(given.min()), float(given.max())
    width = highest - lowest or 1.0
    return lowest - width, highest + width


def in_words(bounds: Bounds) -> str:
    """Bounds as a sentence has them; empty without any.

    Examples
    --------
    >>> in_words((0.0, 100.0)), in_words((0.0, None)), in_words((None, 5.0))
    ('0 to 100', '0 or more', '5 or less')
    """
    low, high = (None, None) if bounds is None else bounds
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"{low:g} or more"
    return "" if high is None else f"{high:g} or less"


def outside_words(bounds: Bounds, unit: str) -> str:
    """Why a row with a value outside the bounds is left out.

    Examples
    --------
    >>> outside_words((0.0, 100.0), "%"), outside_words((0.0, None), "cm")
    ('value outside 0-100 %', 'value below 0 cm')
    """
    low, high = (None, None) if bounds is None else bounds
    if low is not None and high is not None:
        between = f"{low:g} to {high:g}" if low < 0 else f"{low:g}-{high:g}"
        return f"value outside {between} {unit}"
    return f"value below {low:g} {unit}" if low is not None else f"value above {high:g} {unit}"


def as_setting(bounds: Bounds) -> str:
    """Bounds as a config has them.

    Examples
    --------
    >>> as_setting((0.0, None)), as_setting(None)
    ('[0, null]', 'null')
    """
    if bounds is None:
        return "null"
    return f"[{', '.join('null' if end is None else f'{end:g}' for end in bounds)}]"


def contradiction(name: str, unit: str, bounds: Bounds) -> str | None:
    """What of a target cannot be true together, with both sides and the remedy; None if nothing.

    Examples
    --------
    >>> contradiction("t", "K", (-20.0, 10.0)).partition(":")[0]
    "bounds [-20, 10] go below absolute zero, which is 0 in the unit 'K'"
    >>> contradiction("vic", "%", (0.0, 100.0)) is None
    True
    """
    part = None if says_nothing(unit) else part_of_one(unit)
    if name == ICE and part is None and (is_unit(unit) or is_unit(unit.lower())):
        return (
            f"the name '{ICE}' is that of the {ICE_IN_WORDS}, and the unit '{unit}' is none of a"
            " share: give the name and long_name of what is mapped, or % or fraction as its unit"
        )
    low, high = limits(bounds)
    shown = f"bounds {as_setting(bounds)}"
    if part == 0.01 and bounds == (0.0, 1.0):
        return (
            f"{shown} are those of a fraction, and the unit is '{unit}': give bounds [0, 100], or"
            " the unit fraction; if 1 % is the highest value that there can be, give an upper end"
            " slightly above"
        )
    if part == 1.0 and bounds == (0.0, 100.0) and unit.strip().lower() not in PLAIN_NUMBERS:
        return (
            f"{shown} are those of %, and the unit is '{unit}': give bounds [0, 1], or the unit %"
        )
    if name == ICE and part is not None and bounds is not None:
        whole = 1 / part
        if (low < 0 and low > -math.inf) or (whole * (1 + 1e-9) < high < math.inf):
            return (
                f"{shown} go beyond what an ice content can be, 0 to {whole:g} in the unit"
                f" '{unit}': give bounds within, or the name and long_name of what is mapped"
            )
    celsius = conversion(unit, "degC")
    if celsius is not None and low > -math.inf:
        zero = (ABSOLUTE_ZERO - celsius.offset) / celsius.factor
        if low < zero - 1e-6:
            return (
                f"{shown} go below absolute zero, which is {zero:.6g} in the unit '{unit}': correct"
                " the bounds or the unit; differences of temperatures are given in degC"
            )
    return None
