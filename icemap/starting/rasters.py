"""Entries of files that GDAL reads: tiles are one raster, bands are several entries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from icemap.errors import IcemapError, first_line
from icemap.predictors.gdal_access import gdal_environment, gdal_path
from icemap.starting.entries import Entry, Names, cell_side, crs_words, settings_of
from icemap.starting.folder import tile_key, without_place
from icemap.starting.words import in_words

# Bands of one file that become entries; a file with more of them is asked about.
MAX_BANDS = 40
# Integers in so few different values may be codes of classes.
MAX_CODES = 30
# Cells that are looked at for them, and the side of the reduced copy of a larger raster.
MAX_WHOLE, MAX_LOOKED_AT = 2**26, 4096
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?=\D|$|\d{3}\D|\d{4}\D)")


@dataclass(frozen=True)
class _Header:
    """Where a raster is, for finding tiles."""

    crs: str
    cell: tuple[float, float]
    bands: tuple[tuple[str, str], ...]
    box: tuple[float, float, float, float]


def raster_entries(
    paths: Sequence[Path], names: Names
) -> tuple[list[Entry], list[tuple[Path, str]]]:
    """Entries of files that GDAL reads, and the files that it does not, with the reason."""
    import rasterio

    headers: dict[Path, _Header] = {}
    unread = []
    for path in paths:
        try:
            with rasterio.Env(**gdal_environment(str(path))), rasterio.open(path) as dataset:
                box = rasterio.transform.array_bounds(*dataset.shape, dataset.transform)
                headers[path] = _Header(
                    dataset.crs.to_wkt() if dataset.crs else "",
                    (round(dataset.transform.a, 9), round(dataset.transform.e, 9)),
                    tuple(zip(dataset.dtypes, map(str, dataset.descriptions))),
                    (box[0], box[1], box[2], box[3]),
                )
        except rasterio.errors.RasterioError as error:
            unread.append((path, f"no raster that GDAL reads ({first_line(error)})"))
    entries: list[Entry] = []
    for files in _tiles(headers):
        try:
            entries += _of_raster(files, names)
        except IcemapError as error:
            if len(files) == 1:
                unread.append((files[0], str(error)))
                continue
            found, broken = _one_by_one(files, names, str(error))
            entries += found
            unread += broken
    return _asked_about_names(entries), unread


def _one_by_one(
    files: Sequence[Path], names: Names, why: str
) -> tuple[list[Entry], list[tuple[Path, str]]]:
    """Entries of files that are no parts of one raster, though their names say so."""
    entries: list[Entry] = []
    unread = []
    asked = (
        f"is it a part of one raster, as its name says? They cannot be joined as they are: {why}"
    )
    for path in files:
        try:
            alone = _of_raster((path,), names)
        except IcemapError as error:
            unread.append((path, str(error)))
            continue
        entries += [replace(entry, questions=(*entry.questions, asked)) for entry in alone]
    return entries, unread


def _asked_about_names(entries: Sequence[Entry]) -> list[Entry]:
    """Entries whose files differ in numbers or in their folder alone; the first of them is asked
    about.
    """
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_key(entry), []).append(entry)
    asked = []
    for entry in entries:
        group = groups[_key(entry)]
        others = [one for one in group if one.files != entry.files]
        if not others or group[0] is not entry:
            asked.append(entry)
            continue
        named = ", ".join(f"'{one.name}'" for one in others[:12])
        question = (
            f"{named}{' ...' if len(others) > 12 else ''} and this one have one name but for"
            " numbers or their folder: are they parts of one raster (list their files as 'url' of"
            " one entry), years or versions of one layer (keep one of them, or their mean), or"
            " layers of their own, such as months?"
        )
        asked.append(replace(entry, questions=(*entry.questions, question)))
    return asked


def _key(entry: Entry) -> object:
    return *tile_key(entry.files[0])[1:], entry.settings.get("variable")


def _tiles(headers: Mapping[Path, _Header]) -> list[tuple[Path, ...]]:
    """Files that are parts of one raster, by their names, and because no two cover one another."""
    groups: dict[object, list[Path]] = {}
    for path, header in headers.items():
        groups.setdefault((tile_key(path), header.crs, header.cell, header.bands), []).append(path)
    found: list[tuple[Path, ...]] = []
    for group in groups.values():
        if _are_apart(group, headers):
            found.append(tuple(group))
            continue
        # Tiles of several dates, of each of which the names differ in the place alone.
        dates: dict[str, list[Path]] = {}
        for path in group:
            dates.setdefault(without_place(path.stem.lower()), []).append(path)
        for tiles in dates.values():
            if _are_apart(tiles, headers):
                found.append(tuple(tiles))
            else:
                found += [(path,) for path in tiles]
    return sorted(found)


def _are_apart(group: Sequence[Path], headers: Mapping[Path, _Header]) -> bool:
    """Whether no two files of several cover one another."""
    boxes = [headers[path].box for path in group]
    return len(group) > 1 and not any(
        _covers(one, other) for i, one in enumerate(boxes) for other in boxes[:i]
    )


def _covers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two boxes share more than a rim."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width > 0 and height > 0 and width * height > 0.1 * smaller


def _of_raster(files: tuple[Path, ...], names: Names) -> list[Entry]:
    import rasterio

    from icemap.predictors.mosaics import open_mosaic

    first = files[0]
    with rasterio.Env(**gdal_environment(str(first))):
        urls = [gdal_path(str(path)) for path in files]
        mosaic = open_mosaic(first.stem, urls, [""] * len(urls), overlay=False)
        bands = [(n, band) for n, band in enumerate(mosaic.bands, 1) if not band.is_alpha]
        with rasterio.open(first) as dataset:
            nodata, crs = dataset.nodatavals, dataset.crs
            codes = {n: _codes(dataset, n) for n, _ in bands[:MAX_BANDS]}
    rows, cols = mosaic.layout.shape
    place = f"{rows:,} x {cols:,} cells"
    if len(files) > 1:
        place += f" in {len(files)} files, which by their names and places are parts of one raster"
    years = sorted({year for path in files for year in YEAR.findall(path.stem)[:1]})
    cell = cell_side(crs, mosaic.layout.transform)
    entries = []
    stem = _tile_name(files)
    for number, band in bands[:MAX_BANDS]:
        several = len(bands) > 1
        label = (band.name or f"band {number}") if several else ""
        described = band.declared.description.strip()
        title = in_words(described or f"{stem} {label}")
        settings, said, questions = settings_of(
            f"{stem} {label} {described}", title, band.declared, codes[number]
        )
        if len(years) > 1:
            questions.append(
                f"its files have the years {', '.join(years)} in their names: are they parts of one"
                " raster?"
            )
        if several:
            settings["variable"] = str(number)
        missing = nodata[number - 1]
        said = [
            f"{crs_words(crs)}, {place}, {band.declared.dtype}"
            + (f", band {number} of {len(bands)}" if several else "")
            + (", no nodata" if missing is None else f", nodata {missing:g}"),
            *said,
        ]
        entries.append(
            Entry(
                names.new(f"{stem}_{label}" if several else stem),
                files,
                settings,
                tuple(said),
                tuple(questions),
                cell,
            )
        )
    if len(bands) > MAX_BANDS:
        words = f"the file has {len(bands)} bands, the first {MAX_BANDS} are entries: which matter?"
        entries[-1] = replace(entries[-1], questions=(*entries[-1].questions, words))
    return entries


def _tile_name(files: Sequence[Path]) -> str:
    """What a raster is called: its file without the suffix, or what the names of tiles share."""
    if len(files) == 1:
        return files[0].stem
    shared = tile_key(files[0])[1].replace("#", " ").strip()
    return shared or files[0].parent.name


def _codes(dataset: Any, band: int) -> tuple[int, ...]:
    """The different values of a band of integers, if they are few; from a reduced copy."""
    if not str(dataset.dtypes[band - 1]).startswith(("uint", "int")):
        return ()
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError

    whole = dataset.shape[0] * dataset.shape[1] <= MAX_WHOLE
    shape = dataset.shape if whole else tuple(min(side, MAX_LOOKED_AT) for side in dataset.shape)
    try:
        values = dataset.read(band, out_shape=shape, resampling=Resampling.nearest, masked=True)
    except RasterioError:
        return ()
    found = np.unique(values.compressed())
    return tuple(int(code) for code in found) if len(found) <= MAX_CODES else ()
