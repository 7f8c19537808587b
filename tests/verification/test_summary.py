from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import norm

from icemap.verification.cross_validation import MODEL, TAIL_LEVELS
from icemap.verification.scores import COVERAGES
from icemap.verification.summary import (
    CALIBRATED,
    calibrated_interval,
    difference_table,
    replicate_scores,
    verification_table,
    with_calibrated,
)

pytestmark = pytest.mark.quick
# Dissimilarity of the samples to the sites they were predicted from.
ALIKE = np.random.default_rng(9).lognormal(-1, 0.3, 600)


def forecasts(spread: float, n: int = 600, seed: int = 0) -> tuple[np.ndarray, dict]:
    """Truth N(mean, 5) and forecasts N(mean, spread): too sharp below 5, too wide above."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(20, 60, n)
    y = mean + 5 * rng.normal(size=n)
    forecast = norm(mean[:, None], spread)
    model = {
        "mean": mean,
        "pit": norm.cdf(y, mean, spread),
        "crps": np.abs(y - mean),
        "log_density": norm.logpdf(y, mean, spread),
        "quantiles": forecast.ppf(np.clip(TAIL_LEVELS, 1e-6, 1 - 1e-6)),
        "interval": {f"{c:g}": forecast.ppf([(1 - c) / 2, (1 + c) / 2]) for c in COVERAGES},
    }
    return y, model


@pytest.mark.parametrize("spread", [2.5, 5.0, 10.0])
def test_calibration_mends_forecasts_that_are_too_sharp_or_too_wide(spread):
    y, model = forecasts(spread)
    low, high = calibrated_interval(model, np.arange(len(y)) % 6)
    covered = np.mean((y >= low) & (y <= high))
    # Rows that say that the forecast is right lie in its tails: narrowing takes more evidence.
    assert 0.93 < covered < (0.975 if spread <= 5 else 0.99)
    raw = model["interval"]["0.95"]
    if spread > 5:
        assert np.mean(high - low) < 0.8 * np.mean(np.diff(raw, axis=1))
    if spread < 5:
        assert np.mean(high - low) > 1.3 * np.mean(np.diff(raw, axis=1))


def test_one_block_says_nothing_of_the_interval():
    """The blocks come from the table of samples, of which the forecasts have some rows."""
    y, model = forecasts(2.5)
    rows, labels = np.arange(len(y))[::-1], np.arange(len(y)) % 6
    part = {"rows": rows, "y": y, "dissimilarity": ALIKE, "models": {MODEL: model}}
    of_one = with_calibrated(part, labels, blocks=np.zeros(len(y)))["models"][CALIBRATED]
    np.testing.assert_allclose(of_one["interval"]["0.95"], model["interval"]["0.95"], atol=0.01)
    blocks = np.where(np.arange(len(y)) < len(y) // 2, 0, np.arange(len(y)))
    swapped = with_calibrated(part, labels, blocks=blocks)["models"][CALIBRATED]
    here = with_calibrated({**part, "rows": np.arange(len(y))}, labels[rows], blocks=blocks[rows])[
        "models"
    ][CALIBRATED]
    assert np.array_equal(swapped["interval"]["0.95"], here["interval"]["0.95"])


def test_no_sample_calibrates_its_own_interval():
    """Changing the PITs of one fold moves the intervals of the others and not its own."""
    y, model = forecasts(5.0)
    labels = np.arange(len(y)) % 4
    before = np.column_stack(calibrated_interval(model, labels))
    pit = np.where(labels == 2, 0.5, model["pit"])
    after = np.column_stack(calibrated_interval({**model, "pit": pit}, labels))
    assert np.array_equal(before[labels == 2], after[labels == 2])
    assert np.mean(np.diff(after[labels != 2], axis=1) < np.diff(before[labels != 2], axis=1)) > 0.9


@pytest.fixture
def part() -> dict:
    y, model = forecasts(10.0)
    other = {name: values for name, values in model.items() if name != "quantiles"}
    interval_only = {"interval": {"0.95": model["interval"]["0.95"]}}
    shifted = {**other, "mean": model["mean"] + 1, "crps": model["crps"] + 1}
    models = {
        MODEL: model,
        "climatology": other,
        "svr": shifted,
        "conformal_quantiles": interval_only,
    }
    return {"y": y, "rows": np.arange(len(y)), "dissimilarity": ALIKE, "models": models}


def test_the_table_has_a_row_per_model_with_what_it_has(part):
    labels, blocks = np.arange(600) % 5, np.repeat(["a", "b", "c"], [300, 290, 10]).astype(object)
    rows = verification_table({"block": with_calibrated(part, labels)}, blocks)
    assert [row["model"] for row in rows] == [
        MODEL,
        CALIBRATED,
        "climatology",
        "svr",
        "conformal_quantiles",
    ]
    assert {row["folds"] for row in rows} == {"spatial blocks"}
    by_name = {row["model"]: row for row in rows}
    assert by_name[MODEL]["rmse"] == pytest.approx(
        np.sqrt(np.mean((part["y"] - part["models"][MODEL]["mean"]) ** 2))
    )
    assert by_name["svr"]["bias"] == pytest.approx(by_name[MODEL]["bias"] + 1)
    assert not {"rmse", "r2", "crps", "pit_mean"} & set(by_name["conformal_quantiles"])
    assert by_name["conformal_quantiles"]["winkler_95"] == by_name[MODEL]["winkler_95"]
    assert by_name[MODEL]["coverage_95"] > 0.99
    assert 0.95 < by_name[CALIBRATED]["coverage_95"] < by_name[MODEL]["coverage_95"]
    low, high = with_calibrated(part, labels)["models"][CALIBRATED]["interval"]["0.95"].T
    inside = (part["y"] >= low) & (part["y"] <= high)
    assert by_name[CALIBRATED]["worst_block_coverage_95"] == min(
        inside[:300].mean(), inside[300:590].mean()
    )
    assert by_name[CALIBRATED]["worst_block"] in ("a", "b")
    assert json.loads(json.dumps(rows)) == rows


def test_one_fold_cannot_calibrate_itself(part):
    assert CALIBRATED not in with_calibrated(part, np.zeros(600, dtype=int))["models"]


def test_differences_are_the_models_own_less_the_others(part):
    blocks = np.repeat(np.arange(30), 20)
    rows = difference_table({"knndm": with_calibrated(part, np.arange(600) % 5)}, blocks, seed=0)
    found = {(row["model"], row["score"]): row for row in rows}
    assert set(found) == {
        ("climatology", "crps"),
        ("climatology", "winkler_95"),
        ("svr", "crps"),
        ("svr", "winkler_95"),
        ("conformal_quantiles", "winkler_95"),
    }
    assert found["svr", "crps"]["difference"] == pytest.approx(-1)
    assert found["climatology", "crps"]["difference"] == 0
    # Intervals of twice the width that is needed lose.
    assert found["conformal_quantiles", "winkler_95"]["high"] < 0
    assert rows == difference_table(
        {"knndm": with_calibrated(part, np.arange(600) % 5)}, blocks, seed=0
    )


def test_scores_over_replicates_have_their_spread():
    records = [{"held_out": {"n": 10, "rmse": float(k), "r2": 0.5}} for k in range(101)]
    found = replicate_scores(records)
    assert found["rmse"] == {"mean": 50.0, "low": 2.5, "high": 97.5, "replicates": 101}
    assert found["r2"]["low"] == found["r2"]["high"] == 0.5
    assert replicate_scores([]) == {}
