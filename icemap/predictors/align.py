"""Rasters of any projection and resolution onto the chunks of one grid.

Rasters whose rows follow parallels go through GDAL's warper. Those turned against the grid are
sampled at positions that `reprojection` finds: GDAL asks PROJ for every cell, or else approximates
differently from chunk to chunk, and its area average of turned cells is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.predictors.raster import Raster
from icemap.predictors.reprojection import is_rotated, place, to_source

if TYPE_CHECKING:
    from affine import Affine

# GDAL's area average takes the box between two opposite corners of a cell, which is wrong for a
# raster that is turned against the grid. Such a raster is sampled at this many points per source
# cell and side instead, at most LARGEST_SAMPLING per grid cell and side.
SAMPLES_PER_SOURCE_CELL = 2
MAX_SAMPLING = 24
# A share is sampled at least as if this many source cells lay in a grid cell: where they are
# larger, their edges still cut it anywhere.
SHARE_RATIO = 16
# Source cells read beyond a chunk on each side, so that bilinear weights and partly covered cells
# are whole.
MARGIN = 3
# By how much of a cell those of a source may lie off the grid's and still be the same: what GDAL
# knows of their coordinates.
_OWN_CELLS = 1e-6
# Samples of the grid, or cells of the source, in memory at a time.
MAX_WORK = 2**24


@dataclass(frozen=True)
class Resampling:
    """How a raster gets onto a grid: one way for the whole grid, so that chunk edges do not show.

    Attributes
    ----------
    method : str
        GDAL's name: ``average`` or ``bilinear`` for continuous rasters, ``mode`` or ``nearest`` for
        classes, depending on which is finer.
    samples : int
        Points per grid cell and side that are averaged (or vote); 1 leaves it to GDAL.
    """

    method: str
    samples: int = 1


def resampling(raster: Raster, grid: Grid) -> Resampling:
    """Area average (classes: mode) where the raster is finer than the grid, bilinear weights
    (classes: nearest cell) where it is coarser.
    """
    ratio = _cells_per_grid_cell(raster, grid)
    if ratio <= 1 + 1e-6 and raster.kind != "share":
        return Resampling("nearest" if raster.kind == "class" else "bilinear")
    samples = 1
    if is_rotated(raster.crs):
        samples = min(
            int(
                np.ceil(
                    SAMPLES_PER_SOURCE_CELL
                    * max(ratio, SHARE_RATIO if raster.kind == "share" else 1) ** 0.5
                )
            ),
            MAX_SAMPLING,
        )
    return Resampling("mode" if raster.kind == "class" else "average", samples)


def align(raster: Raster, grid: Grid, chunk: Chunk, how: Resampling) -> NDArray[np.float32]:
    """One chunk of the grid, resampled from a raster.

    Cells do not depend on the chunk that they are in, so one that needs too much of the source at a
    time is made in parts.

    Parameters
    ----------
    raster : Raster
    grid : Grid
    chunk : Chunk
        Of the grid.
    how : Resampling
        See `resampling`.

    Returns
    -------
    ndarray of shape ``chunk.shape``
        float32, NaN where the raster has no data.
    """
    values = np.full(chunk.shape, np.nan, dtype=np.float32)
    for moved in _turns(raster, grid, chunk):
        np.copyto(values, _align_as_placed(moved, grid, chunk, how), where=np.isnan(values))
    return values


def _turns(raster: Raster, grid: Grid, chunk: Chunk) -> list[Raster]:
    """The raster wherever its longitudes meet those of a chunk: the same place may be called -170
    in one and 190 in the other.
    """
    if raster.period is not None or is_rotated(raster.crs):
        return [raster]
    rows, cols = raster.shape
    longitudes = [
        (raster.transform @ corner)[0] for corner in ((0, 0), (cols, 0), (0, rows), (cols, rows))
    ]
    onto = grid.chunk_transform(chunk)
    west, east = onto.c, onto.c + chunk.shape[1] * onto.a
    first = int(np.floor((west - max(longitudes)) / 360)) + 1
    last = int(np.ceil((east - min(longitudes)) / 360)) - 1
    return [
        replace(raster, transform=raster.transform.translation(360 * turn, 0) @ raster.transform)
        for turn in range(first, last + 1)
    ]


def _align_as_placed(
    raster: Raster, grid: Grid, chunk: Chunk, how: Resampling
) -> NDArray[np.float32]:
    if chunk.shape[0] * chunk.shape[1] * how.samples**2 > MAX_WORK and chunk.shape != (1, 1):
        return _in_halves(raster, grid, chunk, how)
    placement = (
        place(raster.crs, raster.transform, grid, chunk, how.samples)
        if is_rotated(raster.crs)
        else None
    )
    rows, cols = (
        source_window(raster, grid, chunk)
        if placement is None
        else _clipped(raster, placement.bounds())
    )
    if rows is None or cols is None:
        return np.full(chunk.shape, np.nan, dtype=np.float32)
    if (rows.stop - rows.start) * (cols.stop - cols.start) > MAX_WORK and chunk.shape != (1, 1):
        return _in_halves(raster, grid, chunk, how)
    values = raster.window(rows, cols)
    if raster.fill_nearest:
        values = fill_nearest(values, raster.fill_nearest)
    if placement is not None:
        return placement.resample(values, cols.start, rows.start, how.method)
    moved = raster.transform @ raster.transform.translation(cols.start, rows.start)
    onto = grid.chunk_transform(chunk)
    if (first := _first_of_own_cells(raster.crs, moved, onto, chunk.shape)) is not None:
        return _cut(values, first, chunk.shape)
    if how.method in ("average", "mode"):
        values, moved = _framed(values, moved, onto, chunk.shape)
    return _warp(values, raster.crs, moved, onto, chunk.shape, how.method)


def _first_of_own_cells(
    crs: str, transform: Affine, onto: Affine, shape: tuple[int, int]
) -> tuple[int, int] | None:
    """Row and column of a window at which a chunk begins whose cells are those of the window, and
    None where they are others, be it by another datum only.
    """
    corners = np.array([onto @ (0, 0), onto @ (shape[1], shape[0])])
    first, last = np.stack((~transform) @ to_source(crs).transform(*corners.T), axis=1)
    col, row = (int(edge) for edge in np.rint(first))
    away = [*(first - (col, row)), *(last - (col + shape[1], row + shape[0]))]
    return (row, col) if np.abs(away).max() <= _OWN_CELLS else None


def _cut(
    values: NDArray[np.float32], first: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Values of a window from its cell ``first`` on, which may lie outside; NaN beyond it."""
    cut = np.full(shape, np.nan, dtype=np.float32)
    low = [max(0, -start) for start in first]
    high = [
        min(size, there - start)
        for start, size, there in zip(first, shape, values.shape, strict=True)
    ]
    if all(a < b for a, b in zip(low, high, strict=True)):
        there = [slice(start + a, start + b) for start, a, b in zip(first, low, high, strict=True)]
        cut[low[0] : high[0], low[1] : high[1]] = values[tuple(there)]
    return cut


