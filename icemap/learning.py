"""The steps that learn: training and verification of the ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from icemap.config import Config
from icemap.errors import IcemapError
from icemap.provenance import digest, fingerprint
from icemap.steps import Context
from icemap.store import join, remove, write_json

if TYPE_CHECKING:
    import pandas as pd

    from icemap.ensemble.model import IceEnsemble


def _prepared(context: Context) -> tuple[IceEnsemble, pd.DataFrame]:
    """The ensemble with its options, coding and splits, and the samples."""
    from icemap.boreholes.samples import read_samples
    from icemap.ensemble.model import IceEnsemble

    config, options = context.config, context.config.ensemble
    samples = read_samples(config.samples_url)
    ensemble = IceEnsemble(
        classes=[name for name in config.predictors if context.sources[name].kind == "class"],
        members=options.members,
        replicates=options.replicates,
        folds=options.folds,
        held_out=options.held_out,
        block_degrees=options.block_degrees,
        bounds=config.target.bounds,
        prior_strength=options.prior_strength,
        candidates=options.candidates,
        monotone={name: {"rising": 1, "falling": -1}[direction] for name, direction in options.monotone.items()},
        seed=config.seed,
    )
    try:
        ensemble.prepare(samples)
    except ValueError as error:
        raise IcemapError(f"{config.samples_url}: {error}") from error
    return ensemble, samples


def ensemble_depends(context: Context) -> Any:
    from icemap.ensemble.members import require_member

    for name in context.config.ensemble.members:
        require_member(name, len(context.config.predictors), context.config.target.bounds)
    return [context.config.ensemble.model_dump(), context.config.seed]


def make_ensemble(context: Context) -> dict[str, Any]:
    from icemap.ensemble.saved import load_replicate, save_forest, write_manifest
    from icemap.mapping.jobs import ReplicateItem, TrainReplicate
    from icemap.mapping.packed import write_packed
    from icemap.mapping.run import Job
    from icemap.predictors.cube import describe_predictors

    config = context.config
    if not context.ledger("train").keys():
        remove(config.ensemble_url)
    ensemble, samples = _prepared(context)
    _tune(context, ensemble, samples)
    items = [ReplicateItem(index) for index in range(ensemble.replicates)]
    records = context.run_job(Job("train", items, TrainReplicate(ensemble, samples, config.ensemble_url), unit="replicates"), "train")
    files = {name: sha for record in records for name, sha in record["files"].items()}
    ensemble.replicates_ = [load_replicate(config.ensemble_url, index, files, ensemble.coding_) for index in range(ensemble.replicates)]
    ensemble.forest_ = ensemble.fit_forest(ensemble.table(samples))
    files |= save_forest(config.ensemble_url, ensemble.forest_)
    facts = {
        "predictors": describe_predictors(config.cube_url),
        "target": config.target.model_dump(mode="json"),
        "samples": fingerprint(config.samples_url),
        "config": digest(config.model_dump(mode="json")),
    }
    write_manifest(ensemble, config.ensemble_url, files, samples, facts)
    write_packed(ensemble, config.ensemble_url, samples[list(ensemble.coding_.names)].to_numpy(dtype=float))
    weights = {name: sum(record["weights"][name] for record in records) / len(records) for name in records[0]["weights"]}
    seconds = {name: sum(record["cpu_seconds"][name] for record in records) for name in records[0]["cpu_seconds"]}
    context.say("  CPU seconds: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()))
    context.say("  mean weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items()))
    return {"replicates": len(records), "mean_weights": weights}


def _tune(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame) -> None:
    """Settings of the members side by side, then the strength of the prior, which depends on them."""
    from icemap.ensemble.members import CONSENSUS
    from icemap.ensemble.tuning import Tuning
    from icemap.mapping.jobs import TuneEnsemble, TuningItem
    from icemap.mapping.run import Job

    def chosen(names: Sequence[str]) -> list[Tuning]:
        items = [TuningItem(name) for name in names]
        return [Tuning.from_dict(found) for found in context.run_job(Job("tune", items, TuneEnsemble(ensemble, samples), unit="members"), "train")]

    found = chosen(ensemble.members)
    ensemble.tuning_ = Tuning({name: settings for part in found for name, settings in part.settings.items()})
    if ensemble.prior_strength is None:
        found += chosen([CONSENSUS])
    ensemble.tuning_ = Tuning(ensemble.tuning_.settings, found[-1].prior_strength, [row for part in found for row in part.record])
    for name, settings in ensemble.tuning_.settings.items():
        context.say(f"  {name}: " + (", ".join(f"{key} {value}" for key, value in settings.items()) or "defaults"))
    context.say(f"  belief in the members' mean: {ensemble.options.prior_strength:g} rows")


def make_verification(context: Context) -> dict[str, Any]:
    from icemap.ensemble.saved import APPLICABILITY, CALIBRATION
    from icemap.mapping.places import choose_places
    from icemap.predictors.cube import open_cube
    from icemap.products.verification_page import write_verification_page
    from icemap.verification.applicability import Applicability, predictor_weights
    from icemap.verification.cross_validation import MODEL
    from icemap.verification.kinds import HEADLINE, FoldOptions, fold_labels
    from icemap.verification.record import verification_record
    from icemap.verification.spread import Calibration
    from icemap.verification.summary import replicate_scores, with_calibrated

    config = context.config
    ensemble, samples = _prepared(context)
    table = ensemble.table(samples)
    places = choose_places(open_cube(config.cube_url), config.verification.places, config.seed)
    options = FoldOptions(config.verification.folds, config.ensemble.block_degrees, (places.longitude, places.latitude), config.seed)
    try:
        labels, notes = fold_labels(table, options)
    except ValueError as error:
        raise IcemapError(f"{config.samples_url}: {error} The number of folds is verification.folds in the config.") from error
    by_kind, permuted, more_notes = _left_out_forecasts(context, ensemble, samples, labels)
    headline = by_kind[HEADLINE]
    calibration = Calibration.fit(headline["models"][MODEL]["pit"], headline["dissimilarity"]).to_dict()
    write_json(join(config.ensemble_url, CALIBRATION), calibration)
    predictors = ensemble.coding_.design(table.X)
    applicability = Applicability.fit(predictors, predictor_weights(predictors, table.y, config.seed), labels[HEADLINE])
    write_json(join(config.ensemble_url, APPLICABILITY), applicability.to_dict())
    by_kind = {kind: with_calibrated(part, labels[kind]) for kind, part in by_kind.items()}
    record = verification_record(by_kind, table, applicability, config) | {
        "calibration": calibration,
        "replicates": replicate_scores(list(context.ledger("train").records().values())),
        "notes": [*notes, *more_notes],
    }
    write_json(verification_url(config), record)
    for line in [*_as_text(record["table"], config.target.unit), *record["notes"]]:
        context.say("  " + line)
    influence = _influence(context, ensemble, samples, places, by_kind[HEADLINE], permuted)
    write_json(_influence_url(config), influence)
    units = {name: "class" if source.kind == "class" else source.unit for name, source in context.sources.items()}
    write_verification_page(_verification_page_url(config), record, influence, samples, config, units)
    context.say(f"  see {_verification_page_url(config)}")
    return {"samples": len(table)}


def _left_out_forecasts(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame, labels: dict[str, Any]) -> tuple[dict[str, Any], list[Any], list[str]]:
    """Forecasts by kind of folds, errors with permuted predictors by fold, and what had to be left out."""
    import numpy as np

    from icemap.mapping.jobs import VerifyFold
    from icemap.mapping.run import Job
    from icemap.verification.cross_validation import IMPORTANCE_KIND, Fold, gather

    items = [Fold(kind, int(number)) for kind, folds in labels.items() for number in np.unique(folds[folds >= 0])]
    work = VerifyFold(ensemble, samples, labels, context.config.verification.competitors)
    records = dict(zip(sorted(item.key for item in items), context.run_job(Job("verify", items, work, unit="folds"), "verify"), strict=True))
    parts = {kind: [records[item.key] for item in items if item.kind == kind] for kind in labels}
    dropped = sorted({name for record in records.values() for name in record["left_out"]})
    notes = [f"{name.replace('_', ' ')} is left out: the training side of a fold has too few samples for it" for name in dropped]
    by_kind = {kind: gather(part, np.flatnonzero(labels[kind] >= 0)) for kind, part in parts.items()}
    return by_kind, [record["permuted"] for record in parts[IMPORTANCE_KIND]], notes


def _influence(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame, places: Any, forecasts: Any, permuted: Any) -> dict[str, Any]:
    """What the predictors do, what each site means for the map, and where one more would help most."""
    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.jobs import INFLUENCE, FindInfluence
    from icemap.mapping.packed import ensure_packed
    from icemap.mapping.run import Job
    from icemap.verification.cross_validation import MODEL
    from icemap.verification.influence import permutation_importance_table

    url = context.config.ensemble_url
    ensure_packed(url, samples)
    residual = forecasts["y"] - forecasts["models"][MODEL]["mean"]
    work = FindInfluence(ensemble, samples, url, ensemble_digest(url), context.config.cube_url, places, residual)
    by_predictor, by_site = context.run_job(Job("influence", INFLUENCE, work, unit="parts"), "verify")
    of_predictors = {name: by_predictor[name] for name in ("partial_dependence", "shap")}
    return {"permutation": permutation_importance_table(permuted), **of_predictors, **{name: by_site[name] for name in ("sites", "next_boreholes", "places")}}


def _as_text(rows: list[dict[str, Any]], unit: str) -> Iterator[str]:
    yield f"{'folds':22s}{'model':20s}{'R2':>7s}{'RMSE':>9s}{'bias':>8s}{'CRPS':>8s}{'cover95':>9s}{'width95':>9s}{'Winkler95':>11s}   [{unit}]"
    formats = {"r2": "7.2f", "rmse": "9.2f", "bias": "8.2f", "crps": "8.2f", "coverage_95": "9.1%", "width_95": "9.1f", "winkler_95": "11.1f"}
    for row in rows:
        figures = "".join(f"{row[key]:{form}}" if key in row else " " * (int(form.split(".")[0]) - 1) + "-" for key, form in formats.items())
        yield f"{row['folds']:22s}{row['model'].replace('_', ' '):20s}{figures}"


def _influence_url(config: Config) -> str:
    return join(config.run, "influence.json")


def _verification_page_url(config: Config) -> str:
    return join(config.run, "verification.html")


def verification_url(config: Config) -> str:
    return join(config.run, "verification.json")


def verified(config: Config) -> list[str]:
    """What verification makes; two of the files lie with the ensemble, and go when it is trained anew."""
    from icemap.ensemble.saved import APPLICABILITY, CALIBRATION

    own = [verification_url(config), _influence_url(config), _verification_page_url(config)]
    return [*own, join(config.ensemble_url, CALIBRATION), join(config.ensemble_url, APPLICABILITY)]
