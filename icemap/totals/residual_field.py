"""What a spatially correlated residual adds to the uncertainty of a total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.grid import wrapped
from icemap.sphere import arc_km, unit_vectors


@dataclass(frozen=True)
class Variogram:
    """Exponential variogram of the out-of-fold residuals: nugget + sill (1 - exp(-h / range)), and
    the same once more where a second structure is nested in it that reaches farther.

    Attributes
    ----------
    sill : float
        Variance of the spatially correlated part, target unit squared.
    range_km : float
        Distance at which the correlation has fallen to 1/e; a third of the practical range.
    nugget : float
        Variance of the part without spatial correlation, target unit squared.
    mean_sd : float
        Standard error of the mean of the residuals, target unit: an error that all cells of a map
        share, of which sites in clusters say little.
    mean_doubt : float
        Relative variance of the square of ``mean_sd``, which sites tell badly if the correlation
        reaches far.
    far_sill, far_range_km : float
        Of the second structure; a sill of 0 where there is none.
    mean : float
        Mean of the residuals, target unit, with the standard error ``mean_sd``: by how much the map
        is too low as far as its sites tell.
    """

    sill: float
    range_km: float
    nugget: float = 0.0
    mean_sd: float = 0.0
    mean_doubt: float = 0.0
    far_sill: float = 0.0
    far_range_km: float = 1.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        variances = self.sill, self.nugget, self.mean_sd, self.mean_doubt, self.far_sill
        if min(variances) < 0 or not min(self.range_km, self.far_range_km) > 0:
            raise ValueError(
                "variogram needs sills, nugget, mean_sd and mean_doubt >= 0 and ranges > 0, got"
                f" {self}"
            )

    @property
    def structures(self) -> tuple[tuple[float, float], ...]:
        """Sill and range (km) of each structure that is there."""
        both = (self.sill, self.range_km), (self.far_sill, self.far_range_km)
        return tuple((sill, range_km) for sill, range_km in both if sill > 0)


def residual_total_sd(
    longitude: NDArray[np.floating],
    latitude: NDArray[np.floating],
    weight_km2: NDArray[np.floating],
    variogram: Variogram,
    max_blocks: int = 3000,
    cell_squares: float | None = None,
) -> float:
    r"""Standard deviation of :math:`\sum_i a_i e_i` for a residual field e with the variogram
    given.

    A weighted sum of a Gaussian field is Gaussian with variance :math:`a^T C a`, so nothing needs
    to be drawn. Cells are gathered into blocks of about equal size first; inside a block the mean
    correlation is that between two random points of a disc of the block's area.

    Parameters
    ----------
    longitude, latitude : ndarray of shape (cells,)
        Cell centres, degrees.
    weight_km2 : ndarray of shape (cells,)
        Area of each cell that counts.
    variogram : Variogram
    max_blocks : int
        Most blocks used; the cost grows with its square.
    cell_squares : float, optional
        Sum of the squared areas of the single cells (km4), where ``weight_km2`` is already that of
        blocks.

    Returns
    -------
    float
        Target unit times km2.

    Examples
    --------
    Two far places: the errors add in quadrature.

    >>> sd = residual_total_sd(np.array([0.0, 180.0]), np.array([60.0, 60.0]), np.array([3.0,
    ...     4.0]), Variogram(4.0, 100.0))
    >>> round(sd, 1)
    10.0
    """
    keep = weight_km2 > 0
    if not keep.any():
        return 0.0
    lon, lat, weight = (
        np.asarray(values, dtype=np.float64)[keep] for values in (longitude, latitude, weight_km2)
    )
    places, block_weight, radius_km = _blocks(lon, lat, weight, max_blocks)
    variance = variogram.nugget * (float(weight @ weight) if cell_squares is None else cell_squares)
    variance += (variogram.mean_sd * float(weight.sum())) ** 2
    for sill, range_km in variogram.structures:
        within = _mean_correlation_in_disc(radius_km / range_km)
        variance += sill * float(block_weight**2 @ within)
    for start in range(0, len(places), 256):
        # Each pair once: of blocks before these the earlier turns have told.
        rows, others = slice(start, start + 256), slice(start, None)
        distance = arc_km(np.linalg.norm(places[rows, None] - places[None, others], axis=2))
        here = np.arange(len(distance))
        for sill, range_km in variogram.structures:
            correlation = _mean_correlation_between(
                distance, radius_km[rows, None], radius_km[None, others], range_km
            )
            correlation[here, here] = 0.0
            correlation[:, len(here) :] *= 2
            variance += sill * float(block_weight[rows] @ correlation @ block_weight[others])
    return float(np.sqrt(variance))


def _blocks(
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    weight: NDArray[np.float64],
    max_blocks: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centres on the unit sphere, weights and disc radii (km) of at most ``max_blocks`` blocks of
    about equal area.
    """
    xyz = unit_vectors(longitude, latitude)
    step = 0.0
    label = np.unique(np.stack([longitude, latitude], axis=1), axis=0, return_inverse=True)[
        1
    ].ravel()
    while label.max() >= max_blocks:
        step = 0.25 if step == 0.0 else 1.25 * step
        row = np.floor((90 - latitude) / step)
        columns = np.maximum(np.round(360 / step * np.cos(np.radians(90 - (row + 0.5) * step))), 1)
        column = np.floor((wrapped(longitude) + 180) / 360 * columns)
        label = np.unique(row * 100_000 + column, return_inverse=True)[1].ravel()
    total: NDArray[np.float64] = np.bincount(label, weight).astype(np.float64)
    centre = np.stack([np.bincount(label, weight * axis) / total for axis in xyz.T], axis=1)
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    # A block of one cell still has the extent of that cell, which its weight (its area) tells.
    return centre, total, np.sqrt(total / np.pi)


def _mean_correlation_in_disc(relative_radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of exp(-d / range) over two random points of a disc of radius x range, from the density
    of their distance d.
    """
    t = (np.arange(200) + 0.5) / 200  # distance in diameters
    density = 16 / np.pi * t * np.arccos(t) - 16 / np.pi * t**2 * np.sqrt(1 - t**2)
    return np.asarray(np.exp(-2 * relative_radius[:, None] * t) @ density / density.sum())


def _mean_correlation_between(
    distance: NDArray[np.float64],
    radius: NDArray[np.float64],
    other: NDArray[np.float64],
    range_km: float,
) -> NDArray[np.float64]:
    """Mean of exp(-d / range) over a point in each of two discs, to second order in their radii."""
    variance = (radius**2 + other**2) / 4  # of the difference of two points, along each axis
    with np.errstate(divide="ignore", invalid="ignore"):
        curvature = 1 / range_km**2 - 1 / (range_km * distance)
    return np.asarray(
        np.exp(-distance / range_km) * (1 + variance / 2 * np.where(distance > 0, curvature, 0.0))
    )
