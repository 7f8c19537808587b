import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.boreholes.layer_vic import METHOD_ERROR
from icemap.boreholes.site_vic import site_vic
from icemap.boreholes.window import LAYER_SPREAD, Pieces, window_means


def log(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["top", "base", "vic"], dtype=float)


def test_site_vic_is_the_length_weighted_mean_inside_the_window() -> None:
    result = site_vic(log((0, 1, 20), (1, 3, 60), (3, 5, 40), (5, 9, 10)), permafrost_table=0.5)
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
    result = site_vic(log(*rows), permafrost_table=1.0)
    assert result.coverage == pytest.approx(coverage)
    assert result.grade == grade


def test_nothing_in_the_window_is_nan_and_grade_d() -> None:
    result = site_vic(log((0, 0.8, 30)), permafrost_table=1.0)
    assert np.isnan(result.vic)
    assert (result.coverage, result.grade, result.layers) == (0.0, "D", 0)


def test_point_samples_stand_for_half_way_to_their_neighbours_at_most_half_a_metre() -> None:
    # 1.0 reaches 0.5-1.2, 1.4 reaches 1.2-1.9 (half a metre), 4.0 reaches 3.5-4.5.
    result = site_vic(log((1, 1, 10), (1.4, 1.4, 20), (4, 4, 40)), permafrost_table=0.0)
    assert result.coverage == pytest.approx((0.7 + 0.7 + 1.0) / 5)
    assert result.vic == pytest.approx((0.7 * 10 + 0.7 * 20 + 1.0 * 40) / 2.4)


def test_a_point_at_the_surface_does_not_reach_into_the_air_and_replicates_share_their_length() -> (
    None
):
    result = site_vic(log((0.1, 0.1, 10), (0.1, 0.1, 30)), permafrost_table=0.0)
    assert result.coverage == pytest.approx(0.6 / 5)
    assert result.vic == pytest.approx(20)


def test_overlapping_layers_count_their_length_once() -> None:
    result = site_vic(log((0, 3, 30), (2, 5, 60)), permafrost_table=0.0)
    assert result.coverage == pytest.approx(1.0)
    assert result.vic == pytest.approx((2 * 30 + 1 * 45 + 2 * 60) / 5)


def test_standard_error_grows_with_what_was_not_seen() -> None:
    whole = site_vic(log((0, 5, 50)), 0.0)
    half = site_vic(log((0, 2.5, 50)), 0.0)
    assert whole.standard_error == pytest.approx(METHOD_ERROR["reported VIC"])
    assert half.standard_error == pytest.approx(np.hypot(5.0, 0.5 * LAYER_SPREAD))


def test_thickness_is_a_setting() -> None:
    assert site_vic(log((0, 1, 80), (1, 5, 20)), 0.0, thickness=1.0).vic == pytest.approx(80)


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
        site_vic(table, permafrost_table)


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
    result = site_vic(log(*rows), permafrost_table)
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
    error = np.full(len(site), METHOD_ERROR["reported VIC"])
    columns = (table[name].to_numpy() for name in ("top", "base", "vic"))
    top, base, vic = (column[shuffled] for column in columns)
    pieces = Pieces(site[shuffled], top, base, vic, error, np.zeros(len(site), dtype=bool))
    together = window_means(pieces, np.ones(len(holes)), np.zeros(len(holes)), 5.0)
    for i, rows in enumerate(holes):
        alone = site_vic(log(*rows), 1.0)
        assert together["coverage"][i] == pytest.approx(alone.coverage)
        assert together["grade"][i] == alone.grade
        np.testing.assert_allclose(
            [together["vic"][i], together["standard_error"][i]],
            [alone.vic, alone.standard_error],
            atol=1e-9,
        )
