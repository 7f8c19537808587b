"""The proposed grid: around the sites, tidy, and no finer than makes sense."""

import numpy as np
import pytest

from icemap.grid import Grid
from icemap.starting.extent import MAX_CELLS, TIDY, propose_grid

pytestmark = pytest.mark.quick
RNG = np.random.default_rng(0)


def sites(west: float, east: float, south: float = 60, north: float = 70, count: int = 300):
    lon = RNG.uniform(west, east, count)
    return np.where(lon > 180, lon - 360, lon), RNG.uniform(south, north, count)


@pytest.mark.parametrize("cell", [1e-4, 1 / 120, 1 / 60, 0.07, 0.25, 2.5])
@pytest.mark.parametrize("span", [(-150, -149.5), (-150, -140), (170, 200), (-170, 175)])
def test_a_grid_is_one_that_icemap_takes_and_holds_the_sites(cell, span):
    lon, lat = sites(*span)
    found = propose_grid(lon, lat, [cell])
    assert found.arcsec in TIDY
    # Refuses what does not hold whole cells.
    grid = Grid(found.west, found.south, found.east, found.north, found.arcsec / 3600)
    assert grid.shape[0] * grid.shape[1] <= MAX_CELLS * 1.5
    assert found.south <= lat.min()
    assert found.north >= lat.max()
    across = np.mod(lon - found.west, 360)
    assert across.max() <= (found.east - found.west) % 360 or found.east - found.west == 360


def test_it_is_not_finer_than_the_rasters():
    lon, lat = sites(-150, -148, 60, 61)
    assert propose_grid(lon, lat, [1 / 6, 1 / 6, 1 / 120]).resolution == "10 arcmin"


def test_it_is_finer_where_sites_would_share_cells():
    lon, lat = sites(-150, -149.6, 60, 60.3)
    found = propose_grid(lon, lat, [0.5])
    assert found.arcsec < 1800
    assert any("share" in why for why in found.why)


def test_too_few_sites_are_a_question():
    lon, lat = sites(-150, -140, count=20)
    assert any(why.startswith("QUESTION") for why in propose_grid(lon, lat, [0.1]).why)


def test_one_site_has_a_grid():
    found = propose_grid(np.array([10.0]), np.array([70.0]), [])
    assert found.west < 10 < found.east
