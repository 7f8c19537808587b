import numpy as np
import pytest

from icemap.boreholes.table_units import (
    canonical_unit,
    convert_units,
    header_unit,
    is_unit,
    same_unit,
    split_header,
    unit_factor,
)


def test_headers_and_units() -> None:
    assert split_header(" Top depth (m) ") == ("Top depth", "m")
    assert convert_units(np.array([1.2]), "m", "cm") == pytest.approx(120)
    assert convert_units(np.array([50.0]), "%", "1") == pytest.approx(0.5)
    assert convert_units(np.array([0.0]), "°C", "K") == pytest.approx(273.15)
    assert convert_units(np.array([1.0]), "m", "%") is None
    assert convert_units(np.array([1.0]), "mW/m2", "mW/m2") == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("unit", "target", "of_one"),
    [
        ("cm", "m", 0.01),
        ("mm", "cm", 0.1),
        ("km", "m", 1000.0),
        ("dm", "cm", 10.0),
        ("ft", "m", 0.3048),
        ("in", "cm", 2.54),
        ("inches", "feet", 1 / 12),
        ("percent", "fraction", 0.01),
        ("vol%", "%", 1.0),
        ("m3/m3", "%", 100.0),
        ("kg/m3", "g/cm3", 0.001),
        ("g cm-3", "kg m-3", 1000.0),
        ("Mg/m3", "g/cm3", 1.0),
        ("degF", "degC", -17.2222),
        ("K", "degC", -272.15),
        ("degC", "degF", 33.8),
        ("degrees_north", "deg", 1.0),
    ],
)
def test_one_of_a_unit_in_another(unit: str, target: str, of_one: float) -> None:
    assert convert_units(np.array([1.0]), unit, target) == pytest.approx(of_one, rel=1e-5)


def test_whole_factors_are_exact() -> None:
    assert convert_units(np.array([120.0]), "cm", "m")[0] == 1.2
    assert convert_units(np.array([1.1]), "m", "cm")[0] == 1.1 * 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Vol.%", "%"),
        ("%vol", "%"),
        ("vol %", "%"),
        ("Vol.-%", "%"),
        ("% (by vol.)", "%"),
        ("%, v/v", "%"),
        ("percent by volume", "%"),
        ("percentage", "%"),
        ("Volume fraction", "fraction"),
        ("dm³/dm³", "fraction"),
        ("m³ m⁻³", "m3 m-3"),
        ("g/cm^3", "g/cm3"),
        (" Meters ", "m"),
        ("pct", "%"),
        ("unitless", "1"),
        ("Celsius", "degc"),
        ("°K", "k"),
        ("deg F", "degf"),
        ("centimetres", "cm"),
        ("millimeter", "mm"),
        ("cm3/cm3", "fraction"),
    ],
)
def test_spellings_of_one_unit(one: str, other: str) -> None:
    assert canonical_unit(one) == other
    assert is_unit(one)
    assert same_unit(one, other)


def test_units_that_differ_are_not_the_same() -> None:
    assert not same_unit("cm", "mm")
    assert not same_unit("degC", "K")
    assert not same_unit("m", "%")
    assert not is_unit("mean")


def test_the_factor_is_that_of_the_kind() -> None:
    assert unit_factor("cm", "length [m]") == 0.01
    assert unit_factor("%", "fraction") == 0.01
    assert unit_factor("cm", "fraction") is None
    assert unit_factor("feet", "length [m]") == 0.3048


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("flow [W/m2]", ("W/m2", True)),
        ("load (kg m-2)", ("kg m-2", True)),
        ("ice [% wt]", ("% wt", True)),
        ("ice (mass %)", ("mass %", True)),
        ("ice ()", (None, False)),
        ("ice (2019)", (None, False)),
        ("depth, m", ("m", False)),
        ("ice_pct", ("pct", False)),
        ("m", (None, False)),
        ("depth top", (None, False)),
    ],
)
def test_the_unit_of_a_header(header: str, expected: tuple[str | None, bool]) -> None:
    assert header_unit(header) == expected
