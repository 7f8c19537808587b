"""The coast as lines, for pages that draw it themselves."""

from __future__ import annotations

import numpy as np

from icemap.grid import Grid, wrapped
from icemap.land import CELLS_PER_DEGREE, land_at

# Of the land that is traced; finer than a screen shows a whole region.
COLUMNS = 1800
MARGIN = 2.0
# Islands of fewer cells are specks.
MIN_CELLS = 4


def coast_lines(grid: Grid) -> list[list[list[float]]]:
    """Coast of a region and a little around it.

    Parameters
    ----------
    grid : Grid
        Longitudes may go on beyond 180.

    Returns
    -------
    list of lines
        Each a list of ``[longitude, latitude]`` in degrees, longitudes as the grid counts them.
    """
    from rasterio.features import shapes
    from rasterio.transform import from_origin
    from shapely.geometry import box, shape

    west, east = grid.west - MARGIN, grid.east + MARGIN
    if east - west >= 360:
        west, east = grid.west, grid.east
    south, north = max(grid.south - MARGIN, 0.0), min(grid.north + MARGIN, 90.0)
    step = max((east - west) / COLUMNS, 1 / CELLS_PER_DEGREE)
    rows, columns = round((north - south) / step), round((east - west) / step)
    longitude = wrapped(west + (np.arange(columns) + 0.5) * step)
    latitude = north - (np.arange(rows) + 0.5) * step
    land = land_at(*np.meshgrid(longitude, latitude))
    # The edge of what is traced is no coast.
    inner = box(west, south, east, north).buffer(-0.6 * step)
    lines = []
    for outline, _ in shapes(
        land.astype(np.uint8), mask=land, transform=from_origin(west, north, step, step)
    ):
        area = shape(outline)
        for ring in (area.exterior, *area.interiors):
            if len(ring.coords) <= 2 * MIN_CELLS:
                continue
            part = ring.simplify(step).intersection(inner)
            for line in getattr(part, "geoms", [part]):
                if line.length > MIN_CELLS * step:
                    lines.append(np.round(np.asarray(line.coords), 3).tolist())
    return lines
