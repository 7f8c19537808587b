"""What a file is by the suffix of its address, or by how it begins."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath

from icemap.errors import IcemapError
from icemap.file_kinds import FileKind, file_kind
from icemap.store import is_remote, local_path, read_start

VECTOR_SUFFIXES = (".gpkg", ".shp", ".geojson", ".json", ".fgb")
# Whatever their name: GDAL hears less of what they declare. Rasters of its own formats in HDF5 are
# left to it.
XARRAY_KINDS = (FileKind.NETCDF, FileKind.HDF5)
GDAL_SUFFIXES = (".bag", ".kea")
# What is called so in a bucket is not looked into.
PLAIN = (
    *(".tif", ".tiff", ".vrt", ".img", ".asc", ".jp2", ".png", ".jpg", ".bil", ".hgt"),
    *(".grib", ".grib2", ".grb", ".grb2"),
)
XARRAY_SUFFIXES = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".zarr")


def suffix_of(url: str) -> str:
    """The suffix that says what a file is, in lower case; a link to a download may go on behind it.

    Examples
    --------
    >>> suffix_of("https://example.org/records/1/files/T2M.NC?download=1"), suffix_of("a.zarr/"), suffix_of("s3://bucket/file")
    ('.nc', '.zarr', '')
    """
    path, _, query = url.partition("?") if url.startswith("http") else (url, "", "")
    names = path.rstrip("/").split("/")
    # Repositories also serve a file as a.nc/content, or as download?file=a.nc.
    further = (
        [*names[-2:-1], *(value.rpartition("=")[2] for value in query.split("&"))]
        if url.startswith("http")
        else []
    )
    suffixes = [PurePosixPath(name).suffix.lower() for name in (names[-1], *further)]
    return next(
        (suffix for suffix in suffixes if suffix in (*VECTOR_SUFFIXES, *XARRAY_SUFFIXES)),
        suffixes[0],
    )


def is_for_xarray(url: str) -> bool:
    """True for NetCDF, HDF5 and Zarr, and for files that are NetCDF or HDF5 by another name, such
    as the .grd of GMT.
    """
    suffix = suffix_of(url)
    if suffix in XARRAY_SUFFIXES:
        return True
    if suffix in GDAL_SUFFIXES:
        return False
    try:
        if is_remote(url):
            return suffix not in PLAIN and file_kind(_remote_start(url)) in XARRAY_KINDS
        if not local_path(url).is_file():
            return False
        with local_path(url).open("rb") as file:
            return file_kind(file.read(8)) in XARRAY_KINDS
    except (OSError, IcemapError):
        # Which is said where it is opened.
        return False


@lru_cache(maxsize=256)
def _remote_start(url: str) -> bytes:
    return read_start(url, 8)
