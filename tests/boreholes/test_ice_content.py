import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icemap.boreholes import ice_content as ice

fraction = st.floats(0, 1)


@given(vic=st.floats(0.01, 0.97), air=st.floats(0, 0.2))
def test_every_water_measurement_of_one_sample_gives_its_ice_content(
    vic: float, air: float
) -> None:
    """A sample built from volumes of ice, air and solids, measured in four ways."""
    air = air * (1 - vic)
    solids = (1 - vic - air) * 2.65
    water = vic * 0.917
    w = water / solids
    assert ice.from_gravimetric(w, solids) == pytest.approx(vic)
    assert ice.from_frozen_bulk(w, solids + water) == pytest.approx(vic)
    assert ice.from_volumetric_water(water) == pytest.approx(vic)
    assert ice.dry_basis(water / (water + solids)) == pytest.approx(w)
    assert ice.from_saturated(w) == pytest.approx(vic / (1 - air))


@given(eic=fraction, n=fraction)
def test_excess_ice_and_pores_by_their_volumes(eic: float, n: float) -> None:
    """Thaw: one volume of saturated sediment holds n water; frozen, its ice is 1.09 n in 1 + 0.09
    n, next to the excess ice.
    """
    frozen_sediment = 1 + 0.09 * n
    vic = eic + (1 - eic) * 1.09 * n / frozen_sediment
    assert ice.from_excess_ice(eic, n) == pytest.approx(vic)
    assert eic - 1e-12 <= ice.from_excess_ice(eic, n) <= 1


def test_a_thaw_test_of_a_known_sample() -> None:
    # 30 cm3 of excess ice thaw to 30/1.09 cm3 of water above 70 cm3 of sediment.
    assert ice.excess_from_thaw_test(30 / 1.09, 70) == pytest.approx(0.30)
    assert ice.excess_from_thaw_test(10, 0) == pytest.approx(1.0)
    assert np.isnan(ice.excess_from_thaw_test(0, 0))


def test_visible_and_wedge_ice() -> None:
    assert ice.from_visible_ice(0.2, 0.45) == pytest.approx(0.56)
    assert ice.with_wedge_ice(0.5, 0.6) == pytest.approx(0.8)
    assert ice.with_wedge_ice(0.0, 0.37) == pytest.approx(0.37)
    assert ice.without_unfrozen(0.5, np.nan) == pytest.approx(0.5)
    assert ice.without_unfrozen(0.5, 0.0917) == pytest.approx(0.4)


@pytest.mark.parametrize(
    "value",
    [
        ice.from_gravimetric(-0.1, 1.2),
        ice.from_gravimetric(0.4, 0.0),
        ice.from_gravimetric(0.4, -1.0),
        ice.from_gravimetric(3.0, 1.5),
        ice.from_frozen_bulk(np.inf, 1.0),
        ice.from_saturated(-1.0),
        ice.from_volumetric_water(1.2),
        ice.from_volumetric_water(0.99),
        ice.excess_from_thaw_test(-1, 10),
        ice.from_excess_ice(1.1, 0.4),
        ice.from_excess_ice(0.3, -0.1),
        ice.from_visible_ice(0.3, 1.2),
        ice.dry_basis(1.0),
        ice.without_unfrozen(0.1, 0.5),
        ice.from_gravimetric(np.nan, 1.0),
    ],
)
def test_what_cannot_be_is_nan(value: float) -> None:
    assert np.isnan(value)


def test_measurement_error_just_above_one_is_one() -> None:
    assert ice.from_gravimetric(0.94, 1.0) == 1.0
    assert ice.from_volumetric_water(0.93) == 1.0


def test_conversions_are_vectorized_and_keep_shapes() -> None:
    w = np.array([[0.2, 0.4], [0.6, np.nan]])
    assert ice.from_gravimetric(w, 1.0).shape == (2, 2)
    assert ice.from_saturated(w).shape == (2, 2)


def test_dry_basis_begins_at_no_water_and_has_no_all_water():
    assert ice.dry_basis([0.0, 0.2, 0.5]).tolist() == pytest.approx([0.0, 0.25, 1.0])
    assert np.isnan(ice.dry_basis([-0.1, 1.0, 1.1, np.nan])).all()


@pytest.mark.parametrize(
    "convert",
    [ice.from_gravimetric, ice.from_frozen_bulk, ice.from_excess_ice, ice.from_visible_ice],
)
def test_masked_is_missing_and_columns_of_two_tables_are_refused(convert) -> None:
    one, other = np.array([0.3, 0.2, 0.4]), np.array([0.9, 0.8, 0.7])
    whole = convert(one, other)
    masked = np.ma.masked_array(one, [False, True, False])
    for found in (convert(masked, other), convert(masked, np.ma.asarray(other))):
        np.testing.assert_array_equal(found, np.where([False, True, False], np.nan, whole))
    first, second = pd.Series(one, index=[4, 5, 6]), pd.Series(other, index=[4, 5, 6])
    for right in (
        convert(first, second),
        convert(first, other),
        convert(first[::-1], second[::-1])[::-1],
    ):
        np.testing.assert_array_equal(right, whole)
    with pytest.raises(ValueError, match="different tables, or in different order"):
        convert(first, second[::-1])
