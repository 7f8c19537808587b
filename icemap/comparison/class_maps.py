"""Maps of classes on the cells of a grid, and their areas over their own extent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.comparison.classes import ClassTable, IceKind, OwnTotal
from icemap.comparison.native_areas import native_areas, windows
from icemap.grid import Chunk, Grid
from icemap.predictors.align import align, resampling
from icemap.predictors.raster import Raster

# Part of a cell of which a map must say something for the cell to be compared.
MIN_KNOWN = 0.5
NO_CLASS = 255


@dataclass(frozen=True)
class Values:
    """What a map says of the cells of a chunk, (rows, columns), NaN where it says nothing.

    Attributes
    ----------
    middle : ndarray
    low, high : ndarray, optional
        Where the map gives a range.
    index : ndarray of uint8, optional
        The class that has most of the cell, its position in the table; 255 where there is none.
    """

    middle: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    index: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class ClassMap:
    """Classes and the table of what they hold.

    Attributes
    ----------
    raster : Raster
        Of the codes, or for polygons of positions in the table.
    index_of : callable
        Position in the table of each value of the raster; -1 where there is none.
    areas : callable
        Area of each class over the whole map, km2, by code.
    """

    raster: Raster
    grid: Grid
    table: ClassTable
    ice: IceKind | None
    depth_m: float | None
    index_of: Callable[[NDArray[Any]], NDArray[np.int64]]
    areas: Callable[[], dict[str, float]]
    kind: str
    range_is: str = "the range of its classes"

    def values(self, chunk: Chunk) -> Values:
        table = self.table.classes
        known = np.array([one.is_known for one in table])
        share = self._aligned(chunk, known.astype(float), 0.0, "share")
        here = share >= MIN_KNOWN
        if not here.any():
            empty = np.full(chunk.shape, np.nan)
            return Values(empty, empty, empty, np.full(chunk.shape, NO_CLASS, dtype=np.uint8))
        contents = np.array([(one.low, one.middle, one.high) for one in table])
        low, middle, high = (
            np.where(here, self._aligned(chunk, column, np.nan, "share"), np.nan)
            for column in contents.T
        )
        positions = np.where(known, np.arange(len(table), dtype=float), np.nan)
        index = self._aligned(chunk, positions, np.nan, "class")
        index[~here | ~np.isfinite(index)] = NO_CLASS
        return Values(middle, low, high, index.astype(np.uint8))

    def _aligned(
        self, chunk: Chunk, by_class: NDArray[np.float64], elsewhere: float, kind: Any
    ) -> NDArray[np.float64]:
        """A value of each class on the grid, averaged by area or, of positions, the most
        frequent.
        """
        padded = np.append(by_class, elsewhere)

        def read(rows: slice, cols: slice) -> NDArray[np.float32]:
            return padded[self.index_of(self.raster.read(rows, cols))].astype(np.float32)

        raster = replace(self.raster, kind=kind, read=read)
        return align(raster, self.grid, chunk, resampling(raster, self.grid)).astype(np.float64)

    def own_total(self, depth_m: float | None) -> OwnTotal | None:
        if depth_m is None and self.table.depth is None:
            return None
        return self.table.total(self.areas(), depth_m)


def class_areas(
    raster: Raster, table: ClassTable, index_of: Callable[[NDArray[Any]], NDArray[np.int64]]
) -> dict[str, float]:
    """Area of each class of a raster in its own cells, km2, by code.

    Parameters
    ----------
    raster : Raster
        Of class codes.
    table : ClassTable
        What the classes hold.
    index_of : callable
        From codes to rows of the table.
    """
    found = np.zeros(len(table.classes))
    for rows, cols in windows(raster.shape):
        index = index_of(raster.read(rows, cols))
        here = index >= 0
        if here.any():
            areas = native_areas(raster, rows, cols)
            found += np.bincount(index[here], areas[here], minlength=len(found))
    return {one.code: float(km2) for one, km2 in zip(table.classes, found, strict=True)}
