"""``icemap boreholes``: sites or borehole layers to a training table."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from icemap.config import Config
from icemap.ensemble.checks import fewest_samples
from icemap.errors import IcemapError
from icemap.pipeline.steps import Context, Facts, Step
from icemap.provenance import fingerprint
from icemap.store import join
from icemap.words import pseudo_sites_words, table_words, target_numbers, target_words

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from icemap.boreholes.sites import SiteTable

# So many cells of the map are drawn by area, of which a rule takes those that it holds for.
RULE_CELLS = 20_000
# Files are known by what they hold.
PATHS: Any = {"path": True, "collars": {"path"}}


def _depends(context: Context) -> Any:
    config = context.config
    if config.sites is not None:
        return [
            config.sites.model_dump(exclude={"table"}),
            target_numbers(config),
            fingerprint(config.sites.table),
        ]
    assert config.boreholes is not None
    paths = [path for layer in config.boreholes.layers for path in layer.paths]
    paths += [config.boreholes.permafrost_table] if config.boreholes.permafrost_table else []
    settings = [
        [layer.model_dump(exclude=PATHS) for layer in config.boreholes.layers],
        config.boreholes.model_dump(exclude={"layers", "permafrost_table", "bedrock"}),
    ]
    found = [settings, target_numbers(config), [fingerprint(path) for path in paths]]
    bedrock = config.boreholes.bedrock
    if bedrock is None:
        return found
    # By a rule they are drawn.
    drawn = config.seed if bedrock.table is None else fingerprint(bedrock.table)
    return [*found, bedrock.model_dump(exclude={"table"}), drawn]


def _make(context: Context) -> Facts:
    """Sites or borehole layers of CONFIG to a training table."""
    from icemap.boreholes.pseudo import is_pseudo
    from icemap.boreholes.sample_files import write_samples
    from icemap.boreholes.sample_weights import nugget
    from icemap.boreholes.samples import build_samples
    from icemap.boreholes.sites import summary
    from icemap.predictors.cube import open_cube

    config = context.config
    table = _read_sites(context)
    _complete_cube(context, table)
    cube = open_cube(config.folder.cube)
    table = _with_ruled_bedrock(context, table, cube)
    try:
        samples, sites = build_samples(table.sites, config.grid.grid, cube, config.predictors)
    except IcemapError:
        # Where no site can be used, the page says why; an earlier one stays with its samples.
        if not context.provenance.is_next("boreholes"):
            _write_sites(config, table)
        raise
    context.settle()
    _write_sites(config, replace(table, sites=sites))
    write_samples(config.folder.samples, samples)
    for line in summary(sites).to_string(index=False).splitlines():
        context.log("  " + line)
    pseudo, of_bedrock = is_pseudo(sites), is_pseudo(samples)
    used, count = int(sites.loc[~pseudo, "used"].sum()), int((~of_bedrock).sum())
    context.log(
        f"  {used} of {int((~pseudo).sum())} sites used, in {count} cells; see"
        f" {config.folder.boreholes_page}"
    )
    marked: Facts = {}
    if pseudo.any():
        marked = {"pseudo_sites": int(of_bedrock.sum())}
        context.log(f"  {pseudo_sites_words(int(of_bedrock.sum()))}")
        for line in _boreholes_on_bedrock(config, samples[~of_bedrock]):
            context.log(f"  {line}")
    if few := too_few(count, config):
        context.log(f"  {few}")
    facts = {"sites": int((~pseudo).sum()), "used": used, "samples": count}
    return {**facts, **marked, "nugget": nugget(samples)}


def _with_ruled_bedrock(context: Context, table: SiteTable, cube: xr.Dataset) -> SiteTable:
    """The table with pseudo-sites where the config's rule on a predictor puts them."""
    from icemap.boreholes.bedrock import (
        MapCells,
        require_continuous,
        sites_of_rule,
        with_pseudo_sites,
    )
    from icemap.boreholes.samples import drilled_cells, in_cells
    from icemap.mapping.places import choose_places, weighed_places

    config = context.config
    rule = config.boreholes.bedrock if config.boreholes is not None else None
    if rule is None or rule.predictor is None:
        return table
    source = context.sources[rule.predictor]
    require_continuous(config, source)
    places = choose_places(cube, RULE_CELLS, config.seed)
    X, weight = weighed_places(cube, places, [rule.predictor])
    held = drilled_cells(table.sites, config.grid.grid)
    drilled = in_cells(places.row, places.col, held)
    cells = MapCells(places.longitude, places.latitude, X[:, 0], weight, drilled)
    sites, share = sites_of_rule(rule, cells, len(held), config.seed, config.target)
    context.log(
        f"  {rule.predictor} is below {rule.below:g} {source.unit} in {share:.1%} of the map: there"
        f" {len(sites)} places are taken for bedrock"
    )
    return with_pseudo_sites(table, sites)


