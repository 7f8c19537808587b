"""Files that are read with another one: those next to a raster or shapefile, and those behind a
virtual raster.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import PurePosixPath

from icemap.store import filesystem, is_remote, local_path, read_text, storage_errors

# Files next to rasters, not rasters themselves.
SIDECARS = (
    ".aux.xml",
    ".aux",
    ".msk",
    ".ovr",
    ".rrd",
    ".tfw",
    ".wld",
    ".hdr",
    ".prj",
    ".clr",
    ".stx",
    ".dbf",
    ".cpg",
    ".xml",
    ".md5",
    ".txt",
)
# World files of other formats, and the parts of a shapefile.
FURTHER = (
    ".tifw",
    ".tiffw",
    ".jgw",
    ".jpgw",
    ".pgw",
    ".pngw",
    ".blw",
    ".bilw",
    ".bqw",
    ".bpw",
    ".shx",
    ".qix",
    ".sbn",
    ".sbx",
    ".qpj",
    ".gfs",
)
# Nothing is next to these.
ALONE = (
    ".csv",
    ".tsv",
    ".parquet",
    ".xlsx",
    ".zarr",
    ".nc",
    ".nc4",
    ".h5",
    ".hdf5",
    ".cdf",
    ".gpkg",
)
_BEHIND = re.compile(r"<Source(?:Filename|Dataset)([^>]*)>([^<]+)<")


def companions(url: str) -> list[str]:
    """Addresses of the files that are read together with a file, sorted; a web server lists none
    next to it.

    Raises
    ------
    IcemapError
        If the folder cannot be listed, or a virtual raster cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.tif", "a.tif.aux.xml", "a.tfw", "b.tfw"):
    ...     _ = (folder / name).write_text("")
    >>> [PurePosixPath(path).name for path in companions(str(folder / "a.tif"))]
    ['a.tfw', 'a.tif.aux.xml']
    """
    found: set[str] = set()
    waiting = [url]
    while waiting:
        for other in _read_with(waiting.pop()):
            if other not in found and other != url:
                found.add(other)
                waiting.append(other)
    return sorted(found)


def _read_with(url: str) -> list[str]:
    suffix = PurePosixPath(url.partition("?")[0]).suffix.lower()
    if suffix in ALONE or suffix in SIDECARS:
        return []
    siblings = [] if url.startswith("http") else _next_to(url)
    return [*siblings, *(_behind(url) if suffix == ".vrt" else [])]


def _next_to(url: str) -> list[str]:
    folder, _, name = (
        url.rpartition("/")
        if is_remote(url)
        else (str(local_path(url).parent), "", local_path(url).name)
    )
    own, stem = name.lower(), f"{PurePosixPath(name).stem.lower()}."
    with storage_errors(folder, "list"):
        if is_remote(url):
            fs, path = filesystem(folder)
            names = [str(entry).rsplit("/", 1)[-1] for entry in fs.ls(path, detail=False)]
        else:
            names = os.listdir(folder) if os.path.isdir(folder) else []
    fit = [
        n
        for n in names
        if n.lower() != own
        and n.lower().startswith(stem)
        and n.lower().endswith((*SIDECARS, *FURTHER))
    ]
    return [f"{folder}/{one}" for one in fit]


def _behind(url: str) -> list[str]:
    """Files that a virtual raster names."""
    folder = url.rpartition("/")[0]
    found = []
    for attributes, name in _BEHIND.findall(read_text(url)):
        name = html.unescape(name.strip())
        relative = re.search(r"relativeToVRT\s*=\s*[\"']1[\"']", attributes) is not None
        if name.startswith("/vsis3/"):
            found.append("s3://" + name.removeprefix("/vsis3/"))
        elif name.startswith("/vsicurl/"):
            found.append(name.removeprefix("/vsicurl/"))
        elif relative or not (is_remote(url) or os.path.isabs(name)):
            found.append(
                f"{folder}/{name}"
                if is_remote(url)
                else os.path.normpath(f"{folder or '.'}/{name}")
            )
        else:
            found.append(name)
    return [one for one in found if is_remote(one) or os.path.exists(one)]
