"""Figures of the verification: are the probabilities right, where are they not, and against whom is
the ensemble better. Each returns the bytes of an SVG, but for the picture of the report, a PNG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.names import model_in_words
from icemap.products.figures.base_map import base_map
from icemap.products.figures.projection import View
from icemap.products.figures.style import (
    BLUE,
    GREY,
    INK,
    SERIES,
    SMALL,
    VERMILION,
    WIDTH_COLOURS,
    legend_below,
    new_figure,
    row_of_axes,
    saved,
    styled,
    tidied,
)

Array = NDArray[np.float64]


@styled
def pit_figure(pits: Mapping[str, Array]) -> bytes:
    """PIT histogram of each kind of folds; the band holds 95 % of the bars of a calibrated
    forecast.

    Parameters
    ----------
    pits : mapping
        Title to PIT values, 0 to 1.
    """
    figure = new_figure(2.25 * len(pits), 2.1)
    highest = 0.0
    panels = row_of_axes(figure, len(pits), sharey=True)
    for axes, (title, pit) in zip(panels, pits.items()):
        bins = 10 if len(pit) < 1000 else 20
        limit = 1.96 * np.sqrt(bins / len(pit) * (1 - 1 / bins))
        axes.axhspan(max(0.0, 1 - limit), 1 + limit, color="#e3e6e8", zorder=0, lw=0)
        heights, _, _ = axes.hist(
            pit,
            bins=bins,
            range=(0, 1),
            weights=np.full(len(pit), bins / len(pit)),
            color=BLUE,
            edgecolor="white",
            lw=0.6,
        )
        axes.axhline(1, color=INK, lw=0.8)
        highest = max(highest, float(np.max(heights)), 1 + limit)
        axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
        axes.set_title(f"{title} (n {len(pit):,})", fontsize=SMALL + 1, loc="left")
    panels[0].set(ylim=(0, 1.08 * highest))
    panels[0].set_ylabel("density", fontsize=SMALL + 0.5)
    figure.supxlabel("predictive probability of the observation (PIT)", fontsize=SMALL + 0.5)
    return tidied(figure)


@styled
def distance_figure(
    on_map: Sequence[float], by_kind: Mapping[str, Sequence[float]], w: Mapping[str, float]
) -> bytes:
    """Share of the samples (of the map) that have a site within a distance, by kind of folds: folds
    that imitate the map have its curve.

    Parameters
    ----------
    on_map : sequence of float
        Distances of the map's places to the nearest site at even shares from 0 to 1, km.
    by_kind : mapping
        Title of each kind of folds to those of left-out samples to their training side.
    w : mapping
        Title to the mean difference between the curves, km.
    """
    figure = new_figure(5.2, 3.0)
    axes = figure.add_subplot()

    def line(distances: Sequence[float]) -> tuple[Array, Array]:
        # Samples of one cell are no distance apart; a logarithm has no place for that.
        return np.maximum(distances, 0.1), np.linspace(0, 1, len(distances))

    axes.plot(*line(on_map), color=INK, lw=2.2, label="map to samples")
    for k, (title, distances) in enumerate(by_kind.items()):
        colour, _, style = SERIES[k % len(SERIES)]
        axes.plot(
            *line(distances), style, color=colour, lw=1.2, label=f"{title} (W {w[title]:,.0f} km)"
        )
    axes.set_xscale("log")
    axes.set(ylim=(0, 1))
    axes.set_xlabel("distance to the nearest site that predicts (km)", fontsize=SMALL + 0.5)
    axes.set_ylabel("share within it", fontsize=SMALL + 0.5)
    legend_below(axes, 2)
    return tidied(figure)


@styled
def reliability_figure(
    coverages: Mapping[str, Mapping[float, float]], limits: Mapping[float, tuple[float, float]]
) -> bytes:
    """Observed minus nominal coverage of central intervals, by model: 0 is calibrated, below is too
    narrow.

    Parameters
    ----------
    coverages : mapping
        Model to nominal level to share of observations inside.
    limits : mapping
        95 % limits of the first model, drawn as bars.
    """
    figure = new_figure(4.4, 3.0)
    axes = figure.add_subplot()
    axes.axhline(0, color=INK, lw=0.8)
    count = len(coverages)
    for k, (name, levels) in enumerate(coverages.items()):
        colour, marker, line = SERIES[k % len(SERIES)]
        shift = (k - (count - 1) / 2) * 0.008
        x = np.array(sorted(levels))
        y = np.array([levels[level] - level for level in x])
        if k == 0 and limits:
            low, high = (np.array([limits[level][end] - level for level in x]) for end in (0, 1))
            axes.errorbar(
                x + shift,
                y,
                [y - low, high - y],
                fmt="none",
                ecolor=colour,
                elinewidth=1,
                capsize=2,
            )
        axes.plot(x + shift, y, marker + line, color=colour, ms=4, lw=1.1, label=name)
    nominal = sorted({level for found in coverages.values() for level in found})
    axes.set_xticks(nominal, [f"{level:.0%}" for level in nominal])
    axes.yaxis.set_major_formatter(
        lambda value, _: f"{100 * value:+.0f}".replace("-", "−") if round(100 * value) else "0"
    )
    axes.set_xlabel("nominal coverage", fontsize=SMALL + 0.5)
    axes.set_ylabel("observed − nominal (% points)", fontsize=SMALL + 0.5)
    legend_below(axes, 3, handlelength=2.4)
    return tidied(figure)


@styled
def scatter_figure(
    observed: Array, predicted: Array, inside: NDArray[np.bool_], unit: str
) -> bytes:
    """Observed against predicted; observations outside their 95 % interval are marked.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
        In units of the target.
    inside : ndarray of bool, shape (n,)
        Observations inside their 95 % interval.
    unit : str
        Of the target.
    """
    figure = new_figure(3.4, 3.0)
    axes = figure.add_subplot()
    span = [
        float(min(observed.min(), predicted.min())),
        float(max(observed.max(), predicted.max())),
    ]
    margin = 0.03 * (span[1] - span[0] or 1.0)
    axes.plot(span, span, color=INK, lw=0.8)
    axes.plot(
        predicted[inside],
        observed[inside],
        "o",
        ms=3,
        mfc=BLUE,
        mec="none",
        alpha=0.45,
        label="inside its 95 % interval",
    )
    axes.plot(
        predicted[~inside],
        observed[~inside],
        "D",
        ms=3.6,
        mfc=VERMILION,
        mec="white",
        mew=0.3,
        label=f"outside ({np.mean(~inside):.1%})",
    )
    axes.set(
        xlim=(span[0] - margin, span[1] + margin),
        ylim=(span[0] - margin, span[1] + margin),
        aspect="equal",
    )
    axes.set_xlabel(f"predicted ({unit})", fontsize=SMALL + 0.5)
    axes.set_ylabel(f"observed ({unit})", fontsize=SMALL + 0.5)
    legend_below(axes, 2, handletextpad=0.2, columnspacing=1)
    return tidied(figure)


@styled
def coverage_map(
    view: View,
    longitude: Array,
    latitude: Array,
    inside: NDArray[np.bool_],
    blocks: NDArray[np.object_],
    few: int,
) -> bytes:
    """Share of the observations inside their 95 % interval in each spatial block; blocks with fewer
    than ``few`` samples are hollow.

    Parameters
    ----------
    view : View
    longitude, latitude : ndarray of shape (n,)
        Degrees.
    inside : ndarray of bool, shape (n,)
        Observations inside their 95 % interval.
    blocks : ndarray of str, shape (n,)
        Spatial block of each.
    few : int
        Samples from which on a block is filled.
    """
    from matplotlib.cm import ScalarMappable

    figure, axes = base_map(view)
    names = np.unique(blocks.astype(str))
    x, y = view.project(longitude, latitude)
    centre = np.array([[x[blocks == name].mean(), y[blocks == name].mean()] for name in names])
    count = np.array([(blocks == name).sum() for name in names])
    coverage = np.array([inside[blocks == name].mean() for name in names])
    size = 14 + 260 * count / max(count.max(), few)
    order = np.argsort(-count)
    small = count < few
    # The large ones first, so that no circle hides another.
    edges: Any = np.where(small, GREY, INK)[order]
    opacity: Any = np.where(small, 0.55, 1.0)[order]
    drawn = axes.scatter(
        centre[order, 0],
        centre[order, 1],
        s=size[order],
        c=coverage[order],
        cmap=WIDTH_COLOURS,
        vmin=0.6,
        vmax=1,
        edgecolors=edges,
        alpha=opacity,
        zorder=3,
    )
    for k in np.flatnonzero(~small):
        dark = coverage[k] < 0.8
        axes.annotate(
            f"{100 * coverage[k]:.0f}",
            centre[k],
            ha="center",
            va="center",
            fontsize=6,
            color="white" if dark else "black",
            zorder=4,
        )
    scale = ScalarMappable(drawn.norm, drawn.cmap)
    bar = figure.colorbar(
        scale,
        ax=axes,
        orientation="horizontal",
        shrink=0.6,
        aspect=40,
        pad=0.02,
        extend="min",
        format=lambda value, _: f"{value:.0%}",
    )
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("coverage of the 95 % interval", fontsize=SMALL + 0.5)
    return tidied(figure)


@styled
def difference_figure(rows: Sequence[Mapping[str, Any]], unit: str) -> bytes:
    """icemap minus each competitor, CRPS and Winkler score side by side; left of the line icemap is
    better.
    """
    scores = {"crps": "CRPS", "winkler_95": "Winkler score of the 95 % interval"}
    names = list(dict.fromkeys(row["model"] for row in rows))
    figure = new_figure(8.8, 0.55 + 0.24 * len(names))
    for axes, (score, title) in zip(row_of_axes(figure, 2, sharey=True), scores.items()):
        axes.axvline(0, color=INK, lw=0.8)
        for row in rows:
            if row["score"] != score:
                continue
            at, sure = (
                len(names) - 1 - names.index(row["model"]),
                row["low"] is not None and (row["high"] < 0 or row["low"] > 0),
            )
            colour = (BLUE if row["difference"] < 0 else VERMILION) if sure else GREY
            if row["low"] is not None:
                axes.plot(
                    [row["low"], row["high"]],
                    [at, at],
                    "-",
                    color=colour,
                    lw=1.6,
                    solid_capstyle="butt",
                )
            axes.plot(row["difference"], at, "o", ms=5, mfc=colour, mec="white", mew=0.6)
        axes.set_yticks(range(len(names)), [model_in_words(name) for name in reversed(names)])
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.set_title(f"{title} ({unit})", fontsize=SMALL + 1, loc="left")
        axes.grid(axis="x", color="#e3e6e8", lw=0.6)
    return tidied(figure)


@styled
def verification_figure(
    pit: NDArray[np.floating],
    coverage: dict[float, float],
    observed: NDArray[np.floating],
    predicted: NDArray[np.floating],
    unit: str,
) -> bytes:
    """PIT histogram, coverage of the intervals against their nominal level, and observed against
    predicted.

    Parameters
    ----------
    pit : ndarray of shape (n,)
        Predictive CDF at the observation, 0 to 1.
    coverage : dict
        Nominal level -> share of observations inside.
    observed, predicted : ndarray of shape (n,)
        In the target's unit, predictions from folds that did not see the observation.
    unit : str
    """
    figure = new_figure(10.6, 3.5)
    left, middle, right = figure.subplots(1, 3)
    bins = 10 if len(pit) < 500 else 20
    left.hist(
        pit,
        bins=bins,
        range=(0, 1),
        weights=np.full(len(pit), bins / len(pit)),
        color="#6a8caf",
        edgecolor="white",
        lw=0.5,
    )
    limit = 1.96 * np.sqrt(bins / len(pit) * (1 - 1 / bins))
    left.axhspan(1 - limit, 1 + limit, color="#dddddd", zorder=0)
    left.axhline(1, color=INK, lw=0.8)
    left.set(
        title="PIT histogram",
        xlabel="predictive probability of the observation",
        ylabel="density",
        xlim=(0, 1),
    )
    levels = sorted(coverage)
    middle.plot([0, 1], [0, 1], color=INK, lw=0.8)
    middle.plot(levels, [coverage[level] for level in levels], "o-", color="#b2582c", ms=4, lw=1)
    middle.set(
        title="Coverage of intervals",
        xlabel="nominal",
        ylabel="observed",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    span = [
        float(min(observed.min(), predicted.min())),
        float(max(observed.max(), predicted.max())),
    ]
    right.plot(span, span, color=INK, lw=0.8)
    right.plot(predicted, observed, "o", ms=2.4, mfc="#2a788e", mec="none", alpha=0.45)
    right.set(
        title="Observed and predicted",
        xlabel=f"predicted ({unit})",
        ylabel=f"observed ({unit})",
        xlim=span,
        ylim=span,
        aspect="equal",
    )
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    return saved(figure, "png")
