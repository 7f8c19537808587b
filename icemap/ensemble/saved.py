"""The ensemble in a folder or bucket: JSON, skops and npz files, checked by digest and by their own
predictions; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NamedTuple, Protocol
from zipfile import ZIP_STORED, BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.bma import CopulaBMA
from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.folds import split_numbers
from icemap.ensemble.gaussian_process import GaussianProcess
from icemap.ensemble.inputs import predictors_of
from icemap.ensemble.member_archive import member_archive
from icemap.ensemble.members import CONSENSUS
from icemap.ensemble.pool_parts import PoolParts, Shares
from icemap.ensemble.quantile_forest import QuantileForest
from icemap.ensemble.replicates import Replicate
from icemap.ensemble.target import TargetScale
from icemap.ensemble.tuning import Tuning
from icemap.errors import IcemapError
from icemap.provenance import digest
from icemap.run_folder import ENSEMBLE_FORMAT
from icemap.store import exists, join, read_bytes, read_json, write_bytes, write_json

MANIFEST = "manifest.json"
FOREST = "forest.npz"
PROCESS = "process.npz"
# Keys of the manifest that say where an ensemble comes from and what it is about.
FACTS = ("predictors", "target", "samples", "config", "mean_weights", "trained_on")
CHECK_ROWS = 10
# Largest difference to the stored predictions, in units of the target's spread: numerical libraries
# differ in the last digits.
CHECK_TOLERANCE = 1e-6
# What a saved member may be made of, beyond what skops trusts by itself.
TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "icemap.ensemble.gam.SplineGAM",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMRegressor",
        "sklearn.tree._tree.Tree",
    }
)


class FittedEnsemble(Protocol):
    """What is written of an ensemble."""

    coding_: PredictorCoding
    tuning_: Tuning
    parts_: PoolParts | None
    replicates_: Sequence[Replicate]
    samples_: pd.DataFrame

    def get_params(self) -> dict[str, object]: ...

    def predict(self, X: ArrayLike) -> NDArray[np.float64]: ...


class SavedEnsemble(NamedTuple):
    """What is read of an ensemble."""

    parameters: dict[str, Any]
    coding: PredictorCoding
    tuning: Tuning
    replicates: list[Replicate]
    parts: PoolParts | None
    manifest: Mapping[str, Any]


def replicate_name(index: int) -> str:
    """Name of one replicate in the folder, such as ``s007``."""
    return f"s{index:03d}"


def save_replicate(url: str, index: int, replicate: Replicate) -> dict[str, str]:
    """Write one replicate.

    Parameters
    ----------
    url : str
        Folder of the ensemble.
    index : int
        Number of the replicate, from 0.
    replicate : Replicate

    Returns
    -------
    dict
        File name to SHA-256, for the manifest.
    """
    contents = {
        f"replicates/{replicate_name(index)}.skops": member_archive(replicate.members),
        f"replicates/{replicate_name(index)}.json": (
            json.dumps(
                {"bma": replicate.bma.to_dict(), "scale": replicate.scale.to_dict()},
                allow_nan=False,
            ).encode()
        ),
    }
    for name, content in contents.items():
        write_bytes(join(url, name), content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def save_parts(url: str, parts: PoolParts | None) -> dict[str, str]:
    """Write the quantile forest and the Gaussian process; file name to SHA-256, for the manifest;
    {} without them.
    """
    if parts is None:
        return {}
    arrays = {FOREST: parts.forest._asdict()}
    if parts.process is not None:
        arrays[PROCESS] = parts.process._asdict()
    files = {}
    for name, each in arrays.items():
        content = io.BytesIO()
        np.savez(content, **each)
        write_bytes(join(url, name), content.getvalue())
        files[name] = hashlib.sha256(content.getvalue()).hexdigest()
    return files


def write_manifest(
    ensemble: FittedEnsemble,
    url: str,
    files: dict[str, str],
    samples: pd.DataFrame,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Write what the replicates have in common, last of all: an ensemble without a manifest is not
    finished.

    Parameters
    ----------
    samples : DataFrame
        Training table; a few of its rows are stored with their predictions.
    facts : mapping, optional
        Whatever else belongs to the ensemble (units, digests of config and data).
    """
    import lightgbm
    import pyvinecopulib
    import sklearn

    import icemap

    coding, values = ensemble.coding_, predictors_of(samples, ensemble.coding_)
    rows = values[np.linspace(0, len(samples) - 1, CHECK_ROWS).astype(int)]
    write_json(
        join(url, MANIFEST),
        {
            "format": ENSEMBLE_FORMAT,
            "versions": {
                "icemap": icemap.__version__,
                "lightgbm": lightgbm.__version__,
                "pyvinecopulib": pyvinecopulib.__version__,
                "scikit-learn": sklearn.__version__,
            },
            "parameters": _plain(ensemble.get_params()),
            "coding": coding.to_dict(),
            "tuning": ensemble.tuning_.to_dict(),
            "splits": split_numbers(len(ensemble.replicates_)).tolist(),
            **({} if ensemble.parts_ is None else {"shares": asdict(ensemble.parts_.shares)}),
            "training_range": {
                name: [float(low), float(high)]
                for name, low, high in zip(
                    coding.names, values.min(axis=0), values.max(axis=0), strict=True
                )
            },
            "target_spread": float(samples["value"].std()),
            "mean_weights": _mean_weights(ensemble),
            "trained_on": len(samples),
            "files": files,
            "check": {"X": rows.tolist(), "mean": ensemble.predict(rows).tolist()},
            **(facts or {}),
        },
    )


