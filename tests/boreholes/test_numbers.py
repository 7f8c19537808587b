import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icemap.boreholes.numbers import parse_numbers


@pytest.mark.parametrize(
    ("text", "value", "censored"),
    [
        ("3.2", 3.2, 0),
        ("> 3.2", 3.2, 1),
        ("≥3.2", 3.2, 1),
        ("3.2+", 3.2, 1),
        ("<0.5", 0.5, -1),
        ("0.5–1.5", 1.0, 0),
        ("0.5 to 1.5", 1.0, 0),
        ("2,5", 2.5, 0),
        ("−4", -4.0, 0),
        ("ca. 12", 12.0, 0),
        ("12 (est.)", 12.0, 0),
        ("12 approx", 12.0, 0),
        ("1e-3", 0.001, 0),
    ],
)
def test_numbers_as_people_write_them(text: str, value: float, censored: int) -> None:
    numbers = parse_numbers(pd.Series([text]))
    assert numbers.value[0] == pytest.approx(value)
    assert numbers.censored[0] == censored
    assert not numbers.unreadable[0]


@pytest.mark.parametrize("text", ["", "NA", "nd", "-", "n/a", "No data", "NaN", None])
def test_signs_for_missing_are_missing_and_not_unreadable(text: str | None) -> None:
    numbers = parse_numbers(pd.Series([text, "x"]))
    assert np.isnan(numbers.value[0])
    assert numbers.unreadable.tolist() == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "deep",
        "1,250",
        "1.2.3",
        "inf",
        "1e999",
        "12 apples",
        ">",
        "--3",
        "3/4",
        "01/02",
        "01-02",
        "2001-05",
        "1.2 m",
    ],
)
def test_what_is_no_number_is_unreadable(text: str) -> None:
    numbers = parse_numbers(pd.Series([text]))
    assert numbers.unreadable[0]
    assert np.isnan(numbers.value[0])


def test_ranges_keep_their_ends() -> None:
    numbers = parse_numbers(pd.Series(["0.5-1.2", "3"]))
    assert numbers.low.tolist() == [0.5, 3.0]
    assert numbers.high.tolist() == [1.2, 3.0]


@pytest.mark.parametrize(
    ("others", "value"),
    [
        ((), np.nan),
        (("2,5",), 1.25),
        (("2,5", "7"), 1.25),  # a whole number decides nothing
        (("2,5", "3.75"), np.nan),
        (("3.75",), np.nan),
    ],
)
def test_the_rest_of_the_column_says_what_a_comma_before_three_digits_is(
    others: tuple[str, ...], value: float
) -> None:
    numbers = parse_numbers(pd.Series(["1,250", *others]))
    np.testing.assert_equal(numbers.value[0], value)
    assert numbers.unreadable[0] == np.isnan(value)


def test_infinity_in_a_numeric_column_is_unreadable() -> None:
    assert parse_numbers(pd.Series([1.0, np.inf])).unreadable.tolist() == [False, True]


def test_booleans_are_not_numbers() -> None:
    assert parse_numbers(pd.Series([True, False])).unreadable.all()


@given(st.floats(-1e6, 1e6).map(lambda x: round(x, 6)))
def test_a_number_survives_being_written_as_text(x: float) -> None:
    assert parse_numbers(pd.Series([repr(x), "other"])).value[0] == x


@given(st.text(max_size=20))
def test_any_text_is_a_number_missing_or_unreadable(text: str) -> None:
    numbers = parse_numbers(pd.Series([text, "x"]))
    assert numbers.unreadable[0] == (numbers.unreadable[0] and np.isnan(numbers.value[0]))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["412 345,12", "7 699 999", "60,5"], [412345.12, 7699999, 60.5]),
        (["412.345,12", "413.345"], [412345.12, 413345]),
        (["7,699,999", "7,345", "60.5"], [7699999, 7345, 60.5]),
        (["412'345.12", "413’345"], [412345.12, 413345]),
        (["1\u202f234,5"], [1234.5]),
        (["０．５", "６０", "0.5～1"], [0.5, 60, 0.75]),
    ],
)
def test_signs_between_thousands_and_wide_digits_are_read(
    cells: list[str], values: list[float]
) -> None:
    numbers = parse_numbers(pd.Series(cells))
    assert numbers.value.tolist() == values
    assert not numbers.unreadable.any()


@pytest.mark.parametrize(
    "cells", [["50 100"], ["1,234.5", "1.234,5"], ["412,345"], ["0 100,5"], ["45²"]]
)
def test_what_may_be_two_numbers_or_decimals_stays_unreadable(cells: list[str]) -> None:
    assert parse_numbers(pd.Series(cells)).unreadable.all()


def test_a_point_among_decimal_commas_is_no_thousand() -> None:
    assert parse_numbers(pd.Series(["1.250", "2.5"])).value.tolist() == [1.25, 2.5]
    assert parse_numbers(pd.Series(["1,250", "2,5"])).value.tolist() == [1.25, 2.5]


@pytest.mark.parametrize("text", ["45±5", "45 ± 5", "45 +/- 5", "45(±5)", "45,0 ± 5,0", "45 ± 5 %"])
def test_an_error_behind_a_number_is_read(text: str) -> None:
    numbers = parse_numbers(pd.Series([text, "30"]), "%")
    assert numbers.value.tolist() == numbers.low.tolist() == numbers.high.tolist() == [45, 30]
    np.testing.assert_equal(numbers.error, [5, np.nan])


def test_an_error_has_the_unit_of_its_cell() -> None:
    assert parse_numbers(pd.Series(["0.85 ± 0.05 m"]), "cm").error[0] == pytest.approx(5)
    assert parse_numbers(pd.Series(["28.4 ± 1.8 F"]), "degC").error[0] == pytest.approx(1)


@pytest.mark.parametrize("text", ["± 5", "45 ± ", "45 ± -5", "45 ± 5 ± 1", "45*", "45a", "(45)"])
def test_what_stands_behind_a_number_may_make_it_unreadable(text: str) -> None:
    assert parse_numbers(pd.Series([text])).unreadable.all()
