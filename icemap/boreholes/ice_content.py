"""Volumetric ice content (VIC) from what laboratories and loggers measure, and from layers to one
value per site.

Conversions take fractions and g/cm3 and return fractions of the frozen volume; they are vectorized.
Physical limits are enforced: an input that cannot be (a negative water content, a porosity above 1)
or a result above 1.03 gives NaN; a result between 1 and 1.03 is measurement error and becomes 1.
NaN stays NaN, and what is masked becomes NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from icemap.boreholes.window import Pieces, window_means

ICE_DENSITY = 0.917  # g/cm3
WATER_DENSITY = 1.0
SOLIDS_DENSITY = 2.65
EXPANSION = 1.09  # volume of ice from one volume of water, as thaw tests round it
TOLERANCE = 0.03

# Standard error of a layer's VIC in % by the way it was found (choice): what densities, saturation
# and the eye are good for.
METHOD_ERROR = {
    "massive ice": 3.0,
    "reported VIC": 5.0,
    "gravimetric water and dry density": 5.0,
    "gravimetric water and frozen bulk density": 5.0,
    "volumetric water": 5.0,
    "excess ice and porosity": 7.0,
    "visible ice and matrix": 10.0,
    "saturated gravimetric water": 10.0,
    "bedrock": 2.0,
}
BEDROCK_VIC = 2.5  # %, the middle of the 0-5 % of fractures

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


def layer_vic(layers: pd.DataFrame) -> pd.DataFrame:
    """VIC of every layer by the best way its measurements allow.

    Parameters
    ----------
    layers : DataFrame
        Layers of the common schema (fractions, g/cm3).

    Returns
    -------
    DataFrame
        ``vic`` (%), ``vic_error`` (%), ``vic_from`` (how), ``vic_reason`` (why not, empty when
        ``vic`` is there); same index.
    """
    w, dry, bulk = (
        layers[name].to_numpy(float)
        for name in ("gravimetric_water", "dry_density", "frozen_bulk_density")
    )
    theta, eic, porosity = (
        layers[name].to_numpy(float) for name in ("volumetric_water", "excess_ice", "porosity")
    )
    vi, matrix, reported, unfrozen = (
        layers[name].to_numpy(float)
        for name in ("visible_ice", "matrix_vic", "reported_vic", "unfrozen_water")
    )
    ice_type = layers["ice_type"].to_numpy(dtype=object)
    massive, bedrock = ice_type == "massive", ice_type == "bedrock"
    ways: list[tuple[str, NDArray[np.bool_], Fractions]] = [
        ("massive ice", massive, np.ones(len(layers))),
        ("reported VIC", ~np.isnan(reported), _fraction(reported)),
        (
            "gravimetric water and dry density",
            ~np.isnan(w + dry),
            without_unfrozen(from_gravimetric(w, dry), unfrozen),
        ),
        (
            "gravimetric water and frozen bulk density",
            ~np.isnan(w + bulk),
            without_unfrozen(from_frozen_bulk(w, bulk), unfrozen),
        ),
        (
            "volumetric water",
            ~np.isnan(theta),
            without_unfrozen(from_volumetric_water(theta), unfrozen),
        ),
        (
            "excess ice and porosity",
            ~np.isnan(eic + porosity),
            without_unfrozen(from_excess_ice(eic, porosity), unfrozen),
        ),
        ("visible ice and matrix", ~np.isnan(vi + matrix), from_visible_ice(vi, matrix)),
        (
            "saturated gravimetric water",
            ~np.isnan(w),
            without_unfrozen(from_saturated(w), unfrozen),
        ),
        ("bedrock", bedrock, np.full(len(layers), BEDROCK_VIC / 100)),
    ]
    names = np.array([name for name, _, _ in ways] + [""], dtype=object)
    given = np.vstack([there for _, there, _ in ways] + [np.ones(len(layers), dtype=bool)])
    best = given.argmax(axis=0)
    vic = (
        100
        * np.vstack([value for _, _, value in ways] + [np.full(len(layers), np.nan)])[
            best, np.arange(len(layers))
        ]
    )
    errors = np.array([METHOD_ERROR[str(name)] for name in names[:-1]] + [np.nan])
    without = np.select(
        [~np.isnan(eic), ~np.isnan(vi)],
        [
            "excess ice alone is not VIC: porosity is missing",
            "visible ice alone is not VIC: the VIC between is missing",
        ],
        default="no measured quantity",
    ).astype(object)
    impossible = np.array([f"impossible VIC from {name}" for name in names], dtype=object)[best]
    reason = np.where(best == len(ways), without, np.where(np.isnan(vic), impossible, ""))
    return pd.DataFrame(
        {
            "vic": vic,
            "vic_error": np.where(np.isnan(vic), np.nan, errors[best]),
            "vic_from": names[best],
            "vic_reason": reason,
        },
        index=layers.index,
    )


class SiteVIC(NamedTuple):
    """VIC of one borehole below the permafrost table.

    Attributes
    ----------
    vic : float
        Length-weighted mean, %; NaN where no layer reaches the window.
    coverage : float
        Covered part of the window, 0-1.
    grade : str
        A, B, C or D.
    standard_error : float
        Way of measuring, part of the window that was not sampled, and permafrost table, %.
    layers : int
        Layers that reach the window.
    """

    vic: float
    coverage: float
    grade: str
    standard_error: float
    layers: int


def site_vic(
    layers: pd.DataFrame | Mapping[str, ArrayLike],
    permafrost_table: float,
    thickness: float = 5.0,
    table_error: float = 0.0,
) -> SiteVIC:
    """VIC of one borehole in the first metres below its permafrost table.

    Parameters
    ----------
    layers : DataFrame or mapping of columns
        ``top``, ``base`` (m below the surface) and ``vic`` (%); ``vic_error`` (%) and ``support``
        ("samples" or "logs") if known. A sample stands for half the way to its neighbours, at most
        0.5 m from its middle; a layer with base = top is always one. Layers with NaN are left out.
    permafrost_table : float
        Depth of the permafrost table, m.
    thickness : float
        Height of the window, m.
    table_error : float
        Standard error of the permafrost table, m.

    Returns
    -------
    SiteVIC

    Raises
    ------
    ValueError
        If a column is missing, a depth or a VIC is impossible, or the window is none.

    Notes
    -----
    Grades: A at a coverage of 0.8, B at 0.6, C at 0.4 with the top metre present, D less.

    Examples
    --------
    >>> layers = pd.DataFrame({"top": [0.0, 1.0, 3.0], "base": [1.0, 3.0, 5.0], "vic": [20.0, 60.0,
    ...     40.0]})
    >>> site_vic(layers, permafrost_table=0.5)[:3]
    (46.666..., 0.9, 'A')
    """
    layers = pd.DataFrame(layers)
    absent = [name for name in ("top", "base", "vic") if name not in layers.columns]
    if absent:
        raise ValueError(f"layers has no column '{absent[0]}': give top and base in m and vic in %")
    if not (np.isfinite(permafrost_table) and permafrost_table >= 0 and thickness > 0):
        raise ValueError(
            f"the window from {permafrost_table} m over {thickness} m is none: give a permafrost"
            " table of 0 m or more and a positive thickness"
        )
    top, base, vic = (layers[name].to_numpy(float) for name in ("top", "base", "vic"))
    if np.any(base < top) or np.any(top < 0):
        raise ValueError(
            "layers has a base above its top, or a top above the surface: depths are positive"
            " downwards, in m"
        )
    if np.any((vic < 0) | (vic > 100)):
        raise ValueError("vic has values outside 0-100: give % of the frozen volume")
    error = (
        layers["vic_error"].to_numpy(float)
        if "vic_error" in layers
        else np.full(len(layers), METHOD_ERROR["reported VIC"])
    )
    sample = (
        (layers["support"] == "samples").to_numpy()
        if "support" in layers
        else np.zeros(len(layers), dtype=bool)
    )
    pieces = Pieces(np.zeros(len(layers), dtype=np.int64), top, base, vic, error, sample)
    row = window_means(
        pieces, np.array([float(permafrost_table)]), np.array([float(table_error)]), thickness
    ).iloc[0]
    return SiteVIC(
        float(row["vic"]),
        float(row["coverage"]),
        str(row["grade"]),
        float(row["standard_error"]),
        int(row["layers"]),
    )
