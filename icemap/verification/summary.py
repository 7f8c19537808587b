"""The verification table, and the calibrated interval in it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.json_records import Row
from icemap.names import model_in_words
from icemap.verification.calibration import Calibration
from icemap.verification.confidence import Confidence
from icemap.verification.coverage import BlockDraws
from icemap.verification.cross_validation import MODEL, TAIL_LEVELS, mapped_model
from icemap.verification.cv_schemes import KIND_NAMES
from icemap.verification.groups import scored, worst_block
from icemap.verification.paired import differences
from icemap.verification.published import PUBLISHED
from icemap.verification.records import (
    DifferenceByFolds,
    Forecast,
    LeftOutForecasts,
    ReplicateScore,
)
from icemap.verification.skill import Skill

Array = NDArray[np.float64]
NO_SKILL: Mapping[str, Mapping[str, Skill]] = MappingProxyType({})
CALIBRATED = f"{MODEL} calibrated"


def calibrated_interval(
    model: Forecast,
    labels: NDArray[np.int64],
    confidence: Confidence | None = None,
    blocks: NDArray[Any] | None = None,
) -> tuple[Array, Array]:
    """Interval for each sample by a calibration on the other folds, so that no sample calibrates
    its own interval.

    Parameters
    ----------
    model : Forecast
        Its ``pit`` and its ``quantiles`` are used.
    labels : ndarray of shape (n,)
        Fold of each sample.
    confidence : Confidence, optional
        Of these samples, see `icemap.verification.calibration.Calibration.fit`.
    blocks : ndarray of shape (n,), optional
        Spatial block of each sample.
    """
    bounds = np.empty((len(labels), 2))
    for fold in np.unique(labels):
        here = labels == fold
        sure = None if confidence is None else confidence.of(~here)
        fitted = Calibration.fit(
            model["pit"][~here],
            confidence=sure,
            blocks=None if blocks is None else blocks[~here],
        )
        bounds[here] = [
            np.interp(fitted.levels95, TAIL_LEVELS, row) for row in model["quantiles"][here]
        ]
    return bounds[:, 0], bounds[:, 1]


def shown_model(models: Container[str]) -> str:
    """Of the names of models, the one whose interval is that of the map."""
    return CALIBRATED if CALIBRATED in models else MODEL if MODEL in models else PUBLISHED


def with_calibrated(
    part: LeftOutForecasts,
    labels: NDArray[np.int64],
    confidence: Confidence | None = None,
    blocks: NDArray[Any] | None = None,
) -> LeftOutForecasts:
    """The forecasts of one kind of folds, with the calibrated interval of what is mapped as one
    more model.

    As they are where there is one fold only, or where what is mapped is the recipe as printed.

    Parameters
    ----------
    part : LeftOutForecasts
        Of one kind of folds.
    labels : ndarray of shape (samples,)
        Fold of every sample.
    confidence : Confidence, optional
        How sure the coverage of the interval shall be.
    blocks : ndarray of shape (samples,), optional
        Spatial block of every sample.
    """
    here = labels[part["rows"]]
    if len(np.unique(here)) < 2 or MODEL not in part["models"]:
        return part
    model = part["models"][MODEL]
    sure = None if confidence is None else confidence.of(part["rows"])
    block = None if blocks is None else blocks[part["rows"]]
    interval = np.column_stack(calibrated_interval(model, here, sure, block))
    calibrated: Forecast = {
        "mean": model["mean"],
        "pit": model["pit"],
        "crps": model["crps"],
        "log_density": model["log_density"],
        "interval": {"0.95": interval},
    }
    models = {
        MODEL: model,
        CALIBRATED: calibrated,
        **{name: other for name, other in part["models"].items() if name != MODEL},
    }
    return {**part, "models": models}


def verification_table(
    by_kind: Mapping[str, LeftOutForecasts],
    blocks: NDArray[np.object_],
    skill: Mapping[str, Mapping[str, Skill]] = NO_SKILL,
    resampled: NDArray[Any] | None = None,
    seed: int = 0,
) -> list[Row]:
    """One row per kind of folds and model, skill against climatology first.

    Then the scores of predictions for sites that were left out, and the block whose interval
    covers least.

    Parameters
    ----------
    by_kind : mapping
        Kind of folds to forecasts, from `icemap.verification.cross_validation.gather` and
        `with_calibrated`.
    blocks : ndarray of shape (samples,)
        From `icemap.verification.groups.block_names`.
    skill : mapping
        Kind of folds to model to skill, see `icemap.verification.skill.skills`.
    resampled : ndarray of shape (samples,), optional
        Blocks that are resampled for the limits of the coverages; ``blocks`` by default.
    """
    blocks_of = blocks if resampled is None else resampled
    draws = {kind: BlockDraws.of(blocks_of[part["rows"]], seed) for kind, part in by_kind.items()}
    return [
        {
            "folds": KIND_NAMES[kind],
            "model": name,
            **_skill_columns(skill.get(kind, {}).get(name)),
            **scored(part["y"], model, draws=draws[kind]),
            **worst_block(part, model, blocks),
        }
        for kind, part in by_kind.items()
        for name, model in part["models"].items()
    ]


def score_lines(rows: Sequence[Mapping[str, Any]], unit: str) -> Iterator[str]:
    """The verification table as text; skill against climatology leads.

    Parameters
    ----------
    rows : sequence of mapping
        From `verification_table`.
    unit : str
        Of the target.
    """
    scores = {
        "r2": "7.2f",
        "rmse": "9.2f",
        "bias": "8.2f",
        "crps": "8.2f",
        "coverage_95": "9.1%",
        "coverage_95_low": "8.1%",
        "coverage_95_high": "8.1%",
        "width_95": "9.1f",
        "winkler_95": "11.1f",
    }
    names = [model_in_words(row["model"]) for row in rows]
    width = max(24, *map(len, names)) + 1
    yield (
        f"{'folds':22s}{'model':{width}s}{'skill':>7s}{'95 % of skill':>18s}{'R2':>7s}{'RMSE':>9s}"
        f"{'bias':>8s}{'CRPS':>8s}{'cover95':>9s}{'from':>8s}{'to':>8s}"
        f"{'width95':>9s}{'Winkler95':>11s}   [{unit}]"
    )
    for row, name in zip(rows, names):
        skill = f"{row['crpss']:7.1%}" if "crpss" in row else f"{'-':>7s}"
        known = row.get("crpss_low") is not None
        span = f"{row['crpss_low']:.1%} to {row['crpss_high']:.1%}" if known else "-"
        figures = "".join(
            f"{row[key]:{form}}" if key in row else " " * (int(form.split(".")[0]) - 1) + "-"
            for key, form in scores.items()
        )
        yield f"{row['folds']:22s}{name:{width}s}{skill}{span:>18s}{figures}"


def _skill_columns(skill: Skill | None) -> Row:
    if skill is None:
        return {}
    return {
        "crpss": skill["crpss"],
        "crpss_low": skill["low"],
        "crpss_high": skill["high"],
    }


def difference_table(
    by_kind: Mapping[str, LeftOutForecasts], blocks: NDArray[np.object_], seed: int
) -> list[DifferenceByFolds]:
    """What is mapped minus each competitor for each kind of folds.

    Parameters
    ----------
    by_kind : mapping of str to LeftOutForecasts
    blocks : ndarray of shape (samples,)
        Spatial block of each sample.
    seed : int
        Of the resampling, see `icemap.verification.paired.differences`.
    """
    return [
        {"folds": KIND_NAMES[kind], **row}
        for kind, part in by_kind.items()
        for row in differences(
            part, mapped_model(part["models"]), shown_model(part["models"]), blocks, seed
        )
    ]


def replicate_scores(records: Sequence[Mapping[str, Any]]) -> dict[str, ReplicateScore]:
    """Mean and central 95 % of the scores of the replicates, each on the samples it held out; {}
    without records.

    Parameters
    ----------
    records : sequence of dict
        Of the training; those of replicates have ``held_out``.

    Examples
    --------
    >>> replicate_scores([{"held_out": {"rmse": 6.0}}, {"held_out": {"rmse": 8.0}}])["rmse"]["mean"]
    7.0
    """
    found: dict[str, ReplicateScore] = {}
    scored = [record["held_out"] for record in records if "held_out" in record]
    for name in scored[0] if scored else ():
        values = [scores[name] for scores in scored if name in scores]
        low, high = np.quantile(values, [0.025, 0.975])
        found[name] = {
            "mean": float(np.mean(values)),
            "low": float(low),
            "high": float(high),
            "replicates": len(values),
        }
    return found
