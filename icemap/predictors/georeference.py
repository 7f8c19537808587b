"""Where a raster is: its CRS, and whether its coordinates agree with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.frames import frame_of
from icemap.predictors.raster import Raster
from icemap.predictors.reprojection import is_rotated
from icemap.source import Source

if TYPE_CHECKING:
    from affine import Affine


def require_crs(source: Source, crs: str | None) -> str:
    """The CRS that the catalogue or the file names; refused where neither does."""
    if crs is None:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has no CRS: add 'crs' to its entry in the"
            " catalogue, for example EPSG:4326."
        )
    return crs


def require_georeference(source: Source, transform: Affine) -> None:
    """Refuse cells that are only counted."""
    if transform.is_identity:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has no georeference: its cells are at no"
            " place. Give it one with gdal_translate -a_ullr, or with gdalwarp where it has control"
            " points."
        )


def placed_raster(
    source: Source,
    crs: str,
    transform: Affine,
    shape: tuple[int, int],
    read: Callable[[slice, slice], NDArray[np.float32]],
    note: str = "",
) -> Raster:
    """A raster whose place on Earth is understood.

    Parameters
    ----------
    source : Source
    crs : str
        As the file or the catalogue names it.
    transform : Affine
        Of the file; in its own angles and from its own meridian.
    shape : (int, int)
        Rows and columns.
    read : callable
        Values of a window, ``read(rows, cols)``.
    note : str
        What was converted.

    Raises
    ------
    IcemapError
        If the cells are at no place, or in a CRS that cannot be used.
    """
    who = f"The source '{source.name}' ({source.url})"
    require_georeference(source, transform)
    frame = frame_of(crs, who)
    crs = frame.crs
    geographic = not is_rotated(crs)
    if frame.degrees != 1 or frame.meridian:
        transform = (
            transform.translation(frame.meridian, 0) @ transform.scale(frame.degrees) @ transform
        )
    elif not geographic and transform.c >= 180 and _counts_degrees(crs):
        # Round a rotated pole PROJ counts from -180.
        transform = transform.translation(-360, 0) @ transform
    around = round(360 / transform.a) if geographic and transform.a > 0 else 0
    whole = around and abs(around * transform.a - 360) < 0.01 * transform.a * around**0.5
    # Or part of the way, in longitudes that the grid calls otherwise.
    elsewhere = transform.c < -180 or transform.c + shape[1] * transform.a > 180
    goes_round = whole and (shape[1] >= around or elsewhere)
    kind = "share" if source.fraction_of else source.kind or "continuous"
    return Raster(
        source.name,
        crs,
        transform,
        shape,
        around if goes_round else None,
        kind,
        read,
        source.fill_nearest,
        source.classes,
        note,
    )


def _counts_degrees(crs: str) -> bool:
    import pyproj

    return bool(pyproj.CRS.from_user_input(crs).is_geographic)


def require_agreeing_crs(
    source: Source, named: str, corners: NDArray[np.float64], cell: float
) -> None:
    """A CRS that the coordinates deny is refused, not warped to nonsense.

    Parameters
    ----------
    source : Source
    named : str
        The CRS.
    corners : ndarray of shape (2, 2)
        Two opposite corners, x and y of each.
    cell : float
        Side of a cell, by which coordinates may go beyond the globe.

    Raises
    ------
    IcemapError
        Naming what contradicts what.
    """
    import pyproj

    crs = pyproj.CRS.from_user_input(named)
    largest, extent = np.abs(corners).max(axis=0), np.abs(corners[1] - corners[0])
    if crs.is_geographic and largest[0] <= 91 + cell < largest[1] <= 360 + cell:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has latitudes up to {largest[1]:g} and"
            f" longitudes of at most {largest[0]:g}: its axes are swapped; name them as 'x' and 'y'"
            " in the catalogue, or turn the file with gdal_translate or xarray."
        )
    if crs.is_geographic and (largest[0] > 720 or largest[1] > 91 + cell):
        wrong = "its coordinates are too large for degrees"
    elif crs.is_projected and largest.max() <= 720 and extent.max() > 1:
        wrong = "its coordinates look like degrees"
    else:
        return
    raise IcemapError(
        f"The source '{source.name}' ({source.url}) is said to be in {crs.name}, but {wrong}:"
        " correct 'crs' in the catalogue."
    )
