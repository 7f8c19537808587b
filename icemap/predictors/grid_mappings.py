"""The grid mapping of a variable after CF: which one is its own, and whether it is complete."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError
from icemap.predictors.crs_spellings import cells_apart

if TYPE_CHECKING:
    from affine import Affine

# Parameters that PROJ takes for 0 or 1 without a word, and that are hardly ever; any one of those
# with a bar between them will do.
NEEDED = {
    "albers_conical_equal_area": (
        "standard_parallel",
        "longitude_of_central_meridian",
        "latitude_of_projection_origin",
    ),
    "azimuthal_equidistant": ("longitude_of_projection_origin", "latitude_of_projection_origin"),
    "lambert_azimuthal_equal_area": (
        "longitude_of_projection_origin",
        "latitude_of_projection_origin",
    ),
    "lambert_conformal_conic": (
        "standard_parallel",
        "longitude_of_central_meridian",
        "latitude_of_projection_origin",
    ),
    "polar_stereographic": ("standard_parallel|scale_factor_at_projection_origin",),
    "stereographic": ("longitude_of_projection_origin", "latitude_of_projection_origin"),
    "transverse_mercator": (
        "scale_factor_at_central_meridian",
        "longitude_of_central_meridian",
    ),
}
# By any of these a mapping says its ellipsoid.
ELLIPSOIDS = ("semi_major_axis", "earth_radius", "reference_ellipsoid_name")
# Cells by which a whole CRS and parameters may be apart.
ELSEWHERE = 0.5
# A whole CRS stands in for the parameters.
WHOLE = ("crs_wkt", "spatial_ref")


def mapping_of(text: str, dims: Iterable[Any]) -> str:
    """The name of the mapping that the axes of a variable are in.

    Parameters
    ----------
    text : str
        As in the attribute ``grid_mapping``: one name, or names with the coordinates of each.
    dims : iterable
        Of the variable.

    Examples
    --------
    >>> mapping_of("crs", ["y", "x"]), mapping_of("wgs84: lat lon laea: x y", ["time", "y", "x"])
    ('crs', 'laea')
    """
    named, held = "", set(map(str, dims))
    fitting: dict[str, bool] = {}
    for word in re.sub(r"\s*:", ":", text).split():
        if word.endswith(":"):
            named = word.removesuffix(":")
            fitting[named] = True
        elif named:
            fitting[named] &= word in held
    return next((name for name, fits in fitting.items() if fits), text)


def require_whole_mapping(attrs: Mapping[str, Any], who: str) -> None:
    """Refuse a mapping without a parameter on which its places depend.

    Parameters
    ----------
    attrs : mapping
        Of the grid mapping variable.
    who : str
        Source and file, for messages.

    Raises
    ------
    IcemapError
        Naming the mapping and the parameter.
    """
    if any(attrs.get(key) for key in WHOLE):
        return
    name = str(attrs.get("grid_mapping_name", "")).strip()
    # With one parallel, that is the latitude of the origin, too.
    has_one = np.size(attrs.get("standard_parallel", ())) == 1
    for needed in NEEDED.get(name, ()):
        if has_one and name == "lambert_conformal_conic" and needed.startswith("latitude"):
            continue
        if not any(key in attrs for key in needed.split("|")):
            raise IcemapError(
                f"{who}: its grid mapping '{name}' has no {needed.replace('|', ' or ')}, without"
                " which its cells may be far from where they belong: give the 'crs' in the"
                " catalogue, for example EPSG:3413, or complete the file."
            )


def require_one_crs(
    attrs: Mapping[str, Any], transform: Affine, shape: tuple[int, int], who: str
) -> None:
    """Refuse a mapping whose whole CRS is another one than that of its parameters.

    Parameters
    ----------
    attrs : mapping
        Of the grid mapping variable.
    transform : Affine
        From cells to places in metres.
    shape : (int, int)
        Rows and columns.
    who : str
        Source and file, for messages.

    Raises
    ------
    IcemapError
        Naming both.
    """
    import pyproj

    whole = next((str(attrs[key]) for key in WHOLE if attrs.get(key)), None)
    parameters = {key: value for key, value in attrs.items() if key not in WHOLE}
    if whole is None or not any(key in attrs for key in ELLIPSOIDS):
        return
    try:
        require_whole_mapping(parameters, who)
        by_parameters = pyproj.CRS.from_cf(parameters)
        by_whole = pyproj.CRS.from_user_input(whole)
    except (IcemapError, KeyError, pyproj.exceptions.CRSError):
        # One of them alone can be read.
        return
    in_metres = by_whole.is_projected and by_whole.axis_info[0].unit_conversion_factor == 1
    if not (in_metres and by_parameters.is_projected):
        return
    if cells_apart(transform, shape, by_whole.to_wkt(), by_parameters.to_wkt()) >= ELSEWHERE:
        raise IcemapError(
            f"{who}: its grid mapping is {by_whole.name} by its whole CRS, and"
            f" '{attrs.get('grid_mapping_name')}' with parameters that put its cells elsewhere: say"
            " with 'crs' in the catalogue which CRS is right, for example EPSG:3413, or correct the"
            " file."
        )
