"""``icemap verify``: cross-validation, calibration and area of applicability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from icemap.config import Config
from icemap.errors import IcemapError
from icemap.pipeline.influence import find_influence
from icemap.pipeline.learning import prepared_ensemble
from icemap.pipeline.left_out import left_out_forecasts
from icemap.pipeline.steps import Context, Facts, Step
from icemap.run_folder import APPLICABILITY, CALIBRATION
from icemap.store import join, write_json
from icemap.words import (
    VERIFICATION_ALONE,
    VERIFICATION_WORDS,
    class_words,
    preview_words,
    pseudo_sites_words,
    target_words,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from icemap.ensemble.model import IceEnsemble
    from icemap.ensemble.replicates import TrainingTable
    from icemap.json_records import CalibrationRecord, LearningCurve
    from icemap.mapping.places import CubePlaces
    from icemap.pipeline.left_out import LeftOut
    from icemap.verification.applicability import Applicability
    from icemap.verification.confidence import Confidence
    from icemap.verification.learning_curve import LearnedPart
    from icemap.verification.records import LeftOutForecasts
    from icemap.verification.sampling_support import MapClasses


def _depends(context: Context) -> Any:
    config = context.config
    # Without a confidence, runs of before there was that key have nothing to do.
    settings = config.verification.model_dump(
        exclude={*VERIFICATION_WORDS, *VERIFICATION_ALONE}, exclude_none=True
    )
    # The folds of a preview are fitted with the settings of its map.
    return {**settings, "quick": True} if config.quick else settings


def _alone(context: Context) -> Any:
    return context.config.verification.model_dump(include=VERIFICATION_ALONE)


def _words(context: Context) -> Any:
    config = context.config
    return [
        config.title,
        target_words(config),
        config.verification.model_dump(include=VERIFICATION_WORDS),
        class_words(context.sources),
        *preview_words(config),
    ]


@dataclass(frozen=True)
class _Task:
    """What is verified, and how.

    Attributes
    ----------
    ensemble : IceEnsemble
        With the tuning of the one that is mapped; not fitted.
    samples : DataFrame
        All that it is trained on, pseudo-sites last, so that rows mean the same without them.
    everything, table : TrainingTable
        Of the samples, and of the boreholes alone.
    blocks : (boreholes,) array
        Spatial blocks that are resampled.
    places : CubePlaces
        Of the map.
    labels : dict of str to (boreholes,) array
        Folds by their kind.
    competitors : list of str
    confidence : Confidence or None
    notes : list of str
        What is changed or left out.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    everything: TrainingTable
    table: TrainingTable
    blocks: NDArray[Any]
    places: CubePlaces
    labels: Mapping[str, NDArray[np.int64]]
    competitors: Sequence[str]
    confidence: Confidence | None
    notes: Sequence[str]

    @property
    def boreholes(self) -> pd.DataFrame:
        return self.samples[self.everything.drilled]

    @property
    def domain(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.places.longitude, self.places.latitude


def _task(context: Context) -> _Task:
    from icemap.ensemble.saved import read_manifest
    from icemap.ensemble.tuning import Tuning
    from icemap.mapping.places import choose_places
    from icemap.predictors.cube import open_cube
    from icemap.verification.competitors import installed
    from icemap.verification.skill import skill_blocks

    config = context.config
    ensemble, samples = prepared_ensemble(context)
    ensemble.adopt(Tuning.from_dict(read_manifest(config.folder.ensemble)["tuning"]))
    everything = ensemble.table(samples)
    table = everything.take(everything.drilled)
    blocks, _ = skill_blocks(table.longitude, table.latitude, config.ensemble.block_degrees)
    places = choose_places(open_cube(config.folder.cube), config.verification.places, config.seed)
    domain = (places.longitude, places.latitude)
    labels, changed = _folds(config, table, domain, published=ensemble.followed.published)
    competitors, absent = installed(config.verification.competitors)
    notes = [*_preview_note(config), *changed, *absent, *_shapley_note(ensemble.members)]
    return _Task(
        ensemble,
        samples,
        everything,
        table,
        blocks,
        places,
        labels,
        competitors,
        _confidence(config, blocks),
        notes,
    )


def _make(context: Context) -> Facts:
    """Cross-validation, calibration and area of applicability."""
    from icemap.products.pages.verification import write_verification_page
    from icemap.verification.cv_schemes import headline, with_pseudo_sites
    from icemap.verification.summary import with_calibrated

    config, task = context.config, _task(context)
    # Before the first fit: what is changed or left out is known by then.
    for note in task.notes:
        context.log(f"  {note}")
    folds = {kind: with_pseudo_sites(task.everything, part) for kind, part in task.labels.items()}
    found = left_out_forecasts(context, task.ensemble, task.samples, folds, task.competitors)
    first = headline(found.by_kind)
    calibration = _calibration(config, task, found.by_kind[first])
    applicability = _applicability(task, folds[first], config.seed)
    by_kind = {
        kind: with_calibrated(part, task.labels[kind], task.confidence, task.blocks)
        for kind, part in found.by_kind.items()
    }
    record = _record(context, task, found, by_kind, calibration, applicability)
    context.settle()
    write_json(join(config.folder.ensemble, CALIBRATION), calibration)
    write_json(join(config.folder.ensemble, APPLICABILITY), applicability.to_dict())
    if found.learned:
        curve = _learning_curve(config, found.learned, found.by_kind[first], task.blocks)
        record |= {"learning_curve": curve}
        context.log("  " + curve["sentence"])
    influence = find_influence(
        context, task.ensemble, task.samples, task.places, by_kind[first], found.permuted
    )
    write_json(config.folder.influence, influence)
    support = _support(context, influence["classes"], by_kind[first], task.samples, task.blocks)
    record |= support
    write_json(config.folder.verification, record)
    context.log("  " + support["sampling_support"]["sentence"])
    units = {
        name: "class" if source.kind == "class" else source.unit
        for name, source in context.sources.items()
    }
    write_verification_page(
        config.folder.verification_page, record, influence, task.boreholes, config, units
    )
    context.log(f"  see {config.folder.verification_page}")
    marked = {name: record[name] for name in ("pseudo_sites",) if name in record}
    return {"samples": len(task.table), **marked, "skill": record["skill"]}


def _applicability(task: _Task, folds: NDArray[np.int64], seed: int) -> Applicability:
    from icemap.ensemble.predictor_weights import predictor_weights
    from icemap.verification.applicability import Applicability

    predictors, target = task.ensemble.coding_.design(task.everything.X), task.everything.y
    weights = predictor_weights(predictors, target, seed)
    return Applicability.fit(predictors, weights, folds, task.everything.drilled)


def _record(
    context: Context,
    task: _Task,
    found: LeftOut,
    by_kind: Mapping[str, LeftOutForecasts],
    calibration: CalibrationRecord,
    applicability: Applicability,
) -> dict[str, Any]:
    """What `verification.json` says of the scores; they are told."""
    from icemap.verification.fold_distances import fold_distances
    from icemap.verification.record import verification_record
    from icemap.verification.summary import replicate_scores, score_lines

    config, share = context.config, task.ensemble.tuning_.climatology
    said = [
        *_share_note(share, found.shares, nested=not config.quick),
        *_confidence_note(config, calibration),
    ]
    pseudo_sites = len(task.samples) - len(task.table)
    marked = [pseudo_sites_words(pseudo_sites)] if pseudo_sites else []
    scored = verification_record(by_kind, task.table, applicability, config)
    for line in [
        *score_lines(scored["table"], config.target.unit),
        *found.notes,
        *said,
        scored["skill"]["sentence"],
    ]:
        context.log("  " + line)
    return {
        **scored,
        "climatology": {"share": share, "in_folds": found.shares},
        "calibration": calibration,
        "replicates": replicate_scores(list(context.ledger("train").records().values())),
        "distances": fold_distances(
            (task.table.longitude, task.table.latitude), task.domain, task.labels
        ),
        "notes": [*task.notes, *said, *marked, *found.notes],
        "failed": found.failed,
        **({"preview": config.preview} if config.quick else {}),
        **({"pseudo_sites": pseudo_sites} if pseudo_sites else {}),
    }


def _folds(
    config: Config,
    table: TrainingTable,
    domain: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    published: bool,
) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """Labels of the samples by kind of folds, and what is to be said of them."""
    from icemap.verification.cv_schemes import FoldOptions, fold_labels

    options = FoldOptions(
        config.verification.folds, config.ensemble.block_degrees, domain, config.seed, published
    )
    try:
        return fold_labels(table, options)
    except ValueError as error:
        raise IcemapError(
            f"{config.folder.samples}: {error} The number of folds is verification.folds in the"
            " config."
        ) from error


def _calibration(config: Config, task: _Task, part: LeftOutForecasts) -> CalibrationRecord:
    """The calibration by the headline folds; the published recipe has none."""
    from icemap.verification.calibration import NOT_CALIBRATED, Calibration
    from icemap.verification.cross_validation import MODEL

    if task.ensemble.followed.published:
        return NOT_CALIBRATED.to_dict()
    fitted = Calibration.fit(
        part["models"][MODEL]["pit"],
        _nugget(config, task.boreholes),
        None if task.confidence is None else task.confidence.of(part["rows"]),
        task.blocks[part["rows"]],
    )
    return fitted.to_dict()


def _support(
    context: Context,
    classes: Sequence[MapClasses],
    part: LeftOutForecasts,
    samples: pd.DataFrame,
    blocks: NDArray[Any],
) -> dict[str, Any]:
    """How the samples are spread over the map's classes, and how good the forecasts of each are."""
    from icemap.boreholes.pseudo import is_pseudo
    from icemap.verification.groups import predictor_groups
    from icemap.verification.sampling_support import (
        Described,
        support_sentence,
        support_table,
        worst_supported,
    )
    from icemap.verification.summary import shown_model

    described = {
        name: Described(source.unit, source.classes) for name, source in context.sources.items()
    }
    values = {one["predictor"]: samples[one["predictor"]].to_numpy(float) for one in classes}
    rows = support_table(classes, values, described, is_pseudo(samples))
    return {
        "sampling_support": {
            "sentence": support_sentence(rows),
            "worst": worst_supported(rows),
            "classes": rows,
        },
        "by_predictor": predictor_groups(
            part,
            classes,
            values,
            described,
            shown_model(part["models"]),
            blocks,
            context.config.seed,
        ),
    }


def _learning_curve(
    config: Config, learned: Sequence[LearnedPart], part: LeftOutForecasts, blocks: NDArray[Any]
) -> LearningCurve:
    """What more sites gained under the headline folds."""
    from icemap.verification.learning_curve import learning_curve

    return learning_curve(learned, part["y"], blocks[part["rows"]], config.seed, config.target)


def _nugget(config: Config, samples: pd.DataFrame) -> float:
    """By how much a new borehole spreads about the mean of its cell, as far as the samples do not
    already; 0 where the interval is for the mean.
    """
    from icemap.ensemble.model import sample_errors

    if not config.verification.nugget:
        return 0.0
    spread = float(samples["nugget"].iloc[0])
    if not spread >= 0:
        raise IcemapError(
            "verification.nugget asks for the spread between boreholes of one cell, and no cell of"
            f" {config.folder.samples} has two: set it to false, for intervals of the samples as"
            " they are."
        )
    if sample_errors(samples) is not None:
        return spread
    # Samples without errors are means of a few holes: what they spread by is in the residuals.
    return float(spread * (1 - (1 / samples["sites"]).mean()) ** 0.5)


def _confidence(config: Config, blocks: NDArray[Any]) -> Confidence | None:
    """With which the interval is to cover 95 %, as the config asks."""
    from icemap.verification.confidence import Confidence, least_samples

    level = config.verification.confidence
    if level is None:
        return None
    if len(blocks) < (least := least_samples(level)):
        raise IcemapError(
            f"verification.confidence is {level:g}, for which {least} samples are needed at least;"
            f" {config.folder.samples} has {len(blocks)}. Take a lower one, or leave the key out."
        )
    return Confidence(level, blocks, config.seed)


def _preview_note(config: Config) -> list[str]:
    return [f"this is {config.preview}"] if config.quick else []


def _shapley_note(members: Sequence[str]) -> list[str]:
    from icemap.verification.competitors import left_out

    if "random_forest" not in members or find_spec("shap") is not None:
        return []
    return [left_out("Shapley values of the random forest", "shap")]


def _confidence_note(config: Config, calibration: CalibrationRecord) -> list[str]:
    if (asked := config.verification.confidence) is None:
        return []
    reached = calibration.get("confidence", 0.0)
    note = (
        f"the 95 % interval of the map is meant to cover 95 % of new places with {100 * asked:g} %"
        " confidence, not on average over networks of boreholes"
    )
    if reached < asked:
        note += f"; these samples allow {100 * reached:.0f} % only"
    return [note]


def _share_note(share: float, in_folds: Sequence[float], *, nested: bool) -> list[str]:
    if share == 0 and not any(in_folds):
        return []
    if not nested:
        return [
            f"climatology has a share of {share:.0%} in the pool that is mapped, and in that of"
            " every fold: spatial folds of all samples find the rest not better than climatology"
            " beyond chance"
        ]
    mean = sum(in_folds) / len(in_folds)
    return [
        f"climatology has a share of {share:.0%} in the pool that is mapped, and of {mean:.0%} in"
        " the mean of the folds: spatial folds inside each training side find the rest not better"
        " than climatology beyond chance"
    ]


def _products(config: Config) -> list[str]:
    """What verification makes; two of the files are in the folder of the ensemble, and are removed
    when it is trained again.
    """
    own = [config.folder.verification, config.folder.influence, config.folder.verification_page]
    return [
        *own,
        join(config.folder.ensemble, CALIBRATION),
        join(config.folder.ensemble, APPLICABILITY),
    ]


STEP = Step(
    "verify",
    after=("train",),
    depends=_depends,
    make=_make,
    products=_products,
    words=_words,
    alone=_alone,
)
