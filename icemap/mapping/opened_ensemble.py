"""A saved ensemble opened for use: it predicts in one pass over all replicates, as the map is made,
and its replicates are read when they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, overload

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from icemap.cards import card, target_text, weights_text
from icemap.config_sections import TargetConfig
from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.inputs import predictors_of, vectors_of
from icemap.ensemble.model import IceEnsemble, Prediction
from icemap.ensemble.replicates import Replicate
from icemap.ensemble.saved import (
    read_manifest,
    read_parts,
    read_replicate,
    require_same_predictions,
    saved_parameters,
)
from icemap.ensemble.tuning import Tuning
from icemap.mapping.chunk import mean_and_spread
from icemap.mapping.compiled_ensemble import BATCH, CompiledEnsemble
from icemap.mapping.compiled_file import compiled_misfit, read_compiled
from icemap.mapping.lazy import is_dataset, predict_dataset
from icemap.mapping.models import ensemble_url, open_saved
from icemap.names import model_in_words

LEVELS = (0.025, 0.975)
log = logging.getLogger(__name__)


class SavedReplicates(Sequence[Replicate]):
    """The replicates of a saved ensemble, each read and checked when it is first asked for."""

    def __init__(
        self, url: str, files: Mapping[str, str], coding: PredictorCoding, count: int
    ) -> None:
        self._place = url, dict(files), coding
        self._numbers = range(count)
        self._read: dict[int, Replicate] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Replicate: ...

    @overload
    def __getitem__(self, index: slice) -> list[Replicate]: ...

    def __getitem__(self, index: int | slice) -> Replicate | list[Replicate]:
        if isinstance(index, slice):
            return [self[number] for number in self._numbers[index]]
        number = self._numbers[index]
        if number not in self._read:
            url, files, coding = self._place
            self._read[number] = read_replicate(url, number, files, coding)
        return self._read[number]

    def __iter__(self) -> Iterator[Replicate]:
        return (self[number] for number in self._numbers)


class OpenedEnsemble(IceEnsemble):
    """What `open_ensemble` gives: an `IceEnsemble` whose `predict` and `predict_all` say, bit for
    bit, what ``icemap map`` writes.

    ``replicates_`` reads a replicate when it is asked for; `member_predictions` asks the members
    themselves, and so reads all of them. Without a compiled ensemble that fits, everything is asked
    of the members.
    """

    url_: str
    compiled_: CompiledEnsemble | None
    manifest_: Mapping[str, Any]

    # What scikit-learn shows in Jupyter, where its own is a diagram of the parameters.
    def _html_repr(self) -> str:
        manifest = self.manifest_
        target = TargetConfig(**manifest.get("target", {"bounds": self.bounds}))
        return card(
            "Ensemble",
            {
                "address": self.url_,
                "target": target_text(target.long_name, target.unit, target.bounds),
                "predictors": ", ".join(self.coding_.names),
                "samples": f"{manifest['trained_on']:,}" if "trained_on" in manifest else "",
                "replicates": f"{self.replicates:,}",
                "members": ", ".join(map(model_in_words, self.members)),
                "weights": weights_text(manifest.get("mean_weights", {})),
            },
        )

    def predict(self, X: Any) -> Any:
        """Mean over the replicates, shape (n,), for a DataFrame or an array with the predictors;
        for an xarray.Dataset, a lazy Dataset with the variables of a map.
        """
        if is_dataset(X):
            return predict_dataset(X, open_saved(self.url_))
        return super().predict(X)

    def fit(self, samples: pd.DataFrame) -> OpenedEnsemble:
        """Train with the same parameters on other samples; see `IceEnsemble.fit`."""
        self.compiled_ = None
        super().fit(samples)
        return self

    def predict_all(self, X: Any) -> Prediction:
        """Mean, spread, 95 % interval as it is before calibration, and flags for predictors of
        shape (n, predictors); see `IceEnsemble.predict_all`.
        """
        check_is_fitted(self, "replicates_")
        if self.compiled_ is None:
            return super().predict_all(X)
        values = self.coding_.require_values(predictors_of(X, self.coding_))
        # No pixels are predicted as one batch of none.
        starts = range(0, len(values), BATCH) or range(1)
        vectors = vectors_of(X)
        parts = [
            _predicted(
                self.compiled_,
                values[start : start + BATCH],
                None if vectors is None else vectors[start : start + BATCH],
            )
            for start in starts
        ]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in Prediction.__dataclass_fields__
        }
        return Prediction(**joined)


def open_ensemble(url: str | PathLike[str]) -> IceEnsemble:
    """Open a saved ensemble from a folder or bucket, its own or that of its run.

    Its predictions are those of ``icemap map``, to the bit, and agree with the members' own to
    0.001 % of the target's range; what belongs to single replicates is read when it is asked for.

    Raises
    ------
    IcemapError
        If a file is missing or changed, or predicts something else than when it was saved.
    """
    url = ensemble_url(url)
    manifest = read_manifest(url)
    ensemble = OpenedEnsemble(**saved_parameters(manifest))
    ensemble.url_, ensemble.manifest_ = url, manifest
    coding = PredictorCoding.from_dict(manifest["coding"])
    ensemble.columns_ = ensemble.coding_ = coding
    ensemble.tuning_ = Tuning.from_dict(manifest["tuning"])
    ensemble.replicates_ = SavedReplicates(url, manifest["files"], coding, ensemble.replicates)
    misfit = compiled_misfit(url)
    ensemble.compiled_ = None if misfit else read_compiled(url)
    if ensemble.compiled_ is None:
        log.warning("%s Until then the members are asked one by one, which is slow.", misfit)
        ensemble.parts_ = read_parts(url, manifest, coding)
        check = manifest["check"]
        require_same_predictions(url, manifest, ensemble.predict(np.array(check["X"])))
    else:
        ensemble.parts_ = ensemble.compiled_.parts
    return ensemble


def _predicted(compiled: CompiledEnsemble, X: np.ndarray, vectors: np.ndarray | None) -> Prediction:
    n = len(X)
    if n == 0:
        none, flags = np.empty(0), np.empty(0, dtype=bool)
        return Prediction(none, none, none, none, np.empty((compiled.replicates, 0)), flags, flags)
    padded, where = compiled.whole_packets(X, vectors)
    codes, design, unseen = compiled.code(padded)
    F = compiled.predict_members(padded, codes, design)
    partners = compiled.partners(codes, design, where)
    means, ends, extrapolated = compiled.pool(F, partners, np.array(LEVELS))
    mean, spread = mean_and_spread(means)
    return Prediction(
        mean[:n],
        spread[:n],
        ends[:n, 0],
        ends[:n, 1],
        means[:, :n].astype(np.float64),
        extrapolated[:n],
        unseen[:n],
    )
