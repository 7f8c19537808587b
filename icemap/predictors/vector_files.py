"""What a vector file holds, as GDAL reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from icemap.errors import IcemapError
from icemap.predictors.stamps import file_stamps
from icemap.predictors.suffixes import suffix_of
from icemap.source import Source


@dataclass(frozen=True)
class LayerFacts:
    """Of the polygons of one layer.

    Attributes
    ----------
    crs : str or None
        As the file says it.
    bounds : (west, south, east, north)
        In the CRS of the layer.
    wide : tuple of int
        Numbers of the polygons that are wider than 180 units.
    """

    crs: str | None
    bounds: tuple[float, float, float, float]
    wide: tuple[int, ...]


def layer_facts(source: Source, path: str) -> LayerFacts:
    """Headers and bounds, read once per process as long as the files stay the same.

    Parameters
    ----------
    source : Source
        With ``rasterize``.
    path : str
        Of the local file.

    Raises
    ------
    IcemapError
        If the file, layer or attribute is not there, or it holds no polygons.
    """
    return _facts(source.model_dump_json(), path, file_stamps(source))


@lru_cache(maxsize=64)
def _facts(source_json: str, path: str, stamps: tuple[str, ...]) -> LayerFacts:
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
    return LayerFacts(
        info["crs"],
        (float(west.min()), float(south.min()), float(east.max()), float(north.max())),
        tuple(int(key) for key in ids[there][east - west > 180]),
    )


def read_features(
    source: Source, path: str, columns: list[str], **which: Any
) -> tuple[Any, Any, Any]:
    """Feature numbers, WKB shapes and columns.

    Parameters
    ----------
    source : Source
    path : str
        Of the local file.
    columns : list of str
    **which
        Of ``pyogrio.raw.read``: which features, and whether their shapes.
    """
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
