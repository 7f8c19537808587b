"""Map projections for pictures: which pixel shows which place, and a large grid made small enough
to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

    from icemap.grid import Grid

Projection = Literal["equal-area", "plate-carree"]


@dataclass(frozen=True)
class View:
    """A part of the globe in a map projection, as a raster of pixels.

    Attributes
    ----------
    projection : str
        PROJ string without units.
    polar : bool
        A round picture with the pole in its middle.
    west, south, east, north : float
        What the picture must show, degrees.
    pixels : int
        Width.
    """

    projection: str
    polar: bool
    west: float
    south: float
    east: float
    north: float
    pixels: int

    @cached_property
    def _transformer(self) -> Any:
        from pyproj import Transformer

        return Transformer.from_crs(
            "EPSG:4326", f"{self.projection} +datum=WGS84 +units=km", always_xy=True
        )

    def project(
        self, longitude: Any, latitude: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Kilometres right and up from the centre."""
        x, y = self._transformer.transform(
            np.asarray(longitude, float), np.asarray(latitude, float)
        )
        return np.asarray(x), np.asarray(y)

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top in km; symmetrical when polar."""
        lon = np.linspace(self.west, self.east, 181)
        lat = np.linspace(self.south, self.north, 91)
        edge_lon = np.concatenate([lon, lon, np.full(91, self.west), np.full(91, self.east)])
        edge_lat = np.concatenate([np.full(181, self.south), np.full(181, self.north), lat, lat])
        x, y = self.project(edge_lon, edge_lat)
        if self.polar:
            reach = float(np.abs(x).max())
            return -reach, reach, -reach, reach
        return float(x.min()), float(x.max()), float(y.min()), float(y.max())

    @cached_property
    def cells(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of every pixel, top row first; infinite outside the projection."""
        left, right, bottom, top = self.extent
        height = max(2, round(self.pixels * (top - bottom) / (right - left)))
        x = left + (np.arange(self.pixels) + 0.5) * (right - left) / self.pixels
        y = top - (np.arange(height) + 0.5) * (top - bottom) / height
        lon, lat = self._transformer.transform(*np.meshgrid(x, y), direction="INVERSE")
        return np.asarray(lon), np.asarray(lat)


def view_of(grid: Grid, pixels: int = 900, projection: Projection = "equal-area") -> View:
    """How to look at a grid.

    ``equal-area`` (Lambert's azimuthal projection) is centred on the pole, Greenwich down, when the
    grid spans more than half the longitudes and reaches the Arctic, else on the grid;
    ``plate-carree`` has degrees as its axes, true to scale in the middle.

    Parameters
    ----------
    grid : Grid
    pixels : int
        Of the longer side of the picture; of half of it in plate carrée.
    projection : {"equal-area", "plate-carree"}
    """
    edges = (grid.west, grid.south, grid.east, grid.north)
    lon, lat = (grid.west + grid.east) / 2, (grid.south + grid.north) / 2
    if projection == "plate-carree":
        return View(f"+proj=eqc +lat_ts={lat} +lon_0={lon}", False, *edges, 2 * pixels)
    if grid.east - grid.west > 180 and grid.north > 66:
        return View("+proj=laea +lat_0=90 +lon_0=0", True, *edges, pixels)
    return View(f"+proj=laea +lat_0={lat} +lon_0={lon}", False, *edges, pixels)


def downsample(variable: xr.DataArray, step: int) -> NDArray[np.float32]:
    """Means of blocks of ``step`` x ``step`` cells, read band by band; NaN where no cell has a
    value.
    """
    if step == 1:
        return np.asarray(variable, dtype=np.float32)
    band = step * max(1, 512 // step)
    return np.concatenate(
        [
            block_means(np.asarray(variable[top : top + band], dtype=np.float32), step)
            for top in range(0, variable.shape[0], band)
        ]
    )


def block_means(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Means of the known among blocks of ``step`` x ``step`` cells, smaller ones at the end; NaN
    where none is known.
    """
    padded = np.pad(values, [(0, -size % step) for size in values.shape], constant_values=np.nan)
    known = np.isfinite(padded)
    # Rows first, by whole rows: ten times faster than a sum over the short axes of a reshaped
    # array.
    count, total = (
        _sum_columns(sum(part[i::step] for i in range(step)), step)
        for part in (known.astype(np.float32), np.where(known, padded, 0))
    )
    return np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _sum_columns(rows: Any, step: int) -> NDArray[np.float32]:
    return np.asarray(sum(rows[:, j::step] for j in range(step)))


def drape(values: NDArray[np.float32], step: int, grid: Grid, view: View) -> NDArray[np.float64]:
    """Block means of a grid as the picture's pixels; NaN outside.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        Block means of the grid, NaN outside.
    step : int
        Cells per side of a block.
    grid : Grid
    view : View
    """
    row, col = _located(grid, view)
    return np.where(
        row >= 0, values[np.maximum(row, 0) // step, np.maximum(col, 0) // step], np.nan
    )


@lru_cache(maxsize=1)
def _located(grid: Grid, view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the cell that every pixel shows, -1 outside; a picture shows several
    layers, and the next picture the same ones.
    """
    lon, lat = view.cells
    return grid.locate(
        np.where(np.isfinite(lon), lon, np.nan), np.where(np.isfinite(lat), lat, np.nan)
    )
