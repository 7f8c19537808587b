"""The standard error of a window's mean, against what it is made of and against profiles whose
truth is known.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icemap.boreholes.window import LAYER_SPREAD, Pieces, window_means

THICKNESS = 5.0


def one(
    rows: list[tuple[float, float, float]],
    *,
    sample: bool = True,
    error: float = 5.0,
    table: float = 0.0,
    table_error: float = 0.0,
):
    top, base, vic = (np.array(column, dtype=float) for column in zip(*rows))
    pieces = Pieces(
        np.zeros(len(top), dtype=np.int64),
        top,
        base,
        vic,
        np.full(len(top), error),
        np.full(len(top), sample),
    )
    return window_means(pieces, np.array([table]), np.array([table_error]), THICKNESS).iloc[0]


def test_the_parts_add_up_and_each_has_its_own_cause() -> None:
    row = one([(0.0, 0.1, 40), (2.0, 2.1, 60)], table_error=0.5)
    assert row["standard_error"] == pytest.approx(
        np.sqrt(
            row["measurement_error"] ** 2 + row["unsampled_error"] ** 2 + row["table_error"] ** 2
        )
    )
    whole = one([(0.0, 5.0, 50)], sample=False, table_error=0.5)
    assert (whole["measurement_error"], whole["unsampled_error"]) == (5.0, 0.0)
    assert whole["table_error"] == pytest.approx(np.sqrt(2) * LAYER_SPREAD * 0.1)


def test_a_sample_says_less_than_a_log_of_the_depth_it_stands_for() -> None:
    log = one([(i, i + 1.0, 50) for i in range(5)], sample=False)
    samples = one([(i + 0.45, i + 0.55, 50) for i in range(5)])
    assert samples["coverage"] == pytest.approx(1.0)
    assert log["unsampled_error"] == 0
    # Five draws of 0.1 m out of 1 m each, from layers that scatter as the hole's five and two
    # believed ones of 15 % do.
    spread = np.sqrt(2 * LAYER_SPREAD**2 / (2 + 4))
    assert samples["unsampled_error"] == pytest.approx(spread * np.sqrt(0.9 / 5))


def test_layers_that_differ_make_the_unseen_part_less_certain() -> None:
    alike, unlike = (
        [(0.5 * i, 0.5 * i + 0.5, 50 + step * (-1) ** i) for i in range(5)] for step in (1, 30)
    )
    assert (
        one(unlike, sample=False)["unsampled_error"]
        > 2 * one(alike, sample=False)["unsampled_error"]
    )


depths = st.lists(
    st.tuples(st.floats(0, 4.8), st.floats(0.02, 0.4), st.floats(0, 100)), min_size=1, max_size=10
)


@settings(max_examples=100, deadline=None)
@given(depths, st.floats(0, 2))
def test_errors_are_never_less_than_the_measurement_and_never_absurd(
    rows: list[tuple[float, float, float]], table_error: float
) -> None:
    row = one([(top, top + length, vic) for top, length, vic in rows], table_error=table_error)
    assert 5.0 <= row["standard_error"] < 120
    assert row["vic"] <= max(vic for _, _, vic in rows) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.floats(10, 90))
def test_the_error_falls_with_every_layer_of_the_same_ice(layers: int, vic: float) -> None:
    """Half a metre more of the same can only make the mean better known."""
    fewer = one([(0.5 * i, 0.5 * i + 0.5, vic) for i in range(layers)], sample=False)
    more = one([(0.5 * i, 0.5 * i + 0.5, vic) for i in range(layers + 1)], sample=False)
    assert more["unsampled_error"] < fewer["unsampled_error"]


def profiles(rng: np.random.Generator, holes: int) -> np.ndarray:
    """Ice content by centimetre, %: correlated over 0.7 m, scattering by 12 %, with a trend of its
    own in each hole.
    """
    step, reach = 0.01, 0.7
    noise = rng.normal(size=(holes, 500))
    keep = np.exp(-step / reach)
    field = np.empty_like(noise)
    field[:, 0] = noise[:, 0]
    for k in range(1, 500):
        field[:, k] = keep * field[:, k - 1] + np.sqrt(1 - keep**2) * noise[:, k]
    trend = rng.normal(0, 3, (holes, 1)) * (np.arange(500) / 100 - 2.5)
    return 55 + 11 * field + trend


@pytest.mark.parametrize("samples", [1, 2, 4, 8])
def test_stated_errors_are_those_that_are_made(samples: int) -> None:
    """Cores of 0.1 m from known profiles, the upper ones more often, as people sample: errors over
    stated errors scatter by about one.
    """
    rng = np.random.default_rng(samples)
    truth = profiles(rng, 400)
    rows = []
    for hole, profile in enumerate(truth):
        starts = (
            np.sort(
                rng.choice(
                    49,
                    samples,
                    replace=False,
                    p=np.linspace(2, 0.2, 49) / np.linspace(2, 0.2, 49).sum(),
                )
            )
            * 10
        )
        rows += [
            (hole, start / 100, start / 100 + 0.1, profile[start : start + 10].mean())
            for start in starts
        ]
    site, top, base, vic = (np.array(column) for column in zip(*rows))
    pieces = Pieces(
        site.astype(np.int64), top, base, vic, np.zeros(len(site)), np.ones(len(site), dtype=bool)
    )
    made = window_means(pieces, np.zeros(400), np.zeros(400), THICKNESS)
    ratio = (np.clip(made["vic"], 0, 100) - truth.mean(axis=1)) / made["standard_error"]
    assert 0.7 < ratio.std() < 1.3
    assert abs(ratio.mean()) < 0.3
