"""Totals of a map with their intervals: of regions, of polygons, and of the classes of a raster.

The package is itself the public function ``icemap.totals(map, region)``, whose name it has.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class _CallablePackage(ModuleType):
    def __call__(
        self, map: str | xr.Dataset, region: str | None = None, **keys: Any
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
            If there is no such region, mask or file, or the dataset is not a whole map as it is
            stored.
        """
        from icemap.totals.ice_storage import ice_storage
        from icemap.totals.opened import stored_map

        return ice_storage(stored_map(map), region, **keys)


sys.modules[__name__].__class__ = _CallablePackage
