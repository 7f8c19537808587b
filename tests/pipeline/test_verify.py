"""What becomes of the folds' records: those that failed are named, the others are scored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.config_sections import TargetConfig
from icemap.json_records import LearningCurve, read_record
from icemap.pipeline.left_out import VerifyFold, left_out_forecasts
from icemap.pipeline.verify import _learning_curve, _share_note
from icemap.store import write_json
from icemap.verification.cross_validation import Fold
from icemap.verification.summary import score_lines

pytestmark = pytest.mark.quick
SAMPLES = pd.DataFrame(index=range(12))
LABELS = {"cell": np.arange(12) % 3, "block": np.repeat([0, 1], 6), "knndm": np.arange(12) // 4}


def context(failing: set[str], *, quick: bool = False) -> Any:
    """A run whose folds have records, or a reason; its jobs are kept."""
    jobs: list[Any] = []

    def record(key: str) -> dict[str, Any]:
        if key in failing:
            return {"failed": "the member cannot be fitted"}
        kind, number = key.split("-")
        rows = np.flatnonzero(LABELS[kind] == int(number)).tolist()
        models = {"icemap": {"mean": rows, "crps": rows}}
        made = {
            "rows": rows,
            "y": rows,
            "dissimilarity": rows,
            "models": models,
            "left_out": [],
            "climatology": 0.5,
        }
        learning = [
            {"share": share, "sites": int(8 * share), "crps": rows, "mean": rows}
            for share in (0.5, 1.0)
        ]
        return {**made, "permuted": {"n": len(rows)}, "learning": learning}

    def run_job(job: Any, name: str) -> list[dict[str, Any]]:
        jobs.append(job)
        return [record(item.key) for item in sorted(job.items, key=lambda item: item.key)]

    return SimpleNamespace(run_job=run_job, jobs=jobs, config=SimpleNamespace(quick=quick))


def found(*failing: str) -> Any:
    return left_out_forecasts(context(set(failing)), None, SAMPLES, LABELS, ())  # type: ignore[arg-type]


@pytest.mark.parametrize("quick", [False, True])
def test_the_folds_of_a_preview_are_not_tuned_again(quick):
    run = context(set(), quick=quick)
    left_out_forecasts(run, None, SAMPLES, LABELS, ())  # type: ignore[arg-type]
    assert [job.work.nested for job in run.jobs] == [not quick]


@pytest.mark.parametrize("nested", [False, True])
def test_the_learning_curve_is_of_headline_folds_and_not_of_a_preview(monkeypatch, nested):
    asked: dict[str, bool] = {}

    def fold(ensemble, samples, labels, number, competitors, **options):
        kind = next(kind for kind, one in LABELS.items() if one is labels)
        asked[kind] = options["learning"]
        return {}

    monkeypatch.setattr("icemap.verification.cross_validation.verify_fold", fold)
    work = VerifyFold(None, SAMPLES, LABELS, (), nested)  # type: ignore[arg-type]
    for kind in LABELS:
        work(Fold(kind, 0))
    assert asked == {"cell": False, "block": False, "knndm": nested}


def test_the_curve_of_the_folds_is_read_back_from_its_file(tmp_path):
    everything, config = found(), SimpleNamespace(seed=0, target=TargetConfig())
    part = everything.by_kind["knndm"]
    curve = _learning_curve(config, everything.learned, part, np.arange(12))  # type: ignore[arg-type]
    url = str(tmp_path / "curve.json")
    write_json(url, curve)
    back = read_record(url, LearningCurve, "")
    assert back == curve
    assert [(one["share"], one["crps"]) for one in back["points"]] == [(0.5, 5.5), (1.0, 5.5)]


def test_what_is_said_of_climatology_is_what_was_done():
    (nested,) = _share_note(0.5, [0.2, 0.4], nested=True)
    (once,) = _share_note(0.5, [0.5, 0.5], nested=False)
    assert "of 50% in the pool that is mapped, and of 30% in the mean of the folds" in nested
    assert "of 50% in the pool that is mapped, and in that of every fold" in once
    assert _share_note(0.0, [0.0, 0.0], nested=True) == []


def test_all_folds_are_scored_where_none_fails():
    everything = found()
    assert {kind: len(part["rows"]) for kind, part in everything.by_kind.items()} == {
        "cell": 12,
        "block": 12,
        "knndm": 12,
    }
    assert (everything.failed, everything.notes, everything.shares) == ([], [], [0.5, 0.5, 0.5])
    half, whole = everything.learned
    assert (half.share, half.sites, whole.sites) == (0.5, 4.0, 8.0)
    assert half.crps.tolist() == list(range(12))


def test_a_fold_that_failed_is_named_and_takes_no_other_with_it():
    rest = found("knndm-01")
    assert rest.by_kind["knndm"]["rows"].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert rest.by_kind["knndm"]["y"].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert rest.failed == [{"fold": "knndm-01", "reason": "the member cannot be fitted"}]
    assert rest.notes == [
        "fold knndm-01 could not be fitted and is not scored: the member cannot be fitted"
    ]
    assert len(rest.by_kind["cell"]["rows"]) == 12
    assert rest.learned[0].crps.tolist() == rest.by_kind["knndm"]["y"].tolist()


def test_a_kind_without_a_fold_is_left_out_and_the_headline_must_have_one():
    rest = found("block-00", "block-01")
    assert "block" not in rest.by_kind
    assert rest.notes[-1] == "spatial blocks are left out: none of these folds could be fitted"
    with pytest.raises(
        IcemapError,
        match="No kNNDM fold could be verified: without fold knndm-00, the member cannot be fitted",
    ):
        found("knndm-00", "knndm-01", "knndm-02")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("quantile_forest", "quantile forest"),
        ("sklearn.linear_model.BayesianRidge", "sklearn.linear_model.BayesianRidge"),
    ],
)
def test_the_table_names_its_models_in_columns(model, said):
    row = {"folds": "random", "model": model, "r2": 0.5}
    header, line, other = score_lines([row, {**row, "model": "icemap"}], "%")
    assert said in line
    assert len(line) == len(other)
    assert line.index("0.50") + len("0.50") == header.index("R2") + len("R2")
