"""What verification.json holds: scores of every model under every kind of folds, by group, and
their differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from icemap.config import Config
from icemap.ensemble.replicates import TrainingTable
from icemap.verification.applicability import Applicability
from icemap.verification.cross_validation import mapped_model
from icemap.verification.cv_schemes import KIND_NAMES, headline
from icemap.verification.groups import BLOCK, group_scores, groupings, with_predicted
from icemap.verification.skill import Skill, skill_blocks, skill_sentence, skills
from icemap.verification.summary import difference_table, shown_model, verification_table


def verification_record(
    by_kind: Mapping[str, Mapping[str, Any]],
    table: TrainingTable,
    applicability: Applicability,
    config: Config,
) -> dict[str, Any]:
    """The scores, JSON-able.

    Parameters
    ----------
    by_kind : mapping
        Kind of folds to forecasts, from `icemap.verification.summary.with_calibrated`.
    applicability : Applicability
        Fitted with the headline folds, so that its training index tells how unlike the sites of
        other folds a sample is.

    Returns
    -------
    dict
        ``skill`` (of what is mapped, headline folds, in a sentence too), ``target``, ``table``,
        ``groups`` (headline folds), ``differences`` and, for pictures, ``folds``.
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
        "skill": (
            _headline_skill(skill[first][mapped], side, config)
            | {
                "folds": KIND_NAMES[first],
                "model": mapped,
            }
        ),
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


def _headline_skill(skill: Skill, side: float, config: Config) -> dict[str, Any]:
    return {
        "sentence": skill_sentence(skill, config.target),
        **skill,
        "block_degrees": side,
    }


def _for_pictures(part: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Observations, predictions, PITs and the 95 % interval (calibrated where it can be) of the
    samples that these folds leave out.
    """
    models = part["models"]
    model, shown = models[mapped_model(models)], models[shown_model(models)]
    interval = shown["interval"]["0.95"]
    columns = {
        "rows": part["rows"],
        "observed": part["y"],
        "lower95": interval[:, 0],
        "upper95": interval[:, 1],
    }
    return {
        name: values.tolist()
        for name, values in {
            **columns,
            **{name: model[name] for name in ("mean", "pit", "crps")},
        }.items()
    }
