"""A few dozen clustered sites, as real tables of ground ice have them, from the table to the
report.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import icemap
from icemap.config import load_config
from icemap.errors import IcemapError
from icemap.pipeline.chain import STEPS
from icemap.pipeline.making import run_steps
from icemap.pipeline.steps import Context
from icemap.verification.cross_validation import Fold
from icemap.virtual_arctic.demo import write_demo

# A chain of its own, with a pool tuned in every fold, takes minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
STEP_NAMES = ["cube", "boreholes", "train", "verify", "map", "storage", "publish", "report"]


def clustered_sites(path: Path, noise: bool) -> None:
    """66 sites, more than half of them in one block of ten degrees; their values have errors."""
    rng = np.random.default_rng(3)
    centres = [(125.0, 64.0, 36), (-140.0, 67.0, 12), (70.0, 67.0, 10), (-120.0, 66.0, 8)]
    lon, lat = (
        np.concatenate([c[k] + s * rng.uniform(-4, 4, c[2]) for c in centres])
        for k, s in ((0, 1.0), (1, 0.5))
    )
    value = (
        50 + 15 * rng.normal(size=66) if noise else 40 + 3 * (lat - 64) + 5 * rng.normal(size=66)
    )
    pd.DataFrame(
        {
            "name": [f"S{k}" for k in range(66)],
            "lon": lon,
            "lat": lat,
            "vic": value.clip(5, 95),
            "se": rng.choice([2.0, 12.0], 66),
        }
    ).to_csv(path)


def config_of(folder: Path) -> Path:
    path = Path(write_demo(str(folder), "small"))
    clustered_sites(folder / "few.csv", noise=True)
    content = yaml.safe_load(path.read_text())
    del content["boreholes"]
    changes = {
        "grid": {
            "west": -180,
            "south": 50,
            "east": 180,
            "north": 76,
            "resolution": 0.5,
            "chunk": 64,
        },
        "predictors": ["maat", "snow_depth", "elevation", "slope"],
        "sites": {
            "table": "few.csv",
            "value": "vic",
            "unit": "%",
            "id": "name",
            "standard_error": "se",
        },
        "ensemble": {
            "members": ["sklearn.linear_model.Ridge", "random_forest"],
            "replicates": 2,
            "folds": 4,
            "candidates": 0,
            "prior_strength": 100,
        },
        "verification": {"folds": 4, "places": 300, "competitors": [], "confidence": 0.8},
    }
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def text_of(page: Path) -> str:
    """What a reader sees of a page, without its links."""
    return re.sub(r"<[^>]*>", "", page.read_text())


def run_here(config: Path, names: list[str]) -> list[str]:
    said: list[str] = []
    context = Context(load_config(str(config)), "serial", 1, said.append)
    run_steps(STEPS, context, names)
    return said


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> tuple[Path, list[str]]:
    config = config_of(tmp_path_factory.mktemp("few"))
    return config.parent / "run", run_here(config, STEP_NAMES)


def test_every_step_is_made(few):
    run, said = few
    assert [line.split(":")[0] for line in said if ": making" in line] == STEP_NAMES
    assert (run / "report.html").exists()


def test_what_so_few_samples_allow_is_said_before_the_first_fit(few):
    said = few[1]
    facts = next(k for k, line in enumerate(said) if "independent clusters" in line)
    assert "the largest has" in said[facts]
    assert facts < next(k for k, line in enumerate(said) if "CPU seconds" in line)


def test_the_confidence_asked_for_is_that_of_levels_map_and_pages(few):
    run, said = few
    stored = json.loads((run / "ensemble" / "calibration.json").read_text())
    assert 0.8 <= stored["confidence"] < 1
    assert stored["stretch"] > 1
    attrs = icemap.open_map(str(run / "map.zarr")).attrs
    assert attrs["interval_confidence"] == stored["confidence"]
    assert attrs["interval_stretch"] == stored["stretch"]
    sentence = "meant to cover 95 % of new places with 80 % confidence"
    assert sum(sentence in line for line in said) == 1
    assert sentence in text_of(run / "verification.html")
    assert "with 80 % confidence" in text_of(run / "report.html")


def test_too_few_samples_for_a_confidence_are_refused_before_the_first_fit(few, tmp_path):
    shutil.copytree(few[0].parent, tmp_path / "few")
    path = tmp_path / "few" / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["verification"]["confidence"] = 0.99
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(IcemapError, match=r"confidence is 0\.99, for which 90 samples are needed"):
        run_here(path, ["verify"])


def test_no_skill_is_said_on_the_command_line_and_on_both_pages(few):
    run, said = few
    record = json.loads((run / "verification.json").read_text())
    assert next(iter(record)) == "skill"
    sentence = record["skill"]["sentence"]
    assert (
        "do not explain volumetric ice content at these sites" in sentence
        or "cannot be told" in sentence
    )
    assert sentence in [line.strip() for line in said]
    for page in ("verification.html", "report.html"):
        assert sentence in text_of(run / page)
    keys = list(record["table"][0])
    assert keys[2] == "crpss"


def test_the_pool_is_climatology_where_the_predictors_say_nothing(few):
    run, said = few
    record = json.loads((run / "verification.json").read_text())
    tuning = json.loads((run / "ensemble" / "manifest.json").read_text())["tuning"]
    share = tuning["climatology"]
    assert share > 0.5
    assert any(f"share of climatology in the pool: {share:.0%}" in line for line in said)
    leaf = f"smallest leaf of the quantile forest: {tuning['forest_leaf']} samples"
    assert any(leaf in line for line in said)
    rows = {row["model"]: row for row in record["table"] if row["folds"] == "kNNDM"}
    assert rows["icemap"]["crps"] < 1.05 * rows["climatology"]["crps"]


def test_a_fold_that_fails_is_named_and_the_others_are_scored(few, tmp_path, monkeypatch):
    from icemap.verification import cross_validation

    real, config = cross_validation.verify_fold, few[0].parent / "config.yaml"
    broken = Fold("block", 1)

    def failing(ensemble, samples, labels, fold, *rest, **options):
        if options["importance"] and fold == broken.number:
            raise ValueError("the member cannot be fitted")
        return real(ensemble, samples, labels, fold, *rest, **options)

    monkeypatch.setattr(cross_validation, "verify_fold", failing)
    content = yaml.safe_load(config.read_text())
    config.write_text(
        yaml.safe_dump({**content, "verification": {**content["verification"], "places": 301}})
    )
    said = run_here(config, ["verify", "map", "storage", "publish", "report"])
    record = json.loads((few[0] / "verification.json").read_text())
    assert record["failed"] == [{"fold": broken.key, "reason": "the member cannot be fitted"}]
    assert any("fold block-01 could not be fitted and is not scored" in line for line in said)
    rows = {row["folds"]: row["rows"] for row in record["table"] if row["model"] == "icemap"}
    assert 0 < rows["spatial blocks"] < rows["kNNDM"]
    assert "block-01" in (few[0] / "verification.html").read_text()
