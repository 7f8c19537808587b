"""Where the cells of the grid are in a raster that is turned against it: PROJ at nodes, quadratics
between them, PROJ everywhere where these do not hold.

The grid is cut into blocks of some cells, each with 3 x 3 nodes: corners, middles of edges, centre.
A biquadratic through them gives the positions between. At the four points half-way between the
centre and the corners it is compared with PROJ; a block where they differ by more than `TOLERANCE`,
or where a position is not finite, is computed by PROJ at every sample. So seams of interrupted
projections, date lines and poles are exact. Blocks are counted from the grid's corner, and a block
depends on nothing outside it, so positions are the same in whatever chunk they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.grid import Chunk, Grid

if TYPE_CHECKING:
    import pyproj
    from affine import Affine

# Samples along the side of a block, about.
BLOCK = 16
# In source cells. A bilinear value then errs by at most this part of the difference between
# neighbouring cells.
TOLERANCE = 1e-4
# Where the checks are between the nodes 0, 1 and 2 of a block.
QUARTERS = np.array([0.25, 0.75])


@dataclass(frozen=True)
class Placement:
    """Positions of samples in a raster, as columns and rows; see `reprojection_kernels.resample`
    for the shapes.
    """

    nodes: NDArray[np.float64]
    basis: NDArray[np.float64]
    index: NDArray[np.int64]
    exact: NDArray[np.float64]
    samples: int
    skipped: tuple[int, int]
    shape: tuple[int, int]

    def bounds(self) -> tuple[float, float, float, float] | None:
        """Least column and row, largest column and row of the samples, or a little more; None where
        none is finite.
        """
        held = np.zeros(self.nodes.shape[1:], dtype=bool)
        for i in range(3):
            for j in range(3):
                _block_nodes(held[None], i, j)[0] |= self.index < 0
        shown = np.where(held, self.nodes, np.nan)
        # A quadratic leaves its outer nodes by at most an eighth of their second difference.
        bends = [
            np.diff(shown, 2, axis)[
                (slice(None), *(slice(None, None, 2 if k == axis else 1) for k in (1, 2)))
            ]
            for axis in (1, 2)
        ]
        sway = (
            np.fmax(*(np.fmax.reduce(np.abs(bend), axis=(1, 2), initial=0) for bend in bends)) / 4
        )
        exact = np.where(np.isfinite(self.exact).all(axis=1, keepdims=True), self.exact, np.nan)
        left, top = np.fmin(
            np.fmin.reduce(shown, axis=(1, 2)) - sway,
            np.fmin.reduce(exact, axis=(0, 2, 3), initial=np.nan),
        )
        right, bottom = np.fmax(
            np.fmax.reduce(shown, axis=(1, 2)) + sway,
            np.fmax.reduce(exact, axis=(0, 2, 3), initial=np.nan),
        )
        return None if np.isnan(left) else (float(left), float(top), float(right), float(bottom))

    def resample(
        self, values: NDArray[np.float32], left: int, top: int, method: str
    ) -> NDArray[np.float32]:
        """The cells from the window of the raster that begins at this column and row; ``method`` is
        GDAL's name.

        Parameters
        ----------
        values : ndarray of shape (rows, columns)
            A window of the raster, NaN where it has no data.
        left, top : int
            Column and row at which the window begins.
        method : str
            GDAL's name of the resampling.
        """
        from icemap.predictors import reprojection_kernels

        codes = {
            "bilinear": reprojection_kernels.BILINEAR,
            "nearest": reprojection_kernels.NEAREST,
            "average": reprojection_kernels.MEAN,
            "mode": reprojection_kernels.MODE,
        }
        origin = np.array([left, top], dtype=np.float64)
        out = np.empty(self.shape, dtype=np.float32)
        nodes, exact = self.nodes - origin[:, None, None], self.exact - origin[:, None, None]
        reprojection_kernels.resample(
            np.ascontiguousarray(values),
            nodes,
            self.basis,
            self.index,
            exact,
            self.samples,
            codes[method],
            self.skipped,
            out,
        )
        return out


def is_rotated(crs: str) -> bool:
    """Whether the rows of a raster in this CRS do not follow parallels and its columns meridians,
    as far as its CRS says.
    """
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    return not known.is_geographic or known.is_derived


def place(crs: str, transform: Affine, grid: Grid, chunk: Chunk, samples: int) -> Placement:
    """Where ``samples`` x ``samples`` points in each cell of a chunk are in a raster with this CRS
    and transform.

    Parameters
    ----------
    crs : str
        Of the raster.
    transform : Affine
        From its columns and rows to its coordinates.
    grid : Grid
    chunk : Chunk
        Of the grid.
    samples : int
        Points per side of a cell.
    """
    project = to_source(crs)
    inverse = ~transform
    step_x, step_y = (
        (grid.east - grid.west) / grid.shape[1],
        (grid.north - grid.south) / grid.shape[0],
    )

    def position(col: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
        """From cells of the grid, counted from its corner, to columns and rows of the raster."""
        x, y = project.transform(grid.west + col * step_x, grid.north - row * step_y)
        with np.errstate(invalid="ignore"):
            return np.stack(inverse @ (x, y))

    cells = max(BLOCK // samples, 1)
    first = chunk.rows.start // cells, chunk.cols.start // cells
    blocks = -(-chunk.rows.stop // cells) - first[0], -(-chunk.cols.stop // cells) - first[1]
    down, across = ((first[k] + np.arange(2 * blocks[k] + 1) / 2) * cells for k in (0, 1))
    nodes = position(*np.meshgrid(across, down))
    basis = _basis((np.arange(cells * samples) + 0.5) / (cells * samples))
    index = np.full(blocks, -1, dtype=np.int64)
    bad = np.nonzero(~_hold(nodes, position, first, cells, blocks))
    index[bad] = np.arange(bad[0].size)
    inside = (np.arange(cells * samples) + 0.5) / samples
    rows = ((bad[0] + first[0]) * cells)[:, None, None] + inside[None, :, None]
    cols = ((bad[1] + first[1]) * cells)[:, None, None] + inside[None, None, :]
    exact = np.ascontiguousarray(position(*np.broadcast_arrays(cols, rows)).swapaxes(0, 1))
    return Placement(
        nodes,
        basis,
        index,
        exact,
        samples,
        (chunk.rows.start - first[0] * cells, chunk.cols.start - first[1] * cells),
        chunk.shape,
    )


def _hold(
    nodes: NDArray[np.float64],
    position: Any,
    first: tuple[int, int],
    cells: int,
    blocks: tuple[int, int],
) -> NDArray[np.bool_]:
    """Where the biquadratic through the nodes of a block is as good as PROJ."""
    down, across = ((np.arange(blocks[k])[:, None] + QUARTERS).ravel() for k in (0, 1))
    known = position(*np.meshgrid((first[1] + across) * cells, (first[0] + down) * cells))
    weights = _basis(QUARTERS)
    good = np.ones(blocks, dtype=bool)
    with np.errstate(invalid="ignore"):
        for i in range(2):
            for j in range(2):
                between = sum(
                    weights[i, k] * weights[j, m] * _block_nodes(nodes, k, m)
                    for k in range(3)
                    for m in range(3)
                )
                good &= (np.abs(between - known[:, i::2, j::2]) <= TOLERANCE).all(axis=0)
    return good


def _block_nodes(nodes: NDArray[np.float64], down: int, across: int) -> NDArray[np.float64]:
    """One of the 3 x 3 nodes of every block."""
    return nodes[:, down : nodes.shape[1] - 2 + down : 2, across : nodes.shape[2] - 2 + across : 2]


def _basis(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of values at 0, 1/2 and 1 in the quadratic through them, at ``u``."""
    return np.stack([(1 - u) * (1 - 2 * u), 4 * u * (1 - u), u * (2 * u - 1)], axis=-1)


@lru_cache(maxsize=32)
def to_source(crs: str) -> pyproj.Transformer:
    """From longitude and latitude to coordinates of a CRS."""
    import pyproj

    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
