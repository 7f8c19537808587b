"""The chain from sources to report: what each step depends on, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from icemap.config import Config
from icemap.errors import IcemapError
from icemap.provenance import digest, fingerprint
from icemap.steps import Context, Step
from icemap.store import exists, join, remove, write_json

if TYPE_CHECKING:
    import pandas as pd

    from icemap.ensemble.model import IceEnsemble

# Of the layer below the permafrost table that site values without layers are taken to describe.
THICKNESS_M = 5.0


def _cube_depends(context: Context) -> Any:
    from icemap.predictors.cube import identity

    config = context.config
    inputs = {}
    for name, source in context.sources.items():
        try:
            inputs[name] = identity(source)
        except IcemapError as error:
            raise IcemapError(f"{config.catalog}, entry '{name}': {error}") from error
    return [config.grid.model_dump(), config.predictors, [mask.model_dump() for mask in config.masks], inputs]


def _make_cube(context: Context) -> dict[str, Any]:
    from icemap.mapping.run import Job
    from icemap.predictors.cube import plan_cube, require_predictors
    from icemap.products.predictors_page import write_predictors_page

    build = plan_cube(context.config, context.sources)
    if not context.ledger("cube").keys() or not exists(join(build.url, "zarr.json")):
        context.ledger("cube").clear()
        build.create(context.config.title)
    records = context.run_job(Job("cube", build.chunks, build, lambda chunk: chunk.shape[0] * chunk.shape[1]), "cube")
    require_predictors(records, build)
    inside = sum(record["inside"] for record in records)
    missing = {name: sum(record["missing"][name] for record in records) for name in build.predictors}
    for name, cells in missing.items():
        if cells:
            context.say(f"  {name} is missing in {cells:,} of {inside:,} cells inside the masks ({cells / inside:.1%}); these are not mapped")
    ranges = {name: _joined_range(name, records) for name in build.predictors}
    facts = {"cells": {"inside": inside, "valid": sum(record["valid"] for record in records)}, "missing": missing, "ranges": ranges}
    write_predictors_page(_predictors_page_url(context.config), build.url, facts, context.config.title)
    context.say(f"  {facts['cells']['valid']:,} cells to be mapped; see {_predictors_page_url(context.config)}")
    return facts


def _predictors_page_url(config: Config) -> str:
    return join(config.run, "predictors.html")


def _joined_range(name: str, records: list[dict[str, Any]]) -> list[float]:
    lows = [record["lowest"][name] for record in records if name in record["lowest"]]
    highs = [record["highest"][name] for record in records if name in record["highest"]]
    return [min(lows), max(highs)]


def _boreholes_depends(context: Context) -> Any:
    config = context.config
    if config.sites is not None:
        return [config.sites.model_dump(exclude={"table"}), config.target.model_dump(), fingerprint(config.sites.table)]
    assert config.boreholes is not None
    paths = [layer.path for layer in config.boreholes.layers] + ([config.boreholes.permafrost_table] if config.boreholes.permafrost_table else [])
    settings = [[layer.reader for layer in config.boreholes.layers], config.boreholes.model_dump(exclude={"layers", "permafrost_table"})]
    return [settings, config.target.model_dump(), [fingerprint(path) for path in paths]]


def _make_samples(context: Context) -> dict[str, Any]:
    from dataclasses import replace

    from icemap.boreholes.samples import build_samples, nugget, write_samples, write_sites
    from icemap.boreholes.sites import read_sites, summary
    from icemap.predictors.cube import open_cube
    from icemap.products.boreholes_page import write_boreholes_page

    config = context.config
    table = read_sites(config)
    samples, sites = build_samples(table.sites, config.grid.grid, open_cube(config.cube_url), config.predictors)
    write_sites(_sites_url(config), sites)
    write_samples(config.samples_url, samples)
    used = int(sites["used"].sum())
    thickness = config.boreholes.thickness if config.boreholes is not None else None
    write_boreholes_page(_page_url(config), replace(table, sites=sites), config.target, title=config.title, thickness=thickness)
    for line in summary(sites).to_string(index=False).splitlines():
        context.say("  " + line)
    context.say(f"  {used} of {len(sites)} sites used, in {len(samples)} cells; see {_page_url(config)}")
    return {"sites": len(sites), "used": used, "samples": len(samples), "nugget": nugget(samples)}


def _page_url(config: Config) -> str:
    return join(config.run, "boreholes.html")


def _sites_url(config: Config) -> str:
    return join(config.run, "sites.parquet")


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


def _ensemble_depends(context: Context) -> Any:
    from icemap.ensemble.members import require_member

    for name in context.config.ensemble.members:
        require_member(name)
    return [context.config.ensemble.model_dump(), context.config.seed]


def _make_ensemble(context: Context) -> dict[str, Any]:
    from icemap.ensemble.saved import load_replicate, write_manifest
    from icemap.mapping.jobs import ReplicateItem, TrainReplicate
    from icemap.mapping.packed import write_packed
    from icemap.mapping.run import Job

    config = context.config
    if not context.ledger("train").keys():
        remove(config.ensemble_url)
    ensemble, samples = _prepared(context)
    _tune(context, ensemble, samples)
    items = [ReplicateItem(index) for index in range(ensemble.replicates)]
    records = context.run_job(Job("train", items, TrainReplicate(ensemble, samples, config.ensemble_url), unit="replicates"), "train")
    files = {name: sha for record in records for name, sha in record["files"].items()}
    ensemble.replicates_ = [load_replicate(config.ensemble_url, index, files, ensemble.coding_) for index in range(ensemble.replicates)]
    units = {name: source.unit for name, source in context.sources.items() if name in config.predictors}
    facts = {
        "units": units,
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


def _make_verification(context: Context) -> dict[str, Any]:
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
    write_json(_verification_url(config), record)
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


def _verification_url(config: Config) -> str:
    return join(config.run, "verification.json")


def _make_map(context: Context) -> dict[str, Any]:
    from icemap.boreholes.samples import read_samples
    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.map import MapBuild
    from icemap.mapping.packed import ensure_packed
    from icemap.mapping.run import Job
    from icemap.products.layout import map_variables

    config = context.config
    build = MapBuild(
        config.map_url,
        config.cube_url,
        config.ensemble_url,
        ensemble_digest(config.ensemble_url),
        config.grid.grid,
        config.grid.chunk,
        map_variables(config.target),
    )
    ensure_packed(config.ensemble_url, read_samples(config.samples_url))
    if not context.ledger("map").keys() or not exists(join(build.url, "zarr.json")):
        context.ledger("map").clear()
        build.create({"title": config.title, "source": f"icemap ensemble of {config.ensemble.replicates} replicates", "history": f"seed {config.seed}"})
    records = context.run_job(Job("map", build.chunks, build, lambda chunk: chunk.shape[0] * chunk.shape[1]), "map")
    valid = sum(record["valid"] for record in records)
    return {
        "cells": valid,
        "inside_aoa": sum(record.get("aoa", 0) for record in records),
        "extrapolated": sum(record.get("extrapolated", 0) for record in records),
    }


def _make_storage(context: Context) -> dict[str, Any]:
    from icemap.boreholes.samples import read_samples
    from icemap.predictors.cube import open_cube
    from icemap.products.ice_storage import ice_storage, write_ice_storage
    from icemap.products.residuals import map_residual_sd, residual_variogram
    from icemap.store import read_json

    config = context.config
    variogram = residual_variogram(read_samples(config.samples_url), read_json(_verification_url(config))["folds"]["knndm"])
    if variogram is None:
        context.say("  too few sites for a variogram: the totals carry the ensemble's uncertainty alone")
    residual_sd = {} if variogram is None else map_residual_sd(open_cube(config.cube_url), variogram)
    thickness = config.boreholes.thickness if config.boreholes is not None else THICKNESS_M
    table = ice_storage(config.map_url, residual_sd=residual_sd, thickness_m=thickness)
    write_ice_storage(_storage_url(config), table, variogram)
    return {"regions": len(table)}


def _storage_url(config: Config) -> str:
    return join(config.run, "ice_storage.json")


def _make_products(context: Context) -> dict[str, Any]:
    from icemap.products.cog import write_cogs
    from icemap.products.stac import write_catalog, write_stac

    config = context.config
    urls = write_cogs(config.map_url, config.products_url, config.target)
    write_stac(config.run, config.title)
    write_catalog(config.run, config.title)
    return {"files": urls}


def _make_report(context: Context) -> dict[str, Any]:
    from icemap.products.run_report import write_run_report

    context.provenance.describe(config=context.config.model_dump(mode="json"), sources={n: s.model_dump(mode="json") for n, s in context.sources.items()})
    write_run_report(context.config, context.provenance.content)
    return {}


def _verified(config: Config) -> list[str]:
    """What verification makes; two of the files lie with the ensemble, and go when it is trained anew."""
    from icemap.ensemble.saved import APPLICABILITY, CALIBRATION

    own = [_verification_url(config), _influence_url(config), _verification_page_url(config)]
    return [*own, join(config.ensemble_url, CALIBRATION), join(config.ensemble_url, APPLICABILITY)]


STEPS = (
    Step("cube", (), _cube_depends, _make_cube, lambda c: [c.cube_url, _predictors_page_url(c)]),
    Step("boreholes", ("cube",), _boreholes_depends, _make_samples, lambda c: [c.samples_url, _page_url(c)]),
    Step("train", ("boreholes",), _ensemble_depends, _make_ensemble, lambda c: [join(c.ensemble_url, "manifest.json")]),
    Step("verify", ("train",), lambda x: x.config.verification.model_dump(), _make_verification, _verified),
    Step("map", ("cube", "verify"), lambda x: x.config.title, _make_map, lambda c: [c.map_url]),
    Step("storage", ("map",), lambda x: None, _make_storage, lambda c: [_storage_url(c)]),
    Step("publish", ("map",), lambda x: None, _make_products, lambda c: [join(c.run, "stac", "collection.json"), join(c.run, "catalog.yaml")]),
    Step("report", ("storage", "publish", "verify"), lambda x: None, _make_report, lambda c: [join(c.run, "report.html"), join(c.products_url, "map.png")]),
)
