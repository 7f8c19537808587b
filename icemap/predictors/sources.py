"""Open what the catalogue names: rasters that GDAL or xarray reads, and polygons."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.array_source import open_array, open_tiles
from icemap.predictors.gdal_access import gdal_environment, gdal_path
from icemap.predictors.gdal_source import open_gdal
from icemap.predictors.georeference import require_agreeing_crs
from icemap.predictors.raster import Raster

# Scripts ask for what changes with the files of a source next to what opens it.
from icemap.predictors.stamps import file_stamps as file_stamps
from icemap.predictors.suffixes import VECTOR_SUFFIXES, is_for_xarray, suffix_of
from icemap.source import Source
from icemap.store import exists, is_remote

if TYPE_CHECKING:
    from icemap.predictors.vectors import Layer


@contextmanager
def open_source(source: Source, grid: Grid) -> Any:
    """Open a source as a `Raster`, closed on leaving; polygons become one as fine as the grid
    needs.

    Raises
    ------
    IcemapError
        If the file is missing or broken, has no CRS, a CRS that its coordinates deny, or dimensions
        that the catalogue does not resolve.
    """
    _require_files(source)
    suffix = suffix_of(source.url)
    if source.rasterize is not None:
        yield _polygons(open_layer_of(source, grid))
        return
    if suffix in VECTOR_SUFFIXES:
        _require_no_raster(source)
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) holds polygons: say with 'rasterize' in the"
            " catalogue what they become."
        )
    for_xarray = is_for_xarray(source.parts[0] if source.parts else source.url)
    opener = open_gdal if not for_xarray else open_tiles if source.parts else open_array
    with opener(source) as raster:
        rows, cols = raster.shape
        require_agreeing_crs(
            source,
            raster.crs,
            np.array([raster.transform @ corner for corner in ((0, 0), (cols, rows))]),
            abs(raster.transform.e),
        )
        yield raster


def _require_files(source: Source) -> None:
    for path in source.files:
        if not is_remote(path) and not exists(path):
            raise IcemapError(
                f"The source '{source.name}' is not there: no file {path}. Correct its url in the"
                " catalogue."
            )


def open_layer_of(source: Source, grid: Grid) -> Layer:
    """The polygons of a source that has ``rasterize``."""
    from icemap.predictors.vectors import open_layer

    _require_files(source)
    if source.parts:
        raise IcemapError(
            f"The source '{source.name}' lists {len(source.parts)} files, but polygons lie in one:"
            " join them first, for example with ogrmerge."
        )
    if is_remote(source.url):
        import pyogrio

        pyogrio.set_gdal_config_options(gdal_environment())
    layer = open_layer(source, grid, gdal_path(source.url))
    require_agreeing_crs(source, layer.crs, np.array(layer.bounds).reshape(2, 2), 0)
    return layer


def _polygons(layer: Layer) -> Raster:
    assert layer.source.rasterize is not None
    kinds: dict[str, Literal["share", "class", "continuous"]] = {
        "fraction": "share",
        "class": "class",
        "value": "continuous",
    }
    period = None if layer.period is None else layer.shape[1]
    return Raster(
        layer.source.name,
        layer.crs,
        layer.transform,
        layer.shape,
        period,
        kinds[layer.source.rasterize.into],
        layer.read,
    )


def _require_no_raster(source: Source) -> None:
    """Refuse a GeoPackage of rasters alone, which has no polygons to be rasterized."""
    import pyogrio
    import rasterio

    path = gdal_path(source.url)
    try:
        pyogrio.list_layers(path)
    except pyogrio.errors.DataSourceError:
        try:
            rasterio.open(path).close()
        except rasterio.errors.RasterioIOError:
            return
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) is a raster in a GeoPackage, and those are"
            " taken for polygons here: make a GeoTIFF of it (gdal_translate)."
        ) from None
