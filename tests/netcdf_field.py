"""A field on a small grid in degrees as NetCDF, as written: nothing is packed on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from icemap.grid import Grid

GRID = Grid(100, 60, 110, 66, 1)


def write_field(
    path: Path,
    values: Any,
    attrs: Mapping[str, Any],
    *,
    dtype: str,
    name: str = "v",
    form: Any = "NETCDF4",
) -> Path:
    """Write the field ``name`` on `GRID`, north first."""
    with netCDF4.Dataset(path, "w", format=form) as file:
        for axis, at, unit in (
            ("lat", GRID.latitudes, "degrees_north"),
            ("lon", GRID.longitudes, "degrees_east"),
        ):
            file.createDimension(axis, at.size)
            made = file.createVariable(axis, "f8", (axis,))
            made[:], made.units = at, unit
        field = file.createVariable(name, dtype, ("lat", "lon"))
        field.set_auto_maskandscale(False)
        field[:] = np.broadcast_to(values, GRID.shape).astype(dtype)
        field.setncatts(attrs)
    return path
