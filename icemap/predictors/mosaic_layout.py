"""Where each of many rasters is on the lattice of the first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from icemap.errors import IcemapError
from icemap.predictors.crs_spellings import cells_apart
from icemap.predictors.tile_overlaps import different, overlapping, rims, two_values

if TYPE_CHECKING:
    from affine import Affine

# Part of a cell by which a file may be off the lattice of the first one.
TOLERANCE = 0.01
# How far off it is where one file gives the centres of cells and the other their corners.
HALF = 0.02
# Tiles overlap at their edges; files that share more than this part of their cells are layers.
MAX_OVERLAP = 0.9


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

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.top, self.left, *self.shape

    def meets(self, rows: slice, cols: slice) -> tuple[slice, slice] | None:
        """The cells of a window of the mosaic that are in this file."""
        top, bottom = max(rows.start, self.top), min(rows.stop, self.top + self.shape[0])
        left, right = max(cols.start, self.left), min(cols.stop, self.left + self.shape[1])
        return None if top >= bottom or left >= right else (slice(top, bottom), slice(left, right))


@dataclass(frozen=True)
class Layout:
    """The box around all files, and where each is in it.

    Attributes
    ----------
    name : str
        Of the source, for messages.
    crs : str or None
    transform : Affine
    shape : (int, int)
        Rows and columns.
    parts : tuple of Part
    overlay : bool
        True if files are meant to cover one another.
    """

    name: str
    crs: str | None
    transform: Affine
    shape: tuple[int, int]
    parts: tuple[Part, ...]
    overlay: bool

    def read(
        self,
        rows: slice,
        cols: slice,
        read_part: Callable[[str, slice, slice], NDArray[Any]],
        dtype: DTypeLike,
    ) -> NDArray[Any]:
        """A window of values, NaN where no file has one; where files overlap, the first with a
        value counts. ``read_part(path, rows, cols)`` gives a window of one file.

        Raises
        ------
        IcemapError
            If files that are not meant to cover one another have different values.
        """
        values = np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan, dtype=dtype)
        for part in self.parts:
            met = part.meets(rows, cols)
            if met is None:
                continue
            here, there = met
            found = read_part(
                part.path,
                slice(here.start - part.top, here.stop - part.top),
                slice(there.start - part.left, there.stop - part.left),
            )
            target = values[
                here.start - rows.start : here.stop - rows.start,
                there.start - cols.start : there.stop - cols.start,
            ]
            apart = None if self.overlay else different(target, found)
            if apart is not None:
                row, col, count = apart
                value, other = float(target[row, col]), float(found[row, col])
                first = self._first(here.start + row, there.start + col, read_part)
                raise two_values(self.name, (first, part.path), (value, other), count)
            np.copyto(target, found, where=np.isnan(target))
        return values

    def _first(
        self, row: int, col: int, read_part: Callable[[str, slice, slice], NDArray[Any]]
    ) -> str:
        """The file whose value counts in one cell."""
        cell = slice(row, row + 1), slice(col, col + 1)
        for part in self.parts:
            if part.meets(*cell) is None:
                continue
            here = slice(row - part.top, row - part.top + 1)
            there = slice(col - part.left, col - part.left + 1)
            if not np.isnan(read_part(part.path, here, there)).any():
                return part.path
        raise AssertionError("a cell with a value has it from a file")

    def look_at_rims(
        self, read_part: Callable[[str, slice, slice], NDArray[Any]], dtype: DTypeLike
    ) -> None:
        """Read some of the cells that several files have, so that different values are told before
        hours of work.
        """
        if self.overlay or len(self.parts) == 1:
            return
        for rows, cols in rims([part.box for part in self.parts]):
            self.read(rows, cols, read_part, dtype)


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
            raise IcemapError(f"The source '{name}': {_off(header.path, origin.path, left, top)}.")
        parts.append(Part(header.path, round(top), round(left), header.shape))
    if not overlay:
        _require_side_by_side(name, parts)
    top, left = min(part.top for part in parts), min(part.left for part in parts)
    bottom, right = (
        max(part.top + part.shape[0] for part in parts),
        max(part.left + part.shape[1] for part in parts),
    )
    placed = tuple(Part(part.path, part.top - top, part.left - left, part.shape) for part in parts)
    transform = first @ first.translation(left, top)
    shape = (bottom - top, right - left)
    return Layout(name, origin.crs, transform, shape, placed, overlay)


def _is_one_crs(one: Header, other: Header) -> bool:
    """True for one CRS, in whatever spelling."""
    if one.crs is None or other.crs is None or one.crs == other.crs:
        return one.crs == other.crs
    return cells_apart(one.transform, one.shape, one.crs, other.crs) <= TOLERANCE


def _off(path: str, first: str, left: float, top: float) -> str:
    """How far a file is off the lattice of the first one, and what may be the reason."""
    sides = [(left % 1, "east"), (top % 1, "south")]
    off = " and ".join(
        f"{part:.2f} cells to the {side}"
        for part, side in sides
        if TOLERANCE < part < 1 - TOLERANCE
    )
    said = f"{path} is off the lattice of {first} by {off}"
    if all(min(part, abs(part - 0.5), 1 - part) <= HALF for part, _ in sides):
        return (
            f"{said}, half a cell, as where the corner that one of them gives is the centre of its"
            " first cell: shift the file that is wrong (gdal_edit.py -a_ullr), or resample one to"
            " the cells of the other (gdalwarp -tap)"
        )
    return f"{said}: resample it, or join them with gdalbuildvrt"


def _require_side_by_side(name: str, parts: Sequence[Part]) -> None:
    """Tiles share their edges; rasters that cover one another are months, years or layers."""
    if len(parts) == 1:
        return
    import shapely

    one, other = overlapping([part.box for part in parts])
    left, top = np.array([part.left for part in parts]), np.array([part.top for part in parts])
    rows, cols = np.array([part.shape for part in parts]).T
    boxes = shapely.box(left, top, left + cols, top + rows)
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
