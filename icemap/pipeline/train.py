"""``icemap train``: the replicates of the ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from icemap.config import Config
from icemap.errors import IcemapError
from icemap.json_records import ReplicateRecord
from icemap.pipeline.learning import one_line, prepared_ensemble
from icemap.pipeline.steps import Context, Facts, Step
from icemap.provenance import content_digest, digest, fingerprint
from icemap.run_folder import ENSEMBLE_FORMAT
from icemap.store import exists, join, remove
from icemap.words import class_words, shown_settings, target_words

if TYPE_CHECKING:
    import pandas as pd

    from icemap.ensemble.model import IceEnsemble


# Chosen before the members are tuned.
PREDICTORS = "predictors"


def _depends(context: Context) -> Any:
    from icemap.ensemble.folds import SPLITS_IN_A_ROW
    from icemap.ensemble.imported_members import require_member

    for name in context.config.ensemble.members:
        require_member(name, len(context.config.predictors), context.config.target.bounds)
    settings = context.config.ensemble.model_dump()
    known = {**settings, "format of the ensemble": ENSEMBLE_FORMAT}
    # Which replicates share a split: those trained with other splits are trained again.
    return [known, context.config.seed, SPLITS_IN_A_ROW]


def _make(context: Context) -> Facts:
    """The replicates of the ensemble."""
    from icemap.ensemble.inputs import predictors_of
    from icemap.ensemble.saved import (
        MANIFEST,
        describe_ensemble,
        read_replicate,
        save_parts,
        write_manifest,
    )
    from icemap.mapping.compiled_file import ensure_compiled, write_compiled
    from icemap.predictors.cube import describe_predictors
    from icemap.running.run import Job

    config = context.config
    url = context.place(config.folder.ensemble)
    if not context.ledger("train").keys():
        remove(url)
    described = exists(join(url, MANIFEST))
    if not described:
        _forget_lost_replicates(context, url)
    ensemble, samples = prepared_ensemble(context)
    _tune(context, ensemble, samples)
    items = [ReplicateItem(index) for index in range(ensemble.replicates)]
    records = context.run_job(
        Job("train", items, TrainReplicate(ensemble, samples, url), unit="replicates"), "train"
    )
    facts = {
        "predictors": describe_predictors(config.folder.cube),
        "target": config.target.model_dump(mode="json"),
        "samples": fingerprint(config.folder.samples),
        "config": digest(shown_settings(config)),
    }
    if described:
        describe_ensemble(url, facts)
        ensure_compiled(url, samples)
    else:
        files = {name: sha for record in records for name, sha in record["files"].items()}
        # Before all replicates are in memory.
        ensemble.parts_ = ensemble.fit_parts(ensemble.table(samples))
        files |= save_parts(url, ensemble.parts_)
        ensemble.replicates_ = [
            read_replicate(url, index, files, ensemble.coding_)
            for index in range(ensemble.replicates)
        ]
        write_manifest(ensemble, url, files, samples, facts)
        write_compiled(ensemble, url, predictors_of(samples, ensemble.coding_))
    weights = {
        name: sum(record["weights"][name] for record in records) / len(records)
        for name in records[0]["weights"]
    }
    seconds = {
        name: sum(record["cpu_seconds"][name] for record in records)
        for name in records[0]["cpu_seconds"]
    }
    context.log(
        "  CPU seconds: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
    )
    context.log(
        "  mean weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    )
    return {"replicates": len(records), "mean_weights": weights}


def _forget_lost_replicates(context: Context, url: str) -> None:
    """Have those trained again whose files are not as the ledger says."""
    ledger = context.ledger("train")
    for key, record in ledger.records().items():
        files = {join(url, name): sha for name, sha in record.get("files", {}).items()}
        if any(not exists(one) or content_digest(one) != sha for one, sha in files.items()):
            ledger.remove(key)


def _tune(context: Context, ensemble: IceEnsemble, samples: pd.DataFrame) -> None:
    """How the predictors are seen; settings of the members side by side; then how they are pooled,
    which depends on them.
    """
    from icemap.ensemble.members import CONSENSUS
    from icemap.ensemble.tuning import Tuning
    from icemap.running.run import Job

    def chosen(names: Sequence[str]) -> list[Tuning]:
        items = [TuningItem(name) for name in names]
        return [
            Tuning.from_dict(found)
            for found in context.run_job(
                Job("tune", items, TuneEnsemble(ensemble, samples), unit="members"), "train"
            )
        ]

    (predictors,) = chosen([PREDICTORS])
    ensemble.adopt(predictors)
    if predictors.position:
        context.log("  the position of the samples is among the predictors")
    if predictors.scores:
        context.log(f"  normal scores of the skewed {', '.join(ensemble.coding_.scored)}")
    found = chosen(ensemble.members)
    of_members = {name: own for part in found for name, own in part.settings.items()}
    ensemble.adopt(predictors.with_pool(Tuning(of_members)))
    if any(ensemble.chosen.values()):
        found += chosen([CONSENSUS])
    record = [row for part in found for row in part.record]
    ensemble.adopt(predictors.with_pool(replace(found[-1], settings=of_members, record=record)))
    for name, settings in ensemble.tuning_.settings.items():
        context.log(
            f"  {name}: "
            + (", ".join(f"{key} {value}" for key, value in settings.items()) or "defaults")
        )
    if ensemble.followed.published:
        ensemble.tuning_ = replace(ensemble.tuning_, prior_strength=0.0, climatology=0.0)
        return
    context.log(f"  belief in the members' mean: {ensemble.options.prior_strength:g} rows")
    context.log(f"  share of climatology in the pool: {ensemble.options.climatology:.0%}")
    if (shares := ensemble.options.shares) is not None:
        context.log(
            f"  shares of the parts: COP-BMA {shares.bma:.0%}, quantile forest {shares.forest:.0%},"
            f" Gaussian process {shares.process:.0%}"
        )
        leaf = ensemble.options.forest_leaf
        context.log(f"  smallest leaf of the quantile forest: {leaf} samples")


@dataclass(frozen=True)
class TuningItem:
    """One member to be tuned, or the consensus: how the members are pooled, once they are tuned; or
    the predictors: how they are seen.
    """

    member: str

    @property
    def key(self) -> str:
        return f"tune-{self.member}"


@dataclass(frozen=True)
class TuneEnsemble:
    """Chooses the settings of one member, or how the members are pooled, on a worker."""

    ensemble: IceEnsemble
    samples: pd.DataFrame

    def __call__(self, item: TuningItem) -> dict[str, object]:
        from icemap.ensemble.members import CONSENSUS
        from icemap.ensemble.replicates import weighed_table
        from icemap.ensemble.tuning import Tuning, tune_member, tune_pool

        ensemble = self.ensemble
        try:
            table = ensemble.table(self.samples)
            if item.member == PREDICTORS:
                return ensemble.tune_predictors(table).to_dict()
            table, variance = weighed_table(
                table, ensemble.options, ensemble.coding_, ensemble.seed
            )
            options = replace(ensemble.options, model_variance=variance)
            if item.member == CONSENSUS:
                return tune_pool(
                    table, options, ensemble.coding_, ensemble.seed, **ensemble.chosen
                ).to_dict()
            settings, record = tune_member(
                item.member, table, options, ensemble.coding_, ensemble.candidates, ensemble.seed
            )
        except ValueError as problem:
            raise IcemapError(
                f"The member '{item.member}' cannot be tuned: {one_line(problem)}"
            ) from problem
        return Tuning({item.member: settings}, model_variance=variance, record=record).to_dict()


@dataclass(frozen=True)
class ReplicateItem:
    """One replicate to be trained."""

    index: int

    @property
    def key(self) -> str:
        from icemap.ensemble.saved import replicate_name

        return replicate_name(self.index)


@dataclass(frozen=True)
class TrainReplicate:
    """Trains and writes one replicate on a worker."""

    ensemble: IceEnsemble
    samples: pd.DataFrame
    url: str

    def __call__(self, item: ReplicateItem) -> ReplicateRecord:
        from icemap.ensemble.members import CONSENSUS
        from icemap.ensemble.saved import save_replicate
        from icemap.verification.scores import held_out_scores

        try:
            replicate = self.ensemble.fit_one(self.samples, item.index)
        except ValueError as problem:
            raise IcemapError(
                f"Replicate {item.key} cannot be trained: {one_line(problem)}"
            ) from problem
        table = self.ensemble.table(self.samples)
        held_out = table.take(self.ensemble.held_out_[item.index] & table.drilled)
        F = replicate.member_predictions(held_out.X)
        scores = held_out_scores(replicate.bma, F, held_out.y, held_out.error)
        weights = dict(
            zip(
                (*self.ensemble.members, CONSENSUS),
                [float(w) for w in replicate.bma.weights_],
                strict=True,
            )
        )
        seconds = {name: round(value, 3) for name, value in replicate.seconds.items()}
        return {
            "files": save_replicate(self.url, item.index, replicate),
            "held_out": scores,
            "weights": weights,
            "cpu_seconds": seconds,
        }


def _products(config: Config) -> list[str]:
    """What training makes, in addition to the files that the manifest lists."""
    return [join(config.folder.ensemble, name) for name in ("manifest.json", "packed.npz")]


STEP = Step(
    "train",
    after=("boreholes",),
    depends=_depends,
    make=_make,
    products=_products,
    words=lambda context: [target_words(context.config), class_words(context.sources)],
)
