"""Valid ranges that are not those of the values they stand with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.predictors.missing import same_code
from icemap.source import Source

# So many stored values outside of a valid range may be codes, each for another gap.
MAX_LOST = 8


def require_one_range(source: Source, declared: Declared, values: NDArray[np.float64]) -> None:
    """Refuse limits in whole numbers that leave out most stored values and none of those that they
    stand for, and limits among the tags of a raster that leave out all.

    Parameters
    ----------
    source : Source
    declared : Declared
    values : ndarray
        As stored.

    Raises
    ------
    IcemapError
        Naming the values and their range.
    """
    limits = declared.stored
    as_stored = (declared.scale, declared.offset) == (1.0, 0.0)
    # Tags are copied from files whose values were packed.
    if as_stored and not declared.gives_way:
        return
    known = np.unique(values[np.isfinite(values)])
    for code in (*limits.missing, *source.nodata):
        known = known[~same_code(known, code)]
    lost = (known < limits.lowest) | (known > limits.highest)
    unpacked = known * declared.scale + declared.offset
    within = (unpacked >= limits.lowest) & (unpacked <= limits.highest)
    left = int(np.count_nonzero(lost))
    said = (
        f"The source '{source.name}' ({source.url}) stores {known.min():g} to {known.max():g},"
        if left
        else ""
    )
    bounds = f"{limits.lowest:.5g} to {limits.highest:.5g}"
    if as_stored and left > MAX_LOST and left == known.size:
        raise IcemapError(
            f"{said} all of which are outside of its valid range, {bounds}, as where that was kept"
            " from a file whose values were packed: correct it in the file, or remove it there"
            " (gdal_edit.py -unsetmd, which removes all tags)."
        )
    if not as_stored and left > max(MAX_LOST, known.size - left) and within.all():
        raise IcemapError(
            f"{said} most of which are outside of its valid range, {bounds}, but would be inside"
            f" after its scale and offset ({unpacked.min():g} to {unpacked.max():g}): write the"
            " range in the file as stored values, or remove it there (ncatted)."
        )
