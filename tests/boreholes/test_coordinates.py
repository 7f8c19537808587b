import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icemap.boreholes.coordinates import Axis, parse_coordinates
from icemap.errors import IcemapError


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("65.5", 65.5),
        ("65.5°N", 65.5),
        ("148.25 W", -148.25),
        ("W148.25", -148.25),
        ("148° 30' 36\" W", -148.51),
        ("65º30.6′N", 65.51),
        ("65º30.6´N", 65.51),
        ("-12,5", -12.5),
        ("33 S", -33.0),
        ("148 30 36 W", -148.51),
        ("148:30:36 W", -148.51),
        ("-148 30 36", -148.51),
        ("65 30.6 N", 65.51),
        ("148.25 west", -148.25),
    ],
)
def test_coordinates_with_degree_signs(text: str, degrees: float) -> None:
    values, unreadable = parse_coordinates(pd.Series([text, "x"]))
    assert values[0] == pytest.approx(degrees)
    assert unreadable.tolist() == [False, True]


@pytest.mark.parametrize("text", ["> 65", "65-66", "65° 75' N", "N65S", "-65 N"])
def test_what_is_no_place_is_unreadable(text: str) -> None:
    assert parse_coordinates(pd.Series([text]))[1][0]


@given(st.text(max_size=20))
def test_any_text_is_a_place_missing_or_unreadable(text: str) -> None:
    values, unreadable = parse_coordinates(pd.Series([text, "x"]))
    assert np.isnan(values[0]) or not unreadable[0]


@pytest.mark.parametrize(
    ("header", "values", "degrees"),
    [
        ("lon", [148.5, -149.0], [148.5, -149.0]),
        ("Longitude (W)", [148.5, 149.0], [-148.5, -149.0]),
        ("lon_w", [-148.5, -149.0], [-148.5, -149.0]),
        ("Longitude, western", [148.5], [-148.5]),
        ("lat S", [33.0], [-33.0]),
        ("degN", [65.0], [65.0]),
        ("lats", [65.0], [65.0]),
        ("lat [rad]", [np.pi / 3], [60.0]),
        ("lon [gon]", [100.0], [90.0]),
        ("lon_w [gon]", [100.0], [-90.0]),
        ("lat arcmin", [3930.0], [65.5]),
        ("lat arcsec", [235800.0], [65.5]),
    ],
)
def test_a_header_says_direction_and_unit(
    header: str, values: list[float], degrees: list[float]
) -> None:
    found, unreadable = parse_coordinates(pd.Series(values), header)
    assert found == pytest.approx(degrees)
    assert not unreadable.any()


def test_what_a_cell_says_itself_is_not_turned_by_the_header() -> None:
    """A number without a letter takes its direction from the header, and one without minutes its
    unit.
    """
    column = pd.Series(["148.5 W", "148.5", "148 30 00", ""])
    found, unreadable = parse_coordinates(column, "Longitude (W)")
    assert found == pytest.approx([-148.5, -148.5, -148.5, np.nan], nan_ok=True)
    assert not unreadable.any()
    gon, _ = parse_coordinates(pd.Series(["148 30 00", "165"]), "lon [gon]")
    assert gon == pytest.approx([148.5, 148.5])


@pytest.mark.parametrize(
    ("header", "axis", "values", "says"),
    [
        ("Longitude (N)", "longitude", [148.5], "says N and is read as the longitude"),
        ("lat_w", "latitude", [65.0], "says W and is read as the latitude"),
        ("E N", None, [65.0], "says E and N and is read as the coordinate"),
        ("Longitude (W)", "longitude", [148.5, -149.0], "says W and holds numbers of both signs"),
        ("lat dms", "latitude", [65.5], "degrees, minutes and seconds, but holds plain numbers"),
        ("easting [m]", "longitude", [65.5], "gives coordinates in 'm'"),
        ("x [km]", "longitude", [65.5], "gives coordinates in 'km'"),
    ],
)
def test_a_header_that_contradicts_is_refused(
    header: str, axis: Axis | None, values: list[float], says: str
) -> None:
    with pytest.raises(IcemapError, match=says):
        parse_coordinates(pd.Series(values), header, axis)


@pytest.mark.parametrize(
    ("text", "axis", "readable"),
    [
        ("65.5 N", "latitude", True),
        ("65.5 N", "longitude", False),
        ("148.5 W", "longitude", True),
        ("148.5 W", "latitude", False),
        ("65 59 59.9", "latitude", True),
        ("65 60 00", "latitude", False),
        ("65 00 60", "latitude", False),
    ],
)
def test_letters_of_the_other_axis_and_sixty_minutes_are_unreadable(
    text: str, axis: Axis, readable: bool
) -> None:
    assert parse_coordinates(pd.Series([text, "x"]), "", axis)[1].tolist() == [not readable, True]


def test_less_than_a_degree_keeps_its_sign() -> None:
    values, _ = parse_coordinates(pd.Series(["-0 30 00", "0° 30' W", "0 30 00 E"]))
    assert values == pytest.approx([-0.5, -0.5, 0.5])


@pytest.mark.parametrize(
    "header",
    ["Westing", "Longitud oeste", "västlig längd", "läntinen pituus", "Lon (+W)", "vestlig lengde"],
)
def test_further_words_for_west(header: str) -> None:
    assert parse_coordinates(pd.Series([134.1]), header, "longitude")[0].tolist() == [-134.1]


@pytest.mark.parametrize("dash", ["‒", "－", "﹣", "−"])
def test_dashes_are_signs(dash: str) -> None:
    assert parse_coordinates(pd.Series([f"{dash}134.1"]))[0].tolist() == [-134.1]
