"""Names of class codes of a raster, inside the file or next to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from icemap.errors import IcemapError

# What GDAL calls the use of a column of an attribute table.
NAME_USE, MIN_MAX_USE = "2", "5"
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


def category_names(dataset: Any) -> dict[int, dict[int, str]]:
    """Names by code, by number of the band, from category names or attribute tables; bands without
    names are left out.

    rasterio hands neither out; a virtual raster made of the file writes down both.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.shutil import copy, delete

    if not all(dtype.startswith(("int", "uint")) for dtype in dataset.dtypes):
        return {}
    place = f"/vsimem/icemap-{id(dataset)}.vrt"
    try:
        copy(dataset, place, driver="VRT")
        with rasterio.open(place) as virtual:
            written = virtual.tags(ns="xml:VRT")["xml:VRT"]
        delete(place)
    except (RasterioError, KeyError, RuntimeError):
        return {}
    bands = {
        int(band.get("band", 0)): band
        for band in ElementTree.fromstring(written).iter("VRTRasterBand")
    }
    named = {
        number: dict(_attribute_table(band)) or dict(_categories(band))
        for number, band in bands.items()
    }
    return {number: names for number, names in named.items() if names}


def _categories(band: ElementTree.Element) -> Iterator[tuple[int, str]]:
    """Category names stand in the order of the codes."""
    for code, element in enumerate(band.iterfind("CategoryNames/Category")):
        if element.text and element.text.strip():
            yield code, element.text.strip()


def _attribute_table(band: ElementTree.Element) -> Iterator[tuple[int, str]]:
    table = band.find("GDALRasterAttributeTable")
    if table is None:
        return
    columns = [
        (column.findtext("Name", "").strip().lower(), column.findtext("Usage", ""))
        for column in table.iterfind("FieldDefn")
    ]
    value = _column(columns, VALUE_COLUMNS, MIN_MAX_USE)
    name = _column(columns, NAME_COLUMNS, NAME_USE)
    if value is None or name is None:
        return
    for row in table.iterfind("Row"):
        cells = [cell.text or "" for cell in row.iterfind("F")]
        if cells[name].strip():
            try:
                code = float(cells[value])
            except ValueError as error:
                raise IcemapError(
                    f"The attribute table of a raster has the code '{cells[value]}', which is no"
                    " number: correct the table."
                ) from error
            yield int(code), cells[name].strip()


def _column(columns: list[tuple[str, str]], names: tuple[str, ...], use: str) -> int | None:
    by_use = [number for number, (_, used) in enumerate(columns) if used == use]
    by_name = [
        number for wanted in names for number, (name, _) in enumerate(columns) if name == wanted
    ]
    return next(iter([*by_use, *by_name]), None)
