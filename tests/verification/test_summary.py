from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import norm

from icemap.verification.calibration import ConformalPIT
from icemap.verification.cross_validation import COVERAGES, MODEL, TAIL_LEVELS
from icemap.verification.summary import calibrate, calibrated_interval, importance, verification_table

pytestmark = pytest.mark.quick


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
    assert np.mean((y >= low) & (y <= high)) == pytest.approx(0.95, abs=0.025)
    raw = model["interval"]["0.95"]
    if spread > 5:
        assert np.mean(high - low) < 0.75 * np.mean(np.diff(raw, axis=1))
    if spread < 5:
        assert np.mean(high - low) > 1.3 * np.mean(np.diff(raw, axis=1))


def test_no_sample_calibrates_its_own_interval():
    """Changing the PITs of one fold moves the intervals of the others and not its own."""
    y, model = forecasts(5.0)
    labels = np.arange(len(y)) % 4
    before = np.column_stack(calibrated_interval(model, labels))
    pit = np.where(labels == 2, 0.5, model["pit"])
    after = np.column_stack(calibrated_interval({**model, "pit": pit}, labels))
    assert np.array_equal(before[labels == 2], after[labels == 2])
    assert (np.diff(after[labels != 2], axis=1) < np.diff(before[labels != 2], axis=1)).all()


def test_the_levels_of_the_map_come_from_all_samples():
    _, model = forecasts(2.5)
    content = json.loads(json.dumps(calibrate(model["pit"])))
    assert content["levels95"] == list(ConformalPIT().fit(model["pit"]).levels(0.95))
    assert content["levels95"][0] < 0.02
    assert content["levels95"][1] > 0.98
    assert ConformalPIT.from_dict(content["conformal"]).levels(0.95) == tuple(content["levels95"])


def test_importance_adds_up_to_one_and_finds_what_matters():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = 3 * X[:, 2] + np.sin(X[:, 0]) + 0.1 * rng.normal(size=200)
    found = importance(X, y, seed=1)
    assert found.shape == (4,)
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 2
    assert found[0] > max(found[1], found[3])
    assert np.array_equal(found, importance(X, y, seed=1))


def test_the_table_has_a_row_per_model_and_the_members_without_intervals():
    y, model = forecasts(10.0)
    without = {name: values for name, values in model.items() if name != "quantiles"}
    part = {"y": y, "models": {MODEL: model, "climatology": without}, "members": {"svr": model["mean"] + 1}}
    rows = verification_table({"block": part}, {"block": np.arange(len(y)) % 5})
    assert [row["model"] for row in rows] == [MODEL, f"{MODEL} calibrated", "climatology", "svr"]
    assert {row["folds"] for row in rows} == {"spatial blocks"}
    by_name = {row["model"]: row for row in rows}
    assert by_name[MODEL]["rmse"] == pytest.approx(np.sqrt(np.mean((y - model["mean"]) ** 2)))
    assert by_name["svr"]["bias"] == pytest.approx(by_name[MODEL]["bias"] + 1)
    assert "coverage_95" not in by_name["svr"]
    assert by_name[MODEL]["coverage_95"] > 0.99
    assert by_name[f"{MODEL} calibrated"]["coverage_95"] == pytest.approx(0.95, abs=0.025)
    assert json.loads(json.dumps(rows)) == rows
