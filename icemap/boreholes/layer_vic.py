"""VIC of layers, each by the best way that its measurements allow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.ice_content import (
    Fractions,
    from_excess_ice,
    from_frozen_bulk,
    from_gravimetric,
    from_saturated,
    from_visible_ice,
    from_volumetric_water,
    without_unfrozen,
)

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


def _reported(vic: Fractions) -> Fractions:
    return np.where((vic >= 0) & (vic <= 1), vic, np.nan)


# Columns of each way of measuring, and how VIC follows from them; the best way first.
MEASURED: dict[str, tuple[tuple[str, ...], Callable[..., Fractions]]] = {
    "reported VIC": (("reported_vic",), _reported),
    "gravimetric water and dry density": (("gravimetric_water", "dry_density"), from_gravimetric),
    "gravimetric water and frozen bulk density": (
        ("gravimetric_water", "frozen_bulk_density"),
        from_frozen_bulk,
    ),
    "volumetric water": (("volumetric_water",), from_volumetric_water),
    "excess ice and porosity": (("excess_ice", "porosity"), from_excess_ice),
    "visible ice and matrix": (("visible_ice", "matrix_vic"), from_visible_ice),
    "saturated gravimetric water": (("gravimetric_water",), from_saturated),
}
# The others count all water as ice.
WITHOUT_WATER = ("reported VIC", "visible ice and matrix")


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
    ways = _ways(layers)
    names = np.array([name for name, _, _ in ways], dtype=object)
    best = np.vstack([given for _, given, _ in ways]).argmax(axis=0)
    vic = 100 * np.vstack([value for _, _, value in ways])[best, np.arange(len(layers))]
    errors = np.array([METHOD_ERROR.get(name, np.nan) for name, _, _ in ways])
    without = np.select(
        [layers["excess_ice"].notna(), layers["visible_ice"].notna()],
        [
            "excess ice alone is not VIC: porosity is missing",
            "visible ice alone is not VIC: the VIC between is missing",
        ],
        default="no measured quantity",
    ).astype(object)
    impossible = np.array([f"impossible VIC from {name}" for name in names], dtype=object)[best]
    reason = np.where(names[best] == "", without, np.where(np.isnan(vic), impossible, ""))
    return pd.DataFrame(
        {
            "vic": vic,
            "vic_error": np.where(np.isnan(vic), np.nan, errors[best]),
            "vic_from": names[best],
            "vic_reason": reason,
        },
        index=layers.index,
    )


def _ways(layers: pd.DataFrame) -> list[tuple[str, NDArray[np.bool_], Fractions]]:
    """Of each way, the best first: its name, which layers can go it, and their VIC as a fraction;
    at last the way of layers without any.
    """
    every, ice_type = np.ones(len(layers)), layers["ice_type"].to_numpy(dtype=object)
    unfrozen = layers["unfrozen_water"].to_numpy(float)
    ways = [("massive ice", ice_type == "massive", every)]
    for name, (columns, vic_of) in MEASURED.items():
        numbers = [layers[column].to_numpy(float) for column in columns]
        vic = vic_of(*numbers)
        if name not in WITHOUT_WATER:
            vic = without_unfrozen(vic, unfrozen)
        ways.append((name, ~np.isnan(sum(numbers)), vic))
    ways.append(("bedrock", ice_type == "bedrock", BEDROCK_VIC / 100 * every))
    return [*ways, ("", every.astype(bool), np.nan * every)]
