"""Distribution functions on a grid of values, and their integrals from a sample's value on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def integral_from(G: Array, x: Array, y: Array) -> Array:
    """Integral of each row of G (n, k), straight lines between the values x (k,), from y (n,) on.

    Parameters
    ----------
    G : ndarray of shape (n, k)
        Distribution functions, one a row.
    x : ndarray of shape (k,)
        Rising values at which they are known.
    y : ndarray of shape (n,)
        Where the integral of each row begins.

    Examples
    --------
    >>> integral_from(np.array([[0.0, 1.0, 1.0]]), np.array([0.0, 1.0, 2.0]), np.array([0.5]))
    array([1.375])
    """
    inside = np.clip(y, x[0], x[-1])
    cell = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, len(x) - 2)
    rows, here = np.arange(len(G)), inside - x[cell]
    steps = 0.5 * np.diff(x) * (G[:, 1:] + G[:, :-1])
    below = np.insert(np.cumsum(steps, axis=1), 0, 0.0, axis=1)
    rise = (G[rows, cell + 1] - G[rows, cell]) / (x[cell + 1] - x[cell])
    part = here * (G[rows, cell] + 0.5 * rise * here)
    return np.asarray(below[:, -1] - below[rows, cell] - part)


def integral_of_product(G: Array, H: Array, x: Array) -> Array:
    """Integral of the product of two such functions, row by row, exactly.

    Parameters
    ----------
    G, H : ndarray of shape (n, k)
        Functions, one a row.
    x : ndarray of shape (k,)
        Rising values at which they are known.
    """
    ends = G[:, :-1] * H[:, :-1] + G[:, 1:] * H[:, 1:]
    middle = 0.25 * (G[:, :-1] + G[:, 1:]) * (H[:, :-1] + H[:, 1:])
    return np.asarray((ends + 4 * middle) @ np.diff(x) / 6)
