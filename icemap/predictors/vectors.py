"""Polygons of any CRS as a raster fine enough for a grid, burnt window by window.

The polygons stay in their own CRS, and the raster made of them is warped as any other: a pole
inside a polygon or a date line across one needs no care there. In longitude and latitude a polygon
may be drawn across the date line in any of the usual ways: cut at it, beyond 180 degrees, or
jumping from 180 to -180.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.attributes import burnt_value, require_attribute
from icemap.predictors.frames import Frame, frame_of
from icemap.predictors.georeference import require_crs
from icemap.predictors.suffixes import suffix_of
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
            _read(self.source, self.path, columns, bbox=_in_file(one, self.frame)) for one in near
        ]
        if self.jumping:
            read.append(_read(self.source, self.path, columns, fids=list(self.jumping)))
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

    from icemap.predictors.stamps import file_stamps

    rasterize = source.rasterize
    assert rasterize is not None
    about = _facts(source.model_dump_json(), path, file_stamps(source))
    named = require_crs(source, source.crs or about["crs"])
    frame = frame_of(named, f"The source '{source.name}' ({source.url})")
    crs = frame.crs
    geographic, metres = _unit_of(crs, source)
    fine = grid.resolution / rasterize.samples
    outside = (
        0.0
        if rasterize.into == "fraction"
        else np.nan
        if source.fill_value is None
        else source.fill_value
    )
    if geographic:
        # The lattice of the grid, round the globe, so that a grid cell holds whole cells of it.
        around = round(360 / fine)
        step = 360 / around
        top = grid.north + np.ceil((90 - grid.north) / step) * step
        rows = int(np.ceil((top + 90) / step))
        west, south, east, north = about["bounds"]
        bounds = (*_to_greenwich(west, south, frame), *_to_greenwich(east, north, frame))
        lattice = Affine(step, 0, grid.west, 0, -step, top)
        return Layer(
            source,
            path,
            crs,
            bounds,
            about["wide"],
            lattice,
            (rows, around),
            360.0,
            float(outside),
            frame,
        )
    step = fine * KILOMETRES_PER_DEGREE * 1000 / metres
    west, south, east, north = about["bounds"]
    # What is outside is known to be so one grid cell beyond the last polygon.
    margin = 2 * rasterize.samples
    left, top = np.floor(west / step) - margin, np.ceil(north / step) + margin
    shape = (int(top - np.floor(south / step)) + margin, int(np.ceil(east / step) - left) + margin)
    return Layer(
        source,
        path,
        crs,
        about["bounds"],
        (),
        Affine(step, 0, left * step, 0, -step, top * step),
        shape,
        None,
        float(outside),
        frame,
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
    _, _, values = _read(source, path, [rasterize.attribute], read_geometry=False)
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


def unwrapped(geometry: Any, *, keep_boxes: bool = True) -> Any:
    """A polygon whose rings do not jump: an edge longer than half the globe is taken for one across
    the date line.

    With ``keep_boxes``, edges all the way from -180 to 180 stay, as they bound a box round the
    globe.
    """
    import shapely

    if geometry.bounds[2] - geometry.bounds[0] <= 180:
        return geometry

    def straight(ring: Any) -> NDArray[np.float64]:
        points = shapely.get_coordinates(ring)
        jump = np.diff(points[:, 0])
        turn = np.where(
            (np.abs(jump) > 180) & ((np.abs(jump) < 359) | (not keep_boxes)),
            -360 * np.sign(jump),
            0,
        ).cumsum()
        points[1:, 0] += turn
        around = round(points[-1, 0] - points[0, 0])
        if abs(around) == 360:
            # A ring that does not come back goes round the pole on its side of the equator.
            pole = np.copysign(90.0, points[:, 1].mean())
            points = np.concatenate(
                [points, [[points[-1, 0], pole], [points[0, 0], pole], points[0]]]
            )
        return np.asarray(points)

    parts = []
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon" and part.bounds[2] - part.bounds[0] > 180:
            shell = straight(part.exterior)
            holes = []
            for hole in part.interiors:
                points = straight(hole)
                # A hole is drawn on the same turn as what it is in.
                middle = (points[:, 0].min() + points[:, 0].max()) / 2
                shift = [
                    turn
                    for turn in (0, 360, -360)
                    if shell[:, 0].min() <= middle + turn <= shell[:, 0].max()
                ]
                points[:, 0] += shift[0] if shift else 0
                holes.append(points)
            part = shapely.Polygon(shell, holes)
        parts.append(part)
    return parts[0] if len(parts) == 1 else shapely.GeometryCollection(parts)


@lru_cache(maxsize=64)
def _facts(source_json: str, path: str, stamps: tuple[str, ...]) -> Mapping[str, Any]:
    """Headers and bounds, read once per process as long as the files stay the same."""
    import pyogrio

    source = Source.model_validate_json(source_json)
    rasterize = source.rasterize
    assert rasterize is not None
    with _reading(source):
        # QGIS keeps its styles in a layer without shapes.
        layers = [
            str(name)
            for name, kind in pyogrio.list_layers(path)
            if kind is not None or rasterize.layer == str(name)
        ]
        if rasterize.layer is None and len(layers) > 1:
            raise IcemapError(
                f"The source '{source.name}': {source.url} has the layers {', '.join(layers)}; name"
                " one as 'rasterize.layer' in the catalogue."
            )
        if rasterize.layer is not None and rasterize.layer not in layers:
            raise IcemapError(
                f"The source '{source.name}': {source.url} has no layer '{rasterize.layer}', it has"
                f" {', '.join(layers)}."
            )
        info = pyogrio.read_info(path, layer=rasterize.layer or layers[0])
    drawn = str(info["geometry_type"])
    # A line covers nothing, but it can be told which points it passes.
    lines = rasterize.into == "fraction" and "LineString" in drawn
    if (
        not lines
        and "Polygon" not in drawn
        and drawn not in ("Unknown", "GeometryCollection", "Geometry")
    ):
        raise IcemapError(
            f"The source '{source.name}': {source.url} holds {drawn}, but only polygons can be"
            " rasterized, or lines into 'fraction'."
        )
    fields = [str(name) for name in info["fields"]]
    if rasterize.attribute is not None and rasterize.attribute not in fields:
        raise IcemapError(
            f"The source '{source.name}': {source.url} has no attribute '{rasterize.attribute}', it"
            f" has {', '.join(fields) or 'none'}."
        )
    with _reading(source):
        ids, bounds = pyogrio.read_bounds(path, layer=rasterize.layer or 0)
    there = np.isfinite(bounds).all(axis=0)
    if not there.any():
        raise IcemapError(f"The source '{source.name}': {source.url} holds no polygons.")
    west, south, east, north = bounds[:, there]
    box = (float(west.min()), float(south.min()), float(east.max()), float(north.max()))
    return {
        "crs": info["crs"],
        "bounds": box,
        "wide": tuple(int(key) for key in ids[there][east - west > 180]),
    }


def _read(source: Source, path: str, columns: list[str], **which: Any) -> tuple[Any, Any, Any]:
    """Feature numbers, WKB shapes and columns."""
    from pyogrio.raw import read

    assert source.rasterize is not None
    with _reading(source):
        _, ids, shapes, values = read(
            path,
            layer=source.rasterize.layer or 0,
            columns=columns,
            return_fids=True,
            force_2d=True,
            **which,
        )
    return ids, shapes, values


def _unit_of(crs: str, source: Source) -> tuple[bool, float]:
    """Whether a CRS is geographic, and the length of its unit in metres."""
    import pyproj

    try:
        parsed = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise IcemapError(
            f"The source '{source.name}': '{crs}' is not a CRS: give a code such as EPSG:4326 in"
            " the catalogue."
        ) from error
    return bool(parsed.is_geographic), (
        1.0 if parsed.is_geographic else float(parsed.axis_info[0].unit_conversion_factor)
    )


@contextmanager
def _reading(source: Source) -> Iterator[None]:
    """Turn what GDAL says of a vector file into one sentence."""
    import pyogrio

    try:
        yield
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
    ) as error:
        if suffix_of(source.url) in (".parquet", ".geoparquet"):
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) is GeoParquet, which GDAL does not read"
                " here: save it as a GeoPackage, with"
                " geopandas.read_parquet(...).to_file('a.gpkg') or ogr2ogr."
            ) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = lines[0].rstrip(".")
        raise IcemapError(
            f"The source '{source.name}' cannot be read: {source.url} is not a vector file that"
            f" GDAL knows, or broken ({said})."
        ) from error
