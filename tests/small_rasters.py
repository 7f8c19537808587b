"""Small rasters as GeoTIFF, and the sources that read files in tests."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import ArrayLike, NDArray

from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source


def write_tif(
    path: Path, values: ArrayLike, transform: Any, crs: Any = "EPSG:4326", **profile: Any
) -> Path:
    """Write one band (rows, columns), or several (bands, rows, columns)."""
    rows, cols = np.shape(values)[-2:]
    bands = np.asarray(values).reshape(-1, rows, cols)
    profile = {"transform": transform} | profile if transform is not None else profile
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=rows,
        width=cols,
        count=len(bands),
        dtype=bands.dtype,
        crs=crs,
        **profile,
    ) as dataset:
        dataset.write(bands)
    return path


def source(path: Path, **keys: Any) -> Source:
    """A source without a unit that reads a file; ``keys`` go before what is said here."""
    words = {"name": "a", "family": "climate", "long_name": "a", "unit": "1"}
    return Source(**{**words, "url": str(path), **keys})


def read_whole(one: Source, grid: Grid) -> NDArray[np.float64]:
    """All that a source reads for a grid, on its own cells."""
    with open_source(one, grid) as raster:
        return raster.read(slice(0, raster.shape[0]), slice(0, raster.shape[1]))
