"""Integrals over a predictive distribution from its values at fixed nodes of the target.

Nodes are evenly spaced on the normal score z of the target's margin, u = Phi(z) and
x = F_Y^-1(u): there a conditional distribution is smooth however skewed the target is. Between
nodes the distribution function is the cubic through the four nearest; what is integrated is that
cubic against dx, so that kinks and atoms of the margin cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

_STEPS = 32  # parts of a cell over which a cubic is integrated against dx


def lagrange(t: NDArray) -> Array:
    """Weights of four nodes at 0, 1, 2, 3 for the cubic through them at t, shape (*t.shape, 4)."""
    return np.stack(
        [
            -(t - 1) * (t - 2) * (t - 3) / 6,
            t * (t - 2) * (t - 3) / 2,
            -t * (t - 1) * (t - 3) / 2,
            t * (t - 1) * (t - 2) / 6,
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class Nodes:
    """Nodes of the target and the weights of integrals over its cells.

    Attributes
    ----------
    z, u, x : (k,) arrays
        Normal score, probability under the margin, and target value of the nodes.
    first : (k-1,) int array
        First of the four nodes that make the cubic of each cell.
    cell : (k-1, 4) array
        Integral of the cubic over the cell against dx is ``cell . G[first : first + 4]``.
    total, total_square : (k,) arrays
        All cells together, against dx and against d(x^2).
    fine_x : (k-1, steps+1) array
        Target values inside the cells.
    """

    z: Array
    u: Array
    x: Array
    first: NDArray[np.intp]
    cell: Array
    total: Array
    total_square: Array
    fine_x: Array

    @classmethod
    def of(cls, ppf: Callable[[Array], Array], count: int, reach: float) -> Nodes:
        """``count`` nodes from z = -reach to reach for the quantile function ``ppf``.

        Parameters
        ----------
        ppf : callable
            Quantile function of the target.
        count : int
            Number of nodes.
        reach : float
            Normal score of the outer nodes.
        """
        z = np.linspace(-reach, reach, count)
        fine_z = z[:-1, None] + (z[1] - z[0]) * np.linspace(0, 1, _STEPS + 1)
        fine_x = np.asarray(ppf(special.ndtr(fine_z.ravel())), dtype=np.float64).reshape(
            fine_z.shape
        )
        fine_x[:-1, -1] = fine_x[1:, 0]
        first = np.clip(np.arange(count - 1) - 1, 0, count - 4)
        offset = (np.arange(count - 1) - first)[:, None]
        middle = (np.arange(_STEPS) + 0.5) / _STEPS
        cubic = lagrange(offset + middle)
        cell = np.einsum("cs,csj->cj", np.diff(fine_x, axis=1), cubic)
        total, total_square = np.zeros(count), np.zeros(count)
        np.add.at(total, first[:, None] + np.arange(4), cell)
        np.add.at(
            total_square,
            first[:, None] + np.arange(4),
            np.einsum("cs,csj->cj", np.diff(fine_x**2, axis=1), cubic),
        )
        return cls(
            z,
            special.ndtr(z),
            np.append(fine_x[:, 0], fine_x[-1, -1]),
            first,
            cell,
            total,
            total_square,
            fine_x,
        )

    def mean(self, G: Array) -> Array:
        """Expectation for distribution functions at the nodes, G (..., k) -> (...)."""
        return np.asarray(self.x[-1] - G @ self.total)

    def second_moment(self, G: Array) -> Array:
        """Integral of x^2 dG, as :meth:`mean`."""
        return np.asarray(self.x[-1] ** 2 - G @ self.total_square)

    def crps(self, G: Array, y: Array) -> Array:
        """Integral of (G - 1[x >= y])^2 dx for each row, G (n, k) and y (n,) -> (n,)."""
        inside = np.clip(y, self.x[0], self.x[-1])
        index = np.clip(np.searchsorted(self.x, inside, side="right") - 1, 0, len(self.x) - 2)
        gather = self.first[:, None] + np.arange(4)
        per_cell = np.einsum("ncj,cj->nc", G[:, gather], self.cell)
        after = np.concatenate(
            [np.cumsum(per_cell[:, ::-1], axis=1)[:, ::-1], np.zeros((len(G), 1))], axis=1
        )
        rows = np.arange(len(G))
        right = np.maximum(self.fine_x[index, 1:], inside[:, None])
        left = np.maximum(self.fine_x[index, :-1], inside[:, None])
        middle = (np.arange(_STEPS) + 0.5) / _STEPS + (index - self.first[index])[:, None]
        part = np.einsum(
            "nsj,nj,ns->n", lagrange(middle), G[rows[:, None], gather[index]], right - left
        )
        above = (self.x[-1] - inside) - 2.0 * (part + after[rows, index + 1])
        return (G * G) @ self.total + above + np.abs(y - inside)
