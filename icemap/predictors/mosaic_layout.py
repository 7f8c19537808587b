"""Where each of many rasters is on the lattice of the first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from icemap.errors import IcemapError
from icemap.predictors.crs_spellings import cells_apart

if TYPE_CHECKING:
    from affine import Affine

# Part of a cell by which a file may be off the lattice of the first one.
TOLERANCE = 0.01
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

    def read(
        self,
        rows: slice,
        cols: slice,
        read_part: Callable[[str, slice, slice], NDArray[Any]],
        dtype: DTypeLike,
    ) -> NDArray[Any]:
        """A window of values, NaN where no file has one; where files overlap, the first with a
        value counts. ``read_part(path, rows, cols)`` gives a window of one file.
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
            np.copyto(target, found, where=np.isnan(target))
        return values


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
