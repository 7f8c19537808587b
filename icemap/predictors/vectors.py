"""Polygons of any CRS as a raster fine enough for a grid, burnt window by window.

The polygons stay in their own CRS, and the raster made of them is warped as any other: a pole
inside a polygon or a date line across one needs no care there. In longitude and latitude a polygon
may be drawn across the date line in any of the usual ways: cut at it, beyond 180 degrees, or
jumping from 180 to -180.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.attributes import burnt_value, require_attribute
from icemap.predictors.date_line import unwrapped
from icemap.predictors.frames import Frame, frame_of
from icemap.predictors.georeference import require_crs
from icemap.predictors.vector_files import layer_facts, read_features
from icemap.source import Source

if TYPE_CHECKING:
    from affine import Affine

KILOMETRES_PER_DEGREE = 111.2
# A grid may go on to 540 degrees east, a polygon begin west of -180.
_TURNS = (-360.0, 0.0, 360.0, 720.0)


@dataclass(frozen=True)
class Layer:
    """Polygons of one layer, read by box.

    Attributes
    ----------
    bounds : (west, south, east, north)
        In the CRS of the layer.
    jumping : tuple of int
        Numbers of the polygons that may jump across the date line: their own bounds do not say
        where they lie.
    transform, shape : Affine, (int, int)
        Of the raster.
    period : float or None
        Coordinates repeat after this: 360 in longitude and latitude.
    outside : float
        Value of points in no polygon.
    frame : Frame
        Where the longitudes of the file are counted from, and in what.
    """

    source: Source
    path: str
    crs: str
    bounds: tuple[float, float, float, float]
    jumping: tuple[int, ...]
    transform: Affine
    shape: tuple[int, int]
    period: float | None
    outside: float
    frame: Frame

    def read(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Burn the polygons that a window meets; where they overlap, the last in the file
        counts.
        """
        from rasterio.features import rasterize

        shape = (rows.stop - rows.start, cols.stop - cols.start)
        transform = self.transform @ self.transform.translation(cols.start, rows.start)
        (west, north), (east, south) = transform @ (0, 0), transform @ (shape[1], shape[0])
        shapes = list(self._shapes((west, south, east, north)))
        if not shapes:
            return np.full(shape, self.outside, dtype=np.float32)
        return np.asarray(
            rasterize(shapes, shape, fill=self.outside, transform=transform, dtype="float32")
        )

    def _shapes(self, box: tuple[float, float, float, float]) -> Iterator[tuple[Any, float]]:
        import shapely
        from shapely.affinity import translate

        window = shapely.box(*box)
        for geometry, value in self._polygons(box):
            if self.period is None:
                yield geometry, value
                continue
            whole = unwrapped(_from_greenwich(geometry, self.frame))
            for turn in _TURNS:
                moved = translate(whole, turn)
                if shapely.box(*moved.bounds).intersects(window):
                    yield moved, value

    def _polygons(self, box: tuple[float, float, float, float]) -> list[tuple[Any, float]]:
        import shapely

        rasterize = self.source.rasterize
        assert rasterize is not None
        columns = [rasterize.attribute] if rasterize.attribute else []
        west, south, east, north = box
        turns = (0.0,) if self.period is None else _TURNS
        near = [
            (west + turn, south, east + turn, north)
            for turn in turns
            if west + turn <= self.bounds[2] and east + turn >= self.bounds[0]
        ]
        read = [
            read_features(self.source, self.path, columns, bbox=_in_file(one, self.frame))
            for one in near
        ]
        if self.jumping:
            read.append(read_features(self.source, self.path, columns, fids=list(self.jumping)))
        found: dict[int, tuple[Any, float]] = {}
        for ids, shapes, values in read:
            for key, geometry, value in zip(
                ids, shapely.from_wkb(shapes), values[0] if values else np.ones(len(ids))
            ):
                number = burnt_value(value, self.source)
                if geometry is not None and not geometry.is_empty and number is not None:
                    self._require_area(geometry)
                    found[int(key)] = (geometry, number)
        return [found[key] for key in sorted(found)]

    def _require_area(self, geometry: Any) -> None:
        """Refuse points, and lines but for fractions, among polygons: GDAL burns cells of them."""
        import shapely

        assert self.source.rasterize is not None
        least = 1 if self.source.rasterize.into == "fraction" else 2
        if shapely.get_dimensions(geometry) < least:
            raise IcemapError(
                f"The source '{self.source.name}': {self.source.url} holds a {geometry.geom_type}"
                " among its polygons, which covers nothing: leave such shapes out of the file"
                " (ogr2ogr -where \"OGR_GEOMETRY='POLYGON'\")."
            )


