"""Names of class codes of a raster, inside the file or next to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from icemap.errors import IcemapError
from icemap.predictors.downloads import download
from icemap.predictors.gdal_access import address_of
from icemap.store import exists, is_remote, local_path

# What GDAL calls the use of a column of an attribute table.
NAME_USE, MIN_USE, MAX_USE, MIN_MAX_USE = "2", "3", "4", "5"
# Counts of cells, and parts of a colour.
OTHER_USES = {"1", *map(str, range(6, 18))}
NAME_COLUMNS = (
    "class_name",
    "classname",
    "class",
    "name",
    "label",
    "category",
    "class_names",
    "description",
    "landcover",
    "land_cover",
)
VALUE_COLUMNS = ("value", "code", "class_code", "id")
# Columns that tell nothing of what a code means.
OTHER_COLUMNS = {"count", "histogram", "rowid", "oid", "objectid", "fid", "red", "green", "blue"}
OTHER_COLUMNS |= {"alpha", "opacity", "color", "colour", "shape_area", "area", "percent"}
# Rows of an interval of codes stand for each of them, up to this many.
MAX_CODES = 255


@dataclass(frozen=True)
class _Table:
    """Rows of cells as text, and of each column its name in lower case and its use."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]


def category_names(dataset: Any, *, looks_around: bool) -> dict[int, dict[int, str]]:
    """Names by code, by number of the band, from category names or attribute tables; bands without
    names are left out.

    rasterio hands neither out; a virtual raster made of the file writes down both. Other programs
    keep the table of a raster next to it, as ``.vat.dbf``, which is looked for in a bucket only if
    the file ``looks_around``: each asks the bucket once.
    """
    named = {
        number: dict(_named(_attribute_table(band))) or dict(_categories(band))
        for number, band in _virtual_bands(dataset).items()
    }
    if dataset.count == 1 and not named.get(1):
        named[1] = dict(_named(_table_next_to(address_of(dataset.name), looks_around)))
    return {number: names for number, names in named.items() if names}


def names_together(
    named: Iterable[tuple[str, Mapping[int, str]]],
) -> tuple[dict[int, str], str]:
    """The names that files give to codes, and a code that two of them name differently, in words.

    Parameters
    ----------
    named : iterable of (str, mapping of int to str)
        Files, each with the names of its classes; of two names of a code the first counts.

    Examples
    --------
    >>> names_together([("a.tif", {1: "till"}), ("b.tif", {1: "Till ", 7: "peat"})])
    ({1: 'till', 7: 'peat'}, '')
    >>> names_together([("a.tif", {1: "till"}), ("b.tif", {1: "rock"})])[1]
    "1 'till' in a.tif and 'rock' in b.tif"
    """
    classes: dict[int, str] = {}
    where: dict[int, str] = {}
    conflict = ""
    for path, names in named:
        for code, name in names.items():
            known = classes.setdefault(code, name)
            place = where.setdefault(code, path)
            # Numbers of a table may be counts of its file.
            if _plain(known) != _plain(name) and not _plain(name).isnumeric():
                conflict = conflict or f"{code} '{known}' in {place} and '{name}' in {path}"
    return classes, conflict


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _virtual_bands(dataset: Any) -> dict[int, ElementTree.Element]:
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.shutil import copy, delete

    place = f"/vsimem/icemap-{id(dataset)}.vrt"
    try:
        copy(dataset, place, driver="VRT")
        with rasterio.open(place) as virtual:
            written = virtual.tags(ns="xml:VRT")["xml:VRT"]
        delete(place)
    except (RasterioError, KeyError, RuntimeError):
        return {}
    return {
        int(band.get("band", 0)): band
        for band in ElementTree.fromstring(written).iter("VRTRasterBand")
    }


def _categories(band: ElementTree.Element) -> Iterator[tuple[int, str]]:
    """Category names stand in the order of the codes."""
    for code, element in enumerate(band.iterfind("CategoryNames/Category")):
        if element.text and element.text.strip():
            yield code, element.text.strip()


def _attribute_table(band: ElementTree.Element) -> _Table | None:
    table = band.find("GDALRasterAttributeTable")
    # What GDAL calls athematic is about a quantity.
    if table is None or table.get("tableType") == "athematic":
        return None
    columns = [
        (column.findtext("Name", "").strip().lower(), column.findtext("Usage", ""))
        for column in table.iterfind("FieldDefn")
    ]
    rows = [[cell.text or "" for cell in row.iterfind("F")] for row in table.iterfind("Row")]
    return _Table(columns, rows)


def _table_next_to(url: str, looks_around: bool) -> _Table | None:
    """The attribute table that ArcGIS writes next to a raster."""
    table = f"{url}.vat.dbf"
    # Nothing is next to what GDAL reads out of an archive; a web server may answer for any name.
    if url.startswith(("/vsi", "http")) or (is_remote(url) and not looks_around):
        return None
    try:
        if not exists(table):
            return None
    except IcemapError:
        # Buckets that may not be listed refuse what is not there.
        return None
    import pyogrio

    try:
        frame = pyogrio.read_dataframe(
            download(table) if is_remote(table) else local_path(table), read_geometry=False
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise IcemapError(
            f"{table} is not the attribute table of a raster, or it is broken: correct or remove"
            " it."
        ) from error
    columns = [(str(name).strip().lower(), "") for name in frame.columns]
    texts = frame.astype(object).where(frame.notna(), "")
    return _Table(columns, [[str(cell) for cell in row] for row in texts.to_numpy().tolist()])


def _named(table: _Table | None) -> Iterator[tuple[int, str]]:
    """Codes and what they mean."""
    if table is None:
        return
    value = _column(table.columns, VALUE_COLUMNS, MIN_MAX_USE)
    low, high = (
        (value, value)
        if value is not None
        else (_column(table.columns, (), MIN_USE), _column(table.columns, (), MAX_USE))
    )
    if low is None or high is None:
        return
    name = _column(table.columns, NAME_COLUMNS, NAME_USE)
    if name is None:
        name = _telling_column(table, {low, high})
    if name is None:
        return
    for row in table.rows:
        if row[name].strip():
            for code in _codes(row[low], row[high]):
                yield code, row[name].strip()


def _codes(low: str, high: str) -> Iterable[int]:
    try:
        first, last = float(low), float(high)
    except ValueError as error:
        raise IcemapError(
            f"The attribute table of a raster has the code '{low}', which is no number: correct the"
            " table."
        ) from error
    # Wider intervals, and those without a whole number in them, are of a quantity.
    if not last - first <= MAX_CODES:
        return ()
    return range(math.ceil(first), math.floor(last) + 1)


def _telling_column(table: _Table, codes: set[int]) -> int | None:
    """A column of words or numbers that says what the codes mean, under a name of its own."""
    left = [
        number
        for number, (name, use) in enumerate(table.columns)
        if number not in codes and use not in OTHER_USES and name not in OTHER_COLUMNS
    ]
    words = [n for n in left if any(not _is_number(row[n]) for row in table.rows)]
    return next(iter([*words, *left]), None)


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def _column(columns: Sequence[tuple[str, str]], names: tuple[str, ...], use: str) -> int | None:
    by_use = [number for number, (_, used) in enumerate(columns) if used == use]
    by_name = [
        number for wanted in names for number, (name, _) in enumerate(columns) if name == wanted
    ]
    return next(iter([*by_use, *by_name]), None)
