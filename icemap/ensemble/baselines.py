"""What COP-BMA is measured against: Gaussian BMA, the plain mean of the members, and the best
single member, each with Gaussian errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from icemap.ensemble.checks import check_bounds, check_fit, check_target
from icemap.ensemble.predictive import PredictiveMixture
from icemap.ensemble.weights import responsibilities

Array = NDArray[np.float64]

_SQRT_2PI = float(np.sqrt(2 * np.pi))

# : The stopping rule of the R package ensembleBMA: relative change of the log-likelihood below the
# square root of the double precision.
ENSEMBLE_BMA_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


def _normal_pdf(z: Array) -> Array:
    return np.exp(-0.5 * z * z) / _SQRT_2PI


def normal_mixture_crps(y: Array, means: Array, sigmas: Array, weights: Array) -> Array:
    """Closed-form CRPS of a mixture of normals (Grimit et al. 2006, doi:10.1256/qj.05.235).

    Parameters
    ----------
    y : (n,)
    means : (n, k)
    sigmas, weights : (k,)

    Returns
    -------
    (n,) array, in units of y.

    Examples
    --------
    >>> float(normal_mixture_crps(np.array([0.0]), np.array([[0.0]]), np.array([1.0]),
    ...     np.array([1.0]))[0].round(6))
    0.233695
    """

    def expected_distance(mean: Array, sigma: Array) -> Array:
        z = mean / sigma
        return mean * (2 * special.ndtr(z) - 1) + 2 * sigma * _normal_pdf(z)

    first = expected_distance(y[:, None] - means, sigmas) @ weights
    pairs = np.sqrt(sigmas[:, None] ** 2 + sigmas**2)
    second = np.zeros(len(y))
    for k, w in enumerate(weights):
        second += w * (expected_distance(means[:, [k]] - means, pairs[k]) @ weights)
    return first - 0.5 * second


class _NormalMixture(PredictiveMixture):
    """Shared methods of mixtures of normals; subclasses give the components."""

    def __init__(self, bounds: tuple[float, float] | None = None) -> None:
        self.bounds = bounds

    def _components(self, F: Array) -> tuple[Array, Array, Array]:
        """Means (n, k), standard deviations (k,) and weights (k,)."""
        raise NotImplementedError

    def _parts(self, F: ArrayLike, y: ArrayLike | None = None) -> tuple[Array, Array, Array]:
        return self._components(self._checked(F, y))

    def _target(self, y: ArrayLike, n: int) -> Array:
        return check_target(np.broadcast_to(np.asarray(y), (n,)) if np.ndim(y) == 0 else y, n, None)

    def predict(self, F: ArrayLike) -> Array:
        """Mean of the predictive distribution, (n,), in units of the target."""
        means, _, weights = self._parts(F)
        return means @ weights

    def cdf(self, F: ArrayLike, y: ArrayLike) -> Array:
        """P(Y <= y | f), (n,); y is one value or one per row."""
        means, sigmas, weights = self._parts(F, y)
        return special.ndtr((self._target(y, len(means))[:, None] - means) / sigmas) @ weights

    def pdf(self, F: ArrayLike, y: ArrayLike) -> Array:
        """Predictive density at y, (n,), per unit of the target."""
        means, sigmas, weights = self._parts(F, y)
        return _normal_pdf((self._target(y, len(means))[:, None] - means) / sigmas) @ (
            weights / sigmas
        )

    def crps(self, F: ArrayLike, y: ArrayLike) -> Array:
        """Continuous ranked probability score in closed form, (n,), in units of the target."""
        means, sigmas, weights = self._parts(F, y)
        return normal_mixture_crps(self._target(y, len(means)), means, sigmas, weights)

    def variance(self, F: ArrayLike) -> tuple[Array, Array]:
        """Predictive variance within and between members, each (n,), in squared units of the
        target.
        """
        means, sigmas, weights = self._parts(F)
        between = (means - (means @ weights)[:, None]) ** 2 @ weights
        return np.full(len(means), float(weights @ sigmas**2)), between

    def _quantile(self, F: Array, levels: Array) -> Array:
        means, sigmas, weights = self._components(F)
        used = weights > 0
        means, sigmas, weights = means[:, used], sigmas[used], weights[used] / weights[used].sum()
        quantiles = means[:, None, :] + sigmas * special.ndtri(levels)[:, :, None]
        low, high = (
            quantiles.min(axis=2),
            quantiles.max(axis=2),
        )  # the mixture's quantile is between those of its parts
        if means.shape[1] == 1:
            return low
        y = 0.5 * (low + high)
        for _ in range(80):
            z = (y[:, :, None] - means[:, None, :]) / sigmas
            error, slope = special.ndtr(z) @ weights - levels, _normal_pdf(z) @ (weights / sigmas)
            low, high = np.where(error < 0, y, low), np.where(error < 0, high, y)
            moved = y - np.divide(error, slope, out=np.full_like(error, np.inf), where=slope > 0)
            moved = np.where((moved > low) & (moved < high), moved, 0.5 * (low + high))
            done = (np.abs(error) <= 1e-14) | ~(high - low > 1e-13 * (1 + np.abs(y)))
            y = np.where(done, y, moved)
            if done.all():
                break
        return y


class GaussianBMA(_NormalMixture):
    """Bayesian model averaging with normal kernels (Raftery et al. 2005, doi:10.1175/MWR2906.1), by
    the rules of the R package ensembleBMA.

    Parameters
    ----------
    bias : {"regression", "additive", "none"}
        Correction of each member before the mixture: a + b f by least squares, f + a, or none.
    equal_variance : bool
        One standard deviation for all members, or one for each.
    prior_strength : float
        Rows' worth of belief in equal weights; 0 is plain EM, ``inf`` gives equal weights.
    bias_strength : float
        Rows' worth of belief that the members need no correction: shrinks slope to 1 and offset to
        0.
    bounds : (low, high) or None
        Only checks the target at fit; a normal density has no bounds.

    Attributes
    ----------
    n_features_in_, feature_names_in_
        Number of members, and their names where F is a DataFrame.
    weights_ : (members,) array
    sigma_ : (members,) array
    coef_ : (2, members) array
        Intercept and slope of each member's correction.
    log_likelihood_ : float
    n_iter_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=300)
    >>> F = 5 + y[:, None] + rng.normal(0, [0.3, 0.6], (300, 2))
    >>> bma = GaussianBMA().fit(F, y)
    >>> bool(bma.weights_[0] > 0.9), bool(abs(bma.predict(F).mean() - y.mean()) < 0.05)
    (True, True)
    """

    def __init__(
        self,
        bias: str = "regression",
        equal_variance: bool = True,
        prior_strength: float = 0.0,
        bias_strength: float = 0.0,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        self.bias = bias
        self.equal_variance = equal_variance
        self.prior_strength = prior_strength
        self.bias_strength = bias_strength
        self.bounds = bounds

    def fit(self, F: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit bias corrections by least squares, then weights and standard deviations by EM.

        EM starts from equal weights and the standard deviation of y, and stops when the
        log-likelihood changes by less than 1.5e-8 of 1 + its size. Parameters and errors are those
        of :meth:`CopulaBMA.fit`.

        Parameters
        ----------
        F : array_like of shape (n, members)
            Out-of-fold predictions, in units of the target.
        y : array_like of shape (n,)
            Target.
        sample_weight : array_like of shape (n,), optional
            Equal when left out.
        """
        if self.bias not in ("regression", "additive", "none"):
            raise ValueError(f"bias is {self.bias!r}; choose 'regression', 'additive' or 'none'.")
        if not self.prior_strength >= 0 or not self.bias_strength >= 0:
            raise ValueError(
                f"prior_strength and bias_strength are {self.prior_strength} and"
                f" {self.bias_strength}; they must be numbers >= 0."
            )
        members, target, rows, names = check_fit(
            self, F, y, sample_weight, check_bounds(self.bounds), ()
        )
        self.coef_ = self._bias_coefficients(members, target, rows)
        squared = (target[:, None] - self.coef_[0] - self.coef_[1] * members) ** 2
        self.weights_, self.sigma_, self.log_likelihood_, self.n_iter_ = self._em(
            squared, float(np.std(target, ddof=1)), rows
        )
        self._remember(members, names)
        return self

    def _bias_coefficients(self, F: Array, y: Array, rows: Array) -> Array:
        n, K = rows.sum(), F.shape[1]
        if self.bias == "none" or np.isinf(self.bias_strength):
            return np.stack([np.zeros(K), np.ones(K)])
        share = rows / n
        f_mean, y_mean, extra = share @ F, float(share @ y), self.bias_strength / n
        slope = np.ones(K)
        if self.bias == "regression":
            centred = F - f_mean
            variance = share @ centred**2
            slope = (share @ (centred * (y - y_mean)[:, None]) + extra * variance) / (
                (1 + extra) * variance
            )
        offset = (y_mean - f_mean) / (
            1 + extra
        )  # of the mean error; the slope turns about the mean
        return np.stack([f_mean + offset - slope * f_mean, slope])

    def _em(self, squared: Array, start: float, rows: Array) -> tuple[Array, Array, float, int]:
        K = squared.shape[1]
        total, weights, sigma = rows.sum(), np.full(K, 1.0 / K), np.full(K, start)
        floor = 1e-9 * (start + 1e-300)
        previous = 0.0
        iteration = 0
        for iteration in range(1, 100_001):
            logs = -0.5 * squared / sigma**2 - np.log(sigma * _SQRT_2PI)
            shares, per_row = responsibilities(logs, weights)
            shares = shares * rows[:, None]
            log_likelihood = float(rows @ per_row)
            size = shares.sum(axis=0)
            if np.isfinite(self.prior_strength):
                weights = (size + self.prior_strength / K) / (total + self.prior_strength)
            if self.equal_variance:
                sigma = np.full(K, np.sqrt(float((shares * squared).sum()) / total))
            else:
                with np.errstate(invalid="ignore"):
                    sigma = np.where(
                        size > 1e-8 * total,
                        np.sqrt((shares * squared).sum(axis=0) / np.maximum(size, 1e-300)),
                        sigma,
                    )
            sigma = np.maximum(sigma, floor)
            if (
                iteration > 1
                and abs(log_likelihood - previous) / (1 + abs(log_likelihood))
                < ENSEMBLE_BMA_TOLERANCE
            ):
                break
            previous = log_likelihood
        return weights, sigma, log_likelihood, iteration

    def _components(self, F: Array) -> tuple[Array, Array, Array]:
        return self.coef_[0] + self.coef_[1] * F, self.sigma_, self.weights_

    def to_dict(self) -> dict[str, object]:
        """The fitted estimator as floats, lists and strings; :meth:`from_dict` restores it
        exactly.
        """
        fitted = {
            "coef": self.coef_.tolist(),
            "sigma": self.sigma_.tolist(),
            "weights": self.weights_.tolist(),
        }
        return self._described(
            {**fitted, "log_likelihood": self.log_likelihood_, "n_iter": self.n_iter_}
        )

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Self:
        """The estimator that :meth:`to_dict` described."""
        self = cls._from_parameters(described)
        self.coef_, self.sigma_, self.weights_ = (
            np.array(described[key], dtype=np.float64) for key in ("coef", "sigma", "weights")
        )
        self.log_likelihood_, self.n_iter_ = described["log_likelihood"], described["n_iter"]
        self._recall(described)
        return self


