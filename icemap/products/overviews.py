"""Coarser levels of a map, each a group of its own inside ``map.zarr``, so that a view of
the whole need not read every cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import Variable, create_gridded, describe_gridded, grid_of
from icemap.mapping.map_schema import (
    OVERVIEWS,
    is_published,
    map_variables,
    multiscales,
    open_map,
    require_complete,
    target_of,
)
from icemap.products.figures.projection import block_means
from icemap.running.ledger import Ledger
from icemap.running.run import Job
from icemap.store import exists, join, storage_errors
from icemap.zarr_groups import consolidate, read_chunk, write_chunk, zarr_group

if TYPE_CHECKING:
    import zarr

# The coarsest level has no more cells than this in any direction.
MIN_CELLS = 512


@dataclass(frozen=True)
class Overview:
    """One coarser level; called with a chunk, it makes it from the level before.

    Attributes
    ----------
    source_url, url : str
        Group of the level before, and of this one.
    source_grid, grid : Grid
        Theirs; a cell of this one holds 2 x 2 of the other, fewer at the eastern and southern edge.
    chunk : int
        Cells per side of a stored chunk of both.
    """

    source_url: str
    url: str
    source_grid: Grid
    grid: Grid
    chunk: int
    variables: tuple[Variable, ...]

    @property
    def chunks(self) -> list[Chunk]:
        return list(self.grid.chunks(self.chunk))

    def create(self, title: str) -> None:
        """Write the level empty."""
        create_gridded(self.url, self.grid, self._described(), {"title": title}, chunk=self.chunk)

    def describe(self, title: str) -> None:
        """Bring the words in the attributes of a level that is there up to date."""
        describe_gridded(self.url, self._described(), {"title": title})

    def _described(self) -> list[Variable]:
        methods = {"float32": "area: mean", "uint8": "area: point"}
        return [
            replace(v, attrs={**v.attrs, "cell_methods": methods[v.dtype]}) for v in self.variables
        ]

    def __call__(self, chunk: Chunk) -> dict[str, object]:
        """Means of the mapped cells among 2 x 2, and of classes the north-western cell, as GDAL
        makes overviews.
        """
        rows, columns = (
            slice(2 * part.start, min(2 * part.stop, size))
            for part, size in zip((chunk.rows, chunk.cols), self.source_grid.shape)
        )
        first, *others = [variable.name for variable in self.variables]
        window = Chunk(chunk.index, rows, columns)
        finer = read_chunk(self.source_url, window, [first])
        # A cell has all variables or none, and a level begins without any.
        if np.isnan(finer[first]).all():
            return {}
        finer |= read_chunk(self.source_url, window, others)
        write_chunk(
            self.url, chunk, {v.name: _coarsened(finer[v.name], v.dtype) for v in self.variables}
        )
        return {}


def _coarsened(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    return block_means(values, 2) if dtype == "float32" else np.ascontiguousarray(values[::2, ::2])


def coarser_grids(grid: Grid) -> list[Grid]:
    """Grids of the levels that a map gets, finest first; none for a map that is small enough as it
    is.

    Notes
    -----
    Where the number of rows or columns is odd, the last cell of the coarser level reaches beyond
    the map. It may not reach beyond the globe: there the levels end.

    Examples
    --------
    >>> [level.shape for level in coarser_grids(Grid(-180, 30, 180, 90, 1 / 6))]
    [(180, 1080), (90, 540), (45, 270)]
    """
    levels: list[Grid] = []
    while max(grid.shape) > MIN_CELLS:
        rows, columns = (-(-size // 2) for size in grid.shape)
        step = 2 * grid.resolution
        try:
            grid = Grid(
                grid.west, grid.north - rows * step, grid.west + columns * step, grid.north, step
            )
        except IcemapError:
            break
        levels.append(grid)
    return levels


def write_overviews(
    map_url: str, run: Callable[[Job, str], Any], ledger: Callable[[str], Ledger]
) -> int:
    """Make the coarser levels, going on where an earlier start ended; only when all are there does
    the map say that it has them.

    Parameters
    ----------
    map_url : str
        A finished map.
    run : callable
        Does what the ledger of a name does not have of a job.
    ledger : callable
        The ledger of a name.

    Returns
    -------
    int
        Number of levels.

    Raises
    ------
    IcemapError
        If the map is missing or unfinished, or cannot be written to.
    """
    require_complete(map_url)
    dataset = open_map(map_url)
    target, full = target_of(dataset), grid_of(dataset)
    grids = coarser_grids(full)
    if grids:
        _open(join(map_url, OVERVIEWS), "a")
        with storage_errors(map_url, "write"):
            _open(map_url, "r+").attrs.pop("multiscales", None)
    url, grid = map_url, full
    for number, coarser in enumerate(grids, start=1):
        level = Overview(
            url,
            join(map_url, OVERVIEWS, str(number)),
            grid,
            coarser,
            max(dataset[target.name].encoding["chunks"]),
            map_variables(target, published=is_published(dataset)),
        )
        name = f"publish/{number}"
        title = str(dataset.attrs.get("title", ""))
        if not ledger(name).keys() or not exists(join(level.url, "zarr.json")):
            ledger(name).clear()
            level.create(title)
        else:
            level.describe(title)
        run(
            Job(
                f"overview {number}",
                level.chunks,
                level,
                lambda chunk: chunk.shape[0] * chunk.shape[1],
            ),
            name,
        )
        url, grid = level.url, coarser
    if grids:
        with storage_errors(map_url, "write"):
            _open(map_url, "r+").attrs.update(multiscales([full, *grids]))
        consolidate(map_url)
    return len(grids)


def _open(url: str, mode: Literal["a", "r+"]) -> zarr.Group:
    with storage_errors(url, "write"):
        return zarr_group(url, mode)
