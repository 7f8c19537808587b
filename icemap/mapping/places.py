"""Places that stand for the map in verification: chosen by area, with their predictors and what the
ensemble says of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.grid import wrapped
from icemap.mapping.broadcast import Predictor
from icemap.mapping.chunk import map_pixels
from icemap.sphere import unit_vectors
from icemap.store import storage_errors
from icemap.verification.site_influence import MapPlaces

if TYPE_CHECKING:
    import xarray as xr

# Of the whole cube at most about this many cells are looked at when places are chosen.
_MAX_CELLS = 4e6


@dataclass(frozen=True, eq=False)
class CubePlaces:
    """Cells of a cube, each array of shape (n,)."""

    row: NDArray[np.intp]
    col: NDArray[np.intp]
    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]


def choose_places(cube: xr.Dataset, count: int, seed: int) -> CubePlaces:
    """Mapped cells drawn with probabilities in proportion to their area: what kNNDM compares the
    sites with.

    Parameters
    ----------
    cube : Dataset
    count : int
        Number of cells.
    seed : int
    """
    step = max(1, int((cube.sizes["latitude"] * cube.sizes["longitude"] / _MAX_CELLS) ** 0.5))
    with storage_errors("the cube", "read"):
        valid = cube["valid"][::step, ::step].to_numpy() == 1
    row, col = np.nonzero(valid)
    row, col = row * step, col * step
    latitude, longitude = cube.latitude.to_numpy()[row], wrapped(cube.longitude.to_numpy()[col])
    area = np.cos(np.radians(latitude))
    chosen = np.random.default_rng(seed).choice(
        len(row), size=min(count, len(row)), replace=False, p=area / area.sum()
    )
    return CubePlaces(row[chosen], col[chosen], longitude[chosen], latitude[chosen])


def map_places(
    X: NDArray[np.float64],
    weight: NDArray[np.float64],
    places: CubePlaces,
    predictor: Predictor,
) -> MapPlaces:
    """Predict the places.

    Parameters
    ----------
    X : ndarray of shape (n, predictors)
        In the ensemble's order; classes as codes.
    weight : ndarray of shape (n,)
        Share of the map that each place stands for.
    places : CubePlaces
    predictor : Predictor
        The compiled ensemble with its calibration.
    """
    coding, vectors = predictor.compiled.coding, unit_vectors(places.longitude, places.latitude)
    result = map_pixels(
        predictor.compiled, predictor.applicability, predictor.calibration, X, vectors
    )
    sd = predictor.calibration.scope.cell_sd(result.lower, result.upper)
    predictors = coding.design(coding.encode(coding.with_position(X, vectors))[0])
    return MapPlaces(
        places.longitude,
        places.latitude,
        weight,
        predictors,
        result.mean,
        sd,
        result.replicate_means.astype(float),
    )


def weighed_places(
    cube: xr.Dataset, places: CubePlaces, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predictors at the places (n, predictors), and the share of the map that each stands for
    (n,).

    Parameters
    ----------
    cube : Dataset
    places : CubePlaces
        Drawn by area.
    names : sequence of str
        Of the predictors.
    """
    values = read_places(cube, places, [*names, "fraction"])
    X, fraction = values[:, :-1], values[:, -1]
    # The places were drawn by area already; where nothing counts at all, every place counts alike.
    weight = fraction / fraction.sum() if fraction.sum() > 0 else np.full(len(X), 1 / len(X))
    return X, weight


def read_places(cube: xr.Dataset, places: CubePlaces, names: Sequence[str]) -> NDArray[np.float64]:
    """Variables of the cube at the places, (n, variables).

    Parameters
    ----------
    cube : Dataset
    places : CubePlaces
    names : sequence of str
        Of the variables.
    """
    import xarray as xr

    row, col = xr.DataArray(places.row, dims="__place"), xr.DataArray(places.col, dims="__place")
    with storage_errors("the cube", "read"):
        picked = cube[list(names)].isel(latitude=row, longitude=col).compute()
    return np.column_stack([picked[name].to_numpy().astype(float) for name in names])
