"""Numbers of attributes, and which values of a variable count by them, as CF has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from icemap.errors import IcemapError
from icemap.predictors.declared import Limits
from icemap.units import says_nothing

# How many numbers each of them has.
VALID_LIMITS = {"valid_range": 2, "valid_min": 1, "valid_max": 1}
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?nan", re.IGNORECASE)


def plain_numbers(value: Any) -> list[float]:
    """All numbers of an attribute, which may be text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return (
            [float(text) for text in NUMBER.findall(value)]
            if not re.sub(NUMBER, "", value).strip(" ,;[](){}fFLlbBsStTo:")
            else []
        )
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind in "SUO":
        return [
            number
            for item in array.ravel().tolist()
            for number in plain_numbers(str(item) if not isinstance(item, bytes) else item)
        ]
    return [float(item) for item in array.ravel()] if array.dtype.kind in "biuf" else []


def numbers_of(value: Any, stored: np.dtype[Any], file: np.dtype[Any]) -> list[float]:
    """Numbers of an attribute in the type of the variable; the sign bit of unsigned bytes is a bit
    like the others.
    """
    numbers = [number for number in plain_numbers(value) if not np.isnan(number)]
    if stored.kind == "u" and file.kind == "i":
        return [
            number + 2.0 ** (8 * stored.itemsize) if number < 0 else number for number in numbers
        ]
    if stored.kind == "i" and file.kind == "u":
        return [
            number - 2.0 ** (8 * stored.itemsize) if number > np.iinfo(stored).max else number
            for number in numbers
        ]
    return numbers


def _fits(number: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return number == int(number) and limits.min <= number <= limits.max


def limits_of(
    attrs: Mapping[str, Any],
    codes: Sequence[Any],
    stored: np.dtype[Any],
    file: np.dtype[Any],
    *,
    packed: bool,
) -> tuple[Limits, Limits]:
    """Limits of the stored and of the physical values.

    Parameters
    ----------
    attrs : mapping
        With the valid range.
    codes : sequence
        Attributes that mean missing, each of one number or several.
    stored, file : dtype
        Of the stored values, as they are meant and as the file has them.
    packed : bool
        True if the values have a scale or offset.
    """
    numbers = [number for value in codes for number in numbers_of(value, stored, file)]
    as_stored = [number for number in numbers if not packed or _fits(number, stored)]
    others = [number for number in numbers if packed and not _fits(number, stored)]
    low, high, is_compiled = _valid_range(attrs, stored, file, packed)
    limits, everything = (low, high), (-np.inf, np.inf)
    return (
        Limits(tuple(as_stored), *(limits if is_compiled else everything)),
        Limits(tuple(others), *(everything if is_compiled else limits)),
    )


def require_valid_limits(
    attrs: Mapping[str, Any],
    stored: np.dtype[Any],
    file: np.dtype[Any],
    where: str,
    what: str,
    remove: str,
) -> None:
    """Refuse limits that would be passed over, or leave nothing.

    Parameters
    ----------
    attrs : mapping
    stored, file : dtype
        Of the stored values, as they are meant and as the file has them.
    where, what : str
        The file, and the variable or band in it, for messages.
    remove : str
        How an attribute ``KEY`` is removed there.

    Raises
    ------
    IcemapError
        Naming the attribute, and what it is.
    """
    for key, needed in VALID_LIMITS.items():
        value = attrs.get(key)
        if value is None or (isinstance(value, str | bytes) and says_nothing(text_of(value))):
            continue
        numbers = numbers_of(value, stored, file)
        # NaN is no limit.
        is_whole = len(plain_numbers(value)) == needed and len(numbers) in (0, needed)
        if not is_whole or numbers != sorted(numbers):
            meant = "two numbers, the lower one first" if needed == 2 else "one number"
            raise IcemapError(
                f"{where}: the attribute {key} of {what} is {text_of(value)!r}, but must be"
                f" {meant}: correct it in the file, or {remove.replace('KEY', key)}."
            )
    ends = [numbers_of(attrs.get(key, ()), stored, file) for key in ("valid_min", "valid_max")]
    if all(ends) and ends[0] > ends[1]:
        raise IcemapError(
            f"{where}: the attribute valid_min of {what} is {ends[0][0]:g}, above its valid_max"
            f" {ends[1][0]:g}, so that none of its values would be valid: correct the file."
        )


def _valid_range(
    attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any], packed: bool
) -> tuple[float, float, bool]:
    """Lowest and highest valid value, and whether they are as stored.

    CF has them in the type of the packed values; a range of floats for packed integers is one of
    physical values.
    """
    low, high = -np.inf, np.inf
    given = [attrs[key] for key in VALID_LIMITS if key in attrs]
    if not given:
        return low, high, True
    if "valid_range" in attrs:
        numbers = numbers_of(attrs["valid_range"], stored, file)
        if len(numbers) == 2 and numbers[0] <= numbers[1]:
            low, high = numbers
    for key in ("valid_min", "valid_max"):
        numbers = numbers_of(attrs[key], stored, file) if key in attrs else []
        if len(numbers) == 1:
            low, high = (numbers[0], high) if key == "valid_min" else (low, numbers[0])
    whole = packed and stored.kind in "iu"
    floats = any(np.asarray(value).dtype.kind == "f" for value in given) or any(
        isinstance(value, str) and "." in value for value in given
    )
    if not floats and stored.kind == "f":
        return _rounded_out(low, high, stored)
    return (*_rounded_out(low, high, stored)[:2], not (whole and floats))


def _rounded_out(low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float, bool]:
    """Limits that values in single precision do not fail by their rounding."""
    room = 1e-6 if dtype.kind == "f" else 0.0
    return (
        low - room * abs(low) if np.isfinite(low) else low,
        high + room * abs(high) if np.isfinite(high) else high,
        True,
    )


def text_of(value: Any) -> str:
    """An attribute as text."""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
