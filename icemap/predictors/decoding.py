"""Physical values from those that a file stores, by what the file and the catalogue say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.blurred import require_no_blurred
from icemap.predictors.declared import Declared
from icemap.predictors.disputes import require_no_doubted, require_no_flags
from icemap.predictors.missing import same_code
from icemap.predictors.named_units import (
    units_in_brackets,
    units_in_words,
    words_that_may_be_units,
)
from icemap.predictors.possible import (
    DIFFERENCES,
    ROUNDED,
    require_no_suspect,
    require_possible,
)
from icemap.predictors.statistic import require_meant_statistic
from icemap.predictors.valid_ranges import require_one_range
from icemap.source import Source
from icemap.units import (
    Conversion,
    conversion,
    is_multiplied,
    is_unit,
    part_of_one,
    per_year,
    same_unit,
    says_nothing,
)

# Names of classes that say that there is none.
NO_CLASS = re.compile(
    r"no[ _-]?(?:data|value|class)|missing|mask|fill|null|none|\bn/?a\b|nan\b|unclass|undefined"
    r"|unknown|background|outside|empty|invalid|not[ _]",
    re.IGNORECASE,
)
# kg m-2, kg/m^2
AREAL_MASS = re.compile(r"kg[ .*]*(?:m(?:\^|\*\*)?-2|/ ?m(?:\^|\*\*)?2)")
# What is water by its name, of which 1 kg on a m2 is 1 mm, and words for snow and ice that are not
# melted.
WATER = re.compile(r"precip|\brain|water|\bsnow|run-?off|evap|(?:\b|_)swe(?:\b|_)", re.IGNORECASE)
NOT_MELTED = re.compile(r"depth|thick|height|densit|\bice\b", re.IGNORECASE)
Decode = Callable[[NDArray[np.generic]], NDArray[np.float64]]
SAME = Conversion(1.0, 0.0)


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
    require_meant_statistic(source, declared)
    converted = conversion_of(source, declared)
    _require_one_scale(source, declared)
    return lambda raw: _quantities(source, declared, converted, raw)


def conversion_of(source: Source, declared: Declared) -> Conversion:
    """From the unit of the file to that of the catalogue.

    Raises
    ------
    IcemapError
        If the one cannot be converted to the other; names both and the key that settles it.
    """
    theirs, wanted = source.file_unit or declared.unit, source.unit
    if says_nothing(theirs):
        _require_no_other_unit(source, declared)
        return SAME
    if not source.file_unit:
        _require_one_unit(source, declared)
    if same_unit(theirs, wanted):
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
        is_word = not is_unit(theirs) and not source.file_unit and not is_multiplied(theirs)
        if is_word and part_of_one(wanted) == 1.0:
            return SAME
        if per_year(theirs, wanted) or per_year(wanted, theirs):
            return SAME
        as_water = AREAL_MASS.sub("mm", theirs)
        melted = conversion(as_water, wanted) if as_water != theirs else None
        if melted is not None:
            described = f"{source.name} {source.long_name} {declared.description}"
            by_hand = source.scale is not None or source.offset is not None
            if WATER.search(described) and not NOT_MELTED.search(described) and not by_hand:
                return melted
            settle += f" (1 kg of water on a m2 is 1 mm: then 'file_unit: {as_water}')"
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


def _require_no_other_unit(source: Source, declared: Declared) -> None:
    """A unit in the words about what has no unit of its own."""
    if source.scale is not None or source.offset is not None:
        # Converted by hand.
        return
    texts = declared.description, declared.remarks
    words = [word for text in texts for word in units_in_words(text)]
    words += [word for text in texts for word in words_that_may_be_units(text)]
    if any(_is(word, source.unit) for word in words):
        return
    is_difference = DIFFERENCES.search(" ".join((source.long_name, *texts)))
    for text in texts:
        for word in units_in_words(text):
            found = conversion(word, source.unit)
            if found is None or (found.factor == 1 and is_difference):
                continue
            where = " in brackets" if word in units_in_brackets(text) else ""
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) has no unit, but '{text.strip()}' has"
                f" '{word}'{where}, and the 'unit' of the catalogue is '{source.unit}': say with"
                f" 'file_unit' ('{word}', or '{source.unit}') which one the values of the file"
                " have."
            )


def _is(word: str, unit: str) -> bool:
    found = conversion(word, unit)
    return found is not None and found.is_identity


def _require_one_unit(source: Source, declared: Declared) -> None:
    """A unit in brackets behind a name that is another one than the unit itself."""
    if source.scale is not None or source.offset is not None:
        return
    for word in units_in_brackets(declared.description):
        found = conversion(word, declared.unit)
        if found is None or found.is_identity:
            continue
        if found.factor == 1 and DIFFERENCES.search(f"{source.long_name} {declared.description}"):
            continue
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has the unit '{declared.unit}', and"
            f" '{declared.description.strip()}' has '{word}' in brackets: say with 'file_unit'"
            f" ('{declared.unit}', or '{word}') which one the values of the file have."
        )


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
    # One name may be that of another class by chance, two at once are in another order.
    moved = _moved_names(source.classes, declared.classes)
    if len(set(moved.values())) > 1:
        listed = " and ".join(
            f"{code} '{source.classes[code]}', by the file '{declared.classes[code]}' (and"
            f" {other} '{declared.classes[other]}')"
            for code, other in list(moved.items())[:2]
        )
        raise IcemapError(
            f"The source '{source.name}' ({source.url}): 'classes' in the catalogue calls the code"
            f" {listed}: correct 'classes', or leave it out to take the names of the file."
        )


def _moved_names(ours: Mapping[int, str], theirs: Mapping[int, str]) -> dict[int, int]:
    """Codes that share no word with the file's name of them, and all words with that of one other
    code.
    """
    moved = {}
    for code, name in ours.items():
        words = _words(name)
        if not words or code not in theirs or words & _words(theirs[code]):
            continue
        others = [one for one, other in theirs.items() if one != code and words <= _words(other)]
        if len(others) == 1:
            moved[code] = others[0]
    return moved


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", name.casefold()))


def with_classes(source: Source, declared: Declared) -> Source:
    """The source with the classes that its file names, if the catalogue names none."""
    _require_no_missing_class(source, declared)
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


def _require_no_missing_class(source: Source, declared: Declared) -> None:
    """Refuse a class whose cells the file says have no value."""
    for code in sorted({*source.classes, *source.fraction_of}):
        value = np.array([float(code)])
        if value[0] != declared.nodata and not declared.stored.outside(value)[0]:
            continue
        name = source.classes.get(code, declared.classes.get(code, ""))
        if code in source.fraction_of or not NO_CLASS.search(name):
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) has the class code {code}"
                f"{f' ({name})' if name else ''} in the catalogue, which by the file means"
                " missing: remove it there, or take that from the file if it is a class"
                " (gdal_translate -a_nodata none, or ncatted)."
            )


def _class_codes(
    source: Source, declared: Declared, raw: NDArray[np.generic]
) -> NDArray[np.float64]:
    values = np.asarray(raw, dtype=np.float64).copy()
    values[_missing(source, declared, values)] = np.nan
    require_no_doubted(source, declared.doubted, values, (1.0, 0.0))
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
        unpacked = values * declared.scale + declared.offset
        bad |= declared.physical.outside(unpacked)
        physical = source.scaled(unpacked)
        if declared.gives_way:
            physical = source.scaled(values, declared.scale, declared.offset)
        if not converted.is_identity:
            physical = physical * converted.factor + converted.offset
    require_one_range(source, declared, values)
    there = ~bad
    own = (declared.scale, declared.offset) if declared.gives_way else (1.0, 0.0)
    require_no_doubted(source, declared.doubted, values[there], own)
    require_no_flags(source, declared, values[there], own)
    require_no_suspect(source, values[there] if bad.any() else values.ravel(), declared)
    require_no_blurred(source, declared, values, bad)
    if there.any():
        require_possible(source, declared, converted, values[there], physical[there])
    return np.where(bad, np.nan, physical)


def _require_one_scale(source: Source, declared: Declared) -> None:
    """A scale of the file that the catalogue repeats, or that nobody applies."""
    who = f"The source '{source.name}' ({source.url})"
    if declared.unapplied and source.scale is None:
        raise IcemapError(
            f"{who} has the attribute {declared.unapplied}, which may be the factor from its whole"
            " numbers to the values: give it as 'scale' in the catalogue (and what is added as"
            " 'offset'), or 'scale: 1' if it is none."
        )
    if declared.unadded and source.scale is None and source.offset is None:
        raise IcemapError(
            f"{who} has the attribute {declared.unadded}, which may have to be added to its whole"
            " numbers: give it as 'offset' in the catalogue, or 'offset: 0' if it is none."
        )
    if declared.scale == 0 and not (declared.gives_way and source.scale is not None):
        settle = "correct the file"
        if declared.gives_way:
            settle = "give the true one as 'scale' in the catalogue"
        raise IcemapError(
            f"{who} says that its scale is 0, by which all of its values would be the same:"
            f" {settle}."
        )
    packs = np.dtype(declared.dtype).kind in "iu" and declared.scale >= 10
    if packs and source.scale is None and np.log10(declared.scale) % 1 == 0:
        given = declared.scale if declared.gives_way else 1.0
        divides = given / declared.scale**2 if not declared.gives_way else 1 / declared.scale
        raise IcemapError(
            f"{who} says scale_factor {declared.scale:g}, by which its whole numbers would be"
            " multiplied, and some products mean that they are divided by it: give in the catalogue"
            f" 'scale: {divides:g}' if it divides, or 'scale: {given:g}' if it multiplies."
        )
    converts = not (says_nothing(declared.unit) or same_unit(declared.unit, source.unit))
    if declared.gives_way or converts or source.file_unit:
        return
    for key, ours, own, none in (
        ("scale", source.scale, declared.scale, 1.0),
        ("offset", source.offset, declared.offset, 0.0),
    ):
        if ours is not None and own != none and abs(ours - own) <= ROUNDED * abs(own):
            raise IcemapError(
                f"{who}: the {key} {own:g} is applied by the file itself, and '{key}: {ours:g}' in"
                f" the catalogue would be applied after it once more: leave '{key}' out, or, if a"
                " further one is meant, say with 'file_unit' which unit the values have after it."
            )


def _missing(source: Source, declared: Declared, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    bad = ~np.isfinite(values) | declared.stored.outside(values)
    for code in source.nodata:
        bad |= same_code(values, code)
    return bad


def single_precision(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """What single precision cannot hold is missing, not infinite."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    narrow[~np.isfinite(narrow)] = np.nan
    return narrow
