"""Codes and design against the coding's own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.ensemble.coding import PredictorCoding
from icemap.mapping.kernels.coder import code_pixels, compile_coding

NAMES = ["height", "constant", "rock", "rain"]


def coded(coding, X):
    coder = compile_coding(coding)
    codes, design = (
        np.empty(X.shape[::-1], np.uint8),
        np.empty((len(X), int(coder.columns[0])), np.float32),
    )
    unseen = np.empty(len(X), bool)
    code_pixels(X, coder, codes, design, unseen)
    return codes, design, unseen


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([1e-6, 1.0, 1e6]), st.booleans(), st.booleans())
def test_codes_are_those_of_the_coding(seed, scale, single, scores):
    rng = np.random.default_rng(seed)
    rock = rng.choice([2, 5, 9, 200], 700, p=[0.5, 0.3, 0.19, 0.01])
    train = np.column_stack(
        [scale * rng.gamma(0.5, size=700), np.full(700, 3.0), rock, rng.integers(0, 40, 700)]
    )
    coding = PredictorCoding.fit(train, NAMES, ["rock"])
    coding = coding if scores else coding.standardized()
    edges = np.array(coding.edges["height"])
    pixels = np.column_stack(
        [
            rng.choice(
                np.concatenate([edges, edges + 1e-7 * scale, scale * rng.normal(size=600)]), 1000
            ),
            rng.normal(3, 1, 1000),
        ]
    )
    X = np.column_stack([pixels, rng.choice([2, 5, 9, 200, 7, 0], 1000), rng.uniform(-5, 45, 1000)])
    X = X.astype(np.float32) if single else X
    level, outside = coding.encode(X)
    codes, design, unseen = coded(coding, X)
    assert np.array_equal(codes.T, coding.codes(level))
    assert np.array_equal(unseen, outside)
    np.testing.assert_allclose(
        design, coding.design(level), rtol=2e-7, atol=1e-7 if scores else 1e-30
    )
