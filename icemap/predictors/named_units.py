"""Units in the words that describe a variable or band."""

from __future__ import annotations

import re

# GRIB has levels such as 2[m].
_BRACKETED = re.compile(r"(?<!\d)[\[(]([^\[\]()]{1,20})[\])]")
# snow depth, cm and snow depth, in cm
_BEHIND = re.compile(r"(?:,(?:\s+in)?|\bin)\s+([^\W\d][\w/%°²³-]{0,14}|[%‰°]C?)(?=$|[\s,;.)])")
# snow_depth_cm, but not wind_10_m
_SUFFIX = re.compile(r"(?<=[^\W\d_])_([^\W\d_]{1,7})(?=$|\s)")
# Suffixes that are words or abbreviations of something else, too: without (n/a), organic carbon,
# degree days.
_WORDS = {"min", "in", "d", "h", "s", "a", "g", "t", "l", "day", "year", "month", "b", "y", "x"}
_WORDS |= {"na", "oc", "dd", "pa", "ma", "ha", "at", "db"}

# km or m, but not 25 km
_ALONE = re.compile(r"(?<![\w.])(?<!\d )[^\W\d][\w/²³-]{0,14}|[%‰]")


def units_in_brackets(text: str) -> list[str]:
    """What stands in brackets and may be a unit.

    Examples
    --------
    >>> units_in_brackets("air temperature [K]"), units_in_brackets("2[m] wind (10)")
    (['K'], [])
    """
    return [word for word in _BRACKETED.findall(text) if re.search(r"[^\W\d]|[%‰°]", word)]


def units_in_words(text: str) -> list[str]:
    """What stands in brackets, behind a comma or "in", or at the end of a name, and may be a unit.

    Examples
    --------
    >>> units_in_words("sd snow depth, cm"), units_in_words("snow depth in feet")
    (['cm'], ['feet'])
    >>> units_in_words("snow_depth_cm"), units_in_words("wind_10_m"), units_in_words("tas_min")
    (['cm'], [], [])
    """
    suffixes = [word for word in _SUFFIX.findall(text) if word.lower() not in _WORDS]
    return [*units_in_brackets(text), *_BEHIND.findall(text), *suffixes]


def words_that_may_be_units(text: str) -> list[str]:
    """Every word that stands alone, behind no number, and is nothing else as often.

    Examples
    --------
    >>> words_that_may_be_units("a thickness, km or m"), words_that_may_be_units("cells of 25 km")
    (['thickness', 'km', 'or', 'm'], ['cells', 'of'])
    """
    return [word for word in _ALONE.findall(text) if word.lower() not in {*_WORDS, "fraction"}]
