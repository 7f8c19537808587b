"""The variogram of the residuals, read from its marks."""

import numpy as np

from icemap.products.figures.variogram import variogram_figure
from icemap.totals.residual_field import Variogram


def test_the_variogram_has_its_points_their_pairs_and_the_curve(drawn):
    points = (
        np.array([0.0, 12.0, 40.0, 1200.0]),
        np.array([0.0, 2.0, 3.0, 5.0]),
        np.array([0.0, 6.0, 50.0, 900.0]),
    )
    variogram_figure(points, Variogram(3.0, 100.0, 1.0), 0.5, "%")
    axes = drawn[0].axes[0]
    curve, nugget, full, few = axes.lines
    assert nugget.get_ydata() == [1.5, 1.5]
    np.testing.assert_allclose(
        curve.get_ydata(), 1.5 + 3 * (1 - np.exp(-np.asarray(curve.get_xdata()) / 100))
    )
    assert [list(line.get_xdata()) for line in (full, few)] == [[50.0, 900.0], [6.0]]
    assert few.get_markerfacecolor() == "white" != full.get_markerfacecolor()
    assert [text.get_text() for text in axes.texts] == ["12", "40", "1,200"]
    assert axes.get_ylabel() == "semivariance (% squared)"
