"""Contributing areas of slopes whose water is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.predictors.wetness import contributing_area, wetness_index

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("fall", [(1, 0), (0, 1), (-1, 0), (1, 1), (-2, 1), (1, -3)])
@pytest.mark.parametrize("size", [(10.0, 10.0), (7.0, 12.0)], ids=["square", "narrow"])
def test_on_a_plane_each_move_adds_a_cell(fall, size) -> None:
    width, height = (np.full(41, edge) for edge in size)
    row, col = np.indices((41, 41))
    area = contributing_area(
        -(fall[0] * row * size[1] + fall[1] * col * size[0]).astype(float), width, height, 8
    )
    np.testing.assert_allclose(area[10:-10, 10:-10], 9 * size[0] * size[1], rtol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), steps=st.integers(0, 6))
def test_water_is_neither_made_nor_lost(seed, steps) -> None:
    """All water is in pits in the end, and what a pit of this terrain holds after many moves is the
    area of all cells.
    """
    rng = np.random.default_rng(seed)
    elevation = rng.normal(size=(9, 8))
    elevation[rng.random((9, 8)) < 0.1] = np.nan
    width, height = np.linspace(5, 9, 9), np.full(9, 6.0)
    padded = np.pad(elevation, 1, constant_values=np.nan)
    around = np.array(
        [padded[1 + i : 10 + i, 1 + j : 9 + j] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    )
    # Cells without a value neither give nor take.
    pits = ~(around < elevation).any(axis=0)
    settled = contributing_area(elevation, width, height, 80)
    np.testing.assert_allclose(settled[pits].sum(), (width * height).sum() * 8, rtol=1e-9)
    fewer, more = (contributing_area(elevation, width, height, steps + k) for k in (0, 1))
    assert (more >= fewer - 1e-9).all()


def test_valleys_are_wetter_than_ridges_and_level_ground_has_an_index() -> None:
    col = np.arange(61)
    elevation = np.abs(np.sin(col * np.pi / 30))[None, :] * 50 + np.linspace(30, 0, 61)[:, None]
    area = contributing_area(elevation, np.full(61, 30.0), np.full(61, 30.0), 20)
    assert area[40, 30] > 5 * area[40, 15]
    assert np.isfinite(wetness_index(area, np.full(area.shape, 900.0), np.zeros(area.shape))).all()
