"""A grid from the extent of the sites and the resolution of the rasters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.checks import MIN_SAMPLES

# Sides of cells that people use, arc seconds; all of them divide a degree.
TIDY = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)
# A preview of so many cells takes minutes; with sites close together up to the second number.
MAX_CELLS, MAX_CELLS_FOR_SITES = 500_000, 4_000_000
# Of the extent, and in degrees at least and at most.
MARGIN, MIN_MARGIN, MAX_MARGIN = 0.05, 0.1, 1.0
# Extents below so many degrees end at tenths of a degree.
SMALL_EXTENT = 4.0
# Sites that leave no gap this wide go round the globe.
MIN_GAP = 60.0
DEFAULT_CELL = 1 / 6


@dataclass(frozen=True)
class ProposedGrid:
    """A grid, and why it is this one.

    Attributes
    ----------
    west, south, east, north : float
        Degrees; ``east`` is below ``west`` where the grid crosses the date line.
    arcsec : int
        Side of a cell.
    why : tuple of str
        From what each number was taken.
    """

    west: float
    south: float
    east: float
    north: float
    arcsec: int
    why: tuple[str, ...]

    @property
    def resolution(self) -> str:
        """As the config has it."""
        if self.arcsec % 3600 == 0:
            return str(self.arcsec // 3600)
        if self.arcsec % 60 == 0:
            return f"{self.arcsec // 60} arcmin"
        return f"{self.arcsec} arcsec"


def propose_grid(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], cells: Sequence[float]
) -> ProposedGrid:
    """The smallest tidy grid around the sites, about as fine as the rasters.

    Parameters
    ----------
    longitude, latitude : ndarray of shape (n,)
        Of the sites, degrees; at least one.
    cells : sequence of float
        Sides of the cells of the rasters, degrees.
    """
    west, east = _span(longitude)
    south, north = float(latitude.min()), float(latitude.max())
    extent = max(east - west, north - south)
    margin = min(max(MARGIN * extent, MIN_MARGIN), MAX_MARGIN)
    if cells:
        wanted = float(np.median(cells))
        why = [f"the rasters have cells of {_sides(cells)}: resolution is their middle, made tidy"]
    else:
        wanted = DEFAULT_CELL
        why = ["no raster says how large its cells are: the resolution is a guess"]
    tidy = [side for side in TIDY if side >= 3600 * wanted * 0.98] or [TIDY[-1]]
    box = (west - margin, south - margin, east + margin, north + margin)
    finest = tidy[0]
    arcsec = next((side for side in tidy if _count(box, side) <= MAX_CELLS), tidy[-1])
    if arcsec != finest:
        why.append(
            f"on {finest} arcsec, which the rasters have, the map would have"
            f" {_count(box, finest):,.0f} cells: this is for a first map, make it finer later"
        )
    occupied = _occupied(longitude, latitude, arcsec)
    if occupied < MIN_SAMPLES:
        finer = [
            side
            for side in reversed(TIDY)
            if side < arcsec
            and _count(box, side) <= MAX_CELLS_FOR_SITES
            and _occupied(longitude, latitude, side) >= MIN_SAMPLES
        ]
        if finer:
            why.append(
                f"finer than that, because on {arcsec} arcsec the sites share {occupied} cells, and"
                f" an ensemble needs {MIN_SAMPLES}"
            )
            arcsec = finer[0]
        else:
            why.append(
                f"QUESTION: the sites are in {occupied} cells, and an ensemble needs {MIN_SAMPLES}:"
                " are there more sites, or is a finer grid wanted?"
            )
    edge = _edge(extent, arcsec)
    south, north = (
        max(math.floor(box[1] / edge) * edge, -90.0),
        min(math.ceil(box[3] / edge) * edge, 90.0),
    )
    west, east = math.floor(box[0] / edge) * edge, math.ceil(box[2] / edge) * edge
    why.insert(0, f"the extent of {len(longitude):,} sites and {margin:.2g} degrees around them")
    if east - west >= 360 - edge:
        west, east = -180.0, 180.0
    else:
        west, east = _named(west), _named(east)
        if east <= west:
            why.append("it crosses the date line, so that east is below west")
    edges = [round(one, 6) for one in (west, south, east, north)]
    return ProposedGrid(edges[0], edges[1], edges[2], edges[3], arcsec, tuple(why))


def _named(longitude: float) -> float:
    """A longitude between -180 and 180."""
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def _span(longitude: NDArray[np.float64]) -> tuple[float, float]:
    """The shortest way round all longitudes; its end may be beyond 180."""
    around = np.unique(np.mod(longitude + 180, 360) - 180)
    if len(around) == 1:
        return float(around[0]), float(around[0])
    gaps = np.diff(np.append(around, around[0] + 360))
    widest = int(np.argmax(gaps))
    if gaps[widest] < MIN_GAP:
        return -180.0, 180.0
    if widest == len(around) - 1:
        return float(around[0]), float(around[-1])
    return float(around[widest + 1]), float(around[widest]) + 360


def _count(box: Sequence[float], arcsec: int) -> float:
    """Cells in a box."""
    return (box[2] - box[0]) * (box[3] - box[1]) * (3600 / arcsec) ** 2


def _occupied(longitude: NDArray[np.float64], latitude: NDArray[np.float64], arcsec: int) -> int:
    """Cells with a site in them."""
    cells = np.floor(np.column_stack([longitude, latitude]) * 3600 / arcsec)
    return len(np.unique(cells, axis=0))


def _edge(extent: float, arcsec: int) -> float:
    """Multiple of a degree that the edges of the grid are, in which cells fit."""
    if extent < SMALL_EXTENT and 360 % arcsec == 0:
        return 0.1
    return 0.5 if 1800 % arcsec == 0 else 1.0


def _sides(cells: Sequence[float]) -> str:
    low, high = min(cells), max(cells)
    if high <= low * 1.01:
        return _side(low)
    return f"{_side(low)} to {_side(high)}"


def _side(degrees: float) -> str:
    seconds = degrees * 3600
    return f"{seconds / 60:.3g} arcmin" if seconds >= 60 else f"{seconds:.3g} arcsec"
