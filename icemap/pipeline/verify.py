"""``icemap verify``: cross-validation, calibration and area of applicability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from icemap.config import Config
from icemap.errors import IcemapError
from icemap.pipeline.learning import one_line, prepared_ensemble
from icemap.pipeline.steps import Context, Facts, Step
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
    from icemap.verification.confidence import Confidence
    from icemap.verification.cross_validation import Fold
    from icemap.verification.learning_curve import LearnedPart
    from icemap.verification.records import (
        Explanation,
        FailedFold,
        FoldRecord,
        LeftOutForecasts,
        PermutedErrors,
        SiteInfluence,
    )
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


def _make(context: Context) -> Facts:
    """Cross-validation, calibration and area of applicability."""
    from icemap.ensemble.saved import APPLICABILITY, CALIBRATION, read_manifest
    from icemap.ensemble.tuning import Tuning
    from icemap.mapping.places import choose_places
    from icemap.predictors.cube import open_cube
    from icemap.products.pages.verification import write_verification_page
    from icemap.verification.applicability import Applicability, predictor_weights
    from icemap.verification.calibration import NOT_CALIBRATED, Calibration
    from icemap.verification.competitors import installed, left_out
    from icemap.verification.cross_validation import MODEL
    from icemap.verification.cv_schemes import (
        FoldOptions,
        fold_labels,
        headline,
        with_pseudo_sites,
    )
    from icemap.verification.fold_distances import fold_distances
    from icemap.verification.record import verification_record
    from icemap.verification.summary import replicate_scores, with_calibrated

    config = context.config
    ensemble, samples = prepared_ensemble(context)
    ensemble.tuning_ = Tuning.from_dict(read_manifest(config.folder.ensemble)["tuning"])
    everything = ensemble.table(samples)
    # Pseudo-sites are last, so that rows mean the same with and without them.
    table, boreholes = everything.take(everything.drilled), samples[everything.drilled]
    places = choose_places(open_cube(config.folder.cube), config.verification.places, config.seed)
    domain, published = (places.longitude, places.latitude), ensemble.followed.published
    options = FoldOptions(
        config.verification.folds, config.ensemble.block_degrees, domain, config.seed, published
    )
    try:
        labels, notes = fold_labels(table, options)
    except ValueError as error:
        raise IcemapError(
            f"{config.folder.samples}: {error} The number of folds is verification.folds in the"
            " config."
        ) from error
    confidence = _confidence(config, table)
    competitors, absent = installed(config.verification.competitors)
    notes = [*([f"this is {config.preview}"] if config.quick else []), *notes, *absent]
    if "random_forest" in ensemble.members and find_spec("shap") is None:
        notes.append(left_out("Shapley values of the random forest", "shap"))
    # Before the first fit: what is changed or left out is known by then.
    for note in notes:
        context.log(f"  {note}")
    folds = {kind: with_pseudo_sites(everything, part) for kind, part in labels.items()}
    found = _left_out_forecasts(context, ensemble, samples, folds, competitors)
    first = headline(found.by_kind)
    if published:
        calibration = NOT_CALIBRATED.to_dict()
    else:
        part = found.by_kind[first]
        pit, dissimilarity = part["models"][MODEL]["pit"], part["dissimilarity"]
        sure = None if confidence is None else confidence.of(part["rows"])
        fitted = Calibration.fit(pit, dissimilarity, _nugget(config, boreholes), sure)
        calibration = fitted.to_dict()
    predictors = ensemble.coding_.design(everything.X)
    applicability = Applicability.fit(
        predictors,
        predictor_weights(predictors, everything.y, config.seed),
        folds[first],
        everything.drilled,
    )
    by_kind = {
        kind: with_calibrated(part, labels[kind], confidence)
        for kind, part in found.by_kind.items()
    }
    share = ensemble.tuning_.climatology
    said_of_share = _share_note(share, found.shares, nested=not config.quick)
    notes += said_of_share
    notes += _confidence_note(config, calibration)
    if pseudo_sites := len(samples) - len(boreholes):
        notes.append(pseudo_sites_words(pseudo_sites))
    scored = verification_record(by_kind, table, applicability, config)
    record = {
        **scored,
        "climatology": {"share": share, "in_folds": found.shares},
        "calibration": calibration,
        "replicates": replicate_scores(list(context.ledger("train").records().values())),
        "distances": fold_distances((table.longitude, table.latitude), domain, labels),
        "notes": [*notes, *found.notes],
        "failed": found.failed,
        **({"preview": config.preview} if config.quick else {}),
        **({"pseudo_sites": pseudo_sites} if pseudo_sites else {}),
    }
    context.settle()
    write_json(join(config.folder.ensemble, CALIBRATION), calibration)
    write_json(join(config.folder.ensemble, APPLICABILITY), applicability.to_dict())
    for line in [
        *_as_text(scored["table"], config.target.unit),
        *found.notes,
        *said_of_share,
        *_confidence_note(config, calibration),
    ]:
        context.log("  " + line)
    context.log("  " + scored["skill"]["sentence"])
    if found.learned:
        curve = _learning_curve(context, found.learned, found.by_kind[first], table)
        record |= {"learning_curve": curve}
        context.log("  " + curve["sentence"])
    influence = _influence(context, ensemble, samples, places, by_kind[first], found.permuted)
    write_json(config.folder.influence, influence)
    support = _support(context, influence["classes"], by_kind[first], samples)
    record |= support
    write_json(config.folder.verification, record)
    context.log("  " + support["sampling_support"]["sentence"])
    units = {
        name: "class" if source.kind == "class" else source.unit
        for name, source in context.sources.items()
    }
    write_verification_page(
        config.folder.verification_page, record, influence, boreholes, config, units
    )
    context.log(f"  see {config.folder.verification_page}")
    marked = {"pseudo_sites": pseudo_sites} if pseudo_sites else {}
    return {"samples": len(table), **marked, "skill": record["skill"]}


def _support(
    context: Context, classes: Sequence[MapClasses], part: LeftOutForecasts, samples: pd.DataFrame
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
    from icemap.verification.skill import skill_blocks
    from icemap.verification.summary import shown_model

    config = context.config
    pseudo = is_pseudo(samples)
    boreholes = samples[~pseudo]
    place = boreholes["lon"].to_numpy(float), boreholes["lat"].to_numpy(float)
    blocks, _ = skill_blocks(*place, config.ensemble.block_degrees)
    described = {
        name: Described(source.unit, source.classes) for name, source in context.sources.items()
    }
    values = {one["predictor"]: samples[one["predictor"]].to_numpy(float) for one in classes}
    rows = support_table(classes, values, described, pseudo)
    return {
        "sampling_support": {
            "sentence": support_sentence(rows),
            "worst": worst_supported(rows),
            "classes": rows,
        },
        "by_predictor": predictor_groups(
            part, classes, values, described, shown_model(part["models"]), blocks, config.seed
        ),
    }


def _learning_curve(
    context: Context,
    learned: Sequence[LearnedPart],
    part: LeftOutForecasts,
    table: TrainingTable,
) -> LearningCurve:
    """What more sites gained under the headline folds."""
    from icemap.verification.learning_curve import learning_curve
    from icemap.verification.skill import skill_blocks

    config = context.config
    blocks, _ = skill_blocks(table.longitude, table.latitude, config.ensemble.block_degrees)
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


def _confidence(config: Config, table: TrainingTable) -> Confidence | None:
    """With which the interval is to cover 95 %, as the config asks."""
    from icemap.verification.confidence import Confidence, least_samples
    from icemap.verification.skill import skill_blocks

    level = config.verification.confidence
    if level is None:
        return None
    if len(table) < (least := least_samples(level)):
        raise IcemapError(
            f"verification.confidence is {level:g}, for which {least} samples are needed at least;"
            f" {config.folder.samples} has {len(table)}. Take a lower one, or leave the key out."
        )
    blocks, _ = skill_blocks(table.longitude, table.latitude, config.ensemble.block_degrees)
    return Confidence(level, blocks, config.seed)


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


@dataclass(frozen=True)
class LeftOut:
    """Forecasts of the samples that folds left out.

    Attributes
    ----------
    by_kind : dict
        Kind of folds to what `icemap.verification.cross_validation.gather` makes of its folds.
    permuted : list of dict
        Errors with permuted predictors, by fold.
    notes : list of str
        What had to be left out.
    failed : list of dict
        ``fold`` and ``reason`` of those that could not be fitted.
    shares : list of float
        Share of climatology in the pool of each headline fold.
    learned : list of LearnedPart
        Forecasts of the headline folds from parts of their training sides.
    """

    by_kind: dict[str, LeftOutForecasts]
    permuted: list[PermutedErrors]
    notes: list[str]
    failed: list[dict[str, str]]
    shares: list[float]
    learned: list[LearnedPart]


def _left_out_forecasts(
    context: Context,
    ensemble: IceEnsemble,
    samples: pd.DataFrame,
    labels: Mapping[str, NDArray[np.int64]],
    competitors: Sequence[str],
) -> LeftOut:
    """Every fold's forecasts; a fold that fails is named, and the others are scored."""
    import numpy as np

    from icemap.boreholes.pseudo import is_pseudo
    from icemap.running.run import Job
    from icemap.verification.cross_validation import Fold, gather
    from icemap.verification.cv_schemes import KIND_NAMES, headline, importance_kind
    from icemap.verification.learning_curve import gather_parts

    items = [
        Fold(kind, int(number))
        for kind, folds in labels.items()
        for number in np.unique(folds[folds >= 0])
    ]
    nested = not context.config.quick
    work = VerifyFold(ensemble, samples, labels, competitors, nested)
    found = dict(
        zip(
            sorted(item.key for item in items),
            context.run_job(Job("verify", items, work, unit="folds"), "verify"),
            strict=True,
        )
    )
    failed = [
        {"fold": item.key, "reason": cast("FailedFold", found[item.key])["failed"]}
        for item in items
        if "failed" in found[item.key]
    ]
    scored = [item for item in items if "failed" not in found[item.key]]
    records = {item.key: cast("FoldRecord", found[item.key]) for item in scored}
    by_kind = {}
    for kind in labels:
        chosen = [item for item in scored if item.kind == kind]
        if chosen:
            here = np.isin(labels[kind], [item.number for item in chosen])
            rows = np.flatnonzero(here & ~is_pseudo(samples))
            by_kind[kind] = gather([records[item.key] for item in chosen], rows)
    leading = headline(labels)
    if leading not in by_kind:
        first = failed[0]
        raise IcemapError(
            f"No {KIND_NAMES[leading]} fold could be verified: without fold {first['fold']},"
            f" {first['reason']}"
        )
    dropped = sorted({name for item in scored for name in records[item.key]["left_out"]})
    notes = [
        f"{name.replace('_', ' ')} is left out: the training side of a fold has too few samples"
        " for it"
        for name in dropped
    ]
    notes += [
        f"fold {entry['fold']} could not be fitted and is not scored: {entry['reason']}"
        for entry in failed
    ]
    notes += [
        f"{KIND_NAMES[kind]} are left out: none of these folds could be fitted"
        for kind in labels
        if kind not in by_kind
    ]
    asked = importance_kind(labels)
    permuted = [records[item.key]["permuted"] for item in scored if item.kind == asked]
    shares = [records[item.key]["climatology"] for item in scored if item.kind == leading]
    learned = gather_parts([records[item.key] for item in scored if item.kind == leading])
    return LeftOut(by_kind, permuted, notes, failed, shares, learned)


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


