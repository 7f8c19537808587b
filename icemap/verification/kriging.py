"""Kriging, which the field uses: a Gaussian process over predictors and over the sphere."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from icemap.ensemble.replicates import TrainingTable
from icemap.ensemble.target import TargetScale
from icemap.sphere import unit_vectors
from icemap.verification.records import Forecast
from icemap.verification.sides import Sides
from icemap.verification.transformed import transformed_normal

Array = NDArray[np.float64]

#: Sites from which the scales of the kernels and the nugget are found: more would say little more
#: of five numbers, and the time grows with the cube.
FOUND_FROM = 400
#: Sites that a forecast is made from.
MOST_SITES = 3000


class MaternOn(Matern):
    """Matern kernel of some of the columns, ``first`` to before ``last``."""

    def __init__(
        self,
        length_scale: float = 1.0,
        length_scale_bounds: tuple[float, float] = (1e-5, 1e5),
        nu: float = 1.5,
        first: int = 0,
        last: int = 1,
    ) -> None:
        super().__init__(length_scale, length_scale_bounds, nu)
        self.first, self.last = first, last

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """The kernel between the rows, and its gradient where asked for."""
        columns = slice(self.first, self.last)
        X = np.atleast_2d(X)[:, columns]
        other = None if Y is None else np.atleast_2d(Y)[:, columns]
        return super().__call__(X, other, eval_gradient)


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
    inputs, at = _inputs(training, sides.test, sides.class_columns)
    kept = _some(len(training), MOST_SITES, rng)
    inputs, z = inputs[kept], scale.transform(training.y)[kept]
    found = _some(len(z), FOUND_FROM, rng)
    columns = inputs.shape[1] - 3
    kernel = _fitted_kernel(inputs[found], z[found], columns, sides.seed)
    process = GaussianProcessRegressor(kernel, optimizer=None).fit(inputs, z)
    # The nugget is part of the kernel's diagonal, so that the spread is that of a new sample.
    mean, sd = process.predict(at, return_std=True)
    return transformed_normal(mean, np.maximum(sd, 1e-6), scale, sides.test.y)


def _fitted_kernel(inputs: Array, z: Array, columns: int, seed: int) -> Kernel:
    over_predictors = ConstantKernel(0.4, (1e-3, 10.0)) * MaternOn(
        float(np.sqrt(columns)), (0.1, 1e3), first=0, last=columns
    )
    # Chords of 0.002 and 2 are 13 km and the diameter of the sphere.
    over_sphere = ConstantKernel(0.3, (1e-3, 10.0)) * MaternOn(
        0.1, (0.002, 2.0), first=columns, last=columns + 3
    )
    kernel = over_predictors + over_sphere + WhiteKernel(0.3, (1e-3, 10.0))
    with warnings.catch_warnings():
        # A scale at its limit says that this kernel is not needed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(kernel, random_state=seed).fit(inputs, z).kernel_


def _some(count: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(count) if count <= most else np.sort(rng.permutation(count)[:most])


def _inputs(
    training: TrainingTable, test: TrainingTable, class_columns: list[int]
) -> tuple[Array, Array]:
    """Standardized predictors, levels of classes as columns, unit vectors: of the training side and
    of the test side.
    """
    continuous = [k for k in range(training.X.shape[1]) if k not in class_columns]
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