def open_layer(source: Source, grid: Grid, path: str) -> Layer:
    """The layer as a raster with at least ``samples`` cells to a grid cell and side.

    Parameters
    ----------
    source : Source
    grid : Grid
    path : str
        Of the local file.

    Raises
    ------
    IcemapError
        If the file, layer or attribute is not there, has no CRS, holds no polygons, or its
        attribute does not fit.
    """
    from affine import Affine
    from pyproj import CRS

    rasterize = source.rasterize
    assert rasterize is not None
    facts = layer_facts(source, path)
    frame = frame_of(
        require_crs(source, source.crs or facts.crs), f"The source '{source.name}' ({source.url})"
    )
    crs = CRS.from_user_input(frame.crs)
    fine = grid.resolution / rasterize.samples
    west, south, east, north = facts.bounds
    if crs.is_geographic:
        # The lattice of the grid, round the globe, so that a grid cell holds whole cells of it.
        around = round(360 / fine)
        step = 360 / around
        top = grid.north + np.ceil((90 - grid.north) / step) * step
        shape = int(np.ceil((top + 90) / step)), around
        bounds = (*_to_greenwich(west, south, frame), *_to_greenwich(east, north, frame))
        lattice = Affine(step, 0, grid.west, 0, -step, top)
    else:
        metres = float(crs.axis_info[0].unit_conversion_factor)
        step = fine * KILOMETRES_PER_DEGREE * 1000 / metres
        # What is outside is known to be so one grid cell beyond the last polygon.
        margin = 2 * rasterize.samples
        left, top = np.floor(west / step) - margin, np.ceil(north / step) + margin
        rows = int(top - np.floor(south / step)) + margin
        shape = rows, int(np.ceil(east / step) - left) + margin
        bounds = facts.bounds
        lattice = Affine(step, 0, left * step, 0, -step, top * step)
    if rasterize.into == "fraction":
        outside = 0.0
    else:
        outside = float("nan") if source.fill_value is None else float(source.fill_value)
    return Layer(
        source=source,
        path=path,
        crs=frame.crs,
        bounds=bounds,
        jumping=facts.wide if crs.is_geographic else (),
        transform=lattice,
        shape=shape,
        period=360.0 if crs.is_geographic else None,
        outside=outside,
        frame=frame,
    )


def require_layer(layer: Layer, grid: Grid) -> NDArray[np.float64]:
    """Refuse polygons that the grid does not meet, and an attribute that cannot be burnt; reads the
    whole column, so it is for planning.

    Returns
    -------
    ndarray of shape (polygons,)
        Their values in the unit of the catalogue; empty if they become something else.

    Raises
    ------
    IcemapError
        Names the source, the attribute and the value.
    """
    source, path = layer.source, layer.path
    rasterize = source.rasterize
    assert rasterize is not None
    if layer.period is not None:
        west, south, east, north = layer.bounds
        outside = not layer.jumping and all(
            west + turn > grid.east or east + turn < grid.west for turn in _TURNS
        )
        if outside or south > grid.north or north < grid.south:
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) covers no part of the grid: check its"
                " coordinates and its 'crs', or change the grid."
            )
    if rasterize.attribute is None:
        return np.empty(0)
    _, _, values = read_features(source, path, [rasterize.attribute], read_geometry=False)
    return require_attribute(source, values[0])


def _to_greenwich(x: float, y: float, frame: Frame) -> tuple[float, float]:
    return x * frame.degrees + frame.meridian, y * frame.degrees


def _in_file(
    box: tuple[float, float, float, float], frame: Frame
) -> tuple[float, float, float, float]:
    """A box of degrees from Greenwich in the coordinates of the file."""
    west, south, east, north = box
    left, right = ((x - frame.meridian) / frame.degrees for x in (west, east))
    return left, south / frame.degrees, right, north / frame.degrees


def _from_greenwich(geometry: Any, frame: Frame) -> Any:
    from shapely.affinity import affine_transform

    if frame.degrees == 1 and not frame.meridian:
        return geometry
    return affine_transform(geometry, [frame.degrees, 0, 0, frame.degrees, frame.meridian, 0])
