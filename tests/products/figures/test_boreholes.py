import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from icemap.config import TargetConfig
from icemap.products.figures.boreholes import _land, _project, boreholes_map, value_histogram

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")
    )


def test_the_projection_keeps_areas_and_the_pole_in_the_middle() -> None:
    x, y = _project(np.array([0.0, -90.0, 45.0]), np.array([60.0, 60.0, 90.0]))
    np.testing.assert_allclose([x[0], y[1], x[2], y[2]], 0, atol=1e-12)
    assert y[0] < 0
    assert x[1] < 0
    # The cap north of 60 N on the unit sphere has the area 2 pi (1 - sin 60).
    np.testing.assert_allclose(np.pi * y[0] ** 2, 2 * np.pi * (1 - np.sin(np.radians(60))))


def test_land_is_where_it_is() -> None:
    limit = float(-_project(np.array([0.0]), np.array([40.0]))[1][0])
    land = _land(limit)

    def at(lon: float, lat: float) -> float:
        x, y = _project(np.array([lon]), np.array([lat]))
        column, row = (
            int((x[0] + limit) / (2 * limit) * land.shape[1]),
            int((limit - y[0]) / (2 * limit) * land.shape[0]),
        )
        return float(land[row, column])

    assert [at(100, 65), at(-42, 75), at(-100, 55), at(0, 89), at(-40, 50)] == [1, 1, 1, 0, 0]
    assert np.isnan(land[0, 0])


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
