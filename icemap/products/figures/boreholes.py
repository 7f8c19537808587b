"""Figures of the boreholes: where they are, and what values they have. Each returns the bytes of an
SVG.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.pseudo import is_pseudo
from icemap.config_sections import TargetConfig
from icemap.products.figures.base_map import base_map
from icemap.products.figures.projection import View
from icemap.products.figures.style import (
    BLUE,
    INK,
    VERMILION,
    new_figure,
    saved,
    styled,
)

USED, UNUSED, PSEUDO = BLUE, VERMILION, INK
LAND_PIXELS = 700
POLAR = "+proj=laea +lat_0=90 +lon_0=0"


@styled
def boreholes_map(sites: pd.DataFrame) -> bytes:
    """Map of the used and unused sites and of pseudo-sites, equal-area (Lambert): of the region
    that they are in, or centred on the pole where they are all around it.

    Parameters
    ----------
    sites : DataFrame
        ``lon, lat, used``, optional ``pseudo``; sites without coordinates, or south of the equator,
        cannot be drawn, and pseudo-sites that are not used are not.

    Returns
    -------
    bytes
        SVG.
    """
    lon, lat, used, pseudo = (
        sites["lon"].to_numpy(float),
        sites["lat"].to_numpy(float),
        sites["used"].to_numpy(bool),
        is_pseudo(sites),
    )
    drawn = on_the_map(sites)
    view = sites_view(lon[drawn], lat[drawn])
    figure, axes = base_map(view)
    marks = [(~used & ~pseudo, UNUSED, "x", "not used"), (used & ~pseudo, USED, "o", "used")]
    if pseudo.any():
        marks.append((used & pseudo, PSEUDO, "^", "pseudo-sites"))
    for which, colour, marker, name in marks:
        x, y = view.project(lon[drawn & which], lat[drawn & which])
        style: dict[str, Any] = (
            {"color": colour, "linewidths": 0.9}
            if marker == "x"
            else {"facecolors": colour, "edgecolors": "white", "linewidths": 0.4}
        )
        axes.scatter(
            x, y, s=16, marker=marker, label=f"{name} ({np.sum(drawn & which)})", zorder=3, **style
        )
    axes.legend(loc="lower right", frameon=True, facecolor="white", framealpha=0.9, fontsize=9)
    return saved(figure, "svg")


def sites_view(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> View:
    """How to look at sites: at their region, or from above the pole where they span more than half
    of the longitudes, or there are none.
    """
    if not len(lon):
        return View(POLAR, True, -180, 30, 180, 90, LAND_PIXELS)
    # The region begins east of the widest gap, which may hold the date line or not.
    turned = np.sort(lon)
    gaps = np.diff(np.append(turned, turned[0] + 360))
    first = int(np.argmax(gaps))
    west = float(turned[(first + 1) % len(turned)])
    span = 360 - float(gaps[first])
    south, north = float(np.quantile(lat, 0.005)), float(lat.max())
    if span > 180:
        south = max(0.0, 5 * np.floor((south - 4) / 5))
        return View(POLAR, True, -180, south, 180, 90, LAND_PIXELS)
    middle = west + span / 2
    # Not so near that nobody knows the coast, and no slimmer than a page can show.
    high = max(1.15 * (north - south), 2.0)
    wide = max(1.15 * span, 0.7 * high / max(np.cos(np.radians((north + south) / 2)), 0.2))
    high = max(high, 0.5 * wide * np.cos(np.radians((north + south) / 2)))
    centre = (north + south) / 2
    south, north = max(centre - high / 2, 0.0), min(centre + high / 2, 90.0)
    projection = f"+proj=laea +lat_0={(south + north) / 2:g} +lon_0={middle:g}"
    return View(projection, False, middle - wide / 2, south, middle + wide / 2, north, LAND_PIXELS)


def on_the_map(sites: pd.DataFrame) -> NDArray[np.bool_]:
    """Which sites can be drawn: those with possible coordinates north of the equator."""
    lon, lat = sites["lon"].to_numpy(float), sites["lat"].to_numpy(float)
    return (np.abs(lon) <= 180) & (lat > 0) & (lat <= 90)


@styled
def value_histogram(sites: pd.DataFrame, target: TargetConfig) -> bytes:
    """Histogram of the values of the used sites.

    Returns
    -------
    bytes
        SVG.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(7.0, 3.4, layout=None)
    axes = figure.add_subplot()
    values = sites.loc[sites["used"].astype(bool), "value"].to_numpy(float)
    if len(values):
        low, high = target.closed_bounds or (values.min(), values.max())
        low, high = min(low, values.min()), min(high, values.max()) if target.unit != "%" else high
        bins = np.linspace(low, high if high > low else low + 1, 21)
        axes.hist(values, bins=bins.tolist(), color=USED, edgecolor="white")
        axes.axvline(
            float(np.median(values)),
            color=UNUSED,
            linewidth=1.5,
            label=f"median {np.median(values):.3g} {target.unit}",
        )
        axes.legend(frameon=False, fontsize=9)
    else:
        axes.text(
            0.5,
            0.5,
            "no site is used",
            ha="center",
            va="center",
            transform=axes.transAxes,
            color=INK,
        )
    axes.set_xlabel(f"{target.long_name} ({target.unit})")
    axes.set_ylabel("sites")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return saved(figure, "svg")
