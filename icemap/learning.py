"""The steps that learn: training and verification of the ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from icemap.config import Config
from icemap.errors import IcemapError
from icemap.provenance import content_digest, digest, fingerprint
from icemap.steps import Context
from icemap.store import exists, join, remove, write_json
from icemap.words import VERIFICATION_ALONE, VERIFICATION_WORDS, shown_settings, target_words

if TYPE_CHECKING:
    import pandas as pd

    from icemap.ensemble.model import IceEnsemble


def _prepared(context: Context) -> tuple[IceEnsemble, pd.DataFrame]:
    """The ensemble with its options, coding and splits, and the samples."""
    from icemap.boreholes.samples import read_samples
    from icemap.ensemble.model import IceEnsemble
    from icemap.verification.kinds import sample_facts

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
        climatology=options.climatology,
        candidates=options.candidates,
        monotone={name: {"rising": 1, "falling": -1}[direction] for name, direction in options.monotone.items()},
        seed=config.seed,
        recipe=options.recipe,
        fitted_on=options.fitted_on,
    )
    try:
        table = ensemble.prepare(samples)
    except ValueError as error:
        raise IcemapError(f"{config.samples_url}: {error}") from error
    context.say(f"  {sample_facts(table, options.block_degrees)}")
    return ensemble, samples


def ensemble_depends(context: Context) -> Any:
    from icemap.ensemble.members import require_member

    for name in context.config.ensemble.members:
        require_member(name, len(context.config.predictors), context.config.target.bounds)
    return [context.config.ensemble.model_dump(), context.config.seed]


def make_ensemble(context: Context) -> dict[str, Any]:
    from icemap.ensemble.saved import MANIFEST, describe_ensemble, load_replicate, save_forest, write_manifest
    from icemap.mapping.jobs import ReplicateItem, TrainReplicate
    from icemap.mapping.packed import ensure_packed, write_packed
    from icemap.mapping.run import Job
    from icemap.predictors.cube import describe_predictors

    config = context.config
    url = context.place(config.ensemble_url)
    if not context.ledger("train").keys():
        remove(url)
    described = exists(join(url, MANIFEST))
    if not described:
        _forget_lost_replicates(context, url)
    ensemble, samples = _prepared(context)
    _tune(context, ensemble, samples)
    items = [ReplicateItem(index) for index in range(ensemble.replicates)]
    records = context.run_job(Job("train", items, TrainReplicate(ensemble, samples, url), unit="replicates"), "train")
    facts = {
        "predictors": describe_predictors(config.cube_url),
        "target": config.target.model_dump(mode="json"),
        "samples": fingerprint(config.samples_url),
        "config": digest(shown_settings(config)),
    }
    if described:
        describe_ensemble(url, facts)
        ensure_packed(url, samples)
    else:
        files = {name: sha for record in records for name, sha in record["files"].items()}
        ensemble.replicates_ = [load_replicate(url, index, files, ensemble.coding_) for index in range(ensemble.replicates)]
        ensemble.forest_ = ensemble.fit_forest(ensemble.table(samples))
        files |= save_forest(url, ensemble.forest_)
        write_manifest(ensemble, url, files, samples, facts)
        write_packed(ensemble, url, samples[list(ensemble.coding_.names)].to_numpy(dtype=float))
    weights = {name: sum(record["weights"][name] for record in records) / len(records) for name in records[0]["weights"]}
    seconds = {name: sum(record["cpu_seconds"][name] for record in records) for name in records[0]["cpu_seconds"]}
    context.say("  CPU seconds: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()))
    context.say("  mean weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items()))
    return {"replicates": len(records), "mean_weights": weights}


def trained(config: Config) -> list[str]:
    """What training makes, beside the files that the manifest lists."""
    return [join(config.ensemble_url, name) for name in ("manifest.json", "packed.npz")]


def _forget_lost_replicates(context: Context, url: str) -> None:
    """Have those trained again whose files are not as the ledger says."""
    ledger = context.ledger("train")
    for key, record in ledger.records().items():
        files = {join(url, name): sha for name, sha in record.get("files", {}).items()}
        if any(not exists(one) or content_digest(one) != sha for one, sha in files.items()):
            ledger.remove(key)


def _tune(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame) -> None:
    """Settings of the members side by side, then how they are pooled, which depends on them."""
    from icemap.ensemble.members import CONSENSUS
    from icemap.ensemble.tuning import Tuning
    from icemap.mapping.jobs import TuneEnsemble, TuningItem
    from icemap.mapping.run import Job

    def chosen(names: Sequence[str]) -> list[Tuning]:
        items = [TuningItem(name) for name in names]
        return [Tuning.from_dict(found) for found in context.run_job(Job("tune", items, TuneEnsemble(ensemble, samples), unit="members"), "train")]

    found = chosen(ensemble.members)
    ensemble.tuning_ = Tuning({name: settings for part in found for name, settings in part.settings.items()})
    if any(ensemble.chosen.values()):
        found += chosen([CONSENSUS])
    record = [row for part in found for row in part.record]
    ensemble.tuning_ = replace(found[-1], settings=ensemble.tuning_.settings, record=record)
    for name, settings in ensemble.tuning_.settings.items():
        context.say(f"  {name}: " + (", ".join(f"{key} {value}" for key, value in settings.items()) or "defaults"))
    if ensemble.followed.published:
        ensemble.tuning_ = replace(ensemble.tuning_, prior_strength=0.0, climatology=0.0)
        return
    context.say(f"  belief in the members' mean: {ensemble.options.prior_strength:g} rows")
    context.say(f"  share of climatology in the pool: {ensemble.options.climatology:.0%}")


def verification_depends(context: Context) -> Any:
    return context.config.verification.model_dump(exclude={*VERIFICATION_WORDS, *VERIFICATION_ALONE})


def verification_alone(context: Context) -> Any:
    return context.config.verification.model_dump(include=VERIFICATION_ALONE)


def verification_words(context: Context) -> Any:
    config = context.config
    return [config.title, target_words(config), config.verification.model_dump(include=VERIFICATION_WORDS)]


def make_verification(context: Context) -> dict[str, Any]:
    from icemap.ensemble.saved import APPLICABILITY, CALIBRATION, read_manifest
    from icemap.mapping.places import choose_places
    from icemap.predictors.cube import open_cube
    from icemap.products.verification_page import write_verification_page
    from icemap.verification.applicability import Applicability, predictor_weights
    from icemap.verification.cross_validation import MODEL
    from icemap.verification.kinds import FoldOptions, fold_labels, headline
    from icemap.verification.record import verification_record
    from icemap.verification.spread import NOT_CALIBRATED, Calibration
    from icemap.verification.summary import replicate_scores, with_calibrated

    config = context.config
    ensemble, samples = _prepared(context)
    table = ensemble.table(samples)
    places = choose_places(open_cube(config.cube_url), config.verification.places, config.seed)
    domain, published = (places.longitude, places.latitude), ensemble.followed.published
    options = FoldOptions(config.verification.folds, config.ensemble.block_degrees, domain, config.seed, published)
    try:
        labels, notes = fold_labels(table, options)
    except ValueError as error:
        raise IcemapError(f"{config.samples_url}: {error} The number of folds is verification.folds in the config.") from error
    # Before the first fit: what is changed or left out is known by then.
    for note in notes:
        context.say(f"  {note}")
    found = _left_out_forecasts(context, ensemble, samples, labels)
    first = headline(found.by_kind)
    if published:
        calibration = NOT_CALIBRATED.to_dict()
    else:
        part = found.by_kind[first]
        pit, dissimilarity = part["models"][MODEL]["pit"], part["dissimilarity"]
        calibration = Calibration.fit(pit, dissimilarity, _nugget(config, samples)).to_dict()
    predictors = ensemble.coding_.design(table.X)
    applicability = Applicability.fit(predictors, predictor_weights(predictors, table.y, config.seed), labels[first])
    by_kind = {kind: with_calibrated(part, labels[kind]) for kind, part in found.by_kind.items()}
    share = float(read_manifest(config.ensemble_url)["tuning"]["climatology"])
    notes += _share_note(share, found.shares)
    record = verification_record(by_kind, table, applicability, config) | {
        "climatology": {"share": share, "in_folds": found.shares},
        "calibration": calibration,
        "replicates": replicate_scores(list(context.ledger("train").records().values())),
        "notes": [*notes, *found.notes],
        "failed": found.failed,
    }
    context.settle()
    write_json(join(config.ensemble_url, CALIBRATION), calibration)
    write_json(join(config.ensemble_url, APPLICABILITY), applicability.to_dict())
    write_json(verification_url(config), record)
    for line in [*_as_text(record["table"], config.target.unit), *found.notes, *_share_note(share, found.shares)]:
        context.say("  " + line)
    context.say("  " + record["skill"]["sentence"])
    influence = _influence(context, ensemble, samples, places, by_kind[first], found.permuted)
    write_json(_influence_url(config), influence)
    units = {name: "class" if source.kind == "class" else source.unit for name, source in context.sources.items()}
    write_verification_page(_verification_page_url(config), record, influence, samples, config, units)
    context.say(f"  see {_verification_page_url(config)}")
    return {"samples": len(table), "skill": record["skill"]}


def _nugget(config: Config, samples: pd.DataFrame) -> float:
    """By how much a new borehole spreads about the mean of its cell, as far as the samples do not already; 0 where the interval is for the mean."""
    from icemap.ensemble.model import sample_errors

    if not config.verification.nugget:
        return 0.0
    spread = float(samples["nugget"].iloc[0])
    if not spread >= 0:
        raise IcemapError(
            f"verification.nugget asks for the spread between boreholes of one cell, and no cell of {config.samples_url} has two: "
            "set it to false, for intervals of the samples as they are."
        )
    if sample_errors(samples) is not None:
        return spread
    # Samples without errors are means of a few holes: what they spread by is in the residuals.
    return float(spread * (1 - (1 / samples["sites"]).mean()) ** 0.5)


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
    """

    by_kind: dict[str, Any]
    permuted: list[Any]
    notes: list[str]
    failed: list[dict[str, str]]
    shares: list[float]


