"""What the attribute of a polygon makes of it: a class code, a value, or nothing but its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.predictors.decoding import conversion_of
from icemap.predictors.possible import require_no_suspect, require_possible
from icemap.source import Rasterize, Source
from icemap.units import part_of_one


def burnt_value(value: Any, source: Source) -> float | None:
    """What a polygon is burnt with; None for one to leave out.

    Parameters
    ----------
    value : object
        Of the attribute.
    source : Source
        With ``rasterize``.

    Raises
    ------
    IcemapError
        If it is no number, or has no code or name.
    """
    rasterize = source.rasterize
    assert rasterize is not None
    absent = value is None or value != value
    if rasterize.into == "fraction":
        chosen = not rasterize.only or (not absent and str(value) in rasterize.only)
        return 1.0 / (part_of_one(source.unit) or 1.0) if chosen else None
    if absent:
        return None
    if rasterize.codes:
        if str(value) not in rasterize.codes:
            raise IcemapError(
                f"The source '{source.name}' holds '{value}' in '{rasterize.attribute}', which its"
                f" 'codes' in the catalogue do not name: they have {_some(rasterize.codes)}."
            )
        return float(rasterize.codes[str(value)])
    number = _as_number(value, source, rasterize)
    if number in source.nodata:
        return None
    if rasterize.into == "value":
        converted = conversion_of(source, Declared("float64"))
        return float(source.scaled(number) * converted.factor + converted.offset)
    if number not in source.classes:
        raise IcemapError(
            f"The source '{source.name}' holds the class code {number:g} in"
            f" '{rasterize.attribute}', which its 'classes' in the catalogue do not name."
        )
    return number


def require_attribute(source: Source, column: NDArray[Any]) -> NDArray[np.float64]:
    """Refuse an attribute that cannot be burnt, or whose numbers cannot be what they are said to
    be.

    Parameters
    ----------
    source : Source
        With ``rasterize``.
    column : ndarray of shape (polygons,)
        Its attribute.

    Returns
    -------
    ndarray of shape (polygons,)
        Values in the unit of the catalogue; empty if the polygons become something else.

    Raises
    ------
    IcemapError
        Names the source, the attribute and the value.
    """
    rasterize = source.rasterize
    assert rasterize is not None
    values = column.tolist()
    seen = list(dict.fromkeys(values))
    burnt = {value: burnt_value(value, source) for value in seen}
    if rasterize.into != "value":
        _require_chosen(source, rasterize, [str(value) for value in seen])
        return np.empty(0)
    known = [value for value in values if burnt[value] is not None]
    # Numbers may be written as text.
    stored = np.array(known, dtype=np.float64)
    physical = np.array([burnt[value] for value in known], dtype=np.float64)
    dtype = str(column.dtype) if column.dtype.kind in "iuf" else "float64"
    declared = Declared(dtype, description=str(rasterize.attribute))
    require_no_suspect(source, stored, declared, "polygons")
    if stored.size:
        converted = conversion_of(source, declared)
        require_possible(source, declared, converted, stored, physical, "polygons")
    return physical


def _require_chosen(source: Source, rasterize: Rasterize, seen: list[str]) -> None:
    """Words of ``only`` that no polygon has, or that some have in another spelling."""
    who = f"The source '{source.name}'"
    for word in rasterize.only:
        if word not in seen:
            raise IcemapError(
                f"{who}: no polygon has '{word}' in '{rasterize.attribute}', which holds"
                f" {_some(seen)}."
            )
        like = [
            other for other in seen if other not in rasterize.only and _plain(other) == _plain(word)
        ]
        if like:
            raise IcemapError(
                f"{who}: polygons have '{word}' in '{rasterize.attribute}', and others"
                f" '{like[0]}', which 'only' does not choose: name both there, or correct the file."
            )


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold()


def _as_number(value: Any, source: Source, rasterize: Rasterize) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        remedy = (
            "give 'codes', a mapping from word to class code"
            if rasterize.into == "class"
            else "choose an attribute with numbers"
        )
        raise IcemapError(
            f"The source '{source.name}' holds '{value}' in '{rasterize.attribute}', which is no"
            f" number: {remedy}."
        ) from error


def _some(values: Any) -> str:
    listed = [str(value) for value in values]
    return ", ".join(listed[:12]) + (" ..." if len(listed) > 12 else "")
