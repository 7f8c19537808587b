from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.places import projected, rounding_km
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.records import Problems
from icemap.boreholes.sites import read_layer_sites
from icemap.boreholes.tables import Table
from icemap.config_sections import TargetConfig

ROW = ",0.5,0.5,6,50\n"


def read(folder: Path, header: str, *places: str, **source: object):
    text = f"site,{header},permafrost_table [m],top [m],base [m],vic [%]\n" + "".join(
        f"s{i},{place}{ROW}" for i, place in enumerate(places)
    )
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return read_layer_table(
        str(folder / "t.csv"), LayerSource(path=str(folder / "t.csv"), **source)
    )


def test_projected_coordinates_become_degrees(tmp_path: Path) -> None:
    """Two corners of UTM 6N by its own definition: the central meridian, and the equator's scale
    along it.
    """
    layers = read(
        tmp_path, "easting [m],northing [m]", "500000,7264000", "400000,7264000", crs="EPSG:32606"
    ).layers
    assert layers["lon"][0] == pytest.approx(-147.0, abs=1e-9)
    assert layers["lat"][0] == pytest.approx(65.5, abs=0.01)
    assert layers["lon"][1] == pytest.approx(
        -147 - 100 / (111.32 * np.cos(np.radians(65.5))), abs=0.02
    )
    kilometres = read(tmp_path, "x [km],y [km]", "500,7264", crs="EPSG:32606").layers
    assert kilometres["lat"][0] == pytest.approx(layers["lat"][0])


def test_longitudes_of_a_full_turn_are_brought_home(tmp_path: Path) -> None:
    records = read(tmp_path, "lon,lat", "211.5,65.5", "10,60")
    assert records.layers["lon"].tolist() == [-148.5, 10.0]
    assert records.flags.loc[records.flags["rule"] == "longitude", "line"].tolist() == [2]
    assert read(tmp_path, "lon,lat", "211.5,65.5", "-10,60").layers["lon"].tolist() == [
        211.5,
        -10.0,
    ]


def test_a_full_turn_is_degrees_and_more_is_metres(tmp_path: Path) -> None:
    """In a CRS of degrees, up to the last longitude and latitude that there are."""
    edges = read(tmp_path, "lon,lat", "360,65", "180,90", crs="EPSG:4267").layers
    assert np.abs(edges["lon"][0]) % 360 == pytest.approx(0, abs=0.01)
    assert edges["lat"].tolist() == pytest.approx([65, 90], abs=0.01)
    for place in ("360.5,65", "180,90.5"):
        with pytest.raises(IcemapError, match="looks like metres"):
            read(tmp_path, "lon,lat", place, crs="EPSG:4267")


def test_degrees_that_count_westward_are_negative(tmp_path: Path) -> None:
    records = read(tmp_path, "longitude [degrees_west],lat", "148.5,65.5")
    assert records.layers["lon"].tolist() == [-148.5]
    assert "direction" in records.flags["rule"].tolist()


@pytest.mark.parametrize(
    ("header", "place", "source", "words"),
    [
        (
            "longitude [°W],lat",
            "-148.5,65.5",
            {},
            r"t\.csv: the header 'longitude \[°W\]' counts towards the west.*line 2 is negative",
        ),
        (
            "longitude [m],lat",
            "500000,65.5",
            {},
            r"t\.csv gives the column 'longitude \[m\]' in 'm': .*'crs'",
        ),
        (
            "lon,lat",
            "500000,7264000",
            {},
            (
                r"'lon' and 'lat' hold 500000 and 7\.264e\+06 \(line 2\), which are no"
                r" degrees.*crs: EPSG:32606"
            ),
        ),
        (
            "lon,lat",
            "500000,7264000",
            {"crs": "EPSG:99999999"},
            r"PROJ knows no CRS 'EPSG:99999999' \(key 'crs'\)",
        ),
        (
            "lon,lat",
            "-148.5,65.5",
            {"crs": "EPSG:32606"},
            r"the CRS EPSG:32606 has metres.*looks like degrees: correct 'crs'",
        ),
        (
            "lon,lat",
            "500000,7264000",
            {"crs": "EPSG:4269"},
            r"the CRS EPSG:4269 has degrees.*looks like metres",
        ),
        (
            "x [ft],y [ft]",
            "500000,7264000",
            {"crs": "EPSG:32606"},
            r"'x \[ft\]' in a unit that is not known for it: use m or km",
        ),
        (
            "x,y",
            "500000,1e300",
            {"crs": "EPSG:32606"},
            r"x, y is no place in EPSG:32606 \(line 2\)",
        ),
    ],
)
def test_coordinates_that_contradict_what_is_said_of_them(
    tmp_path: Path, header: str, place: str, source: dict[str, str], words: str
) -> None:
    with pytest.raises(IcemapError, match=words):
        read(tmp_path, header, place, **source)


