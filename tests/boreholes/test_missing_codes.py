import numpy as np
import pytest

from icemap.boreholes.missing_codes import is_code, mixed_fractions, suspected_codes


@pytest.mark.parametrize("value", [-99.0, 88.8, 777.0, -32768.0, 65535.0, 1e9, -1e9, 9.96921e36])
def test_numbers_that_tables_write_for_missing(value: float) -> None:
    assert is_code(value)


@pytest.mark.parametrize("value", [0.0, 9.0, 98.9, 32766.0, 999_999_998.0])
def test_numbers_that_are_measurements(value: float) -> None:
    assert not is_code(value)


def test_a_code_is_suspected_where_it_is_far_from_the_rest() -> None:
    assert suspected_codes(np.array([-8.5, -3.0, np.nan, -9999.0])) == [-9999.0]
    assert suspected_codes(np.array([40.0, 70.0, 99.0])) == []


@pytest.mark.parametrize(
    ("values", "mixed"),
    [
        ([45, 0.52, 38, 0.61, 0.4], 3),
        ([45, 0.52, 38, 0.61], 0),
        ([45, 0.52, 38, 0.61, 0.4, 2.5], 0),
        ([45, 0.01, 38, 0.02, 0.03], 0),
        ([0.4, 0.5, 0.6, np.nan], 0),
        ([45, 0, 0, 0, 38], 0),
    ],
)
def test_parts_of_one_among_percents(values: list[float], mixed: int) -> None:
    assert mixed_fractions(np.array(values, dtype=float)).sum() == mixed
