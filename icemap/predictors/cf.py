"""What a variable of NetCDF, HDF or Zarr declares, by the CF conventions and the habits of writers.

xarray reads the values as they are stored: it knows none of the valid ranges, one missing value at
a time, and takes every fill value of Zarr 2 for missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.cf_limits import (
    limits_of,
    numbers_of,
    plain_numbers,
    require_valid_limits,
    text_of,
)
from icemap.predictors.declared import (
    Declared,
    listed_codes,
    remarks_of,
    unadded_offset,
    unapplied_scale,
)
from icemap.predictors.missing import is_code
from icemap.predictors.statistic import statistics_of
from icemap.predictors.told_codes import codes_told

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
    codes = [value for key, value in attrs.items() if key.lower() in MISSING]
    where_to = f"the variable '{name}'", f"remove it there (ncatted -a KEY,{name},d,,)"
    require_valid_limits(attrs, stored_dtype, dtype, where, *where_to)
    stored, physical = limits_of(attrs, codes, stored_dtype, dtype, packed=packed)
    further: list[float] = []
    if zarr is not None and not any(key.lower() == "_fillvalue" for key in attrs):
        further += _filled(zarr)
    if netcdf and not any(key == "_FillValue" for key in attrs):
        further += _default_fill(stored_dtype)
    return Declared(
        dtype=str(stored_dtype),
        unit=text_of(attrs.get("units", attrs.get("unit", attrs.get("Units", "")))),
        scale=scale,
        offset=offset,
        stored=replace(stored, missing=(*stored.missing, *further)),
        physical=physical,
        classes=flag_names(attrs, stored_dtype, dtype),
        table=flags_told(attrs, stored_dtype, dtype),
        flags=flag_codes(attrs, stored_dtype, dtype),
        description=(
            f"{name} {text_of(attrs.get('long_name', ''))} {text_of(attrs.get('cell_methods', ''))}"
        ),
        remarks=remarks_of(attrs),
        listed=listed_codes(attrs),
        unapplied="" if packed else unapplied_scale(attrs, stored_dtype),
        unadded="" if packed else unadded_offset(attrs, stored_dtype),
        statistics=_actual_range(attrs),
        statistics_told=statistics_of(attrs),
        doubted=codes_told(attrs),
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
    found = plain_numbers(attrs[key])
    if len(found) != 1 or not np.isfinite(found[0]):
        raise IcemapError(
            f"{where}: the attribute {key} of the variable '{name}' is {attrs[key]!r}, but must be"
            " one number; correct the file."
        )
    return found[0]


def _filled(zarr: ZarrFill) -> list[float]:
    """A fill value that can mean missing: chunks of ones or zeros are filled with real ones and
    zeros.
    """
    numbers = (
        [number for number in plain_numbers(zarr.value) if np.isfinite(number)]
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


def flag_codes(
    attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any]
) -> tuple[float, ...]:
    """Values that the attributes say are codes, none where they are no and yes."""
    if not flags_told(attrs, stored, file) or "flag_masks" in attrs:
        return ()
    return tuple(numbers_of(attrs.get("flag_values", ()), stored, file))


def flag_names(
    attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any]
) -> dict[int, str]:
    """What the attributes call the codes; empty where they name none, or not all."""
    if "flag_values" not in attrs or "flag_meanings" not in attrs or "flag_masks" in attrs:
        return {}
    codes = numbers_of(attrs["flag_values"], stored, file)
    text = text_of(attrs["flag_meanings"])
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


def flags_told(attrs: Mapping[str, Any], stored: np.dtype[Any], file: np.dtype[Any]) -> str:
    """What shows that values are codes by the attributes, in words; empty if nothing does."""
    if "flag_masks" in attrs:
        return "flags (flag_masks)"
    if "flag_values" not in attrs and len(text_of(attrs.get("flag_meanings", "")).split()) > 2:
        return "flags (flag_meanings without flag_values)"
    # The mean of no and yes is a share.
    if "flag_values" not in attrs or sorted(numbers_of(attrs["flag_values"], stored, file)) == [
        0.0,
        1.0,
    ]:
        return ""
    return (
        f"flags (flag_values, meaning {text_of(attrs.get('flag_meanings', ''))[:60] or 'not said'})"
    )
