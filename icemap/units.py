"""Units as files, tables and catalogues write them, read by UDUNITS.

UDUNITS reads what the CF conventions allow. GDAL's names, and some spellings that it takes for
other units (C is coulomb, F farad), are put into its words here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cf_units import Unit

SILENT = {"", "-", "--", "n/a", "na", "nan", "none", "null", "unknown", "undefined", "unspecified"}
SILENT |= {"no_unit", "no unit", "no units", "not available", "?"}
SPELLINGS = {
    "1": "1, fraction, fractions, ratio, proportion, unitless, dimensionless, 0-1",
    "%": (
        "%, percent, per cent, percentage, pct, prozent, vol%, vol.%, vol %, vol. %, % vol, %vol,"
        " volume %, % volume, wt%, wt.%, wt %, % wt, %wt, weight %, mass %, % weight, %(v/v),"
        " %(w/w), 0-100, % cover"
    ),
    "degC": (
        "c, °c, ºc, ℃, oc, deg c, deg. c, degc, deg_c, degree c, degrees c, degree celsius, degrees"
        " celsius, deg celsius, celcius, degree_celsius, degrees_celsius, centigrade, degree"
        " centigrade, degrees centigrade"
    ),
    "degF": (
        "f, °f, ºf, ℉, deg f, degree f, degrees f, degree fahrenheit, degrees fahrenheit, deg"
        " fahrenheit"
    ),
    "K": "k, °k, deg k, degree k, degrees k, degree kelvin, degrees kelvin",
    "US_survey_foot": (
        "us survey foot, us survey feet, us_survey_feet, foot_us, us-ft, us ft, us foot, us feet,"
        " ftus, ft_us, foot us survey, us_foot, usft"
    ),
    "m": (
        "gpm, masl, m asl, m a.s.l., m a.s.l, mtr, mtrs, meters above sea level, metres above sea"
        " level, m above sea level, meters above mean sea level, m of water equivalent, m water"
        " equivalent, m w.e., m we"
    ),
    "mm": "mm w.e., mm we, mm w.eq., mm of water equivalent, mm water equivalent",
    "0.001": "‰, permille, per mille, per mil, promille, per thousand",
    "1000 year": "ka, kyr, ka bp, kyr bp, cal ka bp",
}
ALIASES = {
    spelling: unit for unit, spellings in SPELLINGS.items() for spelling in spellings.split(", ")
}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
# Reads "0.1 degC" as tenths of a degree; UDUNITS drops the offset then.
# "m*10" of UDUNITS are tens of metres, and mean tenths of them where people write it.
MULTIPLIED = re.compile(r"(?:[*×·]|\bx)\s*10+(?:\.0*)?$", re.IGNORECASE)
NUMBERED = re.compile(r"(\d*\.?\d+(?:[eE][-+]?\d+)?)\s*[*·]?\s*([^\d\s*·/^].*)")


@dataclass(frozen=True)
class Conversion:
    """``factor * value + offset`` is the value in the other unit."""

    factor: float
    offset: float

    @property
    def is_identity(self) -> bool:
        return abs(self.factor - 1) < 1e-9 and abs(self.offset) < 1e-9


@dataclass(frozen=True)
class _Parsed:
    factor: float
    unit: Unit


def says_nothing(text: str | None) -> bool:
    """True for an empty unit, and for the words by which files say that they know none."""
    return text is None or _stripped(text).lower() in SILENT


def is_unit(text: str) -> bool:
    """True if UDUNITS, or one of the usual spellings, knows the unit."""
    return _parsed(text) is not None


def is_multiplied(text: str) -> bool:
    """True for a unit with a power of ten behind it, of which nobody knows which way it counts.

    Examples
    --------
    >>> is_multiplied("NDVI*10000"), is_multiplied("10 m"), is_multiplied("W m-2")
    (True, False, False)
    """
    return MULTIPLIED.search(_stripped(text)) is not None


def same_unit(one: str, other: str) -> bool:
    """True for two spellings of one unit.

    Examples
    --------
    >>> same_unit("degrees Celsius", "degC"), same_unit("METERS", "m"), same_unit("K", "degC")
    (True, True, False)
    """
    if _canonical(one) == _canonical(other):
        return True
    converted = conversion(one, other)
    return converted is not None and converted.is_identity


@lru_cache(maxsize=256)
def conversion(source: str, target: str) -> Conversion | None:
    """How values of one unit become those of another; None where they cannot.

    Angles are no fractions, though both are without dimension.

    Examples
    --------
    >>> conversion("K", "degC").offset, conversion("percent", "1").factor
    (-273.15, 0.01)
    >>> conversion("0.1 degC", "degC").factor
    0.1
    >>> conversion("m", "degC") is None, conversion("degree", "%") is None
    (True, True)
    >>> conversion("dBZ", "mm6 m-3") is None
    True
    """
    if _canonical(source) == _canonical(target):
        return Conversion(1.0, 0.0)
    one, other = _parsed(source), _parsed(target)
    if one is None or other is None or not one.unit.is_convertible(other.unit):
        return None
    if ("rad" in str(one.unit.definition)) != ("rad" in str(other.unit.definition)):
        return None
    zero, unit, ten = (float(one.unit.convert(value, other.unit)) for value in (0.0, 1.0, 10.0))
    if abs(ten - zero - 10 * (unit - zero)) > 1e-6 * max(abs(ten), abs(zero)):
        # Decibels and other logarithms have no factor.
        return None
    slope = (unit - zero) * one.factor / other.factor
    # Rounding of the library would leave 273.15 as 273.149999999.
    return Conversion(float(f"{slope:.12g}"), float(f"{zero / other.factor:.12g}"))


def part_of_one(unit: str) -> float | None:
    """What 1 in a unit is as a part of a whole: 0.01 for %; None for what is no fraction.

    Examples
    --------
    >>> part_of_one("1"), part_of_one("percent"), part_of_one("m")
    (1.0, 0.01, None)
    """
    converted = conversion(unit, "1")
    return None if converted is None or converted.offset else converted.factor


def per_year(rate: str, amount: str) -> bool:
    """True if one unit is the other per year: an annual sum is the same number in both."""
    parts = _parsed(rate), _parsed(amount)
    if parts[0] is None or parts[1] is None:
        return False
    from cf_units import Unit

    try:
        return bool(parts[0].unit * Unit("year") == parts[1].unit)
    except ValueError:
        return False


def _stripped(text: str) -> str:
    text = str(text).strip().translate(SUPERSCRIPTS)
    if len(text) > 1 and (text[0], text[-1]) in (("[", "]"), ("(", ")")) and text[1:-1]:
        text = text[1:-1].strip()
    return re.sub(r"\s+", " ", text)


def _canonical(text: str) -> str:
    stripped = _stripped(text)
    # One letter means another unit in capitals, as M and m do: only these may be either.
    named = ALIASES.get(stripped.lower())
    # UDUNITS takes "a" for the are, files mean the year.
    return named or re.sub(r"\ba(?=(?:\^|\*\*)?-1)", "year", stripped)


@lru_cache(maxsize=256)
def _parsed(text: str) -> _Parsed | None:
    canonical = _canonical(text)
    if is_multiplied(canonical):
        return None
    numbered = NUMBERED.fullmatch(canonical)
    if numbered:
        inner = _unit(_canonical(numbered[2]))
        if inner is not None and "@" in str(inner.definition):
            return _Parsed(float(numbered[1]), inner)
    unit = _unit(canonical)
    if unit is None or (_is_temperature(unit) and re.search(r"[\d*/·×]|\bx\b", canonical)):
        return None
    return _Parsed(1.0, unit)


def _unit(text: str) -> Unit | None:
    from cf_units import Unit

    try:
        unit = Unit(text)
    except ValueError:
        return None
    return None if unit.is_unknown() or unit.is_no_unit() or unit.is_time_reference() else unit


def _is_temperature(unit: Unit) -> bool:
    return bool(unit.is_convertible("K"))
