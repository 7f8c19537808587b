"""A look at everything that a config names, as the steps will read it: all problems at once, before
hours of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from icemap.config import Config
from icemap.ensemble.checks import fewest_samples
from icemap.errors import IcemapError

if TYPE_CHECKING:
    from icemap.source import Source


def source_problems(config: Config, source: Source) -> list[str]:
    """What is wrong with one source: it is opened, and some of it read, as for the cube."""
    from icemap.boreholes.bedrock import require_continuous
    from icemap.predictors import checks

    try:
        require_continuous(config, source)
    except IcemapError as error:
        return [str(error)]
    masks = [mask for mask in config.masks if mask.source == source.name]
    return checks.source_problems(source, config.grid.grid, masks)


def table_problems(config: Config) -> list[str]:
    """What is wrong with the tables of sites or layers: columns, units, codes, cells."""
    from icemap.boreholes.bedrock import read_training_table
    from icemap.boreholes.pseudo import is_pseudo

    try:
        sites = read_training_table(config).sites
    except IcemapError as error:
        return [str(error)]
    sites = sites[~is_pseudo(sites)]
    if sites["used"].astype(bool).any():
        return []
    reasons = "; ".join(f"{n} x {reason}" for reason, n in sites["reason"].value_counts().items())
    return [
        f"No site can be used for training ({len(sites)} read: {reasons}): check the tables of"
        " sites."
    ]


def few_sites_problems(config: Config) -> list[str]:
    """That too few cells of the grid hold sites for an ensemble, and why."""
    from icemap.boreholes.samples import occupied_cells
    from icemap.boreholes.sites import read_sites

    sites, grid = read_sites(config).sites, config.grid.grid
    cells, needed = occupied_cells(sites, grid), fewest_samples(config.ensemble.held_out)
    if cells >= needed:
        return []
    used = sites[sites["used"].astype(bool)]
    lon, lat = used["lon"].to_numpy(float), used["lat"].to_numpy(float)
    outside = int((grid.locate(lon, lat)[0] < 0).sum())
    where = ""
    remedy = "add sites, accept more grades, or choose a finer grid where sites share cells"
    if outside:
        where = (
            f"; {outside:,} are outside the grid ({grid.west:g} to {grid.east:g} E, {grid.south:g}"
            f" to {grid.north:g} N), the sites being at {lon.min():g} to {lon.max():g} E,"
            f" {lat.min():g} to {lat.max():g} N"
        )
        moved = "change the grid, or correct the coordinates of the sites"
        remedy = moved if outside == len(used) else f"{moved}; or {remedy}"
    reasons = sites.loc[~sites["used"].astype(bool), "reason"].value_counts()
    unused = "; ".join(f"{n} x {reason}" for reason, n in reasons.items())
    return [
        f"{len(used)} of {len(sites)} sites can be used, in {cells} cells of the grid, and an"
        f" ensemble needs at least {needed} cells with sites{where}"
        + (f" (not used: {unused})" if unused else "")
        + f": {remedy}."
    ]


def member_problems(config: Config) -> list[str]:
    """Which members of the ensemble cannot be fitted."""
    from icemap.ensemble.imported_members import require_member

    found = []
    for name in config.ensemble.members:
        try:
            require_member(name, len(config.predictors), config.target.bounds)
        except IcemapError as error:
            found.append(str(error))
    return found


def compared_problems(config: Config) -> list[str]:
    """What is wrong with the maps that the config compares with."""
    if not config.compare:
        return []
    from icemap.products.comparison_inputs import comparison_problems

    return comparison_problems(config.run, config.compare, config.grid.grid, config.target)


def require_inputs(config: Config, sources: Iterable[Source]) -> None:
    """Refuse a config with inputs that its steps cannot read.

    Raises
    ------
    IcemapError
        Naming every problem.
    """
    from icemap.predictors.checks import require_none

    found = [problem for source in sources for problem in source_problems(config, source)]
    found += [*table_problems(config), *member_problems(config), *compared_problems(config)]
    require_none(found)
