"""What a file is by the suffix of its address."""

from __future__ import annotations

from pathlib import PurePosixPath

VECTOR_SUFFIXES = (".gpkg", ".shp", ".geojson", ".json", ".fgb")
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
