"""Zones that a user brings: polygons of any vector file, and how much of each cell of a grid they
cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError, first_line
from icemap.grid import Grid
from icemap.predictors.date_line import unwrapped
from icemap.store import local_copy

if TYPE_CHECKING:
    import geopandas as gpd

SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".zip")
# Vertices of an edge in a projected CRS, so that it keeps its course in longitude and latitude.
EDGE_METRES = 20_000
# A grid may go on to 540 degrees east, a zone begin west of -180.
TURNS = (-360.0, 0.0, 360.0, 720.0)


@dataclass(frozen=True)
class Zone:
    """A named polygon in longitude and latitude; across the date line it goes on beyond 180
    degrees.
    """

    name: str
    geometry: Any

    def coverage(self, grid: Grid, rows: slice, cols: slice) -> NDArray[np.float64]:
        """Part of each cell of a window that is inside, exact in the plane of longitude and
        latitude, shape (rows, columns).

        Parameters
        ----------
        grid : Grid
        rows, cols : slice
            Window of the grid.
        """
        import shapely
        from shapely.affinity import translate

        shape = (rows.stop - rows.start, cols.stop - cols.start)
        found = np.zeros(shape)
        (west, north), (east, south) = (
            grid.transform @ (cols.start, rows.start),
            grid.transform @ (cols.stop, rows.stop),
        )
        for turn in TURNS:
            left, bottom, right, top = self.geometry.bounds
            if left + turn >= east or right + turn <= west or bottom >= north or top <= south:
                continue
            # Clipped first: a long coast is then not walked along for every window.
            piece = _polygons(
                shapely.clip_by_rect(translate(self.geometry, turn), west, south, east, north)
            )
            if piece.area > 0:
                found += _coverage(
                    shapely.transform(piece, _rounded), (west, south, east, north), shape
                )
        return np.minimum(found, 1.0)


def _coverage(
    geometry: Any, box: tuple[float, float, float, float], shape: tuple[int, int]
) -> NDArray[np.float64]:
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource
    from shapely.geometry import mapping

    west, south, east, north = box
    raster = NumPyRasterSource(
        np.broadcast_to(np.float32(1), shape), xmin=west, ymin=south, xmax=east, ymax=north
    )
    feature = {"type": "Feature", "geometry": mapping(geometry), "properties": {}}
    cells = exact_extract(raster, [feature], ["cell_id", "coverage"])[0]["properties"]
    covered = np.zeros(shape)
    covered.ravel()[np.asarray(cells["cell_id"], dtype=int)] = cells["coverage"]
    return covered


def _require_exactextract() -> None:
    if find_spec("exactextract") is None:
        raise IcemapError(
            "Totals of polygons need the package exactextract: pip install 'icemap[polygons]'."
            " Totals by the classes of a raster (--zones) do without it."
        )


def read_zones(url: str, attribute: str | None = None, layer: str | None = None) -> list[Zone]:
    """Polygons of a GeoPackage, GeoJSON or anything else that GDAL reads, in any CRS; those of one
    name are one zone.

    Parameters
    ----------
    url : str
    attribute : str, optional
        Column that names the zones. When left out: the first column of words that names each
        polygon differently, else their numbers from 1.
    layer : str, optional
        Of a file with several layers.

    Raises
    ------
    IcemapError
        If the package exactextract is missing, or the file cannot be read, has no CRS, no polygons,
        no such attribute or layer, or several layers of which none is named.
    """
    import shapely

    _require_exactextract()
    table = _read(url, layer)
    names = _names(table, attribute, url)
    if table.crs is None:
        raise IcemapError(f"{url} has no CRS: save it with one, such as EPSG:4326.")
    kinds = sorted(set(table.geometry.geom_type) - {"Polygon", "MultiPolygon"})
    if kinds:
        raise IcemapError(f"{url} holds {', '.join(kinds)}, but a zone needs polygons.")
    projected = not table.crs.is_geographic
    if projected:
        table = table.set_geometry(
            table.geometry.segmentize(EDGE_METRES / table.crs.axis_info[0].unit_conversion_factor)
        )
    parts: dict[str, list[Any]] = {}
    for name, geometry in zip(names, table.to_crs("EPSG:4326").geometry):
        parts.setdefault(name, []).append(
            shapely.make_valid(unwrapped(geometry, keep_boxes=not projected))
        )
    return [Zone(name, _dissolved(shapes)) for name, shapes in parts.items()]


def _read(url: str, layer: str | None) -> gpd.GeoDataFrame:
    import geopandas as gpd
    import pyogrio

    try:
        with local_copy(url) as path:
            table = gpd.read_file(path, layer=_layer(url, path, layer))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise IcemapError(
            f"{url} is not a vector file that GDAL knows, or it is broken: {first_line(error)}."
        ) from error
    if not isinstance(table, gpd.GeoDataFrame):
        raise IcemapError(f"{url} holds a table without shapes: give a file of polygons.")
    table = table[table.geometry.notna() & ~table.geometry.is_empty]
    if table.empty:
        raise IcemapError(f"{url} holds no polygons.")
    return table


def _layer(url: str, path: Any, wanted: str | None) -> str | int:
    """The layer to read: the one named, or the only one with shapes."""
    import pyogrio

    # QGIS keeps its styles in a layer without shapes.
    layers = {str(name): kind is not None for name, kind in pyogrio.list_layers(path)}
    if wanted is not None:
        if wanted not in layers:
            raise IcemapError(f"{url} has no layer '{wanted}', it has {', '.join(layers)}.")
        return wanted
    drawn = [name for name, has_shapes in layers.items() if has_shapes]
    if len(drawn) > 1:
        raise IcemapError(
            f"{url} has the layers {', '.join(drawn)}: name one with --layer, or as 'layer' in"
            " Python."
        )
    return drawn[0] if drawn else 0


def _names(table: gpd.GeoDataFrame, attribute: str | None, url: str) -> Sequence[str]:
    columns = [str(name) for name in table.columns if name != table.geometry.name]
    if attribute is not None:
        if attribute not in columns:
            raise IcemapError(
                f"{url} has no attribute '{attribute}': it has {', '.join(columns) or 'none'}."
            )
        return [str(value) for value in table[attribute]]
    words = [
        name
        for name in columns
        if table[name].map(lambda value: isinstance(value, str)).all() and table[name].is_unique
    ]
    return (
        [str(value) for value in table[words[0]]]
        if words
        else [str(number) for number in range(1, len(table) + 1)]
    )


def _dissolved(shapes: list[Any]) -> Any:
    import shapely

    return _polygons(shapely.union_all(shapes) if len(shapes) > 1 else shapes[0])


def _polygons(geometry: Any) -> Any:
    """The polygons of what a repair or a clip left, without its lines and points."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def _rounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    # A tenth of a millimetre: a vertex closer to a cell's edge than that, but not on it, makes
    # exactextract lose the cell.
    return np.round(points, 9)