def _framed(
    values: NDArray[np.float32], transform: Affine, onto: Affine, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], Affine]:
    """A window in a frame of missing cells, where it ends within the chunk.

    Of grid cells that a raster covers in part GDAL leaves some out, and gives others beyond it the
    value of its edge.
    """
    inverse = ~transform
    col, row = np.array([inverse @ (onto @ (x, y)) for x in (0, shape[1]) for y in (0, shape[0])]).T
    cell = (
        abs(inverse.a * onto.a) + abs(inverse.b * onto.e),
        abs(inverse.d * onto.a) + abs(inverse.e * onto.e),
    )
    rows, cols = values.shape
    (left, right), (top, bottom) = (
        [int(np.ceil(np.clip(lacking, 0, size))) + MARGIN for lacking in (-at.min(), at.max() - n)]
        if at.min() < 0 or at.max() > n
        else (0, 0)
        for at, n, size in ((col, cols, cell[0]), (row, rows, cell[1]))
    )
    framed = np.pad(values, ((top, bottom), (left, right)), constant_values=np.nan)
    return framed, transform @ transform.translation(-left, -top)


def _in_halves(raster: Raster, grid: Grid, chunk: Chunk, how: Resampling) -> NDArray[np.float32]:
    """A chunk cut across its longer side."""
    rows, cols = chunk.rows, chunk.cols
    if chunk.shape[0] >= chunk.shape[1]:
        middle = (rows.start + rows.stop) // 2
        parts = [
            Chunk(chunk.index, slice(rows.start, middle), cols),
            Chunk(chunk.index, slice(middle, rows.stop), cols),
        ]
    else:
        middle = (cols.start + cols.stop) // 2
        parts = [
            Chunk(chunk.index, rows, slice(cols.start, middle)),
            Chunk(chunk.index, rows, slice(middle, cols.stop)),
        ]
    return np.concatenate(
        [_align_as_placed(raster, grid, part, how) for part in parts],
        axis=0 if chunk.shape[0] >= chunk.shape[1] else 1,
    )


