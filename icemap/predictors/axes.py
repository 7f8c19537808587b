"""Where the cells of a file are: edges and step of its axes, in the unit of its CRS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.units import conversion, says_nothing

if TYPE_CHECKING:
    import pyproj
    import xarray as xr

# Part of a cell by which a coordinate may be off its even place: files round coordinates.
ROUNDED = 0.1
# Deviations up to this part of a cell are those of floating point; both ends are then exact.
EXACT = 1e-3
DEGREES = {"degrees_east", "degree_east", "degrees_e", "degree_e", "degrees_north", "degree_north"}
DEGREES |= {
    "degrees_n",
    "degree_n",
    "degreee",
    "degreesn",
    "degreen",
    "degreese",
    "degrees",
    "degree",
}
DEGREES |= {"deg", "°", "decimal degrees", "decimal_degrees", "arc_degree", "arcdeg"}
NAMED: tuple[str, ...] = (
    "latitude",
    "longitude",
    "projection_x_coordinate",
    "projection_y_coordinate",
)
# Of a rotated pole.
ROTATED = ("grid_latitude", "grid_longitude")
NAMED += ROTATED


@dataclass(frozen=True)
class Axis:
    """An even axis: outer edge of its first cell, and the step from cell to cell."""

    edge: float
    step: float


def read_axis(
    dataset: xr.Dataset, array: xr.DataArray, dim: str, crs: pyproj.CRS, who: str, *, is_x: bool
) -> Axis:
    """Where the cells of an axis are, in the unit of the CRS.

    Parameters
    ----------
    dataset : xarray.Dataset
        Holds the bounds of the axis, if it has any.
    array : xarray.DataArray
    dim : str
        Name of the axis.
    crs : pyproj.CRS
    who : str
        Source and file, for messages.
    is_x : bool
        The axis runs from west to east, or from east to west.

    Raises
    ------
    IcemapError
        If the axis has no coordinates, is not evenly spaced, has bounds that do not fit it, or
        a unit that its CRS denies.
    """
    if dim not in array.coords:
        raise IcemapError(
            f"{who}: its axis '{dim}' has no coordinates, only numbers of rows or columns: grid the"
            " file first (with gdalwarp or xarray), or name axes with coordinates as 'x' and 'y'."
        )
    coordinate = array[dim]
    if np.dtype(coordinate.dtype).kind not in "iuf":
        raise IcemapError(f"{who}: its axis '{dim}' holds no numbers; name another as 'x' or 'y'.")
    factor = _factor(coordinate, crs, who, is_x=is_x)
    centres = np.asarray(coordinate, dtype=np.float64) * factor
    if not np.isfinite(centres).all():
        raise IcemapError(
            f"{who}: its axis '{dim}' has gaps among its coordinates; repair the file."
        )
    round_the_globe = is_x and crs.is_geographic
    if round_the_globe:
        centres = _unwrapped(centres)
    edges = _bounds(dataset, array, dim, who)
    if edges is not None:
        return _from_bounds(edges * factor, centres, dim, who, round_the_globe=round_the_globe)
    if centres.size < 2:
        raise IcemapError(
            f"{who}: its axis '{dim}' has one coordinate and no bounds, so the size of its cell is"
            " not known: give the file bounds, or save it as a GeoTIFF."
        )
    first, step = _even(centres, dim, who)
    return Axis(first - step / 2, step)


def require_coordinates(array: xr.DataArray, x: str, y: str, who: str) -> None:
    """Refuse axes that only count rows and columns, whatever they are called.

    Parameters
    ----------
    array : DataArray
        A variable of a file.
    x, y : str
        Names of its axes.
    who : str
        The source, for messages.
    """
    counting = [
        dim
        for dim in (x, y)
        if dim in array.coords and _counts(array[dim]) and not _says_what(array[dim])
    ]
    if len(counting) == 2:
        raise IcemapError(
            f"{who}: its axes '{x}' and '{y}' only count columns and rows, and have no unit that "
            "would make coordinates of them: grid the file first (with gdalwarp or xarray)."
        )


def _counts(coordinate: xr.DataArray) -> bool:
    if np.dtype(coordinate.dtype).kind not in "iuf":
        return False
    values = np.asarray(coordinate, dtype=np.float64)
    return bool(
        values.size
        and values[0] in (0.0, 1.0)
        and np.array_equal(np.diff(values), np.ones(values.size - 1))
    )


def _says_what(coordinate: xr.DataArray) -> bool:
    """Whether an axis has a unit of angle or length, or a name by which coordinates are known."""
    unit = str(coordinate.attrs.get("units", ""))
    named = str(coordinate.attrs.get("standard_name", "")) in NAMED
    plain = str(coordinate.name).lower() in ("lat", "lon", "latitude", "longitude")
    return (
        named
        or plain
        or _is_degrees(unit)
        or (not says_nothing(unit) and conversion(unit, "m") is not None)
    )


def _is_degrees(unit: str) -> bool:
    return unit.strip().lower() in DEGREES


def _factor(coordinate: xr.DataArray, crs: pyproj.CRS, who: str, *, is_x: bool) -> float:
    """By what coordinates of a file are multiplied to be those of its CRS."""
    unit = str(coordinate.attrs.get("units", "")).strip()
    dim = str(coordinate.name)
    standard = str(coordinate.attrs.get("standard_name", "")).strip()
    wrong = {"latitude", "degrees_north"} if is_x else {"longitude", "degrees_east"}
    if {unit, standard} & wrong:
        key = "x" if is_x else "y"
        said = f"the unit '{unit}'" if unit in wrong else f"the standard_name '{standard}'"
        raise IcemapError(
            f"{who}: its axis '{dim}' has {said}, but is read as '{key}': exchange 'x' and 'y' in"
            " the catalogue, or correct the file."
        )
    if standard in ROTATED and crs.is_geographic and not crs.is_derived:
        raise IcemapError(
            f"{who}: its axis '{dim}' is a {standard}, counted from a rotated pole, and its CRS"
            f" ({crs.name}) has none: give as 'crs' in the catalogue the rotated one, for example"
            " '+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +datum=WGS84"
            " +type=crs'."
        )
    if says_nothing(unit):
        return 1.0
    if _is_degrees(unit):
        angle: float | None = np.pi / 180
    else:
        found = conversion(unit, "radian")
        angle = found.factor if found is not None and unit != "1" else None
    if crs.is_geographic:
        own = crs.axis_info[0].unit_conversion_factor or np.pi / 180
        if angle is not None:
            return _tidy(angle / own)
    else:
        own = crs.axis_info[0].unit_conversion_factor or 1.0
        height = _satellite_height(crs)
        if height is not None and (angle is not None or unit == "1"):
            # Scanning angles; PROJ wants them times the height of the satellite.
            return (1.0 if angle is None else angle) * height / own
        length = conversion(unit, "m")
        if length is not None and unit != "1":
            return _tidy(length.factor / own)
    if angle is None and conversion(unit, "m") is None:
        # Says nothing about places: "1", or a word of its own.
        return 1.0
    raise IcemapError(
        f"{who}: its axis '{dim}' is in '{unit}', which coordinates of its CRS ({crs.name}) are not"
        " in: correct 'crs' in the catalogue, or name other axes as 'x' and 'y'."
    )


def _tidy(factor: float) -> float:
    return float(f"{factor:.14g}")


def _satellite_height(crs: pyproj.CRS) -> float | None:
    operation = crs.coordinate_operation
    if operation is None or "geostationary" not in operation.method_name.lower():
        return None
    heights = [one.value for one in operation.params if "height" in one.name.lower()]
    return float(heights[0]) if heights else None


def _unwrapped(longitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes that go on beyond 180 degrees where those of the file jump."""
    jumps = np.diff(longitudes)
    turns = np.concatenate([[0.0], np.cumsum(np.where(np.abs(jumps) > 180, -np.sign(jumps), 0))])
    return longitudes + 360 * turns


