"""Polygons of classes as a map of classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from icemap.comparison.class_maps import ClassMap
from icemap.comparison.classes import ClassTable
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import require_overlap
from icemap.predictors.gdal_access import gdal_path
from icemap.predictors.sources import open_layer_of, open_source
from icemap.predictors.vectors import require_layer
from icemap.source import Rasterize, Source

if TYPE_CHECKING:
    import geopandas as gpd


@contextmanager
def open_polygons(
    source: Source, grid: Grid, table: ClassTable, attribute: str | None
) -> Iterator[ClassMap]:
    """Polygons as a raster of positions in the table, whatever their codes look like.

    Parameters
    ----------
    source : Source
    grid : Grid
        Of the run.
    table : ClassTable
        What the classes hold.
    attribute : str, optional
        Column of the codes, where the source does not say it.

    Raises
    ------
    IcemapError
        If no column is named, or it holds a code that the table does not have.
    """
    layer = None
    if source.rasterize is not None:
        layer, attribute = source.rasterize.layer, attribute or source.rasterize.attribute
    if attribute is None:
        raise IcemapError(
            f"{source.name} holds polygons: name the column with the codes of the table with"
            " --attribute."
        )
    names = {k: one.name for k, one in enumerate(table.classes)}
    rasterize = Rasterize(into="class", attribute=attribute, layer=layer)
    update = {"kind": "class", "classes": names, "rasterize": rasterize, "fraction_of": ()}
    source = source.model_copy(update=update)
    open_layer_of(source, grid)  # which says what is wrong with the file
    shapes = _read_shapes(source, layer)
    positions = {one.code: k for k, one in enumerate(table.classes)}
    written: dict[str, int] = {}
    for value in shapes[attribute].dropna().unique():
        code = _as_code(value)
        if code not in positions:
            raise IcemapError(
                f"{source.name} holds '{code}' in '{attribute}', which {table.file} does not have:"
                " add a row for it, without numbers if the class holds no ice."
            )
        written[str(value)] = positions[code]
    rasterize = rasterize.model_copy(update={"codes": written})
    source = source.model_copy(update={"rasterize": rasterize})
    require_layer(open_layer_of(source, grid), grid)
    with open_source(source, grid) as raster:
        require_overlap(raster, grid)
        yield ClassMap(
            raster,
            grid,
            table,
            table.ice,
            table.depth,
            lambda values: np.where(np.isfinite(values), values, -1).astype(np.int64),
            cache(lambda: _shape_areas(shapes, attribute)),
            "polygons of classes",
        )


def _read_shapes(source: Source, layer: str | None) -> gpd.GeoDataFrame:
    import geopandas as gpd

    shapes = gpd.read_file(gdal_path(source.url), **({} if layer is None else {"layer": layer}))
    if source.crs is not None:
        shapes = shapes.set_crs(source.crs, allow_override=True)
    return shapes[shapes.geometry.notna() & ~shapes.geometry.is_empty]


def _as_code(value: object) -> str:
    """A value of an attribute as a table writes it: 3.0 is the code 3."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _shape_areas(shapes: gpd.GeoDataFrame, attribute: str) -> dict[str, float]:
    """Area of the polygons of each code on the ellipsoid, km2."""
    # Around the pole neither the date line nor the pole itself needs care.
    edge = (
        0.2 if shapes.crs.is_geographic else 20_000 / shapes.crs.axis_info[0].unit_conversion_factor
    )
    north = shapes.set_geometry(shapes.geometry.segmentize(edge)).to_crs(
        "+proj=laea +lat_0=90 +datum=WGS84"
    )
    area = north.geometry.make_valid().area / 1e6
    return {
        str(code): float(km2)
        for code, km2 in area.groupby(shapes[attribute].map(_as_code)).sum().items()
    }
