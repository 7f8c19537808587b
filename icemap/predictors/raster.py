"""A source of any kind as one raster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from affine import Affine

# What stands for no class.
CLASS_NODATA = 255


@dataclass(frozen=True)
class Raster:
    """A two-dimensional source in any CRS, read by window.

    Attributes
    ----------
    name : str
        For messages.
    crs : str
        WKT or authority code.
    transform : Affine
        From (column, row) to coordinates of the upper left corner.
    shape : (int, int)
        Rows and columns.
    period : int or None
        Columns in 360 degrees where the columns go round the globe, or part of the way across the
        date line.
    kind : "continuous", "class" or "share"
        A share is averaged by area even where its cells are larger than the grid's.
    read : callable
        ``read(rows, cols)`` gives the float32 window with NaN for nodata; slices are inside
        ``shape``.
    fill_nearest : int
        Gaps up to this many source cells wide take their nearest value before resampling.
    classes : mapping
        Names of the class codes.
    note : str
        What was done to its values, empty if nothing.
    """

    name: str
    crs: str
    transform: Affine
    shape: tuple[int, int]
    period: int | None
    kind: Literal["continuous", "class", "share"]
    read: Callable[[slice, slice], NDArray[Any]]
    fill_nearest: int = 0
    classes: Mapping[int, str] = field(default_factory=dict)
    note: str = ""

    def window(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Read a window whose columns may leave the raster where they go round the globe; what it
        does not reach is NaN.
        """
        if self.period is None:
            return self.read(rows, cols)
        parts = []
        col = cols.start
        while col < cols.stop:
            inside = col % self.period
            there = inside < self.shape[1]
            width = min(
                (min(self.shape[1], self.period) if there else self.period) - inside,
                cols.stop - col,
            )
            filled = np.full(
                (rows.stop - rows.start, 0 if there else width), np.nan, dtype=np.float32
            )
            parts.append(self.read(rows, slice(inside, inside + width)) if there else filled)
            col += width
        return np.concatenate(parts, axis=1)
