"""Copies of remote files on this machine, for libraries that cannot read from a bucket."""

from __future__ import annotations

import tempfile
import threading
from functools import lru_cache
from pathlib import Path

from icemap.predictors.suffixes import suffix_of
from icemap.provenance import digest
from icemap.remote_stamps import remote_stamp
from icemap.store import filesystem, storage_errors


def download(url: str) -> str:
    """A copy on this machine, kept for the life of the process or until the file changes: NetCDF
    libraries cannot read from a bucket.
    """
    with _downloading:
        return _downloaded(url, remote_stamp(url))


_downloading = threading.Lock()


@lru_cache(maxsize=256)
def _downloaded(url: str, stamp: str) -> str:
    target = Path(_copies().name) / f"{digest([url, stamp])}{suffix_of(url)}"
    with storage_errors(url, "read"):
        fs, path = filesystem(url)
        fs.get_file(path, str(target))
    return str(target)


@lru_cache(maxsize=1)
def _copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="icemap-")
