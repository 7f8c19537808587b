"""Scores by region, by class of the target, by dissimilarity and by spatial block: where the
ensemble is good, and where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.boreholes.table_units import unit_factor
from icemap.config_sections import TargetConfig
from icemap.ensemble.folds import spatial_blocks
from icemap.ensemble.replicates import TrainingTable
from icemap.json_records import Row
from icemap.regions import region_of
from icemap.sphere import unit_vectors
from icemap.verification.coverage import BlockDraws, with_block_limits
from icemap.verification.cv_schemes import MIN_SCORED
from icemap.verification.records import Forecast, LeftOutForecasts
from icemap.verification.sampling_support import Described, MapClasses, group_labels, group_names
from icemap.verification.scores import Scores

Array = NDArray[np.float64]
Names = NDArray[np.object_]
Groupings = Mapping[str, Names]
_SCORES = (
    "rmse",
    "bias",
    "crps",
    "coverage_95",
    "coverage_95_low",
    "coverage_95_high",
    "width_95",
    "winkler_95",
)
_PERCENT_CLASSES = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
BLOCK = "spatial block"
_TENTHS = 11
_CLIMATOLOGY = "climatology"


def groupings(
    table: TrainingTable,
    dissimilarity: Array,
    threshold: float,
    block_degrees: float,
    target: TargetConfig,
    edges: Sequence[float] | None,
) -> dict[str, Names]:
    """Group of each sample, by each thing that one can group them by.

    Parameters
    ----------
    table : TrainingTable
    dissimilarity : ndarray of shape (n,)
        Index of each sample against those of other folds.
    threshold : float
        Of the area of applicability.
    block_degrees : float
        Side of a spatial block.
    target : TargetConfig
        Its unit and bounds say what the classes are.
    edges : sequence of float or None
        Limits of the target's classes; None for steps of 20 where the target is 0 to 100 %, for
        quarters of the samples otherwise.

    Returns
    -------
    dict
        Heading to one name per sample.
    """
    is_percent = unit_factor(target.unit, "fraction") == 0.01
    if edges is None and is_percent and target.bounds == (0.0, 100.0):
        edges = _PERCENT_CLASSES
    quarters = in_classes(dissimilarity, None, "")
    return {
        "region": region_of(table.longitude, table.latitude),
        f"observed {target.long_name}": in_classes(table.y, edges, target.unit),
        "dissimilarity": np.where(
            dissimilarity > threshold, f"above {threshold:.3g}: outside AOA", quarters
        ),
        BLOCK: block_names(table.longitude, table.latitude, block_degrees),
    }


def in_classes(values: ArrayLike, edges: Sequence[float] | None, unit: str) -> Names:
    """Name of the class of each value; quarters of the values where no limits are given. A value
    beyond all limits is in a class of its own.

    Parameters
    ----------
    values : array_like of shape (n,)
    edges : sequence of float or None
        Limits of the classes; None for quarters of the values.
    unit : str
        For the names.

    Examples
    --------
    >>> in_classes([5.0, 20.0, 100.0], [0, 20, 60, 100], "%").tolist()
    ['0 to 20 %', '20 to 60 %', '60 to 100 %']
    """
    numbers = np.asarray(values, dtype=float)
    limits = np.unique(
        np.quantile(numbers, [0.0, 0.25, 0.5, 0.75, 1.0])
        if edges is None
        else np.asarray(edges, dtype=float)
    )
    names = [f"{low:.3g} to {high:.3g} {unit}".strip() for low, high in pairwise(limits)]
    if not names:
        return np.full(len(numbers), f"{limits[0]:.3g} {unit}".strip(), dtype=object)
    inner = np.minimum(np.searchsorted(limits, numbers, side="right") - 1, len(names) - 1)
    inner = np.where((numbers == limits[-1]), len(names) - 1, inner)
    named = np.array([f"below {limits[0]:.3g} {unit}".strip(), *names], dtype=object)[inner + 1]
    return np.where(numbers > limits[-1], f"above {limits[-1]:.3g} {unit}".strip(), named).astype(
        object
    )


def block_names(longitude: ArrayLike, latitude: ArrayLike, degrees: float) -> Names:
    """Spatial block of each place, named by the middle of the places in it.

    Parameters
    ----------
    longitude, latitude : array_like of shape (n,)
        Degrees.
    degrees : float
        Side of a block.

    Examples
    --------
    >>> block_names([10, 14, 100], [65, 65, 65], 10).tolist()
    ['65° N, 12° E', '65° N, 12° E', '65° N, 100° E']
    """
    block = np.unique(spatial_blocks(longitude, latitude, degrees), return_inverse=True)[1]
    count = np.bincount(block)
    x, y, z = (np.bincount(block, part) / count for part in unit_vectors(longitude, latitude).T)
    lon, lat = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    names = [
        f"{abs(b):.0f}° {'N' if b >= 0 else 'S'}, {abs(a):.0f}° {'E' if a >= 0 else 'W'}"
        for a, b in zip(lon, lat)
    ]
    # Small blocks can have middles that round to the same degree.
    twice = {name for name in names if names.count(name) > 1}
    names = [f"{name} ({k})" if name in twice else name for k, name in enumerate(names)]
    return np.array(names, dtype=object)[block]


def group_scores(
    part: LeftOutForecasts, groups: Groupings, blocks: ArrayLike | None = None, seed: int = 0
) -> list[Row]:
    """Scores of every model in every group.

    Parameters
    ----------
    part : LeftOutForecasts
        From `icemap.verification.cross_validation.gather`.
    groups : mapping
        From `groupings`, for all samples.
    blocks : array_like of shape (all samples,), optional
        What is resampled for the limits of the coverage; without them they are binomial.

    Returns
    -------
    list of dict
        ``by``, ``group``, ``model``, ``n``, ``few`` (fewer than 20 samples: read with caution) and
        the scores that the model has.
    """
    rows: list[Row] = []
    resampled = None if blocks is None else np.asarray(blocks)[part["rows"]]
    for heading, names in groups.items():
        here = names[part["rows"]]
        for group in _ordered(here[here != ""]):
            chosen = here == group
            count = int(chosen.sum())
            if heading == BLOCK and count < MIN_SCORED:
                continue
            draws = None if resampled is None else BlockDraws.of(resampled[chosen], seed)
            for model, forecast in part["models"].items():
                scores = scored(part["y"], forecast, chosen, draws)
                shown = {name: scores[name] for name in _SCORES if name in scores}
                if "crps" in scores and _CLIMATOLOGY in part["models"]:
                    reference = part["models"][_CLIMATOLOGY]["crps"][chosen].mean()
                    shown["crpss"] = float(1 - scores["crps"] / reference)
                rows.append(
                    {
                        "by": heading,
                        "group": group,
                        "model": model,
                        "n": count,
                        "few": count < MIN_SCORED,
                        **shown,
                    }
                )
    return rows


def with_predicted(
    groups: Groupings, part: LeftOutForecasts, model: str, target: TargetConfig
) -> dict[str, Names]:
    """The groupings, and one by tenths of what the model predicts: unlike classes of what was
    observed, these can be read off the map, and a calibrated forecast is right in each.
    """
    predicted = np.asarray(part["models"][model]["mean"], dtype=float)
    edges = np.quantile(predicted, np.linspace(0, 1, _TENTHS if len(predicted) > 200 else 5))
    names = np.full(len(groups[BLOCK]), "", dtype=object)
    names[part["rows"]] = in_classes(predicted, edges.tolist(), target.unit)
    return {**groups, f"predicted {target.long_name}": names}


def predictor_groups(
    part: LeftOutForecasts,
    classes: Sequence[MapClasses],
    samples: Mapping[str, Array],
    described: Mapping[str, Described],
    model: str,
    blocks: ArrayLike,
    seed: int,
) -> list[Row]:
    """Bias and coverage of the map's interval by class of each predictor.

    Parameters
    ----------
    part : mapping
        Of the headline folds, with the calibrated interval.
    classes, samples, described
        As `icemap.verification.sampling_support.support_table` takes them.
    model : str
        Whose interval is that of the map.
    blocks : array_like of shape (all samples,)
        What is resampled for the limits of the coverage.
    """
    forecast, resampled = part["models"][model], np.asarray(blocks)[part["rows"]]
    rows: list[Row] = []
    for one in classes:
        name = one["predictor"]
        here = group_names(one, samples[name], described[name])[part["rows"]]
        for group in dict.fromkeys([*group_labels(one, described[name]), *here.tolist()]):
            chosen = here == group
            count = int(chosen.sum())
            row = {"predictor": name, "group": group, "n": count, "few": count < MIN_SCORED}
            if count:
                draws = BlockDraws.of(resampled[chosen], seed)
                table = scored(part["y"], forecast, chosen, draws)
                row |= {key: table[key] for key in _SCORES if key in table}
            rows.append(row)
    return rows


def worst_block(part: LeftOutForecasts, forecast: Forecast, blocks: Names) -> Row:
    """The block of 20 samples or more whose 95 % interval covers least: its name, coverage and
    number of samples; {} where no block is that large.

    Parameters
    ----------
    part : LeftOutForecasts
        The observations.
    forecast : Forecast
        Of one model.
    blocks : ndarray of str, shape (all samples,)
        Spatial block of each sample.
    """
    if "0.95" not in forecast["interval"]:
        return {}
    here, (low, high) = blocks[part["rows"]], np.asarray(forecast["interval"]["0.95"]).T
    inside = (part["y"] >= low) & (part["y"] <= high)
    large = [
        (float(inside[here == name].mean()), name, int((here == name).sum()))
        for name in _ordered(here)
        if (here == name).sum() >= MIN_SCORED
    ]
    if not large:
        return {}
    coverage, name, count = min(large)
    return {"worst_block_coverage_95": coverage, "worst_block": name, "worst_block_n": count}


def scored(
    y: Array,
    forecast: Forecast,
    chosen: NDArray[np.bool_] | None = None,
    draws: BlockDraws | None = None,
) -> dict[str, float]:
    """Scores of what a model gives, the limits of its coverages from resampled blocks.

    Parameters
    ----------
    y : ndarray of shape (n,)
    forecast : mapping
    chosen : ndarray of shape (n,), optional
        Samples to score.
    draws : BlockDraws, optional
        Of the chosen samples; without them the limits are binomial.
    """
    table = scores_of(y, forecast, chosen).table()
    if draws is None:
        return table
    rows = np.ones(len(y), dtype=bool) if chosen is None else chosen
    intervals = {level: np.asarray(b)[rows] for level, b in forecast["interval"].items()}
    return table | with_block_limits(y[rows], {"interval": intervals}, draws)


def scores_of(y: Array, forecast: Forecast, chosen: NDArray[np.bool_] | None = None) -> Scores:
    """Scores of what a model gives: an interval alone, or a whole distribution.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Observations.
    forecast : Forecast
    chosen : ndarray of bool, shape (n,), optional
        Rows that are scored; all when left out.
    """
    rows = np.ones(len(y), dtype=bool) if chosen is None else chosen
    intervals = {
        float(c): (bounds[rows, 0], bounds[rows, 1]) for c, bounds in forecast["interval"].items()
    }
    mean, pit, crps, log_density = (
        None if column is None else column[rows]
        for column in (
            forecast.get("mean"),
            forecast.get("pit"),
            forecast.get("crps"),
            forecast.get("log_density"),
        )
    )
    return Scores.of(
        y[rows], mean=mean, intervals=intervals, pit=pit, crps=crps, log_density=log_density
    )


def _ordered(names: Names) -> list[str]:
    """Names by the first number in them where they begin with one, else alphabetically."""

    def key(name: str) -> tuple[int, float, str]:
        first = name.split()[0]
        try:
            return (1, float(first), name)
        except ValueError:
            return ({"below": 0, "above": 2}.get(first, 1), 0.0, name)

    return sorted({str(name) for name in names}, key=key)
