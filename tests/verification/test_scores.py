"""Scores: merging, closed forms against properscoring, limits, bad input."""

import json
from functools import reduce
from operator import add

import numpy as np
import properscoring
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from icemap.verification.scores import (
    COVERAGES,
    Scores,
    crps_normal,
    crps_sample,
)


def scored(n: int = 400, seed: int = 0, weighted: bool = False) -> tuple[dict, Scores]:
    """A calibrated normal forecast and its scores."""
    rng = np.random.default_rng(seed)
    mean, sd = rng.uniform(10, 90, n), rng.uniform(2, 8, n)
    y = rng.normal(mean, sd)
    rows = {
        "y": y,
        "mean": mean,
        "pit": stats.norm.cdf(y, mean, sd),
        "crps": crps_normal(y, mean, sd),
        "log_density": stats.norm.logpdf(y, mean, sd),
        "intervals": {
            c: (stats.norm.ppf((1 - c) / 2, mean, sd), stats.norm.ppf((1 + c) / 2, mean, sd))
            for c in COVERAGES
        },
        "weights": rng.uniform(0.5, 2.0, n) if weighted else None,
    }
    return rows, Scores.of(**rows)


def part(rows: dict, chosen: np.ndarray) -> Scores:
    columns = {k: None if v is None else v[chosen] for k, v in rows.items() if k != "intervals"}
    return Scores.of(
        **columns,
        intervals={c: (low[chosen], high[chosen]) for c, (low, high) in rows["intervals"].items()},
    )


@given(st.permutations(range(5)), st.booleans())
@settings(max_examples=20)
def test_parts_add_up_in_any_order(order: list[int], weighted: bool) -> None:
    rows, whole = scored(weighted=weighted)
    pieces = [part(rows, np.arange(400) % 5 == k) for k in order]
    merged = reduce(add, pieces)
    assert merged.table() == pytest.approx(whole.table(), rel=1e-10)
    assert sum(pieces).table() == pytest.approx(whole.table(), rel=1e-10)
    assert (Scores() + whole).table() == whole.table()


def test_each_figure_is_what_its_name_says() -> None:
    rows, scores = scored()
    table, y, mean = scores.table(), rows["y"], rows["mean"]
    assert table["r2"] == pytest.approx(1 - ((y - mean) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    assert table["rmse"] == pytest.approx(np.sqrt(((y - mean) ** 2).mean()))
    assert table["bias"] == pytest.approx((mean - y).mean())
    assert table["mae"] == pytest.approx(np.abs(mean - y).mean())
    assert table["crps"] == pytest.approx(rows["crps"].mean())
    assert table["log_score"] == pytest.approx(-rows["log_density"].mean())
    assert table["pit_variance_times_12"] == pytest.approx(12 * rows["pit"].var())
    low, high = rows["intervals"][0.9]
    assert table["coverage_90"] == pytest.approx(((y >= low) & (y <= high)).mean())
    assert table["width_90"] == pytest.approx((high - low).mean())
    assert table["width_90_sd"] == pytest.approx((high - low).std())
    missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    assert table["winkler_90"] == pytest.approx((high - low + 20 * missed).mean())
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_a_calibrated_forecast_scores_as_one() -> None:
    table = scored(20_000)[1].table()
    assert table["pit_variance_times_12"] == pytest.approx(1.0, abs=0.03)
    for coverage in COVERAGES:
        name = f"coverage_{100 * coverage:g}"
        assert table[f"{name}_low"] < table[name] < table[f"{name}_high"]
        assert table[name] == pytest.approx(coverage, abs=0.015)


def test_weights_count_as_repetitions_in_every_mean() -> None:
    rows, _ = scored(60)
    repeats = np.random.default_rng(1).integers(1, 4, 60)
    weighted = part({**rows, "weights": repeats.astype(float)}, np.arange(60)).table()
    repeated = part(rows, np.repeat(np.arange(60), repeats)).table()
    for name in (
        "r2",
        "rmse",
        "bias",
        "crps",
        "log_score",
        "pit_variance_times_12",
        "coverage_80",
        "width_80",
        "winkler_80",
    ):
        assert weighted[name] == pytest.approx(repeated[name], rel=1e-9)
    assert (
        weighted["coverage_80_low"] < repeated["coverage_80_low"]
    )  # 60 rows know less than their repetitions


def test_binomial_limits_are_clopper_and_pearson() -> None:
    y = np.zeros(40)
    y[:3] = 5.0
    scores = Scores.of(y, np.zeros(40), intervals={0.9: (np.full(40, -1.0), np.full(40, 1.0))})
    expected = stats.binomtest(37, 40).proportion_ci(0.95, "exact")
    assert scores.coverage_limits(0.9) == pytest.approx((expected.low, expected.high), abs=1e-9)
    full = Scores.of(
        np.zeros(40), np.zeros(40), intervals={0.9: (np.full(40, -1.0), np.full(40, 1.0))}
    )
    assert full.coverage_limits(0.9)[1] == 1.0


def test_crps_agrees_with_properscoring() -> None:
    rng = np.random.default_rng(0)
    y, mean, sd = rng.normal(size=50), rng.normal(size=50), rng.uniform(0.1, 3, 50)
    np.testing.assert_allclose(
        crps_normal(y, mean, sd), properscoring.crps_gaussian(y, mean, sd), rtol=1e-9
    )
    draws = rng.normal(size=(50, 17))
    np.testing.assert_allclose(
        crps_sample(y, draws), properscoring.crps_ensemble(y, draws), rtol=1e-9
    )
    np.testing.assert_allclose(
        crps_sample(y, draws[0]),
        properscoring.crps_ensemble(y, np.tile(draws[0], (50, 1))),
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.full(400, np.nan)}, "mean has 400 missing"),
        ({"crps": np.ones(3)}, "crps has shape"),
        ({"pit": np.full(400, 1.5)}, "between 0 and 1"),
        ({"weights": np.full(400, -1.0)}, ">= 0"),
        (
            {"intervals": {0.9: (np.zeros(400), np.full(400, np.nan))}},
            "upper bound of the 0.9 interval",
        ),
    ],
)
def test_nan_and_wrong_lengths_are_loud(change: dict, message: str) -> None:
    rows, _ = scored()
    with pytest.raises(ValueError, match=message):
        Scores.of(**{**rows, **change})


def test_what_does_not_add_up_is_refused() -> None:
    rows, whole = scored()
    with pytest.raises(ValueError, match="same coverages"):
        whole + Scores.of(rows["y"], rows["mean"])
    with pytest.raises(ValueError, match="no rows"):
        Scores().table()
    assert "r2" not in Scores.of([1.0, 1.0], [0.0, 2.0]).table()


@pytest.mark.quick
def test_an_interval_alone_is_scored_for_what_it_is() -> None:
    rows, whole = scored()
    alone = Scores.of(rows["y"], intervals=rows["intervals"]).table()
    assert set(alone) == {
        name
        for name in whole.table()
        if name == "rows" or name.split("_")[0] in ("coverage", "width", "winkler")
    }
    assert all(alone[name] == whole.table()[name] for name in alone)
    # Half with a mean: errors are those of that half, and there is no R2 against the spread of all.
    both = part(rows, np.arange(400) < 200) + Scores.of(
        rows["y"][200:],
        intervals={c: (low[200:], high[200:]) for c, (low, high) in rows["intervals"].items()},
    )
    assert both.table()["rmse"] == pytest.approx(part(rows, np.arange(400) < 200).table()["rmse"])
    assert "r2" not in both.table()
