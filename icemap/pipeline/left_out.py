"""The forecasts of the samples that folds leave out: fold by fold on the workers, then joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from icemap.errors import IcemapError
from icemap.names import model_in_words
from icemap.pipeline.learning import one_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from icemap.ensemble.model import IceEnsemble
    from icemap.pipeline.steps import Context
    from icemap.verification.cross_validation import Fold
    from icemap.verification.learning_curve import LearnedPart
    from icemap.verification.records import (
        FailedFold,
        FoldRecord,
        LeftOutForecasts,
        PermutedErrors,
    )


@dataclass(frozen=True)
class LeftOut:
    """Forecasts of the samples that folds left out.

    Attributes
    ----------
    by_kind : dict
        Kind of folds to what `icemap.verification.cross_validation.gather` makes of its folds.
    permuted : list of dict
        Errors with permuted predictors, by fold.
    notes : list of str
        What had to be left out.
    failed : list of dict
        ``fold`` and ``reason`` of those that could not be fitted.
    shares : list of float
        Share of climatology in the pool of each headline fold.
    learned : list of LearnedPart
        Forecasts of the headline folds from parts of their training sides.
    """

    by_kind: dict[str, LeftOutForecasts]
    permuted: list[PermutedErrors]
    notes: list[str]
    failed: list[dict[str, str]]
    shares: list[float]
    learned: list[LearnedPart]


def left_out_forecasts(
    context: Context,
    ensemble: IceEnsemble,
    samples: pd.DataFrame,
    labels: Mapping[str, NDArray[np.int64]],
    competitors: Sequence[str],
) -> LeftOut:
    """Every fold's forecasts; a fold that fails is named, and the others are scored."""
    import numpy as np

    from icemap.boreholes.pseudo import is_pseudo
    from icemap.running.run import Job
    from icemap.verification.cross_validation import Fold, gather
    from icemap.verification.cv_schemes import KIND_NAMES, headline, importance_kind
    from icemap.verification.learning_curve import gather_parts

    items = [
        Fold(kind, int(number))
        for kind, folds in labels.items()
        for number in np.unique(folds[folds >= 0])
    ]
    nested = not context.config.quick
    work = VerifyFold(ensemble, samples, labels, competitors, nested)
    found = dict(
        zip(
            sorted(item.key for item in items),
            context.run_job(Job("verify", items, work, unit="folds"), "verify"),
            strict=True,
        )
    )
    failed = [
        {"fold": item.key, "reason": cast("FailedFold", found[item.key])["failed"]}
        for item in items
        if "failed" in found[item.key]
    ]
    scored = [item for item in items if "failed" not in found[item.key]]
    records = {item.key: cast("FoldRecord", found[item.key]) for item in scored}
    by_kind = {}
    for kind in labels:
        chosen = [item for item in scored if item.kind == kind]
        if chosen:
            here = np.isin(labels[kind], [item.number for item in chosen])
            rows = np.flatnonzero(here & ~is_pseudo(samples))
            by_kind[kind] = gather([records[item.key] for item in chosen], rows)
    leading = headline(labels)
    if leading not in by_kind:
        first = failed[0]
        raise IcemapError(
            f"No {KIND_NAMES[leading]} fold could be verified: without fold {first['fold']},"
            f" {first['reason']}"
        )
    dropped = sorted({name for item in scored for name in records[item.key]["left_out"]})
    notes = [
        f"{model_in_words(name)} is left out: the training side of a fold has too few samples"
        " for it"
        for name in dropped
    ]
    notes += [
        f"fold {entry['fold']} could not be fitted and is not scored: {entry['reason']}"
        for entry in failed
    ]
    notes += [
        f"{KIND_NAMES[kind]} are left out: none of these folds could be fitted"
        for kind in labels
        if kind not in by_kind
    ]
    asked = importance_kind(labels)
    permuted = [records[item.key]["permuted"] for item in scored if item.kind == asked]
    shares = [records[item.key]["climatology"] for item in scored if item.kind == leading]
    learned = gather_parts([records[item.key] for item in scored if item.kind == leading])
    return LeftOut(by_kind, permuted, notes, failed, shares, learned)


@dataclass(frozen=True)
class VerifyFold:
    """Fits and scores without one fold on a worker, tuned without it if ``nested``.

    A fold that cannot be fitted is recorded with its reason (``failed``): the others are scored.
    """

    ensemble: IceEnsemble
    samples: pd.DataFrame
    labels: Mapping[str, NDArray[np.int64]]
    competitors: Sequence[str] = ()
    nested: bool = True

    def __call__(self, item: Fold) -> FoldRecord | FailedFold:
        from icemap.verification.cross_validation import verify_fold
        from icemap.verification.cv_schemes import headline, importance_kind, kinds_of_published
        from icemap.verification.published import PUBLISHED

        spared = () if item.kind in kinds_of_published(self.labels) else (PUBLISHED,)
        labels, importance = self.labels[item.kind], item.kind == importance_kind(self.labels)
        try:
            return verify_fold(
                self.ensemble,
                self.samples,
                labels,
                item.number,
                [name for name in self.competitors if name not in spared],
                importance=importance,
                nested=self.nested,
                # A preview is spared these fits, as it is spared tuning in each fold.
                learning=self.nested and item.kind == headline(self.labels),
            )
        # Estimators and copulas say by either what is wrong with a training side.
        except (ValueError, RuntimeError) as error:
            return {"failed": one_line(error)}
