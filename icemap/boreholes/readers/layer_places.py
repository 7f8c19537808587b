"""Where the rows of a table of layers are."""

from __future__ import annotations

import pandas as pd

from icemap.borehole_sections import LayerSource
from icemap.boreholes.coordinate_checks import (
    require_not_counted_up,
    require_one_sign_by_name,
)
from icemap.boreholes.places import (
    degrees,
    in_degrees,
    projected,
    rounding_km,
)
from icemap.boreholes.places_twice import require_one_place
from icemap.boreholes.readers.layer_columns import Column
from icemap.boreholes.records import Flags, Problems
from icemap.boreholes.table_places import checked_degrees
from icemap.boreholes.tables import Table


def layer_places(
    table: Table,
    found: dict[str, Column],
    source: LayerSource,
    problems: Problems,
    flags: Flags,
    sites: pd.Series,
) -> dict[str, object]:
    """``lon`` and ``lat`` in degrees, and in which kilometres they are rounded.

    Parameters
    ----------
    table : Table
    found : dict of Column
        Its columns, by icemap's names.
    source : LayerSource
        With the CRS of projected coordinates.
    problems, flags : Problems, Flags
        Where cells that cannot be read, and how others were, are noted.
    sites : Series
        Name of the site in each row.

    Raises
    ------
    IcemapError
        If they cannot be what they are said to be.
    """
    east, north = found["longitude"], found["latitude"]
    headers = (east.header, north.header)
    if source.crs:
        lon, lat = projected(table, headers, (east.unit, north.unit), source.crs, problems)
        require_one_place(table, headers, lon, lat, source.crs)
        rounded = {"position_km": rounding_km(table, headers)} if in_degrees(source.crs) else {}
        return {"lon": lon, "lat": lat, **rounded}
    lon = degrees(table, east.header, east.unit, "longitude", problems, flags)
    lat = degrees(table, north.header, north.unit, "latitude", problems, flags)
    lon = checked_degrees(table, headers, lon, lat, flags)
    require_one_sign_by_name(table, east.header, sites, lon, lat)
    require_not_counted_up(table, {east.header: lon, north.header: lat}, sites)
    return {"lon": lon, "lat": lat, "position_km": rounding_km(table, headers)}
