"""The map under points: land, sea and graticule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from icemap.land import land_at
from icemap.products.figures.graticule import draw_graticule
from icemap.products.figures.projection import View
from icemap.products.figures.style import GRATICULE, GREY, LAND, SEA, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def base_map(view: View) -> tuple[Figure, Axes]:
    """An empty map of land and sea with a graticule, as axes in km."""
    from matplotlib.colors import ListedColormap

    left, right, bottom, top = view.extent
    wide = (top - bottom) / (right - left)
    figure = new_figure(6.4, 6.4 * wide + 0.2)
    axes = figure.add_subplot()
    longitude, latitude = view.cells
    seen = land_at(longitude, latitude) & np.isfinite(longitude) & (latitude >= view.south)
    globe = np.isfinite(longitude) & (latitude >= view.south)
    axes.imshow(
        np.where(seen, 1.0, np.where(globe, 0.0, np.nan)),
        extent=view.extent,
        cmap=ListedColormap([SEA, LAND]),
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    if view.polar:
        for parallel in np.arange(np.ceil((view.south + 1) / 10) * 10, 89, 10):
            axes.plot(
                *view.project(np.linspace(-180, 180, 361), np.full(361, parallel)),
                color=GRATICULE,
                lw=0.4,
            )
            x, y = view.project(-45.0, parallel)
            axes.annotate(
                f"{parallel:.0f}°N",
                (float(x), float(y)),
                ha="center",
                va="center",
                fontsize=6,
                color=GREY,
            )
    else:
        draw_graticule(axes, view)
    axes.set(xlim=view.extent[:2], ylim=view.extent[2:], aspect="equal")
    axes.set_axis_off()
    return figure, axes
