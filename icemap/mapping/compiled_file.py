"""The compiled ensemble in one file next to the ensemble, checked by its own predictions when it is
read.
"""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from zipfile import ZIP_STORED, BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import icemap
from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.inputs import predictors_of
from icemap.ensemble.mixture import Mixture
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.saved import (
    FOREST,
    PROCESS,
    follows_published,
    manifest_digest,
    read_manifest,
    read_parts,
    read_replicate,
)
from icemap.errors import IcemapError
from icemap.mapping.compiled_ensemble import (
    CheckPixels,
    CompiledEnsemble,
    Models,
    compile_ensemble,
    compile_leaves,
    pad,
    require_same,
)
from icemap.mapping.kernels.coder import compile_coding
from icemap.mapping.kernels.gam import GAMs
from icemap.mapping.kernels.svr import SVRs
from icemap.mapping.kernels.svr import require_sound as require_sound_svrs
from icemap.mapping.kernels.tree_tables import Conditions, Trees, require_sound
from icemap.store import exists, filesystem, join, local_copy, storage_errors, write_bytes

FORMAT = 7
COMPILED = "packed.npz"
Part = Conditions | SVRs | GAMs | Trees | Mixture
_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Conditions, SVRs, GAMs, Trees, Mixture)}
log = logging.getLogger(__name__)


def write_compiled(ensemble: IceEnsemble, url: str, sites: NDArray[np.float64]) -> None:
    """Pack a saved ensemble and write the arrays next to it; see `compile_ensemble`.

    Parameters
    ----------
    ensemble : IceEnsemble
        Fitted or loaded.
    url : str
        Its folder.
    sites : ndarray of shape (n, predictors)
        Training predictors, on which the packed ensemble is compared with the members.
    """
    compiled, check = compile_ensemble(ensemble, sites)
    parts: dict[str, Part] = {"conditions": compiled.conditions, "mixture": compiled.mixture}
    parts |= {f"member {name}": part for name, part in compiled.arrays.items()}
    header = {
        "format": FORMAT,
        "version": icemap.__version__,
        "ensemble": manifest_digest(url),
        "parts": {name: type(part).__name__ for name, part in parts.items()},
        "reasons": dict(compiled.reasons),
        "scale": check.scale,
    }
    arrays = {
        f"{name}/{field}": value
        for name, part in parts.items()
        for field, value in part._asdict().items()
    }
    content = io.BytesIO()
    np.savez(
        content,
        header=np.array(json.dumps(header)),
        check_X=check.X,
        check_F=check.F,
        limits=compiled.limits,
        **arrays,
    )
    write_bytes(join(url, COMPILED), content.getvalue())


def ensure_compiled(url: str, samples: pd.DataFrame) -> None:
    """Pack the saved ensemble at a URL, trained on the samples, unless that has been done by this
    version.
    """
    if not compiled_misfit(url):
        return
    ensemble = IceEnsemble.load(url)
    write_compiled(ensemble, url, predictors_of(samples, ensemble.coding_))


def compiled_misfit(url: str) -> str:
    """Why the compiled ensemble at a URL, if there is one, has to be made again: it is another
    ensemble's or version's, or no such file. Empty if it need not be; its arrays are not read.
    """
    if not exists(join(url, COMPILED)):
        return f"{join(url, COMPILED)} is not there: 'icemap map' makes it."
    try:
        with _opened(url) as file:
            return _misfit(url, json.loads(str(file["header"])))
    except IcemapError as error:
        return str(error)


def compiled_problem(url: str) -> str:
    """What is wrong with the file of the compiled ensemble at a URL; empty if it is whole."""
    if not exists(join(url, COMPILED)):
        return f"{join(url, COMPILED)} is not there."
    try:
        with _opened(url) as file:
            # Every array carries a checksum, which is compared when it is read.
            for name in file.files:
                file[name]
            return _misfit(url, json.loads(str(file["header"])))
    except IcemapError as error:
        return str(error)


