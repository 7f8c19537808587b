"""Topographic wetness index from the water that can reach a cell within a stated distance.

The whole contributing area of a cell has no bound but the map: a river's reaches over continents,
so it fits in no chunk, and libraries that compute it hold the whole grid with several arrays in
memory. Here water is followed for ``radius`` km and no further, so a halo of that many cells holds
all that counts, memory per worker does not grow with the map, and a cell is the same in every
chunk. Slopes and hollows, where the index tells wet from dry ground, have catchments of a
few kilometres; on large rivers the index is too low, and a file made with a hydrological tool is
the better source. Depressions are not filled, which would take whole catchments too: water stays in
them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Tangent of the gentlest slope: on level ground the index would be infinite.
GENTLEST = 1e-3
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def wetness_index(
    area: NDArray[np.float64], cell_area: NDArray[np.float64], slope: NDArray[np.float64]
) -> NDArray[np.float64]:
    """ln(a / tan b) of Beven & Kirkby (1979, doi:10.1080/02626667909491834).

    Parameters
    ----------
    area : ndarray
        Contributing area, m².
    cell_area : ndarray
        m²; its root is the width through which the water leaves.
    slope : ndarray
        Degrees.

    Examples
    --------
    >>> wetness_index(np.array([1e6]), np.array([1e4]), np.array([45.0])).round(4)
    array([9.2103])
    """
    return np.asarray(
        np.log(area / np.sqrt(cell_area) / np.maximum(np.tan(np.radians(slope)), GENTLEST))
    )


def contributing_area(
    elevation: NDArray[np.float64],
    width: NDArray[np.float64],
    height: NDArray[np.float64],
    steps: int,
) -> NDArray[np.float64]:
    """Area whose water comes to a cell in at most ``steps`` moves from cell to cell.

    Water divides among all lower neighbours in proportion to the slope to each times the length of
    contour across it (Quinn et al. 1991, doi:10.1002/hyp.3360050106). A missing neighbour takes
    none.

    Parameters
    ----------
    elevation : ndarray of shape (rows, columns)
        m, NaN where missing.
    width, height : ndarray of shape (rows,)
        Of the cells, m.

    Returns
    -------
    ndarray of shape (rows, columns)
        m², with the cell itself; too small within ``steps`` cells of the edges of the array.

    Examples
    --------
    A plane: one more cell with each move, if there are any upslope.

    >>> plane = np.repeat(np.arange(5.0)[::-1, None], 9, axis=1)
    >>> contributing_area(plane, np.full(5, 10.0), np.full(5, 10.0), 2)[:, 4]
    array([100., 200., 300., 300., 300.])
    """
    rows, cols = elevation.shape
    own = np.broadcast_to((width * height)[:, None], elevation.shape)
    shares, total = [], np.zeros_like(elevation)
    for down, right in NEIGHBOURS:
        here, there = _pair(rows, down), _pair(cols, right)
        lower = elevation[here[0], there[0]] - elevation[here[1], there[1]]
        x, y = width[here[0]][:, None] * abs(right), height[here[0]][:, None] * abs(down)
        distance = np.hypot(x, y)
        contour = (
            distance / 4 if down and right else (height if right else width)[here[0]][:, None] / 2
        )
        with np.errstate(invalid="ignore"):
            share = np.where(lower > 0, lower / distance * contour, 0.0)
        total[here[0], there[0]] += share
        shares.append(share)
    total[total == 0] = 1
    for share, (down, right) in zip(shares, NEIGHBOURS):
        share /= total[_pair(rows, down)[0], _pair(cols, right)[0]]
    area = own.copy()
    for _ in range(steps):
        coming = own.copy()
        for share, (down, right) in zip(shares, NEIGHBOURS):
            here, there = _pair(rows, down), _pair(cols, right)
            coming[here[1], there[1]] += share * area[here[0], there[0]]
        area = coming
    return area


def _pair(size: int, shift: int) -> tuple[slice, slice]:
    """The cells along an axis that have a neighbour at ``shift``, and these neighbours."""
    return slice(max(-shift, 0), size - max(shift, 0)), slice(max(shift, 0), size + min(shift, 0))
