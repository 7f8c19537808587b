from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from icemap.ensemble.coding import MAX_EDGES, MIN_CLASS, POSITION, PredictorCoding
from icemap.sphere import unit_vectors

pytestmark = pytest.mark.quick

CODES = [4] * 20 + [1] * 30 + [9] * (MIN_CLASS - 1) + [250] * MIN_CLASS
X = np.column_stack([np.linspace(0, 1, len(CODES)), CODES, np.linspace(5, 6, len(CODES))])
NAMES = ["slope", "rock", "maat"]


def test_rare_classes_join_other_and_only_new_ones_are_unseen():
    coding = PredictorCoding.fit(X, NAMES, ["rock"])
    assert coding.levels == {"rock": (1, 4, 250)}
    assert coding.seen == {"rock": (1, 4, 9, 250)}
    coded, unseen = coding.encode([[0.0, code, 5.0] for code in (1, 4, 250, 9, 7)])
    assert coded[:, 1].tolist() == [0, 1, 2, 3, 3]
    assert unseen.tolist() == [False, False, False, False, True]
    assert coded[:, [0, 2]].tolist() == [[0.0, 5.0]] * 5


def test_codes_that_equal_level_numbers_are_not_coded_twice():
    coding = PredictorCoding(("rock",), {"rock": (1, 0)}, {"rock": (0, 1)}, {}, {}, {})
    assert coding.encode([[1], [0]])[0].ravel().tolist() == [0, 1]


def test_the_input_is_not_changed():
    coding, values = PredictorCoding.fit(X, NAMES, ["rock"]), X.copy()
    coding.encode(values)
    assert np.array_equal(values, X)


