"""One CRS has many spellings: two are the same where they put a raster at the same places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from affine import Affine

# Per side of a raster, at which two CRS are compared.
PLACES = 5


def cells_apart(transform: Affine, shape: tuple[int, int], one: str, other: str) -> float:
    """How many cells apart two CRS put a raster, at most; infinitely many where the first of them
    puts all of it nowhere, or the other a part of it.

    Corners of a raster of the globe may well be outside of it.

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
    parts = np.linspace(0, 1, PLACES)
    here = np.array([transform @ (cols * x, rows * y) for x in parts for y in parts]).T
    degrees = pyproj.CRS.from_user_input(one).geodetic_crs
    on_earth = pyproj.Transformer.from_crs(one, degrees, always_xy=True).transform(*here)
    here = here[:, np.isfinite(on_earth).all(axis=0)]
    there = pyproj.Transformer.from_crs(one, other, always_xy=True).transform(*here)
    apart = np.abs(np.array(there) - here).max(initial=0 if here.size else np.inf)
    return float(apart / abs(transform.a)) if np.isfinite(apart) else float("inf")
