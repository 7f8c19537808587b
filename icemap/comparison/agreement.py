"""How far two maps agree, from sums that add up over chunks: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bins of the joint histogram along each map, from which ranks are taken.
BINS = 500
# Steps of the classes into which both maps are cut where neither brings classes.
CLASSES = 5


@dataclass(frozen=True)
class Cells:
    """Cells that both maps describe, each of shape (n,), in the unit of the target.

    ``weight`` is the area that counts, km2. Bounds that a map does not give are NaN.
    """

    weight: NDArray[np.float64]
    run: NDArray[np.float64]
    run_low: NDArray[np.float64]
    run_high: NDArray[np.float64]
    other: NDArray[np.float64]
    other_low: NDArray[np.float64]
    other_high: NDArray[np.float64]


@dataclass(frozen=True)
class ComparedSums:
    """Sums over the cells of one zone, weighted by area; they add up with ``+``.

    Attributes
    ----------
    weight : float
        Area that counts, km2.
    run, other, other_low, other_high : float
        Of values x area.
    run_width, other_width : float
        Of the width of the intervals x area.
    covered : float
        Area where the run's interval holds the other's value.
    overlapping : float
        Area where the interval and the other's range meet.
    holding : float
        Area where the other's range holds the run's value.
    squares : float
        Of (run - other) squared x area.
    """

    weight: float = 0.0
    run: float = 0.0
    other: float = 0.0
    other_low: float = 0.0
    other_high: float = 0.0
    run_width: float = 0.0
    other_width: float = 0.0
    covered: float = 0.0
    overlapping: float = 0.0
    holding: float = 0.0
    squares: float = 0.0

    def __add__(self, more: ComparedSums) -> ComparedSums:
        return ComparedSums(
            *(getattr(self, name) + getattr(more, name) for name in self.__dataclass_fields__)
        )

    def mean(self, name: str) -> float:
        """A sum per area; NaN where nothing was added, and of bounds that a map does not give."""
        return float(getattr(self, name) / self.weight) if self.weight else float("nan")


def compared_sums(
    cells: Cells, members: Mapping[str, NDArray[np.bool_]]
) -> dict[str, ComparedSums]:
    """Sums over the cells of each zone that has any.

    Examples
    --------
    >>> one = np.ones(2)
    >>> cells = Cells(one, 50 * one, 40 * one, 60 * one, np.array([45.0, 70.0]), 20 * one, 55 * one)
    >>> sums = compared_sums(cells, {"all": one == 1})["all"]
    >>> sums.mean("covered"), sums.mean("overlapping"), sums.mean("run") - sums.mean("other")
    (0.5, 1.0, -7.5)
    """
    c = cells
    per_cell: dict[str, NDArray[Any]] = {
        "weight": np.ones(c.weight.shape),
        "run": c.run,
        "other": c.other,
        "other_low": c.other_low,
        "other_high": c.other_high,
        "run_width": c.run_high - c.run_low,
        "other_width": c.other_high - c.other_low,
        "covered": (c.run_low <= c.other) & (c.other <= c.run_high),
        "overlapping": (c.other_low <= c.run_high) & (c.run_low <= c.other_high),
        "holding": (c.other_low <= c.run) & (c.run <= c.other_high),
        "squares": (c.run - c.other) ** 2,
    }
    stacked = np.stack([c.weight * values for values in per_cell.values()])
    found = {}
    for name, member in members.items():
        if member.any():
            sums = stacked[:, member].sum(axis=1)
            found[name] = ComparedSums(**dict(zip(per_cell, map(float, sums), strict=True)))
    return found


def joint_histogram(
    cells: Cells, run_range: tuple[float, float], other_range: tuple[float, float]
) -> NDArray[np.float64]:
    """Area by value of the run (rows) and of the other map (columns), (BINS, BINS).

    Parameters
    ----------
    cells : Cells
        That are compared.
    run_range, other_range : (float, float)
        Lowest and highest value on each axis, in the unit of the target.
    """
    rows, columns = _bin(cells.run, run_range), _bin(cells.other, other_range)
    flat = np.bincount(rows * BINS + columns, cells.weight, minlength=BINS * BINS)
    return flat.astype(np.float64).reshape(BINS, BINS)


def _bin(values: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.int64]:
    low, high = limits
    step = (high - low) / BINS if high > low else 1.0
    return np.clip((values - low) // step, 0, BINS - 1).astype(np.int64)


def spearman(histogram: NDArray[np.float64]) -> float:
    """Rank correlation, weighted by area, of a joint histogram; NaN where one map is constant.

    Cells in one bin share their middle rank, so the result is exact to the width of a bin.

    Examples
    --------
    >>> float(spearman(np.eye(4))), float(spearman(np.fliplr(np.eye(4))))
    (1.0, -1.0)
    """
    total = histogram.sum()
    ranks = []
    for weight in (histogram.sum(axis=1), histogram.sum(axis=0)):
        middle = np.cumsum(weight) - weight / 2
        spread = middle - (middle @ weight) / total if total else middle
        ranks.append((spread, float(weight @ spread**2)))
    (rows, row_variance), (columns, column_variance) = ranks
    scale = float(np.sqrt(row_variance * column_variance))
    return float(rows @ histogram @ columns / scale) if scale > 0 else float("nan")


def class_limits(
    target_bounds: tuple[float, float] | None,
    values: tuple[float, float],
    ranges: Sequence[tuple[float, float]] = (),
) -> tuple[float, ...]:
    """Limits between the classes whose agreement is given.

    Parameters
    ----------
    target_bounds : (float, float), optional
    values : (float, float)
        Least and most of both maps.
    ranges : sequence of (float, float)
        Of the classes of the other map, whose limits then count.

    Examples
    --------
    >>> class_limits((0.0, 100.0), (3.0, 70.0))
    (20.0, 40.0, 60.0, 80.0)
    >>> class_limits((0.0, 100.0), (3.0, 70.0), [(0.0, 10.0), (10.0, 20.0), (20.0, 30.0)])
    (10.0, 20.0, 30.0)
    """
    if ranges:
        lowest = min(low for low, _ in ranges)
        return tuple(sorted({edge for one in ranges for edge in one} - {lowest}))
    low, high = target_bounds or values
    return tuple(float(edge) for edge in np.linspace(low, high, CLASSES + 1)[1:-1])


def class_matrix(cells: Cells, limits: Sequence[float]) -> NDArray[np.float64]:
    """Area by class of the run (rows) and of the other map (columns)."""
    count = len(limits) + 1
    rows, columns = (np.digitize(values, limits) for values in (cells.run, cells.other))
    flat = np.bincount(rows * count + columns, cells.weight, minlength=count * count)
    return flat.astype(np.float64).reshape(count, count)


def weighted_kappa(matrix: NDArray[np.float64]) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968, doi:10.1037/h0026256); NaN for one class.

    Examples
    --------
    >>> float(weighted_kappa(np.eye(3))), float(weighted_kappa(np.ones((3, 3))))
    (1.0, 0.0)
    """
    total = matrix.sum()
    if not total:
        return float("nan")
    part = matrix / total
    steps = np.arange(len(part))
    weight = (steps[:, None] - steps[None]) ** 2
    expected = float((weight * np.outer(part.sum(axis=1), part.sum(axis=0))).sum())
    return 1 - float((weight * part).sum()) / expected if expected > 0 else float("nan")


def class_names(limits: Sequence[float], unit: str) -> tuple[str, ...]:
    """Names of the classes between limits.

    Examples
    --------
    >>> class_names((10.0, 20.0), "%")
    ('below 10 %', '10 to 20 %', '20 % and more')
    """
    if not limits:
        return ("all",)
    between = [f"{low:g} to {high:g} {unit}" for low, high in pairwise(limits)]
    return (f"below {limits[0]:g} {unit}", *between, f"{limits[-1]:g} {unit} and more")
