import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.boreholes import ice_content as ice
from icemap.boreholes.records import QUANTITIES
from icemap.boreholes.window import LAYER_SPREAD, Pieces, window_means

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


def layers(**columns: object) -> pd.DataFrame:
    n = max(len(np.atleast_1d(np.asarray(value, dtype=object))) for value in columns.values())
    frame = pd.DataFrame({name: np.full(n, np.nan) for name in QUANTITIES}).assign(ice_type="")
    return frame.assign(**columns)


def test_the_best_measurement_of_a_layer_decides() -> None:
    table = layers(
        gravimetric_water=[0.4, 0.4, 0.4, np.nan, np.nan, np.nan, np.nan, 0.4],
        dry_density=[1.3, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, 1.3],
        frozen_bulk_density=[np.nan, 1.82, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan],
        excess_ice=[np.nan, np.nan, np.nan, 0.3, 0.3, np.nan, np.nan, np.nan],
        porosity=[np.nan, np.nan, np.nan, 0.45, np.nan, np.nan, np.nan, np.nan],
        visible_ice=[np.nan, np.nan, np.nan, np.nan, np.nan, 0.2, np.nan, np.nan],
        reported_vic=[np.nan] * 7 + [0.7],
        ice_type=["", "", "", "", "", "", "massive", ""],
    )
    result = ice.layer_vic(table)
    assert result["vic_from"].tolist() == [
        "gravimetric water and dry density",
        "gravimetric water and frozen bulk density",
        "saturated gravimetric water",
        "excess ice and porosity",
        "",
        "",
        "massive ice",
        "reported VIC",
    ]
    np.testing.assert_allclose(
        result["vic"], [56.7067, 56.7067, 53.6184, 63.0, np.nan, np.nan, 100, 70], atol=0.01
    )
    assert result["vic_reason"][4] == "excess ice alone is not VIC: porosity is missing"
    assert result["vic_reason"][5] == "visible ice alone is not VIC: the VIC between is missing"
    assert result["vic_reason"][[0, 1, 2, 3, 6, 7]].eq("").all()


def test_unfrozen_water_is_taken_out_of_water_but_not_out_of_reported_ice() -> None:
    table = layers(
        volumetric_water=[0.4585, np.nan],
        reported_vic=[np.nan, 0.5],
        unfrozen_water=[0.0917, 0.0917],
    )
    np.testing.assert_allclose(ice.layer_vic(table)["vic"], [40.0, 50.0])


def test_unfrozen_water_is_taken_out_of_every_ice_that_is_found_from_water() -> None:
    """Of excess ice and porosity, too: the pores hold water that does not freeze."""
    given = {
        "gravimetric water and dry density": {"gravimetric_water": 0.3, "dry_density": 1.3},
        "gravimetric water and frozen bulk density": {
            "gravimetric_water": 0.3,
            "frozen_bulk_density": 1.7,
        },
        "volumetric water": {"volumetric_water": 0.4},
        "excess ice and porosity": {"excess_ice": 0.2, "porosity": 0.4},
        "saturated gravimetric water": {"gravimetric_water": 0.3},
    }
    for way, columns in given.items():
        wet = ice.layer_vic(layers(**{name: [value] for name, value in columns.items()}))
        held = ice.layer_vic(
            layers(
                **{name: [value] for name, value in columns.items()}, unfrozen_water=[0.05 * 0.917]
            )
        )
        assert wet["vic_from"].tolist() == held["vic_from"].tolist() == [way]
        assert wet["vic"][0] - held["vic"][0] == pytest.approx(5.0), way


def test_the_error_of_a_layer_is_that_of_the_way_it_was_found() -> None:
    table = layers(
        reported_vic=[0.5, np.nan, np.nan],
        gravimetric_water=[np.nan, 0.3, np.nan],
        visible_ice=[np.nan, np.nan, 0.2],
        matrix_vic=[np.nan, np.nan, 0.3],
    )
    found = ice.layer_vic(table)
    assert found["vic_error"].tolist() == [5.0, 10.0, 10.0]
    assert ice.layer_vic(layers(ice_type=["massive"]))["vic_error"].tolist() == [3.0]


def test_bedrock_counts_with_its_fractures_and_impossible_layers_say_so() -> None:
    table = layers(
        ice_type=["bedrock", "bedrock", ""],
        reported_vic=[np.nan, 0.04, np.nan],
        gravimetric_water=[np.nan, np.nan, 3.0],
        dry_density=[np.nan, np.nan, 1.5],
    )
    result = ice.layer_vic(table)
    np.testing.assert_allclose(result["vic"], [2.5, 4.0, np.nan])
    assert result["vic_reason"][2] == "impossible VIC from gravimetric water and dry density"


def log(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["top", "base", "vic"], dtype=float)


def test_site_vic_is_the_length_weighted_mean_inside_the_window() -> None:
    result = ice.site_vic(log((0, 1, 20), (1, 3, 60), (3, 5, 40), (5, 9, 10)), permafrost_table=0.5)
    assert result.vic == pytest.approx((0.5 * 20 + 2 * 60 + 2 * 40 + 0.5 * 10) / 5)
    assert result.coverage == pytest.approx(1.0)
    assert result.grade == "A"
    assert result.layers == 4


@pytest.mark.parametrize(
    ("rows", "coverage", "grade"),
    [
        ([(1, 5, 50)], 0.8, "A"),
        ([(1, 4.9, 50)], 0.78, "B"),
        ([(3, 6, 50)], 0.6, "B"),
        ([(1, 3, 50)], 0.4, "C"),
        ([(2.6, 5.4, 50)], 0.56, "D"),
        ([(1, 1.5, 50), (3, 5, 50)], 0.5, "C"),
        ([(1, 2, 50)], 0.2, "D"),
    ],
)
def test_coverage_and_grade(
    rows: list[tuple[float, float, float]], coverage: float, grade: str
) -> None:
    result = ice.site_vic(log(*rows), permafrost_table=1.0)
    assert result.coverage == pytest.approx(coverage)
    assert result.grade == grade


