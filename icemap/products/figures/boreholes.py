"""Figures of the boreholes: where they are, and what values they have. Each returns the bytes of an
SVG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.config import TargetConfig
from icemap.land import land_at
from icemap.products.figures.style import (
    BLUE,
    GRATICULE,
    GREY,
    INK,
    LAND,
    SEA,
    VERMILION,
    new_figure,
    saved,
    styled,
)

if TYPE_CHECKING:
    pass

USED, UNUSED = BLUE, VERMILION
LAND_PIXELS = 700


@styled
def boreholes_map(sites: pd.DataFrame) -> bytes:
    """Map of the used and unused sites on an equal-area view of the northern hemisphere (Lambert,
    centred on the pole).

    Parameters
    ----------
    sites : DataFrame
        ``lon, lat, used``; sites without coordinates, or south of the equator, cannot be drawn.

    Returns
    -------
    bytes
        SVG.
    """
    figure = new_figure(7.0, 7.0, layout=None)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    lon, lat, used = (
        sites["lon"].to_numpy(float),
        sites["lat"].to_numpy(float),
        sites["used"].to_numpy(bool),
    )
    drawn = on_the_map(sites)
    south = (
        max(0.0, 5 * np.floor((np.quantile(lat[drawn], 0.005) - 4) / 5)) if drawn.any() else 30.0
    )
    edge = _project(np.array([0.0]), np.array([south]))[1][0]
    limit = abs(edge)
    axes.imshow(
        _land(limit),
        extent=(-limit, limit, -limit, limit),
        cmap=_colours(),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        rasterized=True,
    )
    circle = np.linspace(-180, 180, 361)
    for parallel in np.arange(np.ceil((south + 1) / 10) * 10, 90, 10):
        axes.plot(*_project(circle, np.full(361, parallel)), color=GRATICULE, linewidth=0.5)
        x, y = _project(np.array([-45.0]), np.array([parallel]))
        axes.text(x[0], y[0], f"{parallel:.0f}°N", color=GREY, fontsize=7, ha="center", va="center")
    for meridian in range(-180, 180, 30):
        axes.plot(
            *_project(np.array([meridian, meridian]), np.array([south, 88.0])),
            color=GRATICULE,
            linewidth=0.5,
        )
    for which, colour, marker, name in (
        (~used, UNUSED, "x", "not used"),
        (used, USED, "o", "used"),
    ):
        x, y = _project(lon[drawn & which], lat[drawn & which])
        style: dict[str, Any] = (
            {"color": colour, "linewidths": 0.9}
            if marker == "x"
            else {"facecolors": colour, "edgecolors": "white", "linewidths": 0.4}
        )
        axes.scatter(
            x, y, s=16, marker=marker, label=f"{name} ({np.sum(drawn & which)})", zorder=3, **style
        )
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set_axis_off()
    axes.legend(loc="lower right", frameon=True, facecolor="white", framealpha=0.9, fontsize=9)
    return saved(figure, "svg")


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
        low, high = target.bounds if target.bounds is not None else (values.min(), values.max())
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


def _project(
    lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lambert azimuthal equal-area, north pole in the middle, 90 W to the left (Snyder 1987,
    doi:10.3133/pp1395, eq. 24-1).
    """
    radius = np.sqrt(2) * np.sqrt(1 - np.sin(np.radians(lat)))
    return radius * np.sin(np.radians(lon)), -radius * np.cos(np.radians(lon))


def _land(limit: float) -> NDArray[np.float64]:
    axis = (np.arange(LAND_PIXELS) + 0.5) / LAND_PIXELS * 2 * limit - limit
    x, y = np.meshgrid(axis, axis[::-1])
    squared = x**2 + y**2
    lat = np.degrees(np.arcsin(np.clip(1 - squared / 2, -1, 1)))
    lon = np.degrees(np.arctan2(x, -y))
    return np.where(squared <= limit**2, land_at(lon, lat), np.nan)


def _colours() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([SEA, LAND])
