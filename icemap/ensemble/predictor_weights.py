"""How much each predictor counts where places are compared by their predictors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def predictor_weights(X: Array, y: Array, seed: int, trees: int = 200) -> Array:
    """Importance of each predictor column, by how much a random forest gains from it: the weights
    of the dissimilarity index and of the Gaussian process.

    Parameters
    ----------
    X : ndarray of shape (n, columns)
    y : ndarray of shape (n,)
    seed : int
    trees : int
        Of the forest.

    Returns
    -------
    ndarray of shape (columns,)
        Adds up to 1; equal where the forest finds nothing to split.
    """
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        n_estimators=trees, min_samples_leaf=3, max_features=1 / 3, n_jobs=1, random_state=seed
    )
    found = np.asarray(forest.fit(X, y).feature_importances_)
    return found if found.sum() > 0 else np.full(len(found), 1 / len(found))