def _mean_weights(ensemble: FittedEnsemble) -> dict[str, float]:
    """Mean over the replicates of the weight of each member and of the consensus."""
    names = [*ensemble.replicates_[0].members, CONSENSUS]
    weights = np.mean([replicate.bma.weights_ for replicate in ensemble.replicates_], axis=0)
    return {name: float(weight) for name, weight in zip(names, weights, strict=True)}


def save_ensemble(ensemble: FittedEnsemble, url: str) -> None:
    """Write a fitted ensemble; the check rows are made from the training ranges of its coding."""
    files = save_parts(url, ensemble.parts_)
    for index, replicate in enumerate(ensemble.replicates_):
        files |= save_replicate(url, index, replicate)
    write_manifest(ensemble, url, files, ensemble.samples_)


def read_replicate(
    url: str, index: int, files: dict[str, str], coding: PredictorCoding
) -> Replicate:
    """Read one replicate after checking its digests.

    Parameters
    ----------
    url : str
        Folder of the ensemble.
    index : int
        Number of the replicate, from 0.
    files : dict of str to str
        SHA-256 of each file, from the manifest.
    coding : PredictorCoding

    Raises
    ------
    IcemapError
        If a file is missing, changed, or made of types that are not allowed.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    name = f"replicates/{replicate_name(index)}"
    stored, described = (_verified(url, f"{name}{suffix}", files) for suffix in (".skops", ".json"))
    try:
        # It looks at every type before it makes anything.
        members = skops.io.loads(stored, trusted=sorted(TRUSTED))
    except UntrustedTypesFoundException as error:
        foreign = sorted(set(skops.io.get_untrusted_types(data=stored)) - TRUSTED)
        raise IcemapError(
            f"{url}/{name}.skops holds the type {foreign[0]}, which icemap does not load: train the"
            " ensemble again with members it knows."
        ) from error
    parts = json.loads(described)
    bma, scale = CopulaBMA.from_dict(parts["bma"]), TargetScale.from_dict(parts["scale"])
    return Replicate(members, bma, coding, scale)


def follows_published(parameters: Mapping[str, Any]) -> bool:
    """Whether an ensemble with these parameters follows the published recipe, which has no
    forest.
    """
    return bool(parameters.get("recipe") == "published")


def read_parts(url: str, manifest: Mapping[str, Any], coding: PredictorCoding) -> PoolParts | None:
    """Read the quantile forest and the Gaussian process after checking their digests; None for the
    published recipe.

    Parameters
    ----------
    url : str
        Folder of the ensemble.
    manifest : mapping
        From `read_manifest`.
    coding : PredictorCoding

    Raises
    ------
    IcemapError
        If a file is missing, changed, or holds something else.
    """
    if follows_published(manifest["parameters"]):
        return None
    with _arrays(url, FOREST, manifest, "quantile forest") as arrays:
        forest = QuantileForest(**arrays)
        forest.require_sound(len(coding.names))
    process = None
    if PROCESS in manifest["files"]:
        with _arrays(url, PROCESS, manifest, "Gaussian process") as arrays:
            process = GaussianProcess(**arrays)
            process.require_sound(len(coding.without_position().design_columns))
    return PoolParts(forest, process, Shares(**manifest["shares"]))


@contextmanager
def _arrays(url: str, name: str, manifest: Mapping[str, Any], what: str) -> Iterator[Any]:
    """The arrays of a file of the ensemble; what is wrong with them is said in one sentence."""
    content = io.BytesIO(_verified(url, name, manifest["files"]))
    try:
        with np.load(content, allow_pickle=False) as arrays:
            # It is written uncompressed; anything else could be far larger in memory than on disk.
            if any(part.compress_type != ZIP_STORED for part in arrays.zip.infolist()):
                raise ValueError("compressed")
            yield arrays
    except (BadZipFile, EOFError, IndexError, MemoryError, TypeError, ValueError) as error:
        raise IcemapError(
            f"{join(url, name)} is not a {what} of icemap's: train the ensemble again."
        ) from error


def read_manifest(url: str) -> Mapping[str, Any]:
    """The manifest of a finished ensemble."""
    if not exists(join(url, MANIFEST)):
        raise IcemapError(
            f"There is no finished ensemble at {url}: run 'icemap train' first, or correct the"
            " address."
        )
    manifest = dict(read_json(join(url, MANIFEST)))
    if manifest.get("format") != ENSEMBLE_FORMAT:
        raise IcemapError(
            f"{url}/{MANIFEST} has format {manifest.get('format')}, this version of icemap reads"
            f" {ENSEMBLE_FORMAT}: train the ensemble again."
        )
    return manifest


def manifest_digest(url: str) -> str:
    """Digest of all that a saved ensemble predicts with; other facts about it do not
    count.
    """
    return digest({key: value for key, value in read_manifest(url).items() if key not in FACTS})


def describe_ensemble(url: str, facts: Mapping[str, Any]) -> None:
    """Bring what a saved ensemble says about itself up to date."""
    write_json(join(url, MANIFEST), {**read_manifest(url), **facts})


def saved_parameters(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that an ensemble was made with."""
    parameters = dict(manifest["parameters"])
    parameters["members"] = tuple(parameters["members"])
    parameters["bounds"] = tuple(parameters["bounds"]) if parameters["bounds"] is not None else None
    return parameters


