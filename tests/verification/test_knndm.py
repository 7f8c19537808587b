"""Folds that are as far apart as the map is from its sites."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyproj import Geod
from scipy.stats import wasserstein_distance

from icemap.ensemble.folds import block_folds, random_folds
from icemap.verification.knndm import great_circle, knndm, knndm_folds, nearest_distance
from tests.drawn_sites import along_roads, on_the_sphere

POINTS = Path(__file__).parents[2] / "../shared/realcase/points"


def reach(lon, lat, labels):
    """Distance of each site to the nearest one of another fold, the plain way."""
    distances = great_circle(lon, lat)
    return np.array([distances[i, labels != labels[i]].min() for i in range(len(labels))])


def test_great_circle_distances_against_the_ellipsoid():
    lon, lat = on_the_sphere(40, 5)
    i, j = np.triu_indices(40, 1)
    geodesic = Geod(ellps="WGS84").inv(lon[i], lat[i], lon[j], lat[j])[2] / 1000
    # A sphere is at most 0.6 % wrong on this ellipsoid.
    assert great_circle(lon, lat)[i, j] == pytest.approx(geodesic, rel=6e-3)
    everywhere = nearest_distance(lon, lat, lon[:7], lat[:7])
    assert everywhere == pytest.approx(great_circle(lon, lat)[:, :7].min(axis=1), abs=1e-4)


def test_knndm_gives_the_figure_of_cast():
    # CAST, tests/testthat/test-knndm.R, "works with geographical coordinates and prediction
    # points": W = 121095.2 m with 3 clusters. Its prediction points are sf's regular sample of 20
    # in a 10 x 10 degree square: an R draw, set.seed(1); runif(2), places the lattice.
    lon, lat = [1, 1, 2, 2, 1, 5], [1, 2, 2, 3, 4, 4]
    step = np.sqrt(100 / 20)
    west, south = 10 * np.array([0.2655086631421000, 0.3721238996367902]) % step
    domain_lon, domain_lat = (
        a.ravel() for a in np.meshgrid(west + step * np.arange(5), south + step * np.arange(4))
    )
    found = knndm(lon, lat, domain_lon, domain_lat, k=2, seed=0, largest_fold=0.8)
    assert round(found.w, 4) == 121.0952
    assert found.clusters == 3


def test_knndm_matches_the_map_where_random_folds_do_not():
    lon, lat = along_roads()
    domain = on_the_sphere(2000, 9, 55, 75)
    found = knndm(lon, lat, *domain, k=5, seed=0)
    w_random = wasserstein_distance(
        reach(lon, lat, random_folds(len(lon), 5, 0)), found.domain_to_site
    )
    assert found.w == pytest.approx(
        wasserstein_distance(reach(lon, lat, found.labels), found.domain_to_site)
    )
    assert found.test_to_train == pytest.approx(reach(lon, lat, found.labels))
    assert found.w < 0.3 * w_random
    assert set(found.labels) == set(range(5))
    assert np.bincount(found.labels).max() <= 0.5 * len(lon)


def test_knndm_returns_random_folds_for_random_sites():
    lon, lat = on_the_sphere(200, 3, 55, 75)
    found = knndm(lon, lat, *on_the_sphere(2000, 4, 55, 75), k=10, seed=7)
    assert found.clusters == 0
    assert np.array_equal(found.labels, random_folds(200, 10, 7))


def test_knndm_is_blind_to_the_date_line():
    lon, lat = along_roads(seed=4)
    domain_lon, domain_lat = on_the_sphere(2000, 9, 55, 75)
    here = knndm(lon, lat, domain_lon, domain_lat, k=5, seed=0)
    turned = knndm(
        (lon + 137 + 180) % 360 - 180,
        lat,
        (domain_lon + 137 + 180) % 360 - 180,
        domain_lat,
        k=5,
        seed=0,
    )
    assert turned.w == pytest.approx(here.w, rel=0.05)


def test_knndm_takes_sites_at_one_place():
    lon, lat = np.repeat([10.0, 50.0, 90.0, 130.0], 10), np.repeat([65.0, 66.0, 67.0, 68.0], 10)
    labels = knndm_folds(lon, lat, *on_the_sphere(500, 1, 60, 70), k=4, seed=0)
    assert all(len(set(labels[lon == place])) == 1 for place in set(lon))


def test_knndm_needs_sites():
    with pytest.raises(ValueError, match="10 folds and 5 sites"):
        knndm(np.arange(5), np.full(5, 60), [0, 1], [60, 60], k=10, seed=0)


@pytest.mark.skipif(
    not POINTS.exists(), reason="the real measurement points are not on this machine"
)
def test_knndm_on_active_layer_sites_lies_between_random_folds_and_the_map():
    points = pd.read_csv(POINTS / "points_alt.csv")
    domain = on_the_sphere(3000, 0, 60, 75)
    found = knndm(points.lon, points.lat, *domain, k=10, seed=0)
    lon, lat = points.lon.to_numpy(), points.lat.to_numpy()
    w_random = wasserstein_distance(
        reach(lon, lat, random_folds(len(lon), 10, 0)), found.domain_to_site
    )
    w_blocks = wasserstein_distance(
        reach(lon, lat, block_folds(lon, lat, 10, 10, 0)), found.domain_to_site
    )
    assert found.w < w_blocks < w_random
