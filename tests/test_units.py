"""Units in the spellings of files and catalogues."""

import pytest

from icemap.units import conversion, part_of_one, per_year, same_unit, says_nothing

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("degrees Celsius", "degC"),
        ("[C]", "degC"),
        ("deg C", "°C"),
        ("METERS", "m"),
        ("percent", "%"),
        ("fraction", "1"),
        ("mW m^-2", "mW m-2"),
        ("W m⁻²", "W/m2"),
        ("degC d", "K d"),
        ("m a-1", "m year-1"),
        ("gpm", "m"),
    ],
)
def test_spellings_of_one_unit(one, other):
    assert same_unit(one, other)


@pytest.mark.parametrize(
    ("unit", "other", "value", "expected"),
    [
        ("K", "degC", 263.15, -10),
        ("degF", "degC", 14, -10),
        ("0.1 degC", "degC", -100, -10),
        ("US survey foot", "m", 65500, 19964.43992887986),
        ("feet", "m", 1000, 304.8),
        ("inches", "mm", 2, 50.8),
        ("km", "m", 1.5, 1500),
        ("‰", "%", 5, 0.5),
        ("g kg-1", "%", 300, 30),
        ("radians", "degree", 0.5, 28.64788975654116),
        ("10 km", "km", 2, 20),
        ("mm d-1", "mm year-1", 1, 365.242198781),
    ],
)
def test_values_are_converted(unit, other, value, expected):
    found = conversion(unit, other)
    assert found is not None
    assert found.factor * value + found.offset == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("m", "degC"),
        ("kg m-2", "mm"),
        ("degree", "%"),
        ("rad", "1"),
        ("degC*10", "degC"),
        ("degC x 10", "degC"),
        ("tenths of degC", "degC"),
        ("days since 1970-01-01", "days"),
        ("psu", "1"),
        ("mm d-1", "mm"),
    ],
)
def test_what_cannot_be_converted_is_not(one, other):
    assert conversion(one, other) is None
    assert not same_unit(one, other)


def test_parts_and_silence():
    assert [part_of_one(unit) for unit in ("1", "%", "percent", "‰", "m", "degree")] == [
        1,
        0.01,
        0.01,
        0.001,
        None,
        None,
    ]
    assert all(says_nothing(unit) for unit in ("", " ", "none", "-", "unknown", "N/A", None))
    assert not says_nothing("1")
    assert per_year("mm per year", "mm")
    assert not per_year("mm d-1", "mm")
