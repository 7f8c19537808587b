"""``ds.icemap``: a map or a cube looked at and asked where it was opened.

Opening one with icemap gives datasets this accessor, and so does ``import icemap`` after xarray;
elsewhere ``import icemap.products.accessor`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from icemap.errors import IcemapError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from icemap.comparison.result import Comparison
    from icemap.products.figures.projection import Projection
    from icemap.products.figures.shown import Picture
    from icemap.products.query import Answer


@xr.register_dataset_accessor("icemap")
class IcemapAccessor:
    """What a map, or a part of it, can be asked.

    Examples
    --------
    >>> ds = icemap.open_map("run/map.zarr")  # doctest: +SKIP
    >>> ds.icemap.plot()  # doctest: +SKIP
    >>> ds.icemap.query(125.7, 62.1)["vic"]  # doctest: +SKIP
    31.4
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def plot(
        self,
        variable: str | None = None,
        title: str | None = None,
        sites: pd.DataFrame | None = None,
        projection: Projection = "equal-area",
        pixels: int = 900,
    ) -> Picture:
        """The report's picture of a map: its target, and the width of its 95 % interval, hatched
        outside the area of applicability; or one variable of a map or a cube.

        Parameters
        ----------
        variable : str, optional
            Of the dataset.
        title : str, optional
            That of the dataset when left out.
        sites : DataFrame, optional
            With columns ``lon`` and ``lat``, drawn as dots.
        projection : {"equal-area", "plate-carree"}
            Equal area looks down on the pole when the grid goes around it.
        pixels : int
            Width of a map.

        Returns
        -------
        Picture
            Jupyter shows it; ``.save("map.png")`` writes it, ``.figure`` is matplotlib's.

        Raises
        ------
        IcemapError
            If there is no such variable, or without one, the dataset is no map.
        """
        from icemap.products.figures.shown import picture

        if variable is not None and variable not in self._dataset.data_vars:
            raise IcemapError(
                f"The dataset has no variable '{variable}': it has"
                f" {', '.join(map(str, self._dataset.data_vars))}."
            )
        title = str(self._dataset.attrs.get("title", "")) if title is None else title
        return picture(self._dataset, variable, title, sites, projection, pixels)

    def query(self, lon: ArrayLike, lat: ArrayLike) -> Answer | pd.DataFrame:
        """Value and interval at a place, or at many, see `icemap.query`."""
        from icemap.products.query import query

        return query(self._dataset, lon, lat)

    def totals(self, region: str | None = None, **keys: Any) -> pd.DataFrame:
        """Totals of a whole map: of regions, of a file of polygons, or with ``zones`` of the
        classes of a raster, see `icemap.totals`.
        """
        from icemap.totals.public import totals

        return totals(self._dataset, region, **keys)

    def compare(self, other: str, **keys: Any) -> Comparison:
        """Compare the run of a map with an earlier map or run, see `icemap.compare`."""
        from icemap.products.comparison import compare
        from icemap.run_folder import RunFolder
        from icemap.totals.public import stored_map

        return compare(RunFolder.of_map(stored_map(self._dataset)).url, other, **keys)
