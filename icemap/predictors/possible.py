"""What values of a predictor cannot be: codes for missing, codes of classes, another unit."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.predictors.missing import DISTINCT, REPEATED, find_suspect
from icemap.predictors.own_statistics import require_within_statistics
from icemap.source import Source
from icemap.units import Conversion, conversion, part_of_one

# No air, ground or water is colder, or hotter in its mean or anywhere (K).
COLDEST, HOTTEST_MEAN, HOTTEST = 150.0, 373.15, 1273.15
# Percents from here on, with nothing between 100 and them, are codes, of which there are few.
FIRST_CODE, MAX_CODES = 200, 4
# More different numbers than this are hardly codes.
MANY_CLASSES = 60
# Signed bytes that reach this far to both sides are mostly unsigned ones.
END_OF_BYTES = 120
# A difference of temperatures has no offset between its units, and no file says that it is one.
DIFFERENCES = re.compile(
    r"range|differ|anomal|amplitude|departure|deviation|\bstd|_sd\b|\bsd\b|error|uncertain|change"
    r"|trend|lapse|gradient|seasonality|\bdtr\b|inversion|warming|cooling|contrast|offset|bias"
    r"|increase|decrease|minus",
    re.IGNORECASE,
)
TEMPERATURES = re.compile(r"temperature|\bma[ag]s?t\b|\bmat\b|\blst\b|\btas\b", re.IGNORECASE)
CLASSES = re.compile(
    r"land[ _-]?(?:cover|use)|litholog|ecoregion|biome|landform|categor|\bclass(?:es)?\b|_class\b"
    r"|\btypes? of\b|(?:soil|vegetation|rock|terrain|ground|mapping|map)[ _-](?:type|unit|group)\b",
    re.IGNORECASE,
)
# Flags of quality next to the values that they are of.
QUALITY = re.compile(r"(?:\b|_)(?:qa|qc|quality|bit ?(?:mask|field|flag)s?)(?:\b|_)", re.IGNORECASE)
COUNTED_CLASSES = re.compile(
    r"fraction|part|percent|share|probab|number|count|index|densit|distance|proportion|divers",
    re.IGNORECASE,
)
# What nothing has more than all of, or less than none; a probability density, or the class of a
# share, is something else.
PARTS = re.compile(
    r"(?<![a-z])(?:fractions?|parts?|shares?|proportions?|probabilit(?:y|ies))(?![a-z])"
    r"(?![_ -]+(?:densit|class|index|code|number|count|ratio|score|rank|coefficient|size))",
    re.IGNORECASE,
)
# By which resampling may leave 0 to 1.
RESAMPLED = 0.05
# Parts of a range by which values may leave it by rounding.
ROUNDED = 1e-6


def require_possible(
    source: Source,
    declared: Declared,
    converted: Conversion,
    stored: NDArray[np.float64],
    physical: NDArray[np.float64],
    counted: str = "cells",
) -> None:
    """Refuse what no value can be, before it is lost in the mean of a cell.

    Parameters
    ----------
    source : Source
    declared : Declared
        What the file says about its values.
    converted : Conversion
        From the unit of the file.
    stored, physical : ndarray of shape (values,)
        Those that are not missing, before and after scale, offset and conversion.
    counted : str
        What the values are of, for messages.

    Raises
    ------
    IcemapError
        Naming the values, and the keys of the catalogue that settle it.
    """
    _require_no_classes(source, declared, stored)
    if source.valid_range is not None:
        _require_valid(source, physical, counted)
        return
    require_within_statistics(source, declared, stored)
    _require_signed_bytes(source, declared, stored)
    _require_no_lost_sign(source, declared, stored, counted)
    _require_possible_temperatures(source, declared, physical)
    _require_possible_percent(source, declared, converted, stored, physical, counted)
    _require_possible_parts(source, declared, physical, counted)


def _require_valid(source: Source, physical: NDArray[np.float64], counted: str) -> None:
    assert source.valid_range is not None
    low, high = source.valid_range
    room = ROUNDED * max(abs(low), abs(high))
    outside = physical[(physical < low - room) | (physical > high + room)]
    if outside.size:
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds {outside.min():.6g} to"
            f" {outside.max():.6g} {source.unit} in {outside.size:,} of {physical.size:,}"
            f" {counted}, outside its valid_range {list(source.valid_range)}: give what means"
            " missing as 'nodata' in the catalogue, or check unit, scale, offset and valid_range."
        )


def _require_no_classes(source: Source, declared: Declared, stored: NDArray[np.float64]) -> None:
    """Codes of classes whose file shows by nothing that they are: the mean of two is a third."""
    if source.kind is not None or source.scale is not None or declared.scale != 1:
        return
    described = f"{source.name} {source.long_name} {declared.description}"
    is_named = CLASSES.search(described) and not COUNTED_CLASSES.search(described)
    is_quality = QUALITY.search(declared.description) and not QUALITY.search(
        f"{source.name} {source.long_name}"
    )
    if not (declared.listed or is_quality or (is_named and part_of_one(source.unit) == 1)):
        return
    codes = np.unique(stored)
    # Files in floating point may hold codes, too, of which there are few.
    are_whole = np.dtype(declared.dtype).kind in "iu" or (
        DISTINCT <= codes.size <= MANY_CLASSES and bool((codes % 1 == 0).all())
    )
    if codes.size > 1 and set(codes.tolist()) <= declared.listed:
        why = f"holds {codes[0]:g} to {codes[-1]:g}, each of which its file lists with a meaning"
    elif is_named and part_of_one(source.unit) == 1 and are_whole and codes[-1] > 1:
        # The mean of no and yes is a share.
        why = f"is called '{source.long_name}' and holds whole numbers"
    elif is_quality and np.dtype(declared.dtype).kind in "iu" and codes.size > 1:
        why = f"holds {codes[0]:g} to {codes[-1]:g} as '{declared.description.strip()}'"
    else:
        return
    raise IcemapError(
        f"The source '{source.name}' ({source.origin}) {why}, which look like codes, of which no"
        " mean can be taken: say in the catalogue 'kind: class' (or 'fraction_of' some codes), or"
        " 'kind: continuous' if they are quantities."
    )


def _require_signed_bytes(source: Source, declared: Declared, stored: NDArray[np.float64]) -> None:
    """Bytes from 128 on are negative where nothing says that they have no sign."""
    if declared.dtype != "int8" or stored.min() > -END_OF_BYTES or stored.max() < END_OF_BYTES:
        return
    raise IcemapError(
        f"The source '{source.name}' ({source.origin}) holds the signed bytes {stored.min():g} to"
        f" {stored.max():g}, which may be 0 to 255 without a sign: give its variable the attribute"
        " _Unsigned = \"true\" (ncatted -a _Unsigned,NAME,c,c,true), or a 'valid_range' in the"
        " catalogue if they are right."
    )


def _require_no_lost_sign(
    source: Source, declared: Declared, stored: NDArray[np.float64], counted: str
) -> None:
    """Numbers without a sign at both ends of what their type holds, and none in half of it."""
    dtype = np.dtype(declared.dtype)
    half = 2.0 ** (8 * dtype.itemsize - 1)
    if dtype.kind != "u" or dtype.itemsize < 2 or stored.max() < half:
        return
    high, low = stored[stored >= half], stored[stored < half]
    if not low.size or high.min() - low.max() <= half:
        return
    raise IcemapError(
        f"The source '{source.name}' ({source.origin}) holds {high.min():.9g} to"
        f" {high.max():.9g} in {high.size:,} {counted} and {low.min():.9g} to {low.max():.9g} in"
        f" the others, as where numbers below zero have lost their sign ({high.max():.9g} is"
        f" {high.max() - 2 * half:g}), or are codes: write the file again as"
        f" {dtype.name.removeprefix('u')}, give the codes that mean missing as 'nodata' in the"
        " catalogue, or a 'valid_range' that includes them if they are real."
    )


def _require_possible_temperatures(
    source: Source, declared: Declared, physical: NDArray[np.float64]
) -> None:
    """Kelvin taken for degrees Celsius, the other way round, tenths of them, and 0 K for no
    value.
    """
    kelvin = conversion(source.unit, "K")
    if kelvin is None:
        return
    described = f"{source.name} {source.long_name} {declared.description}"
    if "range" in source.reduce.values() or DIFFERENCES.search(described):
        return
    low, mean, high = (
        float(value) * kelvin.factor + kelvin.offset
        for value in (physical.min(), physical.mean(), physical.max())
    )
    # Kelvin may be those of a difference.
    is_cold = low < COLDEST and (kelvin.offset or TEMPERATURES.search(described))
    if is_cold or mean > HOTTEST_MEAN or high > HOTTEST:
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) goes from {physical.min():.6g} to"
            f" {physical.max():.6g} {source.unit}, which are no temperatures: say with 'file_unit'"
            " in the catalogue which unit the values of the file really have, give those that mean"
            " missing as 'nodata', or, if they are right, a 'valid_range'."
        )


def _require_possible_percent(
    source: Source,
    declared: Declared,
    converted: Conversion,
    stored: NDArray[np.float64],
    physical: NDArray[np.float64],
    counted: str,
) -> None:
    """Percents of 0 to 100 whose further values, -1, 200, 253 or 254, are codes of something else,
    and those that were made of percents.
    """
    if part_of_one(source.unit) != 0.01:
        return
    theirs = source.file_unit or declared.unit
    if converted.factor > 1 and physical.mean() > 100:
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) is in '{theirs}' and goes to"
            f" {stored.max():.6g}, which would be {physical.max():.6g} {source.unit}:"
            f" say 'file_unit: \"{source.unit}\"' in the catalogue if that is what the values"
            " are, or give a 'valid_range' that includes them."
        )
    if declared.scale != 1 or source.scale is not None or not converted.is_identity:
        return
    within = (stored >= 0) & (stored <= 100)
    codes = np.unique(stored[~within])
    # Where nothing else is there, a mask in another unit is said better elsewhere.
    if not codes.size or not within.any():
        return
    are_bytes = declared.dtype == "uint8" and codes[0] >= FIRST_CODE
    described = f"{source.name} {source.long_name} {declared.description}"
    is_alone = codes.size == 1 and not DIFFERENCES.search(described)
    known = (codes == 127) | (codes >= FIRST_CODE) | ((codes < 0) & is_alone)
    are_few = codes.size <= MAX_CODES and bool((codes % 1 == 0).all() and known.all())
    repeated = np.count_nonzero(~within) >= REPEATED * codes.size
    if are_bytes or (are_few and repeated and np.unique(stored[within]).size >= DISTINCT):
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds {codes[0]:g} to {codes[-1]:g}"
            f" in {np.count_nonzero(~within):,} {counted}, and 0 to 100 {source.unit} in the"
            " others: give the codes that mean missing as 'nodata' in the catalogue, or a"
            " 'valid_range' that includes them if they are real."
        )


def _require_possible_parts(
    source: Source, declared: Declared, physical: NDArray[np.float64], counted: str
) -> None:
    """Codes and percents among what the catalogue calls parts of 1."""
    described = f"{source.name} {source.long_name}"
    if part_of_one(source.unit) != 1 or not PARTS.search(described):
        return
    if DIFFERENCES.search(f"{described} {declared.description}"):
        return
    beyond = (physical < -RESAMPLED) | (physical > 1 + RESAMPLED)
    if beyond.any():
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds {physical[beyond].min():.6g} to"
            f" {physical[beyond].max():.6g} in {np.count_nonzero(beyond):,} {counted}, and"
            f" '{source.long_name}' in the unit '{source.unit}' is from 0 to 1: give the codes that"
            " mean missing as 'nodata' in the catalogue, say 'file_unit: \"%\"' if the values are"
            " percents, or give a 'valid_range' that includes them if they are real."
        )


def require_no_suspect(
    source: Source,
    values: NDArray[np.float64],
    declared: Declared,
    counted: str = "cells",
) -> None:
    """Refuse a value that looks like a code for missing, unless the catalogue says it is real.

    Parameters
    ----------
    source : Source
    values : ndarray
        As stored, of any shape.
    declared : Declared
        What the file says about its values.
    counted : str
        What the values are of, for messages.
    """
    suspect = find_suspect(values, declared.dtype)
    if suspect is None:
        return
    if source.valid_range is not None:
        own = (declared.scale, declared.offset) if declared.gives_way else (1.0, 0.0)
        low, high = source.valid_range
        if low <= source.scaled(suspect.value, *own) <= high:
            return
    raise IcemapError(
        f"The source '{source.name}' ({source.origin}) holds {suspect.text(counted)}, and nothing"
        f" says that it means missing: give 'nodata: [{suspect.value:.9g}]' in the catalogue, or a"
        " 'valid_range' that includes it if it is real."
    )
