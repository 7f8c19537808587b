"""The whole chain, fitted without a part of the sites and scored on that part, next to its
competitors.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.ensemble.baselines import BestMember, EqualWeights, GaussianBMA
from icemap.ensemble.bma import CopulaBMA
from icemap.ensemble.copulas import Copula
from icemap.ensemble.fitting import fit_target_margin
from icemap.ensemble.model import IceEnsemble, replicate_seed
from icemap.ensemble.pool_parts import PoolParts
from icemap.ensemble.pooled import PooledMixture
from icemap.ensemble.predictor_weights import predictor_weights
from icemap.ensemble.replicates import Replicate, TrainingOptions, TrainingTable, fit_replicate
from icemap.verification.applicability import Applicability
from icemap.verification.competitors import COMPETITORS
from icemap.verification.importance import ReplicateMean, permuted_errors
from icemap.verification.learning_curve import learning_part, nested_parts
from icemap.verification.measured import measured_forecast
from icemap.verification.published import PUBLISHED, REPLICATES, PublishedFit
from icemap.verification.records import (
    FoldRecord,
    Forecast,
    ForecastRecord,
    LearningPart,
    LeftOutForecasts,
)
from icemap.verification.scores import COVERAGES
from icemap.verification.sides import Sides
from icemap.verification.transformed import TRANSFORMED, transformed_pool

Array = NDArray[np.float64]
#: What is mapped, but for the recipe as printed: COP-BMA pooled with a quantile forest and a
#: Gaussian process.
MODEL = "icemap"
WITHOUT_BMA = "pool without COP-BMA"
# Levels at which quantiles are kept, dense in the tails, where calibrated intervals end.
_TAIL = np.array(
    [0.0, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2]
)
TAIL_LEVELS = np.concatenate([_TAIL, 1 - _TAIL[::-1]])


@dataclass(frozen=True)
class Fold:
    """One part of the sites to be left out."""

    kind: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.kind}-{self.number:02d}"


def verify_fold(
    ensemble: IceEnsemble,
    samples: pd.DataFrame,
    labels: NDArray[np.int64],
    fold: int,
    competitors: Sequence[str] = (),
    *,
    importance: bool = False,
    nested: bool = True,
    learning: bool = False,
) -> FoldRecord:
    """Tune and fit without one fold, predict it with every model, and score each prediction.

    Parameters
    ----------
    ensemble : IceEnsemble
        Prepared and, unless ``nested``, tuned; not necessarily fitted: its options and coding are
        used.
    samples : DataFrame
        All samples, as `IceEnsemble.table` takes them.
    labels : ndarray of shape (n,)
        Fold of each sample.
    fold : int
        The label of the samples to be left out. Those of them that are pseudo-sites are not scored.
    competitors : sequence of str
        Of `icemap.verification.competitors.COMPETITORS`, or
        `icemap.verification.published.PUBLISHED`.
    importance : bool
        Also measure the error with each predictor permuted.
    nested : bool
        Tune without the fold. Otherwise the settings are those of the ensemble, in whose choice the
        fold had a part: cheaper, and flattering.
    learning : bool
        Also score what is mapped when it is fitted to parts of the training side, with the options
        of the whole; not with the published recipe.

    Returns
    -------
    FoldRecord
    """
    table = ensemble.table(samples)
    left_out = labels == fold
    test = left_out & table.drilled
    training = table.take(~left_out)
    seed = replicate_seed(ensemble.seed, fold)
    published = ensemble.followed.published
    # What the tuning of all samples found on its way is of other rows than these.
    chosen = (
        ensemble.tune(training) if nested else replace(ensemble.tuning_, left_out=None, kernel=None)
    )
    # Of this fold alone: another one may choose other predictors.
    ensemble = copy(ensemble)
    ensemble.adopt(chosen)
    coding, options = ensemble.coding_, ensemble.options
    table, training = table.seen_by(coding), training.seen_by(coding)
    replicate = fit_replicate(training, options, coding, seed, chosen.left_out)
    parts = ensemble.fit_parts(training, kernel=chosen.kernel)
    X, y = table.X[test], table.y[test]
    error = None if table.error is None else table.error[test]
    weighed = training.weighed(options.model_variance)
    climatology = _climatology(replicate, weighed)
    if published:
        scaled = replicate.member_predictions(X)
        models = {"climatology": _truth_forecast(climatology, scaled, y, error)}
    else:
        mixture = PooledMixture([replicate.bma])
        models = {
            MODEL: _mapped_forecast(mixture, replicate, parts, ensemble, table.take(test)),
            **_without_bma(mixture, replicate, parts, ensemble, table.take(test)),
            **_pooled_forecasts(replicate, weighed, ensemble, X, y, error),
            "climatology": _truth_forecast(climatology, replicate.member_predictions(X), y, error),
        }
    if published or PUBLISHED in competitors:
        count = min(ensemble.replicates, REPLICATES)
        fitted = PublishedFit.of(training, options, coding.without_position(), count, seed)
        models |= {row: _plain(found) for row, found in fitted.forecasts(X, y).items()}
    sides = Sides(
        weighed,
        table.take(test),
        coding.class_columns,
        ensemble.bounds,
        ensemble.block_degrees,
        seed,
        coding.placed,
    )
    unfitted = []
    for name in competitors:
        if name == PUBLISHED:
            continue
        forecast = COMPETITORS[name](sides)
        if forecast is None:
            unfitted.append(name)
        else:
            models[name] = _plain(forecast)
    sites = coding.design(training.X)
    dissimilarity = Applicability.fit(sites, predictor_weights(sites, training.y, seed)).index(
        coding.design(X)
    )
    record: FoldRecord = {
        "rows": np.flatnonzero(test).tolist(),
        "y": y.tolist(),
        "dissimilarity": dissimilarity.tolist(),
        "models": models,
        "left_out": unfitted,
        "climatology": options.climatology,
    }
    if importance:
        model = ReplicateMean(replicate, parts)
        record["permuted"] = permuted_errors(model, X, y, coding.names, seed)
    if learning and not published:
        whole = learning_part(1.0, training, models[MODEL])
        smaller = _from_parts(training, options, ensemble, table.take(test), seed)
        record["learning"] = [*smaller, whole]
    return record


def _from_parts(
    training: TrainingTable,
    options: TrainingOptions,
    ensemble: IceEnsemble,
    left_out: TrainingTable,
    seed: int,
) -> list[LearningPart]:
    """The forecasts of the map from parts of the training side. One that cannot be fitted, as of
    a few sites with one value, is left out.
    """
    found = []
    for share, rows in nested_parts(training, ensemble.block_degrees, seed).items():
        side = training.take(rows)
        try:
            replicate = fit_replicate(side, options, ensemble.coding_, seed)
            parts = ensemble.fit_parts(side)
            mixture = PooledMixture([replicate.bma])
            forecast = _mapped_forecast(mixture, replicate, parts, ensemble, left_out)
        except (ValueError, RuntimeError):
            continue
        found.append(learning_part(share, side, forecast))
    return found


def mapped_model(models: Container[str]) -> str:
    """Of the names of models in a verification, that of what is mapped."""
    return MODEL if MODEL in models else PUBLISHED


def _mapped_forecast(
    mixture: PooledMixture,
    replicate: Replicate,
    parts: PoolParts | None,
    ensemble: IceEnsemble,
    left_out: TrainingTable,
) -> ForecastRecord:
    """The forecast of the map: COP-BMA and the other parts of the pool. Samples with errors are
    forecast as they were measured.
    """
    y = left_out.y
    F = replicate.member_predictions(left_out.X)[None]
    coding, vectors = ensemble.coding_, left_out.vectors
    partners = None if parts is None else parts.at_coded(coding, left_out.X, vectors)
    curves = mixture.curves(F, partners)
    if left_out.error is not None:
        forecast = measured_forecast(
            curves.at_values,
            mixture.span,
            y,
            left_out.error,
            COVERAGES,
            TAIL_LEVELS,
            ensemble.bounds,
        )
        forecast["mean"] = mixture.replicate_means(F, partners)[0]
        return _plain(forecast)
    tails = np.array([[(1 - coverage) / 2, (1 + coverage) / 2] for coverage in COVERAGES])
    levels = np.concatenate([TAIL_LEVELS, tails.ravel()])
    means, quantiles, _ = mixture.summary(F, levels, partners)
    ends = quantiles[:, len(TAIL_LEVELS) :].reshape(len(y), len(COVERAGES), 2)
    return _plain(
        {
            "quantiles": quantiles[:, : len(TAIL_LEVELS)],
            "mean": means[0],
            "pit": curves.pit(y),
            "crps": curves.crps(y),
            "log_density": np.log(np.maximum(curves.pdf(y), np.finfo(float).tiny)),
            "interval": {f"{coverage:g}": ends[:, k] for k, coverage in enumerate(COVERAGES)},
        }
    )


def _without_bma(
    mixture: PooledMixture,
    replicate: Replicate,
    parts: PoolParts | None,
    ensemble: IceEnsemble,
    left_out: TrainingTable,
) -> dict[str, ForecastRecord]:
    """The forecast of the other parts of the pool alone: what COP-BMA adds to them."""
    if parts is None or parts.process is None:
        return {}
    others = replace(parts, shares=parts.shares.without_bma())
    return {WITHOUT_BMA: _mapped_forecast(mixture, replicate, others, ensemble, left_out)}


def _pooled_forecasts(
    replicate: Replicate,
    training: TrainingTable,
    ensemble: IceEnsemble,
    X: Array,
    y: Array,
    error: Array | None,
) -> dict[str, ForecastRecord]:
    """Forecasts made of the members' predictions: COP-BMA, other ways to pool them, and each member
    alone.
    """
    scaled = replicate.member_predictions(X)
    assert replicate.out_of_fold is not None
    models = {"COP-BMA": _truth_forecast(replicate.bma.with_climatology(0.0), scaled, y, error)}
    # The other ways to pool take the members in units of the target, and have no consensus among
    # them.
    F, out_of_fold = replicate.in_units(scaled), replicate.in_units(replicate.out_of_fold)
    for name, pool in {
        "Gaussian BMA": GaussianBMA(),
        "equal weights": EqualWeights(),
        "best member": BestMember(),
    }.items():
        models[name] = _forecast(
            pool.fit(out_of_fold, training.y, sample_weight=training.weight), F, y, ensemble.bounds
        )
    return models | _transformed_forecasts(replicate, scaled, training, ensemble.members, y)


def _transformed_forecasts(
    replicate: Replicate,
    scaled: Array,
    training: TrainingTable,
    members: Sequence[str],
    y: Array,
) -> dict[str, ForecastRecord]:
    """Pools and single members as their users would fit them: on the scale on which the members
    learn, where errors are nearly normal and of one size.
    """
    assert replicate.out_of_fold is not None
    scale = replicate.scale
    # The consensus is last, and is what equal weights make.
    F, out_of_fold, z = (
        scaled[:, :-1],
        replicate.out_of_fold[:, :-1],
        scale.transform(training.y),
    )
    models: dict[str, ForecastRecord] = {}
    for name, pool in {
        "Gaussian BMA": GaussianBMA(),
        "equal weights": EqualWeights(),
        "best member": BestMember(),
    }.items():
        fitted = pool.fit(out_of_fold, z, sample_weight=training.weight)
        models[name + TRANSFORMED] = _plain(transformed_pool(fitted, F, y, scale))
    for k, name in enumerate(members):
        # The mean of one member is that member, with a normal error of the size seen out of fold.
        alone = EqualWeights().fit(out_of_fold[:, [k]], z, sample_weight=training.weight)
        models[name] = _plain(transformed_pool(alone, F[:, [k]], y, scale))
    return models


def _truth_forecast(bma: CopulaBMA, F: Array, y: Array, error: Array | None) -> ForecastRecord:
    """Forecast by a COP-BMA, which describes the truth where the samples that it was fitted to have
    errors.

    The other ways to pool describe samples like those that they were fitted to, errors and all.
    """
    if error is None:
        return _forecast(bma, F, y, bma.bounds)
    span = PooledMixture([bma]).span
    forecast = measured_forecast(
        lambda x: bma.distribution(F, x), span, y, error, COVERAGES, TAIL_LEVELS, bma.bounds
    )
    del forecast["quantiles"]
    forecast["mean"] = bma.predict(F)
    return _plain(forecast)


def _climatology(replicate: Replicate, training: TrainingTable) -> CopulaBMA:
    """The distribution of the training values alone, without those of pseudo-sites: a member that
    knows nothing of a borehole but the other boreholes.
    """
    bma, margin = replicate.bma, replicate.bma.target_margin_
    if training.pseudo is not None:
        assert replicate.out_of_fold is not None
        fitted = training.without_error(replicate.scale.inverse(replicate.out_of_fold[:, -1]))
        here = fitted.take(fitted.drilled)
        margin = fit_target_margin(here.y, here.weight, bma.bounds)
    return CopulaBMA.from_parts(
        margin,
        [margin] * len(bma.copulas_),
        [Copula("independence", ())] * len(bma.copulas_),
        bma.weights_,
        bounds=bma.bounds,
    )


def _forecast(model: Any, F: Array, y: Array, bounds: tuple[float, float] | None) -> ForecastRecord:
    density = np.maximum(model.pdf(F, y), np.finfo(float).tiny)
    intervals = {f"{coverage:g}": model.interval(F, coverage) for coverage in COVERAGES}
    if bounds is not None:
        # A normal interval is not charged for width where there can be no target.
        intervals = {
            coverage: np.clip(interval, *bounds) for coverage, interval in intervals.items()
        }
    # A mixture's weights add up to 1 but for the last digit.
    pit = np.clip(model.pit(F, y), 0.0, 1.0)
    return _plain(
        {
            "mean": model.predict(F),
            "pit": pit,
            "crps": model.crps(F, y),
            "log_density": np.log(density),
            "interval": intervals,
        }
    )


def _plain(forecast: Forecast) -> ForecastRecord:
    """As JSON keeps it."""

    def listed(value: object) -> object:
        if isinstance(value, Mapping):
            return {name: listed(part) for name, part in value.items()}
        return np.asarray(value, dtype=float).tolist()

    return cast(ForecastRecord, listed(forecast))


def gather(records: Sequence[FoldRecord], rows: NDArray[np.int64]) -> LeftOutForecasts:
    """Join the records of all folds of one kind in the order of the samples.

    Parameters
    ----------
    records : sequence of FoldRecord
        From `verify_fold`.
    rows : ndarray
        Positions of the samples that the folds leave out, rising.

    Returns
    -------
    LeftOutForecasts
        A model that a fold had to leave out is left out.
    """
    order = np.concatenate([np.asarray(record["rows"], dtype=int) for record in records])
    if not np.array_equal(np.sort(order), rows):
        raise ValueError(
            f"the folds hold {len(np.unique(order))} of {len(rows)} samples: each sample must be"
            " left out exactly once."
        )
    back = np.argsort(order)

    def joined(parts: list[Any]) -> Any:
        if isinstance(parts[0], Mapping):
            return {name: joined([part[name] for part in parts]) for name in parts[0]}
        return np.concatenate([np.asarray(part, dtype=float) for part in parts])[back]

    names = [
        name for name in records[0]["models"] if all(name in record["models"] for record in records)
    ]
    models = {name: joined([record["models"][name] for record in records]) for name in names}
    return {
        "rows": np.asarray(rows),
        "y": joined([record["y"] for record in records]),
        "dissimilarity": joined([record["dissimilarity"] for record in records]),
        "models": models,
    }
