"""Area of a raster's own cells on the ellipsoid, whatever its projection."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.grid import WGS84_A, WGS84_E2

if TYPE_CHECKING:
    from icemap.predictors.raster import Raster

# Area of the ellipsoid's surface, to a part in a million; what has more is not on the globe.
_GLOBE_KM2 = 510_065_622.0
# Cells per side of what is read of a raster at once.
WINDOW = 1024


def windows(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of what is read at once of a raster of this shape."""
    for top in range(0, shape[0], WINDOW):
        for left in range(0, shape[1], WINDOW):
            yield slice(top, min(top + WINDOW, shape[0])), slice(left, min(left + WINDOW, shape[1]))


def native_areas(raster: Raster, rows: slice, cols: slice) -> NDArray[np.float64]:
    """Area of each cell of a window.

    The cell is taken for a quadrilateral in a projection that keeps areas on the WGS84 ellipsoid,
    centred on the window.

    Parameters
    ----------
    raster : Raster
    rows, cols : slice

    Returns
    -------
    ndarray of shape (rows, columns)
        Square kilometres; 0 for a cell with a corner that is on no place of the globe.
    """
    col, row = np.meshgrid(
        np.arange(cols.start, cols.stop + 1.0), np.arange(rows.start, rows.stop + 1.0)
    )
    x, y = raster.transform @ (col, row)
    if _is_geographic(raster.crs):
        return _between_parallels(x, y)
    lon, lat = _to_degrees(raster.crs).transform(x, y)
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return np.zeros((rows.stop - rows.start, cols.stop - cols.start))
    # In the middle of the window, as a mean of places would not be where it spans a date line.
    middle = tuple(a // 2 for a in known.shape)
    centre = (
        middle if known[middle] else tuple(int(i) for i in np.argwhere(known)[known.sum() // 2])
    )
    easting, northing = _equal_area(
        round(float(lon[centre]), 1), round(float(lat[centre]), 1)
    ).transform(np.where(known, lon, np.nan), np.where(known, lat, np.nan))
    area = _shoelace(np.asarray(easting), np.asarray(northing)) / 1e6
    return np.where(np.isfinite(area) & (area < _GLOBE_KM2), area, 0.0)


def _between_parallels(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Closed form of a cell between two meridians and two parallels (Snyder 1987, eq. 3-12)."""
    e = np.sqrt(WGS84_E2)
    sine = np.sin(np.radians(np.clip(lat, -90, 90)))
    zone = sine / (1 - WGS84_E2 * sine**2) + np.arctanh(e * sine) / e
    high = zone[:-1, :-1] - zone[1:, :-1]
    wide = np.radians(lon[:-1, 1:] - lon[:-1, :-1])
    return np.asarray(np.abs(0.5 * WGS84_A**2 * (1 - WGS84_E2) * high * wide))


def _shoelace(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the quadrilaterals between four neighbouring corners, from their diagonals."""
    across = (x[1:, 1:] - x[:-1, :-1]) * (y[1:, :-1] - y[:-1, 1:])
    down = (y[1:, 1:] - y[:-1, :-1]) * (x[1:, :-1] - x[:-1, 1:])
    return np.asarray(np.abs(across - down) / 2)


@lru_cache(maxsize=16)
def _is_geographic(crs: str) -> bool:
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    return bool(known.is_geographic and not known.is_derived)


@lru_cache(maxsize=16)
def _to_degrees(crs: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


@lru_cache(maxsize=64)
def _equal_area(longitude: float, latitude: float) -> Any:
    from pyproj import Transformer

    laea = f"+proj=laea +lon_0={longitude} +lat_0={latitude} +datum=WGS84"
    return Transformer.from_crs("EPSG:4326", laea, always_xy=True)
