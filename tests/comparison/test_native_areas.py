from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod, Transformer

from icemap.comparison.native_areas import native_areas
from icemap.grid import Grid
from icemap.predictors.raster import Raster

GLOBE_KM2 = 510_065_621.7


def raster(crs: str, transform: Affine, shape: tuple[int, int]) -> Raster:
    return Raster("r", crs, transform, shape, None, "class", lambda rows, cols: np.zeros((1, 1)))


def test_cells_in_degrees_have_the_area_of_a_grid():
    grid = Grid(-180, -90, 180, 90, 2.0)
    areas = native_areas(
        raster("EPSG:4326", grid.transform, grid.shape), slice(0, 90), slice(0, 180)
    )
    assert areas[:, 0] == pytest.approx(grid.cell_area())
    assert areas.sum() == pytest.approx(GLOBE_KM2, rel=1e-8)


@pytest.mark.parametrize("crs", ["EPSG:3995", "EPSG:6931", "EPSG:3408"])
@pytest.mark.parametrize(
    "at", [(-1_000_000, 2_000_000), (3_000_000, -1_500_000), (-25_000, 25_000)]
)
def test_projected_cells_have_the_area_of_a_geodesic_polygon(crs, at):
    transform = Affine(10_000, 0, at[0], 0, -10_000, at[1])
    areas = native_areas(raster(crs, transform, (5, 5)), slice(0, 5), slice(0, 5))
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    corners = [transform @ corner for corner in ((1, 2), (2, 2), (2, 3), (1, 3))]
    lon, lat = to_degrees.transform(*np.array(corners).T)
    expected = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]) / 1e6
    assert areas[2, 1] == pytest.approx(expected, rel=2e-4)


def test_a_hemisphere_in_one_window_has_its_area():
    """The date line and the pole are in it, and corners beyond the projection."""
    side = 12533.7625 * 4
    half = 181
    transform = Affine(side, 0, -half * side, 0, -side, half * side)
    areas = native_areas(
        raster("EPSG:3408", transform, (2 * half, 2 * half)), slice(0, 362), slice(0, 362)
    )
    x = (np.arange(362) + 0.5 - half) * side
    north = np.hypot(*np.meshgrid(x, x)) < np.sqrt(2) * 6371228
    assert areas[north].sum() == pytest.approx(GLOBE_KM2 / 2, rel=2e-3)
