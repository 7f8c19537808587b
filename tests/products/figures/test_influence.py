"""What the figures of influence show, read from their marks; how they look was judged by eye."""

from __future__ import annotations

import re

import numpy as np

from icemap.grid import Grid
from icemap.products.figures.influence import dependence_figure, importance_figure, places_map
from icemap.products.figures.projection import view_of


def test_the_next_boreholes_are_numbered_by_rank_where_they_would_be(drawn):
    view = view_of(Grid(-180, 50, 180, 90, 1), 100)
    next_ones = [{"longitude": -150.0, "latitude": 65.0}, {"longitude": 100.0, "latitude": 70.0}]
    places_map(view, (np.array([10.0]), np.array([60.0])), next_ones)
    axes = drawn[0].axes[0]
    ranks = {text.get_text(): text.xy for text in axes.texts if text.get_text() in "12"}
    x, y = view.project([-150.0, 100.0], [65.0, 70.0])
    np.testing.assert_allclose(ranks["1"], (x[0], y[0]))
    np.testing.assert_allclose(ranks["2"], (x[1], y[1]))


def test_a_class_predictor_has_points_and_names(drawn):
    curves = {
        "rock": {"values": [3, None], "mean": [1.0, 2.0], "members": {"svr": [1.0, 3.0]}},
        "warm": {"values": [0.0, 1.0], "mean": [1.0, 2.0], "members": {"svr": [1.0, 3.0]}},
    }
    dependence_figure(curves, ["warm", "rock"], {"rock": "class", "warm": "degC"}, "ice (%)")
    warm, rock = drawn[0].axes[:2]
    assert warm.get_xlabel() == "warm (degC)"
    assert rock.get_xlabel() == "rock (class)"
    assert [text.get_text() for text in rock.get_xticklabels()] == ["3", "other"]
    assert {line.get_linestyle() for line in rock.lines} == {"None"}


def test_the_same_run_gives_the_same_bytes():
    importance = [{"predictor": "a", "rmse_increase": 1.0, "sd": 0.1}]
    one, two = (importance_figure(importance, {"lightgbm": {"a": 1.0}}, "%") for _ in range(2))
    assert one == two
    assert re.match(rb"<\?xml", one)


def test_what_folds_use_and_the_map_does_not_or_the_map_alone_has_a_row(drawn):
    rows = [{"predictor": name, "rmse_increase": 2.0, "sd": 0.1} for name in ("maat", "position z")]
    importance_figure(rows, {"lightgbm": {"maat": 0.5, "slope": 0.25}}, "%")
    folds, of_map = drawn[0].axes[:2]
    assert [label.get_text() for label in folds.get_yticklabels()] == [
        "maat",
        "position z",
        "slope",
    ]
    assert [bar.get_width() for bar in folds.patches] == [2.0, 2.0]
    assert [bar.get_width() for bar in of_map.patches] == [0.5, 0.0, 0.25]
