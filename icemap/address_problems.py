"""Texts that are no address of a file or folder, and why."""

from __future__ import annotations

import os
import re
import reprlib
from urllib.parse import urlsplit

from icemap.addresses import shown
from icemap.errors import IcemapError


def address_problem(url: str) -> str | None:
    """Why a text is no address of a file or folder; None if it can be one.

    Examples
    --------
    >>> address_problem("s3://bucket/run"), address_problem("data/dem.tif")
    (None, None)
    >>> address_problem("/vsicurl/https://example.org/dem.tif")
    "'/vsicurl/https://example.org/dem.tif' is GDAL's way of writing an address: give the https://
    or s3:// address itself"
    """
    import fsspec

    given = f"'{reprlib.repr(shown(url))[1:-1]}'"
    if not url.strip():
        return "an address is empty: give a file or a folder"
    if "\0" in url:
        return f"{given} holds a zero byte and is no address: remove it"
    if url.startswith("/vsi"):
        return (
            f"'{url}' is GDAL's way of writing an address: give the https:// or s3:// address"
            " itself"
        )
    if re.match(r"file:(?!//(localhost)?/)", url):
        return (
            f"{given} is no address of a file on this machine: write file:///path, or the path"
            " itself"
        )
    if os.path.expanduser(url).startswith("~/"):
        return f"{given} begins with ~, and the home folder is not known: write the whole path"
    kind = re.match(r"([A-Za-z]|s3a?|https?|gs|gcs|az|abfs):[\\/](?!/)", url, re.IGNORECASE)
    if kind is not None and len(kind[1]) == 1:
        return (
            f"{given} is a path of Windows, which Linux does not know: write it as it is seen here,"
            f" in WSL /mnt/{kind[1].lower()}/..."
        )
    if kind is not None:
        return f"{given} has one slash behind '{kind[1]}:', where an address has two ('://')"
    protocol, separator, rest = url.partition("://")
    if not separator:
        return _path_problem(url, given)
    known = fsspec.available_protocols()
    for part in protocol.split("::"):
        if part not in known:
            return (
                f"{given} begins with '{part[:30]}://', which is no kind of storage that can be"
                " read: use a path, s3:// or https://"
            )
    try:
        urlsplit(url).port  # noqa: B018  (raises where it is no number)
    except ValueError:
        return (
            f"{given} has no number as its port: write signs such as / ? # @ : in a name or a"
            " password as %2F %3F %23 %40 %3A"
        )
    if protocol in ("s3", "s3a", "gs", "gcs", "az", "abfs") and (
        "//" in rest or not rest.strip("/")
    ):
        return f"{given} has a folder without a name in it (//): write the address without it"
    return None


def _path_problem(url: str, given: str) -> str | None:
    """Signs of a shell or of Windows in the path of a file."""
    variable = re.search(r"\$(?:\w+|\{\w+\})|%[A-Z_]{3,}%", url)
    if variable is not None:
        return (
            f"{given} holds {variable[0]}, a variable of the shell, which has no value here: write"
            " the path itself, or '{env(ICEMAP_NAME)}' for a variable whose name begins with"
            " ICEMAP_"
        )
    if "\\" in url and os.sep == "/":
        return (
            f"{given} has backslashes, which part folders on Windows alone: write"
            f" '{url.replace(chr(92), '/')}'"
        )
    return None


def require_address(url: str) -> None:
    """Refuse what is no address of a file or folder.

    Raises
    ------
    IcemapError
        Saying why.
    """
    problem = address_problem(url)
    if problem is not None:
        raise IcemapError(f"{problem[0].upper()}{problem[1:]}.")
