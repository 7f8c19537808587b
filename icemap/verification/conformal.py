"""Conformal calibration on the scale of the probability integral transform."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_ROUNDING = 1e-9  # (n + 1) (1 - alpha/2) is often a whole number that floating point misses


class ConformalPIT:
    """PIT levels whose quantiles form an interval with guaranteed coverage (Chernozhukov et al.
    2021, doi:10.1073/pnas.2107794118).

    The guarantee is for exchangeable rows of the PITs given here and nothing else. The map's own
    interval is not of this kind: `icemap.verification.calibration.Calibration` mixes invented rows
    with the real ones before it comes here, which shrinks the levels and gives up the guarantee.

    With the out-of-fold values r_i = G_i(y_i) sorted, a = r_(floor((n+1) alpha/2)) and b =
    r_(ceil((n+1)(1 - alpha/2))), the interval [G^-1(a), G^-1(b)] covers a new exchangeable target
    with probability at least 1 - alpha, whatever the shape of G is, and stays inside the bounds of
    the target. Row weights w(x_i) in proportion to the density of places to predict over that of
    the boreholes keep this under covariate shift (Tibshirani et al. 2019, arXiv:1904.06019).

    Attributes
    ----------
    pit_ : (n,) array
        Sorted PIT values.
    weights_ : (n,) array
        Their weights.

    Examples
    --------
    >>> calibration = ConformalPIT().fit(np.linspace(0.05, 0.95,
    ...     19))  # a forecast that is calibrated already
    >>> [round(level, 2) for level in calibration.levels(0.9)]
    [0.05, 0.95]
    >>> narrow = ConformalPIT().fit(np.linspace(0.0, 1.0, 199) ** 3)  # a forecast that was too high
    >>> [round(level, 3) for level in narrow.levels(0.9)]
    [0.0, 0.87]
    """

    pit_: Array
    weights_: Array

    def fit(self, pit: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Keep out-of-fold PIT values (n,) and, for covariate shift, their weights (n,), >= 0.

        Raises
        ------
        ValueError
            For NaN, values outside [0, 1], wrong lengths or negative weights.
        """
        values = np.asarray(pit, dtype=np.float64)
        if values.ndim != 1 or len(values) == 0:
            raise ValueError(f"pit has shape {values.shape}; give one out-of-fold value per row.")
        if not np.all((values >= 0) & (values <= 1)):
            raise ValueError(
                "pit must hold numbers between 0 and 1, without NaN: predictive distribution"
                " functions at the targets."
            )
        w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
        if w.shape != values.shape:
            raise ValueError(
                f"weights have shape {w.shape}, but there are {len(values)} PIT values; give one"
                " weight for each."
            )
        if not np.all(np.isfinite(w)) or np.any(w < 0) or not w.sum() > 0:
            raise ValueError("weights must be finite numbers >= 0, not all zero.")
        order = np.argsort(values, kind="stable")
        self.pit_, self.weights_ = values[order], w[order]
        return self

    def levels(
        self, coverage: float = 0.95, side: str = "both", test_weight: float | None = None
    ) -> tuple[float, float]:
        """PIT levels (a, b) of the interval with this coverage.

        Parameters
        ----------
        coverage : float
            Between 0 and 1.
        side : {"both", "lower", "upper"}
            Both limits; or a lower limit alone (b = 1), or an upper limit alone (a = 0).
        test_weight : float, optional
            Weight of the place to predict; the mean of the fitted weights when not given.

        Returns
        -------
        (a, b)
            0 or 1 where there are too few rows for the limit asked for.
        """
        weights = self.weights_
        if test_weight is None:
            test_weight = float(weights.mean())
        if not 0 < coverage < 1:
            raise ValueError(
                f"coverage is {coverage}; it must lie between 0 and 1, for example 0.95."
            )
        if side not in ("both", "lower", "upper"):
            raise ValueError(f"side is {side!r}; choose 'both', 'lower' or 'upper'.")
        kept = (1.0 + coverage) / 2.0 if side == "both" else coverage
        # The share of the place to predict stands beyond the last value on either side: it can
        # always be the most extreme one.
        share = weights / (weights.sum() + test_weight)
        needed = kept - _ROUNDING / (len(weights) + 1)
        from_below, from_above = np.cumsum(share), np.cumsum(share[::-1])
        upper = int(np.searchsorted(from_below, needed))
        lower = int(np.searchsorted(from_above, needed))
        a = float(self.pit_[::-1][lower]) if side != "upper" and lower < len(share) else 0.0
        b = float(self.pit_[upper]) if side != "lower" and upper < len(share) else 1.0
        return a, b
