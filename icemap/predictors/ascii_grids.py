"""Grids that are written as text, a row a line: what GDAL passes over in them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from icemap.errors import IcemapError
from icemap.predictors.gdal_access import address_of
from icemap.store import filesystem, storage_errors

DRIVERS = ("AAIGrid", "GRASSASCIIGrid")
WORD = re.compile(rb"[A-Za-z_]")
# What GDAL reads as numbers, some programs with a decimal comma; without letters all else is one.
NUMBER = re.compile(rb"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?|nan|-?1\.#\w+", re.IGNORECASE)
PLAIN = b"0123456789+-.,eE \t\r\n"
ONLY_SIGNS = re.compile(rb"(?<!\S)[-+.,eE]+(?!\S)")
CELLS = ("cellsize", "dx", "dy")
# Part of a cell by which numbers of a header may differ.
ROUNDED = 0.01


def words_of_header(name: str, path: str, dataset: Any) -> dict[str, str]:
    """What the header of a grid of text says that GDAL does not read, as the tags of a raster are.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    path : str
        As GDAL reaches the file.
    dataset : rasterio dataset
        The file, opened.

    Raises
    ------
    IcemapError
        If the header contradicts itself, or values are too many, too few or no numbers, which GDAL
        reads as 0.
    """
    url = address_of(path)
    if dataset.driver not in DRIVERS or url.startswith("/vsi"):
        return {}
    who = f"The source '{name}' ({url})"
    with storage_errors(url, "read"):
        fs, place = filesystem(url)
        with fs.open(place, "rb") as file:
            said: dict[str, str] = {}
            lines = enumerate(file, 1)
            for number, line in lines:
                words = line.decode("latin-1").split()
                if not WORD.match(line.lstrip()) or NUMBER.fullmatch(words[0].encode()):
                    _require_values(who, chain([(number, line)], lines), dataset.shape)
                    break
                _hear(who, said, words)
    _require_one_place(who, said)
    return {"missing_value" if _is_missing(key) else key: value for key, value in said.items()}


def _hear(who: str, said: dict[str, str], words: list[str]) -> None:
    for key, value in zip(words[::2], words[1::2]):
        key = key.lower().rstrip(":=")
        if said.setdefault(key, value) != value:
            raise IcemapError(
                f"{who} says '{key}' twice in its header, {said[key]} and {value}: correct it."
            )


def _is_missing(key: str) -> bool:
    """True for spellings of NODATA_value."""
    plain = "".join(letter for letter in key if letter.isalpha())
    return plain.startswith(("nodata", "missing", "fillvalue", "null"))


def _require_one_place(who: str, said: Mapping[str, str]) -> None:
    """Refuse corners and sizes of cells that contradict one another."""
    sizes = {key: said[key] for key in CELLS if key in said}
    if "cellsize" in sizes and len({_number(size) for size in sizes.values()}) > 1:
        listed = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise IcemapError(
            f"{who} has several sizes of its cells in its header ({listed}): correct it."
        )
    kinds = {
        axis: [kind for kind in ("corner", "center") if f"{axis}ll{kind}" in said] for axis in "xy"
    }
    if kinds["x"] != kinds["y"]:
        found = ", ".join(f"{axis}ll{kind}" for axis in "xy" for kind in kinds[axis])
        raise IcemapError(
            f"{who} has {found} in its header, of which GDAL makes no place: give xllcorner and"
            " yllcorner, or xllcenter and yllcenter."
        )
    if len(kinds["x"]) < 2:
        return
    for axis in "xy":
        size = _number(said.get("cellsize", said.get(f"d{axis}", "nan")))
        corner, centre = (_number(said[f"{axis}ll{kind}"]) for kind in kinds[axis])
        if not abs(corner + size / 2 - centre) <= ROUNDED * abs(size):
            raise IcemapError(
                f"{who} has {axis}llcorner {corner:g} and {axis}llcenter {centre:g} in its header,"
                f" which are not half a cell ({size:g}) apart: correct it."
            )


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _require_values(who: str, lines: Iterable[tuple[int, bytes]], shape: tuple[int, int]) -> None:
    rows, cols = shape
    total = written = 0
    uneven = None
    for number, line in lines:
        # Some programs end a text with this.
        line = line.rstrip(b"\x1a\r\n")
        count = len(line.split())
        if not count:
            continue
        _require_numbers(who, number, line)
        total, written = total + count, written + 1
        if count != cols and uneven is None:
            uneven = f"line {number} has {count:,} values"
    if total != rows * cols or (uneven and written == rows):
        where = f" ({uneven})" if uneven else ""
        raise IcemapError(
            f"{who} has {total:,} values in {written:,} rows{where}, but its header says"
            f" {rows:,} x {cols:,} cells: a part is missing or too much, so that cells would be at"
            " other places; get or write the file again."
        )


def _require_numbers(who: str, number: int, line: bytes) -> None:
    if not line.translate(None, PLAIN) and not ONLY_SIGNS.search(line):
        return
    for text in line.split():
        if not NUMBER.fullmatch(text):
            raise IcemapError(
                f"{who} has '{text.decode('latin-1')[:40]}' in line {number}, which is no number,"
                " and GDAL reads it as 0: write a number such as -9999 in its place, and name it in"
                " the header (NODATA_value, or null: in a grid of GRASS)."
            )
