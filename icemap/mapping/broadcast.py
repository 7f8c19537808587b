"""The compiled ensemble on every worker: loaded once per process by its path and digest, never
shipped with a task.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from icemap.ensemble.saved import manifest_digest
from icemap.errors import IcemapError
from icemap.json_records import ApplicabilityRecord, CalibrationRecord, read_record
from icemap.mapping.compiled_ensemble import CompiledEnsemble
from icemap.mapping.compiled_file import read_compiled
from icemap.provenance import digest
from icemap.run_folder import APPLICABILITY, CALIBRATION
from icemap.store import join
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration


@dataclass(frozen=True, eq=False)
class Predictor:
    """What maps pixels: the ensemble, where it may be trusted, and how wide its interval is."""

    compiled: CompiledEnsemble
    applicability: Applicability
    calibration: Calibration


REMEDY = "delete it, and make it again with 'icemap verify'"
_loaded: dict[tuple[str, str], Predictor] = {}
_lock = threading.Lock()


def ensemble_digest(url: str) -> str:
    """Digest of an ensemble with its calibration and applicability; the manifest holds the digests
    of the other files.
    """
    return digest([manifest_digest(url), calibration_record(url), _applicability(url)])


def calibration_record(url: str) -> CalibrationRecord:
    """The content of the ``calibration.json`` of an ensemble."""
    return read_record(join(url, CALIBRATION), CalibrationRecord, REMEDY)


def _applicability(url: str) -> ApplicabilityRecord:
    return read_record(join(url, APPLICABILITY), ApplicabilityRecord, REMEDY)


def get_predictor(url: str, expected: str) -> Predictor:
    """The predictor at a URL, loaded when first asked for and shared by all threads of the process.

    Raises
    ------
    IcemapError
        If what is there now is not the ensemble that the job was planned with.
    """
    with _lock:
        if (url, expected) not in _loaded:
            if ensemble_digest(url) != expected:
                raise IcemapError(
                    f"The ensemble at {url} has changed since this job was planned: start the"
                    " command again."
                )
            # A process maps with one ensemble at a time; keeping older ones would only hold memory.
            _loaded.clear()
            applicability, calibration = (
                Applicability.from_dict(_applicability(url)),
                Calibration.from_dict({**calibration_record(url)}),
            )
            _loaded[url, expected] = Predictor(read_compiled(url), applicability, calibration)
        return _loaded[url, expected]
