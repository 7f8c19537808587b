import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.boreholes.support import SAMPLE_REACH, decide_support, spread_samples

NO = np.zeros(0)


def spread(rows: list[tuple[float, float]], sample: bool = True) -> list[list[float]]:
    top, base = (np.array(column) for column in zip(*sorted(rows)))
    hole = np.zeros(len(top), dtype=np.int64)
    return (
        np.column_stack(spread_samples(hole, top, base, np.full(len(top), sample)))
        .round(6)
        .tolist()
    )


def test_samples_stand_for_half_the_way_between_their_middles() -> None:
    # The first three of a published hole, and what the rule makes of them on paper.
    assert spread([(1.15, 1.26), (1.32, 1.44), (1.44, 1.56)]) == [
        [0.705, 1.2925],
        [1.2925, 1.44],
        [1.44, 2.0],
    ]


def test_half_a_metre_is_the_most_and_the_air_is_never_reached() -> None:
    assert spread([(0.1, 0.2), (4.0, 4.2)]) == [[0.0, 0.65], [3.6, 4.6]]


def test_layers_of_a_log_stay_and_points_never_do() -> None:
    assert spread([(1.0, 1.2), (2.0, 2.0)], sample=False) == [[1.0, 1.2], [1.55, 2.5]]


def test_a_long_piece_stands_for_itself() -> None:
    assert spread([(0.0, 2.0)]) == [[0.0, 2.0]]
    # Half way between the middles of these would be inside the long one.
    assert spread([(0.0, 2.0), (2.2, 2.3)]) == [[0.0, 2.0], [2.0, 2.75]]


def test_replicates_have_the_same_neighbours() -> None:
    assert spread([(1.0, 1.1), (1.0, 1.1), (1.6, 1.7)]) == [
        [0.55, 1.35],
        [0.55, 1.35],
        [1.35, 2.15],
    ]


def test_boreholes_are_no_neighbours() -> None:
    top = np.array([1.0, 1.2])
    both = spread_samples(np.array([0, 1]), top, top + 0.1, np.array([True, True]))
    np.testing.assert_allclose(np.column_stack(both), [[0.55, 1.55], [0.75, 1.75]])


piece = st.tuples(st.floats(0, 20), st.floats(0, 1.5)).map(
    lambda x: (round(x[0], 3), round(x[0] + x[1], 3))
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), piece), min_size=1, max_size=15))
def test_what_samples_stand_for_holds_them_and_never_overlaps_more(
    rows: list[tuple[int, tuple[float, float]]],
) -> None:
    rows = sorted((hole, *depths) for hole, depths in rows)
    hole, top, base = (np.array(column) for column in zip(*rows))
    upper, lower = spread_samples(hole, top, base, np.ones(len(rows), dtype=bool))
    assert (upper <= top).all()
    assert (lower >= base).all()
    assert (upper >= 0).all()
    middle = (top + base) / 2
    assert (upper >= np.minimum(top, middle - SAMPLE_REACH) - 1e-9).all()
    assert (lower <= np.maximum(base, middle + SAMPLE_REACH) + 1e-9).all()
    for i in range(len(rows)):
        for j in range(i):
            if hole[i] == hole[j] and top[i] >= base[j] and (top[i], base[i]) != (top[j], base[j]):
                assert upper[i] >= min(lower[j], top[i]) - 1e-9


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 30).map(lambda x: round(x, 2)), min_size=2, max_size=12, unique=True))
def test_samples_without_gaps_of_a_metre_leave_none(depths: list[float]) -> None:
    at = np.sort(np.array(depths))
    upper, lower = spread_samples(
        np.zeros(len(at), dtype=np.int64), at, at + 0.01, np.ones(len(at), dtype=bool)
    )
    gaps, left = np.diff(at), upper[1:] - lower[:-1]
    np.testing.assert_allclose(left, np.maximum(gaps - 2 * SAMPLE_REACH, 0), atol=1e-9)


@pytest.mark.parametrize(
    ("depths", "kind"),
    [
        ([(0.5, 0.6), (1.2, 1.3), (2.0, 2.1)], "samples"),
        ([(0.0, 0.3), (0.3, 0.5), (0.5, 0.9)], "logs"),  # short, and without gaps
        ([(0.0, 1.0), (3.0, 4.5)], "logs"),  # gaps between long pieces: core that was lost
        ([(1.0, 1.1)], "samples"),
        ([(0.0, 2.0)], "logs"),
        ([(1.0, 1.0), (2.0, 2.0)], "samples"),
        ([], "logs"),
    ],
)
def test_the_depths_say_whether_they_are_samples(
    depths: list[tuple[float, float]], kind: str
) -> None:
    top, base = (np.array(column) for column in zip(*depths)) if depths else (NO, NO)
    assert decide_support(np.zeros(len(depths), dtype=np.int64), top, base).kind == kind


def test_what_was_decided_is_said_with_its_numbers() -> None:
    support = decide_support(
        np.array([0, 0, 1]), np.array([1.0, 1.9, np.nan]), np.array([1.1, 2.0, 3.0])
    )
    assert (
        support.sentence
        == "samples (2 pieces with a median length of 0.1 m; 20% of the depth between first and"
        " last is cored)"
    )
    assert decide_support(
        np.array([0, 1]), np.array([1.0, 1.0]), np.array([1.1, 1.1])
    ).sentence.endswith("one a borehole)")