def _influence(
    context: Context,
    ensemble: IceEnsemble,
    samples: pd.DataFrame,
    places: Any,
    forecasts: LeftOutForecasts,
    permuted: Sequence[PermutedErrors],
) -> dict[str, Any]:
    """What the predictors do, what each site means for the map, and where one more would help
    most.
    """
    import numpy as np

    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.compiled_file import ensure_compiled
    from icemap.running.run import Job
    from icemap.verification.cross_validation import mapped_model
    from icemap.verification.importance import permutation_importance_table

    url = context.config.folder.ensemble
    ensure_compiled(url, samples)
    # A sample whose fold failed has none.
    residual = np.full(len(samples), np.nan)
    residual[forecasts["rows"]] = (
        forecasts["y"] - forecasts["models"][mapped_model(forecasts["models"])]["mean"]
    )
    work = FindInfluence(
        ensemble, samples, url, ensemble_digest(url), context.config.folder.cube, places, residual
    )
    found = context.run_job(Job("influence", INFLUENCE, work, unit="parts"), "verify")
    by_predictor, by_site = cast("Explanation", found[0]), cast("SiteInfluence", found[1])
    return {
        "permutation": permutation_importance_table(permuted),
        "partial_dependence": by_predictor["partial_dependence"],
        "shap": by_predictor["shap"],
        "sites": by_site["sites"],
        "next_boreholes": by_site["next_boreholes"],
        "places": by_site["places"],
        "classes": by_site["classes"],
    }


