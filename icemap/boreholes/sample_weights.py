"""What a sample counts and how far it may err: errors of its sites, spread between sites of one
cell, density of sites.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.pseudo import is_pseudo
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

DENSITY_KM = 100.0
MAX_WEIGHT = 5.0


def site_errors(stated: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Standard errors to work with, (n,); None where no site has one.

    A site without one is taken to be as good as the median of the others where most sites have one.
    Where few have (values that are given as ranges, say), the others are taken as exact: what they
    err by is then part of what all sites share.

    Examples
    --------
    >>> site_errors(np.array([np.nan, 2.0, 4.0, 6.0])).tolist(), site_errors(np.array([np.nan,
    ...     0.0]))
    ([4.0, 2.0, 4.0, 6.0], None)
    >>> site_errors(np.array([np.nan, np.nan, 4.0])).tolist()
    [0.0, 0.0, 4.0]
    """
    known = np.isfinite(stated)
    if not (stated[known] > 0).any():
        return None
    return np.where(known, stated, np.median(stated[known]) if known.mean() >= 0.5 else 0.0)


def spread_in_cells(
    value: NDArray[np.float64], error: NDArray[np.float64], cell: NDArray[np.intp]
) -> float:
    """Standard deviation between holes of one cell beyond what they were measured with; NaN where
    no cell has two.

    Parameters
    ----------
    value, error : ndarray of shape (n,)
    cell : ndarray of shape (n,)
        Number of each site's cell.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cell = np.repeat(np.arange(2000), 3)
    >>> value = rng.normal(50, 10, 2000)[cell] + rng.normal(0, 4, 6000) + rng.normal(0, 3, 6000)
    >>> round(spread_in_cells(value, np.full(6000, 3.0), cell), 1)
    4.0
    """
    count = np.bincount(cell)
    freedom = float((count - 1).sum())
    if freedom == 0:
        return float("nan")
    mean = np.bincount(cell, value) / count
    squares = float(((value - mean[cell]) ** 2).sum())
    measured = float(((1 - 1 / count[cell]) * error**2).sum())
    return float(np.sqrt(max((squares - measured) / freedom, 0.0)))


def declustering_weights(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root of the inverse of the local density of places (Gaussian kernel of 100 km), capped
    at 5 times the mean; mean 1.

    Halfway between places that all count alike, which would take the map for where people drilled,
    and the inverse itself, by which a few lonely places decide (Shimodaira 2000,
    doi:10.1016/S0378-3758(00)00115-4).

    Examples
    --------
    >>> declustering_weights(np.array([0.0, 0.0, 90.0]), np.array([70.0, 70.0, 70.0])).round(2)
    array([0.88, 0.88, 1.24])
    """
    from scipy.spatial import cKDTree

    # Samples are counted in boxes of a quarter of the kernel first, so that ten thousand along one
    # road do not make 50 million pairs.
    places = unit_vectors(lon, lat) * EARTH_RADIUS_KM
    _, box = np.unique(np.round(places / (DENSITY_KM / 4)), axis=0, return_inverse=True)
    box = box.ravel()
    count = np.bincount(box)
    centres = np.column_stack([np.bincount(box, places[:, k]) / count for k in range(3)])
    pairs = cKDTree(centres).query_pairs(3 * DENSITY_KM, output_type="ndarray")
    kernel = np.exp(
        -0.5 * np.sum((centres[pairs[:, 0]] - centres[pairs[:, 1]]) ** 2, axis=1) / DENSITY_KM**2
    )
    density = count.astype(float)
    for one, other in ((0, 1), (1, 0)):
        density += np.bincount(pairs[:, one], kernel * count[pairs[:, other]], len(count))
    weight = density[box] ** -0.5
    # Capping lowers the mean and so the cap itself; a few rounds settle it.
    for _ in range(50):
        weight = np.minimum(weight / weight.mean(), MAX_WEIGHT)
    return np.asarray(weight / weight.mean())


def nugget(samples: pd.DataFrame) -> dict[str, float | int | None]:
    """Spread between sites of one cell: no map on this grid can do better.

    Returns
    -------
    dict
        ``variance`` (pooled within cells), ``rmse`` (lower bound of the attainable RMSE of the
        samples, which are means of one or more sites), ``cells`` with two or more sites. None where
        there is none.
    """
    samples = samples[~is_pseudo(samples)]
    several = samples[samples["sites"] > 1]
    if several.empty:
        return {"variance": None, "rmse": None, "cells": 0}
    variance = float(np.average(several["within_variance"], weights=several["sites"] - 1))
    return {
        "variance": variance,
        "rmse": float(np.sqrt((variance / samples["sites"]).mean())),
        "cells": len(several),
    }
