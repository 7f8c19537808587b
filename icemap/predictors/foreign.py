"""What files are that nothing here reads, by how they begin, and what makes rasters of them."""

from __future__ import annotations

from icemap.errors import IcemapError
from icemap.source import Source
from icemap.store import is_remote, local_path, read_start

# So many bytes say what a file is.
START = 1024
UNPACK = "unpack it first, and name the file inside"
KNOWN: tuple[tuple[bytes, str], ...] = (
    (
        b"\x0e\x03\x13\x01",
        "an HDF4 file (HDF-EOS), which the GDAL of icemap does not read: make a GeoTIFF of each"
        " layer with a GDAL that does (conda's gdal with libgdal-hdf4: gdalinfo lists the layers,"
        " gdal_translate 'HDF4_EOS:EOS_GRID:\"FILE\":GRID:LAYER' LAYER.tif)",
    ),
    (b"PK\x03\x04", f"a zip archive: {UNPACK}"),
    (b"\x1f\x8b", f"packed by gzip: {UNPACK}"),
    (b"BZh", f"packed by bzip2: {UNPACK}"),
    (b"\xfd7zXZ", f"packed by xz: {UNPACK}"),
    (b"7z\xbc\xaf", f"a 7-Zip archive: {UNPACK}"),
    (b"Rar!", f"a RAR archive: {UNPACK}"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS and not the file itself: get it with 'git lfs pull'",
    ),
    (b"MATLAB", "a file of MATLAB: write it as NetCDF or GeoTIFF there (ncwrite, geotiffwrite)"),
    (
        b"\x93NUMPY",
        "an array of NumPy, which has no places: write it as GeoTIFF (rasterio)",
    ),
    (b"LASF", "a cloud of points: grid it first (pdal's writers.gdal)"),
    (b"%PDF", "a PDF: get the raster that it was made of"),
    (b"msid", "a MrSID image: make a GeoTIFF of it with a program that reads MrSID"),
)
PAGES = (b"<!doctype html", b"<html")


def require_no_foreign(source: Source) -> None:
    """Refuse a file of which it is known what it is, once it could not be opened.

    Raises
    ------
    IcemapError
        Naming the file, what it is, and what to do.
    """
    # Each file in a bucket is a request.
    near = [url for url in source.files if not is_remote(url)]
    for url in near or source.files[:1]:
        said = what_it_is(url)
        if said:
            raise IcemapError(f"The source '{source.name}' cannot be opened: {url} is {said}.")


def what_it_is(url: str) -> str:
    """What a file is and what makes a raster of it, in words; empty where nothing is known.

    Parameters
    ----------
    url : str
        Of a file, or of a folder.
    """
    if not is_remote(url) and local_path(url).is_dir():
        names = sorted(path.name for path in local_path(url).iterdir())
        if "hdr.adf" in names:
            return "an Arc/Info grid: name its file 'hdr.adf' or 'w001001.adf'"
        if any(name.endswith(".gdbtable") for name in names):
            return (
                "a file geodatabase: make a GeoTIFF of its raster, or a GeoPackage of its polygons"
                " (ogr2ogr)"
            )
        return f"a folder: name the files in it, as {url.rstrip('/')}/*.tif"
    try:
        start = read_start(url, START)
    except (IcemapError, OSError):
        return ""
    if not start:
        return "empty: its download has failed, or the disk was full; get it again"
    for begins, said in KNOWN:
        if start.startswith(begins):
            return said
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith(PAGES):
        return (
            "a web page and not a raster: its download has failed, or needs a login; get it again"
        )
    if b"ustar" in start[256:264]:
        return f"a tar archive: {UNPACK}"
    if b"ncols" in text and b"nrows" in text:
        return (
            "an ASCII grid whose header GDAL does not know: it has to begin with ncols, and to have"
            " nrows, xllcorner and yllcorner (or xllcenter and yllcenter), cellsize (or dx and dy)"
            " and NODATA_value, each with its number behind a space, and nothing before or between"
        )
    return ""
