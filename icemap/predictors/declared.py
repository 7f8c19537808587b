"""What a file says about the values that it stores."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from icemap.predictors.missing import same_code


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
    remarks : str
        Sentences about the values.
    listed : frozenset of int
        Codes that the words of the file list with a meaning each.
    unapplied, unadded : str
        An attribute that may be a scale, or an offset, by a name that does not say so; empty if
        there is none.
    nodata : float or None
        The value that a raster names as missing, besides those of ``stored``.
    gives_way : bool
        True if the catalogue's scale and offset stand in for the file's, as for rasters; False
        if they come on top of them.
    statistics : (float, float) or None
        Lowest and highest value, as stored, that the file says it holds.
    statistics_told : tuple of str
        What the values are of those along time, such as ``maximum``, by the words of CF.
    flags : tuple of float
        Values that are codes by the attributes of CF, whatever the others are.
    doubted : mapping
        Values that mean missing by one of the files that belong together only, and by which.
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
    remarks: str = ""
    listed: frozenset[int] = frozenset()
    unapplied: str = ""
    unadded: str = ""
    nodata: float | None = None
    gives_way: bool = False
    statistics: tuple[float, float] | None = None
    statistics_told: tuple[str, ...] = ()
    flags: tuple[float, ...] = ()
    doubted: Mapping[float, str] = field(default_factory=dict)


# What other writers call the scale of CF, in lower case.
SCALES = (
    *("scale", "scaling_factor", "scalefactor", "scaling", "slope", "gain", "multiplier"),
    # In headers of ENVI.
    "reflectance_scale_factor",
)
OFFSETS = ("offset", "intercept", "scaling_offset", "scale_offset", "addoffset")
# Attributes and tags that hold sentences.
REMARKS = (
    *("description", "comment", "comments", "remark", "remarks", "note", "notes"),
    "tifftag_imagedescription",
)
# 1: till, 2 = rock; after a letter or a point it is another number.
LISTED = re.compile(r"(?<![\w.])(\d{1,3})\s*(?:[=:]|\s-\s)\s*[\"'(]?[A-Za-z]{3}")


def remarks_of(attrs: Mapping[str, object]) -> str:
    """Sentences about a variable, band or file.

    Examples
    --------
    >>> remarks_of({"comment": "mean of 1981 to 2010, in cm", "units": "1"})
    'mean of 1981 to 2010, in cm'
    """
    found = (text for key, text in attrs.items() if key.lower() in REMARKS)
    return "; ".join(text for text in found if isinstance(text, str))


def unapplied_scale(attrs: Mapping[str, object], dtype: np.dtype[np.generic]) -> str:
    """An attribute of whole numbers that may be their scale, as it is written; empty if none is.

    Parameters
    ----------
    attrs : mapping
        Of a variable or band.
    dtype : dtype
        Of the stored values: those in floating point have been unpacked.

    Examples
    --------
    >>> unapplied_scale({"Scale": "0.1"}, np.dtype("int16"))
    "'Scale' 0.1"
    >>> unapplied_scale({"Scale": "0.1"}, np.dtype("float32")), unapplied_scale({}, np.dtype("i2"))
    ('', '')
    """
    for key, value in attrs.items():
        if key.lower() not in SCALES or dtype.kind not in "iu":
            continue
        try:
            factor = float(str(value))
        except ValueError:
            continue
        # The scale of a map is 50000 or 30.
        if 0 < factor < 1 or (factor > 1 and math.log10(factor) % 1 == 0):
            return f"'{key}' {factor:g}"
    return ""


def unadded_offset(attrs: Mapping[str, object], dtype: np.dtype[np.generic]) -> str:
    """An attribute of whole numbers that may be their offset, as it is written; empty if none is.

    Parameters
    ----------
    attrs, dtype
        As for `unapplied_scale`.

    Examples
    --------
    >>> unadded_offset({"intercept": -50}, np.dtype("int16"))
    "'intercept' -50"
    >>> unadded_offset({"offset": 0}, np.dtype("int16"))
    ''
    """
    for key, value in attrs.items():
        if key.lower() not in OFFSETS or dtype.kind not in "iu":
            continue
        try:
            added = float(str(value))
        except ValueError:
            continue
        if added and math.isfinite(added):
            return f"'{key}' {added:g}"
    return ""


def listed_codes(attrs: Mapping[str, object]) -> frozenset[int]:
    """Codes that texts about a variable or band list with their meanings; none if these are but no
    and yes, whose mean is a share.

    Examples
    --------
    >>> sorted(listed_codes({"comment": "1: till, 2: bedrock; 9 = water"}))
    [1, 2, 9]
    >>> listed_codes({"comment": "0 = thawed, 1 = frozen"}), listed_codes({"title": "at 1 km"})
    (frozenset(), frozenset())
    """
    texts = [value for value in attrs.values() if isinstance(value, str)]
    codes = frozenset(int(code) for text in texts for code in LISTED.findall(text))
    return codes if len(codes) > 1 and codes != {0, 1} else frozenset()
