"""A map variable as a Cloud Optimized GeoTIFF, streamed from Zarr so that memory does not grow with
the map.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.gridded import WGS84_WKT, grid_of
from icemap.mapping.map_schema import (
    PREVIEW,
    PSEUDO_SITES,
    open_map,
    product_files,
    require_complete,
)
from icemap.products.cog_layout import BLOCK, layout_problem
from icemap.running.leftovers import COG_FOLDER
from icemap.store import is_remote, join, local_path, storage_errors, upload
from icemap.zarr_groups import damage_errors, mend, zarr_group

if TYPE_CHECKING:
    import xarray as xr
    import zarr
    from rasterio.io import DatasetWriter
    from rasterio.windows import Window

WINDOW = (1024, 4096)
# DEFLATE rather than ZSTD: every GDAL reads it, those inside R packages and older QGIS included.
# The digits of a modelled float do not compress: level 6 gave the same size as level 1 (97 MB at
# 21,600 x 3,540) and took a third longer.
COMPRESSION = {"COMPRESS": "DEFLATE", "LEVEL": "1", "PREDICTOR": "YES", "BLOCKSIZE": str(BLOCK)}
CACHE_MB = 64
# Stored chunks that Zarr decodes in one go: classes are decoded sooner than chunks are handed
# around.
AT_ONCE = 64
# What a map says of itself and its files repeat.
TAGS = ("title", PREVIEW, PSEUDO_SITES, "source", "history", "references", "license")


def write_cogs(
    map_url: str,
    products_url: str,
    target: TargetConfig,
    cells: int | None = None,
) -> list[str]:
    """Write the published GeoTIFFs of a finished map.

    Parameters
    ----------
    map_url, products_url : str
        The map and the folder or prefix for its products.
    target : TargetConfig
        What the map is about; it names the variables and the files.
    cells : int, optional
        How many cells were mapped; a variable with another number of values has lost some.

    Returns
    -------
    list of str
        The URLs written.

    Raises
    ------
    IcemapError
        If the map is missing, unfinished, damaged or empty, or the place cannot be written. A file
        that was there stays as it was.
    """
    require_complete(map_url)
    written = []
    for variable, file in product_files(target.name).items():
        url = join(products_url, file)
        write_cog(map_url, variable, url, cells)
        written.append(url)
    return written


def write_cog(map_url: str, variable: str, out_url: str, cells: int | None = None) -> None:
    """Write one variable as a one-band COG in EPSG:4326, and read it back before it takes its name.

    Floats keep their exact values with nodata NaN and averaged overviews; classes (uint8) have
    nodata 255 and overviews of the nearest cell.

    Parameters
    ----------
    map_url : str
    variable : str
        Of the map.
    out_url : str
        Of the GeoTIFF.
    cells : int, optional
        Number of cells with a value that it must have.

    Raises
    ------
    IcemapError
        If the variable is not in the map, is damaged, has no value at all or not as many as
        ``cells``, or the file cannot be written.
    """
    dataset = open_map(map_url)
    if variable not in dataset:
        raise IcemapError(
            f"The map {map_url} has no variable '{variable}': it has"
            f" {', '.join(map(str, dataset.data_vars))}."
        )
    write_layer(dataset, map_url, variable, out_url, cells)


def write_layer(
    dataset: xr.Dataset, group_url: str, variable: str, out_url: str, cells: int | None = None
) -> None:
    """Write one variable of any gridded group, as `write_cog` does of a map.

    Parameters
    ----------
    dataset : xarray.Dataset
        The group, opened.
    group_url : str
        Where it is.
    variable : str
    out_url : str
        Where the GeoTIFF will be.
    cells : int, optional
        How many values there are.
    """
    with _workplace(out_url) as folder, _gdal(out_url):
        raw, finished = folder / "raw.tif", folder / "finished.tif"
        tags = {key: str(dataset.attrs[key]) for key in TAGS if key in dataset.attrs}
        digests = _write_raw(
            group_url,
            variable,
            raw,
            grid_of(dataset).transform,
            dict(dataset[variable].attrs),
            tags,
            cells,
        )
        _to_cog(raw, finished)
        raw.unlink()
        _require_same(finished, digests, out_url)
        _require_layout(finished, out_url)
        upload(finished, out_url)


@contextmanager
def _workplace(out_url: str) -> Iterator[Path]:
    """A folder for temporary files; next to a local product, so that the last step is a rename."""
    parent = None
    if not is_remote(out_url):
        parent = local_path(out_url).parent
        with storage_errors(str(parent), "write to"):
            parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(str(parent or "the temporary folder"), "write to"):
        folder = tempfile.TemporaryDirectory(prefix=COG_FOLDER, dir=parent)
    with folder as path:
        yield Path(path)


@contextmanager
def _gdal(out_url: str) -> Iterator[None]:
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        try:
            yield
        except (CPLE_BaseError, RasterioError) as error:
            raise IcemapError(
                f"Cannot write {out_url}: {str(error).splitlines()[0].rstrip('.')}. Check the space"
                " left on the disk."
            ) from error


def _write_raw(
    map_url: str,
    variable: str,
    path: Path,
    transform: Any,
    attrs: Mapping[str, Any],
    tags: dict[str, str],
    cells: int | None,
) -> list[tuple[Window, int]]:
    """Copy the Zarr array window by window to a plain tiled GeoTIFF; returns a digest of each
    window.
    """
    import rasterio
    import zarr

    with storage_errors(map_url, "read"), zarr.config.set({"codec_pipeline.batch_size": AT_ONCE}):
        array = zarr_group(map_url, "r")[variable]
    assert isinstance(array, zarr.Array)
    floating = array.dtype.kind == "f"
    digests, statistics, mapped = [], _Statistics(), 0

    def read(window: Window) -> NDArray[Any]:
        with (
            storage_errors(map_url, "read"),
            damage_errors(f"The variable '{variable}' in {map_url}", map_url),
        ):
            return np.ascontiguousarray(array[window.toslices()])

    with rasterio.open(path, "w", **_profile(array, transform)) as target:
        for window, values in _read_ahead(
            read, _windows(array.shape, array.shards or array.chunks)
        ):
            missing = np.isnan(values) if floating else values == 255
            # One NaN stands for all: a sparse GeoTIFF block comes back as this one.
            if floating:
                values[missing] = np.nan
            digests.append((window, zlib.crc32(values.data)))
            if not missing.all():
                mapped += int((~missing).sum())
                target.write(values, 1, window=window)
                if floating:
                    statistics.add(values[~missing])
        if not mapped:
            raise IcemapError(
                f"The variable '{variable}' of {map_url} has no mapped cell: run 'icemap map'"
                " first, and check the masks in the config."
            )
        if cells is not None and mapped != cells:
            raise IcemapError(
                f"The variable '{variable}' in {map_url} has {mapped:,} values where {cells:,}"
                f" cells were mapped: {mend(map_url)}"
            )
        _describe(target, variable, attrs, tags, statistics.tags() if floating else {})
    return digests


def _profile(array: zarr.Array[Any], transform: Any) -> dict[str, object]:
    """Of a plain tiled GeoTIFF of an array."""
    return {
        "driver": "GTiff",
        "height": array.shape[0],
        "width": array.shape[1],
        "count": 1,
        "dtype": str(array.dtype),
        "nodata": np.nan if array.dtype.kind == "f" else 255,
        "crs": WGS84_WKT,
        "transform": transform,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }


def _describe(
    target: DatasetWriter,
    variable: str,
    attrs: Mapping[str, Any],
    tags: Mapping[str, str],
    statistics: Mapping[str, str],
) -> None:
    """Write what a file and its one band say of themselves."""
    target.descriptions = (str(attrs.get("long_name", variable)),)
    target.units = (str(attrs.get("units", "")),)
    target.scales, target.offsets = (1.0,), (0.0,)
    target.update_tags(**tags)
    band = {
        key: str(attrs[key]) for key in ("comment", "flag_meanings", "references") if key in attrs
    }
    target.update_tags(1, **band, **statistics)


def _read_ahead(
    read: Callable[[Window], NDArray[Any]], windows: Iterator[Window]
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Windows with their values, the next one being read while this one is used: a bucket answers
    slowly.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting: list[tuple[Window, Future[NDArray[Any]]]] = []
        for window in windows:
            waiting.append((window, reader.submit(read, window)))
            if len(waiting) == 2:
                ready, values = waiting.pop(0)
                yield ready, values.result()
        for ready, values in waiting:
            yield ready, values.result()


def _windows(shape: tuple[int, ...], stored: tuple[int, ...]) -> Iterator[Window]:
    """Windows of whole stored chunks, about ``WINDOW`` cells."""
    from rasterio.windows import Window

    height, width = (max(1, limit // size) * size for limit, size in zip(WINDOW, stored))
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            yield Window(left, top, min(width, shape[1] - left), min(height, shape[0] - top))


class _Statistics:
    """Minimum, maximum, mean and standard deviation, so that viewers need not scan the file for a
    colour stretch.
    """

    def __init__(self) -> None:
        self.count, self.low, self.high, self.sum, self.squares = 0, np.inf, -np.inf, 0.0, 0.0

    def add(self, values: NDArray[Any]) -> None:
        self.count += values.size
        self.low, self.high = (
            min(self.low, float(values.min())),
            max(self.high, float(values.max())),
        )
        self.sum += float(values.sum(dtype=float))
        self.squares += float(np.square(values, dtype=float).sum())

    def tags(self) -> dict[str, str]:
        mean = self.sum / self.count
        deviation = float(np.sqrt(max(self.squares / self.count - mean**2, 0.0)))
        numbers = {"MINIMUM": self.low, "MAXIMUM": self.high, "MEAN": mean, "STDDEV": deviation}
        return {f"STATISTICS_{key}": f"{value:.9g}" for key, value in numbers.items()}


def _to_cog(raw: Path, finished: Path) -> None:
    import rasterio
    import rasterio.shutil

    with rasterio.open(raw) as source:
        resampling = "AVERAGE" if source.dtypes[0] == "float32" else "NEAREST"
    rasterio.shutil.copy(
        raw,
        finished,
        driver="COG",
        OVERVIEW_RESAMPLING=resampling,
        BIGTIFF="IF_SAFER",
        SPARSE_OK="TRUE",
        **COMPRESSION,
    )


def _require_same(path: Path, digests: list[tuple[Window, int]], out_url: str) -> None:
    """Every cell as it was read from the map."""
    import rasterio

    with rasterio.open(path) as written:
        different = sum(
            zlib.crc32(written.read(1, window=window).data) != digest for window, digest in digests
        )
    if different:
        raise IcemapError(
            f"{out_url} was not written: {different} of {len(digests)} windows differ from the map"
            " when read back. Check the disk and try again."
        )


def _require_layout(path: Path, out_url: str) -> None:
    problem = layout_problem(path)
    if problem:
        raise IcemapError(
            f"{out_url} was not written: it would not be a Cloud Optimized GeoTIFF, {problem}."
            " Check that GDAL is 3.1 or newer."
        )
