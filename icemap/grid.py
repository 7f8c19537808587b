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


def wrapped(longitude: ArrayLike) -> NDArray[np.float64]:
    """Longitudes as people write them, from -180 to 180; those that are so already do not change.

    Examples
    --------
    >>> wrapped([-170.0, 180.0, 190.0, 359.5]).tolist()
    [-170.0, 180.0, -170.0, -0.5]
    """
    degrees = np.asarray(longitude, dtype=np.float64)
    return np.where(np.abs(degrees) > 180, (degrees + 180) % 360 - 180, degrees)


def _counted_on(west: float, east: float) -> tuple[float, float]:
    """Edges with a west from -180 to below 180 and an east that is further; both 0 where they are
    no part of the globe.
    """
    if not (-180 <= west <= 360 and -180 <= east <= 720):
        return 0.0, 0.0
    if east < west:
        # The other way round from east to west may be meant, unless this one is the shorter.
        east += 360
        if not 0 < east - west <= 180:
            return 0.0, 0.0
    turn = 360 * np.floor((west + 180) / 360)
    # 209.9 - 360 has an error in its 14th digit.
    return (
        (west, east) if turn == 0 else (round(float(west - turn), 9), round(float(east - turn), 9))
    )


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
        Outer edges in degrees. A grid that crosses the date line goes on beyond 180: its west is
        from -180 to 180 and its east up to 360 degrees further. Other ways to count are brought
        to this one, such as 160 to -150 (to 160 to 210) or 190 to 210 (to -170 to -150). An east
        that is less than the west must be at most 180 degrees away, as the two may have been
        exchanged.
    resolution : float
        Size of a cell in degrees, the same in both directions. The extent must hold a whole number
        of cells.

    Raises
    ------
    IcemapError
        If the extent is empty, goes round the globe more than once, or does not hold a whole number
        of cells.

    Examples
    --------
    >>> grid = Grid(-180, 30, 180, 90, 0.5)
    >>> grid.shape
    (120, 720)
    >>> grid.latitudes[:2]
    array([89.75, 89.25])
    >>> beringia = Grid(160, 50, -150, 75, 0.5)
    >>> beringia.east
    210.0
    >>> [int(index) for index in beringia.locate(-150.25, 74.75)]
    [0, 99]
    """

    west: float
    south: float
    east: float
    north: float
    resolution: float

    def __post_init__(self) -> None:
        west, east = _counted_on(self.west, self.east)
        if not (0 < east - west <= 360 and -90 <= self.south < self.north <= 90):
            raise IcemapError(
                f"The grid west={self.west}, south={self.south}, east={self.east},"
                f" north={self.north} is not a part of the globe: give -180 <= west < east and -90"
                " <= south < north <= 90 in degrees. Across the date line east goes on beyond 180,"
                " as in west: 160, east: 210."
            )
        object.__setattr__(self, "west", float(west))
        object.__setattr__(self, "east", float(east))
        if not self.resolution > 0:
            raise IcemapError(
                f"The grid's resolution is {self.resolution}: give a positive number of degrees."
            )
        for name, extent in (("width", self.east - self.west), ("height", self.north - self.south)):
            cells = extent / self.resolution
            if abs(cells - round(cells)) > 1e-4 or round(cells) < 1:
                raise IcemapError(
                    f"The grid's {name} of {extent:g} degrees is {cells:.4f} cells of"
                    f" {self.resolution:g} degrees: change the edges or the resolution so that it"
                    " is a whole number."
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return round((self.north - self.south) / self.resolution), round(
            (self.east - self.west) / self.resolution
        )

    @cached_property
    def longitudes(self) -> NDArray[np.float64]:
        """Cell centres from west to east, degrees, shape (columns,)."""
        columns = self.shape[1]
        return self.west + (np.arange(columns, dtype=np.float64) + 0.5) * (
            (self.east - self.west) / columns
        )

    @cached_property
    def latitudes(self) -> NDArray[np.float64]:
        """Cell centres from north to south, degrees, shape (rows,)."""
        rows = self.shape[0]
        return self.north - (np.arange(rows, dtype=np.float64) + 0.5) * (
            (self.north - self.south) / rows
        )

    @property
    def transform(self) -> Affine:
        """Affine transform from (column, row) to (longitude, latitude) of the upper left corner."""
        from affine import Affine

        rows, columns = self.shape
        return Affine(
            (self.east - self.west) / columns,
            0.0,
            self.west,
            0.0,
            (self.south - self.north) / rows,
            self.north,
        )

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

    def locate(
        self, longitude: ArrayLike, latitude: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the cell that holds each place; -1, -1 outside the grid or where a
        coordinate is NaN.
        """
        rows, columns = self.shape
        lon = np.asarray(longitude, dtype=float)
        lat = np.asarray(latitude, dtype=float)
        with np.errstate(invalid="ignore"):
            # Every longitude as the grid counts it; those in it already stay as they are.
            turns = np.where(
                (lon < self.west) | (lon > self.east), np.floor((lon - self.west) / 360), 0
            )
            x = (lon - 360 * turns - self.west) / (self.east - self.west) * columns
            y = (self.north - lat) / (self.north - self.south) * rows
            inside = (x >= 0) & (x <= columns) & (y >= 0) & (y <= rows)
        col = np.where(
            inside, np.minimum(np.floor(np.where(inside, x, 0)), columns - 1), -1
        ).astype(np.int64)
        row = np.where(inside, np.minimum(np.floor(np.where(inside, y, 0)), rows - 1), -1).astype(
            np.int64
        )
        return row, col

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks of ``size`` x ``size`` cells, row by row from the north-west; the last ones may be
        smaller.
        """
        rows, columns = self.shape
        for i, top in enumerate(range(0, rows, size)):
            for j, left in enumerate(range(0, columns, size)):
                yield Chunk(
                    (i, j),
                    slice(top, min(top + size, rows)),
                    slice(left, min(left + size, columns)),
                )