def _warp(
    values: NDArray[np.float32],
    crs: str,
    transform: Affine,
    onto: Affine,
    shape: tuple[int, int],
    method: str,
) -> NDArray[np.float32]:
    """GDAL's warper, in memory, with coordinates exact to a millionth of a source cell."""
    from rasterio.enums import Resampling as Method
    from rasterio.io import MemoryFile
    from rasterio.vrt import WarpedVRT

    rows, cols = values.shape
    profile = {
        "driver": "GTiff",
        "height": rows,
        "width": cols,
        "count": 1,
        "dtype": "float32",
        "nodata": np.nan,
        "crs": crs,
        "transform": transform,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(values, 1)
        # By default GDAL approximates coordinates to an eighth of a source cell, and widens the
        # kernel by the mean scale of the window: both differ from chunk to chunk.
        kernel = {"XSCALE": "1", "YSCALE": "1"} if method in ("bilinear", "nearest") else {}
        target = {
            "crs": "EPSG:4326",
            "transform": onto,
            "height": shape[0],
            "width": shape[1],
            "nodata": np.nan,
        }
        with (
            memory.open() as dataset,
            WarpedVRT(
                dataset, resampling=Method[method], tolerance=1e-6, **target, **kernel
            ) as warped,
        ):
            return warped.read(1)


def source_window(
    raster: Raster, grid: Grid, chunk: Chunk
) -> tuple[slice, slice] | tuple[None, None]:
    """Rows and columns of the raster that a chunk needs, or None where they do not meet.

    Parameters
    ----------
    raster : Raster
    grid : Grid
    chunk : Chunk
        Of the grid.
    """
    lon = np.unique(np.r_[np.linspace(0, chunk.shape[1], 33), chunk.shape[1]])
    lat = np.unique(np.r_[np.linspace(0, chunk.shape[0], 33), chunk.shape[0]])
    transform = grid.chunk_transform(chunk)
    x, y = np.meshgrid(transform.c + lon * transform.a, transform.f + lat * transform.e)
    col, row = _source_position(raster, x.ravel(), y.ravel())
    good = np.isfinite(col) & np.isfinite(row)
    bounds = (
        (col[good].min(), row[good].min(), col[good].max(), row[good].max()) if good.any() else None
    )
    return _clipped(raster, bounds)


def _clipped(
    raster: Raster, bounds: tuple[float, float, float, float] | None
) -> tuple[slice, slice] | tuple[None, None]:
    """Rows and columns between positions (least column and row, largest column and row), with a
    margin.
    """
    if bounds is None:
        return None, None
    margin = MARGIN + raster.fill_nearest
    left, top = (int(np.floor(edge)) - margin for edge in bounds[:2])
    right, bottom = (int(np.ceil(edge)) + margin for edge in bounds[2:])
    top, bottom = max(top, 0), min(bottom, raster.shape[0])
    if raster.period is None:
        left, right = max(left, 0), min(right, raster.shape[1])
    if top >= bottom or left >= right:
        return None, None
    if (
        raster.period is not None
        and (np.arange(left, right) % raster.period >= raster.shape[1]).all()
    ):
        return None, None
    return slice(top, bottom), slice(left, right)


def require_overlap(raster: Raster, grid: Grid) -> None:
    """Refuse a raster that covers no part of the grid."""
    rows, columns = grid.shape
    whole = Chunk((0, 0), slice(0, rows), slice(0, columns))
    if all(source_window(one, grid, whole) == (None, None) for one in _turns(raster, grid, whole)):
        raise IcemapError(
            f"The source '{raster.name}' covers no part of the grid ({grid.west:g} to {grid.east:g}"
            f" E, {grid.south:g} to {grid.north:g} N): check its coordinates and its 'crs' in the"
            " catalogue, or change the grid."
        )


def fill_nearest(values: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Give gaps the value of the nearest cell, up to a distance in cells."""
    from scipy.ndimage import distance_transform_edt

    gap = np.isnan(values)
    if not gap.any() or gap.all():
        return values
    distance, (row, col) = distance_transform_edt(gap, return_indices=True)
    return np.where(distance <= cells, values[row, col], values).astype(np.float32, copy=False)


def _source_position(
    raster: Raster, lon: NDArray[Any], lat: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = to_source(raster.crs).transform(lon, lat) if is_rotated(raster.crs) else (lon, lat)
    return (~raster.transform) @ (np.asarray(x), np.asarray(y))


def _cells_per_grid_cell(raster: Raster, grid: Grid) -> float:
    """Median over the grid of the number of source cells in a grid cell."""
    half = 0.5 * grid.resolution
    lon, lat = (
        a.ravel()
        for a in np.meshgrid(
            np.linspace(grid.west + half, grid.east - half, 25),
            np.linspace(grid.south + half, grid.north - half, 25),
        )
    )
    east = np.array(_source_position(raster, lon + 0.5 * half, lat)) - np.array(
        _source_position(raster, lon - 0.5 * half, lat)
    )
    north = np.array(_source_position(raster, lon, lat + 0.5 * half)) - np.array(
        _source_position(raster, lon, lat - 0.5 * half)
    )
    cells = 4 * np.abs(east[0] * north[1] - east[1] * north[0])
    cells = cells[np.isfinite(cells)]
    return float(np.median(cells)) if cells.size else 0.0
