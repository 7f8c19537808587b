"""Values between a code for missing and the others: resampling has taken the code for a value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.source import Source

# Parts of the way from the median of the values to the code: up to here they are all alike, from
# there on they are on their way to it.
ALIKE, ON_THE_WAY = 0.1, 0.25
SMALLEST = 99
# Cells that resampling reaches; cubic convolution takes two on each side.
REACH = 2


def require_no_blurred(
    source: Source, declared: Declared, stored: NDArray[np.float64], missing: NDArray[np.bool_]
) -> None:
    """Refuse values that are on the way to the code for missing, all of them next to missing cells.

    Parameters
    ----------
    source : Source
    declared : Declared
        What the file says about its values.
    stored : ndarray of shape (..., rows, columns)
    missing : ndarray of bool, same shape

    Raises
    ------
    IcemapError
        Naming the values and the code.
    """
    codes = [*declared.stored.missing, *source.nodata]
    codes += [] if declared.nodata is None else [declared.nodata]
    there = ~missing
    if source.valid_range is not None or not codes or not there.any() or not missing.any():
        return
    low, high = float(stored[there].min()), float(stored[there].max())
    for code in codes:
        # Towards 0 a quantity may well end. The way from the far end of the values is the longest,
        # and spares most files the rest.
        longest = max(high - code, code - low)
        if not SMALLEST <= abs(code) < np.inf or high - low <= ON_THE_WAY * longest:
            continue
        middle = float(np.median(stored[there]))
        part = np.where(there, (stored - middle) / (code - middle), 0)
        between = part > ALIKE
        are_few = 0 < 2 * between.sum() < there.sum() and not (part < -ALIKE).any()
        if not are_few or part.max() <= ON_THE_WAY or (between & ~_near(missing)).any():
            continue
        values = stored[between]
        raise IcemapError(
            f"The source '{source.name}' ({source.origin}) holds {values.min():.6g} to"
            f" {values.max():.6g} in {values.size:,} cells, all of them next to cells without a"
            f" value, and the others are about {middle:.6g}: as where a resampling has mixed the"
            f" code for missing, {code:.6g}, with values. Resample the file again, with the code"
            " declared (gdalwarp -srcnodata), or give in the catalogue a 'valid_range' that"
            " includes them if they are real."
        )


def _near(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells as near to a missing one as resampling reaches."""
    from scipy.ndimage import maximum_filter

    size = (1,) * (missing.ndim - 2) + (2 * REACH + 1,) * 2
    return np.asarray(maximum_filter(missing, size=size, mode="constant", cval=False))
