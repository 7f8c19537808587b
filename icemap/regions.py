"""The regions by which boreholes are counted and maps are verified."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.grid import wrapped

# (name, west, south, east, north) in degrees; the first box that holds a place names it.
BOXES = (
    ("Qinghai-Xizang", 73.0, 26.0, 105.0, 41.0),
    ("Mongolia", 87.0, 41.0, 120.0, 52.0),
    ("North America", -180.0, 15.0, -168.98, 65.0),
    ("North America", -168.98, 15.0, -25.0, 90.0),
    ("Nordic", -25.0, 55.0, 32.0, 90.0),
    ("Siberia", 60.0, 50.0, 180.0, 90.0),
    ("Siberia", -180.0, 65.0, -168.98, 90.0),
)
REGIONS = ("North America", "Siberia", "Qinghai-Xizang", "Mongolia", "Nordic", "other")


def region_of(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.object_]:
    """Region of each place; "other" outside all of them or where a coordinate is missing.

    North America includes Greenland; Nordic means Iceland, Svalbard and Fennoscandia; Siberia
    begins at 60 E and crosses the date line to the Bering Strait. Longitudes may go on beyond 180,
    as those of a grid across the date line do.

    Examples
    --------
    >>> region_of([-148.7, 92.9, 107.0, 18.8, 129.7, 7.0, -175.0], [65.6, 35.2, 47.9, 68.4, 62.0,
    ...     46.0, 66.0]).tolist()
    ['North America', 'Qinghai-Xizang', 'Mongolia', 'Nordic', 'Siberia', 'other', 'Siberia']
    """
    x, y = np.broadcast_arrays(wrapped(lon), np.asarray(lat, dtype=float))
    inside = [
        (x >= west) & (x <= east) & (y >= south) & (y < north)
        for _, west, south, east, north in BOXES
    ]
    return np.asarray(
        np.select(
            inside, [np.full(x.shape, box[0], dtype=object) for box in BOXES], default="other"
        ),
        dtype=object,
    )