def _boreholes_on_bedrock(config: Config, samples: pd.DataFrame) -> list[str]:
    """What boreholes say of the ground that a rule takes for bedrock, where there are any."""
    rule = config.boreholes.bedrock if config.boreholes is not None else None
    if rule is None or rule.predictor is None:
        return []
    here = samples.loc[samples[rule.predictor] < rule.below, "value"]
    if here.empty:
        return []
    return [
        f"{len(here)} cells with boreholes are of such ground, too: their mean is"
        f" {here.mean():.1f} {config.target.unit}; if that is not bedrock, lower 'below'"
    ]


def _complete_cube(context: Context, table: SiteTable) -> None:
    """Have the cube hold the predictors of sites in chunks without a mapped cell, where it has none
    yet.
    """
    from icemap.boreholes.samples import FILL_CELLS
    from icemap.predictors.cube import plan_cube
    from icemap.running.run import Job

    config, ledger = context.config, context.ledger("cube")
    unread = {key for key, record in ledger.each() if record.get("unread")}
    if not unread:
        return
    grid, size = config.grid.grid, config.grid.chunk
    used = table.sites[table.sites["used"].astype(bool)]
    row, col = grid.locate(used["lon"].to_numpy(float), used["lat"].to_numpy(float))
    # A site takes a missing predictor from its neighbours.
    reach = range(-FILL_CELLS, FILL_CELLS + 1)
    around = grid.shape[1] if math.isclose(grid.east - grid.west, 360) else sys.maxsize
    held = {
        ((r + i) // size, (c + j) % around // size)
        for r, c in zip(row[row >= 0].tolist(), col[row >= 0].tolist(), strict=True)
        for i in reach
        for j in reach
    }
    chunks = [chunk for chunk in grid.chunks(size) if chunk.key in unread and chunk.index in held]
    if not chunks:
        return
    build = replace(plan_cube(config, context.sources), everywhere=True)
    for chunk in chunks:
        ledger.remove(chunk.key)
    context.log(f"  predictors of {len(chunks)} chunks that hold sites, but no mapped cell")
    context.run_job(Job("cube", chunks, build, unit="chunks"), "cube")


def _ahead(context: Context, why: str) -> None:
    from icemap.boreholes.pseudo import is_pseudo
    from icemap.boreholes.samples import occupied_cells
    from icemap.boreholes.sites import summary

    config = context.config
    context.log(f"boreholes: making {', '.join(_products(config))}")
    table = _read_sites(context)
    # They are not those of the samples any more.
    context.provenance.reopen("boreholes")
    _write_sites(config, table)
    for line in summary(table.sites).to_string(index=False).splitlines():
        context.log("  " + line)
    pseudo = is_pseudo(table.sites)
    used = table.sites["used"].to_numpy(bool)
    context.log(
        f"  {int((used & ~pseudo).sum())} of {int((~pseudo).sum())} sites can be used; see"
        f" {config.folder.boreholes_page}"
    )
    if pseudo.any():
        context.log(f"  {pseudo_sites_words(int((used & pseudo).sum()))}")
    if few := too_few(occupied_cells(table.sites, config.grid.grid), config):
        context.log(f"  {few}")
    context.log(
        f"  {config.folder.samples} follows with 'icemap boreholes' or 'icemap run' when the cube"
        f" is there: {why}."
    )


def _read_sites(context: Context) -> SiteTable:
    """Read the sites; what was decided from the tables is said."""
    from icemap.boreholes.bedrock import read_training_table

    table = read_training_table(context.config)
    for note in table.notes:
        context.log(f"  {note}")
    return table


def _write_sites(config: Config, table: SiteTable) -> None:
    from icemap.boreholes.site_files import write_site_files
    from icemap.products.pages.boreholes import write_boreholes_page

    write_site_files(config.run, table.sites)
    thickness = config.boreholes.thickness if config.boreholes is not None else None
    write_boreholes_page(
        config.folder.boreholes_page, table, config.target, title=config.title, thickness=thickness
    )


def _products(config: Config) -> list[str]:
    from icemap.boreholes.site_files import SITE_FILES

    return [*(join(config.run, name) for name in SITE_FILES), config.folder.boreholes_page]


def too_few(samples: int, config: Config) -> str:
    """What a table of too few samples cannot do, in a sentence; nothing where there are enough."""
    needed = fewest_samples(config.ensemble.held_out)
    if samples >= needed:
        return ""
    return (
        f"{samples} {'sample is' if samples == 1 else 'samples are'} too few to train on: "
        f"at least {needed} are needed; add sites, accept more grades, or choose a finer grid "
        "where sites share cells"
    )


STEP = Step(
    "boreholes",
    after=("cube",),
    depends=_depends,
    make=_make,
    products=_products,
    ahead=_ahead,
    words=lambda context: [
        context.config.title,
        target_words(context.config),
        table_words(context.config),
    ],
)
