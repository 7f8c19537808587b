from __future__ import annotations

import numpy as np
import pytest

from icemap.config_sections import TargetConfig
from icemap.verification.skill import skill_blocks, skill_score, skill_sentence, skills

pytestmark = pytest.mark.quick


def scores(gain: float, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference = rng.gamma(4, 2, n)
    return reference * (1 - gain) + rng.normal(0, 2, n), reference


@pytest.mark.parametrize(("gain", "holds"), [(0.5, "above"), (0.0, "zero"), (-0.5, "below")])
def test_the_interval_tells_skill_from_chance(gain, holds):
    own, reference = scores(gain)
    found = skill_score(own, reference, np.arange(300) // 10, seed=0)
    assert found["crpss"] == pytest.approx(1 - own.sum() / reference.sum())
    assert found["blocks"] == 30
    assert found["low"] < found["crpss"] < found["high"]
    where = "above" if found["low"] > 0 else "below" if found["high"] < 0 else "zero"
    assert where == holds


def test_the_interval_covers_the_true_skill_of_correlated_blocks():
    """Whole blocks share an error: resampling single samples would be too sure."""
    hits = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        block = np.repeat(np.arange(25), 8)
        own = np.exp(0.3 * rng.normal(size=25)[block] + 0.2 * rng.normal(size=200))
        found = skill_score(0.8 * own, np.full(200, np.exp(0.5 * (0.3**2 + 0.2**2))), block, seed)
        hits.append(found["low"] <= 0.2 <= found["high"])
    assert np.mean(hits) >= 0.85


def test_few_blocks_have_no_interval_and_the_sentence_does_not_claim_skill():
    own, reference = scores(0.5)
    found = skill_score(own, reference, np.arange(300) // 60, seed=0)
    assert found["low"] is None
    assert "cannot be told" in skill_sentence(found, TargetConfig())


def test_blocks_are_halved_until_there_are_enough_of_them():
    lon = np.linspace(60, 88, 60)
    blocks, side = skill_blocks(lon, np.full(60, 65.0), 10.0)
    assert side < 10
    assert len(np.unique(blocks)) >= 8
    assert skill_blocks(np.linspace(-180, 179, 60), np.full(60, 65.0), 10.0)[1] == 10


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.02, 0.2, "explain part of"),
        (-0.05, 0.2, "do not explain volumetric ice content at these sites"),
        (-0.05, 0.2, "which holds 0), and the map is close to climatology"),
        (-0.3, -0.1, "worse than climatology"),
        (-0.0004, 0.2, "(95 % interval -0.04 to 20 %, which holds 0)"),
        (0.002, 0.2, "(95 % interval 0.2 to 20 %)"),
    ],
)
def test_the_sentence_says_what_the_interval_allows(low, high, words):
    said = skill_sentence({"crpss": 0.1, "low": low, "high": high, "blocks": 9}, TargetConfig())
    assert words in said
    assert said.count(". ") == 0
    assert said.endswith(".")


def test_models_without_a_distribution_have_no_skill():
    own, reference = scores(0.2)
    models = {"icemap": {"crps": own}, "cqr": {"interval": {}}, "climatology": {"crps": reference}}
    part = {"models": models, "rows": np.arange(300)}
    assert list(skills(part, np.arange(400) // 10, 0)) == ["icemap"]
    assert (
        skills({"models": {"icemap": {"crps": own}}, "rows": np.arange(300)}, np.arange(300), 0)
        == {}
    )
