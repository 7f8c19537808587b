"""Pictures that notebooks show as the last value of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context

from icemap.products.figures.maps import field_drawing, map_drawing
from icemap.products.figures.style import STYLE, saved

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from icemap.products.figures.projection import Projection


class Picture:
    """A drawn figure; Jupyter shows it as it is saved.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        To be changed further.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def _repr_png_(self) -> bytes:
        return saved(self.figure, "png")

    def save(self, path: str) -> None:
        """Write it as PNG."""
        with open(path, "wb") as file:
            file.write(self._repr_png_())


def picture(
    dataset: xr.Dataset,
    variable: str | None,
    title: str,
    sites: pd.DataFrame | None,
    projection: Projection,
    pixels: int,
) -> Picture:
    """The report's picture of a map, or one variable of a map or cube."""
    with rc_context(STYLE):
        if variable is None:
            return Picture(map_drawing(dataset, title, sites, projection, pixels))
        return Picture(field_drawing(dataset, variable, title, sites, projection, pixels))
