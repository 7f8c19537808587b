"""The classes of a map, and what ice they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError

IceKind = Literal["excess", "total"]
ICE_KINDS: tuple[str, ...] = get_args(IceKind)
# Classes are stored as one byte, of which 255 says that there is none.
MAX_CLASSES = 254


@dataclass(frozen=True)
class MapClass:
    """One class of a map.

    Attributes
    ----------
    code : str
        As the map has it; whole numbers without decimals.
    name : str
    low, middle, high : float
        Ice content in the unit of the map that it is compared with (per cent for ice); NaN for a
        class of which the table says nothing, such as the sea.
    depth : float
        Metres that the content holds for; NaN where the table does not say.
    extent : (float, float, float)
        Part of its area that is permafrost, least, middle and most.
    """

    code: str
    name: str
    low: float
    middle: float
    high: float
    depth: float
    extent: tuple[float, float, float]

    @property
    def is_known(self) -> bool:
        return bool(np.isfinite(self.middle))


@dataclass(frozen=True)
class OwnTotal:
    """What a map holds over the whole of its own extent: least, middle and most.

    Attributes
    ----------
    region_km2 : float
        Area of which it says something.
    counted_km2 : (float, float, float)
        The part of it that is permafrost by the map itself.
    volume_km3 : (float, float, float)
    depths_m : (float, float)
        Smallest and largest thickness of the layer that is counted.
    """

    region_km2: float
    counted_km2: tuple[float, float, float]
    volume_km3: tuple[float, float, float]
    depths_m: tuple[float, float]


@dataclass(frozen=True)
class ClassTable:
    """The classes of a map, in the order of the table.

    Attributes
    ----------
    file : str
        Where the table is, for messages.
    classes : tuple of MapClass
    ice : "excess", "total" or None
        Which ice the contents are of; None where the table does not say.
    """

    file: str
    classes: tuple[MapClass, ...]
    ice: IceKind | None

    @property
    def known(self) -> tuple[MapClass, ...]:
        return tuple(one for one in self.classes if one.is_known)

    @property
    def depth(self) -> float | None:
        """The smallest depth of its classes with ice; None where one of them has none."""
        depths = [one.depth for one in self.known]
        return None if np.isnan(depths).any() else float(min(depths))

    def index_of(self, codes: NDArray[np.floating], what: str) -> NDArray[np.int64]:
        """Position of each code in the table; -1 where there is none (NaN).

        Raises
        ------
        IcemapError
            If a code is not in the table, naming it.
        """
        there = np.isfinite(codes)
        index = np.full(codes.shape, -1, dtype=np.int64)
        found = {
            code: k
            for k, one in enumerate(self.classes)
            if (code := as_number(one.code)) is not None
        }
        known = np.array(sorted(found))
        places = np.array([found[code] for code in known], dtype=np.int64)
        at = np.clip(np.searchsorted(known, codes[there]), 0, max(len(known) - 1, 0))
        missing = np.setdiff1d(codes[there], known)
        if missing.size:
            raise IcemapError(
                f"{what} holds the class code {missing[0]:g}, which {self.file} does not have: add"
                " a row for it, without numbers if the class holds no ice."
            )
        index[there] = places[at]
        return index

    def total(self, areas_km2: Mapping[str, float], depth_m: float | None = None) -> OwnTotal:
        """Ice of the classes by their areas.

        Parameters
        ----------
        areas_km2 : mapping
            Code -> area, of which the table's extent is permafrost.
        depth_m : float, optional
            Thickness of the uppermost layer that is counted; the depth of each class when left out.

        Examples
        --------
        >>> one = MapClass("1", "Chf", 20.0, 25.0, 30.0, 20.0, (0.9, 0.95, 1.0))
        >>> table = ClassTable("ice.csv", (one,), "excess")
        >>> [round(km3) for km3 in table.total({"1": 1e6}).volume_km3]
        [3600, 4750, 6000]
        >>> [round(km3) for km3 in table.total({"1": 1e6}, depth_m=5).volume_km3]
        [900, 1188, 1500]
        """
        rows = [(one, areas_km2.get(one.code, 0.0)) for one in self.known]
        area = np.array([km2 for _, km2 in rows])
        extent = np.array([one.extent for one, _ in rows])
        content = np.array([(one.low, one.middle, one.high) for one, _ in rows]) / 100
        depth = np.array([one.depth for one, _ in rows])
        if depth_m is not None:
            depth = np.fmin(depth, depth_m)
        counted = area @ extent
        volume = (area * depth / 1000) @ (extent * content)
        used = depth[area > 0] if (area > 0).any() else depth
        return OwnTotal(
            float(area.sum()),
            three(counted),
            three(volume),
            (float(used.min()), float(used.max())),
        )


def three(values: NDArray[np.floating]) -> tuple[float, float, float]:
    """Least, middle and most as plain numbers."""
    low, middle, high = (float(value) for value in values)
    return low, middle, high


def as_number(code: str) -> float | None:
    """The code as a number; None where it is a word."""
    try:
        return float(code)
    except ValueError:
        return None
