"""Training table and sites as GeoParquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from icemap.errors import IcemapError
from icemap.store import read_bytes, write_bytes

if TYPE_CHECKING:
    import geopandas


def write_samples(url: str, samples: pd.DataFrame) -> None:
    """Write the training table as GeoParquet."""
    write_bytes(url, _geoparquet(samples))


def write_sites(url: str, sites: pd.DataFrame) -> None:
    """Write the site table with its reasons as GeoParquet; sites without usable coordinates have no
    geometry.
    """
    write_bytes(url, _geoparquet(sites))


def read_samples(url: str) -> pd.DataFrame:
    """Read a table that ``write_samples`` or ``write_sites`` made, without its geometry."""
    try:
        frame = pd.read_parquet(io.BytesIO(read_bytes(url)))
    except (OSError, ValueError) as error:
        raise IcemapError(
            f"{url} is not a readable Parquet file: delete it and make it again with 'icemap"
            " boreholes'."
        ) from error
    return frame.drop(columns="geometry", errors="ignore")


def _geoparquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    geopoints(table).to_parquet(buffer, index=False)
    return buffer.getvalue()


def geopoints(table: pd.DataFrame) -> geopandas.GeoDataFrame:
    """A table with ``lon`` and ``lat`` as a geopandas table; rows without possible coordinates have
    no geometry.
    """
    import geopandas
    import shapely

    lon, lat = table["lon"].to_numpy(float), table["lat"].to_numpy(float)
    real = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    points = np.full(len(table), None, dtype=object)
    points[real] = shapely.points(lon[real], lat[real])
    return geopandas.GeoDataFrame(table.reset_index(drop=True), geometry=points, crs="EPSG:4326")
