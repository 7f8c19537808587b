"""Degrees on the edges of a map, read from their texts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from icemap.grid import Grid
from icemap.products.figures.graticule import draw_graticule
from icemap.products.figures.projection import view_of


@pytest.mark.parametrize(
    ("grid", "parallels"),
    [
        (Grid(100, 55, 130, 70, 0.25), ["55°N", "60°N", "65°N", "70°N"]),
        (Grid(-180, 65.9, 180, 68, 0.1), ["66°N", "68°N"]),
    ],
)
def test_a_low_map_has_few_parallels(grid, parallels):
    figure, axes = plt.subplots()
    draw_graticule(axes, view_of(grid, 300, "plate-carree"))
    texts = [text.get_text() for text in axes.texts]
    plt.close(figure)
    assert [text for text in texts if text.endswith("N")] == parallels
