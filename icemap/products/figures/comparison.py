"""Pictures of a run next to another map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.comparison.result import Total, ZoneResult
from icemap.config_sections import TargetConfig
from icemap.gridded import grid_of, open_gridded
from icemap.land import land_at
from icemap.products.figures.maps import draw_map, value_range
from icemap.products.figures.projection import downsample, drape, view_of
from icemap.products.figures.style import (
    DIFFERENCE_COLOURS,
    INK,
    VALUE_COLOURS,
    new_figure,
    saved,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OWN_COLOUR, OTHER_COLOUR = "#1f5f7a", "#b2582c"
MAX_CELLS = 1_500_000
PIXELS = 700


@styled
def comparison_maps(cells_url: str, names: tuple[str, str], target: TargetConfig) -> bytes:
    """Both maps and their difference on the cells that are compared.

    Parameters
    ----------
    cells_url : str
        The Zarr group of a comparison.
    names : (str, str)
        Of the run and of the other map.
    target : TargetConfig

    Returns
    -------
    bytes
        PNG.
    """
    dataset = open_gridded(cells_url, "comparison")
    grid = grid_of(dataset)
    view = view_of(grid, PIXELS)
    step = max(1, grid.shape[1] // (2 * PIXELS if view.polar else PIXELS))
    other, difference = (
        drape(downsample(dataset[name], step), step, grid, view) for name in ("other", "difference")
    )
    run = other + difference
    land = land_at(*view.cells)
    left, right, bottom, top = view.extent
    height = (top - bottom) / (right - left)
    wide = height < 0.4
    inches = (10.6, 3 * (9.8 * height + 1.1)) if wide else (13.2, 4.4 * height + 1.1)
    figure = new_figure(*inches)
    axes = figure.subplots(3, 1) if wide else figure.subplots(1, 3)
    both = value_range(np.stack([run, other]), target)
    unit = f"{target.long_name} ({target.unit})"
    for one, values, title in ((axes[0], run, names[0]), (axes[1], other, names[1])):
        draw_map(one, view, land, values, both, VALUE_COLOURS, unit)
        one.set_title(_short(title), pad=16)
    known = np.abs(difference[np.isfinite(difference)])
    reach = float(np.quantile(known, 0.98)) if known.size else 1.0
    limits = (-reach or -1.0, reach or 1.0)
    draw_map(
        axes[2], view, land, difference, limits, DIFFERENCE_COLOURS, f"difference ({target.unit})"
    )
    axes[2].set_title("first minus second", pad=16)
    return saved(figure, "png")


def _short(name: str) -> str:
    return name if len(name) <= 42 else name[:40] + "…"


@styled
def totals_figure(zones: Sequence[ZoneResult], names: tuple[str, str], unit: str) -> bytes:
    """Totals of both maps by zone, with their bounds.

    Parameters
    ----------
    zones : sequence of ZoneResult
    names : (str, str)
    unit : str

    Returns
    -------
    bytes
        SVG.
    """
    figure = new_figure(8.2, 0.5 + 0.42 * len(zones))
    axes = figure.add_subplot()
    for k, zone in enumerate(zones):
        for total, colour, shift in (
            (zone.run, OWN_COLOUR, -0.14),
            (zone.other, OTHER_COLOUR, 0.14),
        ):
            _bar(axes, total, k + shift, colour)
    axes.set_yticks(range(len(zones)), [zone.name for zone in zones])
    axes.set_ylim(len(zones) - 0.5, -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel(unit.replace("km3", "km³ of ice"))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.5g}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    handles = [
        axes.plot([], [], "o-", color=colour, ms=5, lw=2, label=_short(name))[0]
        for name, colour in zip(names, (OWN_COLOUR, OTHER_COLOUR), strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return saved(figure, "svg", transparent=True)


def _bar(axes: Axes, total: Total, at: float, colour: str) -> None:
    if total.low is not None and total.high is not None:
        axes.plot([total.low, total.high], [at, at], "-", color=colour, lw=2, solid_capstyle="butt")
    axes.plot([total.value], [at], "o", color=colour, ms=5)


@styled
def joint_figure(cells_url: str, names: tuple[str, str], target: TargetConfig) -> bytes:
    """How much area has which pair of values.

    Parameters
    ----------
    cells_url : str
    names : (str, str)
    target : TargetConfig

    Returns
    -------
    bytes
        PNG.
    """
    from matplotlib.colors import LogNorm

    dataset = open_gridded(cells_url, "comparison")
    grid = grid_of(dataset)
    rows, cols = grid.shape
    step = max(1, int(np.ceil((rows * cols / MAX_CELLS) ** 0.5)))
    thinned = dataset.isel(latitude=slice(None, None, step), longitude=slice(None, None, step))
    other, difference, part = (
        np.asarray(thinned[name], dtype=float) for name in ("other", "difference", "weight")
    )
    known = np.isfinite(other)
    weight = (part * grid.cell_area()[::step][:, None])[known]
    run, values = (other + difference)[known], other[known]
    low, high = _span(run, values, target)
    figure = new_figure(5.2, 4.4)
    axes = figure.add_subplot()
    edges = np.linspace(low, high, 61)
    area, _, _ = np.histogram2d(values, run, bins=[edges, edges], weights=weight)
    share = np.where(area > 0, 100 * area / area.sum(), np.nan).T if area.sum() else area.T
    found = share[np.isfinite(share)]
    norm = (
        LogNorm(vmin=max(float(found.min()), 1e-4), vmax=float(found.max())) if found.size else None
    )
    image = axes.imshow(
        share, extent=(low, high, low, high), origin="lower", cmap=VALUE_COLOURS, norm=norm,
        aspect="equal", interpolation="nearest",
    )  # fmt: skip
    axes.plot([low, high], [low, high], color=INK, lw=0.8)
    axes.set_xlabel(f"{_short(names[1])} ({target.unit})")
    axes.set_ylabel(f"{_short(names[0])} ({target.unit})")
    axes.spines[["top", "right"]].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the area, %")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.outline.set_linewidth(0.5)
    return saved(figure, "png")


def _span(run: NDArray[Any], other: NDArray[Any], target: TargetConfig) -> tuple[float, float]:
    if target.closed_bounds is not None:
        return target.closed_bounds
    low, high = float(min(run.min(), other.min())), float(max(run.max(), other.max()))
    return low, high if high > low else low + 1
