"""Attributes of CF that GDAL keeps as tags of a raster, as where NetCDF was made a GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from icemap.predictors.cf import flag_codes, flag_names, flags_told
from icemap.predictors.cf_limits import VALID_LIMITS, limits_of, require_valid_limits
from icemap.predictors.declared import Limits

# Those that are read here, and those for missing values.
LIMITS = tuple(VALID_LIMITS)
FLAGS = ("flag_values", "flag_meanings", "flag_masks")
MISSING = ("_fillvalue", "missing_value")
PACKING = ("scale_factor", "add_offset")
REMOVE = "remove it there (gdal_edit.py -unsetmd, which removes all tags)"


@dataclass(frozen=True)
class CfTags:
    """What the tags of one band say by CF.

    Attributes
    ----------
    stored, physical : Limits
        Before and after scale and offset.
    classes : mapping
        Names of class codes.
    flags : tuple of float
        Values that are codes.
    table : str
        What shows that the values are codes, empty if nothing does.
    """

    stored: Limits
    physical: Limits
    classes: Mapping[int, str]
    flags: tuple[float, ...]
    table: str


def of_variable(of_file: Mapping[str, str], of_band: Mapping[str, str]) -> dict[str, str]:
    """Tags of a file that are of the variable a band was made from, without its name.

    Parameters
    ----------
    of_file, of_band : mapping of str to str
        Tags, as GDAL gives them.

    Examples
    --------
    >>> of_variable({"t2m#valid_min": "0", "lat#units": "1"}, {"NETCDF_VARNAME": "t2m"})
    {'valid_min': '0'}
    """
    start = f"{of_band.get('NETCDF_VARNAME', '')}#"
    return {
        key.removeprefix(start): value
        for key, value in of_file.items()
        if len(start) > 1 and key.startswith(start)
    }


def cf_tags(
    tags: Mapping[str, str], dtype: np.dtype[Any], path: str, number: int, *, packed: bool
) -> CfTags:
    """Read the tags of a band.

    Parameters
    ----------
    tags : mapping of str to str
    dtype : dtype
        Of the stored values.
    path, number : str, int
        Of the file and the band, for messages.
    packed : bool
        True if the values have a scale or offset.

    Raises
    ------
    IcemapError
        If a valid range is no range.
    """
    attrs = {key.lower(): value for key, value in tags.items()}
    # NetCDF writes unsigned whole numbers as signed ones.
    file = np.dtype(f"i{dtype.itemsize}") if dtype.kind == "u" else dtype
    valid = {key: attrs[key] for key in LIMITS if key in attrs}
    require_valid_limits(valid, dtype, file, path, f"band {number}", REMOVE)
    was_packed = not packed and dtype.kind == "f" and not {*PACKING}.isdisjoint(attrs)
    if was_packed and not any("." in value for value in valid.values()):
        # The range is that of the whole numbers that the values were unpacked from.
        valid = {}
    codes = [attrs[key] for key in MISSING if key in attrs]
    stored, physical = limits_of(valid, codes, dtype, file, packed=packed)
    flags = {key: attrs[key] for key in FLAGS if key in attrs}
    return CfTags(
        stored,
        physical,
        flag_names(flags, dtype, file),
        flag_codes(flags, dtype, file),
        flags_told(flags, dtype, file),
    )
