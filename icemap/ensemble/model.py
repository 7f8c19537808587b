"""The ensemble: replicates of members and COP-BMA, pooled into one predictive distribution per
place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from icemap.boreholes.pseudo import is_pseudo
from icemap.boreholes.samples import SAMPLE_COLUMNS
from icemap.ensemble.checks import check_weights, fewest_samples
from icemap.ensemble.coding import POSITION, PredictorCoding
from icemap.ensemble.fit_parts import fit_parts
from icemap.ensemble.folds import replicate_splits
from icemap.ensemble.gaussian_process import ProcessKernel
from icemap.ensemble.inputs import columns_of, predictors_of, vectors_of
from icemap.ensemble.members import MEMBERS, member_inputs, predict_members
from icemap.ensemble.pool_parts import Partners, PoolParts
from icemap.ensemble.pooled import PooledMixture, replicate_interval
from icemap.ensemble.replicates import (
    Replicate,
    TrainingOptions,
    TrainingTable,
    fit_replicate,
)
from icemap.ensemble.tuning import PoolChoices, Tuning, tune, tune_position, tune_scores
from icemap.recipe import FittedOn, Recipe, RecipeName

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What the ensemble says of n places.

    Attributes
    ----------
    mean : ndarray of shape (n,)
        Mean over the replicates of the predictive means.
    sd_ensemble : ndarray of shape (n,)
        Spread of the replicates' means: model uncertainty alone, not an interval for an
        observation.
    lower, upper : ndarray of shape (n,)
        95 % interval of the pooled mixture, not calibrated; the map's is. With the published
        recipe, that of the replicates' means.
    replicate_means : ndarray of shape (replicates, n)
    extrapolated : ndarray of bool, shape (n,)
        A member left the range of its out-of-fold predictions in at least half of the replicates.
    unseen_class : ndarray of bool, shape (n,)
        A class predictor has a class that was never met in training.
    """

    mean: Array
    sd_ensemble: Array
    lower: Array
    upper: Array
    replicate_means: Array
    extrapolated: NDArray[np.bool_]
    unseen_class: NDArray[np.bool_]