def read_compiled(url: str) -> CompiledEnsemble:
    """The compiled ensemble at a URL. Only members without a kernel are loaded as models.

    Raises
    ------
    IcemapError
        If there is none, if it belongs to another ensemble or version, or if it predicts its check
        pixels differently.
    """
    if not exists(join(url, COMPILED)):
        raise IcemapError(
            f"There is no compiled ensemble at {url}: start the command again, which packs it."
        )
    manifest = read_manifest(url)
    with _opened(url) as file:
        header = json.loads(str(file["header"]))
        if misfit := _misfit(url, header):
            raise IcemapError(misfit)
        parts = {
            name: _KINDS[kind](*(file[f"{name}/{field}"] for field in _KINDS[kind]._fields))
            for name, kind in header["parts"].items()
        }
        columns = int(compile_coding(PredictorCoding.from_dict(manifest["coding"])).columns[0])
        for part in parts.values():
            if isinstance(part, SVRs):
                require_sound_svrs(part, columns, manifest["parameters"]["replicates"])
            if isinstance(part, Trees):
                require_sound(
                    part,
                    parts["conditions"],
                    len(manifest["coding"]["names"]),
                    manifest["parameters"]["replicates"],
                )
        check, limits = (
            CheckPixels(file["check_X"], file["check_F"], header["scale"]),
            file["limits"],
        )
    compiled = _joined(url, manifest, header, parts, limits)
    require_same(compiled, check)
    _tell(compiled, check)
    return compiled


def compiled_size(url: str) -> int:
    """Bytes of the compiled ensemble at a URL and what it is pooled with, which are those they take
    in memory.
    """
    fs, path = filesystem(url)
    with storage_errors(url, "read"):
        parts = [join(path, name) for name in (COMPILED, FOREST, PROCESS)]
        return sum(int(fs.size(part)) for part in parts if fs.exists(part))


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    """The arrays of the file; what is wrong with a damaged one is said in one sentence."""
    try:
        with local_copy(join(url, COMPILED)) as path, np.load(path, allow_pickle=False) as file:
            # It is written uncompressed; anything else could be far larger in memory than on disk.
            if any(member.compress_type != ZIP_STORED for member in file.zip.infolist()):
                raise ValueError("compressed")
            yield file
    except (BadZipFile, EOFError, KeyError, MemoryError, ValueError) as error:
        raise IcemapError(
            f"{join(url, COMPILED)} is damaged: delete it and start the command again, which packs"
            " the ensemble again."
        ) from error


def _misfit(url: str, header: Mapping[str, Any]) -> str:
    name = join(url, COMPILED)
    if header["format"] != FORMAT or header["version"] != icemap.__version__:
        return (
            f"{name} was packed by icemap {header['version']} (format {header['format']}), this is"
            f" {icemap.__version__}: delete it, and 'icemap train' packs it again."
        )
    if header["ensemble"] != manifest_digest(url):
        return (
            f"{name} was packed from another ensemble than the one that is there now: start the"
            " command again."
        )
    return ""


def _joined(
    url: str,
    manifest: Mapping[str, Any],
    header: Mapping[str, Any],
    parts: dict[str, Any],
    limits: NDArray[np.float64],
) -> CompiledEnsemble:
    parameters, reasons = manifest["parameters"], header["reasons"]
    coding = PredictorCoding.from_dict(manifest["coding"])
    members = tuple(parameters["members"])
    models: dict[str, Models] = {}
    if reasons:
        replicates = [
            read_replicate(url, index, manifest["files"], coding)
            for index in range(parameters["replicates"])
        ]
        models = {
            name: [replicate.members[name] for replicate in replicates]
            for name in members
            if name in reasons
        }
    arrays = {name: parts[f"member {name}"] for name in members if f"member {name}" in parts}
    # The coder's tables are made here: compiled code writes where they say.
    coder, conditions, mixture = compile_coding(coding), parts["conditions"], parts["mixture"]
    pooled, published = read_parts(url, manifest, coding), follows_published(parameters)
    return CompiledEnsemble(
        coding,
        members,
        parameters["replicates"],
        limits,
        coder,
        conditions,
        arrays,
        models,
        mixture,
        pooled,
        reasons,
        published,
        compile_leaves(pooled, conditions),
    )


def _tell(compiled: CompiledEnsemble, check: CheckPixels) -> None:
    """One line on what runs without a kernel, and what that costs."""
    if not compiled.reasons:
        return
    X = pad(check.X)
    codes, design, _ = compiled.code(X)
    out = np.empty((compiled.replicates, len(X)), np.float32)
    costs = []
    for name, reason in compiled.reasons.items():
        begin = time.perf_counter()
        compiled.predict_member(name, X, codes, design, out)
        costs.append(
            f"{name} ({reason}; {1e6 * (time.perf_counter() - begin) / len(X):.0f} microseconds per"
            " pixel)"
        )
    log.warning("Without a fast kernel: %s.", "; ".join(costs))