def test_the_decimals_say_how_precise_a_place_can_be() -> None:
    table = Table(
        "t",
        pd.DataFrame({"x": ["-78.107", "10", "65° 30'"], "y": ["58.46", "60", "3"]}),
        np.arange(3),
    )
    assert rounding_km(table, ("x", "y"))[:2] == pytest.approx([0.0786, 78.6], rel=0.01)
    assert np.isnan(rounding_km(table, ("x", "x"))[2])


@pytest.mark.parametrize(("place", "used"), [("-122.125,62.33", 2), ("-122.12512,62.33011", 1)])
def test_holes_at_rounded_coordinates_are_two_and_at_precise_ones_the_same(
    tmp_path: Path, place: str, used: int
) -> None:
    """Two holes with 50.0 and 50.7 %."""
    rows = (
        "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]\n"
        + f"a,{place},0.5,0.5,6,50.0\nb,{place},0.5,0.5,6,50.7\n"
    )
    (tmp_path / "t.csv").write_text(rows)
    table = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(path=str(tmp_path / "t.csv")),)), TargetConfig(), 18.5
    )
    assert table.sites["used"].sum() == used


def test_one_hole_reported_twice_at_rounded_coordinates_is_one(tmp_path: Path) -> None:
    header = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]\n"
    (tmp_path / "t.csv").write_text(
        header
        + "a,-122.12,62.33,0.5,0.5,6,50\nb,-122.12,62.33,0.5,0.5,6,50\nc,-122.12,62.33,0.5,1.5,6,50\n"  # noqa: E501
    )
    table = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(path=str(tmp_path / "t.csv")),)), TargetConfig(), 18.5
    )
    assert table.sites["used"].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("epsg", ["32606", "EPSG:32607"]),
        ("UTM zone", ["6W", "7W"]),
        ("Zone UTM", ["6W", "7W"]),
        ("Fuseau", ["6", "7"]),
        ("utm_zone_number", ["6", "7"]),
        ("带号", ["6", "7"]),
        ("zone", ["06N", "7"]),
        ("crs", ["EPSG:32607", ""]),
    ],
)
def test_a_column_that_says_another_crs_is_named(header, cells) -> None:
    frame = pd.DataFrame({"x": [5e5, 5e5], "y": [7.2e6, 7.3e6], header: cells})
    table = Table("t.csv", frame, np.array([2, 3]))
    with pytest.raises(IcemapError, match=rf"the column '{header}' says"):
        projected(table, ("x", "y"), (None, None), "EPSG:32606", Problems(table))


def test_columns_that_agree_with_the_crs_or_speak_of_something_else_pass() -> None:
    frame = pd.DataFrame({"x": [5e5], "y": [7.2e6], "epsg": [32606], "utm zone": ["6W"]})
    table = Table("t.csv", frame.assign(zone="continuous"), np.array([2]))
    lon, lat = projected(table, ("x", "y"), (None, None), "EPSG:32606", Problems(table))
    assert lon[0] == pytest.approx(-147)
    assert lat[0] == pytest.approx(64.924, abs=1e-3)


@pytest.mark.parametrize(
    ("crs", "x", "y", "fits"),
    [
        ("EPSG:32606", 7.2e6, 5e5, False),
        ("EPSG:32606", 5e5, 7.2e6, True),
        ("EPSG:32606", 1.1e6, 7.4e6, True),
        ("EPSG:32601", -1e5, 7.2e6, True),
        ("EPSG:3413", -3e6, 1e6, True),
    ],
)
def test_places_far_outside_the_area_of_a_crs_are_named(crs, x, y, fits) -> None:
    table = Table("t.csv", pd.DataFrame({"x": [x], "y": [y]}), np.array([2]))
    problems = Problems(table)
    projected(table, ("x", "y"), (None, None), crs, problems)
    if fits:
        problems.require_none()
    else:
        with pytest.raises(IcemapError, match="exchanged, or another zone"):
            problems.require_none()


@pytest.mark.parametrize(
    ("x", "y", "fits"),
    [
        ([5e5, 5.1e5, 5.1e4], [7.264e6] * 3, False),
        ([5e5, 5.1e5, 5.1e5], [7.264e6, 7.265e6, 2.65e5], False),
        ([5e5, 5.1e5, 5.1e5], [7.264e6, 7.265e6, 7.2e5], False),
        ([5e5, 5.1e5, 1.1e6], [7.264e6] * 3, True),
        ([5e5, 9.1e5, 5e4], [7.264e6] * 3, True),
        ([5e5, 5.1e5, 2.8e5], [7.264e6, 6.3e6, 8.6e6], True),
        ([5e5], [2.65e5], True),
    ],
)
def test_coordinates_that_lost_a_digit_are_named(x, y, fits) -> None:
    table = Table("t.csv", pd.DataFrame({"x": x, "y": y}), np.arange(2, len(x) + 2))
    problems = Problems(table)
    projected(table, ("x", "y"), (None, None), "EPSG:32606", problems)
    if fits:
        problems.require_none()
    else:
        with pytest.raises(IcemapError, match=r"a digit too few or too many \(line 4\)"):
            problems.require_none()
