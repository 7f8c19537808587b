"""Volumetric ice content (VIC) from what laboratories and loggers measure.

Conversions take fractions and g/cm3 and return fractions of the frozen volume; they are vectorized.
Physical limits are enforced: an input that cannot be (a negative water content, a porosity above 1)
or a result above 1.03 gives NaN; a result between 1 and 1.03 is measurement error and becomes 1.
NaN stays NaN, and what is masked becomes NaN.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

ICE_DENSITY = 0.917  # g/cm3
WATER_DENSITY = 1.0
SOLIDS_DENSITY = 2.65
EXPANSION = 1.09  # volume of ice from one volume of water, as thaw tests round it
TOLERANCE = 0.03

Fractions = NDArray[np.float64]


def _numbers(*values: ArrayLike) -> list[Fractions]:
    rows = [value.index for value in values if isinstance(value, pd.Series)]
    if any(not index.equals(rows[0]) for index in rows[1:]):
        raise ValueError(
            "The columns are of different tables, or in different order: their indices differ. Give"
            " columns of one table, or arrays."
        )
    arrays = [
        np.ma.filled(value.astype(float), np.nan)
        if isinstance(value, np.ma.MaskedArray)
        else np.asarray(value, dtype=float)
        for value in values
    ]
    return [np.where(np.isfinite(array), array, np.nan) for array in arrays]


def _fraction(value: Fractions) -> Fractions:
    return np.where((value >= 0) & (value <= 1), value, np.nan)


def _positive(value: Fractions) -> Fractions:
    return np.where(value > 0, value, np.nan)


def _limited(vic: Fractions) -> Fractions:
    return np.where((vic >= -TOLERANCE) & (vic <= 1 + TOLERANCE), np.clip(vic, 0.0, 1.0), np.nan)[
        ()
    ]


def dry_basis(wet_basis_water: ArrayLike) -> Fractions:
    """Gravimetric water by dry mass from that by wet mass: w = w' / (1 - w').

    Examples
    --------
    >>> float(dry_basis(0.5))
    1.0
    """
    (w,) = _numbers(wet_basis_water)
    w = np.where((w >= 0) & (w < 1), w, np.nan)
    return (w / (1 - w))[()]


def from_gravimetric(w: ArrayLike, dry_density: ArrayLike) -> Fractions:
    """VIC = w rho_d / rho_ice.

    Parameters
    ----------
    w : array_like
        Gravimetric water content of the frozen sample by dry mass, fraction.
    dry_density : array_like
        Dry mass by frozen volume, g/cm3.

    Returns
    -------
    ndarray
        Volumetric ice content, fraction.

    References
    ----------
    French & Shur (2010), doi:10.1016/j.earscirev.2010.04.002 (definitions of ice content); mass
    balance.

    Examples
    --------
    >>> round(float(from_gravimetric(0.40, 1.30)), 3)
    0.567
    """
    w, density = _numbers(w, dry_density)
    return _limited(np.where(w >= 0, w, np.nan) * _positive(density) / ICE_DENSITY)


def from_frozen_bulk(w: ArrayLike, bulk_density: ArrayLike) -> Fractions:
    """VIC = rho_b w / ((1 + w) rho_ice), from gravimetric water and the density of the whole frozen
    sample (g/cm3).

    The mass balance of ``from_gravimetric`` with rho_d = rho_b / (1 + w).

    Examples
    --------
    >>> round(float(from_frozen_bulk(0.40, 1.82)), 3)
    0.567
    """
    w, density = _numbers(w, bulk_density)
    w = np.where(w >= 0, w, np.nan)
    return _limited(_positive(density) * w / (1 + w) / ICE_DENSITY)


def from_saturated(w: ArrayLike) -> Fractions:
    """VIC of ice-saturated sediment from gravimetric water alone: (w / rho_ice) / (w / rho_ice + 1
    / rho_s), rho_s = 2.65 g/cm3.

    Too high where the sample holds air.

    Examples
    --------
    >>> round(float(from_saturated(0.40)), 3)
    0.536
    """
    (w,) = _numbers(w)
    ice = np.where(w >= 0, w, np.nan) / ICE_DENSITY
    return _limited(ice / (ice + 1 / SOLIDS_DENSITY))


def from_volumetric_water(theta: ArrayLike) -> Fractions:
    """VIC = theta / rho_ice, from the volume of water by frozen volume.

    Examples
    --------
    >>> round(float(from_volumetric_water(0.55)), 3)
    0.6
    """
    (theta,) = _numbers(theta)
    return _limited(_fraction(theta) * WATER_DENSITY / ICE_DENSITY)


def excess_from_thaw_test(supernatant: ArrayLike, sediment: ArrayLike) -> Fractions:
    """Excess ice EIC = 1.09 W / (1.09 W + S) from the volumes of supernatant water and saturated
    sediment after thaw (same unit).

    References
    ----------
    Kokelj & Burn (2003), doi:10.1002/ppp.458.

    Examples
    --------
    >>> round(float(excess_from_thaw_test(50, 100)), 3)
    0.353
    """
    water, sediment = _numbers(supernatant, sediment)
    ice = EXPANSION * np.where(water >= 0, water, np.nan)
    rest = np.where(sediment >= 0, sediment, np.nan)
    return _limited(ice / _positive(ice + rest))


def from_excess_ice(eic: ArrayLike, porosity: ArrayLike) -> Fractions:
    """VIC = EIC + (1 - EIC) 1.09 n / (1 + 0.09 n), with n the porosity of the thawed, saturated
    sediment.

    Freezing the pore water of one volume of saturated sediment makes it 1 + 0.09 n volumes, of
    which 1.09 n are ice.

    Examples
    --------
    >>> round(float(from_excess_ice(0.30, 0.45)), 3)
    0.63
    """
    eic, n = map(_fraction, _numbers(eic, porosity))
    return _limited(eic + (1 - eic) * EXPANSION * n / (1 + (EXPANSION - 1) * n))


def from_visible_ice(vi: ArrayLike, matrix: ArrayLike) -> Fractions:
    """VIC = VI + (1 - VI) VIC_m, from visible ice and the VIC of the sediment between.

    Examples
    --------
    >>> round(float(from_visible_ice(0.20, 0.45)), 3)
    0.56
    """
    vi, matrix = map(_fraction, _numbers(vi, matrix))
    return _limited(vi + (1 - vi) * matrix)


def with_wedge_ice(wiv: ArrayLike, sediment: ArrayLike) -> Fractions:
    """VIC of terrain with ice wedges: WIV + (1 - WIV) VIC_s, from the wedges' share of the volume
    and the VIC of the sediment between.

    References
    ----------
    Ulrich et al. (2014), doi:10.1002/ppp.1810 (wedge-ice volume).

    Examples
    --------
    >>> round(float(with_wedge_ice(0.30, 0.50)), 3)
    0.65
    """
    return from_visible_ice(wiv, sediment)


def without_unfrozen(vic: ArrayLike, unfrozen: ArrayLike) -> Fractions:
    """Take the unfrozen water (volume fraction) out of a VIC that counted all water as ice; NaN
    unfrozen means not known, nothing is taken.

    Examples
    --------
    >>> round(float(without_unfrozen(0.50, 0.0917)), 3)
    0.4
    """
    vic, unfrozen = _numbers(vic, unfrozen)
    known = np.where(np.isnan(unfrozen), 0.0, _fraction(unfrozen))
    return _limited(vic - known * WATER_DENSITY / ICE_DENSITY)
