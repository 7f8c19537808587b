"""Figures of one predictor: where it has which value, and how its values are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.grid import Grid
from icemap.land import land_at
from icemap.products.figures.projection import drape, view_of
from icemap.products.figures.style import BLUE, INK, VALUE_COLOURS, new_figure, saved, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASSES = "tab20"
MAP_PIXELS = 330
BINS = 40
MAX_CLASSES, MAX_NAME_LENGTH = 12, 24


@styled
def predictor_map(
    values: NDArray[np.float32],
    mapped: NDArray[np.float32],
    step: int,
    grid: Grid,
    attrs: Mapping[str, Any],
) -> bytes:
    """Thumbnail of a predictor with the coast on it, so that a turned or shifted raster is seen at
    once.

    Parameters
    ----------
    values : ndarray
        Every ``step``-th row and column of the grid, NaN for nodata.
    mapped : ndarray
        Those of them that are mapped, one-dimensional, no NaN; the colours are theirs.
    attrs : mapping
        Of the variable in the cube.

    Returns
    -------
    bytes
        PNG.
    """
    from matplotlib import colormaps

    view = view_of(grid, MAP_PIXELS)
    shown = drape(values, step, grid, view)
    left, right, bottom, top = view.extent
    figure = new_figure(3.3, 3.3 * (top - bottom) / (right - left) + 0.42, layout=None)
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.0, 0.42 / height, 1.0, 1 - 0.42 / height))
    limits, colours = _limits(mapped if mapped.size else values), VALUE_COLOURS
    if attrs.get("kind") == "class":
        codes = np.asarray(attrs["flag_values"], dtype=float)
        shown = np.where(np.isfinite(shown), np.searchsorted(codes, shown) % 20, np.nan)
        limits, colours = (0, 19), CLASSES
    inside = np.isfinite(view.cells[0]) & (view.cells[1] >= grid.south)
    axes.imshow(
        np.where(inside, 1.0, np.nan),
        extent=view.extent,
        cmap="Greys",
        vmin=0.9,
        vmax=2.2,
        interpolation="nearest",
    )
    image = axes.imshow(
        shown,
        extent=view.extent,
        cmap=colormaps[colours],
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )
    for colour, width in (("white", 1.0), (INK, 0.4)):  # seen on dark and on light
        axes.contour(
            land_at(*view.cells) & inside,
            levels=[0.5],
            colors=colour,
            linewidths=width,
            extent=view.extent,
            origin="upper",
        )
    axes.set_axis_off()
    if attrs.get("kind") != "class":
        bar = figure.colorbar(
            image,
            cax=figure.add_axes((0.12, 0.3 / height, 0.76, 0.09 / height)),
            orientation="horizontal",
            extend="both",
        )
        bar.ax.tick_params(labelsize=7, length=2, colors=INK)
        bar.ax.locator_params(nbins=5)
        bar.outline.set_visible(False)
    return saved(figure, "png", transparent=True)


@styled
def predictor_histogram(values: NDArray[np.float32], attrs: Mapping[str, Any]) -> bytes:
    """Histogram of the values in the cells to be mapped; of classes, their shares.

    Parameters
    ----------
    values : ndarray
        One-dimensional, no NaN.

    Returns
    -------
    bytes
        SVG.
    """
    if attrs.get("kind") == "class" and values.size:
        figure, axes = _class_shares(values, attrs)
    else:
        figure = new_figure(3.3, 2.0, layout=None)
        axes = figure.add_subplot()
        if values.size:
            low, high = float(values.min()), float(values.max())
            axes.hist(
                values,
                bins=np.linspace(low, high if high > low else low + 1, BINS + 1).tolist(),
                color=BLUE,
            )
        else:
            axes.text(
                0.5,
                0.5,
                "no value in the cells to be mapped",
                ha="center",
                va="center",
                transform=axes.transAxes,
                color=INK,
            )
        axes.set_yticks([])
        axes.set_xlabel("" if attrs["units"] == "1" else attrs["units"], fontsize=8)
        axes.spines["left"].set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    figure.tight_layout(pad=0.3)
    return saved(figure, "svg", transparent=True)


def _class_shares(values: NDArray[np.float32], attrs: Mapping[str, Any]) -> tuple[Figure, Axes]:
    from matplotlib import colormaps

    codes = np.asarray(attrs["flag_values"])
    names = str(attrs["flag_meanings"]).split()
    share = 100 * np.array([np.mean(values == code) for code in codes])
    order = np.argsort(-share, kind="stable")[: min(MAX_CLASSES, np.count_nonzero(share))]
    figure = new_figure(3.3, 0.5 + 0.19 * len(order), layout=None)
    axes = figure.add_subplot()
    axes.barh(
        range(len(order)),
        share[order],
        color=[colormaps[CLASSES](i % 20) for i in order],
        height=0.8,
    )
    axes.set_yticks(range(len(order)), [f"{codes[i]} {_short(names[i])}" for i in order])
    axes.invert_yaxis()
    rest = np.count_nonzero(share) - len(order)
    axes.set_xlabel(
        "% of the cells" + (f"; {rest} rarer ones left out" if rest else ""),
        fontsize=8,
        loc="right",
    )
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _short(name: str) -> str:
    name = name.replace("_", " ")
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """The central 98 %, so that one outlier does not take all the colours."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.quantile(known, [0.01, 0.99])
    if high <= low:
        low, high = known.min(), known.max()
    return float(low), float(high if high > low else low + 1)
