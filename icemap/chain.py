"""The chain from sources to report: what each step depends on, and how it is made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from icemap import __version__
from icemap.addresses import hide_in_logs
from icemap.config import Config, load_config
from icemap.ensemble.checks import fewest_samples
from icemap.errors import IcemapError, hide_causes
from icemap.json_records import VerificationRecord, read_record
from icemap.learning import (
    ensemble_depends,
    make_ensemble,
    make_verification,
    trained,
    verification_alone,
    verification_depends,
    verification_url,
    verification_words,
    verified,
)
from icemap.leftovers import sweep
from icemap.lock import run_lock
from icemap.provenance import fingerprint
from icemap.steps import Context, Say, Step, open_context, run_steps
from icemap.store import RECORD, exists, join
from icemap.words import class_words, shown_settings, source_words, table_words, target_numbers, target_words

if TYPE_CHECKING:
    from icemap.boreholes.sites import SiteTable
    from icemap.mapping.replicate_fields import ReplicateFields


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
    from icemap.input_check import require_inputs
    from icemap.mapping.run import Job
    from icemap.predictors.cube import plan_cube, require_predictors
    from icemap.products.predictors_page import write_predictors_page

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
    records = context.run_job(Job("cube", build.chunks, build, lambda chunk: chunk.shape[0] * chunk.shape[1], "cells"), "cube")
    require_predictors(records, build)
    context.settle()
    inside = sum(record["inside"] for record in records)
    missing = {name: sum(record["missing"][name] for record in records) for name in build.predictors}
    for name, cells in missing.items():
        if cells:
            context.say(f"  {name} is missing in {cells:,} of {inside:,} cells inside the masks ({cells / inside:.1%}); these are not mapped")
    ranges = {name: _joined_range(name, records) for name in build.predictors}
    facts = {"cells": {"inside": inside, "valid": sum(record["valid"] for record in records)}, "missing": missing, "ranges": ranges}
    write_predictors_page(_predictors_page_url(context.config), context.config.cube_url, facts, context.config.title)
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
        return [config.sites.model_dump(exclude={"table"}), target_numbers(config), fingerprint(config.sites.table)]
    assert config.boreholes is not None
    paths = [layer.path for layer in config.boreholes.layers]
    paths += [config.boreholes.permafrost_table] if config.boreholes.permafrost_table else []
    settings = [[layer.model_dump(exclude={"path"}) for layer in config.boreholes.layers], config.boreholes.model_dump(exclude={"layers", "permafrost_table"})]
    return [settings, target_numbers(config), [fingerprint(path) for path in paths]]


def _require_enough_sites(context: Context) -> None:
    """Refuse too few sites before the cube of a chain that trains: reading them is quick, the cube is not."""
    from icemap.boreholes.samples import occupied_cells
    from icemap.boreholes.sites import read_sites

    config = context.config
    sites = read_sites(config).sites
    cells, needed = occupied_cells(sites, config.grid.grid), fewest_samples(config.ensemble.held_out)
    if cells < needed:
        reasons = sites.loc[~sites["used"].astype(bool), "reason"].value_counts()
        unused = "; ".join(f"{n} x {reason}" for reason, n in reasons.items())
        raise IcemapError(
            f"{int(sites['used'].sum())} of {len(sites)} sites can be used, in {cells} cells of the "
            f"grid, and an ensemble needs at least {needed} cells with sites"
            + (f" (not used: {unused})" if unused else "")
            + ": add sites, accept more grades, or choose a finer grid where sites share cells."
        )


def _too_few(samples: int, config: Config) -> str:
    """What a table of too few samples cannot do, in a sentence; nothing where there are enough."""
    needed = fewest_samples(config.ensemble.held_out)
    if samples >= needed:
        return ""
    return (
        f"{samples} {'sample is' if samples == 1 else 'samples are'} too few to train on: "
        f"at least {needed} are needed; add sites, accept more grades, or choose a finer grid "
        "where sites share cells"
    )


def _make_samples(context: Context) -> dict[str, Any]:
    from icemap.boreholes.samples import build_samples, nugget, write_samples
    from icemap.boreholes.sites import summary
    from icemap.predictors.cube import open_cube

    config = context.config
    table = _read_sites(context)
    cube = open_cube(config.cube_url)
    try:
        samples, sites = build_samples(table.sites, config.grid.grid, cube, config.predictors)
    except IcemapError:
        # Where no site can be used, the page says why; an earlier one stays with its samples.
        if not context.provenance.is_next("boreholes"):
            _write_sites(config, table)
        raise
    context.settle()
    _write_sites(config, replace(table, sites=sites))
    write_samples(config.samples_url, samples)
    used = int(sites["used"].sum())
    for line in summary(sites).to_string(index=False).splitlines():
        context.say("  " + line)
    context.say(f"  {used} of {len(sites)} sites used, in {len(samples)} cells; see {_page_url(config)}")
    if few := _too_few(len(samples), config):
        context.say(f"  {few}")
    return {"sites": len(sites), "used": used, "samples": len(samples), "nugget": nugget(samples)}


def _read_sites(context: Context) -> SiteTable:
    """Read the sites; what was decided from the tables is said."""
    from icemap.boreholes.sites import read_sites

    table = read_sites(context.config)
    for note in table.notes:
        context.say(f"  {note}")
    return table


def _sites_ahead(context: Context, why: str) -> None:
    from icemap.boreholes.samples import occupied_cells
    from icemap.boreholes.sites import summary

    config = context.config
    context.say(f"boreholes: making {', '.join(_site_products(config))}")
    table = _read_sites(context)
    # They are not those of the samples any more.
    context.provenance.reopen("boreholes")
    _write_sites(config, table)
    for line in summary(table.sites).to_string(index=False).splitlines():
        context.say("  " + line)
    context.say(f"  {int(table.sites['used'].sum())} of {len(table.sites)} sites can be used; see {_page_url(config)}")
    if few := _too_few(occupied_cells(table.sites, config.grid.grid), config):
        context.say(f"  {few}")
    context.say(f"  {config.samples_url} follows with 'icemap boreholes' or 'icemap run' when the cube is there: {why}.")


def _write_sites(config: Config, table: SiteTable) -> None:
    from icemap.boreholes.site_files import write_site_files
    from icemap.products.boreholes_page import write_boreholes_page

    write_site_files(config.run, table.sites)
    thickness = config.boreholes.thickness if config.boreholes is not None else None
    write_boreholes_page(_page_url(config), table, config.target, title=config.title, thickness=thickness)


def _site_products(config: Config) -> list[str]:
    from icemap.boreholes.site_files import SITE_FILES

    return [*(join(config.run, name) for name in SITE_FILES), _page_url(config)]


def _page_url(config: Config) -> str:
    return join(config.run, "boreholes.html")


def _map_depends(context: Context) -> Any:
    # Arrays and files are named after the target.
    return [context.config.target.name, context.config.map.model_dump()]


def _make_map(context: Context) -> dict[str, Any]:
    from icemap.boreholes.samples import read_samples
    from icemap.mapping.agreement import require_agreement, require_memory
    from icemap.mapping.broadcast import ensemble_digest
    from icemap.mapping.map import MapBuild
    from icemap.mapping.packed import ensure_packed
    from icemap.mapping.replicate_fields import replicates_url
    from icemap.mapping.run import Job
    from icemap.products.layout import HELD_OUT, map_variables

    config = context.config
    build = MapBuild(
        context.place(config.map_url),
        config.cube_url,
        config.ensemble_url,
        ensemble_digest(config.ensemble_url),
        config.grid.grid,
        config.grid.chunk,
        map_variables(config.target),
        _replicate_fields(config),
    )
    if build.fields is not None:
        build = replace(build, fields=replace(build.fields, url=replicates_url(build.url)))
    if not exists(join(build.url, "zarr.json")):
        context.ledger("map").clear()
    done = context.ledger("map").keys()
    if not done.issuperset(chunk.key for chunk in build.chunks):
        require_agreement(build)
        ensure_packed(config.ensemble_url, read_samples(config.samples_url))
        require_memory(build, context.executor)
    source = f"icemap {__version__}, ensemble of {config.ensemble.replicates} replicates"
    history = f"seed {config.seed}; inputs sha256:{context.provenance.making('map')['key']}; settings and versions: {RECORD} of the run"
    attrs = {"title": config.title, "source": source, "history": history, HELD_OUT: config.ensemble.held_out}
    if not done:
        build.create(attrs)
    else:
        build.describe(attrs)
    in_cube = {key: record["valid"] for key, record in context.ledger("cube").records().items()}
    # A pixel over the sea costs nothing and is no progress.
    records = context.run_job(Job("map", build.chunks, build, lambda chunk: in_cube.get(chunk.key, chunk.shape[0] * chunk.shape[1]), "pixels"), "map")
    valid = sum(record["valid"] for record in records)
    return {
        "cells": valid,
        "inside_aoa": sum(record.get("aoa", 0) for record in records),
        "extrapolated": sum(record.get("extrapolated", 0) for record in records),
    }


def _replicate_fields(config: Config) -> ReplicateFields | None:
    from icemap.boreholes.samples import read_samples
    from icemap.mapping.replicate_fields import ReplicateFields, replicates_url

    if not config.map.replicate_fields:
        return None
    low, high = config.target.bounds or read_samples(config.samples_url)["value"].agg(["min", "max"])
    return ReplicateFields(replicates_url(config.map_url), config.ensemble.replicates, float(low), float(high))


def _make_storage(context: Context) -> dict[str, Any]:
    from icemap.boreholes.samples import read_samples
    from icemap.predictors.cube import open_cube
    from icemap.products.ice_storage import THICKNESS_M, ice_storage, write_ice_storage
    from icemap.products.residuals import map_residual_sd, residual_variogram

    config = context.config
    remedy = "delete it, and make it again with 'icemap verify'"
    record = read_record(verification_url(config), VerificationRecord, remedy)
    if not {"rows", "observed", "mean"} <= record["folds"].get("knndm", {}).keys():
        raise IcemapError(f"{verification_url(config)} holds no predictions of kNNDM folds: {remedy}.")
    variogram = residual_variogram(read_samples(config.samples_url), record["folds"]["knndm"])
    if variogram is None:
        context.say("  too few sites for a variogram: the totals carry the ensemble's uncertainty alone")
    residual_sd = {} if variogram is None else map_residual_sd(open_cube(config.cube_url), variogram)
    thickness = config.boreholes.thickness if config.boreholes is not None else THICKNESS_M
    table = ice_storage(config.map_url, residual_sd=residual_sd, thickness_m=thickness)
    write_ice_storage(_storage_url(config), table, variogram, residual_sd, thickness)
    return {"regions": len(table)}


def _storage_url(config: Config) -> str:
    return join(config.run, "ice_storage.json")


def _make_products(context: Context) -> dict[str, Any]:
    from icemap.products.cog import write_cogs
    from icemap.products.overviews import write_overviews
    from icemap.products.stac import write_catalog, write_stac
    from icemap.products.viewer import MISSING, write_viewer

    config = context.config
    context.settle()
    levels = write_overviews(config.map_url, context.run_job, context.ledger)
    urls = write_cogs(config.map_url, config.products_url, config.target, cells=context.provenance.steps["map"]["cells"])
    write_stac(config.run, config.title, author=config.author)
    write_catalog(config.run, config.title)
    viewer = write_viewer(config.run, config.title)
    context.say(f"  viewer in {join(config.products_url, 'viewer')}/, for any web server" if viewer else f"  {MISSING}")
    return {"files": urls, "overviews": levels, "viewer": viewer}


def _published(config: Config) -> list[str]:
    from icemap.products.layout import OVERVIEWS, product_files, product_stem
    from icemap.products.overviews import coarser_grids
    from icemap.products.viewer import viewer_files

    levels = [join(config.map_url, OVERVIEWS)] if coarser_grids(config.grid.grid) else []
    files = [join(config.products_url, name) for name in product_files(config.target.name).values()]
    stem = product_stem(config.target.name)
    catalogues = [join(config.run, name) for name in ("stac/collection.json", f"stac/{stem}/{stem}.json", "catalog.yaml")]
    return [*levels, *files, *catalogues, *viewer_files(config.run)]


def _report_depends(context: Context) -> Any:
    """The maps that the report compares the run with; None without any, as if there were no such key."""
    from icemap.products.comparison import comparison_inputs

    return [comparison_inputs(one) for one in context.config.compare] or None


def _make_report(context: Context) -> dict[str, Any]:
    from icemap.products.comparison import make_comparison, require_different_names
    from icemap.products.run_report import write_run_report

    config = context.config
    require_different_names(config.compare)
    found = []
    for settings in config.compare:
        found.append(make_comparison(config.run, settings))
        context.say(f"  compared with {found[-1].other.name}: see {found[-1].files['page']}")
    write_run_report(config, context.provenance.content, found)
    return {}


def _report_products(config: Config) -> list[str]:
    from icemap.products.comparison import comparison_name, comparison_urls

    compared = [comparison_urls(config.run, comparison_name(one)) for one in config.compare]
    pages = [urls[what] for urls in compared for what in ("page", "numbers")]
    return [join(config.run, "report.html"), join(config.products_url, "map.png"), *pages]


STEPS = (
    Step("cube", (), _cube_depends, _make_cube, lambda c: [c.cube_url, _predictors_page_url(c)], words=lambda x: [x.config.title, source_words(x.sources)]),
    Step(
        "boreholes",
        ("cube",),
        _boreholes_depends,
        _make_samples,
        lambda c: [c.samples_url, *_site_products(c)],
        ahead=_sites_ahead,
        words=lambda x: [x.config.title, target_words(x.config), table_words(x.config)],
    ),
    Step(
        "train",
        ("boreholes",),
        ensemble_depends,
        make_ensemble,
        trained,
        words=lambda x: [target_words(x.config), class_words(x.sources)],
    ),
    Step("verify", ("train",), verification_depends, make_verification, verified, words=verification_words, alone=verification_alone),
    Step("map", ("cube", "verify"), _map_depends, _make_map, lambda c: [c.map_url], words=lambda x: [x.config.title, target_words(x.config)]),
    Step("storage", ("map",), lambda x: None, _make_storage, lambda c: [_storage_url(c)]),
    Step(
        "publish",
        ("map", "storage"),
        lambda x: None,
        _make_products,
        _published,
        words=lambda x: [x.config.title, x.config.author, target_words(x.config)],
    ),
    Step(
        "report",
        ("storage", "publish", "verify"),
        _report_depends,
        _make_report,
        _report_products,
        words=lambda x: [shown_settings(x.config), source_words(x.sources)],
    ),
)


def run(config_url: str, steps: Sequence[str] | None = None, cluster: str = "local", workers: int = 2, say: Say = print) -> None:
    """Make what a config describes, as far as it is not there yet: ``icemap run`` for notebooks and programs.

    Parameters
    ----------
    config_url : str
        A config file, on this machine or in a bucket.
    steps : sequence of str, optional
        Some of cube, boreholes, train, verify, map, storage, publish and report; all of them when left out.
    cluster : str
        ``local``, or the address of a running Dask scheduler.
    workers : int
        Processes of a local cluster.
    say : callable
        Gets each line of what is done.

    Raises
    ------
    IcemapError
        One sentence: what is wrong, where, and what to do.

    Examples
    --------
    >>> run("mine.yaml", ["cube"])
    Traceback (most recent call last):
    icemap.errors.IcemapError: Cannot read mine.yaml: there is no such file, folder or bucket. Check the name.
    """
    from icemap.mapping.cluster import UnguardedScriptError, end_if_a_worker_imports_this

    end_if_a_worker_imports_this()
    hide_in_logs()
    names = [step.name for step in STEPS]
    try:
        config = load_config(config_url)
        unknown = [name for name in steps or () if name not in names]
        if unknown:
            raise IcemapError(f"There is no step '{unknown[0]}': the steps are {', '.join(names)}.")
        command = f"icemap {' '.join(steps or ['run'])}"
        with (
            run_lock(config.run, command, say),
            open_context(config, cluster, workers, say) as context,
        ):
            sweep(config.run)
            made = run_steps(STEPS, context, names if steps is None else steps)
    except UnguardedScriptError as error:
        sys.stderr.write(f"icemap: {error}\n")
        raise SystemExit(2) from None
    except IcemapError as error:
        hide_causes(error)
        raise
    if steps is None and not made:
        say("Nothing to do: every product is there and its inputs have not changed.")
