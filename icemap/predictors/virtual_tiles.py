"""What the files behind a virtual raster say otherwise than the virtual raster does: GDAL hears
the latter alone.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
import shapely

from icemap.predictors.class_tables import category_names
from icemap.predictors.disputes import Dispute, Heard
from icemap.predictors.missing import same_code
from icemap.units import same_unit, says_nothing

JOINED = ("SimpleSource", "ComplexSource")
# By these a virtual raster makes other values of those of a file.
RESCALED = ("ScaleRatio", "ScaleOffset", "DstMin", "Exponent", "LUT", "ColorTableComponent")
# Per side of a virtual raster, at which it is asked whether there is anything behind it.
PLACES = 33
# So many files are opened of larger mosaics, spread over them.
MAX_OPENED = 256


@dataclass(frozen=True)
class _Tile:
    """What one file says of the band that becomes part of one of a virtual raster."""

    path: str
    dtype: str
    packing: tuple[float, float]
    unit: str
    nodata: float | None
    names: Mapping[int, str]
    is_coloured: bool


def heard_behind(path: str, dataset: Any) -> list[Heard]:
    """Of each band of a raster what the files behind it say otherwise; nothing where it is no
    virtual raster, or makes other values of theirs.

    Parameters
    ----------
    path : str
        As GDAL reaches the file.
    dataset : rasterio dataset
        The same, opened.
    """
    heard = [Heard() for _ in range(dataset.count)]
    if dataset.driver != "VRT":
        return heard
    for number, tiles in _tiles(path, dataset).items():
        for tile in tiles:
            heard[number - 1] += _of_tile(path, dataset, number, tile, tiles[0])
        units = {tile.unit for tile in tiles}
        if len(units) == 1 and says_nothing(dataset.units[number - 1]):
            heard[number - 1] += Heard(unit=units.pop())
        named = tuple((tile.path, tile.names) for tile in tiles if tile.names)
        heard[number - 1] += Heard(named=named, is_coloured=any(one.is_coloured for one in tiles))
        if _has_gaps(dataset, number):
            heard[number - 1] += Heard(doubted={0.0: f"{path} where no file is behind it"})
    warped = _warped(path, dataset)
    if warped is not None and not _reaches_all(dataset, warped):
        doubted = {0.0: f"{path} where {warped} does not reach"}
        heard = [one + Heard(doubted=doubted) for one in heard]
    return heard


def missing_behind(path: str) -> list[str]:
    """Files that a virtual raster joins, itself or by others, and that are not there."""
    found: dict[str, bool] = {}
    waiting = [path]
    while waiting:
        for one in _named(waiting.pop()):
            if one not in found and one != path and not one.startswith("/vsi") and ":" not in one:
                found[one] = os.path.exists(one)
                waiting.append(one)
    return [one for one, is_there in found.items() if not is_there]


def _named(path: str) -> list[str]:
    if not path.lower().endswith(".vrt"):
        return []
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return []
    return [_place(path, element) for element in root.iter("SourceFilename")]


def _has_gaps(dataset: Any, number: int) -> bool:
    """True if no file is behind some cells of a virtual raster, which GDAL then makes 0."""
    root = ElementTree.fromstring(dataset.tags(ns="xml:VRT")["xml:VRT"])
    band = root.find(f"VRTRasterBand[@band='{number}']")
    if band is None or dataset.nodatavals[number - 1] is not None:
        return False
    boxes = []
    for source in band:
        onto = source.find("DstRect")
        if source.tag not in JOINED or onto is None:
            # It is behind all cells, or is made otherwise.
            return False
        left, top, width, height = (
            float(onto.get(key, 0)) for key in ("xOff", "yOff", "xSize", "ySize")
        )
        boxes.append(shapely.box(left, top, left + width, top + height))
    return bool(boxes) and shapely.union_all(boxes).area < dataset.width * dataset.height - 0.5


def _warped(path: str, dataset: Any) -> str | None:
    """The file that a virtual raster warps, where nothing says which of its cells that reaches."""
    from rasterio.enums import ColorInterp

    if ColorInterp.alpha in dataset.colorinterp or dataset.nodata is not None:
        return None
    root = ElementTree.fromstring(dataset.tags(ns="xml:VRT")["xml:VRT"])
    element = root.find("GDALWarpOptions/SourceDataset")
    return None if element is None else _place(path, element)


def _reaches_all(dataset: Any, warped: str) -> bool:
    """True if a file reaches all cells of the virtual raster that it is warped to."""
    import pyproj
    import rasterio

    rows, cols = (part.ravel() for part in np.indices((PLACES, PLACES)) / (PLACES - 1))
    here = dataset.transform @ (
        0.5 + cols * (dataset.width - 1),
        0.5 + rows * (dataset.height - 1),
    )
    try:
        with rasterio.open(warped) as file:
            if not (file.crs and dataset.crs) or file.transform.is_identity:
                return True
            to_file = pyproj.Transformer.from_crs(
                dataset.crs.to_wkt(), file.crs.to_wkt(), always_xy=True
            )
            col, row = ~file.transform @ to_file.transform(*here)
            # A warp reaches half a cell beyond the last centre.
            within = (col >= -1) & (col <= file.width + 1) & (row >= -1) & (row <= file.height + 1)
    except rasterio.errors.RasterioIOError:
        # Which is said where it is read.
        return True
    return bool(within.all())


def _tiles(path: str, dataset: Any) -> dict[int, list[_Tile]]:
    """By the number of a band, the tiles of which it is joined."""
    import rasterio
    from rasterio.enums import ColorInterp

    root = ElementTree.fromstring(dataset.tags(ns="xml:VRT")["xml:VRT"])
    found: dict[int, list[_Tile]] = {}
    named: dict[str, dict[int, dict[int, str]]] = {}
    for band in root.iterfind("VRTRasterBand"):
        sources = list(_plain_sources(band))
        step = max(1, -(-len(sources) // MAX_OPENED))
        for element, number, nodata in sources[::step]:
            place = _place(path, element)
            try:
                with rasterio.open(place) as tile:
                    others = found.setdefault(int(band.get("band", 0)), [])
                    if place not in named:
                        named[place] = category_names(tile, looks_around=not named)
                    others.append(
                        _Tile(
                            place,
                            tile.dtypes[number - 1],
                            (tile.scales[number - 1], tile.offsets[number - 1]),
                            tile.units[number - 1] or "",
                            None if nodata else tile.nodatavals[number - 1],
                            named[place].get(number, {}),
                            tile.colorinterp[number - 1] == ColorInterp.palette,
                        )
                    )
            except (rasterio.errors.RasterioIOError, IndexError):
                # Which is said where it is read.
                continue
    return found


def _plain_sources(band: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, int, bool]]:
    """Of each file whose values are taken as they are: its address, its band, and whether the
    virtual raster heeds its code for missing.
    """
    for source in band:
        place = source.find("SourceFilename")
        number = source.findtext("SourceBand", "1")
        if source.tag not in JOINED or place is None or not number.isdigit():
            continue
        if any(source.find(key) is not None for key in RESCALED):
            continue
        yield place, int(number), source.find("NODATA") is not None


def _place(path: str, element: ElementTree.Element) -> str:
    name = (element.text or "").strip()
    if element.get("relativeToVRT") == "1":
        name = posixpath.join(posixpath.dirname(path), name)
    return name if name.startswith("/vsi") else posixpath.normpath(name)


def _of_tile(path: str, dataset: Any, number: int, tile: _Tile, first: _Tile) -> Heard:
    disputes: list[Dispute] = []
    doubted: dict[float, str] = {}
    notes: list[str] = []
    packing = (dataset.scales[number - 1], dataset.offsets[number - 1])
    for other, whose in ((packing, path), (first.packing, first.path)):
        says = tile.packing != (1.0, 0.0) or whose != path
        if says and tile.packing != other:
            said = (
                f"{tile.path} has the scale {tile.packing[0]:g} and the offset"
                f" {tile.packing[1]:g}, and {whose} {other[0]:g} and {other[1]:g}"
            )
            disputes.append(Dispute(said, ("scale", "offset") if whose == path else ()))
    unit = dataset.units[number - 1] or ""
    for theirs, whose in ((unit, path), (first.unit, first.path)):
        if not (says_nothing(tile.unit) or says_nothing(theirs) or same_unit(tile.unit, theirs)):
            said = f"the unit is '{tile.unit}' by {tile.path}, and '{theirs}' by {whose}"
            disputes.append(Dispute(said, ("file_unit",) if whose == path else ()))
    own, nodata = tile.nodata, dataset.nodatavals[number - 1]
    if own is not None and np.isfinite(own):
        known = nodata is not None and bool(same_code(np.array([own]), nodata)[0])
        if not known:
            doubted[float(own)] = f"{tile.path}, but not by {path}, which it is a part of"
    dtype = dataset.dtypes[number - 1]
    if not np.can_cast(tile.dtype, dtype) and np.dtype(dtype).kind in "iu":
        notes.append(f"{path} makes {dtype} of {tile.dtype}, rounded and cut off where it ends")
    return Heard(tuple(disputes), doubted, tuple(notes))
