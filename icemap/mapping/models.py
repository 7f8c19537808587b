"""Where a model that predicts comes from: a fit in memory, or a saved ensemble, and how it reaches
the workers of a cluster.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.config_sections import TargetConfig
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.saved import (
    MANIFEST,
    describe_ensemble,
    read_manifest,
    save_ensemble,
)
from icemap.errors import IcemapError
from icemap.mapping.broadcast import Predictor, ensemble_digest, get_predictor
from icemap.mapping.compiled_file import COMPILED, write_compiled
from icemap.run_folder import APPLICABILITY, CALIBRATION, RunFolder
from icemap.store import exists, join, write_json


class Model(Protocol):
    """What predicts, with the name of its target and the units of its predictors."""

    @property
    def target(self) -> TargetConfig: ...

    @property
    def units(self) -> Mapping[str, str]: ...

    def predictor(self) -> Predictor: ...

    def ensemble(self) -> IceEnsemble: ...

    def carried(self) -> Any:
        """What the tasks of a Dask graph are given, see `unpacked`."""
        ...

    def save(self, url: str) -> None: ...


@dataclass(frozen=True)
class SavedAddress:
    """Address and digest of a saved ensemble: each process loads it once."""

    url: str
    digest: str


def unpacked(carried: Predictor | SavedAddress) -> Predictor:
    """The predictor that a task was given, or the address of."""
    if isinstance(carried, SavedAddress):
        return get_predictor(carried.url, carried.digest)
    return carried


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A fit in memory.

    Attributes
    ----------
    X, y : ndarray of shape (n, predictors), (n,)
        The distinct samples.
    name : str
        Of the predictor in a Dask graph.
    """

    fitted: IceEnsemble
    compiled: Predictor
    target: TargetConfig
    units: Mapping[str, str]
    X: NDArray[np.float64]
    y: NDArray[np.float64]
    name: str = field(default_factory=lambda: f"icemap-predictor-{uuid.uuid4().hex}")

    def predictor(self) -> Predictor:
        return self.compiled

    def ensemble(self) -> IceEnsemble:
        return self.fitted

    def carried(self) -> Any:
        """One key of the graph, on which all tasks depend: a worker fetches it once, and a worker
        that comes later too.
        """
        from dask import delayed

        return delayed(self.compiled, name=self.name, pure=True, traverse=False)

    def save(self, url: str) -> None:
        names = list(self.fitted.coding_.names)
        if "value" in names:
            raise IcemapError(
                "A predictor is named 'value', which is the target's column in a saved ensemble:"
                " rename the predictor."
            )
        samples = pd.DataFrame(self.X, columns=names).assign(value=self.y)
        self.fitted.samples_ = samples
        save_ensemble(self.fitted, url)
        facts = {
            "predictors": {name: {"unit": self.units.get(name, "")} for name in names},
            "target": self.target.model_dump(mode="json"),
        }
        describe_ensemble(url, facts)
        write_json(join(url, CALIBRATION), self.compiled.calibration.to_dict())
        write_json(join(url, APPLICABILITY), self.compiled.applicability.to_dict())
        write_compiled(self.fitted, url, self.X)


@dataclass(frozen=True)
class SavedModel:
    """A saved ensemble; parts of it are read when they are first asked for."""

    url: str
    digest: str
    parameters: Mapping[str, Any]
    target: TargetConfig
    units: Mapping[str, str]

    def predictor(self) -> Predictor:
        return get_predictor(self.url, self.digest)

    def ensemble(self) -> IceEnsemble:
        return IceEnsemble.load(self.url)

    def carried(self) -> SavedAddress:
        return SavedAddress(self.url, self.digest)

    def save(self, url: str) -> None:
        raise IcemapError(f"This ensemble is saved at {self.url}: copy that folder.")


def ensemble_url(url: str | PathLike[str]) -> str:
    """Where the ensemble is, given its address or that of its run."""
    url = fspath(url)
    of_run = RunFolder(url.rstrip("/")).ensemble
    return of_run if not exists(join(url, MANIFEST)) and exists(join(of_run, MANIFEST)) else url


def open_saved(url: str) -> SavedModel:
    """A saved ensemble with its calibration and applicability, at its address or that of its run.

    Raises
    ------
    IcemapError
        Naming what is missing.
    """
    url = ensemble_url(url)
    manifest = read_manifest(url)
    missing = [
        name for name in (CALIBRATION, APPLICABILITY, COMPILED) if not exists(join(url, name))
    ]
    if missing:
        raise IcemapError(
            f"The ensemble at {url} has no {missing[0]}: run 'icemap verify' for its config, which"
            " says where a map may be trusted and how wide its intervals are."
        )
    parameters = dict(manifest["parameters"])
    parameters["members"] = tuple(parameters["members"])
    if parameters["bounds"] is not None:
        parameters["bounds"] = tuple(parameters["bounds"])
    said = manifest.get("target", {"bounds": parameters["bounds"]})
    units = {name: facts.get("unit", "") for name, facts in manifest.get("predictors", {}).items()}
    return SavedModel(url, ensemble_digest(url), parameters, TargetConfig(**said), units)