class _SinglePrediction(_NormalMixture):
    """One weighted combination of the members, decided by the fit, with a normal error of the
    out-of-fold size.
    """

    def _combine(self, F: Array, y: Array, rows: Array) -> Array:
        """Weights of the members, (members,)."""
        raise NotImplementedError

    def fit(self, F: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Measure the out-of-fold error; parameters and errors are those of
        :meth:`CopulaBMA.fit`.
        """
        members, target, rows, names = check_fit(
            self, F, y, sample_weight, check_bounds(self.bounds), ()
        )
        self.weights_ = self._combine(members, target, rows)
        error = target - members @ self.weights_
        self.offset_ = float(rows @ error / rows.sum())
        self.sigma_ = float(np.sqrt(rows @ (error - self.offset_) ** 2 / rows.sum()))
        self._remember(members, names)
        return self

    def _components(self, F: Array) -> tuple[Array, Array, Array]:
        return (F @ self.weights_ + self.offset_)[:, None], np.array([self.sigma_]), np.ones(1)

    def to_dict(self) -> dict[str, object]:
        """The fitted estimator as floats, lists and strings; :meth:`from_dict` restores it
        exactly.
        """
        return self._described(
            {"weights": self.weights_.tolist(), "offset": self.offset_, "sigma": self.sigma_}
        )

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Self:
        """The estimator that :meth:`to_dict` described."""
        self = cls._from_parameters(described)
        self.weights_ = np.array(described["weights"], dtype=np.float64)
        self.offset_, self.sigma_ = float(described["offset"]), float(described["sigma"])
        self._recall(described)
        return self


class EqualWeights(_SinglePrediction):
    """The plain mean of the members, with a normal error of the size seen out of fold.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=100)
    >>> EqualWeights().fit(y[:, None] + rng.normal(size=(100, 4)), y).weights_.tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Columns that are not all predictions of the target make a poor mean.
        tags.regressor_tags.poor_score = True
        return tags

    def _combine(self, F: Array, y: Array, rows: Array) -> Array:
        return np.full(F.shape[1], 1.0 / F.shape[1])


class BestMember(_SinglePrediction):
    """The member with the smallest out-of-fold root mean square error, with a normal error of that
    size.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=100)
    >>> BestMember().fit(y[:, None] + rng.normal(0, [2.0, 0.5, 1.0], (100, 3)), y).weights_.tolist()
    [0.0, 1.0, 0.0]
    """

    def _combine(self, F: Array, y: Array, rows: Array) -> Array:
        return np.eye(F.shape[1])[int(np.argmin(rows @ (F - y[:, None]) ** 2))]
