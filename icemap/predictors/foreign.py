"""What makes rasters of files that nothing here reads."""

from __future__ import annotations

from icemap.errors import IcemapError
from icemap.file_kinds import START, FileKind, file_kind
from icemap.source import Source
from icemap.store import is_remote, local_path, read_start

UNPACK = "unpack it first, and name the file inside"
REMEDIES = {
    FileKind.HDF4: (
        "an HDF4 file (HDF-EOS), which the GDAL of icemap does not read: make a GeoTIFF of each"
        " layer with a GDAL that does (conda's gdal with libgdal-hdf4: gdalinfo lists the layers,"
        " gdal_translate 'HDF4_EOS:EOS_GRID:\"FILE\":GRID:LAYER' LAYER.tif)"
    ),
    FileKind.ZIP: f"a zip archive: {UNPACK}",
    FileKind.GZIP: f"packed by gzip: {UNPACK}",
    FileKind.BZIP2: f"packed by bzip2: {UNPACK}",
    FileKind.XZ: f"packed by xz: {UNPACK}",
    FileKind.SEVEN_ZIP: f"a 7-Zip archive: {UNPACK}",
    FileKind.RAR: f"a RAR archive: {UNPACK}",
    FileKind.TAR: f"a tar archive: {UNPACK}",
    FileKind.GIT_LFS_POINTER: (
        "a pointer of Git LFS and not the file itself: get it with 'git lfs pull'"
    ),
    FileKind.MATLAB: (
        "a file of MATLAB: write it as NetCDF or GeoTIFF there (ncwrite, geotiffwrite)"
    ),
    FileKind.NUMPY: "an array of NumPy, which has no places: write it as GeoTIFF (rasterio)",
    FileKind.POINT_CLOUD: "a cloud of points: grid it first (pdal's writers.gdal)",
    FileKind.PDF: "a PDF: get the raster that it was made of",
    FileKind.MRSID: "a MrSID image: make a GeoTIFF of it with a program that reads MrSID",
    FileKind.WEB_PAGE: (
        "a web page and not a raster: its download has failed, or needs a login; get it again"
    ),
}


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
    kind = file_kind(start)
    if kind in REMEDIES:
        return REMEDIES[kind]
    text = start.lower()
    if b"ncols" in text and b"nrows" in text:
        return (
            "an ASCII grid whose header GDAL does not know: it has to begin with ncols, and to have"
            " nrows, xllcorner and yllcorner (or xllcenter and yllcenter), cellsize (or dx and dy)"
            " and NODATA_value, each with its number behind a space, and nothing before or between"
        )
    return ""
