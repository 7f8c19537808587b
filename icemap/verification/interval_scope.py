"""What the interval of a map is for, and the error of a cell's mean that it tells of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Half the width of a 95 % interval in standard deviations of a normal error.
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class IntervalScope:
    """What the interval of a map holds in addition to the error of the mean of a cell.

    Attributes
    ----------
    nugget : float
        Standard deviation of a new borehole about the mean of its cell, in units of the target.
    stretch : float
        How many times as wide it is as one that covers in the mean, before the nugget.
    """

    nugget: float = 0.0
    stretch: float = 1.0

    def cell_sd(self, lower: Array, upper: Array) -> Array:
        """Standard deviation of the error of the means of cells with these bounds, by which totals
        reckon.

        Parameters
        ----------
        lower, upper : ndarray
            Bounds of the 95 % interval, in units of the target.

        Examples
        --------
        >>> half = 2 * NORMAL_95 * np.hypot(3.0, 4.0)
        >>> IntervalScope(nugget=4.0, stretch=2.0).cell_sd(-half / 2, half / 2).round(6)
        np.float64(1.5)
        """
        sd = (upper - lower) / (2 * NORMAL_95)
        return np.asarray(np.sqrt(np.maximum(sd**2 - self.nugget**2, 0.0)) / self.stretch)
