"""What every combination of members asks of its input; the errors name the column and say what to
do.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bounds = tuple[float, float]

#: Below this many rows margins and copulas mean little.
MIN_ROWS = 30
#: A training side must leave `MIN_ROWS` when a fifth of it is held out once more to tune.
MIN_TRAINING = 40
#: Fewer samples than this carry no folds with such training sides.
MIN_SAMPLES = 50
# A value this many times farther from the median than the others are wide is warned of.
_STRAY = 100.0


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


def require_rows(**given: Any) -> None:
    """Refuse what NumPy passes over: masked values, dates, and tables whose rows have the same
    names in another order.

    Parameters
    ----------
    **given : array_like or None
        Arrays, tables and columns with the same rows, by name.

    Raises
    ------
    ValueError
        Naming what is wrong, and what to do.
    """
    for name, value in given.items():
        if isinstance(value, np.ma.MaskedArray) and (masked := np.ma.getmaskarray(value)).any():
            raise ValueError(
                f"{int(masked.sum())} values of {name} are masked (first in row"
                f" {int(np.argwhere(masked)[0][0])}): drop those rows, or fill the values."
            )
        if any(getattr(dtype, "kind", None) in ("m", "M") for dtype in _dtypes(value)):
            raise ValueError(
                f"{name} has dates or durations: give them as numbers, such as years, or leave them"
                " out."
            )
    tables = [(name, value.index) for name, value in given.items() if hasattr(value, "iloc")]
    for name, index in tables[1:]:
        first, rows = tables[0]
        if len(index) == len(rows) and not index.equals(rows) and Counter(index) == Counter(rows):
            raise ValueError(
                f"{first} and {name} have the same index in another order: bring {name} into the"
                f" order of {first} with .loc[{first}.index], or give arrays if rows are meant by"
                " their place."
            )


def _dtypes(value: Any) -> Iterable[Any]:
    return value.dtypes if hasattr(value, "columns") else [getattr(value, "dtype", None)]


def check_members(estimator: Any, F: Any, y: Any = None) -> Array:
    """Member predictions as a float64 array (n, members), for a fitted estimator, which says in
    scikit-learn's words what shape, type or columns do not fit.

    Raises
    ------
    ValueError
        Also for NaN or infinity: the message names the column and the first row.
    """
    from sklearn.utils.validation import validate_data

    require_rows(F=F, y=y)
    values = validate_data(estimator, F, reset=False, dtype=np.float64, ensure_all_finite=False)
    return _require_finite(values, estimator.member_names_)


def _require_finite(values: Array, names: Sequence[str]) -> Array:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"Column '{names[column]}' of F has {int(bad[:, column].sum())} missing or infinite"
            f" values (NaN or inf, first in row {row}): drop those rows or repair the member."
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
    pair = tuple(bounds)
    try:
        low, high = (float(b) for b in pair)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"bounds are {pair}; give two finite numbers, the lower first, or None.")
    return low, high


def check_weights(sample_weight: Any, n: int) -> Array:
    """Row weights (n,), finite and >= 0, not all of them 0; ones when None.

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
            f"sample_weight has shape {weights.shape}, but there are {n} rows; give one weight per"
            " row."
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
    return weights


def distinct_rows(table: Array, weights: Array) -> tuple[NDArray[np.intp], Array]:
    """First position of each distinct row of a table (n, columns) in rising order, and the sum of
    the weights of its repeats; rows without weight are left out.

    A fit to them does not depend on the order of the rows, and one weight of two is two rows.

    Examples
    --------
    >>> table, weights = np.array([[2.0], [1.0], [2.0], [0.0]]), np.array([1.0, 1.0, 3.0, 0.0])
    >>> rows, weights = distinct_rows(table, weights)
    >>> rows.tolist(), weights.tolist()
    ([1, 0], [1.0, 4.0])
    """
    used = np.flatnonzero(weights > 0)
    _, first, inverse = np.unique(table[used], axis=0, return_index=True, return_inverse=True)
    summed = np.zeros(len(first))
    np.add.at(summed, inverse.ravel(), weights[used])
    return used[first], summed


def warn_of_stray(y: Array) -> None:
    """Warn of the value that is farther from the median than any spread of the others explains."""
    low, middle, high = np.quantile(y, [0.05, 0.5, 0.95])
    away = np.abs(y - middle)
    row = int(np.argmax(away))
    if away[row] > _STRAY * (high - low) > 0:
        warnings.warn(
            f"y is {y[row]:g} in row {row}, and nine tenths of the values are between {low:g} and"
            f" {high:g}: correct or drop that row; if it is right, give bounds or the logarithm of"
            " the target.",
            UserWarning,
            stacklevel=4,
        )


def check_fit(
    estimator: Any, F: Any, y: Any, sample_weight: Any, bounds: Bounds | None, idle: Sequence[int]
) -> tuple[Array, Array, Array, list[str]]:
    """Checked members (n, members), target (n,), row weights (n,) and member names for a fit.

    The rows are the distinct ones, in rising order; their weights add up to Kish's effective number
    of rows.

    Parameters
    ----------
    estimator : estimator
        Learns the number and the names of the columns.
    F : array_like of shape (n, members)
        Out-of-fold predictions; a DataFrame names the members.
    y : array_like of shape (n,)
        Target.
    sample_weight : array_like of shape (n,) or None
        Equal where None.
    bounds : (float, float) or None
        Lowest and highest value of the target.
    idle : sequence of int
        Members without weight, which may be constant.

    Raises
    ------
    ValueError
        In scikit-learn's words for shapes and types; for NaN, a target outside the bounds or
        constant, or a constant member.

    Warns
    -----
    UserWarning
        For fewer than 30 rows, and of a value of an unbounded target that is far beyond all others.
    """
    from sklearn.utils.validation import validate_data

    require_rows(F=F, y=y, sample_weight=sample_weight)
    members, target = validate_data(
        estimator,
        F,
        y,
        dtype=np.float64,
        y_numeric=True,
        ensure_all_finite=False,
        ensure_min_samples=2,
    )
    names = member_names(F, members.shape[1])
    _require_finite(members, names)
    target = check_target(target, len(members), bounds)
    weights = check_weights(sample_weight, len(members))
    for column, name in enumerate(names):
        if column not in idle and np.ptp(members[weights > 0, column]) == 0:
            raise ValueError(
                f"Column '{name}' of F is constant ({members[0, column]:g}): a member that never"
                " varies says nothing; drop it or repair it."
            )
    if np.ptp(target[weights > 0]) == 0:
        raise ValueError(f"y is constant ({target[0]:g}): there is nothing to predict.")
    if bounds is None:
        warn_of_stray(target)
    rows, weights = distinct_rows(np.column_stack([members, target]), weights)
    if len(rows) < MIN_ROWS:
        warnings.warn(
            f"There are {len(rows)} different rows with a positive weight; margins, copulas and"
            f" weights fitted to fewer than {MIN_ROWS} are guesses.",
            UserWarning,
            stacklevel=3,
        )
    return members[rows], target[rows], weights * (weights.sum() / (weights @ weights)), names
