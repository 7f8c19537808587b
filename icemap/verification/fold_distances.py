"""Do folds imitate the map: how far left-out samples are from those that predict them, against how
far the map's places are from all samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from icemap.verification.knndm import nearest_distance

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

#: Shares at which distances are kept, for a curve.
_SHARES = np.linspace(0.0, 1.0, 41)


class FoldDistances(TypedDict):
    """Distances to the nearest site, km, as quantiles at even shares from 0 to 1, and per kind of
    folds W, the mean difference between its curve and that of the map (Wasserstein distance, km).
    """

    map_to_samples: list[float]
    test_to_training: dict[str, list[float]]
    w_km: dict[str, float]


def fold_distances(
    place: tuple[Array, Array], domain: tuple[Array, Array], labels: Mapping[str, Labels]
) -> FoldDistances:
    """Distances of every kind of folds and of the map.

    Parameters
    ----------
    place : (ndarray, ndarray)
        Longitudes and latitudes of the samples, (n,).
    domain : (ndarray, ndarray)
        Of places that stand for the map.
    labels : mapping
        Kind of folds to the fold of each sample, (n,); -1 is never left out.

    Examples
    --------
    >>> lon, lat = np.array([0.0, 1.0, 60.0, 61.0]), np.full(4, 65.0)
    >>> found = fold_distances((lon, lat), (np.array([30.0]), np.array([65.0])),
    ...     {"pairs": np.array([0, 0, 1, 1]), "single": np.arange(4)})
    >>> found["w_km"]["pairs"] > found["w_km"]["single"]
    True
    """
    from scipy.stats import wasserstein_distance

    lon, lat = place
    on_map = nearest_distance(*domain, lon, lat)
    curves, w = {}, {}
    for kind, folds in labels.items():
        parts = []
        for fold in np.unique(folds[folds >= 0]):
            here = folds == fold
            parts.append(nearest_distance(lon[here], lat[here], lon[~here], lat[~here]))
        distances = np.concatenate(parts)
        curves[kind] = np.quantile(distances, _SHARES).tolist()
        w[kind] = float(wasserstein_distance(distances, on_map))
    return {
        "map_to_samples": np.quantile(on_map, _SHARES).tolist(),
        "test_to_training": curves,
        "w_km": w,
    }
