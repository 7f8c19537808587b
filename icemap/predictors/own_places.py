"""Whether the CRS of a projected file agrees with the longitudes and latitudes that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.axes import Axis
from icemap.source import Source
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

if TYPE_CHECKING:
    import xarray as xr

LONGITUDES, LATITUDES = ("lon", "longitude"), ("lat", "latitude")
# Cells that are asked, along each axis, and how many cells half of them may be off: datums and
# roundings make less.
ASKED, MAX_CELLS = 5, 2.0

Floats = NDArray[np.float64]


def require_own_places(
    source: Source, crs: str, dataset: xr.Dataset, dims: tuple[str, str], axes: tuple[Axis, Axis]
) -> None:
    """Refuse a CRS by which cells are elsewhere than the file's own coordinates of them say.

    Parameters
    ----------
    source : Source
    crs : str
        Of the catalogue or the file.
    dataset : Dataset
        With values as they are stored.
    dims : (str, str)
        Dimensions along x and y.
    axes : (Axis, Axis)
        Where the cells are along them, in the CRS.

    Raises
    ------
    IcemapError
        Naming the CRS, a cell, and both places.
    """
    x, y = dims
    lon, lat = (_held(dataset, dims, names) for names in (LONGITUDES, LATITUDES))
    if lon is None or lat is None:
        return
    cols, rows = (
        np.unique(np.linspace(0, dataset.sizes[dim] - 2, ASKED).astype(int)) for dim in dims
    )
    if cols.min() < 0 or rows.min() < 0:
        return
    own, other = (
        unit_vectors(*(_values(one.isel({y: rows, x: cols + step}), dims) for one in (lon, lat)))
        for step in (0, 1)
    )
    import pyproj

    across, down = axes
    eastings, northings = np.meshgrid(
        across.edge + across.step * (cols + 0.5), down.edge + down.step * (rows + 0.5)
    )
    turn = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    east, north = (np.ravel(part) for part in turn.transform(eastings, northings))
    with np.errstate(invalid="ignore"):
        side = np.linalg.norm(own - other, axis=1)
        off = np.linalg.norm(own - unit_vectors(east, north), axis=1)
    known = np.isfinite(side + off) & (side > 0)
    if not known.any() or np.median((off / side)[known]) <= MAX_CELLS:
        return
    worst = int(np.argmax(np.where(known, off, 0)))
    told = [float(_values(one.isel({y: rows, x: cols}), dims)[worst]) for one in (lon, lat)]
    name = pyproj.CRS.from_user_input(crs).name
    called = "that of the file" if name in ("undefined", "unknown") else name
    raise IcemapError(
        f"The source '{source.name}' ({source.url}): a cell that by '{lon.name}' and '{lat.name}'"
        f" of the file is at {told[0]:.2f} E, {told[1]:.2f} N would by the CRS ({called}) be at"
        f" {east[worst]:.2f} E, {north[worst]:.2f} N, {off[worst] * EARTH_RADIUS_KM:,.0f} km off:"
        " correct 'crs' in the catalogue, or the file."
    )


def _held(
    dataset: xr.Dataset, dims: tuple[str, str], names: tuple[str, ...]
) -> xr.DataArray | None:
    """The variable of both dimensions that is the longitude or the latitude, in degrees."""
    for name, variable in dataset.variables.items():
        said = str(variable.attrs.get("standard_name", "")) or str(name).lower()
        is_plain = variable.dtype.kind == "f" or "scale_factor" in variable.attrs
        if set(variable.dims) == set(dims) and said in names and is_plain:
            return dataset[name]
    return None


def _values(held: xr.DataArray, dims: tuple[str, str]) -> Floats:
    """Degrees, row by row, NaN where there are none."""
    stored = np.asarray(held.transpose(*reversed(dims)), dtype=np.float64).ravel()
    scale, offset = (
        float(held.attrs.get(key, none)) for key, none in (("scale_factor", 1), ("add_offset", 0))
    )
    degrees = stored * scale + offset
    return np.where(np.abs(degrees) <= 360, degrees, np.nan)
