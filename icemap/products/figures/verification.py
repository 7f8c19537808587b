"""Figures of the verification: are the probabilities right, where are they not, and against whom is
the ensemble better. Each returns the bytes of an SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.products.figures.base_map import base_map
from icemap.products.figures.projection import View
from icemap.products.figures.style import (
    BLUE,
    FRAME,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    VERMILION,
    WIDTH_COLOURS,
    new_figure,
    saved,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from icemap.totals.residual_field import Variogram

Array = NDArray[np.float64]
SERIES = (
    (BLUE, "o", "-"),
    (VERMILION, "s", "--"),
    (GREEN, "^", "-."),
    (ORANGE, "D", ":"),
    (PURPLE, "v", "--"),
    (GREY, "x", ":"),
)
SMALL = 7.5
# Of a bin of the variogram, for a full mark: fewer say little.
MIN_PAIRS = 30


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
    panels = _row(figure, len(pits), sharey=True)
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
    return _tidied(figure)


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
    axes.legend(
        fontsize=SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2
    )
    return _tidied(figure)


@styled
def variogram_figure(
    points: tuple[Array, Array, Array], variogram: Variogram, error_variance: float, unit: str
) -> bytes:
    """Variogram of the residuals: half the mean squared difference of pairs of sites by their
    distance, with the number of pairs, and the curve that was fitted.

    Parameters
    ----------
    points : (ndarray, ndarray, ndarray) of shape (bins,)
        Pairs, semivariance and distance (km) from
        :func:`icemap.totals.variogram_fit.empirical_variogram`.
    variogram : Variogram
        Of the map's residual.
    error_variance : float
        Mean variance of the samples' own errors, which the pairs have on top.
    unit : str
        Of the target.
    """
    pairs, gamma, lag = (values[points[0] > 0] for values in points)
    figure = new_figure(5.2, 3.2)
    axes = figure.add_subplot()
    nugget = variogram.nugget + error_variance
    # Sites of one cell are no distance apart; a logarithm has no place for that.
    at = np.maximum(lag, 1.0)
    reach = np.geomspace(at.min(), at.max(), 200)
    curve = nugget + variogram.sill * -np.expm1(-reach / variogram.range_km)
    axes.plot(reach, curve, color=BLUE, lw=1.6, label="fitted")
    axes.axhline(nugget, color=GREY, lw=1, ls="--", label="nugget")
    few = pairs < MIN_PAIRS
    for these, face in ((~few, VERMILION), (few, "white")):
        axes.plot(at[these], gamma[these], "o", ms=5, mfc=face, mec=VERMILION, mew=0.9)
    highest = 1.12 * max(float(gamma.max()), float(curve.max()))
    axes.set_xscale("log")
    axes.set(ylim=(0, highest))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    for place, count in zip(at, pairs):
        axes.annotate(
            f"{count:,.0f}",
            (place, 0),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90,
            fontsize=6,
            color=FRAME,
        )
    axes.set_xlabel(
        "distance between two sites (km); above it the number of pairs", fontsize=SMALL + 0.5
    )
    axes.set_ylabel(f"semivariance ({unit} squared)", fontsize=SMALL + 0.5)
    axes.legend(
        fontsize=SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2
    )
    return _tidied(figure)


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
    axes.legend(
        fontsize=SMALL,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        ncols=3,
        handlelength=2.4,
    )
    return _tidied(figure)


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
    axes.legend(
        fontsize=SMALL,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        ncols=2,
        handletextpad=0.2,
        columnspacing=1,
    )
    return _tidied(figure)


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
    return _tidied(figure)


@styled
def places_map(
    view: View, sites: tuple[Array, Array], candidates: Sequence[Mapping[str, Any]]
) -> bytes:
    """Where one more borehole would help most, numbered by rank, among the sites there are.

    Parameters
    ----------
    view : View
    sites : (ndarray, ndarray) of shape (n,)
        Longitude and latitude, degrees.
    candidates : sequence of NextBorehole
        Best first.
    """
    figure, axes = base_map(view)
    axes.plot(
        *view.project(*sites),
        "o",
        ms=2,
        mfc=GREY,
        mec="none",
        zorder=2.5,
        label=f"sites ({len(sites[0]):,})",
    )
    x, y = view.project([c["longitude"] for c in candidates], [c["latitude"] for c in candidates])
    axes.plot(
        x,
        y,
        "o",
        ms=10,
        mfc=VERMILION,
        mec="white",
        mew=0.8,
        zorder=3,
        label="next boreholes, by rank",
    )
    for rank, place in enumerate(zip(x, y), start=1):
        axes.annotate(
            str(rank),
            place,
            ha="center",
            va="center",
            fontsize=6,
            color="white",
            fontweight="bold",
            zorder=4,
        )
    axes.legend(
        fontsize=SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2
    )
    return _tidied(figure)


@styled
def difference_figure(rows: Sequence[Mapping[str, Any]], unit: str) -> bytes:
    """icemap minus each competitor, CRPS and Winkler score side by side; left of the line icemap is
    better.
    """
    scores = {"crps": "CRPS", "winkler_95": "Winkler score of the 95 % interval"}
    names = list(dict.fromkeys(row["model"] for row in rows))
    figure = new_figure(8.8, 0.55 + 0.24 * len(names))
    for axes, (score, title) in zip(_row(figure, 2, sharey=True), scores.items()):
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
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in reversed(names)])
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.set_title(f"{title} ({unit})", fontsize=SMALL + 1, loc="left")
        axes.grid(axis="x", color="#e3e6e8", lw=0.6)
    return _tidied(figure)


@styled
def importance_figure(
    permutation: Sequence[Mapping[str, Any]], shap: Mapping[str, Mapping[str, float]], unit: str
) -> bytes:
    """Permutation importance of the ensemble, and mean size of the Shapley values of the tree
    members, predictors in the same order.

    Parameters
    ----------
    permutation : sequence of PermutationRow
        Most important first.
    shap : mapping of str to mapping of str to float
        By member and predictor.
    unit : str
        Of the target.
    """
    names = [row["predictor"] for row in permutation]
    figure = new_figure(4.4 * (1 + bool(shap)), 0.75 + 0.23 * len(names))
    panels = _row(figure, 1 + bool(shap), sharey=True)
    at = np.arange(len(names))[::-1]
    rise, sd = (np.array([row[key] for row in permutation]) for key in ("rmse_increase", "sd"))
    panels[0].barh(at, rise, color=BLUE, height=0.7)
    panels[0].errorbar(rise, at, xerr=sd, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5)
    panels[0].axvline(0, color=INK, lw=0.8)
    panels[0].set_title(
        f"ensemble: increase of RMSE when permuted ({unit})", fontsize=SMALL + 1, loc="left"
    )
    panels[0].set_yticks(at, names)
    panels[0].set_ylim(-0.6, len(names) - 0.4)
    panels[0].tick_params(axis="y", length=0)
    for k, (member, sizes) in enumerate(shap.items()):
        height = 0.76 / len(shap)
        panels[1].barh(
            at + (len(shap) - 1) * height / 2 - k * height,
            [sizes[n] for n in names],
            height=height,
            color=SERIES[(k + 1) % 6][0],
            label=member.replace("_", " "),
        )
    if shap:
        panels[1].set_title(
            "tree members: mean |Shapley value| (members' scale)", fontsize=SMALL + 1, loc="left"
        )
        panels[1].legend(fontsize=SMALL, frameon=False, loc="lower right")
        panels[1].tick_params(axis="y", length=0)
    return _tidied(figure)


@styled
def dependence_figure(
    curves: Mapping[str, Any], order: Sequence[str], units: Mapping[str, str], target_label: str
) -> bytes:
    """Partial dependence of the ensemble's mean (bold) and of its members (thin) on each predictor,
    on one scale.

    Parameters
    ----------
    curves : mapping of str to Dependence
        By predictor.
    order : sequence of str
        Predictors, in the order of the panels.
    units : mapping of str to str
        Of the predictors; "class" for classes.
    target_label : str
        Of the vertical axis.
    """
    columns = 4
    rows = int(np.ceil(len(order) / columns))
    figure = new_figure(8.8, 0.45 + 1.75 * rows)
    panels = np.atleast_2d(figure.subplots(rows, columns, sharey=True)).ravel()
    members = list(next(iter(curves.values()))["members"])
    for axes, name in zip(panels, order):
        curve = curves[name]
        is_class = None in curve["values"] or len(curve["values"]) < 2 or units.get(name) == "class"
        x = np.arange(len(curve["values"])) if is_class else np.asarray(curve["values"])
        for k, member in enumerate(members):
            colour, marker, line = SERIES[(k + 1) % len(SERIES)]
            axes.plot(
                x,
                curve["members"][member],
                marker if is_class else line,
                color=colour,
                lw=0.9,
                ms=3,
                label=member.replace("_", " "),
            )
        axes.plot(
            x, curve["mean"], "o" if is_class else "-", color=BLUE, lw=2, ms=5, label="ensemble"
        )
        if is_class:
            axes.set_xticks(
                x, ["other" if value is None else f"{value:g}" for value in curve["values"]]
            )
            axes.set_xlim(-0.5, len(x) - 0.5)
        unit = units.get(name, "")
        axes.set_xlabel(
            (
                f"{name} (class)"
                if is_class
                else f"{name} ({unit})"
                if unit not in ("", "1")
                else name
            ),
            fontsize=SMALL,
        )
        axes.tick_params(labelsize=SMALL - 0.5)
    for axes in panels[len(order) :]:
        axes.set_axis_off()
    # Scaled to the ensemble: one member that runs away must not flatten all curves.
    means = np.concatenate([curves[name]["mean"] for name in order])
    margin = 0.5 * float(np.ptp(means)) or 1.0
    panels[0].set_ylim(means.min() - margin, means.max() + margin)
    figure.supylabel(target_label, fontsize=SMALL + 0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, fontsize=SMALL, frameon=False, loc="outside upper left", ncols=len(labels)
    )
    return _tidied(figure)


def _row(figure: Figure, count: int, *, sharey: bool) -> list[Axes]:
    return list(np.atleast_1d(figure.subplots(1, count, sharey=sharey)))


def _tidied(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL, colors=INK)
    return saved(figure, "svg", transparent=True)
