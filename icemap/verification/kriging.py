"""Kriging, which the field uses: a Gaussian process over predictors and over the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor

from icemap.ensemble.coding import POSITION
from icemap.ensemble.gaussian_process import (
    CHORDS,
    LENGTHS,
    MAX_FITTED,
    NUGGET,
    VARIANCE,
    MaternOn,
    fitted,
    some_of,
)
from icemap.ensemble.target import TargetScale
from icemap.sphere import unit_vectors
from icemap.verification.records import Forecast
from icemap.verification.sides import Sides
from icemap.verification.transformed import transformed_normal

Array = NDArray[np.float64]

#: Sites that a forecast is made from.
MAX_SITES = 3000


def kriging(sides: Sides) -> Forecast:
    """Forecasts of a Gaussian process with a Matern 3/2 kernel over standardized predictors, one
    over the sphere (chords between unit vectors) and a nugget, on the Yeo-Johnson scale.

    The kernels are found from 400 sites, drawn with the seed, where there are more.

    Returns
    -------
    Forecast
        ``mean``, ``pit``, ``crps``, ``log_density`` of shape (n,), ``interval`` by coverage.
    """
    rng = np.random.default_rng(sides.seed)
    training = sides.training
    scale = TargetScale.fit(training.y, sides.bounds)
    inputs, at = _inputs(sides)
    kept = some_of(len(training), MAX_SITES, rng)
    inputs, z = inputs[kept], scale.transform(training.y)[kept]
    found = some_of(len(z), MAX_FITTED, rng)
    exact = np.zeros(len(found))
    columns = inputs.shape[1] - 3
    over_predictors = MaternOn(float(np.sqrt(columns)), LENGTHS, first=0, last=columns)
    over_sphere = MaternOn(0.1, CHORDS, first=columns, last=columns + 3)
    kernel = VARIANCE * over_predictors + VARIANCE * over_sphere + NUGGET
    kernel = fitted(kernel, inputs[found], z[found], exact, sides.seed)
    process = GaussianProcessRegressor(kernel, optimizer=None).fit(inputs, z)
    # The nugget is part of the kernel's diagonal, so that the spread is that of a new sample.
    mean, sd = process.predict(at, return_std=True)
    return transformed_normal(mean, np.maximum(sd, 1e-6), scale, sides.test.y)


def _inputs(sides: Sides) -> tuple[Array, Array]:
    """Standardized predictors, levels of classes as columns, unit vectors: of the training side and
    of the test side.
    """
    training, test, class_columns = sides.training, sides.test, sides.class_columns
    # The position has a kernel of its own.
    given = training.X.shape[1] - (len(POSITION) if sides.placed else 0)
    continuous = [k for k in range(given) if k not in class_columns]
    own, other = training.X[:, continuous], test.X[:, continuous]
    deviation = own.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    parts = [[(side - own.mean(axis=0)) / deviation] for side in (own, other)]
    for column in class_columns:
        levels = np.unique(training.X[:, column])
        for part, side in zip(parts, (training.X, test.X), strict=True):
            part.append((side[:, [column]] == levels).astype(float))
    vectors = (unit_vectors(side.longitude, side.latitude) for side in (training, test))
    left, right = (np.hstack([*part, v]) for part, v in zip(parts, vectors, strict=True))
    return left, right
