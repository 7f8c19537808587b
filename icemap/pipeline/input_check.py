"""A look at everything that a config names, as the steps will read it: all problems at once, before
hours of work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from icemap.config import Config
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


def member_problems(config: Config) -> list[str]:
    """Which members of the ensemble cannot be fitted."""
    from icemap.ensemble.members import require_member

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
