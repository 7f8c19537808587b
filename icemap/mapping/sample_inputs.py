"""What people give with samples or places of their own: coordinates, groups, and what the target
calls itself; and whether samples differ enough to be fitted.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.config_sections import TargetConfig
from icemap.ensemble.checks import MIN_ROWS
from icemap.sphere import unit_vectors

Array = NDArray[np.float64]

#: Fewer different samples than this cannot be split and still differ.
MIN_DISTINCT = 4


def require_different(values: Array) -> None:
    """Refuse so few different samples that nothing can be fitted; warn of few."""
    n = len(values)
    if n < MIN_DISTINCT or np.ptp(values) == 0:
        raise ValueError(
            f"There are {n} different samples with {len(np.unique(values))} different values: give"
            f" at least {MIN_DISTINCT} samples (n_samples = {n}) whose values differ."
        )
    if n < MIN_ROWS:
        warnings.warn(
            f"There are {n} different samples: weights and intervals fitted to fewer than"
            f" {MIN_ROWS} are guesses.",
            UserWarning,
            stacklevel=3,
        )


def vectors_at(coordinates: ArrayLike | None, n: int) -> Array | None:
    """Unit vectors (n, 3) of longitude and latitude (n, 2)."""
    if coordinates is None:
        return None
    lon, lat, _ = places_and_groups(coordinates, None, n)
    return unit_vectors(np.ascontiguousarray(lon), np.ascontiguousarray(lat))


def places_and_groups(
    coordinates: Any, groups: ArrayLike | None, n: int
) -> tuple[Array | None, Array | None, NDArray[np.int64] | None]:
    """Longitude, latitude and number of the group of each sample; None where nothing says."""
    lon = lat = cell = None
    if coordinates is not None:
        places = _in_order(coordinates)
        if places.shape != (n, 2):
            raise ValueError(
                f"coordinates have the shape {places.shape}: give longitude and latitude of each of"
                f" the {n} samples, ({n}, 2)."
            )
        bad = ~(np.isfinite(places).all(axis=1) & (np.abs(places[:, 1]) <= 90))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"coordinates are {places[row].tolist()} in row {row}: give longitude and latitude"
                " in degrees, in this order."
            )
        lon, lat = places.T
        cell = np.unique(places, axis=0, return_inverse=True)[1].ravel()
    if groups is not None:
        labels = np.asarray(groups)
        if labels.shape != (n,):
            raise ValueError(
                f"groups have the shape {labels.shape}: give one label for each of the {n} samples."
            )
        cell = np.unique(labels, return_inverse=True)[1]
        if cell.max() < 1:
            raise ValueError("all samples are in one group: give at least two groups, or none.")
    return lon, lat, None if cell is None else cell.astype(np.int64)


def target_of(y: Any, bounds: tuple[float, float] | None) -> TargetConfig:
    """What a target calls itself; VIC where it has no name."""
    said, attrs, default = getattr(y, "name", None), getattr(y, "attrs", {}), TargetConfig()
    name = default.name if said is None else re.sub(r"\W+", "_", str(said)).strip("_")
    known = said is None or name == default.name
    words = {
        "long_name": str(attrs.get("long_name", default.long_name if known else said)),
        "unit": str(attrs.get("units", default.unit if known else "1")),
    }
    try:
        return TargetConfig(name=name, bounds=bounds, **words)
    except ValueError:
        # Such as a name of digits alone, which no variable can have.
        return TargetConfig(name=f"target_{name}".rstrip("_"), bounds=bounds, **words)


def _in_order(coordinates: Any) -> Array:
    """Longitude and latitude, by the names of a table's columns where they say which is which."""
    columns = {str(name).lower(): name for name in getattr(coordinates, "columns", ())}
    for pair in (("lon", "lat"), ("longitude", "latitude")):
        if set(pair) <= set(columns):
            coordinates = coordinates[[columns[name] for name in pair]]
    return np.asarray(coordinates, dtype=np.float64)
