"""The map's numbers at one place."""

from __future__ import annotations

from typing import Any

from icemap.errors import IcemapError
from icemap.grid import wrapped
from icemap.gridded import grid_of
from icemap.mapping.map_schema import open_map, target_of
from icemap.store import storage_errors


def query(
    map_url: str, lon: float, lat: float, **storage_options: Any
) -> dict[str, float | bool | str]:
    """Value and interval in the cell that holds a place; one stored chunk per variable is read, not
    the map.

    Parameters
    ----------
    map_url : str
    lon, lat : float
        Degrees, WGS84; longitudes from 0 to 360 are taken as well. Those of the answer are from
        -180 to 180.

    Returns
    -------
    dict
        ``lon`` and ``lat`` of the cell's centre, ``unit``, then every variable of the map; the
        flags ``aoa`` and ``extrapolated`` are booleans.

    Raises
    ------
    IcemapError
        If the place is outside the map or its cell is not mapped.
    """
    dataset = open_map(map_url, **storage_options)
    target, grid = target_of(dataset), grid_of(dataset)
    row, col = (int(i) for i in grid.locate(lon, lat))
    if row < 0:
        spans = f"{grid.west:g} to {grid.east:g} E and {grid.south:g} to {grid.north:g} N"
        raise IcemapError(
            f"Longitude {lon:g}, latitude {lat:g} is outside the map {map_url}, which spans"
            f" {spans}."
        )
    with storage_errors(map_url, "read"):
        cell = dataset.isel(latitude=row, longitude=col).load()
    if not cell[target.name].notnull():
        raise IcemapError(
            f"Longitude {lon:g}, latitude {lat:g} is not mapped in {map_url}: its cell is water,"
            " masked, or lacks a predictor. Try a place next to it."
        )
    values = {str(name): float(variable) for name, variable in cell.data_vars.items()}
    flags: dict[str, bool] = {
        name: bool(values[name]) for name in ("aoa", "extrapolated") if name in values
    }
    return {
        "lon": float(wrapped(cell.longitude)),
        "lat": float(cell.latitude),
        "unit": target.unit,
        **values,
        **flags,
    }
