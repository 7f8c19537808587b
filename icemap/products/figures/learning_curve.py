"""Scores of left-out samples by the number of sites that they were predicted from."""

from __future__ import annotations

from collections.abc import Sequence

from icemap.json_records import LearningPoint
from icemap.products.figures.style import BLUE, GREY, SMALL, new_figure, styled, tidied


@styled
def learning_figure(points: Sequence[LearningPoint], unit: str) -> bytes:
    """CRPS by number of sites with its limits, as an SVG; RMSE next to it.

    Parameters
    ----------
    points : sequence of LearningPoint
        Fewest sites first.
    unit : str
        Of the target.
    """
    figure = new_figure(5.2, 2.3)
    sites = [point["sites"] for point in points]
    for axes, score, title in zip(
        figure.subplots(1, 2), ("crps", "rmse"), ("CRPS", "RMSE"), strict=True
    ):
        values = [point["crps"] if score == "crps" else point["rmse"] for point in points]
        axes.plot(sites, values, "-o", color=BLUE, ms=4, lw=1.2)
        for point in points if score == "crps" else ():
            low, high = point["crps_low"], point["crps_high"]
            if low is not None and high is not None:
                axes.plot([point["sites"]] * 2, [low, high], "-", color=GREY, lw=1.4, zorder=1)
        axes.set_xscale("log")
        axes.set_xticks(sites, [f"{count:,.0f}" for count in sites])
        axes.minorticks_off()
        axes.margins(x=0.12)
        axes.set_title(f"{title} ({unit})", fontsize=SMALL + 1)
    figure.supxlabel("sites on the training side, mean over the folds", fontsize=SMALL + 0.5)
    return tidied(figure)
