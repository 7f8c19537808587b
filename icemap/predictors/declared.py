"""What a file says about the values that it stores, and physical values by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.missing import find_suspect, same_code
from icemap.source import Source
from icemap.units import (
    Conversion,
    conversion,
    is_unit,
    part_of_one,
    per_year,
    same_unit,
    says_nothing,
)

Decode = Callable[[NDArray[np.generic]], NDArray[np.float64]]
SAME = Conversion(1.0, 0.0)
# No air, ground or water is colder, or hotter in its mean (K).
COLDEST, HOTTEST_MEAN = 0.5, 373.15
# Bytes in % from here on, with nothing between 100 and them, are codes.
FIRST_CODE = 200
# A difference of temperatures has no offset between its units, and no file says that it is one.
DIFFERENCES = re.compile(
    r"range|differ|anomal|amplitude|departure|deviation|\bstd|_sd\b|\bsd\b|error|uncertain|change"
    r"|trend|lapse|gradient|seasonality|\bdtr\b|inversion",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    """Values of the file that count: others are missing."""

    missing: tuple[float, ...] = ()
    lowest: float = -np.inf
    highest: float = np.inf

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where values do not count."""
        outside = (values < self.lowest) | (values > self.highest)
        for code in self.missing:
            outside |= same_code(values, code)
        return outside


@dataclass(frozen=True)
class Declared:
    """What the header of a file says about one of its variables or bands.

    Attributes
    ----------
    dtype : str
        Of the stored values.
    unit : str
        As written, empty if nothing is said.
    scale, offset : float
        From stored to physical values.
    stored, physical : Limits
        Before and after scale and offset.
    classes : mapping
        Names of class codes.
    table : str
        What shows that the values are codes (a colour table, flags), empty if nothing does.
    description : str
        Name and long name.
    gives_way : bool
        True if the catalogue's scale and offset stand in for the file's, as for rasters; False
        if they come on top of them.
    """

    dtype: str
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    stored: Limits = Limits()
    physical: Limits = Limits()
    classes: Mapping[int, str] = field(default_factory=dict)
    table: str = ""
    description: str = ""
    gives_way: bool = False


def decoder(source: Source, declared: Declared) -> Decode:
    """The function that turns stored values of a source into physical ones, NaN where missing.

    Raises
    ------
    IcemapError
        If kind or unit of the catalogue contradict the file's; when called, if a value looks like
        an undeclared code for missing, or a class has no name.
    """
    if np.dtype(declared.dtype).kind not in "biuf":
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) holds values of the type {declared.dtype}, "
            "but a predictor is made of real numbers: name another 'variable' in the catalogue."
        )
    _require_same_kind(source, declared)
    if source.kind == "class" or source.fraction_of:
        _require_same_classes(source, declared)
        return lambda raw: _class_codes(source, declared, raw)
    converted = conversion_of(source, declared)
    return lambda raw: _quantities(source, declared, converted, raw)


def conversion_of(source: Source, declared: Declared) -> Conversion:
    """From the unit of the file to that of the catalogue.

    Raises
    ------
    IcemapError
        If the one cannot be converted to the other; names both and the key that settles it.
    """
    theirs, wanted = source.file_unit or declared.unit, source.unit
    if says_nothing(theirs) or same_unit(theirs, wanted):
        return SAME
    whose = "'file_unit' in the catalogue" if source.file_unit else "the file"
    said = f"The source '{source.name}' ({source.url}): the unit is '{theirs}' by {whose}, but "
    said += f"'{wanted}' by the 'unit' of the catalogue"
    settle = (
        "correct 'unit', or say with 'file_unit' which unit the values of the file really have"
        if not source.file_unit
        else "correct one of them"
    )
    found = conversion(theirs, wanted)
    if found is None:
        if not is_unit(theirs) and not source.file_unit and part_of_one(wanted) == 1.0:
            return SAME
        if per_year(theirs, wanted) or per_year(wanted, theirs):
            return SAME
        raise IcemapError(f"{said}, which it cannot be converted to: {settle}.")
    rescaled = source.scale is not None or source.offset is not None
    if rescaled and not source.file_unit:
        # Already converted by hand, whatever the scale of the stored values is.
        own = source.scale if source.scale is not None else 1.0
        by_hand = abs((source.offset or 0.0) - found.offset) <= 0.01 * abs(found.offset)
        if found.offset and source.offset and by_hand:
            return SAME
        if not found.offset and abs(own - found.factor) <= 1e-3 * abs(found.factor):
            return SAME
        raise IcemapError(
            f"{said}, and its 'scale' and 'offset' do not convert the one to the other: say with"
            " 'file_unit' which unit the values have after scale and offset."
        )
    described = f"{source.name} {source.long_name} {declared.description}"
    differs = found.offset and "range" not in source.reduce.values()
    if differs and not source.file_unit and DIFFERENCES.search(described):
        raise IcemapError(
            f"{said}, and whether it is a temperature or a difference of temperatures decides how "
            f"to convert it: {settle} ('file_unit: {wanted}' leaves a difference as it is)."
        )
    return found


def conversion_text(source: Source, declared: Declared) -> str:
    """What is done about the unit of the file, in words; empty if nothing."""
    if source.kind == "class" or source.fraction_of or conversion_of(source, declared).is_identity:
        return ""
    return f"converted from {source.file_unit or declared.unit} to {source.unit}"


