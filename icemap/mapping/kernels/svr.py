"""All support vector regressions in two matrix products: their kernels share one width, their support vectors are rows of one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icemap.mapping.kernels.packable import CannotPackError

#: Pixels per matrix product; always as many, so that a pixel's digits do not depend on how many there are.
ROWS = 256


class SVRs(NamedTuple):
    """Support vectors and coefficients of all replicates.

    Attributes
    ----------
    sites : (columns + 2, sites) float32 or float64
        Standardized predictors times twice gamma, then what completes the square.
    gamma : (1,) float64
    coefficients : (sites, replicates), intercepts : (replicates,)
        In units of the target.
    """

    sites: NDArray[np.floating]
    gamma: NDArray[np.float64]
    coefficients: NDArray[np.floating]
    intercepts: NDArray[np.floating]


def pack_svrs(members: Sequence[Any]) -> SVRs:
    """One SVR per replicate, each a TransformedTargetRegressor with a StandardScaler around a scikit-learn SVR."""
    gammas = {float(_fitted(member)._gamma) for member in members}
    if len(gammas) > 1 or any(_fitted(member).kernel != "rbf" for member in members):
        raise CannotPackError("its replicates have different kernels")
    gamma = gammas.pop()
    number: dict[bytes, int] = {}
    rows: list[NDArray[np.float64]] = []
    places = []
    for member in members:
        vectors = np.ascontiguousarray(_fitted(member).support_vectors_, dtype=np.float64)
        for vector in vectors:
            if number.setdefault(vector.tobytes(), len(rows)) == len(rows):
                rows.append(vector)
        places.append([number[vector.tobytes()] for vector in vectors])
    if len(rows) > 2 * max(len(place) for place in places) + 1000:
        raise CannotPackError("its replicates were trained on different tables")
    coefficients, intercepts = np.zeros((len(rows), len(members))), np.zeros(len(members))
    for s, (member, place) in enumerate(zip(members, places)):
        svr, scaler = _fitted(member), member.transformer_
        np.add.at(coefficients[:, s], place, svr.dual_coef_[0] * scaler.scale_[0])
        intercepts[s] = svr.intercept_[0] * scaler.scale_[0] + scaler.mean_[0]
    S = np.array(rows)
    sites = np.vstack([2 * gamma * S.T, -gamma * np.ones(len(S)), -gamma * (S**2).sum(axis=1)])
    return SVRs(sites, np.array([gamma]), coefficients, intercepts)


def in_precision(svrs: SVRs, dtype: type) -> SVRs:
    """The same in another precision."""
    return SVRs(svrs.sites.astype(dtype), svrs.gamma, svrs.coefficients.astype(dtype), svrs.intercepts.astype(dtype))


def predict_svrs(design: NDArray[np.float32], svrs: SVRs, out: NDArray[np.float32]) -> None:
    """Predictions of all replicates.

    Parameters
    ----------
    design : (n, columns)
        n is a multiple of `ROWS`.
    out : (replicates, n), written
    """
    dtype = svrs.sites.dtype
    places = np.empty((ROWS, len(svrs.sites)), dtype)
    kernel = np.empty((ROWS, svrs.sites.shape[1]), dtype)
    values = np.empty((ROWS, len(svrs.intercepts)), dtype)
    for start in range(0, len(design), ROWS):
        block = design[start : start + ROWS]
        places[:, :-2] = block
        places[:, -2] = np.einsum("ij,ij->i", places[:, :-2], places[:, :-2])
        places[:, -1] = 1
        np.dot(places, svrs.sites, out=kernel)
        np.exp(kernel, out=kernel)
        np.dot(kernel, svrs.coefficients, out=values)
        values += svrs.intercepts
        out[:, start : start + ROWS] = values.T


def _fitted(member: Any) -> Any:
    return member.regressor_
