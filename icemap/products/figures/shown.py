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


# Fine enough for a screen, and small enough to be stored in a notebook.
SCREEN_DPI = 90


class Picture:
    """A drawn figure; Jupyter shows it.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        To be changed further.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def __repr__(self) -> str:
        return "Picture: save(path) writes it, figure is matplotlib's"

    def _repr_png_(self) -> bytes:
        return saved(self.figure, "png", dpi=SCREEN_DPI)

    def save(self, path: str) -> None:
        """Write it as PNG."""
        with open(path, "wb") as file:
            file.write(saved(self.figure, "png"))


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