def _require_same_kind(source: Source, declared: Declared) -> None:
    if declared.table and source.kind is None and not source.fraction_of and source.scale is None:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has {declared.table}, so that its values "
            "look like codes, of which no mean can be taken: say in the catalogue 'kind: class' "
            "(or 'fraction_of' some codes), or 'kind: continuous' if they are quantities."
        )


def _require_same_classes(source: Source, declared: Declared) -> None:
    """A name that the file gives to another code was copied to the wrong one."""
    theirs = {name.strip().lower(): code for code, name in declared.classes.items()}
    for code, name in source.classes.items():
        other = theirs.get(name.strip().lower().replace("_", " "), code)
        if other != code and declared.classes.get(code, "").strip().lower() != name.lower():
            raise IcemapError(
                f"The source '{source.name}' ({source.url}): 'classes' in the catalogue calls the "
                f"code {code} '{name}', which by the file is the code {other}: correct 'classes'."
            )


def with_classes(source: Source, declared: Declared) -> Source:
    """The source with the classes that its file names, if the catalogue names none."""
    if source.classes or not (source.kind == "class" or source.fraction_of):
        return source
    if not declared.classes:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) names no classes: give 'classes', a mapping"
            " from code to name, in the catalogue."
        )
    codes = {code: name for code, name in declared.classes.items() if 0 <= code <= 254}
    unnamed = sorted(set(source.fraction_of) - set(codes))
    if unnamed:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}): the class code {unnamed[0]} of"
            f" 'fraction_of' is not among those that the file names, {sorted(codes)}."
        )
    return source.model_copy(update={"classes": codes})


def _class_codes(
    source: Source, declared: Declared, raw: NDArray[np.generic]
) -> NDArray[np.float64]:
    values = np.asarray(raw, dtype=np.float64).copy()
    values[_missing(source, declared, values)] = np.nan
    if not source.fraction_of:
        return values
    there = np.isfinite(values)
    unknown = sorted(set(np.unique(values[there]).tolist()) - set(source.classes))
    if unknown:
        raise IcemapError(
            f"The source '{source.name}' holds the class code {unknown[0]:g}, which its 'classes'"
            " in the catalogue do not name."
        )
    whole = 1.0 / (part_of_one(source.unit) or 1.0)
    return np.where(there, np.where(np.isin(values, source.fraction_of), whole, 0.0), np.nan)


def _quantities(
    source: Source, declared: Declared, converted: Conversion, raw: NDArray[np.generic]
) -> NDArray[np.float64]:
    values = np.asarray(raw, dtype=np.float64)
    bad = _missing(source, declared, values)
    with np.errstate(over="ignore", invalid="ignore"):
        if declared.gives_way:
            physical = source.scaled(values, declared.scale, declared.offset)
        else:
            unpacked = values * declared.scale + declared.offset
            bad |= declared.physical.outside(unpacked)
            physical = source.scaled(unpacked)
        if not converted.is_identity:
            physical = physical * converted.factor + converted.offset
    require_no_suspect(source, values[~bad] if bad.any() else values.ravel(), declared)
    _require_possible_temperatures(source, declared, physical, bad)
    _require_possible_percent(source, declared, values, bad)
    return np.where(bad, np.nan, physical)


def _require_possible_temperatures(
    source: Source, declared: Declared, physical: NDArray[np.float64], bad: NDArray[np.bool_]
) -> None:
    """Kelvin taken for degrees Celsius, the other way round, and 0 K for no value."""
    kelvin = conversion(source.unit, "K")
    # Kelvin themselves may be those of a difference.
    if kelvin is None or not kelvin.offset or source.valid_range is not None or bad.all():
        return
    described = f"{source.name} {source.long_name} {declared.description}"
    if "range" in source.reduce.values() or DIFFERENCES.search(described):
        return
    values = physical[~bad]
    low, mean = (
        float(value) * kelvin.factor + kelvin.offset for value in (values.min(), values.mean())
    )
    if low < COLDEST or mean > HOTTEST_MEAN:
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) goes from {values.min():.6g} to"
            f" {values.max():.6g} {source.unit}, which are no temperatures: say with 'file_unit' in"
            " the catalogue which unit the values of the file really have, give those that mean"
            " missing as 'nodata', or, if they are right, a 'valid_range'."
        )


def _require_possible_percent(
    source: Source, declared: Declared, values: NDArray[np.float64], bad: NDArray[np.bool_]
) -> None:
    """Bytes of 0 to 100 % whose further values, 200, 253 or 254, are codes of something else."""
    scaled = declared.scale != 1 or source.scale is not None or source.valid_range is not None
    if declared.dtype != "uint8" or scaled or part_of_one(source.unit) != 0.01:
        return
    over = values[~bad & (values > 100)]
    # Where nothing else is there, a mask in another unit is said better elsewhere.
    if over.size and over.min() >= FIRST_CODE and (~bad & (values <= 100)).any():
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds {over.min():g} to {over.max():g}"
            f" in {over.size:,} cells, and 100 {source.unit} at most in the others: give the codes"
            " that mean missing as 'nodata' in the catalogue, or a 'valid_range' that includes them"
            " if they are real."
        )


def _missing(source: Source, declared: Declared, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    bad = ~np.isfinite(values) | declared.stored.outside(values)
    for code in source.nodata:
        bad |= same_code(values, code)
    return bad


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


def single_precision(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """What single precision cannot hold is missing, not infinite."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    narrow[~np.isfinite(narrow)] = np.nan
    return narrow
