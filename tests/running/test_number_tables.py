from __future__ import annotations

import pytest

from icemap.running.number_tables import from_bytes, to_bytes

pytestmark = pytest.mark.quick

TABLE = {
    "all": {"area_km2": 0.1 + 0.2, "integral": [1e-300, 1 / 3, -2.5e17], "low": 4.0},
    "north of 60°": {"integral": [0.0, 5.0, 7.0], "area_km2": 3.0},
}


def test_every_number_comes_back_to_the_bit_and_as_a_plain_one():
    found = from_bytes(to_bytes(TABLE))
    assert found == TABLE
    assert type(found["all"]["area_km2"]) is float
    assert type(found["all"]["integral"][0]) is float


def test_the_same_table_has_the_same_bytes():
    assert to_bytes(TABLE) == to_bytes(from_bytes(to_bytes(TABLE)))


@pytest.mark.parametrize("table", [{}, {"all": {}}, {"all": {"integral": []}}])
def test_what_is_empty_stays_so(table):
    assert from_bytes(to_bytes(table)) == table


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="not finite"):
        to_bytes({"all": {"integral": [1.0, value]}})


def test_replicates_that_are_lost_in_a_region_are_refused():
    with pytest.raises(ValueError, match="'integral' has another length in 'b'"):
        to_bytes({"a": {"integral": [1.0, 2.0]}, "b": {"integral": [1.0]}})


@pytest.mark.parametrize("cut", range(0, 700, 50))
def test_half_a_file_is_no_table(cut):
    with pytest.raises(ValueError, match="no table of numbers"):
        from_bytes(to_bytes(TABLE)[:cut])
