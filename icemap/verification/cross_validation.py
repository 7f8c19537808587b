"""The whole chain, fitted without a part of the sites and scored on that part, beside its competitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.ensemble.baselines import BestMember, EqualWeights, GaussianBMA
from icemap.ensemble.bma import CopulaBMA
from icemap.ensemble.copulas import Copula
from icemap.ensemble.folds import block_folds, cell_folds, knndm_folds
from icemap.ensemble.model import IceEnsemble, replicate_seed
from icemap.ensemble.replicates import TrainingTable, fit_replicate

Array = NDArray[np.float64]
KINDS = ("cell", "block", "knndm")
KIND_NAMES = {"cell": "random, by grid cell", "block": "spatial blocks", "knndm": "kNNDM"}
COVERAGES = (0.5, 0.8, 0.9, 0.95)
MODEL = "COP-BMA"
# Levels at which quantiles are kept, dense in the tails, where calibrated intervals end.
_TAIL = np.array([0.0, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2])
TAIL_LEVELS = np.concatenate([_TAIL, 1 - _TAIL[::-1]])


@dataclass(frozen=True)
class Fold:
    """One part of the sites to be left out."""

    kind: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.kind}-{self.number:02d}"


def fold_labels(kind: str, table: TrainingTable, folds: int, block_degrees: float, domain: tuple[Array, Array], seed: int) -> NDArray[np.int64]:
    """Fold of each sample, shape (n,).

    Parameters
    ----------
    kind : "cell", "block" or "knndm"
    domain : (longitudes, latitudes)
        Places that stand for the map, for kNNDM.
    """
    if kind == "cell":
        return cell_folds(table.cell, folds, seed)
    if kind == "block":
        return block_folds(table.longitude, table.latitude, block_degrees, folds, seed)
    return knndm_folds(table.longitude, table.latitude, *domain, folds, seed)


def verify_fold(ensemble: IceEnsemble, samples: pd.DataFrame, labels: NDArray[np.int64], fold: int) -> dict[str, Any]:
    """Fit without one fold, predict it with every model, and score each prediction.

    Parameters
    ----------
    ensemble : IceEnsemble
        Prepared, not necessarily fitted: its options and coding are used.
    labels : ndarray of shape (n,)

    Returns
    -------
    dict
        ``rows`` (positions of the test samples), ``y``, and per model ``mean``, ``pit``, ``crps``, ``log_density`` and ``interval`` per coverage.
    """
    table = ensemble.table(samples)
    test = labels == fold
    training = table.take(~test)
    replicate = fit_replicate(training, ensemble.options, ensemble.coding_, replicate_seed(ensemble.seed, fold))
    F = replicate.member_predictions(table.X[test])
    y = table.y[test]
    models: dict[str, Any] = {MODEL: replicate.bma}
    assert replicate.out_of_fold is not None
    for name, competitor in {"Gaussian BMA": GaussianBMA(), "equal weights": EqualWeights(), "best member": BestMember()}.items():
        models[name] = competitor.fit(replicate.out_of_fold, training.y, sample_weight=training.weight)
    models["climatology"] = _climatology(replicate.bma)
    return {
        "rows": np.flatnonzero(test).tolist(),
        "y": y.tolist(),
        "models": {name: _predictions(model, F, y, with_quantiles=name == MODEL) for name, model in models.items()},
        "members": {name: F[:, k].tolist() for k, name in enumerate(ensemble.members)},
    }


def _climatology(bma: CopulaBMA) -> CopulaBMA:
    """The distribution of the training values alone: a member that knows nothing."""
    margin = bma.target_margin_
    return CopulaBMA.from_parts(margin, [margin] * len(bma.copulas_), [Copula("independence", ())] * len(bma.copulas_), bma.weights_, bounds=bma.bounds)


def _predictions(model: Any, F: Array, y: Array, *, with_quantiles: bool) -> dict[str, Any]:
    density = np.maximum(model.pdf(F, y), np.finfo(float).tiny)
    quantiles = {"quantiles": model.predict_quantile(F, TAIL_LEVELS).tolist()} if with_quantiles else {}
    return {
        **quantiles,
        "mean": model.predict(F).tolist(),
        # A mixture's weights add up to 1 but for the last digit.
        "pit": np.clip(model.pit(F, y), 0.0, 1.0).tolist(),
        "crps": model.crps(F, y).tolist(),
        "log_density": np.log(density).tolist(),
        "interval": {f"{coverage:g}": model.interval(F, coverage).tolist() for coverage in COVERAGES},
    }


def gather(records: Sequence[Mapping[str, Any]], n: int) -> dict[str, Any]:
    """Join the records of all folds of one kind in the order of the samples."""
    order = np.concatenate([np.asarray(record["rows"], dtype=int) for record in records])
    if len(np.unique(order)) != n:
        raise ValueError(f"the folds hold {len(np.unique(order))} of {n} samples: each sample must be left out exactly once.")
    back = np.argsort(order)

    def joined(pick: Any) -> Array:
        return np.concatenate([np.asarray(pick(record), dtype=float) for record in records])[back]

    models = {}
    for name in records[0]["models"]:
        fields: dict[str, Any] = {field: joined(lambda r, f=field, m=name: r["models"][m][f]) for field in ("mean", "pit", "crps", "log_density")}
        if name == MODEL:
            fields["quantiles"] = joined(lambda r, m=name: r["models"][m]["quantiles"])
        fields["interval"] = {c: joined(lambda r, c=c, m=name: r["models"][m]["interval"][c]) for c in records[0]["models"][name]["interval"]}
        models[name] = fields
    return {"y": joined(lambda r: r["y"]), "models": models, "members": {name: joined(lambda r, m=name: r["members"][m]) for name in records[0]["members"]}}
