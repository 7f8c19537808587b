"""Scores of point and interval predictions and of predictive distributions, as partial sums that
add up in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from icemap.verification.measured import measured_forecast

Array = NDArray[np.float64]


COVERAGES = (0.5, 0.8, 0.9, 0.95)


def crps_normal(y: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Array:
    """Closed-form CRPS of normal forecasts, broadcast, in units of y (Gneiting et al. 2005,
    doi:10.1175/MWR2904.1).

    Parameters
    ----------
    y, mean, sd : array_like
        Observation, mean and standard deviation; of shapes that broadcast, in one unit.

    Examples
    --------
    >>> float(crps_normal(0.0, 0.0, 1.0).round(6))
    0.233695
    """
    sd = np.asarray(sd, dtype=np.float64)
    z = (np.asarray(y, dtype=np.float64) - np.asarray(mean, dtype=np.float64)) / sd
    return sd * (
        z * (2 * special.ndtr(z) - 1)
        + 2 * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
        - 1 / np.sqrt(np.pi)
    )


def crps_sample(y: ArrayLike, sample: ArrayLike) -> Array:
    """CRPS of the empirical distribution of a sample: y (n,), sample (n, size), or (size,) for all
    rows alike (climatology) -> (n,).

    Examples
    --------
    >>> crps_sample([0.0], [[0.0, 1.0]]).tolist()
    [0.25]
    """
    target = np.asarray(y, dtype=np.float64)
    ordered = np.sort(np.asarray(sample, dtype=np.float64), axis=-1)
    size = ordered.shape[-1]
    spread = ordered @ (2.0 * np.arange(1, size + 1) - size - 1) / size**2
    if ordered.ndim == 2:
        return np.abs(ordered - target[:, None]).mean(axis=1) - spread
    below = np.searchsorted(ordered, target)
    cumulative = np.concatenate([[0.0], np.cumsum(ordered)])
    distance = (
        target * below
        - cumulative[below]
        + (cumulative[-1] - cumulative[below])
        - target * (size - below)
    )
    return distance / size - spread


@dataclass(frozen=True)
class IntervalSums:
    """Partial sums of one predictive interval."""

    hits: float = 0.0
    width: float = 0.0
    width_squared: float = 0.0
    winkler: float = 0.0

    @classmethod
    def of(
        cls, target: Array, low: Array, high: Array, coverage: float, weights: Array
    ) -> IntervalSums:
        """Sums over rows, each array (n,)."""
        missed = np.maximum(low - target, 0.0) + np.maximum(target - high, 0.0)
        width = high - low
        return cls(
            float(weights @ (missed == 0)),
            float(weights @ width),
            float(weights @ width**2),
            float(weights @ (width + 2.0 / (1.0 - coverage) * missed)),
        )

    def __add__(self, other: IntervalSums) -> IntervalSums:
        return IntervalSums(
            self.hits + other.hits,
            self.width + other.width,
            self.width_squared + other.width_squared,
            self.winkler + other.winkler,
        )


def _summed(values: ArrayLike | None, name: str, weights: Array) -> tuple[float, float]:
    """Weighted sum and sum of weights; (0, 0) where nothing is given."""
    if values is None:
        return 0.0, 0.0
    return float(weights @ _column(values, name, len(weights))), float(weights.sum())


def _column(values: ArrayLike, name: str, n: int) -> Array:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,):
        raise ValueError(
            f"{name} has shape {column.shape}, but there are {n} rows; give one value per row."
        )
    if np.isnan(column).any():
        raise ValueError(
            f"{name} has {int(np.isnan(column).sum())} missing values (first in row"
            f" {int(np.argmax(np.isnan(column)))}): score valid rows only."
        )
    return column


@dataclass(frozen=True)
class Scores:
    """Partial sums of scores: made per fold, replicate, region or chunk with :meth:`of`, added with
    ``+``, read with :meth:`table`.

    R2 is 1 - SSE/SST; bias is mean prediction minus target; the log score is minus the mean log
    predictive density; the Winkler score is the width plus 2/alpha times the distance by which the
    target is missed (Gneiting & Raftery 2007, doi:10.1198/016214506000001437); the variance of the
    probability integral transform times 12 is 1 for a calibrated forecast, more for a too narrow
    one.

    Examples
    --------
    >>> y, mean = np.array([10.0, 20.0, 40.0]), np.array([12.0, 19.0, 37.0])
    >>> halves = Scores.of(y[:2], mean[:2]) + Scores.of(y[2:], mean[2:])
    >>> halves.table() == Scores.of(y, mean).table()
    True
    >>> round(halves.table()["rmse"], 3), round(halves.table()["bias"], 3)
    (2.16, -0.667)
    """

    rows: int = 0
    weight: float = 0.0
    weight_squared: float = 0.0
    y: float = 0.0
    y_squared: float = 0.0
    error: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    crps: tuple[float, float] = (0.0, 0.0)
    log_score: tuple[float, float] = (0.0, 0.0)
    pit: tuple[float, float, float] = (0.0, 0.0, 0.0)
    intervals: Mapping[float, IntervalSums] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        y: ArrayLike,
        mean: ArrayLike | None = None,
        *,
        pit: ArrayLike | None = None,
        crps: ArrayLike | None = None,
        log_density: ArrayLike | None = None,
        intervals: Mapping[float, tuple[ArrayLike, ArrayLike]] | None = None,
        weights: ArrayLike | None = None,
    ) -> Scores:
        """Sums over n rows.

        Parameters
        ----------
        y : (n,)
            Target, in its unit.
        mean : (n,), optional
            Predicted mean; some models give an interval and nothing else.
        pit : (n,), optional
            G(y | f), in [0, 1].
        crps, log_density : (n,), optional
            CRPS of each row, and logarithm of the predictive density at y.
        intervals : mapping of coverage to (lower, upper), optional
            Each bound (n,).
        weights : (n,), optional
            Row weights >= 0.

        Raises
        ------
        ValueError
            For NaN, wrong lengths, a PIT outside [0, 1] or negative weights.
        """
        n = len(np.atleast_1d(np.asarray(y)))
        target = _column(y, "y", n)
        w = np.ones(n) if weights is None else _column(weights, "weights", n)
        if np.any(w < 0):
            raise ValueError(
                "weights must be >= 0; leave rows out instead of giving them negative weights."
            )
        errors = (0.0, 0.0, 0.0, 0.0)
        if mean is not None:
            error = _column(mean, "mean", n) - target
            errors = (
                float(w @ error),
                float(w @ error**2),
                float(w @ np.abs(error)),
                float(w.sum()),
            )
        moments = (0.0, 0.0, 0.0)
        if pit is not None:
            r = _column(pit, "pit", n)
            if np.any((r < 0) | (r > 1)):
                raise ValueError(
                    "pit must lie between 0 and 1: it is a predictive distribution function at the"
                    " target."
                )
            moments = (float(w @ r), float(w @ r**2), float(w.sum()))
        sums = {
            float(coverage): IntervalSums.of(
                target,
                _column(lower, f"lower bound of the {coverage:g} interval", n),
                _column(upper, f"upper bound of the {coverage:g} interval", n),
                coverage,
                w,
            )
            for coverage, (lower, upper) in (intervals or {}).items()
        }
        log_total, log_weight = _summed(log_density, "log_density", w)
        return cls(
            n,
            float(w.sum()),
            float(w @ w),
            float(w @ target),
            float(w @ target**2),
            errors,
            _summed(crps, "crps", w),
            (-log_total, log_weight),
            moments,
            sums,
        )

    def __add__(self, other: Scores) -> Scores:
        if self.rows and other.rows and set(self.intervals) != set(other.intervals):
            raise ValueError(
                f"Scores with intervals {sorted(self.intervals)} and {sorted(other.intervals)} do"
                " not add up; score the same coverages in all parts."
            )
        intervals = {
            c: self.intervals.get(c, IntervalSums()) + other.intervals.get(c, IntervalSums())
            for c in {**self.intervals, **other.intervals}
        }
        lists: dict[str, Any] = {
            name: tuple(a + b for a, b in zip(getattr(self, name), getattr(other, name)))
            for name in ("error", "crps", "log_score", "pit")
        }
        plain = ("rows", "weight", "weight_squared", "y", "y_squared")
        return Scores(
            intervals=intervals,
            **lists,
            **{name: getattr(self, name) + getattr(other, name) for name in plain},
        )

    def __radd__(self, other: Any) -> Scores:
        return self if other == 0 else NotImplemented

    def coverage_limits(self, coverage: float) -> tuple[float, float]:
        """Exact binomial 95 % limits (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404) of the
        true coverage, rows counted by Kish's effective number.
        """
        n = self.weight**2 / self.weight_squared
        hits = self.intervals[coverage].hits / self.weight * n
        low = 0.0 if hits <= 0 else float(stats.beta.ppf(0.025, hits, n - hits + 1))
        high = 1.0 if hits >= n else float(stats.beta.ppf(0.975, hits + 1, n - hits))
        return low, high

    def table(self) -> dict[str, float]:
        """All figures as plain floats (JSON-able); those that need what was not given are left
        out.
        """
        if not self.weight > 0:
            raise ValueError("There are no rows to score.")
        w = self.weight
        sst = self.y_squared - self.y**2 / w
        out = {"rows": float(self.rows)}
        total, squared, absolute, weight = self.error
        if weight:
            out |= {
                "rmse": float(np.sqrt(squared / weight)),
                "mae": absolute / weight,
                "bias": total / weight,
            }
            # A part without a mean has added to the spread of the target, not to the errors.
            if sst > 0 and weight == w:
                out["r2"] = 1.0 - squared / sst
        if self.crps[1]:
            out["crps"] = self.crps[0] / self.crps[1]
        if self.log_score[1]:
            out["log_score"] = self.log_score[0] / self.log_score[1]
        if self.pit[2]:
            mean = self.pit[0] / self.pit[2]
            out["pit_mean"] = mean
            out["pit_variance_times_12"] = 12.0 * (self.pit[1] / self.pit[2] - mean**2)
        for coverage, sums in sorted(self.intervals.items()):
            name = f"{100 * coverage:g}"
            low, high = self.coverage_limits(coverage)
            width = sums.width / w
            out |= {
                f"coverage_{name}": sums.hits / w,
                f"coverage_{name}_low": low,
                f"coverage_{name}_high": high,
            }
            out |= {
                f"width_{name}": width,
                f"width_{name}_sd": float(np.sqrt(max(sums.width_squared / w - width**2, 0.0))),
            }
            out[f"winkler_{name}"] = sums.winkler / w
        return out


def held_out_scores(
    model: Any, F: ArrayLike, y: ArrayLike, error: ArrayLike | None = None
) -> dict[str, float]:
    """What a replicate's record says of the samples it held out.

    Parameters
    ----------
    model
        A COP-BMA.
    F, y : array_like of shape (n, members) and (n,)
    error : array_like of shape (n,), optional
        Standard errors of the samples, which the model knows nothing of.
    """
    if error is None:
        interval, crps = model.interval(F, 0.95), model.crps(F, y)
    else:
        low, high = model.target_margin_.ppf(np.array([1e-6, 1 - 1e-6]))
        span = float(low), float(high)
        found = measured_forecast(
            lambda x: model.distribution(F, x),
            span,
            np.asarray(y),
            np.asarray(error),
            [0.95],
            np.array([]),
            model.bounds,
        )
        interval, crps = found["interval"]["0.95"], found["crps"]
    table = Scores.of(
        y, model.predict(F), crps=crps, intervals={0.95: (interval[:, 0], interval[:, 1])}
    ).table()
    return {
        name: table[key]
        for name, key in {
            "n": "rows",
            "r2": "r2",
            **{k: k for k in ("rmse", "bias", "crps", "coverage_95", "width_95")},
        }.items()
        if key in table
    }
