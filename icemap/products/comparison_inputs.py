"""What a comparison is of: its name and files, what it depends on, and the other map, opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from icemap.addresses import shown
from icemap.catalog import load_sources
from icemap.comparison.other_map import OtherMap, open_other
from icemap.config_sections import CompareConfig, TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.mapping.map_schema import open_map, require_complete
from icemap.predictors.cube_variables import identity
from icemap.predictors.suffixes import suffix_of
from icemap.products.compared_run import open_run
from icemap.products.viewer_layers import SUFFIX
from icemap.provenance import fingerprint, metadata_digest
from icemap.run_folder import RunFolder
from icemap.store import exists, file_name, is_remote, join, local_path


def require_complete_run(run_url: str) -> None:
    """Refuse a run without a finished map."""
    open_map(RunFolder(run_url).map)
    require_complete(RunFolder(run_url).map)


def comparison_name(settings: CompareConfig) -> str:
    """Name of a comparison: the one given, else that of the file or run folder."""
    if settings.name is not None:
        return settings.name
    parts = shown(settings.other).rstrip("/").removesuffix("/map.zarr")
    stem = file_name(parts).rsplit(".", 1)[0] if settings.catalog is None else settings.other
    return (
        "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
        or "other"
    )


def comparison_urls(run_url: str, name: str) -> dict[str, str]:
    """What a comparison writes: what -> address."""
    folder = RunFolder(run_url).comparisons
    return {
        "page": join(run_url, f"comparison-{name}.html"),
        "numbers": join(folder, f"{name}.json"),
        "cells": join(folder, f"{name}.zarr"),
        "difference": join(folder, f"{name}{SUFFIX}"),
    }


def comparison_inputs(settings: CompareConfig) -> list[Any]:
    """What a comparison depends on in addition to the run: settings and digests, JSON-able."""
    keys = settings.model_dump(exclude={"other", "classes", "catalog"})
    files = [fingerprint(settings.classes)] if settings.classes is not None else []
    if settings.catalog is not None:
        source = load_sources(settings.catalog, [settings.other])[settings.other]
        return [keys, *files, identity(source)]
    run = run_of(settings)
    other = fingerprint(settings.other) if run is None else metadata_digest(RunFolder(run).map)
    return [keys, *files, other]


def require_different_names(compared: Sequence[CompareConfig]) -> None:
    """Refuse two comparisons that would write the same files.

    Raises
    ------
    IcemapError
        Naming the two.
    """
    names: dict[str, str] = {}
    for one in compared:
        name = comparison_name(one)
        if name in names:
            raise IcemapError(
                f"compare: {shown(names[name])} and {shown(one.other)} are both called '{name}':"
                " give one of them a 'name' in the config."
            )
        names[name] = one.other


def comparison_problems(
    run_url: str, compared: Sequence[CompareConfig], grid: Grid, target: TargetConfig
) -> list[str]:
    """What of the maps to be compared with cannot be opened as a comparison will open it.

    Parameters
    ----------
    run_url : str
        The run that they are compared with, finished or not.
    compared : sequence of CompareConfig
    grid : Grid
        Of the run.
    target : TargetConfig

    Returns
    -------
    list of str
        A sentence for each problem.
    """
    found = []
    try:
        require_different_names(compared)
    except IcemapError as error:
        found.append(str(error))
    for settings in compared:
        try:
            with open_compared(run_url, settings, grid, target):
                pass
        except IcemapError as error:
            found.append(str(error))
    return found


@contextmanager
def open_compared(
    run_url: str, settings: CompareConfig, grid: Grid, target: TargetConfig
) -> Iterator[OtherMap]:
    """The other map of a comparison, closed on leaving.

    Parameters
    ----------
    run_url : str
        The run that it is compared with.
    settings : CompareConfig
        Of the comparison.
    grid : Grid
        Of the run.
    target : TargetConfig

    Raises
    ------
    IcemapError
        If it is the run itself, cannot be opened, or is a run and has settings that no run takes.
    """
    other_run = run_of(settings)
    with ExitStack() as stack:
        if other_run is None:
            yield stack.enter_context(
                open_other(
                    settings.other,
                    grid,
                    target,
                    settings.classes,
                    settings.ice,
                    settings.catalog,
                    settings.attribute,
                )
            )
            return
        if _same_place(other_run, run_url):
            raise IcemapError(
                f"{settings.other} is the run itself: give another run, or an earlier copy of it."
            )
        for option in ("classes", "attribute", "ice"):
            if getattr(settings, option) is not None:
                raise IcemapError(
                    f"{settings.other} is a run of icemap, which needs no --{option}: leave it out."
                )
        yield stack.enter_context(open_run(other_run, grid, target, settings.mask))


def run_of(settings: CompareConfig) -> str | None:
    """The run folder that the other map is, if it is one."""
    if settings.catalog is not None:
        return None
    place = settings.other.rstrip("/")
    if place.endswith("/map.zarr"):
        place = place.removesuffix("/map.zarr")
    elif place.startswith("http") and suffix_of(place):
        # Asked for what is below a file, a server may refuse.
        return None
    return place if exists(join(RunFolder(place).map, "zarr.json")) else None


def _same_place(one: str, other: str) -> bool:
    if is_remote(one) or is_remote(other):
        return one.rstrip("/") == other.rstrip("/")
    return local_path(one).resolve() == local_path(other).resolve()
