"""The target as the members learn it: made nearly symmetric, so that squared errors mean the same
at both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.bounds import one_range_beyond

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TargetScale:
    """Yeo-Johnson transform of the target (Yeo & Johnson 2000, doi:10.1093/biomet/87.4.954),
    standardized.

    COP-BMA takes member predictions by their ranks, so they are never transformed back for it;
    ``inverse`` gives them in units.

    Attributes
    ----------
    power : float
        1 leaves the target as it is, less draws in a long upper tail.
    center, spread : float
        Mean and standard deviation of the transformed target.
    low, high : float
        Limits of the target: its bounds, or one range of the training values beyond them.

    Examples
    --------
    >>> y = np.random.default_rng(0).lognormal(3, 1, 500)
    >>> scale = TargetScale.fit(y)
    >>> z = scale.transform(y)
    >>> bool(abs(((z - z.mean()) ** 3).mean()) < 0.1), bool(np.allclose(scale.inverse(z), y))
    (True, True)
    """

    power: float
    center: float
    spread: float
    low: float
    high: float

    @classmethod
    def fit(
        cls,
        y: ArrayLike,
        bounds: tuple[float, float] | None = None,
        power: float | None = None,
    ) -> TargetScale:
        """Fit to training values (n,), at least two of them different.

        ``power`` is that of the transform; None chooses it, 1 leaves the target as it is.

        Parameters
        ----------
        y : array_like of shape (n,)
            Training values.
        bounds : (float, float), optional
            Of the target.
        power : float, optional
            Of the transform; chosen when left out, and 1 leaves the target as it is.
        """
        from scipy.stats import yeojohnson_normmax

        values = np.asarray(y, dtype=np.float64)
        if np.ptp(values) == 0:
            raise ValueError(
                f"the target is {values[0]:g} in all {len(values)} rows: there is nothing to learn."
            )
        low, high = bounds or one_range_beyond(values)
        # Beyond these powers a transform is a step; only a handful of values asks for them.
        if power is None:
            power = float(np.clip(yeojohnson_normmax(values), -2.0, 4.0))
        transformed = _yeo_johnson(values, power)
        return cls(power, float(transformed.mean()), float(transformed.std()), low, high)

    @property
    def limits(self) -> tuple[float, float]:
        """``low`` and ``high`` on the transformed scale."""
        low, high = self.transform(np.array([self.low, self.high]))
        return float(low), float(high)

    def transform(self, y: ArrayLike) -> Array:
        """Target in units (any shape) to the members' scale."""
        return (
            _yeo_johnson(np.asarray(y, dtype=np.float64), self.power) - self.center
        ) / self.spread

    def inverse(self, z: ArrayLike) -> Array:
        """Member predictions (any shape) in units of the target, inside its limits."""
        held = np.clip(np.asarray(z, dtype=np.float64), *self.limits) * self.spread + self.center
        return np.clip(_inverse_yeo_johnson(held, self.power), self.low, self.high)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TargetScale:
        """The reverse of `to_dict`."""
        return cls(**content)


def _yeo_johnson(y: Array, power: float) -> Array:
    from scipy.stats import yeojohnson

    return np.asarray(yeojohnson(y.ravel(), power)).reshape(y.shape)


def _inverse_yeo_johnson(z: Array, power: float) -> Array:
    from scipy.special import inv_boxcox1p

    # A Box-Cox transform of 1 + y above zero, its mirror image with power 2 - p below.
    return np.where(
        z >= 0,
        inv_boxcox1p(np.maximum(z, 0.0), power),
        -inv_boxcox1p(np.maximum(-z, 0.0), 2.0 - power),
    )
