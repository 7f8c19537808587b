"""One CRS has many spellings: two are the same where they put a raster at the same places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from affine import Affine


def cells_apart(transform: Affine, shape: tuple[int, int], one: str, other: str) -> float:
    """How many cells apart two CRS put the corners of a raster, at most; infinitely many where one
    of them puts a corner nowhere.

    Parameters
    ----------
    transform : Affine
        From cells to places of the CRS ``one``.
    shape : (int, int)
        Rows and columns.
    one, other : str
        As pyproj reads them.

    Examples
    --------
    >>> from affine import Affine
    >>> degrees = Affine(1, 0, 10, 0, -1, 60)
    >>> cells_apart(degrees, (5, 5), "EPSG:4326", "+proj=longlat +datum=WGS84")
    0.0
    """
    import pyproj

    rows, cols = shape
    here = np.array([transform @ corner for corner in ((0, 0), (cols, rows))]).T
    there = pyproj.Transformer.from_crs(one, other, always_xy=True).transform(*here)
    apart = float(np.abs(np.array(there) - here).max() / abs(transform.a))
    return apart if np.isfinite(apart) else float("inf")
