"""What a folder holds: rasters, tables, polygons, and what none of them is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from icemap.boreholes.table_formats import OTHER_WORKBOOKS, WORKBOOKS
from icemap.companions import FURTHER, SIDECARS
from icemap.errors import IcemapError
from icemap.predictors.suffixes import VECTOR_SUFFIXES, XARRAY_SUFFIXES
from icemap.store import RECORD

TEXT_TABLES = (".csv", ".tsv", ".parquet", ".geoparquet", ".pq", ".ags", ".las")
# Read as a table if it is one, and passed over in silence if not.
TEXTS = (".txt", ".dat", ".tab")
NO_DATA = (
    *(".yaml", ".yml", ".md", ".rst", ".pdf", ".doc", ".docx", ".html", ".htm", ".py", ".r"),
    *(".ipynb", ".zip", ".gz", ".tar", ".7z", ".qgz", ".qgs", ".qml", ".qlr", ".sld", ".lyr"),
    *(".log", ".bib", ".ini", ".toml", ".tmp", ".bak", ".lock", ".sh", ".bat", ".m", ".rds"),
    *(".cdl", ".ncl", ".svg", ".csvt", ".gpkg-wal", ".gpkg-shm", ".gpkg-journal"),
)
JSON = ".json"
MAX_FILES = 20_000


@dataclass
class Contents:
    """Files of a folder by what they are; Zarr stores count as files."""

    rasters: list[Path] = field(default_factory=list)
    multidimensional: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    vectors: list[Path] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.rasters or self.multidimensional or self.tables or self.vectors)


def look_into(folder: Path) -> Contents:
    """Sort the files of a folder and its subfolders; hidden ones and runs are passed over.

    Raises
    ------
    IcemapError
        If there is no such folder, or it holds too many files to be one of inputs.
    """
    if not folder.is_dir():
        raise IcemapError(
            f"There is no folder {folder}: give the one with your rasters and your table."
        )
    found = Contents()
    for number, path in enumerate(_files(folder)):
        if number == MAX_FILES:
            raise IcemapError(
                f"{folder} holds more than {MAX_FILES:,} files: give the folder that holds the"
                " rasters and the table alone."
            )
        _sort_in(path, found)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        if RECORD in names and Path(place) != folder:
            # A finished or begun run.
            folders.clear()
            continue
        stores = sorted(name for name in folders if name.lower().endswith(".zarr"))
        yield from (Path(place, name) for name in stores)
        folders[:] = sorted(
            name for name in folders if name not in stores and not name.startswith((".", "__"))
        )
        yield from (Path(place, name) for name in sorted(names) if not name.startswith((".", "~")))


def _sort_in(path: Path, found: Contents) -> None:
    name, suffix = path.name.lower(), path.suffix.lower()
    if suffix in XARRAY_SUFFIXES:
        found.multidimensional.append(path)
    elif suffix in TEXT_TABLES or suffix in WORKBOOKS or suffix in TEXTS:
        found.tables.append(path)
    elif suffix in OTHER_WORKBOOKS:
        found.unread.append((path, "a workbook of a kind that is not read: save it as .xlsx"))
    elif suffix in VECTOR_SUFFIXES and suffix != JSON:
        found.vectors.append(path)
    elif not name.endswith((*SIDECARS, *FURTHER, *NO_DATA, JSON)):
        found.rasters.append(path)


def tile_key(path: Path) -> tuple[Path, str, str]:
    """What the names of the tiles of one raster share: all but numbers and points of the compass.

    Examples
    --------
    >>> tile_key(Path("dem/N60W150.tif")) == tile_key(Path("dem/N61W149.tif"))
    True
    >>> tile_key(Path("clay.tif")) == tile_key(Path("sand.tif"))
    False
    >>> tile_key(Path("MOD13.h10v02.061.tif")) == tile_key(Path("MOD13.h11v02.061.tif"))
    True
    """
    plain = re.sub(r"[nsew]?\d+[nsew]?(?![a-z])", "#", without_place(path.stem.lower()))
    words = re.sub(r"(?<![a-z])(north|south|east|west|n|s|e|w|ne|nw|se|sw)(?![a-z])", "#", plain)
    return path.parent, re.sub(r"[#_\-. x]*#[#_\-. x]*", "#", words), path.suffix.lower()


def without_place(name: str) -> str:
    """A name in small letters without what says which tile it is: h10v02, n60w150, r3c4.

    Examples
    --------
    >>> without_place("mod13.a2020001.h10v02"), without_place("dem_n60_w150")
    ('mod13.a2020001.#', 'dem_#_#')
    """
    rows_and_columns = re.sub(r"(?<![a-z0-9])(h\d+_?v\d+|r\d+_?c\d+|x\d+_?y\d+)(?!\w)", "#", name)
    return re.sub(r"(?<![a-z])([ns]\d+[ew]\d+|[nsew]\d+)(?![a-z0-9])", "#", rows_and_columns)