def read_ensemble(url: str) -> SavedEnsemble:
    """Read all parts of an ensemble, and what it predicted when it was saved.

    Raises
    ------
    IcemapError
        If anything is missing or changed.
    """
    manifest = read_manifest(url)
    parameters = saved_parameters(manifest)
    coding, files = PredictorCoding.from_dict(manifest["coding"]), manifest["files"]
    indices = range(parameters["replicates"])
    return SavedEnsemble(
        parameters,
        coding,
        Tuning.from_dict(manifest["tuning"]),
        [read_replicate(url, index, files, coding) for index in indices],
        read_parts(url, manifest, coding),
        manifest,
    )


def require_same_predictions(
    url: str, manifest: Mapping[str, Any], predicted: NDArray[np.float64]
) -> None:
    """Compare predictions for the stored rows with those of the time when the ensemble was saved.

    Parameters
    ----------
    url : str
        Folder of the ensemble.
    manifest : mapping
        From `read_manifest`; it holds the rows and what was predicted for them.
    predicted : ndarray of shape (rows,)
        Their means now, in units of the target.

    Raises
    ------
    IcemapError
        If they differ.
    """
    difference = float(np.abs(predicted - np.array(manifest["check"]["mean"])).max())
    if not difference <= CHECK_TOLERANCE * max(manifest["target_spread"], 1e-12):
        then = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
        raise IcemapError(
            f"The ensemble at {url} predicts its own check rows differently than when it was saved "
            f"(by {difference:.3g}): its libraries have changed ({then} then); install those, or "
            "train again."
        )


def _verified(url: str, name: str, files: dict[str, str]) -> bytes:
    content = read_bytes(join(url, name))
    if hashlib.sha256(content).hexdigest() != files.get(name):
        raise IcemapError(
            f"{url}/{name} is not the file that the manifest describes (SHA-256 differs): "
            f"restore it, or delete {url}/{MANIFEST} to have the ensemble trained again."
        )
    return content


def _plain(parameters: Mapping[str, Any]) -> dict[str, object]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in parameters.items()
    }
