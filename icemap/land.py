"""The real coastline of the Northern Hemisphere, unpacked once into the user's cache folder and
memory-mapped after that.
"""

from __future__ import annotations

import lzma
import os
import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.errors import IcemapError
from icemap.store import temporary_path

# The rows of the GLOBE grid north of the equator: 30 arc-seconds, north-west corner at 180 W, 90 N.
# Where they come from is said in land_mask/README.md.
CELLS_PER_DEGREE = 120
MASK_ROWS, MASK_COLS = 90 * CELLS_PER_DEGREE, 360 * CELLS_PER_DEGREE
PACKED = files("icemap") / "land_mask" / "north.bits.xz"


def cache_folder() -> Path:
    """Folder of files that can be made again: ``XDG_CACHE_HOME`` if set, else the platform's place
    for caches.
    """
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "icemap"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "icemap" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "icemap"
    return Path.home() / ".cache" / "icemap"


def cached_file(name: str, size: int, write: Callable[[BinaryIO], None]) -> Path:
    """Path of a cached file, made by ``write`` where it is missing or not ``size`` bytes long.

    Several processes may race: each writes its own temporary file and renames it, so nobody ever
    sees half a file.

    Parameters
    ----------
    name : str
        Of the file in the cache.
    size : int
        Bytes that it has when it is whole.
    write : callable
        Writes the content to an open binary file.

    Raises
    ------
    IcemapError
        If the cache folder cannot be written.
    """
    path = cache_folder() / name
    if path.is_file() and path.stat().st_size == size:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(path)
        with temporary.open("xb") as part:
            try:
                write(cast(BinaryIO, part))
            except BaseException:
                part.close()
                temporary.unlink(missing_ok=True)
                raise
        try:
            temporary.replace(path)
        # Windows refuses to replace a file that another process has mapped; that file is as good as
        # ours
        except PermissionError:
            temporary.unlink(missing_ok=True)
            if not (path.is_file() and path.stat().st_size == size):
                raise
    except OSError as error:
        raise IcemapError(
            f"The cache folder {path.parent} cannot be written ({error.strerror}): set"
            " XDG_CACHE_HOME to a folder that can."
        ) from error
    return path


def _write_land_bits(target: BinaryIO) -> None:
    with PACKED.open("rb") as packed, lzma.open(packed) as bits:
        shutil.copyfileobj(bits, target)


def open_land_bits() -> NDArray[np.uint8]:
    """Memory-mapped land mask, one bit per 30 arc-second cell.

    Returns
    -------
    ndarray of shape (10800, 5400)
        Rows from 90 N to the equator; the highest bit of a byte is its westernmost cell; 1 is land
        (lakes count as land).

    Raises
    ------
    IcemapError
        If the cache folder cannot be written.
    """
    path = cached_file("land-mask-v1.bits", MASK_ROWS * MASK_COLS // 8, _write_land_bits)
    return np.asarray(np.memmap(path, np.uint8, "r", shape=(MASK_ROWS, MASK_COLS // 8)))


def land_at(longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.bool_]:
    """True where a place of the Northern Hemisphere is land; False over the sea, south of the
    equator and where a coordinate is NaN.

    Examples
    --------
    >>> land_at([129.7, 0.0, np.nan], [62.0, 75.0, 60.0])
    array([ True, False, False])
    """
    lon, lat = np.broadcast_arrays(
        np.asarray(longitude, dtype=float), np.asarray(latitude, dtype=float)
    )
    known = np.isfinite(lon) & np.isfinite(lat)
    north = known & (np.where(known, lat, -1) > 0)
    row = np.clip((90 - np.where(north, lat, 0)) * CELLS_PER_DEGREE, 0, MASK_ROWS - 1).astype(int)
    col = np.clip((180 + np.where(north, lon, 0)) * CELLS_PER_DEGREE, 0, MASK_COLS - 1).astype(int)
    return north & (open_land_bits()[row, col // 8] >> (7 - col % 8) & 1).astype(bool)
