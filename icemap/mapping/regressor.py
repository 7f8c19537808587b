"""The whole ensemble as one scikit-learn regressor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from os import PathLike, fspath
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from icemap.ensemble.checks import (
    check_bounds,
    check_target,
    check_weights,
    distinct_rows,
    require_rows,
)
from icemap.ensemble.members import MEMBERS
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.predictive import check_coverage
from icemap.ensemble.replicates import TrainingTable
from icemap.mapping.broadcast import Predictor
from icemap.mapping.forecast import LEVELS, Distribution, predict_means, predict_quantiles
from icemap.mapping.lazy import (
    is_dataset,
    is_lazy,
    predict_dataset,
    predict_lazily,
    require_unit,
)
from icemap.mapping.learning import learn
from icemap.mapping.models import Model, TrainedModel, open_saved
from icemap.mapping.sample_inputs import places_and_groups, require_different, target_of, vectors_at
from icemap.recipe import RecipeName

Array = NDArray[np.float64]

_MAX = {"replicates": 20, "folds": 10, "candidates": 8}


class IceRegressor(RegressorMixin, BaseEstimator):
    """The ensemble of icemap with scikit-learn's contract: predictive distributions from a table,
    maps from a Dataset.

    Parameters
    ----------
    classes : sequence of str
        Names of the class predictors among the columns of X (``x0``, ``x1``, ... of an array).
    members : tuple of str
        Of `icemap.ensemble.members.MEMBERS`, or import paths of scikit-learn regressors.
    replicates : int, optional
        Fits to different parts of the samples; None has one for every 40 samples, 1 to 20.
    folds : int, optional
        Out-of-fold parts inside each replicate; None has one for every 40 samples, 2 to 10.
    held_out : float
        Share of the groups or places that each replicate leaves out.
    block_degrees : float
        Side of the spatial blocks that stay together in a fold, where coordinates are given.
    bounds : (float, float) or None
        Physical limits of the target, such as (0, 100) for a content in %; None for none.
    prior_strength : float or None
        Rows' worth of belief in the plain mean of the members; None has the tuning choose.
    climatology : float or None
        Share of the distribution of all samples in the pool; None has the tuning choose.
    candidates : int, optional
        Settings that the tuning tries for each member besides its defaults; None has one for every
        250 samples, at most 8.
    monotone : mapping of str to int, optional
        Predictors along which the target never falls (1) or never rises (-1).
    recipe : {"icemap", "published"}
    calibrate : bool
        Whether five more fits, each without a part of the samples, say how wide intervals should
        be. Fewer than 50 samples are not calibrated.
    n_jobs : int, optional
        Processes, as joblib has it (-1 for all processors); None means one, or what
        ``joblib.parallel_config`` says, a Dask cluster for example.
    random_state : int, RandomState or None
    verbose : bool
        Whether progress is shown.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X was a DataFrame.
    weights_ : ndarray of shape (members + 1,)
        Of the members and, last, their plain mean in the mixture; mean over the replicates.
    importance_ : ndarray of shape (predictors,)
        Of each predictor, by how much a random forest gains from it; adds up to 1. It weighs the
        predictors in the dissimilarity index.
    target_ : TargetConfig
        Name, unit and bounds of what is predicted.
    ensemble_ : IceEnsemble
        The fitted ensemble with all its parts.
    predictor_ : Predictor
        The compiled ensemble, its applicability and its calibration.

    Notes
    -----
    Equal samples are one with the sum of their weights, and their order does not matter: a weight
    of 2 is the same as a row given twice. Predictions come from the kernels that ``icemap map``
    uses.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.uniform(size=(60, 2)), columns=["slope", "wetness"])
    >>> y = 20 + 60 * X.wetness + rng.normal(0, 4, 60)
    >>> model = IceRegressor(members=("sklearn.linear_model.Ridge",
    ...     "sklearn.linear_model.BayesianRidge"), bounds=(0, 100), replicates=2, folds=3)
    >>> model = model.fit(X, y.rename("vic"))
    >>> bool(model.score(X, y) > 0.8), model.predict_interval(X[:3]).shape
    (True, (3, 2))
    >>> places = X.to_xarray().chunk(index=30)
    >>> list(model.predict(places).data_vars)[:4]
    ['vic', 'vic_sd_ensemble', 'vic_lower95', 'vic_upper95']
    """

    def __init__(
        self,
        classes: Sequence[str] = (),
        members: tuple[str, ...] = MEMBERS,
        replicates: int | None = None,
        folds: int | None = None,
        held_out: float = 0.1,
        block_degrees: float = 10.0,
        bounds: tuple[float, float] | None = None,
        prior_strength: float | None = None,
        climatology: float | None = None,
        candidates: int | None = None,
        monotone: Mapping[str, int] | None = None,
        recipe: RecipeName = "icemap",
        calibrate: bool = True,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: bool = False,
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
        self.recipe = recipe
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self.bounds is not None and self.bounds[0] >= 0
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    # --- fit

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        coordinates: Any = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Tune, fit, compile and calibrate.

        Parameters
        ----------
        X : DataFrame or array of shape (n, predictors)
            Units in ``X.attrs["units"]``, a mapping of column to unit, are those that a Dataset,
            or another table that says its own, must have.
        y : Series or array of shape (n,)
            The name of a Series is that of the map's variables (``vic`` if it has none), and
            ``y.attrs`` may have its ``units`` and ``long_name``.
        sample_weight : array_like of shape (n,), optional
            Such as declustering weights, >= 0.
        coordinates : array_like of shape (n, 2), optional
            Longitude and latitude in degrees, in this order or, in a DataFrame, by the names of
            its columns (``lon`` and ``lat``, or in full): folds are then of spatial blocks, and
            samples of one place stay together.
        groups : array_like of shape (n,), optional
            Samples of a group stay on one side of every split.

        Raises
        ------
        ValueError
            In scikit-learn's words, or naming the row and what to do.
        """
        if is_lazy(X) or is_dataset(X):
            raise TypeError(
                "fit takes a table in memory: call .compute() on the predictors of the samples"
                " first. Only predict takes what is lazy."
            )
        require_rows(X=X, y=y, sample_weight=sample_weight, coordinates=coordinates, groups=groups)
        values, target = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2
        )
        bounds = check_bounds(self.bounds)
        target = check_target(target, len(values), bounds)
        weights = check_weights(sample_weight, len(values))
        lon, lat, cell = places_and_groups(coordinates, groups, len(values))
        names = self._names()
        self._require_known(names)
        columns = [values, target, *(part for part in (lon, lat, cell) if part is not None)]
        rows, weights = distinct_rows(np.column_stack(columns), weights)
        require_different(target[rows])
        lon, lat = (
            np.full(len(rows), np.nan) if part is None else part[rows] for part in (lon, lat)
        )
        numbers = np.arange(len(rows)) if cell is None else cell[rows]

        def table_of(coded: Array) -> TrainingTable:
            return TrainingTable(coded, target[rows], weights, lon, lat, numbers)

        learned = learn(
            self._ensemble(len(rows), bounds),
            values[rows],
            names,
            table_of,
            self.n_jobs,
            calibrate=self.calibrate,
            progress=self.verbose,
        )
        self.importance_ = learned.importance
        self.target_ = target_of(y, bounds)
        units = getattr(X, "attrs", {}).get("units", {})
        self.model_: Model = TrainedModel(
            learned.ensemble,
            learned.predictor,
            self.target_,
            dict(units),
            values[rows],
            target[rows],
        )
        return self

    def _require_known(self, names: list[str]) -> None:
        """Refuse parameters that name what is not among the predictors."""
        for what, named in (("classes", self.classes), ("monotone", self.monotone or {})):
            unknown = [name for name in named if name not in names]
            if unknown:
                raise ValueError(
                    f"{what} names '{unknown[0]}', which is not among the predictors"
                    f" {', '.join(names)}."
                )

    def _names(self) -> list[str]:
        named = getattr(self, "feature_names_in_", None)
        if named is None:
            return [f"x{k}" for k in range(self.n_features_in_)]
        return [str(name) for name in named]

    def _ensemble(self, n: int, bounds: tuple[float, float] | None) -> IceEnsemble:
        """Unfitted, with the numbers that n samples carry."""
        carried = {
            "replicates": int(np.clip(n // 40, 1, _MAX["replicates"])),
            "folds": int(np.clip(n // 40, 2 if n >= 10 else 3, _MAX["folds"])),
            "candidates": int(np.clip(n // 250, 0, _MAX["candidates"])),
        }
        chosen: dict[str, Any] = {
            name: number if getattr(self, name) is None else getattr(self, name)
            for name, number in carried.items()
        }
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            from sklearn.utils import check_random_state

            seed = check_random_state(seed).randint(2**31 - 1)
        return IceEnsemble(
            classes=list(self.classes),
            members=tuple(self.members),
            held_out=self.held_out,
            block_degrees=self.block_degrees,
            bounds=bounds,
            prior_strength=self.prior_strength,
            climatology=self.climatology,
            monotone=self.monotone,
            seed=int(seed),
            recipe=self.recipe,
            **chosen,
        )

    # --- predictions

    def predict(self, X: Any, coordinates: ArrayLike | None = None) -> Any:
        """The mean at places, or the map of a Dataset.

        Parameters
        ----------
        X : DataFrame, array, Dask array or frame of shape (n, predictors), or xarray.Dataset
            A Dataset has one variable for each predictor, all with the same dimensions; where it
            has a variable ``valid``, as the cube of a run has, only cells with 1 are mapped, else
            those with all predictors. Its coordinates say where its cells are.
        coordinates : array_like of shape (n, 2), optional
            Longitude and latitude in degrees of the rows of a table. The ensemble of a run
            (`from_run`) knows its samples' places, and predicts as its map does where it is told
            those of X; without them a row is taken for a place far from every sample, or asked for
            where the position is among the predictors. One that was fitted here knows predictors
            alone.

        Returns
        -------
        ndarray of shape (n,), lazy Dask array or Series, or lazy xarray.Dataset
            The Dataset has the variables of ``map.zarr``: mean, spread of the replicates, bounds of
            the 95 % interval, dissimilarity index, area of applicability, and whether a member
            extrapolates.
        """
        check_is_fitted(self)
        if is_dataset(X):
            return predict_dataset(X, self.model_)
        if is_lazy(X):
            return predict_lazily(X, self.model_, self.n_features_in_)
        values, where = self._checked(X, coordinates)
        return predict_means(self.predictor_, values, where)

    def predict_interval(
        self, X: Any, coverage: float = 0.95, coordinates: ArrayLike | None = None
    ) -> Array:
        """Central predictive interval, calibrated, (n, 2): lower and upper, in units of the
        target.

        Parameters
        ----------
        X : DataFrame or array of shape (n, predictors)
        coverage : float
        coordinates : array_like of shape (n, 2), optional
            See `predict`.
        """
        # Rounded, so that 95 % are the quantiles 0.025 and 0.975 to the last bit.
        tail = round((1.0 - check_coverage(coverage)) / 2.0, 12)
        return self.predict_quantile(X, [tail, 1.0 - tail], coordinates)

    def predict_quantile(self, X: Any, q: ArrayLike, coordinates: ArrayLike | None = None) -> Array:
        """Quantiles (n, k) at the probabilities q, one number or (k,), in units of the target.

        Parameters
        ----------
        X : DataFrame or array of shape (n, predictors)
        q : float or array_like of shape (k,)
        coordinates : array_like of shape (n, 2), optional
            See `predict`.
        """
        check_is_fitted(self)
        values, where = self._checked(X, coordinates)
        return predict_quantiles(self.predictor_, values, q, where)

    def predict_distribution(self, X: Any, coordinates: ArrayLike | None = None) -> Distribution:
        """The predictive distribution at every place, which has ``cdf``, ``ppf``, ``interval``,
        ``sample`` and ``mean``; coordinates as in `predict`.
        """
        check_is_fitted(self)
        values, where = self._checked(X, coordinates)
        return Distribution(
            predict_means(self.predictor_, values, where),
            LEVELS,
            predict_quantiles(self.predictor_, values, LEVELS, where),
        )

    def _checked(self, X: Any, coordinates: Any) -> tuple[Array, Array | None]:
        """Predictors of a table, and where its rows are."""
        if is_lazy(X) or is_dataset(X):
            raise TypeError(
                "intervals, quantiles and distributions are those of a table in memory: call"
                " .compute() first, or predict a Dataset, which has the bounds of the 95 %"
                " interval."
            )
        require_rows(X=X, coordinates=coordinates)
        for name, said in getattr(X, "attrs", {}).get("units", {}).items():
            require_unit(f"The column '{name}'", said, self.model_.units.get(name))
        values = np.asarray(validate_data(self, X, reset=False, dtype=[np.float64, np.float32]))
        return values, vectors_at(coordinates, len(values))

    # --- parts

    @property
    def predictor_(self) -> Predictor:
        """What maps pixels."""
        check_is_fitted(self)
        return self.model_.predictor()

    @property
    def ensemble_(self) -> IceEnsemble:
        """The fitted ensemble."""
        check_is_fitted(self)
        return self.model_.ensemble()

    @property
    def weights_(self) -> Array:
        """Mean weights of the members and, last, their plain mean, (members + 1,)."""
        return np.mean([one.bma.weights_ for one in self.ensemble_.replicates_], axis=0)

    # --- storage

    def save(self, url: str | PathLike[str]) -> None:
        """Write the ensemble with its calibration and applicability to a folder or bucket, in
        formats that load without running code; `from_run` reads it.
        """
        check_is_fitted(self)
        self.model_.save(fspath(url))

    @classmethod
    def from_run(cls, url: str | PathLike[str]) -> Self:
        """The trained and verified ensemble of a run, at the address of the run or of its ensemble.

        Raises
        ------
        IcemapError
            If there is none, or it is not whole.
        """
        saved = open_saved(fspath(url))
        own = {name: value for name, value in saved.parameters.items() if name in cls._settings()}
        model = cls(**own, random_state=saved.parameters["seed"])
        model.model_, model.target_ = saved, saved.target
        coding, applicability = saved.predictor().compiled.coding, saved.predictor().applicability
        names = list(coding.given)
        model.n_features_in_, model.feature_names_in_ = len(names), np.array(names, dtype=object)
        # The sites are kept standardized and weighted.
        weights = applicability.points.std(axis=0, ddof=1)
        columns = np.array(coding.design_columns)
        importance = np.array([weights[columns == name].sum() for name in names])
        model.importance_ = importance / importance.sum()
        return model

    @classmethod
    def _settings(cls) -> set[str]:
        return set(signature(cls.__init__).parameters) - {"self", "random_state"}