@dataclass(frozen=True)
class VerifyFold:
    """Fits and scores without one fold on a worker, tuned without it if ``nested``.

    A fold that cannot be fitted is recorded with its reason (``failed``): the others are scored.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    labels: Mapping[str, NDArray[np.int64]]
    competitors: Sequence[str] = ()
    nested: bool = True

    def __call__(self, item: Fold) -> FoldRecord | FailedFold:
        from icemap.verification.cross_validation import verify_fold
        from icemap.verification.cv_schemes import headline, importance_kind

        labels, importance = self.labels[item.kind], item.kind == importance_kind(self.labels)
        try:
            return verify_fold(
                self.ensemble,
                self.samples,
                labels,
                item.number,
                self.competitors,
                importance=importance,
                nested=self.nested,
                # A preview is spared these fits, as it is spared tuning in each fold.
                learning=self.nested and item.kind == headline(self.labels),
            )
        # Estimators and copulas say by either what is wrong with a training side.
        except (ValueError, RuntimeError) as error:
            return {"failed": one_line(error)}


@dataclass(frozen=True)
class Influence:
    """One part of what is asked about influence: ``predictors``, or ``sites``."""

    key: str


INFLUENCE = (Influence("predictors"), Influence("sites"))


@dataclass(frozen=True)
class FindInfluence:
    """On a worker, asks one replicate fitted to all samples what each predictor does, and the
    trained ensemble what each site means for the map.

    Attributes
    ----------
    ensemble : IceEnsemble
        Prepared, not fitted.
    residual : ndarray of shape (n,)
        Observed minus predicted for each sample where it was left out.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    ensemble_url: str
    ensemble_digest: str
    cube_url: str
    places: CubePlaces
    residual: NDArray[np.float64]

    def __call__(self, item: Influence) -> Explanation | SiteInfluence:
        from icemap.verification.importance import explain

        try:
            return (
                explain(self.ensemble, self.samples) if item.key == "predictors" else self._sites()
            )
        except ValueError as error:
            raise IcemapError(
                f"The influence of the {item.key} cannot be found: {one_line(error)}"
            ) from error

    def _sites(self) -> SiteInfluence:
        from icemap.mapping.broadcast import get_predictor
        from icemap.mapping.places import map_places, weighed_places
        from icemap.predictors.cube import open_cube
        from icemap.verification.sampling_support import map_classes
        from icemap.verification.site_influence import next_boreholes, site_table

        predictor = get_predictor(self.ensemble_url, self.ensemble_digest)
        names = predictor.compiled.coding.names
        X, weight = weighed_places(open_cube(self.cube_url), self.places, names)
        applicability, on_map = (
            predictor.applicability,
            map_places(X, weight, self.places, predictor),
        )
        sites = site_table(
            self.samples, applicability, on_map, self.ensemble.held_out_, self.residual
        )
        return {
            "sites": sites,
            "next_boreholes": next_boreholes(applicability, on_map),
            "places": len(on_map.mean),
            "classes": map_classes(X, weight, names, list(predictor.compiled.coding.levels)),
        }


