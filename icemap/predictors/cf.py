"""What a variable of NetCDF, HDF or Zarr declares, by the CF conventions and the habits of writers.

xarray reads the values as they are stored: it knows none of the valid ranges, one missing value at
a time, and takes every fill value of Zarr 2 for missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import (
    Declared,
    Limits,
    listed_codes,
    unadded_offset,
    unapplied_scale,
)
from icemap.predictors.missing import is_code
from icemap.predictors.statistic import statistics_of
from icemap.units import says_nothing

# Spellings of attributes in files that do not follow CF, in lower case.
MISSING = {
    "_fillvalue",
    "missing_value",
    "fill_value",
    "fillvalue",
    "_missing_value",
    "missing",
    "nodata",
    "nodata_value",
    "no_data",
    "nodatavalue",
}
MISSING |= {"no_data_value", "codemissingvalue", "missingvalue"}
# How many numbers each of them has.
VALID_LIMITS = {"valid_range": 2, "valid_min": 1, "valid_max": 1}
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?nan", re.IGNORECASE)


@dataclass(frozen=True)
class ZarrFill:
    """How Zarr fills chunks that were never written.

    Attributes
    ----------
    version : int
        Of the format: in version 2, xarray keeps a variable's ``_FillValue`` there.
    """

    version: int
    value: Any


def declared_by(
    attrs: Mapping[str, Any],
    dtype: np.dtype[Any],
    name: str,
    where: str,
    *,
    netcdf: bool,
    zarr: ZarrFill | None = None,
) -> Declared:
    """Everything that the attributes of a variable say about its values.

    Parameters
    ----------
    attrs : mapping
        As stored, undecoded.
    dtype : dtype
        Of the stored values.
    name, where : str
        Of the variable and its file, for messages.
    netcdf : bool
        True where the default fill values of NetCDF mean missing.
    zarr : ZarrFill, optional
        For an array of Zarr.
    """
    stored_dtype = _dtype(attrs, dtype)
    # Some writers have them in capitals.
    attrs = {
        key.lower() if key.lower() in ("scale_factor", "add_offset") else key: value
        for key, value in attrs.items()
    }
    scale, offset = (
        _single(attrs, key, default, name, where)
        for key, default in (("scale_factor", 1.0), ("add_offset", 0.0))
    )
    packed = "scale_factor" in attrs or "add_offset" in attrs
    stored: list[float] = []
    physical: list[float] = []
    for key, value in attrs.items():
        if key.lower() in MISSING:
            for number in _numbers(value, stored_dtype, dtype):
                (stored if not packed or _fits(number, stored_dtype) else physical).append(number)
    if zarr is not None and not any(key.lower() == "_fillvalue" for key in attrs):
        stored += _filled(zarr)
    if netcdf and not any(key == "_FillValue" for key in attrs):
        stored += _default_fill(stored_dtype)
    _require_valid_limits(attrs, stored_dtype, dtype, name, where)
    low, high, is_compiled = _valid_range(attrs, stored_dtype, dtype, packed)
    limits = (low, high)
    everything = (-np.inf, np.inf)
    return Declared(
        dtype=str(stored_dtype),
        unit=_text(attrs.get("units", attrs.get("unit", attrs.get("Units", "")))),
        scale=scale,
        offset=offset,
        stored=Limits(tuple(stored), *(limits if is_compiled else everything)),
        physical=Limits(tuple(physical), *(everything if is_compiled else limits)),
        classes=_classes(attrs, stored_dtype, dtype),
        table=_table(attrs, stored_dtype, dtype),
        description=(
            f"{name} {_text(attrs.get('long_name', ''))} {_text(attrs.get('cell_methods', ''))}"
        ),
        listed=listed_codes(attrs),
        unapplied="" if packed else unapplied_scale(attrs, stored_dtype),
        unadded="" if packed else unadded_offset(attrs, stored_dtype),
        statistics=_actual_range(attrs),
        statistics_told=statistics_of(attrs),
    )


def _actual_range(attrs: Mapping[str, Any]) -> tuple[float, float] | None:
    """Lowest and highest value that the attributes say there is, None where they say none."""
    try:
        low, high = (float(end) for end in np.ravel(attrs.get("actual_range", ())))
    except (TypeError, ValueError):
        return None
    return (low, high) if low <= high and np.isfinite([low, high]).all() else None


def as_declared(raw: NDArray[Any], declared: Declared) -> NDArray[Any]:
    """Stored values in the type that the attributes give them: CF writes unsigned bytes as signed
    ones.
    """
    wanted = np.dtype(declared.dtype)
    native = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    return (
        native.view(wanted)
        if wanted.kind in "iu" and wanted.itemsize == native.dtype.itemsize
        else native
    )


def _dtype(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    native = np.dtype(dtype).newbyteorder("=")
    unsigned = str(attrs.get("_Unsigned", "")).lower()
    if native.kind == "i" and unsigned == "true":
        return np.dtype(f"u{native.itemsize}")
    if native.kind == "u" and unsigned == "false":
        return np.dtype(f"i{native.itemsize}")
    return native


def _single(attrs: Mapping[str, Any], key: str, default: float, name: str, where: str) -> float:
    if key not in attrs:
        return default
    found = _plain_numbers(attrs[key])
    if len(found) != 1 or not np.isfinite(found[0]):
        raise IcemapError(
            f"{where}: the attribute {key} of the variable '{name}' is {attrs[key]!r}, but must be"
            " one number; correct the file."
        )
    return found[0]


def _plain_numbers(value: Any) -> list[float]:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return (
            [float(text) for text in NUMBER.findall(value)]
            if not re.sub(NUMBER, "", value).strip(" ,;[]()fFLlbBsStTo:")
            else []
        )
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind in "SUO":
        return [
            number
            for item in array.ravel().tolist()
            for number in _plain_numbers(str(item) if not isinstance(item, bytes) else item)
        ]
    return [float(item) for item in array.ravel()] if array.dtype.kind in "biuf" else []


def _numbers(value: Any, stored: np.dtype[Any], file: np.dtype[Any]) -> list[float]:
    """Numbers of an attribute in the type of the variable; the sign bit of unsigned bytes is a bit
    like the others.
    """
    numbers = [number for number in _plain_numbers(value) if not np.isnan(number)]
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


def _filled(zarr: ZarrFill) -> list[float]:
    """A fill value that can mean missing: chunks of ones or zeros are filled with real ones and
    zeros.
    """
    numbers = (
        [number for number in _plain_numbers(zarr.value) if np.isfinite(number)]
        if zarr.value is not None
        else []
    )
    if zarr.version == 2:
        return [number for number in numbers if number not in (0.0, 1.0)]
    return [number for number in numbers if is_code(number)]


def _default_fill(dtype: np.dtype[Any]) -> list[float]:
    """What NetCDF writes into cells that nobody writes; bytes have none, as all of their values are
    in use.
    """
    import netCDF4

    key = f"{dtype.kind}{dtype.itemsize}"
    return (
        [float(netCDF4.default_fillvals[key])]
        if dtype.itemsize > 1 and key in netCDF4.default_fillvals
        else []
    )


def _require_valid_limits(
    attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any], name: str, where: str
) -> None:
    """Refuse limits that would be passed over, or leave nothing."""
    for key, needed in VALID_LIMITS.items():
        value = attrs.get(key)
        if value is None or (isinstance(value, str | bytes) and says_nothing(_text(value))):
            continue
        numbers = _numbers(value, stored, file)
        # NaN is no limit.
        is_whole = len(_plain_numbers(value)) == needed and len(numbers) in (0, needed)
        if not is_whole or numbers != sorted(numbers):
            meant = "two numbers, the lower one first" if needed == 2 else "one number"
            raise IcemapError(
                f"{where}: the attribute {key} of the variable '{name}' is {_text(value)!r}, but"
                f" must be {meant}: correct it in the file, or remove it there (ncatted -a"
                f" {key},{name},d,,)."
            )
    ends = [_numbers(attrs.get(key, ()), stored, file) for key in ("valid_min", "valid_max")]
    if all(ends) and ends[0] > ends[1]:
        raise IcemapError(
            f"{where}: the attribute valid_min of the variable '{name}' is {ends[0][0]:g}, above"
            f" its valid_max {ends[1][0]:g}, so that none of its values would be valid: correct"
            " the file."
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
        numbers = _numbers(attrs["valid_range"], stored, file)
        if len(numbers) == 2 and numbers[0] <= numbers[1]:
            low, high = numbers
    for key in ("valid_min", "valid_max"):
        numbers = _numbers(attrs[key], stored, file) if key in attrs else []
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


def _classes(
    attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any]
) -> dict[int, str]:
    if "flag_values" not in attrs or "flag_meanings" not in attrs or "flag_masks" in attrs:
        return {}
    codes = _numbers(attrs["flag_values"], stored, file)
    text = _text(attrs["flag_meanings"])
    names = (
        text.split()
        if len(text.split()) == len(codes)
        else [part.strip() for part in text.split(",")]
    )
    if len(names) != len(codes):
        return {}
    return {
        int(code): name.replace("_", " ") for code, name in zip(codes, names) if code == int(code)
    }


def _table(attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any]) -> str:
    if "flag_masks" in attrs:
        return "flags (flag_masks)"
    if "flag_values" not in attrs and len(_text(attrs.get("flag_meanings", "")).split()) > 2:
        return "flags (flag_meanings without flag_values)"
    # The mean of no and yes is a share.
    if "flag_values" not in attrs or sorted(_numbers(attrs["flag_values"], stored, file)) == [
        0.0,
        1.0,
    ]:
        return ""
    return (
        f"flags (flag_values, meaning {_text(attrs.get('flag_meanings', ''))[:60] or 'not said'})"
    )


def _text(value: Any) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
