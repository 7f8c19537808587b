"""Figures of the influence of predictors, and of where one more borehole would help. Each returns
the bytes of an SVG.
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
    legend_below,
    new_figure,
    row_of_axes,
    styled,
    tidied,
)

Array = NDArray[np.float64]


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
    told = [row["predictor"] for row in permutation]
    # Folds choose for themselves, and the map, whether the position is among the predictors.
    of_map = dict.fromkeys(name for sizes in shap.values() for name in sizes)
    names = [*told, *(name for name in of_map if name not in told)]
    figure = new_figure(4.4 * (1 + bool(shap)), 0.75 + 0.23 * len(names))
    panels = row_of_axes(figure, 1 + bool(shap), sharey=True)
    at = np.arange(len(names))[::-1]
    of_folds = at[: len(told)]
    rise, sd = (np.array([row[key] for row in permutation]) for key in ("rmse_increase", "sd"))
    panels[0].barh(of_folds, rise, color=BLUE, height=0.7)
    panels[0].errorbar(rise, of_folds, xerr=sd, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5)
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
            [sizes.get(name, 0.0) for name in names],
            height=height,
            color=SERIES[(k + 1) % 6][0],
            label=model_in_words(member),
        )
    if shap:
        panels[1].set_title(
            "tree members: mean |Shapley value| (members' scale)", fontsize=SMALL + 1, loc="left"
        )
        panels[1].legend(fontsize=SMALL, frameon=False, loc="lower right")
        panels[1].tick_params(axis="y", length=0)
    return tidied(figure)


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
                label=model_in_words(member),
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
    return tidied(figure)


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
    legend_below(axes, 2, at=0.0)
    return tidied(figure)
