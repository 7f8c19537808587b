"""How GDAL reaches rasters: paths, settings for buckets, what it remembers of remote files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from icemap.store import local_path

# Where a bucket fails: asked again so often, after seconds that double.
PATIENCE = {"GDAL_HTTP_MAX_RETRY": "4", "GDAL_HTTP_RETRY_DELAY": "0.5"}


def gdal_path(url: str) -> str:
    if url.startswith("s3://"):
        return "/vsis3/" + url.removeprefix("s3://")
    if url.startswith(("https://", "http://")):
        return "/vsicurl/" + url
    return str(local_path(url))


def address_of(path: str) -> str:
    """The address that GDAL reaches as a path: the inverse of `gdal_path`."""
    if path.startswith("/vsis3/"):
        return "s3://" + path.removeprefix("/vsis3/")
    return path.removeprefix("/vsicurl/")


def gdal_environment(url: str = "") -> dict[str, str]:
    """GDAL's settings for an S3 endpoint given in the way of the AWS tools, which is asked again
    where it fails.

    Parameters
    ----------
    url : str, optional
        Of a raster, next to which GDAL then looks for masks, world files, statistics and the like.
        By default it does not.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    # GRIB files stay as they are written: GDAL would turn kelvin to Celsius, and move grids that
    # begin half a cell east of Greenwich by half a cell.
    grib = {"GRIB_NORMALIZE_UNITS": "NO", "GRIB_ADJUST_LONGITUDE_RANGE": "NO"}
    # A virtual raster may hold Python code of its own, which nobody's environment shall let run.
    settings = {
        "GDAL_DISABLE_READDIR_ON_OPEN": _listing(url),
        "GDAL_VRT_ENABLE_PYTHON": "NO",
        **PATIENCE,
        **grib,
    }
    if "AWS_CA_BUNDLE" in os.environ:
        settings["GDAL_CURL_CA_BUNDLE"] = os.environ["AWS_CA_BUNDLE"]
    if endpoint:
        scheme, _, host = endpoint.partition("://")
        settings |= {
            "AWS_S3_ENDPOINT": host.rstrip("/"),
            "AWS_HTTPS": "YES" if scheme == "https" else "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        }
    return settings


def _listing(url: str) -> str:
    """How GDAL finds the files next to a raster: by listing the folder (up to a thousand names,
    else it asks for each), or by asking for their names.
    """
    if not url or "?" in url:
        # Nothing is next to a link with parameters.
        return "EMPTY_DIR"
    return "TRUE" if url.startswith("http") else "FALSE"


# Stamp of each remote file when GDAL last opened it: its cache lives as long as the process.
_opened: dict[str, str] = {}


def forget_changed(paths: Sequence[str], stamps: Sequence[str]) -> None:
    """Have GDAL forget what it knows of remote files that have changed since this process last
    opened them.
    """
    import rasterio

    for path, stamp in zip(paths, stamps, strict=True):
        if not path.startswith("/vsi"):
            continue
        if _opened.setdefault(path, stamp) != stamp:
            # What must not be cached is forgotten when it is closed. GDAL splits the list at
            # colons, an address too.
            with (
                rasterio.Env(CPL_VSIL_CURL_NON_CACHED="/vsicurl/http:/vsis3/"),
                suppress(rasterio.errors.RasterioIOError),
            ):
                rasterio.open(path).close()
            _opened[path] = stamp
