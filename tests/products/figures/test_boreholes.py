import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from icemap.config_sections import TargetConfig
from icemap.products.figures.boreholes import boreholes_map, sites_view, value_histogram

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")
    )


def test_the_pole_is_in_the_middle_of_sites_all_around_it() -> None:
    view = sites_view(np.array([0.0, 90.0, 180.0, -90.0]), np.full(4, 62.0))
    assert view.polar
    x, y = view.project([0.0, -90.0, 45.0], [60.0, 60.0, 90.0])
    np.testing.assert_allclose([x[0], y[1], x[2], y[2]], 0, atol=1e-6)
    assert y[0] < 0
    assert x[1] < 0
    # The cap north of 60 N on a sphere has the area 2 pi R^2 (1 - sin 60); the Earth is nearly one.
    cap = 2 * np.pi * 6371**2 * (1 - np.sin(np.radians(60)))
    np.testing.assert_allclose(np.pi * y[0] ** 2, cap, rtol=0.01)


@pytest.mark.parametrize("middle", [-147.0, 179.5, 0.0])
def test_sites_of_a_region_fill_the_picture_upright(middle: float) -> None:
    lon = (middle + np.array([-5.0, 0.0, 5.0, 3.0]) + 180) % 360 - 180
    lat = np.array([64.0, 70.0, 67.0, 65.0])
    view = sites_view(lon, lat)
    assert not view.polar
    left, right, bottom, top = view.extent
    x, y = view.project(lon, lat)
    assert ((left < x) & (x < right) & (bottom < y) & (y < top)).all()
    assert np.ptp(y) > 0.6 * (top - bottom)
    np.testing.assert_array_equal(np.argsort(y), np.argsort(lat))
    np.testing.assert_array_equal(np.argsort(x), [0, 1, 3, 2])


def test_one_site_has_a_map_around_it() -> None:
    view = sites_view(np.array([129.7]), np.array([62.0]))
    assert view.south < 62 < view.north
    assert view.west < 129.7 < view.east


def test_the_map_counts_what_it_draws() -> None:
    sites = pd.DataFrame(
        {
            "lon": [10.0, -150.0, np.nan, 20.0],
            "lat": [60.0, 70.0, 65.0, -143.0],
            "used": [True, False, False, False],
        }
    )
    shown = texts(boreholes_map(sites))
    assert "used (1)" in shown
    assert "not used (1)" in shown


def test_a_map_without_sites_is_a_map() -> None:
    assert "used (0)" in texts(boreholes_map(pd.DataFrame({"lon": [], "lat": [], "used": []})))


def test_the_histogram_has_one_bar_per_class_and_says_the_unit() -> None:
    sites = pd.DataFrame({"value": [10.0, 12.0, 55.0, 90.0], "used": [True, True, True, False]})
    shown = texts(value_histogram(sites, TargetConfig()))
    assert "median 12 %" in shown
    assert "volumetric ice content (%)" in shown
    assert "no site is used" in texts(value_histogram(sites.assign(used=False), TargetConfig()))
