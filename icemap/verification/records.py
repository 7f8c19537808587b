"""What travels between the folds of a verification and its tables: forecasts of left-out samples,
as arrays and as the JSON of a fold's record.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from icemap.verification.sampling_support import MapClasses

Array = NDArray[np.float64]


class Forecast(TypedDict):
    """What a model says of n left-out samples; a model has what its kind of forecast gives."""

    # By coverage ("0.95"), lower and upper bound, (n, 2).
    interval: dict[str, Array]
    mean: NotRequired[Array]
    # Distribution function at the observation, 0 to 1.
    pit: NotRequired[Array]
    # In units of the target.
    crps: NotRequired[Array]
    log_density: NotRequired[Array]
    # At `icemap.verification.cross_validation.TAIL_LEVELS`, (n, levels).
    quantiles: NotRequired[Array]


class ForecastRecord(TypedDict):
    """A `Forecast` as JSON keeps it."""

    interval: dict[str, list[list[float]]]
    mean: NotRequired[list[float]]
    pit: NotRequired[list[float]]
    crps: NotRequired[list[float]]
    log_density: NotRequired[list[float]]
    quantiles: NotRequired[list[list[float]]]


class PermutedErrors(TypedDict):
    """Errors on a test side of n samples, in units of the target squared."""

    n: int
    mse: float
    # Of each predictor, one number per repeat.
    increase: dict[str, list[float]]


class LearningPart(TypedDict):
    """Of a fold's n samples: what the pool says of them when it is fitted to a share of the
    training side.
    """

    share: float
    # Of the share, without pseudo-sites.
    sites: int
    crps: list[float]
    mean: list[float]


class FoldRecord(TypedDict):
    """Of one fold: its samples by their positions, and the forecasts of every model for them."""

    rows: list[int]
    y: list[float]
    # To the training side.
    dissimilarity: list[float]
    models: dict[str, ForecastRecord]
    # Competitors that cannot be fitted to so few sites.
    left_out: list[str]
    # Its share in the pool.
    climatology: float
    permuted: NotRequired[PermutedErrors]
    # Smallest share first, the last is the whole.
    learning: NotRequired[list[LearningPart]]


class FailedFold(TypedDict):
    """Of a fold that could not be fitted: the reason."""

    failed: str


class LeftOutForecasts(TypedDict):
    """The folds of one kind together: n samples in rising order, and every model's forecasts."""

    rows: NDArray[np.int64]
    y: Array
    dissimilarity: Array
    models: dict[str, Forecast]


class BlockDifference(TypedDict):
    """Mean of a difference, with its 95 % interval where there are enough spatial blocks."""

    difference: float
    low: float | None
    high: float | None
    blocks: int


class DifferenceRow(BlockDifference):
    """What is mapped minus a competitor, in one score."""

    model: str
    score: str


class DifferenceByFolds(DifferenceRow):
    """The same under one kind of folds, by its name."""

    folds: str


class ReplicateScore(TypedDict):
    """A score over the replicates, each on what it held out: mean and central 95 %."""

    mean: float
    low: float
    high: float
    replicates: int


class PermutationRow(TypedDict):
    """Importance of a predictor: by how much the RMSE rises when it is permuted."""

    predictor: str
    rmse_increase: float
    sd: float


class Dependence(TypedDict):
    """Mean prediction along one predictor, in units of the target."""

    # Of a class: its codes, and None for "other".
    values: list[float | None]
    mean: list[float]
    members: dict[str, list[float]]


class Explanation(TypedDict):
    """What the predictors do in one replicate fitted to all samples."""

    partial_dependence: dict[str, Dependence]
    # Mean size of the Shapley values, by member and predictor.
    shap: dict[str, dict[str, float]]


class NextBorehole(TypedDict):
    """A place where one more borehole would help, degrees and units of the target."""

    longitude: float
    latitude: float
    score: float
    mean: float
    sd: float
    dissimilarity: float
    share_of_map: float


class SiteRow(TypedDict):
    """What one site means for the map; None where that is not known."""

    sample: str
    longitude: float
    latitude: float
    value: float
    # No borehole stands there.
    pseudo: bool
    map_share: float
    residual: float | None
    total_shift: float | None
    total_shift_se: float | None


class SiteInfluence(TypedDict):
    """Influence of the sites on the map."""

    sites: list[SiteRow]
    next_boreholes: list[NextBorehole]
    # Number of places that stand for the map.
    places: int
    # Of every predictor, its classes and their share of the map.
    classes: list[MapClasses]
