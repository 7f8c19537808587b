"""Many rasters of one CRS and cell size as one, read by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.ascii_grids import words_of_header
from icemap.predictors.class_tables import category_names
from icemap.predictors.disputes import Heard
from icemap.predictors.missing import same_code
from icemap.predictors.mosaic_bands import Band, band_of, joined, require_one_order
from icemap.predictors.mosaic_layout import Header, Layout, lay_out
from icemap.predictors.point_grids import require_whole_grid
from icemap.predictors.side_files import heard_next_to
from icemap.predictors.virtual_tiles import heard_behind


@dataclass(frozen=True)
class Mosaic:
    """Files that GDAL reads, as one raster; where they overlap, the first with a value counts.

    Attributes
    ----------
    layout : Layout
    bands : tuple of Band
        Those that all files have; each is declared the same in all of them.
    driver : str
        GDAL's name for the format of the first file.
    """

    layout: Layout
    bands: tuple[Band, ...]
    driver: str

    def read(
        self, band: int, rows: slice, cols: slice, missing: Sequence[float] = ()
    ) -> NDArray[np.float64]:
        """A window of stored values, NaN where no file has a value.

        Parameters
        ----------
        band : int
            From 1.
        rows, cols : slice
            Of the whole mosaic.
        missing : sequence of float
            Values that mean missing by the catalogue, which the next file may have.

        Raises
        ------
        IcemapError
            If files that overlap have different values.
        """
        return self.layout.read(rows, cols, self.reader(band, missing), np.float64)

    def reader(
        self, band: int, missing: Sequence[float]
    ) -> Callable[[str, slice, slice], NDArray[np.float64]]:
        """The function that reads a window of one file; ``band`` and ``missing`` as for `read`."""
        import rasterio

        # What is alone is decoded with all of its codes.
        codes = (*missing, *self.bands[band - 1].declared.stored.missing)
        codes = codes if len(self.layout.parts) > 1 else ()

        def read_part(path: str, rows: slice, cols: slice) -> NDArray[np.float64]:
            window = ((rows.start, rows.stop), (cols.start, cols.stop))
            try:
                with rasterio.open(path) as dataset:
                    values = _stored(dataset, band, window)
            except rasterio.errors.RasterioIOError as error:
                # GDAL does not say which file.
                raise rasterio.errors.RasterioIOError(path) from error
            for code in codes:
                values[same_code(values, code)] = np.nan
            return values

        return read_part


def _stored(dataset: Any, band: int, window: Any) -> NDArray[np.float64]:
    """Stored values, NaN where a mask, the alpha band or the nodata value of the file says so: GDAL
    heeds but one of them.
    """
    from rasterio.enums import ColorInterp

    read = dataset.read(band, window=window, masked=True)
    values = np.ma.filled(read.astype(np.float64), np.nan)
    nodata = dataset.nodatavals[band - 1]
    if nodata is not None and np.isfinite(nodata):
        values[np.isclose(values, nodata, rtol=1e-6, atol=0)] = np.nan
    alpha = [
        number
        for number, meaning in enumerate(dataset.colorinterp, 1)
        if meaning == ColorInterp.alpha and number != band
    ]
    if alpha:
        values[dataset.read(alpha[0], window=window) == 0] = np.nan
    return values


def open_mosaic(
    name: str,
    paths: Sequence[str],
    stamps: Sequence[str],
    *,
    overlay: bool,
    crs: str | None = None,
) -> Mosaic:
    """Lay out files by their headers, which are read once per process as long as ``stamps`` stay
    the same.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    paths, stamps : sequence of str
        Of the files.
    overlay : bool
        True if files are meant to cover one another.
    crs : str, optional
        Of all files, in place of their own.

    Raises
    ------
    IcemapError
        If a file differs from the first in CRS, cell size or the order of its bands, is off
        its lattice, or covers another one unasked.
    """
    return _laid_out(name, tuple(paths), tuple(stamps), overlay, crs)


@lru_cache(maxsize=256)
def look_at_rims(
    name: str,
    paths: tuple[str, ...],
    stamps: tuple[str, ...],
    overlay: bool,
    crs: str | None,
    band: int,
    missing: tuple[float, ...],
) -> None:
    """Compare files where they overlap, in some places, once per process as long as ``stamps`` stay
    the same.

    Parameters
    ----------
    name, paths, stamps, overlay, crs
        As for `open_mosaic`.
    band : int
        From 1.
    missing : tuple of float
        Values that mean missing by the catalogue.

    Raises
    ------
    IcemapError
        If they have different values.
    """
    mosaic = _laid_out(name, paths, stamps, overlay, crs)
    mosaic.layout.look_at_rims(mosaic.reader(band, missing), np.float64)


@lru_cache(maxsize=64)
def _laid_out(
    name: str, paths: tuple[str, ...], stamps: tuple[str, ...], overlay: bool, crs: str | None
) -> Mosaic:
    import rasterio

    headers, bands, drivers = [], [], []
    for path in paths:
        with rasterio.open(path) as dataset:
            drivers.append(dataset.driver)
            headers.append(
                Header(
                    path,
                    crs or (dataset.crs.to_wkt() if dataset.crs else None),
                    dataset.transform,
                    dataset.shape,
                )
            )
            _require_one_page(name, path, dataset)
            require_whole_grid(name, path, dataset)
            names = category_names(dataset, looks_around=path == paths[0])
            heard = _heard(path, dataset, looks_around=path == paths[0])
            words = words_of_header(name, path, dataset)
            bands.append(
                tuple(
                    band_of(dataset, number, names.get(number, {}), words, heard[number - 1])
                    for number in range(1, dataset.count + 1)
                )
            )
    require_one_order(name, paths, bands)
    common = tuple(joined(paths, same) for same in zip(*bands))
    return Mosaic(lay_out(name, headers, overlay=overlay), common, drivers[0])


def _require_one_page(name: str, path: str, dataset: Any) -> None:
    """Refuse a file of several rasters, of which GDAL would read the first."""
    pages = dataset.subdatasets
    if dataset.count and len(pages) > 1:
        raise IcemapError(
            f"The source '{name}': {path} holds {len(pages)} rasters one behind the other, of which"
            f" the first would be read alone: write each to a file of its own (gdal_translate"
            f" {pages[1]} SECOND.tif), and give it an entry in the catalogue."
        )


def _heard(path: str, dataset: Any, *, looks_around: bool) -> list[Heard]:
    """Of each band, what files next to a raster or behind it say otherwise."""
    next_to = heard_next_to(path, dataset, looks_around=looks_around)
    return [one + other for one, other in zip(next_to, heard_behind(path, dataset), strict=True)]