class IceEnsemble(BaseEstimator):
    """Replicates x members with copula-embedded BMA.

    Parameters
    ----------
    classes : sequence of str
        Names of the class predictors among the columns of the samples.
    members : tuple of str
        Of `icemap.ensemble.members.MEMBERS`, or import paths of scikit-learn regressors.
    replicates : int
    folds : int
        Out-of-fold parts inside each replicate.
    held_out : float
        Share of the grid cells that each replicate leaves out.
    block_degrees : float
        Side of the spatial blocks of the out-of-fold parts.
    bounds : (float, float) or None
        Physical limits of the target.
    prior_strength : float or None
        Rows' worth of belief in the plain mean of the members; 0 is plain EM, None has the tuning
        choose.
    climatology : float or None
        Share of climatology, the distribution of all samples, in the pool; None has the tuning
        choose, 0 where the rest earns it. Where both this and the strength of the prior are given,
        nothing of the pool is tuned, and its parts have equal shares.
    candidates : int
        Settings that the tuning tries for each member besides its defaults; 0 keeps the defaults.
    monotone : mapping of str to int, optional
        Predictors along which the target never falls (1) or never rises (-1).
    position : bool, optional
        Whether the position of a place, as a unit vector, is among the predictors of members and
        forest; None has spatial folds choose. The published recipe goes without.
    seed : int
    recipe : {"icemap", "published"}
        icemap's, or that of Wang, Ran & Li (2026) as printed, see `icemap.recipe.Recipe`.
    fitted_on : {"in_sample", "out_of_fold"}, optional
        Predictions that the COP-BMA of the published recipe is fitted to; in-sample by default.

    Attributes
    ----------
    coding_ : PredictorCoding
        Of the predictors that are used: with the position where that was chosen.
    tuning_ : Tuning
        Settings of the members and strength of the prior, for all replicates.
    replicates_ : list of Replicate
    parts_ : PoolParts or None
        The quantile forest and the Gaussian process of all samples; the published recipe has none.
    held_out_ : ndarray of bool, shape (replicates, n)

    Notes
    -----
    After the recipe of Wang, Ran & Li (2026): every replicate has its own 90 % of the cells, its
    own members and its own COP-BMA (Madadgar & Moradkhani 2014, doi:10.1002/2014WR015965), fitted
    on out-of-fold predictions. Their mixture is pooled with a quantile regression forest
    (Meinshausen 2006, JMLR 7:983) and a Gaussian process (choice): COP-BMA knows a place by the
    predictions of the members alone, the forest by the sites like it, the process by those near it,
    too. The pool's quantiles are the weighted means of theirs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(size=(80, 2))
    >>> samples = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "value": 60 * x[:,
    ...     0] + 5 * rng.normal(size=80) + 20})
    >>> samples["lon"], samples["lat"] = rng.uniform(60, 120, 80), rng.uniform(60, 75, 80)
    >>> model = IceEnsemble(members=("sklearn.linear_model.Ridge",
    ...     "sklearn.linear_model.BayesianRidge"), replicates=2, folds=4)
    >>> bool(np.corrcoef(model.fit(samples).predict(samples), samples.value)[0, 1] > 0.9)
    True
    """

    def __init__(
        self,
        classes: Sequence[str] = (),
        members: tuple[str, ...] = MEMBERS,
        replicates: int = 200,
        folds: int = 10,
        held_out: float = 0.1,
        block_degrees: float = 10.0,
        bounds: tuple[float, float] | None = (0.0, 100.0),
        prior_strength: float | None = None,
        climatology: float | None = None,
        candidates: int = 8,
        monotone: Mapping[str, int] | None = None,
        position: bool | None = None,
        seed: int = 0,
        recipe: RecipeName = "icemap",
        fitted_on: FittedOn | None = None,
    ) -> None:
        self.classes = classes
        self.members = members
        self.replicates = replicates
        self.folds = folds
        self.held_out = held_out
        self.block_degrees = block_degrees
        self.bounds = bounds
        self.prior_strength = prior_strength
        self.climatology = climatology
        self.candidates = candidates
        self.monotone = monotone
        self.position = position
        self.seed = seed
        self.recipe = recipe
        self.fitted_on = fitted_on

    def fit(self, samples: pd.DataFrame) -> IceEnsemble:
        """Tune, then fit every replicate, one after the other.

        Parameters
        ----------
        samples : DataFrame
            ``value`` (target), ``lon``, ``lat``, optional ``weight``, ``cell``,
            ``standard_error`` (of the value; NaN or 0 where none is known) and ``pseudo`` (True
            where no borehole stands, see `icemap.boreholes.bedrock`); every other column that is
            not one of `RESERVED` is a predictor.
        """
        # That of an earlier fit.
        self.__dict__.pop("pooled_", None)
        self.adopt(self.tune(self.prepare(samples)))
        self.samples_ = samples
        self.replicates_: Sequence[Replicate] = [
            self.fit_one(samples, index) for index in range(self.replicates)
        ]
        self.parts_ = self.fit_parts(self.table(samples))
        return self

    def prepare(self, samples: pd.DataFrame) -> TrainingTable:
        """Learn the coding and draw the splits; the members are not fitted yet."""
        names = predictor_columns(samples)
        count = int((~is_pseudo(samples)).sum())
        if count < (needed := fewest_samples(self.held_out)):
            raise ValueError(
                f"there are {count} samples, an ensemble needs at least {needed}: add sites,"
                " or accept more grades."
            )
        X, vectors = columns_of(samples, names), vectors_of(samples)
        may_know = self.position is not False and not self.followed.published
        if may_know and vectors is not None and np.isfinite(vectors).all():
            X, names = np.column_stack([X, vectors]), [*names, *POSITION]
        self.learn_coding(X, names)
        table = self.table(samples)
        self.held_out_ = replicate_splits(table.cell, self.held_out, self.replicates, self.seed)
        return table

    def learn_coding(self, X: Array, names: Sequence[str]) -> None:
        """The coding of named predictors (n, predictors); nothing is tuned yet."""
        columns = PredictorCoding.fit(X, names, [n for n in names if n in self.classes])
        self.columns_ = columns.standardized() if self.followed.published else columns
        self.adopt(Tuning())

    def adopt(self, tuning: Tuning) -> None:
        """Take a tuning, and the predictors that it has chosen."""
        self.tuning_, self.coding_ = tuning, self.coding_of(tuning)

    def coding_of(self, tuning: Tuning) -> PredictorCoding:
        """The coding of the predictors that a tuning has chosen."""
        columns = self.columns_ if tuning.position else self.columns_.without_position()
        return columns if tuning.scores else columns.standardized()

    def table(self, samples: pd.DataFrame) -> TrainingTable:
        """The samples as coded arrays."""
        X, _ = self.columns_.encode(predictors_of(samples, self.columns_))
        y, lon, lat = columns_of(samples, ["value", "lon", "lat"]).T
        if not np.isfinite(y).all():
            raise ValueError(
                f"the column 'value' is missing in row {int(np.argmax(~np.isfinite(y)))}: leave out"
                " rows without a value."
            )
        if self.bounds is not None and ((y < self.bounds[0]) | (y > self.bounds[1])).any():
            row = int(np.argmax((y < self.bounds[0]) | (y > self.bounds[1])))
            raise ValueError(
                f"the column 'value' is {y[row]:g} in row {row}, outside the bounds"
                f" {list(self.bounds)}: correct the row or the target's bounds."
            )
        weight = check_weights(samples.get("weight"), len(samples))
        cell = columns_of(samples, ["cell"])[:, 0] if "cell" in samples else np.arange(len(samples))
        if not np.isfinite(cell).all():
            raise ValueError(
                f"the column 'cell' is missing in row {int(np.argmax(~np.isfinite(cell)))}: give"
                " the number of its cell to every row, or leave the column out."
            )
        pseudo = is_pseudo(samples)
        table = TrainingTable(
            X,
            y,
            weight,
            lon,
            lat,
            cell.astype(np.int64),
            sample_errors(samples),
            pseudo if pseudo.any() else None,
        )
        return table.alike() if self.followed.published else table

    @property
    def followed(self) -> Recipe:
        """The recipe that is followed."""
        return Recipe.of(self.recipe, self.fitted_on)

    @property
    def options(self) -> TrainingOptions:
        """What every replicate shares."""
        return self.options_of(self.tuning_)

    def options_of(self, tuning: Tuning) -> TrainingOptions:
        """Options with what was chosen for a table."""
        if self.followed.published:
            tuning = replace(tuning, prior_strength=0.0, climatology=0.0, shares=None)
        strength = tuning.prior_strength if self.prior_strength is None else self.prior_strength
        share = tuning.climatology if self.climatology is None else self.climatology
        return TrainingOptions(
            tuple(self.members),
            self.folds,
            self.block_degrees,
            self.bounds,
            strength,
            share,
            tuning.shares,
            tuning.forest_leaf,
            tuning.model_variance,
            tuning.settings,
            self.monotone or {},
            self.followed,
        )

    def tune(self, table: TrainingTable) -> Tuning:
        """Settings for a table, by spatial folds inside it."""
        predictors = self.tune_predictors(table)
        found = tune(
            table,
            self.options_of(Tuning()),
            self.coding_of(predictors),
            self.candidates,
            self.seed,
            **self.chosen,
            model_variance=predictors.model_variance,
        )
        return predictors.with_pool(found)

    def tune_predictors(self, table: TrainingTable) -> Tuning:
        """Whether the position is among the predictors, and whether skewed ones are seen as normal
        scores, by spatial folds of a table.
        """
        options, position = self.options_of(Tuning()), Tuning(position=bool(self.position))
        if not self.columns_.placed:
            position = Tuning()
        elif not self.position:
            position = tune_position(table, options, self.columns_, self.seed)
        # Without a record nobody has asked, and the variance of the model is not known.
        known = position.model_variance if position.record and not position.position else None
        coding = self.coding_of(replace(position, scores=True))
        scores = tune_scores(table, options, coding, self.seed, known)
        record = [*position.record, *scores.record]
        return replace(scores, position=position.position, record=record)

    @property
    def chosen(self) -> PoolChoices:
        """What of the pool the tuning chooses."""
        free = not self.followed.published
        return {
            "prior": free and self.prior_strength is None,
            "climatology": free and self.climatology is None,
            "shares": free and (self.prior_strength is None or self.climatology is None),
        }

    def fit_one(self, samples: pd.DataFrame, index: int) -> Replicate:
        """Replicate ``index``; it depends on the seed and its number alone, not on which others are
        fitted, or where.
        """
        table = self.table(samples)
        return fit_replicate(
            table.take(~self.held_out_[index]),
            self.options,
            self.coding_,
            replicate_seed(self.seed, index),
        )

    def fit_parts(
        self,
        table: TrainingTable,
        kernel: ProcessKernel | None = None,
    ) -> PoolParts | None:
        """What is pooled with COP-BMA, of a whole training table, with the kernel of the process
        where it is known. None for the published recipe.
        """
        return fit_parts(table, self.options, self.coding_, self.seed, kernel=kernel)

    @cached_property
    def pooled_(self) -> PooledMixture:
        """The mixture over all replicates and members."""
        check_is_fitted(self, ("replicates_", "parts_"))
        return PooledMixture([replicate.bma for replicate in self.replicates_])

    def partners(self, X: Array, vectors: Array | None = None) -> Partners | None:
        """What the other parts of the pool say of coded predictors (n, predictors); None with the
        published recipe.

        Parameters
        ----------
        X : ndarray of shape (n, predictors)
            Coded predictors.
        vectors : ndarray of shape (n, 3), optional
            Unit vectors of the places, see `icemap.sphere.unit_vectors`; without them a place is
            taken for one that is far from every sample.
        """
        return None if self.parts_ is None else self.parts_.at_coded(self.coding_, X, vectors)

    def coded(self, X: Any) -> tuple[Array, NDArray[np.bool_]]:
        """Coded predictors (n, predictors), of a DataFrame or an array as in `predict_all`, and
        rows with a class that was never met in training, (n,).
        """
        return self.coding_.encode(predictors_of(X, self.coding_))

    def member_predictions(self, X: Array) -> Array:
        """Members of every replicate and, last, their mean for coded predictors, on the members'
        scale, shape (replicates, n, members + 1).
        """
        inputs = member_inputs(self.members, self.coding_, X)
        return np.stack(
            [
                predict_members(replicate.members, inputs, replicate.scale.limits)
                for replicate in self.replicates_
            ]
        )

    def predict(self, X: Any) -> Array:
        """Mean over the replicates, shape (n,), for a DataFrame with the predictors or an array
        with one column for each, in order; see `predict_all`.
        """
        return self.predict_all(X).mean

    def predict_all(self, X: Any) -> Prediction:
        """Mean, spread, 95 % interval as it is before calibration, and flags for predictors of
        shape (n, predictors).

        A DataFrame with ``lon`` and ``lat`` says where its rows are; an array does not, and its
        rows are taken for places that are far from every sample. ValueError where nobody says it of
        an ensemble whose members know the position.
        """
        check_is_fitted(self, "replicates_")
        if hasattr(X, "__dask_graph__") or hasattr(X, "data_vars"):
            raise TypeError(
                "an IceEnsemble predicts a table in memory: IceRegressor, or an ensemble opened by"
                " icemap.open_ensemble, predicts a Dataset lazily."
            )
        coded, unseen = self.coded(X)
        F = self.member_predictions(coded)
        partners = self.partners(coded, vectors_of(X))
        means, bounds, outside = self.pooled_.summary(F, (0.025, 0.975), partners)
        if self.followed.published:
            bounds = replicate_interval(means)
        spread = means.std(axis=0, ddof=1) if len(means) > 1 else np.zeros(means.shape[1])
        return Prediction(
            means.mean(axis=0),
            spread,
            bounds[:, 0],
            bounds[:, 1],
            means,
            outside >= 0.5 * len(means),
            unseen,
        )

    def save(self, url: str) -> None:
        """Write to a folder or bucket, in formats that load without running code."""
        from icemap.ensemble.saved import save_ensemble

        save_ensemble(self, url)

    @classmethod
    def load(cls, url: str) -> IceEnsemble:
        """Read what `save` wrote, after checking that it still predicts what it did."""
        from icemap.ensemble.saved import read_ensemble, require_same_predictions

        saved = read_ensemble(url)
        ensemble = cls(**saved.parameters)
        ensemble.columns_ = ensemble.coding_ = saved.coding
        ensemble.tuning_ = saved.tuning
        ensemble.replicates_, ensemble.parts_ = saved.replicates, saved.parts
        check = saved.manifest["check"]
        require_same_predictions(url, saved.manifest, ensemble.predict(np.array(check["X"])))
        return ensemble


RESERVED = frozenset((*SAMPLE_COLUMNS, "cell", "geometry"))


def predictor_columns(samples: pd.DataFrame) -> list[str]:
    """The columns of a training table that are predictors."""
    return [str(name) for name in samples.columns if name not in RESERVED]


def sample_errors(samples: pd.DataFrame) -> Array | None:
    """Standard errors (n,) of the samples, 0 where none is known; None where no sample has one."""
    if "standard_error" not in samples:
        return None
    stated = samples["standard_error"].to_numpy(dtype=float)
    error = np.where(np.isnan(stated), 0.0, stated)
    if not (np.isfinite(error) & (error >= 0)).all():
        row = int(np.argmax(~(np.isfinite(error) & (error >= 0))))
        raise ValueError(
            f"the column 'standard_error' is {error[row]:g} in row {row}: it must be 0 or more, or"
            " missing."
        )
    return error if error.any() else None


def replicate_seed(seed: int, index: int) -> int:
    """Seed of one replicate, independent of how many there are."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0] % (2**31 - 1))