def _left_out_forecasts(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame, labels: dict[str, Any]) -> LeftOut:
    """Every fold's forecasts; a fold that fails is named, and the others are scored."""
    import numpy as np

    from icemap.mapping.jobs import VerifyFold
    from icemap.mapping.run import Job
    from icemap.verification.cross_validation import Fold, gather
    from icemap.verification.kinds import KIND_NAMES, headline, importance_kind

    items = [Fold(kind, int(number)) for kind, folds in labels.items() for number in np.unique(folds[folds >= 0])]
    work = VerifyFold(ensemble, samples, labels, context.config.verification.competitors)
    records = dict(zip(sorted(item.key for item in items), context.run_job(Job("verify", items, work, unit="folds"), "verify"), strict=True))
    failed = [{"fold": item.key, "reason": records[item.key]["failed"]} for item in items if "failed" in records[item.key]]
    scored = [item for item in items if "failed" not in records[item.key]]
    by_kind = {}
    for kind in labels:
        chosen = [item for item in scored if item.kind == kind]
        if chosen:
            rows = np.flatnonzero(np.isin(labels[kind], [item.number for item in chosen]))
            by_kind[kind] = gather([records[item.key] for item in chosen], rows)
    leading = headline(labels)
    if leading not in by_kind:
        first = failed[0]
        raise IcemapError(f"No {KIND_NAMES[leading]} fold could be verified: without fold {first['fold']}, {first['reason']}")
    dropped = sorted({name for item in scored for name in records[item.key]["left_out"]})
    notes = [f"{name.replace('_', ' ')} is left out: the training side of a fold has too few samples for it" for name in dropped]
    notes += [f"fold {entry['fold']} could not be fitted and is not scored: {entry['reason']}" for entry in failed]
    notes += [f"{KIND_NAMES[kind]} are left out: none of these folds could be fitted" for kind in labels if kind not in by_kind]
    asked = importance_kind(labels)
    permuted = [records[item.key]["permuted"] for item in scored if item.kind == asked]
    shares = [records[item.key]["climatology"] for item in scored if item.kind == leading]
    return LeftOut(by_kind, permuted, notes, failed, shares)


