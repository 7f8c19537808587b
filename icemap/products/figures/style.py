"""One style for all pictures: colours, figures without global state, and files with fixed bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

LAND, SEA, COAST = "#e4e2dd", "#f5f8fa", "#8d8a84"
GRATICULE, FRAME, INK = "#b8bcc2", "#555555", "#222222"
# Okabe & Ito's colours, which colour-blind people can tell apart (https://jfly.uni-koeln.de/color/).
BLUE, VERMILION, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
SKY, PURPLE, GREY = "#56b4e9", "#cc79a7", "#7d868c"
VALUE_COLOURS, WIDTH_COLOURS, DIFFERENCE_COLOURS = "viridis_r", "cividis", "RdBu"
SITE = "#e4572e"
# Colour, mark and line of what is drawn side by side.
SERIES = (
    (BLUE, "o", "-"),
    (VERMILION, "s", "--"),
    (GREEN, "^", "-."),
    (ORANGE, "D", ":"),
    (PURPLE, "v", "--"),
    (GREY, "x", ":"),
)
# Points of the small print of a figure.
SMALL = 7.5
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": FRAME,
    "axes.labelcolor": INK,
    "text.color": INK,
    "hatch.linewidth": 0.45,
    "hatch.color": "#1a1a1a",
    # Fixed ids: the same run gives the same bytes.
    "svg.hashsalt": "icemap",
    "svg.fonttype": "none",
}


def ramp(colours: str, steps: int = 16) -> list[str]:
    """A ramp of colours as evenly spaced stops, lowest value first, for what is drawn elsewhere.

    Examples
    --------
    >>> ramp("cividis", 3)
    ['#00224e', '#7d7c78', '#fee838']
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[colours](k / (steps - 1))) for k in range(steps)]


def styled(draw: Callable[P, bytes]) -> Callable[P, bytes]:
    """Draw in this style and leave the user's own settings as they were."""

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> bytes:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


def new_figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """A figure of so many inches without pyplot's global state, to be made in any thread.

    Parameters
    ----------
    width, height : float
        Inches.
    layout : {"constrained"} or None
        Of the axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def row_of_axes(figure: Figure, count: int, *, sharey: bool) -> list[Axes]:
    """So many axes side by side."""
    return list(np.atleast_1d(figure.subplots(1, count, sharey=sharey)))


def legend_below(axes: Axes, ncols: int, at: float = -0.2, **spacing: float) -> None:
    """A legend without a frame below the axes, in small print."""
    axes.legend(
        fontsize=SMALL,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, at),
        ncols=ncols,
        **spacing,
    )


def tidied(figure: Figure) -> bytes:
    """A figure of charts as an SVG, with axes on two sides alone."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL, colors=INK)
    return saved(figure, "svg", transparent=True)


def saved(
    figure: Figure, kind: Literal["png", "svg"], *, transparent: bool = False, dpi: int = 160
) -> bytes:
    """A figure as a PNG or SVG without a date.

    Parameters
    ----------
    figure : Figure
    kind : {"png", "svg"}
    transparent : bool
        Without a background.
    dpi : int
        Of a PNG.
    """
    import matplotlib

    content = io.BytesIO()
    face = {"transparent": True} if transparent else {"facecolor": "white"}
    layout = figure.get_layout_engine()
    with matplotlib.rc_context(STYLE):
        try:
            if layout is not None:
                # While a figure has a layout, matplotlib draws it twice: all of it, images
                # included, in order to lay it out.
                before, figure.dpi = figure.dpi, dpi
                layout.execute(figure)
                figure.dpi = before
                figure.set_layout_engine(None)
            if kind == "svg":
                figure.savefig(content, format="svg", dpi=150, metadata={"Date": None}, **face)
            else:
                figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None}, **face)
        finally:
            figure.set_layout_engine(layout)
    return content.getvalue()
