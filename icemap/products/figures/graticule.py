"""Meridians and parallels of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.grid import wrapped
from icemap.products.figures.projection import View
from icemap.products.figures.style import GRATICULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Lines of one kind, at most; fewer parallels on a map so low that their degrees would overlap.
LINES = 6


def draw_graticule(axes: Axes, view: View) -> None:
    """Meridians and parallels with their degrees."""
    from matplotlib.patheffects import withStroke

    left, right, bottom, top = view.extent
    parallels = int(np.clip(20 * (top - bottom) / (right - left), 2, LINES))
    step_lon, step_lat = (
        (30, 10)
        if view.polar
        else (
            _round_step(view.east - view.west, LINES),
            _round_step(view.north - view.south, parallels),
        )
    )
    line: Any = {"color": GRATICULE, "lw": 0.4, "zorder": 2.5}
    halo: list[Any] = [withStroke(linewidth=1.6, foreground="white")]
    for lon in np.arange(np.ceil(view.west / step_lon) * step_lon, view.east + 1e-9, step_lon):
        x, y = view.project(np.full(60, lon), np.linspace(view.south, view.north, 60))
        axes.plot(x, y, **line)
        if view.polar and lon in (-90, 0, 90, 180):
            axes.annotate(
                _degrees(lon, "E", "W"),
                (x[0] * 1.03, y[0] * 1.03),
                ha="center",
                va="center",
                fontsize=7,
                annotation_clip=False,
            )
        elif not view.polar:
            label = axes.annotate(
                _degrees(lon, "E", "W"),
                (x[0], y[0]),
                xytext=(0, -2),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=6,
            )
            label.set_path_effects(halo)
    for lat in np.arange(
        np.ceil(view.south / step_lat) * step_lat, min(view.north, 89.9) + 1e-9, step_lat
    ):
        x, y = view.project(np.linspace(view.west, view.east, 361), np.full(361, lat))
        axes.plot(x, y, **line)
        at = view.project(-45, lat) if view.polar else (x[0], y[0])
        label = axes.annotate(
            _degrees(lat, "N", "S"),
            (float(at[0]), float(at[1])),
            fontsize=6,
            ha="center" if view.polar else "right",
            va="center",
        )
        label.set_path_effects(halo)


def _round_step(span: float, lines: int) -> float:
    return float(
        next(
            step
            for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 90)
            if span / step <= lines or step == 90
        )
    )


def _degrees(value: float, positive: str, negative: str) -> str:
    value = float(wrapped(value)) if positive == "E" else value
    side = (
        "" if value in (0, 180, -180) and positive == "E" else positive if value > 0 else negative
    )
    return f"{abs(value):g}°{side}"
