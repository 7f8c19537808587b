"""The zones whose totals the ledger holds, and the masks under which they are summed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.regions import REGIONS, region_of

BAND_DEGREES = 10
# Extent of permafrost by the part of a cell that it underlies: the classes of the IPA map (Brown et
# al. 1997), lower limits.
EXTENTS = {"continuous": 0.9, "discontinuous": 0.5, "sporadic": 0.1, "isolated": 0.0}
DEFAULT_MASK = "fraction"
# What the masks count of each mapped cell, in the words of a report.
MASKS = {
    DEFAULT_MASK: "the part of each cell that is permafrost and neither lake nor glacier",
    "majority": "whole cells where that part is at least a half, nothing elsewhere",
    "whole": "every mapped cell as a whole",
}


def masks_of(fraction: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Part of each cell that counts under each of ``MASKS``.

    Examples
    --------
    >>> {name: part.tolist() for name, part in masks_of(np.array([0.25, 0.75])).items()}
    {'fraction': [0.25, 0.75], 'majority': [0.0, 1.0], 'whole': [1.0, 1.0]}
    """
    return {
        DEFAULT_MASK: fraction,
        "majority": (fraction >= 0.5).astype(float),
        "whole": np.ones_like(fraction, dtype=float),
    }


def total_name(zone: str, mask: str) -> str:
    """What the total of a zone under a mask is called in ledgers and records.

    Examples
    --------
    >>> total_name("Siberia", "fraction"), total_name("Siberia", "whole")
    ('Siberia', 'Siberia / whole')
    """
    return zone if mask == DEFAULT_MASK else f"{zone} / {mask}"


def zone_and_mask(name: str) -> tuple[str, str]:
    """The zone and the mask that `total_name` has put together."""
    zone, _, mask = name.partition(" / ")
    return zone, mask or DEFAULT_MASK


def zones_of(
    longitude: NDArray[np.floating], latitude: NDArray[np.floating], fraction: NDArray[np.floating]
) -> dict[str, NDArray[np.bool_]]:
    """Cells of each zone that has any: regions, bands of latitude and classes of permafrost extent.

    Parameters
    ----------
    longitude, latitude, fraction : ndarray of shape (n,)

    Examples
    --------
    >>> zones = zones_of(np.array([130.0, -150.0]), np.array([62.0, 70.0]), np.array([0.95, 0.4]))
    >>> list(zones)
    ['North America', 'Siberia', '60 to 70 N', '70 to 80 N', 'continuous permafrost', 'sporadic
    permafrost']
    >>> zones["Siberia"].tolist()
    [True, False]
    """
    region = region_of(longitude, latitude)
    zones = {name: region == name for name in REGIONS}
    band = np.floor(latitude / BAND_DEGREES).astype(int) * BAND_DEGREES
    for south in np.unique(band):
        zones[f"{south} to {south + BAND_DEGREES} N"] = band == south
    free = np.ones(fraction.shape, dtype=bool)
    for name, least in EXTENTS.items():
        zones[f"{name} permafrost"] = free & (fraction >= least)
        free &= fraction < least
    return {name: cells for name, cells in zones.items() if cells.any()}
