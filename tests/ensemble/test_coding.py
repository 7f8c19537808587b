from __future__ import annotations

import json

import numpy as np
import pytest

from icemap.ensemble.coding import SMALLEST_CLASS, PredictorCoding

pytestmark = pytest.mark.quick

CODES = [4] * 20 + [1] * 30 + [9] * (SMALLEST_CLASS - 1) + [250] * SMALLEST_CLASS
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
    coding = PredictorCoding(("rock",), {"rock": (1, 0)}, {"rock": (0, 1)})
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