def test_nothing_in_the_window_is_nan_and_grade_d() -> None:
    result = ice.site_vic(log((0, 0.8, 30)), permafrost_table=1.0)
    assert np.isnan(result.vic)
    assert (result.coverage, result.grade, result.layers) == (0.0, "D", 0)


def test_point_samples_stand_for_half_way_to_their_neighbours_at_most_half_a_metre() -> None:
    # 1.0 reaches 0.5-1.2, 1.4 reaches 1.2-1.9 (half a metre), 4.0 reaches 3.5-4.5.
    result = ice.site_vic(log((1, 1, 10), (1.4, 1.4, 20), (4, 4, 40)), permafrost_table=0.0)
    assert result.coverage == pytest.approx((0.7 + 0.7 + 1.0) / 5)
    assert result.vic == pytest.approx((0.7 * 10 + 0.7 * 20 + 1.0 * 40) / 2.4)


def test_a_point_at_the_surface_does_not_reach_into_the_air_and_replicates_share_their_length() -> (
    None
):
    result = ice.site_vic(log((0.1, 0.1, 10), (0.1, 0.1, 30)), permafrost_table=0.0)
    assert result.coverage == pytest.approx(0.6 / 5)
    assert result.vic == pytest.approx(20)


def test_overlapping_layers_count_their_length_once() -> None:
    result = ice.site_vic(log((0, 3, 30), (2, 5, 60)), permafrost_table=0.0)
    assert result.coverage == pytest.approx(1.0)
    assert result.vic == pytest.approx((2 * 30 + 1 * 45 + 2 * 60) / 5)


def test_standard_error_grows_with_what_was_not_seen() -> None:
    whole = ice.site_vic(log((0, 5, 50)), 0.0)
    half = ice.site_vic(log((0, 2.5, 50)), 0.0)
    assert whole.standard_error == pytest.approx(ice.METHOD_ERROR["reported VIC"])
    assert half.standard_error == pytest.approx(np.hypot(5.0, 0.5 * LAYER_SPREAD))


def test_thickness_is_a_setting() -> None:
    assert ice.site_vic(log((0, 1, 80), (1, 5, 20)), 0.0, thickness=1.0).vic == pytest.approx(80)


@pytest.mark.parametrize(
    ("table", "permafrost_table", "words"),
    [
        (log((0, 1, 20)).drop(columns="vic"), 0.5, "no column 'vic'"),
        (log((2, 1, 20)), 0.5, "base above its top"),
        (log((0, 1, 120)), 0.5, "outside 0-100"),
        (log((0, 1, 20)), np.nan, "permafrost table"),
        (log((0, 1, 20)), -1.0, "permafrost table"),
    ],
)
def test_impossible_input_is_a_value_error(
    table: pd.DataFrame, permafrost_table: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        ice.site_vic(table, permafrost_table)


layer = st.tuples(st.floats(0, 8), st.floats(0, 3), st.floats(0, 100)).map(
    lambda x: (round(x[0], 2), round(x[0], 2) + round(x[1], 2), x[2])
)


@settings(max_examples=200)
@given(st.lists(layer, min_size=1, max_size=12), st.floats(0, 4).map(lambda x: round(x, 2)))
def test_window_mean_against_a_fine_ruler(
    rows: list[tuple[float, float, float]], permafrost_table: float
) -> None:
    """Layers that are no points, cut into millimetres: at each one the mean of the layers that
    cover it.
    """
    rows = [row for row in rows if row[1] > row[0]]
    if not rows:
        return
    result = ice.site_vic(log(*rows), permafrost_table)
    ruler = permafrost_table + (np.arange(5000) + 0.5) / 1000
    cover = np.array([(ruler > top) & (ruler < base) for top, base, _ in rows])
    count = cover.sum(axis=0)
    assert result.coverage == pytest.approx((count > 0).mean(), abs=1e-6)
    if count.any():
        mean = (cover * np.array([[vic] for _, _, vic in rows])).sum(axis=0)[count > 0] / count[
            count > 0
        ]
        assert result.vic == pytest.approx(mean.mean(), abs=1e-6)


@settings(max_examples=50)
@given(st.lists(st.lists(layer, min_size=1, max_size=6), min_size=2, max_size=5))
def test_many_boreholes_at_once_are_the_boreholes_one_by_one(
    holes: list[list[tuple[float, float, float]]],
) -> None:
    site = np.concatenate([np.full(len(rows), i) for i, rows in enumerate(holes)])
    table = log(*(row for rows in holes for row in rows))
    shuffled = np.random.default_rng(0).permutation(len(site))
    error = np.full(len(site), ice.METHOD_ERROR["reported VIC"])
    columns = (table[name].to_numpy() for name in ("top", "base", "vic"))
    top, base, vic = (column[shuffled] for column in columns)
    pieces = Pieces(site[shuffled], top, base, vic, error, np.zeros(len(site), dtype=bool))
    together = window_means(pieces, np.ones(len(holes)), np.zeros(len(holes)), 5.0)
    for i, rows in enumerate(holes):
        alone = ice.site_vic(log(*rows), 1.0)
        assert together["coverage"][i] == pytest.approx(alone.coverage)
        assert together["grade"][i] == alone.grade
        np.testing.assert_allclose(
            [together["vic"][i], together["standard_error"][i]],
            [alone.vic, alone.standard_error],
            atol=1e-9,
        )


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
