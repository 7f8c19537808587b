"""Smooth random fields on the sphere: gradient noise in three dimensions, a pure function of place
and seed, without seam or pole.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Brings gradient noise (Perlin 2002, doi:10.1145/566654.566636) to standard deviation 1; measured
# over the sphere.
_TO_UNIT_SD = 3.7


@njit(inline="always")
def _mix(h):  # type: ignore[no-untyped-def]
    """Finalizer of splitmix64 (Steele et al. 2014, doi:10.1145/2660193.2660195)."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit(inline="always")
def _corner(key, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Dot product of the offset with one of the twelve edge directions, picked by the hash of the
    corner.
    """
    which = _mix(key) & np.uint64(15)
    u = dx if which < 8 else dy
    v = dy if which < 4 else (dx if which == 12 or which == 14 else dz)
    return (u if which & np.uint64(1) == 0 else -u) + (v if which & np.uint64(2) == 0 else -v)


@njit(inline="always")
def _lerp(t, a, b):  # type: ignore[no-untyped-def]
    return a + t * (b - a)


@njit(nogil=True, cache=True, error_model="numpy")
def noise(x, y, z, key):  # type: ignore[no-untyped-def]
    """Gradient noise of standard deviation about 1 and wavelength about 1 at (x, y, z); ``key`` is
    a uint64 that names the field.

    Parameters
    ----------
    x, y, z : float
        A place, in wavelengths.
    key : uint64
        Names the field.
    """
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    dx, dy, dz = x - fx, y - fy, z - fz
    # Corners are hashed by sums of odd multiples, so that the neighbour's key costs one addition.
    px, py, pz = (
        np.uint64(0x9E3779B97F4A7C15),
        np.uint64(0xC2B2AE3D27D4EB4F),
        np.uint64(0x165667B19E3779F9),
    )
    h = (
        key
        + np.uint64(np.int64(fx)) * px
        + np.uint64(np.int64(fy)) * py
        + np.uint64(np.int64(fz)) * pz
    )
    u = dx * dx * dx * (dx * (dx * 6 - 15) + 10)
    v = dy * dy * dy * (dy * (dy * 6 - 15) + 10)
    w = dz * dz * dz * (dz * (dz * 6 - 15) + 10)
    low = _lerp(
        v,
        _lerp(u, _corner(h, dx, dy, dz), _corner(h + px, dx - 1, dy, dz)),
        _lerp(u, _corner(h + py, dx, dy - 1, dz), _corner(h + px + py, dx - 1, dy - 1, dz)),
    )
    high = _lerp(
        v,
        _lerp(u, _corner(h + pz, dx, dy, dz - 1), _corner(h + px + pz, dx - 1, dy, dz - 1)),
        _lerp(
            u,
            _corner(h + py + pz, dx, dy - 1, dz - 1),
            _corner(h + px + py + pz, dx - 1, dy - 1, dz - 1),
        ),
    )
    return _TO_UNIT_SD * _lerp(w, low, high)


@njit(nogil=True, cache=True, error_model="numpy")
def fractal(x, y, z, key, wavelength, octaves, gain):  # type: ignore[no-untyped-def]
    """Sum of ``octaves`` noises of standard deviation about 1: wavelength (km) halves and amplitude
    falls by ``gain`` each time.

    (x, y, z) is a place in km from the centre of the Earth.

    Parameters
    ----------
    x, y, z : float
        A place in km from the centre of the Earth.
    key : uint64
        Names the field.
    wavelength : float
        Of the first noise, km.
    octaves : int
        Number of noises.
    gain : float
        Amplitude of each noise as a part of that before it.
    """
    total, variance, amplitude = 0.0, 0.0, 1.0
    for octave in range(octaves):
        # A shift of each octave keeps lattice points of different octaves, where gradient noise is
        # zero, from falling together.
        shift = 0.37 * (octave + 1)
        total += amplitude * noise(
            x / wavelength + shift,
            y / wavelength - shift,
            z / wavelength + 2 * shift,
            _mix(key + np.uint64(octave + 1)),
        )
        variance += amplitude * amplitude
        amplitude *= gain
        wavelength *= 0.5
    return total / np.sqrt(variance)
