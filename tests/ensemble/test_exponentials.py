import numba
import numpy as np
import pytest

from icemap.ensemble.exponentials import exponentials

EXPONENTS = np.concatenate([np.linspace(-90, 0, 20_001), [-1e-9, 1e-7, -1e300, -200.0]])


@numba.njit
def found(exponents, kind):
    values = np.empty(exponents.size, kind)
    exponentials(exponents, values)
    return values


def test_single_precision_errs_by_its_rounding_alone():
    values = found(EXPONENTS, np.float32)
    exact = np.exp(np.maximum(EXPONENTS, -126 * np.log(2)))
    assert np.abs(values / exact - 1).max() < 3e-7
    assert values.dtype == np.float32


def test_exponents_may_be_in_single_precision():
    exponents = EXPONENTS[:-2].astype(np.float32)
    assert (found(exponents, np.float32) == found(exponents.astype(float), np.float32)).all()


def test_double_precision_is_the_librarys():
    assert found(EXPONENTS, np.float64) == pytest.approx(np.exp(EXPONENTS), rel=1e-15)


def test_a_number_has_the_same_digits_wherever_it_stands():
    every = found(EXPONENTS, np.float32)
    for start in (1, 3, 17):
        assert (found(EXPONENTS[start:], np.float32) == every[start:]).all()
