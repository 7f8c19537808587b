"""What a table says of places: their predictors, in the order of a coding, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.ensemble.checks import require_rows
from icemap.ensemble.coding import PredictorCoding
from icemap.sphere import unit_vectors

Array = NDArray[np.float64]


def predictors_of(X: Any, coding: PredictorCoding) -> NDArray[Any]:
    """Predictors (n, predictors) of a DataFrame with their columns, or of an array, which stays as
    it is.

    Parameters
    ----------
    X : DataFrame or array_like
        Where the position is among the predictors, a DataFrame with ``lon`` and ``lat``, too, or an
        array that has it.
    coding : PredictorCoding

    Raises
    ------
    ValueError
        If a column is missing, twice there or no numbers, values are masked, or the position is
        among the predictors and nobody says where the rows are.
    """
    require_rows(X=X)
    values = columns_of(X, coding.given) if isinstance(X, pd.DataFrame) else X
    return coding.with_position(values, vectors_of(X))


def columns_of(table: pd.DataFrame, names: Sequence[str]) -> Array:
    """Columns (n, names) of a table as numbers.

    Raises
    ------
    ValueError
        Naming the column that is missing, twice there or no numbers.

    Examples
    --------
    >>> columns_of(pd.DataFrame({"a": ["1", "2"], "b": [True, False]}), ["b", "a"]).tolist()
    [[1.0, 1.0], [0.0, 2.0]]
    """
    for name in names:
        count = int((table.columns == name).sum())
        if count != 1:
            there = ", ".join(map(str, table.columns))
            raise ValueError(
                f"the column '{name}' is not in the table, which has {there}: add it."
                if count == 0
                else f"the column '{name}' is in the table {count} times: keep one of them."
            )
        try:
            table[name].to_numpy(dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"the column '{name}' holds something else than numbers ({str(error)[:60]}): give"
                " numbers, classes as their codes, or leave the column out."
            ) from error
    return table[list(names)].to_numpy(dtype=float)


def vectors_of(X: Any) -> Array | None:
    """Unit vectors (n, 3) of the rows of a DataFrame with ``lon`` and ``lat``; None of anything
    else.
    """
    if not isinstance(X, pd.DataFrame) or not {"lon", "lat"} <= set(X.columns):
        return None
    return unit_vectors(X["lon"].to_numpy(dtype=float), X["lat"].to_numpy(dtype=float))
