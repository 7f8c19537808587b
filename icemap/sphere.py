"""The Earth as a sphere: its radius, places as unit vectors, and distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Mean radius of the WGS84 ellipsoid, (2 a + b) / 3 (Moritz 2000, doi:10.1007/s001900050278).
EARTH_RADIUS_KM = 6371.0088


def unit_vectors(longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
    """Places on the unit sphere.

    Parameters
    ----------
    longitude, latitude : array_like of any one shape
        Degrees.

    Returns
    -------
    ndarray of shape (..., 3)
        Chords between them times the Earth's radius are distances while these are short.

    Examples
    --------
    >>> unit_vectors([0.0, 90.0], [0.0, 0.0]).round(3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    lon = np.radians(np.asarray(longitude, dtype=float))
    lat = np.radians(np.asarray(latitude, dtype=float))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def chord_km(
    longitude: ArrayLike, latitude: ArrayLike, other_longitude: ArrayLike, other_latitude: ArrayLike
) -> NDArray[np.float64]:
    """Distance in km between places (degrees) that are near each other.

    Examples
    --------
    >>> chord_km(0.0, 60.0, [0.0, 1.0], 60.0).round(1).tolist()
    [0.0, 55.6]
    """
    there = unit_vectors(*np.broadcast_arrays(other_longitude, other_latitude))
    here = unit_vectors(*np.broadcast_arrays(longitude, latitude))
    return np.asarray(EARTH_RADIUS_KM * np.linalg.norm(here - there, axis=-1))


def arc_km(chord: ArrayLike) -> NDArray[np.float64]:
    """Great-circle distance in km from the chord between two unit vectors.

    Examples
    --------
    >>> round(float(arc_km(2.0)))  # half the way round
    20015
    """
    half = np.clip(np.asarray(chord, dtype=float) / 2, 0, 1)
    return np.asarray(EARTH_RADIUS_KM * 2 * np.arcsin(half))
