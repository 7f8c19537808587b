"""What the files of a raster say differently: one of them is wrong, and nobody knows which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.predictors.missing import same_code
from icemap.source import Source


@dataclass(frozen=True)
class Dispute:
    """Two files that contradict each other.

    Attributes
    ----------
    said : str
        Who says what, in words that go on behind the name of a source.
    settled_by : tuple of str
        Keys of the catalogue, each of which decides.
    """

    said: str
    settled_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heard:
    """What the files of one band say besides what is read.

    Attributes
    ----------
    disputes : tuple of Dispute
    doubted : dict
        Values that one of the files calls missing and the other does not, with who says so.
    notes : tuple of str
        Which of two files was believed.
    unit : str
        That the files behind one without a unit have; empty if they have none, or several.
    named : tuple of (str, mapping of int to str)
        Files behind it, each with the names of its classes.
    is_coloured : bool
        True if a file behind it has a colour table.
    """

    disputes: tuple[Dispute, ...] = ()
    doubted: dict[float, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unit: str = ""
    named: tuple[tuple[str, Mapping[int, str]], ...] = ()
    is_coloured: bool = False

    def __add__(self, other: Heard) -> Heard:
        return Heard(
            self.disputes + other.disputes,
            {**self.doubted, **other.doubted},
            tuple(dict.fromkeys(self.notes + other.notes)),
            self.unit or other.unit,
            self.named + other.named,
            self.is_coloured or other.is_coloured,
        )


def require_no_dispute(source: Source, heard: Heard) -> None:
    """Refuse what is said differently, unless the catalogue decides.

    Raises
    ------
    IcemapError
        Naming both sides, and the keys that settle it.
    """
    for dispute in heard.disputes:
        if any(getattr(source, key) is not None for key in dispute.settled_by):
            continue
        keys = " and ".join(f"'{key}'" for key in dispute.settled_by)
        settle = f", or say with {keys} in the catalogue what is right" if keys else ""
        raise IcemapError(
            f"The source '{source.name}': {dispute.said}: correct or remove what is wrong{settle}."
        )


def require_no_doubted(
    source: Source,
    doubted: Mapping[float, str],
    values: NDArray[np.float64],
    own: tuple[float, float],
) -> None:
    """Refuse values that one of two files calls missing, unless the catalogue decides.

    Parameters
    ----------
    source : Source
    doubted : mapping
        Of each such value, who says so.
    values : ndarray
        As stored, those that are not missing.
    own : (float, float)
        Scale and offset of the file.

    Raises
    ------
    IcemapError
        Naming the value, who calls it missing, and the keys that settle it.
    """
    for code, who in doubted.items():
        found = int(np.count_nonzero(same_code(values, code)))
        if not found or code in source.classes or _is_valid(source, code, own):
            continue
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds the value {code:.9g} in {found:,}"
            f" of {values.size:,} cells, which means missing by {who}: give 'nodata:"
            f" [{code:.9g}]' in the catalogue, or, if it is real, a 'valid_range' that includes"
            " it."
        )


def require_no_flags(
    source: Source, declared: Declared, values: NDArray[np.float64], own: tuple[float, float]
) -> None:
    """Refuse codes that the file gives a meaning among quantities, unless the catalogue decides.

    Parameters
    ----------
    source : Source
        A continuous one.
    declared : Declared
    values : ndarray
        As stored, those that are not missing.
    own : (float, float)
        Scale and offset of the file.

    Raises
    ------
    IcemapError
        Naming the code, its meaning, and the keys that settle it.
    """
    for code in declared.flags:
        found = int(np.count_nonzero(same_code(values, code)))
        if not found or _is_valid(source, code, own):
            continue
        name = declared.classes.get(int(code), "")
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds the value {code:.9g} in {found:,}"
            f" of {values.size:,} cells, a code{f' for {name!r}' if name else ''} by its"
            " flag_values, and in the catalogue it is continuous, of which a mean is taken: say"
            f" 'kind: class' if its values are codes, 'nodata: [{code:.9g}]' if that is a code"
            " among quantities, or give a 'valid_range' that includes it if it is a quantity."
        )


def _is_valid(source: Source, code: float, own: tuple[float, float]) -> bool:
    """Whether a valid range of the catalogue says that a stored value is real."""
    if source.valid_range is None:
        return False
    low, high = source.valid_range
    return bool(low <= source.scaled(code, *own) <= high)
