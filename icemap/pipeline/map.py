"""``icemap map``: the ensemble over the cube."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from icemap import __version__
from icemap.config import Config
from icemap.pipeline.steps import Context, Facts, Step
from icemap.store import RECORD, exists, join
from icemap.words import map_words, preview_words, pseudo_sites_words, target_words

if TYPE_CHECKING:
    from icemap.mapping.replicate_fields import ReplicateFields


def _depends(context: Context) -> Any:
    # Arrays and files are named after the target.
    return [context.config.target.name, context.config.map.model_dump()]


def _make(context: Context) -> Facts:
    """The ensemble over the cube."""
    from icemap.boreholes.sample_files import read_samples
    from icemap.mapping.agreement import require_agreement, require_memory
    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.compiled_file import ensure_compiled
    from icemap.mapping.map import MapBuild
    from icemap.mapping.map_schema import map_variables
    from icemap.mapping.replicate_fields import replicates_url
    from icemap.running.run import Job

    config = context.config
    build = MapBuild(
        context.place(config.folder.map),
        config.folder.cube,
        config.folder.ensemble,
        ensemble_digest(config.folder.ensemble),
        config.grid.grid,
        config.grid.chunk,
        map_variables(config.target, published=config.ensemble.recipe == "published"),
        _replicate_fields(config),
    )
    if build.fields is not None:
        build = replace(build, fields=replace(build.fields, url=replicates_url(build.url)))
    if not exists(join(build.url, "zarr.json")):
        context.ledger("map").clear()
    done = context.ledger("map").keys()
    if not done.issuperset(chunk.key for chunk in build.chunks):
        require_agreement(build)
        ensure_compiled(config.folder.ensemble, read_samples(config.folder.samples))
        require_memory(build, context.executor)
    attrs = _attributes(context)
    if not done:
        build.create(attrs)
    else:
        build.describe(attrs)
    in_cube = {key: record["valid"] for key, record in context.ledger("cube").each()}
    # A pixel over the sea costs nothing and is no progress.
    records = context.run_job(
        Job(
            "map",
            build.chunks,
            build,
            lambda chunk: in_cube.get(chunk.key, chunk.shape[0] * chunk.shape[1]),
            "pixels",
        ),
        "map",
    )
    _say_support(context)
    valid = sum(record["valid"] for record in records)
    return {
        "cells": valid,
        "inside_aoa": sum(record.get("aoa", 0) for record in records),
        "extrapolated": sum(record.get("extrapolated", 0) for record in records),
    }


def _attributes(context: Context) -> dict[str, Any]:
    """What the map says of itself."""
    from icemap.boreholes.pseudo import is_pseudo
    from icemap.boreholes.sample_files import read_samples
    from icemap.ensemble.saved import read_manifest
    from icemap.mapping.broadcast import calibration_record
    from icemap.mapping.map_schema import (
        HELD_OUT,
        PREVIEW,
        PSEUDO_SITES,
        RECIPE,
        SPLITS,
        interval_attributes,
    )

    config = context.config
    source = f"icemap {__version__}, ensemble of {config.ensemble.replicates} replicates"
    history = (
        f"seed {config.seed}; inputs sha256:{context.provenance.key_of('map')}; settings and"
        f" versions: {RECORD} of the run"
    )
    attrs = {
        **map_words(config),
        "source": source,
        "history": history,
        HELD_OUT: config.ensemble.held_out,
        **interval_attributes(calibration_record(config.folder.ensemble)),
    }
    # An ensemble of before two replicates shared a split says nothing of it.
    if splits := read_manifest(config.folder.ensemble).get("splits"):
        attrs[SPLITS] = splits
    if config.ensemble.recipe == "published":
        attrs[RECIPE] = config.ensemble.recipe
    if config.quick:
        attrs[PREVIEW] = config.preview
    if count := int(is_pseudo(read_samples(config.folder.samples)).sum()):
        attrs[PSEUDO_SITES] = pseudo_sites_words(count)
    return attrs


def _say_support(context: Context) -> None:
    """Say which classes of the map the samples leave out."""
    from icemap.json_records import VerificationRecord, read_record

    remedy = "make it again with 'icemap verify'"
    record = read_record(context.config.folder.verification, VerificationRecord, remedy)
    if (found := record.get("sampling_support")) and found["worst"]:
        context.log(f"  {found['sentence']}")


def _replicate_fields(config: Config) -> ReplicateFields | None:
    from icemap.boreholes.sample_files import read_samples
    from icemap.mapping.replicate_fields import ReplicateFields, replicates_url

    if not config.map.replicate_fields:
        return None
    values = read_samples(config.folder.samples)["value"]
    low, high = config.target.bounds or (None, None)
    return ReplicateFields(
        replicates_url(config.folder.map),
        config.ensemble.replicates,
        float(values.min()) if low is None else low,
        float(values.max()) if high is None else high,
    )


STEP = Step(
    "map",
    after=("cube", "verify"),
    depends=_depends,
    make=_make,
    products=lambda config: [config.folder.map],
    words=lambda context: [
        map_words(context.config),
        target_words(context.config),
        *preview_words(context.config),
    ],
)
