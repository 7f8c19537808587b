"""``icemap cube``: rasters to one predictor cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from icemap.errors import IcemapError
from icemap.json_records import CubeFacts
from icemap.pipeline.steps import Context, Facts, Step
from icemap.store import exists, join
from icemap.words import source_words


def _depends(context: Context) -> Any:
    from icemap.predictors.cube_variables import identity

    config = context.config
    inputs = {}
    for name, source in context.sources.items():
        try:
            inputs[name] = identity(source)
        except IcemapError as error:
            raise IcemapError(f"{config.catalog}, entry '{name}': {error}") from error
    return [
        config.grid.model_dump(),
        config.predictors,
        [mask.model_dump() for mask in config.masks],
        inputs,
    ]


def _make(context: Context) -> Facts:
    """Rasters of CONFIG to one predictor cube."""
    from icemap.pipeline.input_check import require_inputs
    from icemap.predictors.cube import plan_cube, require_predictors
    from icemap.products.pages.predictors import write_predictors_page
    from icemap.running.run import Job

    if "train" in context.wanted:
        _require_enough_sites(context)
    if not context.ledger("cube").keys():
        require_inputs(context.config, context.sources.values())
    build = plan_cube(context.config, context.sources)
    build = replace(build, url=context.place(build.url))
    if not context.ledger("cube").keys() or not exists(join(build.url, "zarr.json")):
        context.ledger("cube").clear()
        build.create(context.config.title)
    else:
        build.describe(context.config.title)
    records = context.run_job(
        Job("cube", build.chunks, build, lambda chunk: chunk.shape[0] * chunk.shape[1], "cells"),
        "cube",
    )
    require_predictors(records, build)
    context.settle()
    inside = sum(record["inside"] for record in records)
    missing = {
        name: sum(record["missing"][name] for record in records) for name in build.predictors
    }
    for name, cells in missing.items():
        if cells:
            context.log(
                f"  {name} is missing in {cells:,} of {inside:,} cells inside the masks"
                f" ({cells / inside:.1%}); these are not mapped"
            )
    ranges = {name: _joined_range(name, records) for name in build.predictors}
    facts: CubeFacts = {
        "cells": {"inside": inside, "valid": sum(record["valid"] for record in records)},
        "missing": missing,
        "ranges": ranges,
    }
    write_predictors_page(
        context.config.folder.predictors_page,
        context.config.folder.cube,
        facts,
        context.config.title,
    )
    context.log(
        f"  {facts['cells']['valid']:,} cells to be mapped; see"
        f" {context.config.folder.predictors_page}"
    )
    return {**facts}


def _joined_range(name: str, records: Sequence[Mapping[str, Any]]) -> list[float]:
    lows = [record["lowest"][name] for record in records if name in record["lowest"]]
    highs = [record["highest"][name] for record in records if name in record["highest"]]
    return [min(lows), max(highs)]


def _require_enough_sites(context: Context) -> None:
    """Refuse too few sites before the cube of a chain that trains: reading them is quick, the cube
    is not.
    """
    from icemap.pipeline.input_check import few_sites_problems

    for problem in few_sites_problems(context.config):
        raise IcemapError(problem)


STEP = Step(
    "cube",
    after=(),
    depends=_depends,
    make=_make,
    products=lambda config: [config.folder.cube, config.folder.predictors_page],
    words=lambda context: [context.config.title, source_words(context.sources)],
)
