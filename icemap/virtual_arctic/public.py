"""What a user may ask about the virtual Arctic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.virtual_arctic.world import truth


def virtual_truth(
    longitudes: ArrayLike, latitudes: ArrayLike, seed: int = 0
) -> NDArray[np.float32]:
    """True ice content (%) of the virtual Arctic on the grid spanned by two coordinate vectors,
    shape (rows, columns); NaN over the sea.

    The mean of the 5 m below the permafrost table; on land without permafrost the ice that
    permafrost would hold there.

    Parameters
    ----------
    longitudes : array_like of shape (columns,)
        Degrees.
    latitudes : array_like of shape (rows,)
        Degrees.
    seed : int
        Of the world, as in the config of the demo.

    Examples
    --------
    >>> virtual_truth([129.75, 130.25], [62.25]).shape
    (1, 2)
    """
    return truth(longitudes, latitudes, seed)
