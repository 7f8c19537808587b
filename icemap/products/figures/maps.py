"""Pictures of a map: polar or regional projection, target next to interval width and area of
applicability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.config_sections import TargetConfig
from icemap.gridded import grid_of
from icemap.land import land_at
from icemap.mapping.map_schema import open_map, scope_of, target_of
from icemap.products.figures.graticule import draw_graticule
from icemap.products.figures.projection import Projection, View, downsample, drape, view_of
from icemap.products.figures.style import (
    COAST,
    FRAME,
    LAND,
    SITE,
    VALUE_COLOURS,
    WIDTH_COLOURS,
    new_figure,
    saved,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


@styled
def map_figure(
    source: str | xr.Dataset,
    title: str,
    sites: pd.DataFrame | None = None,
    projection: Projection = "equal-area",
    pixels: int = 900,
) -> bytes:
    """The report's picture: the target, and the width of its 95 % interval with what is outside
    the area of applicability hatched.

    Parameters
    ----------
    source : str or xarray.Dataset
        A map or its URL; a large one is read band by band, from the coarser level that is fine
        enough where the map has levels.
    title : str
    sites : DataFrame, optional
        Training sites with columns ``lon`` and ``lat``, drawn as dots.
    projection : {"equal-area", "plate-carree"}
        Of both maps; equal area looks down on the pole when the map goes around it.
    pixels : int
        Width of each map.

    Returns
    -------
    bytes
        PNG.
    """
    return saved(map_drawing(source, title, sites, projection, pixels), "png")


def map_drawing(
    source: str | xr.Dataset,
    title: str,
    sites: pd.DataFrame | None = None,
    projection: Projection = "equal-area",
    pixels: int = 900,
) -> Figure:
    """As `map_figure`, as a figure of matplotlib."""
    target, view, layers = draped(source, projection, pixels)
    land = land_at(*view.cells)
    figure, first, second = _two_maps(view, with_title=True)
    draw_map(
        first,
        view,
        land,
        layers["value"],
        value_range(layers["value"], target),
        VALUE_COLOURS,
        f"{target.long_name} ({target.unit})",
    )
    width = layers["upper"] - layers["lower"]
    draw_map(
        second,
        view,
        land,
        width,
        value_range(width, None),
        WIDTH_COLOURS,
        f"width of the 95 % prediction interval ({target.unit})",
    )
    hatch_outside(second, view, layers["value"], layers["aoa"])
    if sites is not None and len(sites):
        x, y = view.project(sites["lon"], sites["lat"])
        first.plot(x, y, "o", ms=2.2, mfc=SITE, mec="white", mew=0.3)
        _caption(first, f"dots: {len(sites):,} training sites")
    figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold")
    return figure


@styled
def width_parts_figure(source: str | xr.Dataset, pixels: int = 900) -> bytes:
    """What makes the interval as wide as it is: the part of its variance that is the spread of the
    replicates (the rest is the residual), and the dissimilarity of its places.

    Parameters
    ----------
    source : str or xarray.Dataset
        A map or its URL.
    pixels : int
        Width of each map.

    Returns
    -------
    bytes
        PNG.
    """
    _, view, layers = draped(source, "equal-area", pixels)
    land = land_at(*view.cells)
    dataset = open_map(source) if isinstance(source, str) else source
    sd = scope_of(dataset).cell_sd(layers["lower"], layers["upper"])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(100 * (layers["spread"] / sd) ** 2, 100)
    figure, first, second = _two_maps(view, with_title=False)
    label = "spread of the replicates, part of the variance (%)"
    limits = 0.0, value_range(share, None)[1]
    draw_map(first, view, land, share, limits, WIDTH_COLOURS, label)
    unlike = layers["dissimilarity"]
    label = "dissimilarity to the training sites"
    draw_map(second, view, land, unlike, value_range(unlike, None), WIDTH_COLOURS, label)
    hatch_outside(second, view, unlike, layers["aoa"])
    return saved(figure, "png")


def _two_maps(view: View, *, with_title: bool) -> tuple[Figure, Axes, Axes]:
    """A figure with two maps side by side, or one above the other where they are wide."""
    left, right, bottom, top = view.extent
    height, title = (top - bottom) / (right - left), 0.3 if with_title else 0.0
    if height < 0.4:
        figure = new_figure(10.6, 2 * (9.8 * height + 0.95) + title)
        first, second = figure.subplots(2, 1)
    else:
        figure = new_figure(10.6, 5.3 * height + 0.85 + title)
        first, second = figure.subplots(1, 2)
    return figure, first, second


def field_drawing(
    dataset: xr.Dataset,
    variable: str,
    title: str,
    sites: pd.DataFrame | None = None,
    projection: Projection = "equal-area",
    pixels: int = 900,
) -> Figure:
    """One variable of a map or of a cube, hatched outside the area of applicability where the
    dataset has that.

    Parameters
    ----------
    dataset : xarray.Dataset
    variable : str
        Of the dataset.
    title : str
    sites : DataFrame, optional
        With columns ``lon`` and ``lat``, drawn as dots.
    projection : {"equal-area", "plate-carree"}
    pixels : int
        Width of the map.
    """
    grid = grid_of(dataset)
    view = view_of(grid, pixels, projection)
    step = max(1, grid.shape[1] // (2 * pixels if view.polar else view.pixels))
    field = dataset[variable]
    if "flag_values" in field.attrs:
        # Codes have no mean.
        values = np.asarray(field[::step, ::step], dtype=np.float32)
    else:
        values = downsample(field, step)
    shown = drape(values, step, grid, view)
    left, right, bottom, top = view.extent
    figure = new_figure(6.2, 5.6 * (top - bottom) / (right - left) + 1.15)
    axes = figure.subplots()
    limits = value_range(shown, None)
    if "flag_values" in field.attrs:
        codes = np.atleast_1d(field.attrs["flag_values"])
        limits = float(codes.min()) - 0.5, float(codes.max()) + 0.5
    unit = str(field.attrs.get("units", ""))
    label = str(field.attrs.get("long_name", variable)) + (f" ({unit})" if unit != "1" else "")
    draw_map(axes, view, land_at(*view.cells), shown, limits, VALUE_COLOURS, label)
    if "aoa" in dataset and variable != "aoa":
        aoa = drape(downsample(dataset["aoa"], step), step, grid, view)
        hatch_outside(axes, view, shown, aoa)
    if sites is not None and len(sites):
        x, y = view.project(sites["lon"], sites["lat"])
        axes.plot(x, y, "o", ms=2.2, mfc=SITE, mec="white", mew=0.3)
    figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold")
    return figure


def hatch_outside(
    axes: Axes, view: View, values: NDArray[np.float64], aoa: NDArray[np.float64]
) -> None:
    """Hatch mapped pixels outside the area of applicability, and say so."""
    outside = np.isfinite(values) & (aoa < 0.5)
    if outside.any():
        axes.contourf(
            outside,
            levels=[0.5, 1.5],
            colors="none",
            hatches=["/////"],
            extent=view.extent,
            origin="upper",
        )
        _caption(axes, "hatched: outside the area of applicability")


def draped(
    source: str | xr.Dataset, projection: Projection = "equal-area", pixels: int = 900
) -> tuple[TargetConfig, View, dict[str, NDArray[np.float64]]]:
    """What a map is about, how it is looked at, and ``value``, ``lower``, ``upper``, ``spread``,
    ``dissimilarity`` and ``aoa`` as pixels of the picture.
    """
    dataset = open_map(source) if isinstance(source, str) else source
    target, grid = target_of(dataset), grid_of(dataset)
    view = view_of(grid, pixels, projection)
    step = max(1, grid.shape[1] // (2 * pixels if view.polar else view.pixels))
    level = (
        min(step.bit_length() - 1, dataset.encoding.get("levels", 0))
        if isinstance(source, str)
        else 0
    )
    if level:
        dataset = open_map(str(source), level=level)
        grid, step = grid_of(dataset), step >> level
    layers = {
        key: drape(downsample(dataset[name], step), step, grid, view)
        for key, name in _layers(target).items()
    }
    return target, view, layers


def _caption(axes: Axes, text: str) -> None:
    axes.annotate(
        text,
        (0.5, 0),
        xytext=(0, -13),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=7.5,
    )


def _layers(target: TargetConfig) -> dict[str, str]:
    return {
        "value": target.name,
        "lower": f"{target.name}_lower95",
        "upper": f"{target.name}_upper95",
        "spread": f"{target.name}_sd_ensemble",
        "dissimilarity": "dissimilarity",
        "aoa": "aoa",
    }


def value_range(values: NDArray[np.float64], target: TargetConfig | None) -> tuple[float, float]:
    """Physical bounds when there are two, else the central 98 % of the picture."""
    if target is not None and target.closed_bounds is not None:
        return target.closed_bounds
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.quantile(known, [0.01, 0.99])
    return float(low), float(high if high > low else low + 1)


def draw_field(
    axes: Axes,
    view: View,
    land: NDArray[np.bool_],
    values: NDArray[np.float64],
    limits: tuple[float, float],
    colours: str,
    *,
    graticule: bool = False,
) -> AxesImage:
    """A field over land with its coast, in a circle where the pole is in the middle.

    Parameters
    ----------
    axes : Axes
    view : View
        Projection and extent.
    land : (rows, cols) ndarray of bool
    values : (rows, cols) ndarray
        On the view's pixels; NaN where nothing is drawn.
    limits : tuple of float
        Lowest and highest value of the colours.
    colours : str
        A colour map of matplotlib.
    graticule : bool
        Whether meridians and parallels are drawn.
    """
    from matplotlib.colors import ListedColormap

    axes.imshow(
        np.where(land, 1.0, np.nan),
        extent=view.extent,
        cmap=ListedColormap([LAND]),
        interpolation="nearest",
    )
    image = axes.imshow(
        values,
        extent=view.extent,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )
    axes.contour(
        land, levels=[0.5], colors=COAST, linewidths=0.3, extent=view.extent, origin="upper"
    )
    if graticule:
        draw_graticule(axes, view)
    axes.set(xticks=[], yticks=[], xlim=view.extent[:2], ylim=view.extent[2:], aspect="equal")
    if view.polar:
        from matplotlib.patches import Circle

        rim = Circle((0, 0), view.extent[1], transform=axes.transData, fill=False, ec=FRAME, lw=0.8)
        axes.add_patch(rim)
        for artist in (*axes.images, *axes.collections, *axes.lines):
            artist.set_clip_path(rim)
        axes.axis("off")
    return image


def draw_map(
    axes: Axes,
    view: View,
    land: NDArray[np.bool_],
    values: NDArray[np.float64],
    limits: tuple[float, float],
    colours: str,
    label: str,
) -> None:
    """A field over land with coast, graticule and colour bar.

    Parameters
    ----------
    axes, view, land, values, limits, colours
        Of `draw_field`.
    label : str
        Of the colour bar.
    """
    image = draw_field(axes, view, land, values, limits, colours, graticule=True)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else limits
    extend = {
        (False, False): "neither",
        (True, False): "min",
        (False, True): "max",
        (True, True): "both",
    }[low < limits[0], high > limits[1]]
    bar = axes.figure.colorbar(
        image,
        ax=axes,
        orientation="horizontal",
        fraction=0.03,
        pad=0.07,
        aspect=42,
        shrink=0.8,
        extend=extend,
    )
    bar.set_label(label)
    bar.outline.set_linewidth(0.5)
