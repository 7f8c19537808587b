"""The geographic grid from which every coordinate, chunk and cell area is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.errors import IcemapError

if TYPE_CHECKING:
    from affine import Affine

# Semi-major axis (km) and first eccentricity squared of the WGS84 ellipsoid.
WGS84_A = 6378.137
WGS84_E2 = 0.00669437999014


@dataclass(frozen=True)
class Chunk:
    """A rectangle of whole cells, written by exactly one task.

    Attributes
    ----------
    index : (int, int)
        Row and column of the chunk among the chunks, counted from the north-west.
    rows, cols : slice
        The cells it covers in its grid.
    """

    index: tuple[int, int]
    rows: slice
    cols: slice

    @property
    def key(self) -> str:
        """Name of the chunk in ledgers and messages, such as ``r003c012``."""
        return f"r{self.index[0]:03d}c{self.index[1]:03d}"

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start


@dataclass(frozen=True)
class Grid:
    """Regular grid of longitude and latitude (EPSG:4326), north row first.

    Parameters
    ----------
    west, south, east, north : float
        Outer edges in degrees.
    resolution : float
        Size of a cell in degrees, the same in both directions. The extent must hold a whole number of cells.

    Raises
    ------
    IcemapError
        If the extent is empty, leaves the globe, or does not hold a whole number of cells.

    Examples
    --------
    >>> grid = Grid(-180, 30, 180, 90, 0.5)
    >>> grid.shape
    (120, 720)
    >>> grid.latitudes[:2]
    array([89.75, 89.25])
    """

    west: float
    south: float
    east: float
    north: float
    resolution: float

    def __post_init__(self) -> None:
        if not (-180 <= self.west < self.east <= 180 and -90 <= self.south < self.north <= 90):
            raise IcemapError(
                f"The grid west={self.west}, south={self.south}, east={self.east}, north={self.north} is not a part of the globe: "
                "give -180 <= west < east <= 180 and -90 <= south < north <= 90 in degrees."
            )
        if not self.resolution > 0:
            raise IcemapError(f"The grid's resolution is {self.resolution}: give a positive number of degrees.")
        for name, extent in (("width", self.east - self.west), ("height", self.north - self.south)):
            cells = extent / self.resolution
            if abs(cells - round(cells)) > 1e-4 or round(cells) < 1:
                raise IcemapError(
                    f"The grid's {name} of {extent:g} degrees is {cells:.4f} cells of {self.resolution:g} degrees: change the edges or the resolution "
                    "so that it is a whole number."
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return round((self.north - self.south) / self.resolution), round((self.east - self.west) / self.resolution)

    @cached_property
    def longitudes(self) -> NDArray[np.float64]:
        """Cell centres from west to east, degrees, shape (columns,)."""
        columns = self.shape[1]
        return self.west + (np.arange(columns, dtype=np.float64) + 0.5) * ((self.east - self.west) / columns)

    @cached_property
    def latitudes(self) -> NDArray[np.float64]:
        """Cell centres from north to south, degrees, shape (rows,)."""
        rows = self.shape[0]
        return self.north - (np.arange(rows, dtype=np.float64) + 0.5) * ((self.north - self.south) / rows)

    @property
    def transform(self) -> Affine:
        """Affine transform from (column, row) to (longitude, latitude) of the upper left corner."""
        from affine import Affine

        rows, columns = self.shape
        return Affine((self.east - self.west) / columns, 0.0, self.west, 0.0, (self.south - self.north) / rows, self.north)

    def chunk_transform(self, chunk: Chunk) -> Affine:
        """Affine transform of one chunk of this grid."""
        from affine import Affine

        return self.transform @ Affine.translation(chunk.cols.start, chunk.rows.start)

    def cell_area(self) -> NDArray[np.float64]:
        """Area of one cell in each row on the WGS84 ellipsoid.

        Returns
        -------
        ndarray of shape (rows,)
            Square kilometres, north first.

        Notes
        -----
        Closed form of the zone between two parallels (Snyder 1987, doi:10.3133/pp1395, eq. 3-12).
        """
        rows, columns = self.shape
        edges = self.north - np.arange(rows + 1) * ((self.north - self.south) / rows)
        sine = np.sin(np.radians(edges))
        e = np.sqrt(WGS84_E2)
        authalic = sine / (1 - WGS84_E2 * sine**2) + np.arctanh(e * sine) / e
        zone_per_radian = 0.5 * WGS84_A**2 * (1 - WGS84_E2) * (authalic[:-1] - authalic[1:])
        return np.asarray(np.radians((self.east - self.west) / columns) * zone_per_radian)

    def locate(self, longitude: ArrayLike, latitude: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the cell that holds each place; -1, -1 outside the grid or where a coordinate is NaN."""
        rows, columns = self.shape
        lon = np.asarray(longitude, dtype=float)
        lat = np.asarray(latitude, dtype=float)
        with np.errstate(invalid="ignore"):
            x = (lon - self.west) / (self.east - self.west) * columns
            y = (self.north - lat) / (self.north - self.south) * rows
            inside = (x >= 0) & (x <= columns) & (y >= 0) & (y <= rows)
        col = np.where(inside, np.minimum(np.floor(np.where(inside, x, 0)), columns - 1), -1).astype(np.int64)
        row = np.where(inside, np.minimum(np.floor(np.where(inside, y, 0)), rows - 1), -1).astype(np.int64)
        return row, col

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks of ``size`` x ``size`` cells, row by row from the north-west; the last ones may be smaller."""
        rows, columns = self.shape
        for i, top in enumerate(range(0, rows, size)):
            for j, left in enumerate(range(0, columns, size)):
                yield Chunk((i, j), slice(top, min(top + size, rows)), slice(left, min(left + size, columns)))
