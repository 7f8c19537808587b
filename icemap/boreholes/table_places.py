"""Places of the rows of a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.borehole_sections import BedrockConfig, SitesConfig
from icemap.boreholes.coordinate_checks import require_meant
from icemap.boreholes.datums import require_datum
from icemap.boreholes.places import projected, require_degrees, without_a_turn
from icemap.boreholes.places_twice import require_one_place
from icemap.boreholes.records import Flags, Problems
from icemap.boreholes.regions_told import require_region
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table
from icemap.errors import IcemapError

Floats = NDArray[np.float64]


def find_column(table: Table, wanted: str | None, key: str) -> str:
    """The header of the column that the config names, with or without its unit, under ``key``."""
    columns = [str(column) for column in table.frame.columns]
    if wanted in columns:
        return str(wanted)
    by_name = [column for column in columns if split_header(column)[0] == wanted]
    if len(by_name) == 1:
        return by_name[0]
    if by_name:
        raise IcemapError(
            f"{table.file} has several columns '{wanted}' ({key}): name one as it is written, of"
            f" {' and '.join(repr(name) for name in by_name)}."
        )
    raise IcemapError(
        f"{table.file} has no column '{wanted}' ({key}): it has {', '.join(columns[:40])}. Correct"
        " the name in the config."
    )


def table_places(
    table: Table, config: SitesConfig | BedrockConfig, section: str
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Longitude and latitude, and the rows in which they cannot be read.

    Parameters
    ----------
    table : Table
    config : SitesConfig or BedrockConfig
        With the columns, and the CRS of projected coordinates.
    section : str
        What it is called in the config, for messages.

    Raises
    ------
    IcemapError
        If a column is missing, or holds what are no coordinates.
    """
    headers = (
        find_column(table, config.longitude, f"{section}.longitude"),
        find_column(table, config.latitude, f"{section}.latitude"),
    )
    if config.crs is not None:
        problems = Problems(table)
        units = (split_header(headers[0])[1], split_header(headers[1])[1])
        lon, lat = projected(table, headers, units, config.crs, problems)
        problems.require_none()
        require_one_place(table, headers, lon, lat, config.crs)
        return lon, lat, np.zeros(len(lon), dtype=bool)
    lon, lon_unreadable = table.coordinates(headers[0], "longitude")
    lat, lat_unreadable = table.coordinates(headers[1], "latitude")
    return checked_degrees(table, headers, lon, lat), lat, lon_unreadable | lat_unreadable


def checked_degrees(
    table: Table, headers: tuple[str, str], lon: Floats, lat: Floats, flags: Flags | None = None
) -> Floats:
    """Longitudes of -180 to 180, where nothing else that the table says contradicts the places.

    Parameters
    ----------
    table : Table
    headers : (str, str)
        Of the columns of longitude and latitude.
    lon, lat : ndarray of shape (rows,)
        As they were read.
    flags : Flags, optional
        Where longitudes that are changed are noted.

    Raises
    ------
    IcemapError
        If the numbers are no degrees, or of another datum, order, sign or region than the table
        says.
    """
    require_degrees(table, headers, lon, lat)
    require_datum(table, headers, None)
    lon = without_a_turn(lon, flags)
    require_meant(table, headers, lon, lat)
    require_region(table, headers, lon, lat)
    require_one_place(table, headers, lon, lat, None)
    return lon
