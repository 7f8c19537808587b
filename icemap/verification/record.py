"""What verification.json holds: scores of every model under every kind of folds, by group, and
their differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from icemap.config import Config
from icemap.ensemble.replicates import TrainingTable
from icemap.json_records import FoldColumns, HeadlineSkill, Row
from icemap.verification.applicability import Applicability
from icemap.verification.cross_validation import mapped_model
from icemap.verification.cv_schemes import KIND_NAMES, headline
from icemap.verification.groups import BLOCK, group_scores, groupings, with_predicted
from icemap.verification.records import DifferenceByFolds, LeftOutForecasts
from icemap.verification.skill import skill_blocks, skill_sentence, skills
from icemap.verification.summary import difference_table, shown_model, verification_table


class Scored(TypedDict):
    """The scores, JSON-able."""

    # Of what is mapped, headline folds.
    skill: HeadlineSkill
    target: Mapping[str, Any]
    table: list[Row]
    # Headline folds.
    groups: list[Row]
    differences: list[DifferenceByFolds]
    # For pictures, by kind.
    folds: dict[str, FoldColumns]


def verification_record(
    by_kind: Mapping[str, LeftOutForecasts],
    table: TrainingTable,
    applicability: Applicability,
    config: Config,
) -> Scored:
    """The scores, JSON-able.

    Parameters
    ----------
    by_kind : mapping of str to LeftOutForecasts
        By kind of folds, from `icemap.verification.summary.with_calibrated`.
    table : TrainingTable
        All samples.
    applicability : Applicability
        Fitted with the headline folds, so that its training index tells how unlike the sites of
        other folds a sample is.
    config : Config

    Returns
    -------
    Scored
    """
    degrees = config.ensemble.block_degrees
    index, threshold = applicability.train_index, applicability.threshold
    classes = config.verification.classes
    groups = groupings(table, index, threshold, degrees, config.target, classes)
    blocks, side = skill_blocks(table.longitude, table.latitude, degrees)
    skill = {kind: skills(part, blocks, config.seed) for kind, part in by_kind.items()}
    first = headline(by_kind)
    mapped = mapped_model(by_kind[first]["models"])
    return {
        "skill": {
            "sentence": skill_sentence(skill[first][mapped], config.target),
            **skill[first][mapped],
            "block_degrees": side,
            "folds": KIND_NAMES[first],
            "model": mapped,
        },
        "target": config.target.model_dump(mode="json"),
        "table": verification_table(by_kind, groups[BLOCK], skill, blocks, config.seed),
        "groups": group_scores(
            by_kind[first],
            with_predicted(groups, by_kind[first], mapped, config.target),
            blocks,
            config.seed,
        ),
        "differences": difference_table(by_kind, groups[BLOCK], config.seed),
        "folds": {kind: _for_pictures(part) for kind, part in by_kind.items()},
    }


def _for_pictures(part: LeftOutForecasts) -> FoldColumns:
    """Observations, predictions, PITs and the 95 % interval (calibrated where it can be) of the
    samples that these folds leave out.
    """
    models = part["models"]
    model, shown = models[mapped_model(models)], models[shown_model(models)]
    interval = shown["interval"]["0.95"]
    return {
        "rows": part["rows"].tolist(),
        "observed": part["y"].tolist(),
        "lower95": interval[:, 0].tolist(),
        "upper95": interval[:, 1].tolist(),
        "mean": model["mean"].tolist(),
        "pit": model["pit"].tolist(),
        "crps": model["crps"].tolist(),
    }
