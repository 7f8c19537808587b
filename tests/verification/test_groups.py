from __future__ import annotations

import numpy as np
import pytest

from icemap.config_sections import TargetConfig
from icemap.ensemble.replicates import TrainingTable
from icemap.verification.groups import (
    BLOCK,
    block_names,
    group_scores,
    groupings,
    in_classes,
    worst_block,
)

pytestmark = pytest.mark.quick


def made(n: int = 120, seed: int = 0) -> tuple[TrainingTable, dict]:
    """60 sites on one Alaskan road, 40 on a Siberian one where intervals are too narrow, 20 far
    apart.
    """
    rng = np.random.default_rng(seed)
    lon = np.concatenate(
        [rng.uniform(-149, -147, 60), rng.uniform(129, 131, 40), rng.uniform(60, 120, 20)]
    )
    lat = np.concatenate(
        [rng.uniform(66, 67, 60), rng.uniform(62, 63, 40), rng.uniform(66, 74, 20)]
    )
    y = rng.uniform(0, 100, n)
    half = np.where(np.arange(n) < 60, 30.0, np.where(np.arange(n) < 100, 4.0, 30.0))
    mean = np.clip(y + 8 * rng.normal(size=n), 0, 100)
    model = {
        "mean": mean,
        "crps": np.abs(y - mean),
        "interval": {"0.95": np.column_stack([mean - half, mean + half])},
    }
    table = TrainingTable(np.zeros((n, 1)), y, np.ones(n), lon, lat, np.arange(n))
    return table, {
        "y": y,
        "rows": np.arange(n),
        "models": {"a": model, "b": {"interval": model["interval"]}},
    }


def test_groups_hold_every_sample_once_and_their_scores_are_those_of_their_samples():
    table, part = made()
    dissimilarity = np.linspace(0, 1, 120)
    groups = groupings(table, dissimilarity, 0.9, 10.0, TargetConfig(), None)
    rows = group_scores(part, groups)
    for heading in ("region", "observed volumetric ice content", "dissimilarity"):
        assert sum(row["n"] for row in rows if row["by"] == heading and row["model"] == "a") == 120
    siberia = next(row for row in rows if row["group"] == "Siberia" and row["model"] == "a")
    assert siberia["rmse"] == pytest.approx(
        np.sqrt(np.mean((part["models"]["a"]["mean"] - table.y)[60:] ** 2))
    )
    assert siberia["n"] == 60
    assert [
        row["group"]
        for row in rows
        if row["by"] == "observed volumetric ice content" and row["model"] == "a"
    ] == [f"{k} to {k + 20} %" for k in range(0, 100, 20)]
    outside = next(row for row in rows if row["group"].startswith("above 0.9"))
    assert (outside["n"], outside["few"]) == (12, True)
    assert "rmse" not in next(row for row in rows if row["model"] == "b")
    # Blocks of fewer than 20 samples are not scored.
    assert all(row["n"] >= 20 and not row["few"] for row in rows if row["by"] == BLOCK)


def test_the_worst_block_is_named():
    table, part = made()
    blocks = block_names(table.longitude, table.latitude, 10.0)
    worst = worst_block(part, part["models"]["a"], blocks)
    assert worst["worst_block"] == "63° N, 130° E"
    assert worst["worst_block_n"] == 40
    assert worst["worst_block_coverage_95"] < 0.6
    assert (
        worst_block(
            {**part, "y": part["y"][:15], "rows": np.arange(15)},
            {"interval": {"0.95": part["models"]["a"]["interval"]["0.95"][:15]}},
            blocks,
        )
        == {}
    )


def test_classes_are_those_of_the_config_or_quarters():
    assert in_classes([1.0, 2.0, 3.0, 4.0], None, "m").tolist() == [
        "1 to 1.75 m",
        "1.75 to 2.5 m",
        "2.5 to 3.25 m",
        "3.25 to 4 m",
    ]
    assert in_classes([-1.0, 0.0, 5.0, 11.0], [0, 5, 10], "m").tolist() == [
        "below 0 m",
        "0 to 5 m",
        "5 to 10 m",
        "above 10 m",
    ]
    assert in_classes([3.0, 3.0], None, "").tolist() == ["3", "3"]
    table, part = made()
    depth = TargetConfig(name="alt", long_name="thaw depth", unit="cm", bounds=(0, 300))
    groups = groupings(table, np.zeros(120), 1.0, 10.0, depth, [0, 50, 300])
    assert set(groups["observed thaw depth"]) == {"0 to 50 cm", "50 to 300 cm"}
    ordered = [
        row["group"]
        for row in group_scores(part, {"x": in_classes(table.y, [0, 5, 10, 20, 50], "cm")})
        if row["model"] == "a"
    ]
    assert ordered == ["0 to 5 cm", "5 to 10 cm", "10 to 20 cm", "20 to 50 cm", "above 50 cm"]


def test_blocks_across_the_date_line_have_their_middle_there():
    assert set(block_names([179.0, 176.0, -2.0], [65.0, 65.0, 65.0], 10)) == {
        "65° N, 178° E",
        "65° N, 2° W",
    }
