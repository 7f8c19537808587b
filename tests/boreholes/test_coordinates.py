import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icemap.boreholes.coordinates import parse_coordinates


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("65.5", 65.5),
        ("65.5°N", 65.5),
        ("148.25 W", -148.25),
        ("W148.25", -148.25),
        ("148° 30' 36\" W", -148.51),
        ("65º30.6′N", 65.51),
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
