"""Many rasters of one CRS and cell size as one, read by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError

if TYPE_CHECKING:
    from affine import Affine

# Part of a cell by which a file may lie beside the lattice of the first one.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Part:
    """Where one file lies in the mosaic, in cells."""

    path: str
    top: int
    left: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class Mosaic:
    """The box around all files; where they overlap, the first with a value counts.

    Attributes
    ----------
    crs : str or None
    bands : int
        The least that a file has.
    scaling : tuple of (float, float)
        Scale and offset of each band, from values in the files to physical ones.
    """

    crs: str | None
    bands: int
    transform: Affine
    shape: tuple[int, int]
    parts: tuple[Part, ...]
    scaling: tuple[tuple[float, float], ...]

    def read(self, band: int, rows: slice, cols: slice) -> NDArray[np.float64]:
        """A window, NaN where no file has a value."""
        import rasterio

        values = np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan)
        for part in self.parts:
            (top, bottom), (left, right) = (
                (max(wanted.start, first), min(wanted.stop, first + size))
                for wanted, first, size in ((rows, part.top, part.shape[0]), (cols, part.left, part.shape[1]))
            )
            if top >= bottom or left >= right:
                continue
            window = ((top - part.top, bottom - part.top), (left - part.left, right - part.left))
            try:
                with rasterio.open(part.path) as dataset:
                    found = dataset.read(band, window=window, masked=True).astype(np.float64).filled(np.nan)
            except rasterio.errors.RasterioIOError as error:
                # GDAL does not say which file.
                raise rasterio.errors.RasterioIOError(part.path) from error
            here = values[top - rows.start : bottom - rows.start, left - cols.start : right - cols.start]
            np.copyto(here, found, where=np.isnan(here))
        return values


def open_mosaic(name: str, paths: Sequence[str], stamps: Sequence[str]) -> Mosaic:
    """Lay out files by their headers, which are read once per process as long as ``stamps`` stay the same.

    Raises
    ------
    IcemapError
        If a file differs from the first in CRS or cell size, or lies beside its lattice.
    """
    return _laid_out(name, tuple(paths), tuple(stamps))


@lru_cache(maxsize=64)
def _laid_out(name: str, paths: tuple[str, ...], stamps: tuple[str, ...]) -> Mosaic:
    import rasterio

    headers = []
    for path in paths:
        with rasterio.open(path) as dataset:
            headers.append((path, dataset.crs, dataset.transform, dataset.shape, tuple(zip(dataset.scales, dataset.offsets))))
    _, crs, first, _, scaling = headers[0]
    parts = []
    for path, other, transform, shape, own in headers:
        sizes = [(getattr(first, key), getattr(transform, key)) for key in "abde"]
        if other != crs:
            raise IcemapError(
                f"The source '{name}': {path} has another CRS than {paths[0]}; give one entry of the catalogue to each CRS, or warp the files to one."
            )
        if any(a != b for a, b in zip(own, scaling)):
            raise IcemapError(
                f"The source '{name}': bands of {path} have another scale or offset than those of {paths[0]}; give one entry of the catalogue to each."
            )
        # Over the whole raster the lattices must not drift apart.
        if any(abs(a - b) * max(shape) > TOLERANCE * abs(first.a) for a, b in sizes):
            raise IcemapError(
                f"The source '{name}': cells of {path} are {transform.a:g} x {-transform.e:g}, those of {paths[0]} {first.a:g} x {-first.e:g}; "
                "resample the files to one cell size, or join them with gdalbuildvrt."
            )
        left, top = (~first) @ (transform.c, transform.f)
        if max(abs(left - round(left)), abs(top - round(top))) > TOLERANCE:
            raise IcemapError(
                f"The source '{name}': {path} lies {left % 1:.2f} cells beside the lattice of {paths[0]}; resample it, or join them with gdalbuildvrt."
            )
        parts.append(Part(path, round(top), round(left), shape))
    top, left = min(part.top for part in parts), min(part.left for part in parts)
    bottom, right = max(part.top + part.shape[0] for part in parts), max(part.left + part.shape[1] for part in parts)
    placed = tuple(Part(part.path, part.top - top, part.left - left, part.shape) for part in parts)
    transform = first @ first.translation(left, top)
    return Mosaic(crs.to_wkt() if crs else None, min(len(header[4]) for header in headers), transform, (bottom - top, right - left), placed, scaling)