def test_several_classes_keep_their_columns():
    two = np.column_stack([X, np.repeat([2, 3], len(X) // 2 + 1)[: len(X)]])
    coding = PredictorCoding.fit(two, [*NAMES, "cover"], ["rock", "cover"])
    assert coding.class_columns == [1, 3]
    assert PredictorCoding.fit(X, NAMES, []).class_columns == []


def test_it_survives_json():
    coding = PredictorCoding.fit(X, NAMES, ["rock"])
    again = PredictorCoding.from_dict(json.loads(json.dumps(coding.to_dict())))
    assert again == coding
    assert np.array_equal(again.encode(X)[0], coding.encode(X)[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_value_names_predictor_and_row(bad):
    coding, values = PredictorCoding.fit(X, NAMES, ["rock"]), X.copy()
    values[3, 2] = bad
    with pytest.raises(ValueError, match="the predictor 'maat' has no value in row 3"):
        coding.encode(values)


def test_a_wrong_number_of_columns_names_what_is_expected():
    with pytest.raises(ValueError, match="one column for each of slope, rock, maat"):
        PredictorCoding.fit(X, NAMES, ["rock"]).encode(X[:, :2])


def test_the_design_has_standardized_columns_then_one_per_level_and_one_for_the_others():
    coding = PredictorCoding.fit(X, NAMES, ["rock"])
    design = coding.design(coding.encode(X)[0])
    assert coding.design_columns == ["slope", "maat", "rock", "rock", "rock", "rock"]
    np.testing.assert_allclose(design[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(design[:, :2].std(axis=0), 1)
    assert (design[:, 2:].sum(axis=1) == 1).all()
    assert design[:, 5].sum() == MIN_CLASS - 1


def test_normal_scores_give_small_values_of_a_skewed_predictor_room():
    rng = np.random.default_rng(0)
    names = ["depth", "even", "flat", *POSITION]
    depth, even, vectors = (
        rng.normal(size=200),
        rng.normal(size=200),
        rng.normal(size=(200, 3)) ** 5,
    )
    X = np.column_stack([np.exp(2 * depth), even, np.ones(200), vectors])
    coding = PredictorCoding.fit(X, names, [])
    # The position is no quantity of which shares below would mean anything.
    assert coding.scored == coding.without_position().scored == ("depth",)
    design, plain = coding.design(X), coding.standardized().design(X)
    assert np.corrcoef(design[:, 0], depth)[0, 1] > 0.99
    assert np.corrcoef(plain[:, 0], depth)[0, 1] < 0.8
    np.testing.assert_array_equal(design[:, 1:], plain[:, 1:])
    assert PredictorCoding.from_dict(json.loads(json.dumps(coding.to_dict()))) == coding


def test_normal_scores_rise_without_jumps_and_go_on_beyond_the_training_values():
    X = np.random.default_rng(0).gamma(0.3, size=(400, 1))
    coding = PredictorCoding.fit(X, ["depth"], [])
    edges = np.array(coding.edges["depth"])
    around = np.sort(np.concatenate([edges - 1e-9, edges + 1e-9, np.linspace(0, edges[-1], 999)]))
    steps = np.diff(coding.design(around[:, None])[:, 0])
    assert (steps >= -1e-6).all()
    assert steps.max() < 0.5
    far = np.array([[edges[-1]], [edges[-1] + 7 * coding.scale["depth"]]])
    assert np.ptp(coding.design(far)) == pytest.approx(7)


def test_a_predictor_without_spread_is_zero_in_the_design_and_has_no_edges():
    coding = PredictorCoding.fit(np.full((30, 1), 0.1), ["flat"], [])
    assert (coding.design(np.full((2, 1), 0.1)) == 0).all()
    assert coding.edges == {"flat": ()}
    assert (coding.codes(np.array([[-9.0], [9.0]])) == 0).all()


@given(arrays(np.float32, st.integers(1, 600), elements=st.floats(-1e6, 1e6, width=32)))
def test_codes_rise_with_the_value_and_part_all_values_where_they_are_few(column):
    coding = PredictorCoding.fit(column[:, None], ["a"], [])
    values = np.unique(column)
    codes = coding.codes(values[:, None].astype(float))[:, 0]
    assert (np.diff(codes.astype(int)) >= 0).all()
    assert codes.max(initial=0) <= MAX_EDGES
    if len(values) <= MAX_EDGES + 1:
        assert len(np.unique(codes)) == len(values)


def test_codes_of_many_values_hold_equal_shares():
    column = np.random.default_rng(0).gamma(1.0, size=5000)
    coding = PredictorCoding.fit(column[:, None], ["a"], [])
    counts = np.bincount(coding.codes(column[:, None])[:, 0], minlength=255)
    assert len(counts) == 255
    assert np.ptp(counts) <= 2


def placed() -> tuple[PredictorCoding, np.ndarray]:
    vectors = unit_vectors(np.linspace(-180, 180, len(X)), np.linspace(50, 80, len(X)))
    wide = np.column_stack([X, vectors])
    return PredictorCoding.fit(wide, [*NAMES, *POSITION], ["rock"]), vectors


def test_the_position_is_the_last_of_the_predictors_and_nobody_has_to_give_it():
    coding, vectors = placed()
    assert coding.placed
    assert coding.given == tuple(NAMES)
    wide = coding.with_position(X, vectors)
    assert wide[:, 3:].tolist() == vectors.astype(np.float32).tolist()
    assert coding.with_position(wide, None) is wide
    assert PredictorCoding.from_dict(json.loads(json.dumps(coding.to_dict()))) == coding


def test_a_position_that_is_needed_and_not_given_is_asked_for():
    with pytest.raises(ValueError, match="say where the places are, by the columns lon and lat"):
        placed()[0].with_position(X, None)


def test_a_table_in_double_precision_has_the_position_of_a_cube_in_single():
    coding, vectors = placed()
    single = coding.with_position(X.astype(np.float32), vectors)
    assert single.dtype == np.float32
    assert np.array_equal(single[:, 3:], coding.with_position(X, vectors)[:, 3:])


def test_without_its_position_a_coding_is_that_of_the_predictors_alone():
    coding, vectors = placed()
    bare, alone = coding.without_position(), PredictorCoding.fit(X, NAMES, ["rock"])
    assert bare == alone
    assert bare.without_position() == bare
    assert bare.with_position(X, vectors) is X
    wide = coding.encode(coding.with_position(X, vectors))[0]
    coded = alone.encode(X)[0]
    # It reads tables that have the position as if they had none.
    assert np.array_equal(bare.codes(wide), alone.codes(coded))
    assert np.array_equal(bare.design(wide), alone.design(coded))