def _bounds(
    dataset: xr.Dataset, array: xr.DataArray, dim: str, who: str
) -> NDArray[np.float64] | None:
    """Both edges of each cell as the file has them, shape (cells, 2); None if it has none."""
    attrs: dict[str, object] = {**array[dim].encoding, **array[dim].attrs}
    name = attrs.get("bounds")
    if name is None:
        return None
    if name not in dataset.variables:
        raise IcemapError(
            f"{who}: its axis '{dim}' names the bounds '{name}', which it does not have; repair the"
            " file."
        )
    held = dataset[name]
    if held.shape != (array.sizes[dim], 2):
        raise IcemapError(
            f"{who}: the bounds '{name}' are not two edges for each of the {array.sizes[dim]} cells"
            f" of '{dim}'; repair the file."
        )
    scale, offset = (
        float(held.attrs.get(key, value)) for key, value in (("scale_factor", 1), ("add_offset", 0))
    )
    return np.asarray(held, dtype=np.float64) * scale + offset


def _from_bounds(
    bounds: NDArray[np.float64],
    centres: NDArray[np.float64],
    dim: str,
    who: str,
    *,
    round_the_globe: bool,
) -> Axis:
    if round_the_globe:
        bounds = bounds + 360 * np.round((centres[:, None] - bounds) / 360)
    low, high = bounds.min(axis=1), bounds.max(axis=1)
    sizes = high - low
    size = float(np.median(sizes))
    slack = ROUNDED * size
    if not (np.isfinite(bounds).all() and (sizes > 0).all()):
        raise IcemapError(
            f"{who}: the bounds of its axis '{dim}' hold cells without an extent; repair the file."
        )
    if ((centres < low - slack) | (centres > high + slack)).any():
        raise IcemapError(
            f"{who}: coordinates of its axis '{dim}' are outside of their own bounds; correct one"
            " of them in the file."
        )
    rising = centres.size < 2 or centres[-1] > centres[0]
    begins, ends = (low, high) if rising else (high, low)
    if (np.abs(begins[1:] - ends[:-1]) > slack).any():
        raise IcemapError(
            f"{who}: the bounds of its axis '{dim}' leave gaps between cells or overlap; regrid the"
            " file first."
        )
    edge, step = _even(np.append(begins, ends[-1]), dim, who)
    return Axis(edge, step)


def _even(places: NDArray[np.float64], dim: str, who: str) -> tuple[float, float]:
    """First place and step of even places; rounded ones by the line through all of them."""
    count = np.arange(places.size)
    first, step = float(places[0]), float((places[-1] - places[0]) / (places.size - 1))
    if step and np.abs(places - (first + step * count)).max() <= EXACT * abs(step):
        return first, step
    slope, start = np.polyfit(count, places, 1)
    if slope and np.abs(places - (start + slope * count)).max() <= ROUNDED * abs(slope):
        return float(start), float(slope)
    raise IcemapError(f"{who}: its axis '{dim}' is not evenly spaced; regrid the file first.")
