"""What workers do besides chunks: tune a member, train a replicate, verify a fold, find what predictors and sites do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.ensemble.members import CONSENSUS
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.replicates import weighed_table
from icemap.ensemble.saved import replicate_name, save_replicate
from icemap.ensemble.tuning import Tuning, tune_member, tune_pool
from icemap.errors import IcemapError
from icemap.mapping.broadcast import get_predictor
from icemap.mapping.places import CubePlaces, map_places
from icemap.predictors.cube import open_cube
from icemap.verification.cross_validation import Fold, verify_fold
from icemap.verification.influence import explain
from icemap.verification.kinds import importance_kind
from icemap.verification.leverage import next_boreholes, site_table
from icemap.verification.scores import held_out_scores


@dataclass(frozen=True)
class TuningItem:
    """One member to be tuned, or the consensus: how the members are pooled, once they are tuned."""

    member: str

    @property
    def key(self) -> str:
        return f"tune-{self.member}"


@dataclass(frozen=True)
class TuneEnsemble:
    """Chooses the settings of one member, or how the members are pooled, on a worker."""

    ensemble: IceEnsemble
    samples: pd.DataFrame

    def __call__(self, item: TuningItem) -> dict[str, Any]:
        ensemble = self.ensemble
        try:
            table, variance = weighed_table(ensemble.table(self.samples), ensemble.options, ensemble.coding_, ensemble.seed)
            options = replace(ensemble.options, model_variance=variance)
            if item.member == CONSENSUS:
                return tune_pool(table, options, ensemble.coding_, ensemble.seed, **ensemble.chosen).to_dict()
            settings, record = tune_member(item.member, table, options, ensemble.coding_, ensemble.candidates, ensemble.seed)
        except ValueError as problem:
            raise IcemapError(f"The member '{item.member}' cannot be tuned: {_one_line(problem)}") from problem
        return Tuning({item.member: settings}, model_variance=variance, record=record).to_dict()


@dataclass(frozen=True)
class ReplicateItem:
    """One replicate to be trained."""

    index: int

    @property
    def key(self) -> str:
        return replicate_name(self.index)


@dataclass(frozen=True)
class TrainReplicate:
    """Trains and writes one replicate on a worker."""

    ensemble: IceEnsemble
    samples: pd.DataFrame
    url: str

    def __call__(self, item: ReplicateItem) -> dict[str, Any]:
        try:
            replicate = self.ensemble.fit_one(self.samples, item.index)
        except ValueError as problem:
            raise IcemapError(f"Replicate {item.key} cannot be trained: {_one_line(problem)}") from problem
        held_out = self.ensemble.table(self.samples).take(self.ensemble.held_out_[item.index])
        F = replicate.member_predictions(held_out.X)
        scores = held_out_scores(replicate.bma, F, held_out.y, held_out.error)
        weights = dict(zip((*self.ensemble.members, CONSENSUS), [float(w) for w in replicate.bma.weights_], strict=True))
        seconds = {name: round(value, 3) for name, value in replicate.seconds.items()}
        return {"files": save_replicate(self.url, item.index, replicate), "held_out": scores, "weights": weights, "cpu_seconds": seconds}


@dataclass(frozen=True)
class VerifyFold:
    """Fits and scores without one fold on a worker.

    A fold that cannot be fitted is recorded with its reason (``failed``): the others are scored.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    labels: Mapping[str, NDArray[np.int64]]
    competitors: Sequence[str] = ()

    def __call__(self, item: Fold) -> dict[str, Any]:
        labels, importance = self.labels[item.kind], item.kind == importance_kind(self.labels)
        try:
            return verify_fold(
                self.ensemble,
                self.samples,
                labels,
                item.number,
                self.competitors,
                importance=importance,
            )
        # Estimators and copulas say by either what is wrong with a training side.
        except (ValueError, RuntimeError) as error:
            return {"failed": _one_line(error)}


@dataclass(frozen=True)
class Influence:
    """One part of what is asked about influence: ``predictors``, or ``sites``."""

    key: str


INFLUENCE = (Influence("predictors"), Influence("sites"))


@dataclass(frozen=True)
class FindInfluence:
    """On a worker, asks one replicate fitted to all samples what each predictor does, and the trained ensemble what each site means for the map.

    Attributes
    ----------
    ensemble : IceEnsemble
        Prepared, not fitted.
    residual : ndarray of shape (n,)
        Observed minus predicted for each sample where it was left out.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    ensemble_url: str
    ensemble_digest: str
    cube_url: str
    places: CubePlaces
    residual: NDArray[np.float64]

    def __call__(self, item: Influence) -> dict[str, Any]:
        try:
            return explain(self.ensemble, self.samples) if item.key == "predictors" else self._sites()
        except ValueError as error:
            raise IcemapError(f"The influence of the {item.key} cannot be found: {_one_line(error)}") from error

    def _sites(self) -> dict[str, Any]:
        predictor = get_predictor(self.ensemble_url, self.ensemble_digest)
        applicability, on_map = predictor.applicability, map_places(open_cube(self.cube_url), self.places, predictor)
        sites = site_table(self.samples, applicability, on_map, self.ensemble.held_out_, self.residual)
        return {"sites": sites, "next_boreholes": next_boreholes(applicability, on_map), "places": len(on_map.mean)}


def _one_line(error: Exception) -> str:
    """What an estimator says of its input, which it says by ValueError."""
    return " ".join(str(error).split())
