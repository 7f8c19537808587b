"""Paths as they stand in a config or catalogue: as seen from that file, with variables in them."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from icemap.address_problems import address_problem
from icemap.addresses import remember, remember_value
from icemap.errors import IcemapError
from icemap.store import is_remote, join, local_path


def expand(url: str, base: str) -> str:
    """Replace ``{env(NAME)}`` by the environment variable, as intake does, but only where NAME
    begins with ``ICEMAP_``.

    A url from somebody else's config or catalogue would otherwise carry any secret of the
    environment to any server it names.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not name.startswith("ICEMAP_"):
            raise IcemapError(
                f"{base} uses the environment variable {name}: only variables whose names begin"
                " with ICEMAP_ may stand in a path; rename it."
            )
        if name not in os.environ:
            raise IcemapError(
                f"{base} uses the environment variable {name}, which is not set: set it to the"
                " folder or bucket meant."
            )
        remember_value(name, os.environ[name])
        return os.environ[name]

    return re.sub(r"\{env\((\w+)\)\}", value, url)


def resolve(url: str, base: str) -> str:
    """A path as seen from the file it is written in.

    Raises
    ------
    IcemapError
        If it is no address of a file or folder.
    """
    written, url = url, expand(url, base)
    problem = address_problem(url)
    if problem is not None:
        raise IcemapError(f"{base}: {problem}.")
    if url.startswith(("file://", "~")):
        url = str(local_path(url))
    if is_remote(url) or Path(url).is_absolute():
        remember(url, written)
        return url
    if is_remote(base):
        kind, _, place = base.partition("://")
        folder = posixpath.dirname(place)
        # A bucket takes '.' and '..' for names.
        resolved = f"{kind}://{posixpath.normpath(posixpath.join(folder, url))}"
        remember(resolved, f"{kind}://{posixpath.join(folder, written)}")
        return resolved
    # Absolute, because workers of a cluster need not have been started in this folder.
    folder = os.path.abspath(local_path(base).parent)
    resolved = os.path.abspath(os.path.join(folder, url))
    remember(resolved, join(folder, written))
    return resolved
