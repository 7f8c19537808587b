"""What a table says of places: their predictors, in the order of a coding, and where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
        If the position is among the predictors, and nobody says where the rows are.
    """
    table = isinstance(X, pd.DataFrame)
    values = X[list(coding.given)].to_numpy(dtype=float) if table else X
    return coding.with_position(values, vectors_of(X))


def vectors_of(X: Any) -> Array | None:
    """Unit vectors (n, 3) of the rows of a DataFrame with ``lon`` and ``lat``; None of anything
    else.
    """
    if not isinstance(X, pd.DataFrame) or not {"lon", "lat"} <= set(X.columns):
        return None
    return unit_vectors(X["lon"].to_numpy(dtype=float), X["lat"].to_numpy(dtype=float))
