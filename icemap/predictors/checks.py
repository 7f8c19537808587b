"""A look at every source before hours of work: what reading a few windows of it would stop at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError, first_line
from icemap.grid import Chunk, Grid
from icemap.predictors.align import Raster, require_overlap, source_window
from icemap.predictors.sources import open_layer_of, open_source
from icemap.predictors.vectors import require_layer
from icemap.source import Source
from icemap.units import part_of_one

# What meets the grid is read whole up to this many cells, else in windows that are spread over it.
MAX_WHOLE = 2**22
WINDOWS_PER_SIDE, WINDOW = 3, 256


@dataclass(frozen=True)
class SourceCheck:
    """What a look at one source found.

    Attributes
    ----------
    problems : tuple of str
        Sentences, each of which would stop the making of the cube.
    notes : tuple of str
        What is done to the values: units that are converted.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_source(source: Source, grid: Grid, *, counts: bool = False) -> SourceCheck:
    """Open a source and read some of its cells on the grid, as the making of the cube would.

    Parameters
    ----------
    source : Source
        One with a file, or a derived one, whose inputs are looked at.
    grid : Grid
    counts : bool
        True for a mask whose value is a part of the cell.
    """
    problems: dict[str, None] = {}
    notes = []
    for leaf in source.leaves:
        if leaf.is_virtual:
            continue
        try:
            note = _looked_at(leaf, grid, counts=counts)
        except IcemapError as error:
            problems[str(error)] = None
            continue
        if note:
            notes.append(f"{leaf.name}: {note}")
    return SourceCheck(tuple(problems), tuple(notes))


def require_readable(source: Source, grid: Grid, *, counts: bool = False) -> None:
    """Refuse a source that a look at finds a problem with; see `check_source`.

    Parameters
    ----------
    source : Source
    grid : Grid
    counts : bool
        Also look for values that are codes for missing.
    """
    problems = check_source(source, grid, counts=counts).problems
    if problems:
        raise IcemapError(" ".join(problems))


def source_problems(source: Source, grid: Grid, *, counts: bool) -> list[str]:
    """What is wrong with one source: it is opened, and some of it read, as for the cube.

    Parameters
    ----------
    source : Source
    grid : Grid
    counts : bool
        Also look for values that are codes for missing.
    """
    try:
        return list(check_source(source, grid, counts=counts).problems)
    except Exception as error:  # whatever a library may raise on a file that is not what it says
        origin = source.url or source.name
        problem = f"{type(error).__name__}: {first_line(error)}"
        return [
            f"The source '{source.name}' ({origin}) cannot be read ({problem}): check the file and"
            " its entry in the catalogue."
        ]


def require_none(problems: Iterable[str]) -> None:
    """Refuse inputs with problems, naming each once."""
    found = list(dict.fromkeys(problems))
    if len(found) == 1:
        raise IcemapError(found[0])
    if found:
        numbered = " ".join(f"({i}) {problem}" for i, problem in enumerate(found, 1))
        raise IcemapError(f"{len(found)} problems with the inputs: {numbered}")


def _looked_at(source: Source, grid: Grid, *, counts: bool) -> str:
    if source.rasterize is not None:
        require_layer(open_layer_of(source, grid), grid)
        return ""
    with open_source(source, grid) as raster:
        require_overlap(raster, grid)
        values = [window[np.isfinite(window)] for window in _windows(raster, grid)]
        if counts:
            _require_parts(source, np.concatenate(values))
        return raster.note


def _windows(raster: Raster, grid: Grid) -> Iterator[NDArray[np.float32]]:
    rows, cols = source_window(
        raster, grid, Chunk((0, 0), slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    )
    if rows is None or cols is None:
        return
    if (rows.stop - rows.start) * (cols.stop - cols.start) <= MAX_WHOLE:
        yield raster.window(rows, cols)
        return
    for row in _spread(rows):
        for col in _spread(cols):
            yield raster.window(row, col)


def _spread(whole: slice) -> list[slice]:
    """Both ends of an axis and places between them."""
    size = min(WINDOW, whole.stop - whole.start)
    starts = np.linspace(whole.start, whole.stop - size, WINDOWS_PER_SIDE).astype(int)
    return [slice(int(start), int(start) + size) for start in dict.fromkeys(starts.tolist())]


def _require_parts(source: Source, values: NDArray[np.float32]) -> None:
    """Parts of a cell in a unit other than the one said show by their range."""
    whole = 1 / (part_of_one(source.unit) or 1)
    if values.size == 0 or source.valid_range is not None:
        return
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > whole * 1.001:
        raise IcemapError(
            f"The mask '{source.name}' ({source.origin}) runs from {low:g} to {high:g}, but a part"
            f" of a cell in the unit '{source.unit}' is from 0 to {whole:g}: correct 'unit' in the"
            " catalogue, or give the value that means missing as 'nodata'."
        )
    if whole > 1 and 0 < high <= 1 and bool((values % 1 != 0).any()):
        raise IcemapError(
            f"The mask '{source.name}' ({source.origin}) runs from {low:g} to {high:g}, which looks"
            f" like parts of 1, but its unit is '{source.unit}': correct 'unit' in the catalogue,"
            " or give the 'valid_range' [0, 100]."
        )
