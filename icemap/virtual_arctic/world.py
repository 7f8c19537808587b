"""The virtual Arctic: a Northern Hemisphere whose ground ice is known everywhere, for the demo and
for every statistical test.

Predictors, permafrost and volumetric ice content (VIC) are pure functions of longitude, latitude
and seed: the same world at any resolution, computed chunk by chunk. The coastline is real (30
arc-seconds); terrain, climate, ice sheets and ground are drawn from rough geography and random
fields and depend on each other as in nature. Nothing here is data about the Earth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.errors import IcemapError
from icemap.virtual_arctic.boreholes import borehole_truth, boreholes, write_boreholes

__all__ = [
    "CLASS_NODATA",
    "MASKS",
    "PREDICTORS",
    "TRUTH",
    "PredictorInfo",
    "borehole_truth",
    "boreholes",
    "predictors",
    "predictors_at_points",
    "truth",
    "truth_at_points",
    "write_boreholes",
]

CLASS_NODATA = 255
_LITHOLOGY = (
    "unconsolidated",
    "siliciclastic",
    "carbonate",
    "metamorphic",
    "plutonic",
    "volcanic",
    "evaporite",
)
_DEPOSIT = (
    "bedrock",
    "colluvial",
    "glacial",
    "glaciolacustrine_marine",
    "alluvial",
    "aeolian",
    "peat",
    "yedoma",
)


@dataclass(frozen=True)
class PredictorInfo:
    """What one field of the virtual Arctic is.

    Attributes
    ----------
    name, long_name, unit : str
    family : str
        One of the five predictor families, or ``mask``.
    kind : str
        ``continuous`` or ``class``.
    classes : tuple of str
        Names of the class codes 0, 1, ...; empty for continuous fields.
    """

    name: str
    family: Literal["paleoclimate", "climate", "remote_sensing", "topography", "geology", "mask"]
    kind: Literal["continuous", "class"]
    unit: str
    long_name: str
    classes: tuple[str, ...] = ()


def _by_name(*infos: PredictorInfo) -> dict[str, PredictorInfo]:
    return {info.name: info for info in infos}


PREDICTORS: dict[str, PredictorInfo] = _by_name(
    PredictorInfo(
        "lgm_temperature",
        "paleoclimate",
        "continuous",
        "degC",
        "mean annual air temperature at the Last Glacial Maximum (21 ka)",
    ),
    PredictorInfo(
        "holocene_temperature",
        "paleoclimate",
        "continuous",
        "degC",
        "mean annual air temperature at the Holocene optimum (8 ka)",
    ),
    PredictorInfo(
        "lgm_ice_sheet",
        "paleoclimate",
        "class",
        "1",
        "ice cover at the Last Glacial Maximum",
        ("ice_free", "ice_sheet"),
    ),
    PredictorInfo(
        "deglaciation_age",
        "paleoclimate",
        "continuous",
        "ka",
        "age of deglaciation; 30 where no ice stood, 0 under glaciers",
    ),
    PredictorInfo("maat", "climate", "continuous", "degC", "mean annual air temperature"),
    PredictorInfo(
        "thawing_degree_days", "climate", "continuous", "degC d", "thawing degree days of air"
    ),
    PredictorInfo(
        "freezing_degree_days", "climate", "continuous", "degC d", "freezing degree days of air"
    ),
    PredictorInfo("precipitation", "climate", "continuous", "mm a-1", "annual precipitation"),
    PredictorInfo("snow_depth", "climate", "continuous", "m", "late-winter snow depth"),
    PredictorInfo(
        "ndvi", "remote_sensing", "continuous", "1", "summer normalized difference vegetation index"
    ),
    PredictorInfo(
        "land_surface_temperature",
        "remote_sensing",
        "continuous",
        "degC",
        "mean annual land surface temperature",
    ),
    PredictorInfo(
        "snow_cover_days", "remote_sensing", "continuous", "d a-1", "days with snow cover"
    ),
    PredictorInfo("surface_water", "remote_sensing", "continuous", "%", "surface water extent"),
    PredictorInfo("elevation", "topography", "continuous", "m", "elevation above sea level"),
    PredictorInfo("slope", "topography", "continuous", "degree", "slope over 1 km"),
    PredictorInfo(
        "topographic_position",
        "topography",
        "continuous",
        "m",
        "height above the surroundings of some 40 km",
    ),
    PredictorInfo("wetness_index", "topography", "continuous", "1", "topographic wetness index"),
    PredictorInfo("distance_to_coast", "topography", "continuous", "km", "distance to the coast"),
    PredictorInfo("lithology", "geology", "class", "1", "lithology at the surface", _LITHOLOGY),
    PredictorInfo("deposit", "geology", "class", "1", "mapped surficial deposit", _DEPOSIT),
    PredictorInfo(
        "sediment_thickness", "geology", "continuous", "m", "thickness of sediment over bedrock"
    ),
    PredictorInfo(
        "soil_organic_carbon",
        "geology",
        "continuous",
        "kg m-2",
        "soil organic carbon of the top metre",
    ),
    PredictorInfo(
        "yedoma_probability",
        "geology",
        "continuous",
        "1",
        "probability of Yedoma (ice-rich syngenetic silt)",
    ),
)
"""The 23 predictors of the five families; land only."""

MASKS: dict[str, PredictorInfo] = _by_name(
    PredictorInfo("land_fraction", "mask", "continuous", "1", "1 on land, 0 on the sea"),
    PredictorInfo(
        "permafrost_fraction", "mask", "continuous", "1", "share of the ground that is permafrost"
    ),
    PredictorInfo("lake_fraction", "mask", "continuous", "1", "share covered by lakes"),
    PredictorInfo("glacier_fraction", "mask", "continuous", "1", "share covered by glaciers"),
)
"""Fields that weigh cells instead of explaining them; 0 over the sea."""


TRUTH: dict[str, PredictorInfo] = _by_name(
    PredictorInfo(
        "vic",
        "geology",
        "continuous",
        "%",
        "true volumetric ice content of the 5 m below the permafrost table",
    ),
)
"""What nobody knows of the real Arctic; NaN over the sea."""


def _grid(
    longitudes: ArrayLike, latitudes: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lon, lat = np.meshgrid(np.asarray(longitudes, np.float64), np.asarray(latitudes, np.float64))
    return lon, lat


def predictors_at_points(
    longitudes: ArrayLike, latitudes: ArrayLike, names: Sequence[str] | None = None, seed: int = 0
) -> dict[str, NDArray]:
    """Predictors and masks at paired coordinates.

    Parameters
    ----------
    longitudes, latitudes : array_like of shape (n,)
        Degrees, -180 to 180 and 0 to 90.
    names : sequence of str, optional
        Names out of ``PREDICTORS``, ``MASKS`` and ``TRUTH``; by default all predictors.
    seed : int
        Which world.

    Returns
    -------
    dict of ndarray of shape (n,)
        float32, NaN over the sea (masks: 0); classes uint8, 255 over the sea.

    Raises
    ------
    IcemapError
        For an unknown name or a coordinate outside the hemisphere.

    Examples
    --------
    >>> yakutsk = predictors_at_points([129.7], [62.0], ["maat", "lgm_ice_sheet"])
    >>> bool(yakutsk["maat"][0] < 0), int(yakutsk["lgm_ice_sheet"][0])
    (True, 0)
    """
    known = PREDICTORS | MASKS | TRUTH
    chosen = list(PREDICTORS) if names is None else list(names)
    for name in chosen:
        if name not in known:
            raise IcemapError(
                f"The virtual Arctic has no predictor '{name}': choose from {', '.join(known)}."
            )
    from icemap.virtual_arctic.fields import sample

    values = sample(longitudes, latitudes, chosen, seed)
    result: dict[str, NDArray] = {}
    for name, row in zip(chosen, values):
        result[name] = (
            np.nan_to_num(row, nan=CLASS_NODATA).astype(np.uint8)
            if known[name].kind == "class"
            else row
        )
    return result


def predictors(
    longitudes: ArrayLike, latitudes: ArrayLike, names: Sequence[str] | None = None, seed: int = 0
) -> dict[str, NDArray]:
    """Predictors and masks on the grid spanned by two coordinate vectors.

    As :func:`predictors_at_points`, with ``longitudes`` of shape (columns,) and ``latitudes`` of
    shape (rows,); each value depends on its own place and the seed alone, so chunks of any grid fit
    together.

    Parameters
    ----------
    longitudes : array_like of shape (columns,)
        Degrees.
    latitudes : array_like of shape (rows,)
        Degrees.
    names : sequence of str, optional
        Of predictors and masks; all when left out.
    seed : int
        Of the world.

    Returns
    -------
    dict of ndarray of shape (rows, columns)

    Examples
    --------
    >>> fields = predictors([100.5, 101.5, 102.5], [66.5, 65.5], ["elevation", "lithology"])
    >>> fields["elevation"].shape, fields["lithology"].dtype
    ((2, 3), dtype('uint8'))
    """
    lon, lat = _grid(longitudes, latitudes)
    return {
        name: values.reshape(lon.shape)
        for name, values in predictors_at_points(lon, lat, names, seed).items()
    }


def truth_at_points(
    longitudes: ArrayLike, latitudes: ArrayLike, seed: int = 0
) -> NDArray[np.float32]:
    """True VIC (%) of the 5 m below the permafrost table at paired coordinates, shape (n,); NaN
    over the sea.

    On land without permafrost it is the ice that permafrost would hold there: weigh by
    ``permafrost_fraction``.

    Parameters
    ----------
    longitudes, latitudes : array_like of shape (n,)
        Degrees.
    seed : int
        Of the world.
    """
    from icemap.virtual_arctic.fields import sample

    return sample(longitudes, latitudes, ["vic"], seed)[0]


def truth(longitudes: ArrayLike, latitudes: ArrayLike, seed: int = 0) -> NDArray[np.float32]:
    """True VIC (%) on the grid spanned by two coordinate vectors, shape (rows, columns); see
    :func:`truth_at_points`.

    Parameters
    ----------
    longitudes : array_like of shape (columns,)
        Degrees.
    latitudes : array_like of shape (rows,)
        Degrees.
    seed : int
        Of the world.

    Examples
    --------
    >>> float(truth([129.7], [62.0])[0, 0]) == float(truth_at_points([129.7], [62.0])[0])
    True
    """
    lon, lat = _grid(longitudes, latitudes)
    return truth_at_points(lon, lat, seed).reshape(lon.shape)
