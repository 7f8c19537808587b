"""``icemap.totals``: totals of a map, opened or by its address."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from icemap.errors import IcemapError
from icemap.gridded import grid_of
from icemap.mapping.map_schema import open_map, target_name
from icemap.totals.ice_storage import ice_storage

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def totals(
    map: str | PathLike[str] | xr.Dataset, region: str | PathLike[str] | None = None, **keys: Any
) -> pd.DataFrame:
    """Totals of a map per region, with interval and parts, see `icemap.ice_storage`.

    Parameters
    ----------
    map : str or xarray.Dataset
        A finished map, as its address or as `icemap.open_map` opened it.
    region : str, optional
        One region, or a file of polygons; all regions when left out.
    **keys
        As of `icemap.ice_storage`: ``zones``, ``classes``, ``mask``, ``attribute`` ...

    Returns
    -------
    pandas.DataFrame
        One row per region.

    Raises
    ------
    IcemapError
        If there is no such region, mask or file, or the dataset is not a whole map as it is stored.
    """
    return ice_storage(stored_map(map), region, **keys)


def stored_map(map: str | PathLike[str] | xr.Dataset) -> str:
    """Where a map is stored.

    Raises
    ------
    IcemapError
        If a dataset does not say where it was opened, or is another than the map that is there,
        such as a part of it: the totals would not be those of the dataset.
    """
    if isinstance(map, str | PathLike):
        return fspath(map)
    url = map.encoding.get("source")
    if not isinstance(url, str):
        raise IcemapError(
            "This dataset does not say which map it was opened from, and totals are made from what"
            " is stored with the map: give the address of the map.zarr, or open it with open_map."
        )
    stored = open_map(url)
    name = target_name(stored)
    if name not in map or grid_of(map) != grid_of(stored):
        raise IcemapError(
            f"This dataset is a part of the map {url}, and totals are made from what is stored with"
            " the whole map: give the area as a file of polygons, and the dataset as open_map opens"
            " it."
        )
    for variable in map.data_vars:
        if variable in stored and not _same(map[variable], stored[variable]):
            raise IcemapError(
                f"'{variable}' of this dataset has other values than in the map {url}, and totals"
                " are made from what is stored there: give the dataset as open_map opens it."
            )
    return url


def _same(field: xr.DataArray, stored: xr.DataArray) -> bool:
    """True if nothing was done to what was opened; its values are read only where that is not
    certain.
    """
    names = [getattr(array.data, "name", None) for array in (field, stored)]
    if names[0] is not None and names[0] == names[1]:
        return True
    return field.dims == stored.dims and bool(
        ((field == stored) | stored.isnull() & field.isnull()).all()
    )
