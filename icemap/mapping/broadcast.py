"""The ensemble on every worker: loaded once per process by its path and digest, never shipped with a task."""

from __future__ import annotations

import threading

from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.saved import APPLICABILITY, CALIBRATION, load_ensemble, read_manifest
from icemap.errors import IcemapError
from icemap.provenance import digest
from icemap.store import join, read_json
from icemap.verification.applicability import Applicability

_loaded: dict[tuple[str, str], tuple[IceEnsemble, Applicability]] = {}
_lock = threading.Lock()


def ensemble_digest(url: str) -> str:
    """Digest of an ensemble with its calibration and applicability; the manifest holds the digests of the other files."""
    return digest([read_manifest(url), read_json(join(url, CALIBRATION)), read_json(join(url, APPLICABILITY))])


def get_ensemble(url: str, expected: str) -> tuple[IceEnsemble, Applicability]:
    """The ensemble at a URL and its applicability, loaded when first asked for and shared by all threads of the process.

    Raises
    ------
    IcemapError
        If what lies there now is not the ensemble that the job was planned with.
    """
    with _lock:
        if (url, expected) not in _loaded:
            if ensemble_digest(url) != expected:
                raise IcemapError(f"The ensemble at {url} has changed since this job was planned: start the command again.")
            # A process maps with one ensemble at a time; keeping older ones would only hold memory.
            _loaded.clear()
            _loaded[url, expected] = load_ensemble(url), Applicability.from_dict(read_json(join(url, APPLICABILITY)))
        return _loaded[url, expected]
