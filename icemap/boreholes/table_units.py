"""Units as tables of sites and layers are written in them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.text import words
from icemap.units import conversion, part_of_one

_HEADER = re.compile(r"\s*(?P<name>.*?)\s*[\[(（]\s*(?P<unit>[^\])）]*?)\s*[\])）]\s*")
# Factor to the canonical unit, by kind of quantity.
UNITS: dict[str, dict[str, float]] = {
    "length [m]": {
        "m": 1.0,
        "cm": 0.01,
        "mm": 0.001,
        "ft": 0.3048,
        "in": 0.0254,
        "dm": 0.1,
        "km": 1000.0,
    },
    "fraction": {
        "1": 1.0,
        "fraction": 1.0,
        "%": 0.01,
        "percent": 0.01,
        "‰": 0.001,
        "vol%": 0.01,
        "% vol": 0.01,
        "m3/m3": 1.0,
        "m3 m-3": 1.0,
    },
    # Mg/m3 among them. Of a unit weight the mass at standard gravity.
    "density [g/cm3]": {
        "g/cm3": 1.0,
        "kg/m3": 0.001,
        "mg/m3": 1.0,
        "lb/ft3": 0.016018463,
        "kn/m3": 1 / 9.80665,
    },
    "angle [deg]": {
        "deg": 1.0,
        "degrees": 1.0,
        "degree": 1.0,
        "°": 1.0,
        "degrees_north": 1.0,
        "degrees_east": 1.0,
    },
}
# Factor and offset to degC.
TEMPERATURES = {"degc": (1.0, 0.0), "k": (1.0, -273.15), "degf": (5 / 9, -160 / 9)}
UNIT_ALIASES = {
    **dict.fromkeys(("°c", "c", "deg c", "deg_c", "celsius", "degrees c", "degree c"), "degc"),
    **dict.fromkeys(("kelvin", "°k"), "k"),
    **dict.fromkeys(("°f", "f", "fahrenheit", "deg f"), "degf"),
    **dict.fromkeys(("metre", "meter", "metres", "meters", "м"), "m"),
    **dict.fromkeys(("mbgs", "mbgl", "mbs", "m bgs", "m bgl", "m b.s.", "m b.g.s.", "m bs"), "m"),
    **dict.fromkeys(("centimetre", "centimeter", "centimetres", "centimeters", "см"), "cm"),
    **dict.fromkeys(("millimetre", "millimeter", "millimetres", "millimeters", "мм"), "mm"),
    **dict.fromkeys(("feet", "foot"), "ft"),
    **dict.fromkeys(("inch", "inches"), "in"),
    **dict.fromkeys(("per cent", "pct", "perc", "percentage", "prozent"), "%"),
    **dict.fromkeys(("per mille", "permille", "per mil", "promille"), "‰"),
    **dict.fromkeys(("об.%", "об. %", "％"), "%"),
    **dict.fromkeys(("frac", "fractions", "cm3/cm3", "cm3 cm-3", "v/v", "vol/vol"), "fraction"),
    **dict.fromkeys(("dm3/dm3", "volume fraction", "vol. fraction", "vol fraction"), "fraction"),
    **dict.fromkeys(("m3_m3", "cm3_cm3", "m3_m-3", "cm3_cm-3"), "fraction"),
    **dict.fromkeys(("д.е.", "д. е.", "д.ед.", "д. ед.", "доли ед.", "дол. ед."), "fraction"),
    **dict.fromkeys(("g cm-3", "g/cc", "g/ml", "kg/l", "kg/dm3", "t/m3", "t m-3"), "g/cm3"),
    **dict.fromkeys(("mg m-3", "г/см3", "т/м3", "g_cm3", "gcm3", "g_cm-3", "gcm-3"), "g/cm3"),
    **dict.fromkeys(("kg m-3", "кг/м3", "kg_m3", "kgm3", "kg_m-3", "kgm-3"), "kg/m3"),
    **dict.fromkeys(("pcf", "lb ft-3", "lbs/ft3"), "lb/ft3"),
    "kn m-3": "kn/m3",
    **dict.fromkeys(("-", "unitless", "dimensionless"), "1"),
}
# Columns that have no name in the file, or a unit alone.
NAMELESS = re.compile(r"column_\d+( \[.*\])?")
# Units at the end of names that are ordinary words or numbers there.
NO_UNITS = ("1", "in")
# Lengths that say where they begin: at the surface, as all depths do.
_BELOW_SURFACE = re.compile(
    r"(m|met(?:er|re)s?|cm|ft|feet)\.?\s*(?:b\.?\s?(?:g\.?\s?[sl]|s)\.?|u\.?\s?go[kf]"
    r"|below (?:the )?(?:ground )?surface|below ground(?: level)?)"
)
# Percent of the volume, as it is written: vol.-%, % by volume, %vol.
_OF_THE_VOLUME = re.compile(
    r"vol(?:ume)?\.?[ -]*(?:%|pct|percent)"
    r"|(?:%|pct|percent)[ ,-]*\(?(?:(?:by|of) )?(?:the )?(?:vol(?:ume)?\.?|v/v)\)?"
)
# Signs in units that mean nothing, or the same as others.
_SIGNS = str.maketrans(
    {"³": "3", "²": "2", "¹": "1", "⁻": "-", "−": "-", "^": None, "·": " ", "⋅": " "}
)


def split_header(header: str) -> tuple[str, str | None]:
    """Name and unit of a column: ``alt [cm]`` gives ``("alt", "cm")``, ``alt`` gives ``("alt",
    None)``.
    """
    match = _HEADER.fullmatch(header)
    return (match["name"], match["unit"] or None) if match else (header.strip(), None)


def header_unit(header: str) -> tuple[str | None, bool]:
    """The unit that a header gives, and whether it says so in brackets.

    Without brackets the last word may be one: ``alt_cm``, ``depth, m``, ``ice pct``, ``深度/m``,
    ``density_g_cm3``.

    Examples
    --------
    >>> header_unit("alt [cm]"), header_unit("alt_mm"), header_unit("t, mean, degC")
    (('cm', True), ('mm', False), ('degC', False))
    >>> header_unit("alt"), header_unit("alt (mean of 2019)")
    ((None, False), (None, False))
    """
    name, unit = split_header(header)
    if unit is not None:
        return (unit, True) if _looks_like_unit(unit) else (None, False)
    parts = re.split(r"[\s_,;]+", name)
    last = parts[-1] if len(parts) > 1 else ""
    for word in ("_".join(parts[-2:]) if len(parts) > 2 else "", last, name.partition("/")[2]):
        if word and is_unit(word):
            return word, False
    return None, False


def stem(header: str) -> str:
    """The name in a header without its unit, in lower case.

    Examples
    --------
    >>> stem("Top [m]"), stem("top_cm"), stem("depth, m")
    ('top', 'top', 'depth')
    """
    name, unit = split_header(header)
    word = None if unit else header_unit(header)[0]
    return words(name.removesuffix(word or "")).strip(" ,;/")


def is_unit(text: str) -> bool:
    """Whether a text is a unit that tables of sites or layers are written in."""
    unit = canonical_unit(text)
    return unit in TEMPERATURES or any(unit in kind for kind in UNITS.values())


def _looks_like_unit(text: str) -> bool:
    # Compound units such as W/m2 or kg m-2 are in no list, nor is % by weight, which is not that by
    # volume.
    if "%" in text and re.search(r"\b(?:wt|weight|mass|gew|w/w|grav)", text, re.IGNORECASE):
        return True
    return is_unit(text) or bool(
        re.fullmatch(r"[^\d\s][^\s]{0,5}(?:[/·*^]|\s?[a-z]+-?\d).{0,10}", text, re.IGNORECASE)
    )


def canonical_unit(unit: str) -> str:
    """The one spelling of a unit, so that two can be compared."""
    text = unit.strip().lower().translate(_SIGNS).replace("**", "")
    below = _BELOW_SURFACE.fullmatch(text)
    text = "%" if _OF_THE_VOLUME.fullmatch(text) else below[1] if below else text
    return UNIT_ALIASES.get(text, text)


def unit_factor(unit: str, kind: str) -> float | None:
    """Factor from a unit to the canonical one of a kind, or None if it is not a unit of that
    kind.
    """
    return UNITS[kind].get(canonical_unit(unit))


def same_unit(one: str, other: str) -> bool:
    """True if two spellings name one unit: ``%`` and ``percent``, ``degC`` and ``°C``."""
    converted = convert_units(np.array([0.0, 1.0]), one, other)
    return converted is not None and bool(np.allclose(converted, [0.0, 1.0]))


def convert_units(value: NDArray[np.float64], unit: str, target: str) -> NDArray[np.float64] | None:
    """Values in another unit of the same kind; None if there is no simple way.

    Parameters
    ----------
    value : ndarray of shape (n,)
    unit, target : str
        The unit that the values are in, and the one that is wanted.

    Examples
    --------
    >>> convert_units(np.array([120.0]), "cm", "m"), convert_units(np.array([0.5]), "fraction",
    ...     "%"), convert_units(np.array([270.65]), "K", "degC")
    (array([1.2]), array([50.]), array([-2.5]))
    """
    source, wanted = canonical_unit(unit), canonical_unit(target)
    if source == wanted:
        return value
    for factors in UNITS.values():
        if source in factors and wanted in factors:
            return scaled(value, np.asarray(factors[source] / factors[wanted]))
    if source in TEMPERATURES and wanted in TEMPERATURES:
        factor, offset = TEMPERATURES[source]
        per, shift = TEMPERATURES[wanted]
        return (value * factor + offset - shift) / per
    # Shares by weight and by volume are the same to UDUNITS, and are not.
    if part_of_one(unit) is not None:
        return None
    further = conversion(unit, target)
    return None if further is None else value * further.factor + further.offset


def scaled(value: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values times a factor; by a hundredth and the like they are divided, which keeps 120 cm at
    1.2 m exactly.

    Examples
    --------
    >>> float(scaled(np.array(120.0), np.array(0.01))), float(scaled(np.array(10.0),
    ...     np.array(0.3048)))
    (1.2, 3.048)
    """
    whole = np.round(factor)
    parts = np.maximum(np.round(1 / factor), 1)
    return np.where(
        np.abs(1 / factor - parts) < 1e-9,
        value / parts,
        value * np.where(np.abs(factor - whole) < 1e-9, whole, factor),
    )
