"""Many rasters of one CRS and cell size as one, read by window."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.ascii_grids import words_of_header
from icemap.predictors.class_tables import category_names
from icemap.predictors.crs_spellings import cells_apart
from icemap.predictors.declared import (
    Declared,
    Limits,
    listed_codes,
    unadded_offset,
    unapplied_scale,
)
from icemap.predictors.disputes import Dispute, Heard
from icemap.predictors.months import Stamp, stamp_of_band
from icemap.predictors.own_statistics import exact_statistics
from icemap.predictors.point_grids import require_whole_grid
from icemap.predictors.side_files import heard_next_to
from icemap.predictors.virtual_tiles import heard_behind
from icemap.units import same_unit, says_nothing

if TYPE_CHECKING:
    from affine import Affine

# Part of a cell by which a file may be off the lattice of the first one.
TOLERANCE = 0.01
# Tiles overlap at their edges; files that share more than this part of their cells are layers.
MAX_OVERLAP = 0.9
# Compressions that change values: JPEG, but not JPEG2000, which may or may not.
LOSSY = re.compile(r"JPEG(?!\d)")


@dataclass(frozen=True)
class Header:
    """Where one file says that it is."""

    path: str
    crs: str | None
    transform: Affine
    shape: tuple[int, int]


@dataclass(frozen=True)
class Part:
    """Where one file is in the mosaic, in cells."""

    path: str
    top: int
    left: int
    shape: tuple[int, int]

    def meets(self, rows: slice, cols: slice) -> tuple[slice, slice] | None:
        """The cells of a window of the mosaic that are in this file."""
        top, bottom = max(rows.start, self.top), min(rows.stop, self.top + self.shape[0])
        left, right = max(cols.start, self.left), min(cols.stop, self.left + self.shape[1])
        return None if top >= bottom or left >= right else (slice(top, bottom), slice(left, right))


@dataclass(frozen=True)
class Layout:
    """The box around all files, and where each is in it."""

    crs: str | None
    transform: Affine
    shape: tuple[int, int]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Band:
    """What a file, or all files of a mosaic, say of a band.

    Attributes
    ----------
    declared : Declared
    name : str
        Empty where files call it differently.
    is_alpha : bool
    stamp : Stamp
    conflict : str
        A code of classes that two files name differently, in words; empty if there is none.
    is_lossy : bool
        True if the compression of a file changes values a little.
    heard : Heard
        What files say differently.
    """

    declared: Declared
    name: str
    is_alpha: bool
    stamp: Stamp
    conflict: str = ""
    is_lossy: bool = False
    heard: Heard = field(default_factory=Heard)


@dataclass(frozen=True)
class Mosaic:
    """Files that GDAL reads, as one raster; where they overlap, the first with a value counts.

    Attributes
    ----------
    layout : Layout
    bands : tuple of Band
        Those that all files have; each is declared the same in all of them.
    driver : str
        GDAL's name for the format of the first file.
    """

    layout: Layout
    bands: tuple[Band, ...]
    driver: str

    def read(self, band: int, rows: slice, cols: slice) -> NDArray[np.float64]:
        """A window of stored values, NaN where no file has a value.

        Parameters
        ----------
        band : int
            From 1.
        rows, cols : slice
            Of the whole mosaic.
        """
        import rasterio

        values = np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan)
        for part in self.layout.parts:
            met = part.meets(rows, cols)
            if met is None:
                continue
            here, there = met
            window = (
                (here.start - part.top, here.stop - part.top),
                (there.start - part.left, there.stop - part.left),
            )
            try:
                with rasterio.open(part.path) as dataset:
                    found = _stored(dataset, band, window)
            except rasterio.errors.RasterioIOError as error:
                # GDAL does not say which file.
                raise rasterio.errors.RasterioIOError(part.path) from error
            target = values[
                here.start - rows.start : here.stop - rows.start,
                there.start - cols.start : there.stop - cols.start,
            ]
            np.copyto(target, found, where=np.isnan(target))
        return values


def _stored(dataset: Any, band: int, window: Any) -> NDArray[np.float64]:
    """Stored values, NaN where a mask, the alpha band or the nodata value of the file says so: GDAL
    heeds but one of them.
    """
    from rasterio.enums import ColorInterp

    read = dataset.read(band, window=window, masked=True)
    values = np.ma.filled(read.astype(np.float64), np.nan)
    nodata = dataset.nodatavals[band - 1]
    if nodata is not None and np.isfinite(nodata):
        values[np.isclose(values, nodata, rtol=1e-6, atol=0)] = np.nan
    alpha = [
        number
        for number, meaning in enumerate(dataset.colorinterp, 1)
        if meaning == ColorInterp.alpha and number != band
    ]
    if alpha:
        values[dataset.read(alpha[0], window=window) == 0] = np.nan
    return values


def open_mosaic(
    name: str,
    paths: Sequence[str],
    stamps: Sequence[str],
    *,
    overlay: bool,
    crs: str | None = None,
) -> Mosaic:
    """Lay out files by their headers, which are read once per process as long as ``stamps`` stay
    the same.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    paths, stamps : sequence of str
        Of the files.
    overlay : bool
        True if files are meant to cover one another.
    crs : str, optional
        Of all files, in place of their own.

    Raises
    ------
    IcemapError
        If a file differs from the first in CRS, cell size or the order of its bands, is off
        its lattice, or covers another one unasked.
    """
    return _laid_out(name, tuple(paths), tuple(stamps), overlay, crs)


@lru_cache(maxsize=64)
def _laid_out(
    name: str, paths: tuple[str, ...], stamps: tuple[str, ...], overlay: bool, crs: str | None
) -> Mosaic:
    import rasterio

    headers, bands, drivers = [], [], []
    for path in paths:
        with rasterio.open(path) as dataset:
            drivers.append(dataset.driver)
            headers.append(
                Header(
                    path,
                    crs or (dataset.crs.to_wkt() if dataset.crs else None),
                    dataset.transform,
                    dataset.shape,
                )
            )
            require_whole_grid(name, path, dataset)
            names = category_names(dataset, looks_around=path == paths[0])
            heard = _heard(path, dataset, looks_around=path == paths[0])
            words = words_of_header(name, path, dataset)
            bands.append(
                tuple(
                    _band(dataset, number, names.get(number, {}), words, heard[number - 1])
                    for number in range(1, dataset.count + 1)
                )
            )
    _require_one_order(name, paths, bands)
    common = tuple(_joined(paths, same) for same in zip(*bands))
    return Mosaic(lay_out(name, headers, overlay=overlay), common, drivers[0])


def _heard(path: str, dataset: Any, *, looks_around: bool) -> list[Heard]:
    """Of each band, what files next to a raster or behind it say otherwise."""
    next_to = heard_next_to(path, dataset, looks_around=looks_around)
    return [one + other for one, other in zip(next_to, heard_behind(path, dataset), strict=True)]


def _heard_among(paths: Sequence[str], same: Sequence[Band]) -> Heard:
    """What files say differently of one band."""
    first, disputes = same[0].declared, []
    for path, band in zip(paths, same):
        own = band.declared
        if not np.allclose((own.scale, own.offset), (first.scale, first.offset), rtol=1e-6, atol=0):
            said = f"bands of {path} have another scale or offset than those of {paths[0]}"
            disputes.append(Dispute(said, ("scale", "offset")))
        are_silent = says_nothing(own.unit) and says_nothing(first.unit)
        if not (are_silent or same_unit(own.unit, first.unit)):
            said = f"bands of {path} have another unit than those of {paths[0]}"
            disputes.append(Dispute(said, ("file_unit",)))
    codes = [band.declared.nodata for band in same]
    doubted = {
        code: f"{path}, but not by all the files"
        for path, code in zip(paths, codes)
        if code is not None and np.isfinite(code) and any(code != other for other in codes)
    }
    return Heard(tuple(disputes[:1]), doubted)


def _require_one_order(name: str, paths: Sequence[str], bands: Sequence[tuple[Band, ...]]) -> None:
    """Refuse files whose bands have the same names in another order."""
    first = [band.name for band in bands[0]]
    for path, own in zip(paths, bands):
        names = [band.name for band in own]
        if names != first and sorted(names) == sorted(first):
            raise IcemapError(
                f"The source '{name}': bands of {path} are {', '.join(names)}, those of {paths[0]}"
                f" {', '.join(first)}: bring them into one order, with gdal_translate -b or"
                " gdalbuildvrt."
            )


def _joined(paths: Sequence[str], same: Sequence[Band]) -> Band:
    """One band of all files: the names of its classes together."""
    classes: dict[int, str] = {}
    where: dict[int, str] = {}
    conflict = ""
    for path, band in zip(paths, same):
        for code, named in band.declared.classes.items():
            known = classes.setdefault(code, named)
            place = where.setdefault(code, path)
            # Numbers of a table may be counts of its file.
            if _plain(known) != _plain(named) and not _plain(named).isnumeric():
                conflict = conflict or f"{code} '{known}' in {place} and '{named}' in {path}"
    tables = [band.declared.table for band in same if band.declared.table]
    heard = sum((band.heard for band in same), _heard_among(paths, same))
    declared = replace(
        same[0].declared,
        classes=classes,
        table=tables[0] if tables else "",
        statistics=same[0].declared.statistics if len(same) == 1 else None,
        doubted=heard.doubted,
    )
    name = same[0].name if len({band.name for band in same}) == 1 else ""
    is_lossy = any(band.is_lossy for band in same)
    return replace(
        same[0],
        declared=declared,
        name=name,
        conflict=conflict,
        is_lossy=is_lossy,
        heard=heard,
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _band(
    dataset: Any, number: int, names: dict[int, str], words: dict[str, str], heard: Heard
) -> Band:
    from rasterio.enums import ColorInterp

    tags = (
        {**dataset.tags(), **dataset.tags(number)} if dataset.count == 1 else dataset.tags(number)
    )
    tags = {**words, **tags}
    unit = dataset.units[number - 1] or next(
        (tags[key] for key in ("GRIB_UNIT", "units", "UNITS", "Units", "unit") if key in tags),
        heard.unit,
    )
    scale, offset = dataset.scales[number - 1], dataset.offsets[number - 1]
    if (scale, offset) == (1.0, 0.0) and np.dtype(dataset.dtypes[number - 1]).kind in "iu":
        # Other programs write the words of CF as tags, which GDAL does not apply.
        scale, offset = _tagged(tags, "scale_factor", 1.0), _tagged(tags, "add_offset", 0.0)
    is_scaled = (scale, offset) != (1.0, 0.0)
    codes = [_tagged(tags, key, np.nan) for key in ("_fillvalue", "missing_value")]
    has_colours = dataset.colorinterp[number - 1] == ColorInterp.palette
    declared = Declared(
        dtype=dataset.dtypes[number - 1],
        unit=unit,
        scale=scale,
        offset=offset,
        stored=Limits(missing=tuple(code for code in codes if np.isfinite(code))),
        classes=names,
        table="names of classes" if names else "a colour table" if has_colours else "",
        description=f"{dataset.descriptions[number - 1] or ''} {tags.get('long_name', '')}",
        listed=listed_codes(tags),
        unapplied="" if is_scaled else unapplied_scale(tags, np.dtype(dataset.dtypes[number - 1])),
        unadded="" if is_scaled else unadded_offset(tags, np.dtype(dataset.dtypes[number - 1])),
        nodata=dataset.nodatavals[number - 1],
        gives_way=True,
        statistics=exact_statistics(dataset.tags(number)),
    )
    return Band(
        declared,
        dataset.descriptions[number - 1] or "",
        dataset.colorinterp[number - 1] == ColorInterp.alpha,
        stamp_of_band(tags, dataset.tags()),
        is_lossy=LOSSY.search(dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", ""))
        is not None,
        heard=heard,
    )


def _tagged(tags: Mapping[str, str], key: str, otherwise: float) -> float:
    """The number in a tag, in capitals or not; ``otherwise`` where there is none."""
    named = {name.lower(): value for name, value in tags.items()}
    try:
        return float(named[key])
    except (KeyError, ValueError):
        return otherwise


def lay_out(name: str, headers: Sequence[Header], *, overlay: bool) -> Layout:
    """Place files on the lattice of the first one.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    headers : sequence of Header
    overlay : bool
        True if files are meant to cover one another.

    Raises
    ------
    IcemapError
        If a file has another CRS, other cells, is between those of the first, or covers another
        one unasked.
    """
    origin = headers[0]
    first = origin.transform
    parts = []
    for header in headers:
        sizes = [(getattr(first, key), getattr(header.transform, key)) for key in "abde"]
        if not _is_one_crs(header, origin):
            said = f"{header.path} has another CRS than {origin.path}"
            if not (header.crs and origin.crs):
                has, lacks = (header, origin) if header.crs else (origin, header)
                said = f"{lacks.path} has no CRS, and {has.path} has one"
            raise IcemapError(
                f"The source '{name}': {said}: give one entry of the catalogue to each, warp the"
                " files to one, or say with 'crs' in the catalogue which one all of them have."
            )
        # Over the whole raster the lattices must not drift apart.
        if any(abs(a - b) * max(header.shape) > TOLERANCE * abs(first.a) for a, b in sizes):
            raise IcemapError(
                f"The source '{name}': cells of {header.path} are {header.transform.a:g} x"
                f" {-header.transform.e:g}, those of {origin.path} {first.a:g} x {-first.e:g};"
                " resample the files to one cell size, or join them with gdalbuildvrt."
            )
        left, top = (~first) @ (header.transform.c, header.transform.f)
        if max(abs(left - round(left)), abs(top - round(top))) > TOLERANCE:
            raise IcemapError(
                f"The source '{name}': {header.path} is {left % 1:.2f} cells off the lattice"
                f" of {origin.path}; resample it, or join them with gdalbuildvrt."
            )
        parts.append(Part(header.path, round(top), round(left), header.shape))
    if not overlay:
        _require_side_by_side(name, parts)
    top, left = min(part.top for part in parts), min(part.left for part in parts)
    bottom, right = (
        max(part.top + part.shape[0] for part in parts),
        max(part.left + part.shape[1] for part in parts),
    )
    placed = tuple(Part(part.path, part.top - top, part.left - left, part.shape) for part in parts)
    return Layout(
        origin.crs, first @ first.translation(left, top), (bottom - top, right - left), placed
    )


def _is_one_crs(one: Header, other: Header) -> bool:
    """True for one CRS, in whatever spelling."""
    if one.crs is None or other.crs is None or one.crs == other.crs:
        return one.crs == other.crs
    return cells_apart(one.transform, one.shape, one.crs, other.crs) <= TOLERANCE


def _require_side_by_side(name: str, parts: Sequence[Part]) -> None:
    """Tiles share their edges; rasters that cover one another are months, years or layers."""
    if len(parts) == 1:
        return
    import shapely

    left, top = np.array([part.left for part in parts]), np.array([part.top for part in parts])
    rows, cols = np.array([part.shape for part in parts]).T
    boxes = shapely.box(left, top, left + cols, top + rows)
    one, other = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(boxes[one], boxes[other]))
    covering = shared > MAX_OVERLAP * np.minimum(
        shapely.area(boxes[one]), shapely.area(boxes[other])
    )
    if covering.any():
        pair = [parts[int(ends[covering][0])].path for ends in (one, other)]
        raise IcemapError(
            f"The source '{name}' is made of {len(parts)} files of which {pair[0]} and {pair[1]}"
            " cover one another, so that only the first would count: give one entry of the"
            " catalogue to each layer (month, year), or 'overlay: true' if the others are meant to"
            " fill the gaps of the first."
        )
