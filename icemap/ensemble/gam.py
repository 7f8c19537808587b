"""The additive model as a scikit-learn regressor of plain arrays."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from scipy.linalg import block_diag
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import ThreadpoolController

from icemap.ensemble.penalized import Monotone, best_fit

Array = NDArray[np.float64]

ORDER = 3
# A spline over a column with fewer values has no basis.
MIN_VALUES = 4


class SplineGAM(RegressorMixin, BaseEstimator):
    """Additive model of penalized splines as a scikit-learn regressor.

    Parameters
    ----------
    linear_columns : tuple of int
        Columns with a straight-line term (one-hot classes); the others get a spline.
    splines : int
        Basis functions per spline.
    penalties : tuple of float
        Smoothing strengths tried; generalized cross-validation chooses.
    knots : tuple of (float, float), optional
        Span of the spline of each column, so that several fits share one basis; the range of the
        training sample when not given.
    monotone : tuple of int
        For each column 1 (never falling), -1 (never rising) or 0; empty for none.

    Attributes
    ----------
    lowest_, highest_ : ndarray of shape (columns,)
        Span of each column.
    curved_ : ndarray of bool, shape (columns,)
        Which columns have a spline.
    splines_ : ndarray of shape (columns, splines)
        Coefficients of the cubic B-splines; zero in columns with a straight line.
    lines_ : ndarray of shape (columns,)
        Slopes; zero in columns with a spline.
    intercept_ : float
    penalty_ : float
        The strength that was chosen.

    Notes
    -----
    Inputs are held within that span: outside it a spline says nothing. Wood 2017,
    doi:10.1201/9781315370279.
    """

    def __init__(
        self,
        linear_columns: tuple[int, ...] = (),
        splines: int = 8,
        penalties: tuple[float, ...] = (1.0, 30.0, 1000.0),
        knots: tuple[tuple[float, float], ...] | None = None,
        monotone: tuple[int, ...] = (),
    ) -> None:
        self.linear_columns = linear_columns
        self.splines = splines
        self.penalties = penalties
        self.knots = knots
        self.monotone = monotone

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> SplineGAM:
        """Fit to X of shape (n, predictors) and y of shape (n,).

        Parameters
        ----------
        X : array_like of shape (n, predictors)
            Standardized predictors; classes as one column per level.
        y : array_like of shape (n,)
            Target.
        sample_weight : array_like of shape (n,), optional
            Equal when left out.
        """
        inputs, target = validate_data(self, X, y, dtype=np.float64)
        weights = _check_sample_weight(
            sample_weight,
            inputs,
            dtype=np.float64,
            ensure_non_negative=True,
        )
        if self.knots is None:
            self.lowest_, self.highest_ = inputs.min(axis=0), inputs.max(axis=0)
        else:
            self.lowest_, self.highest_ = np.array(self.knots, dtype=float).T
        inputs = np.clip(inputs, self.lowest_, self.highest_)
        enough = [len(np.unique(values)) >= MIN_VALUES for values in inputs.T]
        self.curved_ = np.array(enough)
        self.curved_[list(self.linear_columns)] = False
        curved, lines = int(self.curved_.sum()), int((~self.curved_).sum())
        basis, penalty = self._basis(inputs), _penalty(curved, lines, self.splines)
        # Several BLAS threads take 4 to 20 times as long on such small matrices when cores are
        # busy, and their number would decide the last bits.
        with _libraries().limit(limits=1, user_api="blas"):
            fit = best_fit(basis, target, weights, penalty, self.penalties, self._directions())
        bent, straight = np.split(fit.coefficients[:-1], [curved * self.splines])
        self.splines_ = np.zeros((len(self.curved_), self.splines))
        self.splines_[self.curved_] = bent.reshape(curved, self.splines)
        self.lines_ = np.zeros(len(self.curved_))
        self.lines_[~self.curved_] = straight
        self.intercept_ = float(fit.coefficients[-1])
        self.penalty_ = fit.strength
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Predictions of shape (n,)."""
        check_is_fitted(self)
        inputs = validate_data(self, X, dtype=np.float64, reset=False)
        inputs = np.clip(inputs, self.lowest_, self.highest_)
        # Column by column, so that a row's prediction does not depend on the others.
        predicted = np.full(len(inputs), self.intercept_)
        for column in np.flatnonzero(~self.curved_):
            predicted += self.lines_[column] * inputs[:, column]
        knots, places = _knots(self.splines), self._places(inputs)
        for i, column in enumerate(np.flatnonzero(self.curved_)):
            predicted += BSpline(knots, self.splines_[column], ORDER)(places[:, i])
        return predicted

    def _places(self, inputs: Array) -> Array:
        """Inputs of the columns with a spline as shares of their span, (n, curved)."""
        low, high = self.lowest_[self.curved_], self.highest_[self.curved_]
        return np.asarray((inputs[:, self.curved_] - low) / (high - low))

    def _basis(self, inputs: Array) -> Array:
        """All splines, then all lines, then the intercept."""
        # As pygam's terms build it, but for all columns in one call. All places are within the
        # span: without extrapolation SciPy would look at each once more, in Python.
        splines = BSpline.design_matrix(
            self._places(inputs).ravel(),
            _knots(self.splines),
            ORDER,
            extrapolate=True,
        ).toarray()
        ones = np.ones((len(inputs), 1))
        return np.hstack([splines.reshape(len(inputs), -1), inputs[:, ~self.curved_], ones])

    def _directions(self) -> list[Monotone]:
        directions = np.array(self.monotone or [0] * len(self.curved_))[self.curved_]
        k = self.splines
        return [Monotone(i * k, (i + 1) * k, int(d)) for i, d in enumerate(directions) if d]


def _knots(splines: int) -> Array:
    """Uniform knots of a spline between 0 and 1."""
    cells = splines - ORDER
    return np.arange(-ORDER, cells + ORDER + 1) / cells


@cache
def _libraries() -> ThreadpoolController:
    """Looked for once: that takes a fifth as long as a fit."""
    return ThreadpoolController()


@lru_cache(maxsize=8)
def _penalty(curved: int, lines: int, splines: int) -> Array:
    """Second differences of a spline's coefficients and a ridge under slopes."""
    bend = np.diff(np.eye(splines), n=2, axis=0)
    # The intercept is free.
    penalty = block_diag(*[bend.T @ bend] * curved, np.eye(lines), np.zeros((1, 1)))
    penalty.flags.writeable = False
    return penalty
