"""A small picture of a map for catalogues, without words."""

from __future__ import annotations

from icemap.land import land_at
from icemap.products.figures.maps import draped, draw_field, value_range
from icemap.products.figures.style import VALUE_COLOURS, new_figure, saved, styled

PIXELS = 320


@styled
def thumbnail_figure(map_url: str) -> bytes:
    """The target of a map, PNG."""
    target, view, layers = draped(map_url, pixels=PIXELS)
    left, right, bottom, top = view.extent
    figure = new_figure(2.0, max(0.6, 2.0 * (top - bottom) / (right - left)), layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    limits = value_range(layers["value"], target)
    draw_field(axes, view, land_at(*view.cells), layers["value"], limits, VALUE_COLOURS)
    return saved(figure, "png")
