"""How alike the residuals of neighbouring sites are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.products.figures.style import (
    BLUE,
    FRAME,
    GREY,
    SMALL,
    VERMILION,
    legend_below,
    new_figure,
    styled,
    tidied,
)

if TYPE_CHECKING:
    from icemap.totals.residual_field import Variogram

Array = NDArray[np.float64]
# Of a bin, for a full mark: fewer say little.
MIN_PAIRS = 30


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
    correlated = [sill * -np.expm1(-reach / range_km) for sill, range_km in variogram.structures]
    curve = nugget + sum(correlated, np.zeros(len(reach)))
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
    legend_below(axes, 2, at=-0.18)
    return tidied(figure)
