"""Two spellings of a CRS are one where they put a raster at the same places."""

import pyproj
import pytest
from affine import Affine

from icemap.predictors.crs_spellings import cells_apart

pytestmark = pytest.mark.quick

SINUSOIDAL = "+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs"
EASTERN = SINUSOIDAL.replace("lon_0=0", "lon_0=10")
GLOBE = Affine(1e5, 0, -20_015_109.354, 0, -1e5, 10_007_554.677)


@pytest.mark.parametrize(
    ("transform", "shape", "crs"),
    [
        (GLOBE, (200, 400), SINUSOIDAL),
        (Affine(25_000, 0, -9e6, 0, -25_000, 9e6), (720, 720), "EPSG:6931"),
        (Affine(1, 0, -180, 0, -1, 90), (180, 360), "EPSG:4326"),
    ],
)
def test_corners_outside_of_the_globe_say_nothing(transform, shape, crs) -> None:
    one = pyproj.CRS.from_user_input(crs)
    for other in (one.to_wkt("WKT1_ESRI"), one.to_wkt("WKT2_2019")):
        assert cells_apart(transform, shape, one.to_wkt(), other) < 0.01


def test_another_crs_is_elsewhere() -> None:
    polar = Affine(25_000, 0, -4e6, 0, -25_000, 4e6)
    assert cells_apart(polar, (320, 320), "EPSG:3413", "EPSG:3995") > 1
    assert cells_apart(GLOBE, (200, 400), SINUSOIDAL, EASTERN) > 1
    beyond = Affine(1e6, 0, 2e7, 0, -1e6, 2e7)
    assert cells_apart(beyond, (5, 5), "+proj=ortho +lat_0=90", "EPSG:3857") == float("inf")
