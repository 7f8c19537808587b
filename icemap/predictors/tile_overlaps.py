"""Tiles that overlap: whether they hold the same values there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError

# Part of the largest value by which two tiles may differ: what compression and rounding leave.
ROUNDING = 1e-5
# So many overlaps are looked at when a mosaic is opened, and so many cells of each per side.
MAX_OVERLAPS, WINDOW = 16, 256

# Top, left, rows and columns.
Box = tuple[int, int, int, int]


def overlapping(boxes: Sequence[Box]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of boxes that have cells in common, the earlier one first; each of shape (pairs,)."""
    import shapely

    top, left, rows, cols = np.array(boxes).T
    shapes = shapely.box(left, top, left + cols, top + rows)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other])) > 0
    return one[shared], other[shared]


def rims(boxes: Sequence[Box]) -> Iterator[tuple[slice, slice]]:
    """Windows in the middle of overlaps, some that are spread over all of them."""
    one, other = overlapping(boxes)
    if not len(one):
        return
    for pair in np.unique(np.linspace(0, len(one) - 1, MAX_OVERLAPS).astype(int)):
        first, second = boxes[one[pair]], boxes[other[pair]]
        sides = []
        for axis in (0, 1):
            start = max(first[axis], second[axis])
            stop = min(first[axis] + first[axis + 2], second[axis] + second[axis + 2])
            begin = start + max(0, stop - start - WINDOW) // 2
            sides.append(slice(begin, min(stop, begin + WINDOW)))
        yield sides[0], sides[1]


def different(
    before: NDArray[np.floating], after: NDArray[np.floating]
) -> tuple[int, int, int] | None:
    """Row and column of the first cell with two values, and how many such cells there are; None
    where values of two tiles are the same.

    Parameters
    ----------
    before, after : ndarray of shape (rows, cols)
        NaN where a tile has no value.

    Examples
    --------
    >>> different(np.array([[1.0, 2, np.nan]]), np.array([[1.0, 5, 7]]))
    (0, 1, 1)
    """
    both = ~(np.isnan(before) | np.isnan(after))
    if not both.any():
        return None
    one, other = before[both].astype(float), after[both].astype(float)
    apart = np.zeros(both.shape, dtype=bool)
    largest = [float(np.abs(values[np.isfinite(values)]).max(initial=0)) for values in (one, other)]
    # Of infinite values, which are the same or not, there is no difference.
    with np.errstate(invalid="ignore"):
        apart[both] = ~((one == other) | (np.abs(one - other) <= ROUNDING * max(largest)))
    if not apart.any():
        return None
    row, col = np.unravel_index(int(np.argmax(apart)), apart.shape)
    return int(row), int(col), int(apart.sum())


def two_values(name: str, files: Sequence[str], values: Sequence[float], count: int) -> IcemapError:
    """What is said of two tiles with different values in one cell.

    Parameters
    ----------
    name : str
        Of the source.
    files, values : sequence
        Both tiles, and what each has in the first such cell.
    count : int
        Of such cells.
    """
    return IcemapError(
        f"The source '{name}': {files[0]} and {files[1]} overlap, and have different values there"
        f" ({values[0]:g} and {values[1]:g} in the first of {count:,} cells), of which that of the"
        " first file would count: give 'nodata' in the catalogue if one of them means missing,"
        " 'overlay: true' if the first file with a value is to count, or, if they are different"
        " layers, an entry to each."
    )
