"""What the figures show, read from their marks; how they look was judged by eye."""

from __future__ import annotations

import numpy as np
import pytest

from icemap.grid import Grid
from icemap.products.figures import style
from icemap.products.figures import verification as figures
from icemap.products.figures.projection import view_of
from icemap.products.figures.style import BLUE, GREY, VERMILION


def test_pit_bars_are_a_density_and_the_band_fits_the_number_of_samples(drawn):
    rng = np.random.default_rng(0)
    figures.pit_figure({"few": rng.random(100), "many": rng.random(4000)})
    few, many = drawn[0].axes
    for axes, bins in ((few, 10), (many, 20)):
        bars = [patch for patch in axes.patches if patch.get_width() < 0.5]
        assert len(bars) == bins
        assert sum(bar.get_height() * bar.get_width() for bar in bars) == pytest.approx(1)
    bands = [
        next(patch for patch in axes.patches if patch.get_width() >= 0.5) for axes in (few, many)
    ]
    assert bands[0].get_height() > 3 * bands[1].get_height()


def test_sure_differences_are_coloured_by_who_is_better(drawn):
    rows = [
        {"model": "a", "score": "crps", "difference": -1.0, "low": -2.0, "high": -0.5},
        {"model": "b", "score": "crps", "difference": 1.0, "low": 0.5, "high": 2.0},
        {"model": "c", "score": "crps", "difference": 0.1, "low": -1.0, "high": 1.0},
        {"model": "d", "score": "crps", "difference": -3.0, "low": None, "high": None},
    ]
    figures.difference_figure(rows, "%")
    points = {
        line.get_xdata()[0]: line.get_markerfacecolor()
        for line in drawn[0].axes[0].lines
        if line.get_marker() == "o"
    }
    assert points == {
        -1.0: BLUE,
        1.0: VERMILION,
        0.1: GREY,
        -3.0: GREY,
    }


def test_coverage_of_each_block_is_drawn_where_its_samples_are(drawn):
    rng = np.random.default_rng(0)
    blocks = np.repeat(["a", "b"], [30, 5]).astype(object)
    lon, lat = np.where(blocks == "a", -150.0, 100.0), np.where(blocks == "a", 65.0, 70.0)
    inside = np.where(blocks == "a", rng.permutation(np.arange(35)) % 10 != 0, True)
    view = view_of(Grid(-180, 50, 180, 90, 1), 100)
    figures.coverage_map(view, lon, lat, inside, blocks, 20)
    axes = drawn[0].axes[0]
    marks = axes.collections[-1]
    np.testing.assert_allclose(
        marks.get_offsets(), np.column_stack(view.project([-150.0, 100.0], [65.0, 70.0]))
    )
    assert marks.get_array()[1] == 1
    sizes, opacity = marks.get_sizes(), marks.get_facecolors()[:, 3]
    assert sizes[0] > sizes[1]
    assert opacity[0] == 1 > opacity[1]
    assert [text.get_text() for text in axes.texts if not text.get_text().endswith("N")] == [
        f"{100 * inside[:30].mean():.0f}"
    ]


def test_reliability_is_the_difference_to_the_nominal_level(drawn):
    figures.reliability_figure({"x": {0.5: 0.4, 0.95: 0.97}}, {0.5: (0.3, 0.5), 0.95: (0.9, 0.99)})
    line = next(line for line in drawn[0].axes[0].lines if line.get_label() == "x")
    np.testing.assert_allclose(line.get_ydata(), [-0.1, 0.02])


def test_the_picture_of_the_report_shows_miscalibration(drawn, monkeypatch):
    monkeypatch.setattr(figures, "saved", style.saved)
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 400)
    predicted = y + rng.normal(0, 3, 400)
    for pit, coverage in (
        (rng.random(400), {0.5: 0.5, 0.95: 0.95}),
        (rng.beta(0.4, 0.4, 400), {0.5: 0.2, 0.95: 0.6}),
    ):
        figures.verification_figure(pit, coverage, y, predicted, "%")
    good, narrow = (figure.axes for figure in drawn)
    heights = [[bar.get_height() for bar in axes[0].patches] for axes in (good, narrow)]
    # Of an interval that is too narrow, the ends of the histogram are high.
    assert max(heights[1][0], heights[1][9]) > 1.5 * max(heights[0][0], heights[0][9])
    assert [axes[1].lines[1].get_ydata().tolist() for axes in (good, narrow)] == [
        [0.5, 0.95],
        [0.2, 0.6],
    ]
