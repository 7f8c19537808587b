"""The CRS of a file as it can be used: on Greenwich and in degrees, or refused."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError

if TYPE_CHECKING:
    import pyproj


@dataclass(frozen=True)
class Frame:
    """A CRS, and what makes coordinates of a file those of it.

    Attributes
    ----------
    crs : str
        Geographic ones count degrees from Greenwich.
    degrees : float
        Degrees in the file's unit of angle; 1 for a projected CRS.
    meridian : float
        Longitude of the file's prime meridian, degrees; 0 for a projected CRS.
    """

    crs: str
    degrees: float = 1.0
    meridian: float = 0.0


@lru_cache(maxsize=256)
def frame_of(crs: str, who: str) -> Frame:
    """Read a CRS.

    Parameters
    ----------
    crs : str
        WKT or code.
    who : str
        Source and file, for messages.

    Raises
    ------
    IcemapError
        If it is no CRS, or one that is tied to no place on the globe.
    """
    import pyproj

    try:
        known = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise IcemapError(
            f"{who}: '{crs[:80]}' is not a CRS: give 'crs' in the catalogue, for example EPSG:4326."
        ) from error
    if not (known.is_geographic or known.is_projected or known.is_derived) or not _is_tied(known):
        raise IcemapError(
            f"{who}: its CRS '{known.name}' is a local one, tied to no place on the globe: give the"
            " true one as 'crs' in the catalogue, for example EPSG:32633."
        )
    if not known.is_geographic or known.is_derived:
        return Frame(crs)
    degrees = float(np.degrees(known.axis_info[0].unit_conversion_factor or np.pi / 180))
    meridian = known.prime_meridian
    radians = 0.0 if meridian is None else meridian.longitude * meridian.unit_conversion_factor
    turn = float(np.degrees(radians))
    if abs(turn) < 1e-12 and abs(degrees - 1) < 1e-9:
        return Frame(crs)
    return Frame(_greenwich(known), float(f"{degrees:.12g}"), float(f"{turn:.12g}"))


def _is_tied(known: pyproj.CRS) -> bool:
    import pyproj

    try:
        pyproj.Transformer.from_crs("EPSG:4326", known, always_xy=True)
    except pyproj.exceptions.ProjError:
        return False
    return True


def _greenwich(known: pyproj.CRS) -> str:
    """The same datum, in degrees from Greenwich."""
    import pyproj

    plain = copy.deepcopy(known.to_json_dict())
    _from_greenwich(plain)
    plain["name"] = f"{known.name} from Greenwich"
    return str(pyproj.CRS.from_json_dict(plain).to_wkt())


def _from_greenwich(part: Any) -> None:
    if isinstance(part, list):
        for item in part:
            _from_greenwich(item)
    if not isinstance(part, dict):
        return
    if "prime_meridian" in part:
        part["prime_meridian"] = {"name": "Greenwich", "longitude": 0}
    if "coordinate_system" in part:
        for axis in part["coordinate_system"]["axis"]:
            if axis["direction"] in ("north", "south", "east", "west"):
                axis["unit"] = "degree"
    if (
        "id" in part
        and "type" in part
        and str(part["type"]).endswith(("CRS", "Datum", "ReferenceFrame"))
    ):
        del part["id"]
    for value in part.values():
        _from_greenwich(value)
