"""Which rasters have a value at the sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.grid import Grid
from icemap.predictors.raster import Raster
from icemap.predictors.reprojection import is_rotated
from icemap.predictors.sources import open_source
from icemap.starting.entries import Entry

# What the sites span is read whole up to this many cells, else cell by cell at some of the sites.
MAX_WHOLE = 2**22
MAX_POINTS = 400
# Relative; values of single precision differ in their last digits.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Coverage:
    """Values at the sites that were asked about, NaN where there is none."""

    values: NDArray[np.float32]

    @property
    def has(self) -> NDArray[np.bool_]:
        """Which sites have a value."""
        return np.isfinite(self.values)

    @property
    def constant(self) -> float | None:
        """The one value that all of them have; None if they differ."""
        given = self.values[self.has]
        if not given.size or float(np.ptp(given)) > TOLERANCE * float(np.abs(given).max()):
            return None
        return float(given[0])


def some_sites(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sites spread over the table, few enough to ask every raster about each."""
    chosen = np.unique(np.linspace(0, len(longitude) - 1, MAX_POINTS).astype(int))
    return longitude[chosen], latitude[chosen]


def coverage(
    entry: Entry, grid: Grid, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> Coverage:
    """The values of a raster at the sites.

    Parameters
    ----------
    entry : Entry
        Of the catalogue.
    grid : Grid
        Of the map.
    longitude, latitude : ndarray of shape (n,)
        Degrees.

    Raises
    ------
    IcemapError
        If the raster cannot be read.
    """
    with open_source(entry.source(), grid) as raster:
        rows, cols = _cells(raster, longitude, latitude)
        width = raster.shape[1] if raster.period is None else raster.period
        inside = (rows >= 0) & (rows < raster.shape[0]) & (cols >= 0) & (cols < width)
        found = np.full(len(rows), np.nan, dtype=np.float32)
        if not inside.any():
            return Coverage(found)
        top, bottom = int(rows[inside].min()), int(rows[inside].max()) + 1
        left, right = int(cols[inside].min()), int(cols[inside].max()) + 1
        if (bottom - top) * (right - left) <= MAX_WHOLE:
            values = raster.window(slice(top, bottom), slice(left, right))
            found[inside] = values[rows[inside] - top, cols[inside] - left]
            return Coverage(found)
        for at in np.flatnonzero(inside):
            row, col = int(rows[at]), int(cols[at])
            found[at] = raster.window(slice(row, row + 1), slice(col, col + 1))[0, 0]
    return Coverage(found)


def _cells(
    raster: Raster, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each site; -1 where it cannot be on the raster."""
    import pyproj

    if is_rotated(raster.crs):
        turned = pyproj.Transformer.from_crs("EPSG:4326", raster.crs, always_xy=True)
        x, y = turned.transform(longitude, latitude)
    else:
        # Longitudes may run from 0 to 360, or from anywhere else.
        west = raster.transform.c
        x, y = west + np.mod(longitude - west, 360), latitude
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    possible = np.isfinite(x) & np.isfinite(y)
    inverse = ~raster.transform
    cols = inverse.a * x + inverse.b * y + inverse.c
    rows = inverse.d * x + inverse.e * y + inverse.f
    found = [np.full(len(x), -1, dtype=np.int64) for _ in range(2)]
    for cells, places in zip(found, (rows, cols)):
        cells[possible] = np.floor(places[possible])
    return found[0], found[1]
