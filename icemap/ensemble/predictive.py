"""What every predictive distribution offers once its cdf, pdf, mean and quantiles exist."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from icemap.ensemble.checks import check_bounds, check_members

Array = NDArray[np.float64]


def check_probabilities(q: ArrayLike) -> Array:
    """Probability levels as a float64 array (k,); ValueError unless all are in [0, 1]."""
    levels = np.atleast_1d(np.asarray(q, dtype=np.float64))
    if levels.ndim != 1 or not np.all((levels >= 0) & (levels <= 1)):
        raise ValueError(f"Probabilities must lie between 0 and 1, not {np.asarray(q).tolist()}.")
    return levels


def check_coverage(coverage: float) -> float:
    """A coverage strictly between 0 and 1."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is {coverage}; it must lie between 0 and 1, for example 0.95.")
    return float(coverage)


def _finite(value: Any) -> Any:
    """JSON has no infinity: it is written as text."""
    if isinstance(value, tuple):
        return [_finite(part) for part in value]
    return str(value) if isinstance(value, float) and np.isinf(value) else value


class PredictiveMixture(RegressorMixin, BaseEstimator):
    """Base of the estimators that turn member predictions F (n, members) into a distribution of the
    target.

    They follow scikit-learn's contract, with the members as features. Subclasses set
    ``member_names_`` (their ``feature_names_in_``, where there are any) and ``ranges_`` (members,
    2), the span of the predictions they were fitted on.
    """

    member_names_: list[str]
    ranges_: Array

    @abstractmethod
    def cdf(self, F: ArrayLike, y: ArrayLike) -> Array: ...

    @abstractmethod
    def pdf(self, F: ArrayLike, y: ArrayLike) -> Array: ...

    @abstractmethod
    def _quantile(self, F: Array, levels: Array) -> Array:
        """Quantiles at the levels of each row, F (n, members) and levels (n, k) -> (n, k)."""

    def _checked(self, F: ArrayLike, y: ArrayLike | None = None) -> Array:
        check_is_fitted(self, "member_names_")
        return check_members(self, F, y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Of values on a bound there may be so few inside that no distribution can be fitted.
        bounds = getattr(self, "bounds", None)
        tags.target_tags.positive_only = bounds is not None and bounds[0] >= 0
        return tags

    def predict_quantile(self, F: ArrayLike, q: ArrayLike) -> Array:
        """Quantiles of the predictive distribution, by inversion of the mixture.

        Parameters
        ----------
        F : (n, members)
            Member predictions, in units of the target.
        q : float or (k,)
            Probabilities.

        Returns
        -------
        (n, k) array, in units of the target.
        """
        members, levels = self._checked(F), check_probabilities(q)
        return self._quantile(members, np.broadcast_to(levels, (len(members), len(levels))))

    def interval(self, F: ArrayLike, coverage: float = 0.95) -> Array:
        """Central predictive interval, (n, 2): lower and upper, in units of the target."""
        tail = (1.0 - check_coverage(coverage)) / 2.0
        return self.predict_quantile(F, [tail, 1.0 - tail])

    def sample(self, F: ArrayLike, size: int, seed: int | np.random.SeedSequence = 0) -> Array:
        """Draws from the predictive distribution of each row, (n, size); the same seed gives the
        same draws.

        Parameters
        ----------
        F : array_like of shape (n, members)
            Member predictions.
        size : int
            Draws per row.
        seed : int or SeedSequence
        """
        members = self._checked(F)
        return self._quantile(members, np.random.default_rng(seed).random((len(members), size)))

    def log_score(self, F: ArrayLike, y: ArrayLike) -> Array:
        """Minus the logarithm of the predictive density at y, (n,); smaller is better (Good
        1952).
        """
        with np.errstate(divide="ignore"):
            return -np.log(self.pdf(F, y))

    def pit(self, F: ArrayLike, y: ArrayLike, seed: int | np.random.SeedSequence = 0) -> Array:
        """Probability integral transform G(y | f), (n,): uniform for a calibrated forecast; the
        seed matters only at atoms.

        Parameters
        ----------
        F : array_like of shape (n, members)
            Member predictions.
        y : array_like of shape (n,)
            Target.
        seed : int or SeedSequence
            Of the draws at atoms.
        """
        return self.cdf(F, y)

    def extrapolated(self, F: ArrayLike) -> NDArray[np.bool_]:
        """Whether any member left the range of the out-of-fold predictions it was fitted on,
        (n,).
        """
        members = self._checked(F)
        return np.any((members < self.ranges_[:, 0]) | (members > self.ranges_[:, 1]), axis=1)

    def _remember(self, members: Array, names: list[str]) -> None:
        self.member_names_ = names
        self.n_features_in_ = members.shape[1]
        if names[0] != "member 0":
            self.feature_names_in_ = np.array(names, dtype=object)
        self.ranges_ = np.column_stack([members.min(axis=0), members.max(axis=0)])

    def _described(self, fitted: Mapping[str, Any]) -> dict[str, object]:
        parameters = {name: _finite(value) for name, value in self.get_params().items()}
        ranges = [[_finite(low), _finite(high)] for low, high in self.ranges_.tolist()]
        return {
            "class": type(self).__name__,
            "parameters": parameters,
            "members": self.member_names_,
            "ranges": ranges,
            **fitted,
        }

    @classmethod
    def _from_parameters(cls, described: Mapping[str, Any]) -> Self:
        parameters = {
            name: float(value) if value in ("inf", "-inf") else value
            for name, value in described["parameters"].items()
        }
        parameters = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in parameters.items()
        }
        return cls(**{**parameters, "bounds": check_bounds(parameters["bounds"])})

    def _recall(self, described: Mapping[str, Any]) -> None:
        self._remember(
            np.array([[float(low), float(high)] for low, high in described["ranges"]]).T,
            list(described["members"]),
        )
