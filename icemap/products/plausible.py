"""Ranges that no predictor of their unit has on the Earth: most often a wrong unit, scale or nodata
value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from icemap.predictors.missing import is_code
from icemap.predictors.possible import DIFFERENCES
from icemap.units import conversion, part_of_one

# degC; the lowest and highest of air and ground ever measured, with some room.
TEMPERATURES = (-95.0, 75.0)
# m, of the sea floor and of mountains.
ELEVATIONS = (-11_100.0, 9_000.0)
PARTS = re.compile(r"fraction|share|part of|cover(ed|age)|proportion|probability", re.IGNORECASE)
HEIGHTS = re.compile(r"elevation|altitude|\bdem\b|topography|height above sea", re.IGNORECASE)


def doubt(name: str, low: float, high: float, attrs: Mapping[str, Any]) -> str:
    """Why a range cannot be right, in a few words; empty if it can.

    Parameters
    ----------
    name : str
        Of the predictor.
    low, high : float
        In its unit.
    attrs : mapping
        Of its variable in the cube: ``units``, ``long_name`` and what else says what it is.

    Examples
    --------
    >>> doubt("t", 250.0, 280.0, {"units": "degC", "long_name": "temperature"})
    'no temperature: is the unit degC right?'
    >>> doubt("t", -20.0, 10.0, {"units": "degC", "long_name": "temperature"})
    ''
    """
    unit, about = str(attrs.get("units", "")), f"{name} {attrs.get('long_name', '')}"
    if attrs.get("kind") == "class":
        return ""
    if any(is_code(end) and abs(end) >= 999 for end in (low, high)):
        return "looks like a code for missing: give it as nodata"
    celsius = conversion(unit, "degC")
    if celsius is not None and not DIFFERENCES.search(f"{about} {attrs.get('derivation', '')}"):
        low_c, high_c = (celsius.factor * end + celsius.offset for end in (low, high))
        if low_c < TEMPERATURES[0] or high_c > TEMPERATURES[1]:
            return f"no temperature: is the unit {unit} right?"
    part = part_of_one(unit)
    named = PARTS.search(about) is not None or "fraction_of" in attrs
    if part is not None and (
        named or (part < 1 and "derivation" not in attrs and "slope" not in about.lower())
    ):
        if low * part < -0.001 or high * part > 1.001:
            return f"no part of a whole: is the unit {unit} right?"
        if part == 0.01 and 0 < high <= 1 and high != low:
            return "all below 1 %: are these parts of 1?"
    metres = conversion(unit, "m")
    if (
        metres is not None
        and "derivation" not in attrs
        and HEIGHTS.search(about)
        and not DIFFERENCES.search(about)
    ):
        low_m, high_m = (metres.factor * end + metres.offset for end in (low, high))
        if low_m < ELEVATIONS[0] or high_m > ELEVATIONS[1]:
            return f"no elevation of the Earth: is the unit {unit} right?"
    return ""