def _share_note(share: float, in_folds: Sequence[float]) -> list[str]:
    if share == 0 and not any(in_folds):
        return []
    mean = sum(in_folds) / len(in_folds)
    return [
        f"climatology has a share of {share:.0%} in the pool that is mapped, and of {mean:.0%} in the mean of the folds: spatial folds inside each "
        "training side find the rest not better than climatology beyond chance"
    ]


def _influence(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame, places: Any, forecasts: Any, permuted: Any) -> dict[str, Any]:
    """What the predictors do, what each site means for the map, and where one more would help most."""
    import numpy as np

    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.jobs import INFLUENCE, FindInfluence
    from icemap.mapping.packed import ensure_packed
    from icemap.mapping.run import Job
    from icemap.verification.cross_validation import mapped_model
    from icemap.verification.influence import permutation_importance_table

    url = context.config.ensemble_url
    ensure_packed(url, samples)
    # A sample whose fold failed has none.
    residual = np.full(len(samples), np.nan)
    residual[forecasts["rows"]] = forecasts["y"] - forecasts["models"][mapped_model(forecasts["models"])]["mean"]
    work = FindInfluence(ensemble, samples, url, ensemble_digest(url), context.config.cube_url, places, residual)
    by_predictor, by_site = context.run_job(Job("influence", INFLUENCE, work, unit="parts"), "verify")
    of_predictors = {name: by_predictor[name] for name in ("partial_dependence", "shap")}
    return {"permutation": permutation_importance_table(permuted), **of_predictors, **{name: by_site[name] for name in ("sites", "next_boreholes", "places")}}


def _as_text(rows: list[dict[str, Any]], unit: str) -> Iterator[str]:
    """The verification table; skill against climatology leads."""
    scores = {"r2": "7.2f", "rmse": "9.2f", "bias": "8.2f", "crps": "8.2f", "coverage_95": "9.1%", "width_95": "9.1f", "winkler_95": "11.1f"}
    yield (
        f"{'folds':22s}{'model':25s}{'skill':>7s}{'95 % of skill':>18s}{'R2':>7s}{'RMSE':>9s}"
        f"{'bias':>8s}{'CRPS':>8s}{'cover95':>9s}{'width95':>9s}{'Winkler95':>11s}   [{unit}]"
    )
    for row in rows:
        skill = f"{row['crpss']:7.1%}" if "crpss" in row else f"{'-':>7s}"
        known = row.get("crpss_low") is not None
        span = f"{row['crpss_low']:.1%} to {row['crpss_high']:.1%}" if known else "-"
        figures = "".join(f"{row[key]:{form}}" if key in row else " " * (int(form.split(".")[0]) - 1) + "-" for key, form in scores.items())
        yield f"{row['folds']:22s}{row['model'].replace('_', ' '):25s}{skill}{span:>18s}{figures}"


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
