"""A run writes into a folder of its own, where no input can be overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterable

from icemap.errors import IcemapError
from icemap.store import is_remote, local_path, storage_errors


def require_own_folder(what: str, run_url: str, inputs: Iterable[tuple[str, str]]) -> None:
    """Refuse a run folder whose products could overwrite an input.

    Parameters
    ----------
    what : str
        The run folder as its user knows it, the beginning of the sentence.
    run_url : str
        Its address.
    inputs : iterable of (str, str)
        Name and address of each input.

    Raises
    ------
    IcemapError
        Naming the run folder and the input.
    """
    advice = "name a folder of its own for the run, such as run: run."
    folders = [f"{place.rstrip('/')}/" for place in _written_to(run_url)]
    for name, given in inputs:
        for place in _places(given):
            if any(f"{place}/".startswith(folder) for folder in folders):
                holds = "is a folder with inputs in it, which the run could overwrite"
                raise IcemapError(f"{what} {holds} ({name}: {given}): {advice}")
            if folders[0].startswith(f"{place.rstrip('/')}/"):
                raise IcemapError(f"{what} is inside an input ({name}: {given}): {advice}")


def _written_to(run_url: str) -> list[str]:
    """The real places of a run folder and of the folders that links in it lead to."""
    if is_remote(run_url):
        return [run_url]
    here = os.path.realpath(local_path(run_url))
    with storage_errors(run_url, "list"):
        entries = list(os.scandir(here)) if os.path.isdir(here) else []
    linked = [entry.path for entry in entries if entry.is_symlink() and entry.is_dir()]
    return [here, *map(os.path.realpath, linked)]


def _places(url: str) -> set[str]:
    """Where an input is: a file, and the link that leads to it."""
    if is_remote(url):
        return {url.rstrip("/")}
    folder, name = os.path.split(os.path.abspath(local_path(url)))
    return {os.path.join(os.path.realpath(folder), name), os.path.realpath(local_path(url))}
