"""Whether values are those of which a raster has the statistics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.declared import Declared
from icemap.predictors.missing import REPEATED
from icemap.source import Source

# Part of their span by which statistics are rounded.
ROUNDED = 1e-3


def exact_statistics(tags: Mapping[str, str]) -> tuple[float, float] | None:
    """Lowest and highest value among the tags of a band; None where there are none, or where not
    all cells count in them.

    Examples
    --------
    >>> tags = {"STATISTICS_MINIMUM": "0", "STATISTICS_MAXIMUM": "12.5"}
    >>> exact_statistics(tags)
    (0.0, 12.5)
    >>> exact_statistics({**tags, "STATISTICS_APPROXIMATE": "YES"}) is None
    True
    """
    skipped = [tags.get(f"STATISTICS_SKIPFACTOR{axis}", "1") for axis in "XY"]
    if "STATISTICS_APPROXIMATE" in tags or any(skip.strip() not in ("", "1") for skip in skipped):
        return None
    try:
        low, high = (float(tags[f"STATISTICS_{end}"]) for end in ("MINIMUM", "MAXIMUM"))
    except (KeyError, ValueError):
        return None
    return (low, high) if low <= high and np.isfinite([low, high]).all() else None


def require_within_statistics(
    source: Source, declared: Declared, stored: NDArray[np.float64]
) -> None:
    """Refuse one value again and again, or values of another size, that the file's own statistics
    do not know: it means missing, or is of another unit or scale.

    Parameters
    ----------
    source : Source
    declared : Declared
    stored : ndarray of shape (values,)
        Those that are not missing.

    Raises
    ------
    IcemapError
        Naming values and statistics, and the keys of the catalogue that settle it.
    """
    if declared.statistics is None or source.scale is not None:
        return
    low, high = declared.statistics
    span = max(high - low, ROUNDED * max(abs(low), abs(high)))
    known = (stored >= low - ROUNDED * span) & (stored <= high + ROUNDED * span)
    if declared.scale != 1 or declared.offset != 0:
        # Some programs take them of what the values become.
        unpacked = stored * declared.scale + declared.offset
        known |= (unpacked >= low - ROUNDED * span) & (unpacked <= high + ROUNDED * span)
    others = stored[~known]
    if not others.size:
        return
    first, last = float(others.min()), float(others.max())
    who = f"The source '{source.name}' ({source.origin})"
    said = f"its statistics go from {low:.6g} to {high:.6g}"
    if first == last and others.size >= REPEATED:
        raise IcemapError(
            f"{who} holds the value {first:.9g} in {others.size:,} of {stored.size:,} cells, but"
            f" {said}, as if it meant missing: give 'nodata: [{first:.9g}]' in the catalogue, or a"
            " 'valid_range' that includes it if it is real."
        )
    if first < low - span or last > high + span:
        raise IcemapError(
            f"{who} holds {stored.min():.6g} to {stored.max():.6g}, but {said}, which are of other"
            " values: give the 'scale' that makes the ones of the others ('scale: 1' if the values"
            " are right), what means missing as 'nodata', or correct the statistics (gdal_edit"
            " -unsetstats, or remove the .aux.xml or the attribute actual_range)."
        )
