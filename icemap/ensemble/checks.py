"""What every combination of members asks of its input; the errors name the column and say what to
do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bounds = tuple[float, float]

#: Below this many rows neither margins nor copulas mean anything.
MIN_ROWS = 30
#: A training side must leave `LEAST_ROWS` when a fifth of it is held out once more to tune.
MIN_TRAINING = 40
#: Fewer samples than this carry no folds with such training sides.
MIN_SAMPLES = 50


def fewest_samples(held_out: float) -> int:
    """Samples that an ensemble needs whose replicates leave this share of them out.

    Examples
    --------
    >>> fewest_samples(0.1), fewest_samples(0.45)
    (50, 56)
    """
    return max(MIN_SAMPLES, math.ceil(MIN_ROWS / (1 - held_out)) + 1)


def member_names(F: Any, members: int) -> list[str]:
    """Column names of a table, or "member 0", "member 1", ..."""
    columns = getattr(F, "columns", None)
    return [f"member {k}" for k in range(members)] if columns is None else [str(c) for c in columns]


def check_members(F: Any, expected: list[str] | None = None) -> Array:
    """Member predictions as a float64 array (n, members).

    Raises
    ------
    ValueError
        For a wrong shape, text, NaN or infinity: the message names the column and the first row.
    """
    values = np.asarray(F)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"F has shape {values.shape}; give member predictions as rows x members.")
    try:
        values = values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError("F holds text; give member predictions as numbers.") from error
    names = member_names(F, values.shape[1])
    if expected is not None and values.shape[1] != len(expected):
        raise ValueError(
            f"F has {values.shape[1]} columns, but the fit had {len(expected)} members"
            f" ({', '.join(expected)}); give the same, in the same order."
        )
    if (
        expected is not None
        and hasattr(F, "columns")
        and expected[0] != "member 0"
        and names != expected
    ):
        raise ValueError(
            f"The columns of F are {', '.join(names)}, but the fit had {', '.join(expected)}; give"
            " the same, in the same order."
        )
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"Column '{(expected or names)[column]}' of F has {int(bad[:, column].sum())} missing"
            f" or infinite values (first in row {row}): drop those rows or repair the member."
        )
    return values


def check_target(y: Any, n: int, bounds: Bounds | None) -> Array:
    """The target as a float64 array (n,), inside the bounds.

    Parameters
    ----------
    y : array_like of shape (n,)
    n : int
        Number of rows that it must have.
    bounds : (float, float) or None
        Lowest and highest value of the target.

    Raises
    ------
    ValueError
        For a wrong length, NaN, or values outside the bounds.
    """
    values = np.asarray(y)
    if values.ndim != 1 or len(values) != n:
        raise ValueError(
            f"y has shape {values.shape}, but F has {n} rows; give one target value per row."
        )
    try:
        values = values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError("y holds text; give the target as numbers.") from error
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"y has {int(bad.sum())} missing or infinite values (first in row"
            f" {int(np.argmax(bad))}): drop those rows of F and y."
        )
    if bounds is not None:
        outside = (values < bounds[0]) | (values > bounds[1])
        if outside.any():
            row = int(np.argmax(outside))
            raise ValueError(
                f"y is {values[row]:g} in row {row}, outside the bounds {bounds[0]:g} to"
                f" {bounds[1]:g} ({int(outside.sum())} such rows): correct the values, or give"
                " bounds that fit the target (bounds=None for an unbounded one)."
            )
    return values


def check_bounds(bounds: Any) -> Bounds | None:
    """The bounds as a pair of floats, or None."""
    if bounds is None:
        return None
    low, high = (float(b) for b in bounds)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(
            f"bounds are {tuple(bounds)}; give two finite numbers, the lower first, or None."
        )
    return low, high


def check_sample_weight(sample_weight: Any, n: int) -> Array:
    """Row weights scaled to add up to Kish's effective number of rows, (n,); ones when None.

    Raises
    ------
    ValueError
        For a wrong length, NaN, a negative weight, or nothing but zeros.
    """
    if sample_weight is None:
        return np.ones(n)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, but F has {n} rows; give one weight per row."
        )
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError(
            "sample_weight must hold finite numbers >= 0; drop rows instead of giving them negative"
            " weights."
        )
    if not weights.sum() > 0:
        raise ValueError(
            "sample_weight is zero in every row; give at least some rows a positive weight."
        )
    return weights * (weights.sum() / (weights @ weights))


def check_fit(
    F: Any, y: Any, sample_weight: Any, bounds: Bounds | None
) -> tuple[Array, Array, Array, list[str]]:
    """Checked members (n, members), target (n,), row weights (n,) and member names for a fit.

    Parameters
    ----------
    F : array_like of shape (n, members)
        Out-of-fold predictions; a DataFrame names the members.
    y : array_like of shape (n,)
    sample_weight : array_like of shape (n,) or None
        Equal where None.
    bounds : (float, float) or None
        Lowest and highest value of the target.

    Raises
    ------
    ValueError
        As the checks above, and for fewer than 30 rows, a constant target or a constant member.
    """
    members = check_members(F)
    names = member_names(F, members.shape[1])
    target = check_target(y, len(members), bounds)
    weights = check_sample_weight(sample_weight, len(members))
    used = int(np.count_nonzero(weights))
    if used < MIN_ROWS:
        raise ValueError(
            f"There are {used} rows with a positive weight; at least {MIN_ROWS} out-of-fold rows"
            " are needed to fit margins, copulas and weights."
        )
    for column, name in enumerate(names):
        if np.ptp(members[weights > 0, column]) == 0:
            raise ValueError(
                f"Column '{name}' of F is constant ({members[0, column]:g}): a member that never"
                " varies says nothing; drop it or repair it."
            )
    if np.ptp(target[weights > 0]) == 0:
        raise ValueError(f"y is constant ({target[0]:g}): there is nothing to predict.")
    return members, target, weights, names