def _as_text(rows: Sequence[Mapping[str, Any]], unit: str) -> Iterator[str]:
    """The verification table; skill against climatology leads."""
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
    yield (
        f"{'folds':22s}{'model':25s}{'skill':>7s}{'95 % of skill':>18s}{'R2':>7s}{'RMSE':>9s}"
        f"{'bias':>8s}{'CRPS':>8s}{'cover95':>9s}{'from':>8s}{'to':>8s}"
        f"{'width95':>9s}{'Winkler95':>11s}   [{unit}]"
    )
    for row in rows:
        skill = f"{row['crpss']:7.1%}" if "crpss" in row else f"{'-':>7s}"
        known = row.get("crpss_low") is not None
        span = f"{row['crpss_low']:.1%} to {row['crpss_high']:.1%}" if known else "-"
        figures = "".join(
            f"{row[key]:{form}}" if key in row else " " * (int(form.split(".")[0]) - 1) + "-"
            for key, form in scores.items()
        )
        yield f"{row['folds']:22s}{row['model'].replace('_', ' '):25s}{skill}{span:>18s}{figures}"


def _products(config: Config) -> list[str]:
    """What verification makes; two of the files are in the folder of the ensemble, and are removed
    when it is trained again.
    """
    from icemap.ensemble.saved import APPLICABILITY, CALIBRATION

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
