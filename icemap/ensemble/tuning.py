"""Parameters of the members and the strength of the weights' prior: chosen once, by spatial folds
of the training side, and used by all replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.checks import MIN_ROWS
from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.folds import splitter
from icemap.ensemble.gaussian_process import ProcessKernel
from icemap.ensemble.members import MEMBERS, OF_CODES, fit_options, make_member, member_inputs
from icemap.ensemble.pool_parts import Shares
from icemap.ensemble.pool_shares import FOREST_LEAVES, blocks_of, evidence, left_out_parts
from icemap.ensemble.quantile_forest import MIN_LEAF
from icemap.ensemble.replicates import (
    TrainingOptions,
    TrainingTable,
    bma_of,
    inner_folds,
    out_of_fold,
    weighed_table,
)
from icemap.ensemble.strength import choose_prior_strength

Array = NDArray[np.float64]

TUNING_FOLDS = 5
# Trees while settings are searched, of the 50 and 200 that are fitted: the order of the settings
# matters, not their errors. The figures are in docs/explanation/performance.md.
SEARCH_TREES = {"random_forest": 25, "lightgbm": 50}
# Say how the process should see the predictors where all members are trees.
OF_DESIGN = ("svr", "gam")


@dataclass(frozen=True)
class Tuning:
    """What was chosen, and the record of the search.

    Attributes
    ----------
    settings : mapping of str to mapping
        Parameters of each member other than its defaults; {} where the defaults did best.
    prior_strength : float
        Of the prior that draws the weights towards the plain mean of the members.
    climatology : float
        Share of climatology in the pool.
    shares : Shares or None
        Of the pool's parts; None has them equal.
    forest_leaf : int
        Sites of the quantile forest's smallest leaf.
    model_variance : float
        Of the members about the truth, in squared units of the target; 0 where the samples have no
        errors.
    position : bool
        Whether the position of a place is among the predictors.
    scores : bool
        Whether what sees the design has normal scores of skewed predictors, not standardized
        values.
    record : list of dict
        Every candidate, and the predictors with and without the position and normal scores, with
        the mean squared error on the members' scale; every strength and every smallest leaf with
        its CRPS, and the CRPS of the pool with its shares and of climatology.
    left_out : ndarray of shape (n, members + 1) or None
        Out-of-fold predictions with these settings, of which the pool was tuned; not saved.
    kernel : ProcessKernel or None
        Of the Gaussian process of the whole table, found on the way; not saved.
    """

    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prior_strength: float = 100.0
    climatology: float = 0.0
    shares: Shares | None = None
    forest_leaf: int = MIN_LEAF
    model_variance: float = 0.0
    position: bool = False
    scores: bool = False
    record: Sequence[Mapping[str, Any]] = ()
    left_out: Array | None = field(default=None, repr=False, compare=False)
    kernel: ProcessKernel | None = field(default=None, repr=False, compare=False)

    def with_pool(self, pool: Tuning) -> Tuning:
        """The predictors of this one, and the members and the pool of another."""
        record = [*self.record, *pool.record]
        return replace(pool, position=self.position, scores=self.scores, record=record)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON, which has no infinity."""
        strength: float | str = "inf" if np.isinf(self.prior_strength) else self.prior_strength
        settings = {name: _listed(chosen) for name, chosen in self.settings.items()}
        pool = {
            "prior_strength": strength,
            "climatology": self.climatology,
            "shares": None if self.shares is None else asdict(self.shares),
            "forest_leaf": self.forest_leaf,
            "model_variance": self.model_variance,
            "position": self.position,
            "scores": self.scores,
        }
        return {"settings": settings, **pool, "record": list(self.record)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Tuning:
        """The reverse of `to_dict`."""
        settings = {
            n: {key: tuple(v) if isinstance(v, list) else v for key, v in chosen.items()}
            for n, chosen in content["settings"].items()
        }
        return cls(
            settings,
            prior_strength=float(content["prior_strength"]),
            climatology=float(content["climatology"]),
            shares=content["shares"] and Shares(**content["shares"]),
            forest_leaf=int(content["forest_leaf"]),
            model_variance=float(content["model_variance"]),
            position=bool(content["position"]),
            scores=bool(content["scores"]),
            record=content["record"],
        )


class PoolChoices(TypedDict):
    """Whether the strength of the prior, the share of climatology and the shares of the pool's
    parts are chosen.
    """

    prior: bool
    climatology: bool
    shares: bool


def tune(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    candidates: int,
    seed: int,
    *,
    prior: bool,
    climatology: bool,
    shares: bool,
    model_variance: float,
) -> Tuning:
    """Tune every member, then how they are pooled.

    Parameters
    ----------
    candidates : int
        Settings tried for each member in addition to its defaults; 0 keeps the defaults.
    seed : int
        For the draws of the candidates and the folds.
    prior, climatology, shares : bool
        Whether to choose the strength of the prior, the share of climatology and those of the
        pool's parts; else those of the options stay.
    model_variance : float
        Of a random forest with this coding, see `weighed_table`.
    """
    table = table.weighed(model_variance)
    options = replace(options, model_variance=model_variance)
    found = {
        name: tune_member(name, table, options, coding, candidates, seed)
        for name in options.members
    }
    settings = {name: chosen for name, (chosen, _) in found.items()}
    pool = tune_pool(
        table,
        replace(options, settings=settings),
        coding,
        seed,
        prior=prior,
        climatology=climatology,
        shares=shares,
    )
    return replace(
        pool,
        settings=settings,
        record=[*(row for _, rows in found.values() for row in rows), *pool.record],
    )


def tune_position(
    table: TrainingTable, options: TrainingOptions, coding: PredictorCoding, seed: int
) -> Tuning:
    """Whether the position of a place is among the predictors: where the mean of a random forest
    and LightGBM that know it is nearer to the spatial blocks that they have not seen; and the model
    variance without it.

    Position stands for what no predictor says and changes slowly in space. Where there is no such
    thing, it is one more way to fit the noise, and random folds would not tell (Meyer et al. 2019,
    doi:10.1016/j.ecolmodel.2019.108815).

    Parameters
    ----------
    table : TrainingTable
        With the position as its last columns.
    options : TrainingOptions
    coding : PredictorCoding
        With the position.
    seed : int
    """
    bare = coding.without_position()
    table, variance = weighed_table(table, options, bare, seed)
    small = {name: _searched(name, {}, make_member(name, bare, seed)) for name in SEARCH_TREES}
    trees = replace(options, members=tuple(small), settings=small, folds=TUNING_FOLDS)
    weight = table.weight[table.drilled]
    without, along = (
        float(np.average(_squared_errors(table, trees, known, seed), weights=weight))
        for known in (bare, coding)
    )
    record = [
        {"position": known, "mean_squared_error": error}
        for known, error in ((False, without), (True, along))
    ]
    return Tuning(position=along < without, model_variance=variance, record=record)


def tune_scores(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    seed: int,
    model_variance: float | None = None,
) -> Tuning:
    """Whether what sees the design (the process, and members that are no trees) has normal scores
    of skewed predictors: it does, unless the mean of those members is nearer without them, by a
    standard error between blocks, to spatial blocks that they have not seen.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
        Of the predictors that were chosen, with normal scores.
    seed : int
    model_variance : float, optional
        Of a random forest with this coding, where it is known already, see `weighed_table`.
    """
    if model_variance is None:
        table, model_variance = weighed_table(table, options, coding, seed)
    else:
        table = table.weighed(model_variance)
    if not coding.scored:
        return Tuning(model_variance=model_variance)
    members = tuple(name for name in options.members if name not in OF_CODES) or OF_DESIGN
    smooth = replace(options, members=members, settings={}, folds=TUNING_FOLDS)
    plain, scored = (
        _squared_errors(table, smooth, each, seed) for each in (coding.standardized(), coding)
    )
    here = table.take(table.drilled)
    gain = evidence(plain - scored, here.weight, blocks_of(here, options.block_degrees))
    record = [
        {"scores": scores, "mean_squared_error": float(np.average(errors, weights=here.weight))}
        for scores, errors in ((False, plain), (True, scored))
    ]
    return Tuning(scores=gain > -1, model_variance=model_variance, record=record)


def _squared_errors(
    table: TrainingTable, options: TrainingOptions, coding: PredictorCoding, seed: int
) -> Array:
    """Of the members' mean in spatial blocks, on their scale, at each sample that is no
    pseudo-site.
    """
    scale, here = options.scale(table.y), table.drilled
    left_out = out_of_fold(table, options, coding, scale, seed)[:, -1]
    return np.asarray((scale.transform(table.y) - left_out)[here] ** 2)


def tune_member(
    name: str,
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    candidates: int,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Settings of one member with the smallest mean squared error over spatial folds, and the
    record of all that were tried.

    Parameters
    ----------
    name : str
        Of the member.
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
    candidates : int
        Number of settings that are tried in addition to the defaults.
    seed : int

    Notes
    -----
    Random forest and LightGBM are searched with `SEARCH_TREES`; the errors in the record are those
    of so few.
    """
    from sklearn.model_selection import GridSearchCV, ParameterSampler

    space = search_space(name, len(coding.design_columns))
    if not candidates or not space:
        return {}, []
    member = make_member(name, coding, seed, monotone=options.monotone)
    prefix = "regressor__" if name == "svr" else ""
    drawn = [{}, *map(_plain, ParameterSampler(space, candidates, random_state=seed))]
    tried = [
        {f"{prefix}{key}": [value] for key, value in _searched(name, candidate, member).items()}
        for candidate in drawn
    ]
    # Pseudo-sites are trained on, and say nothing of how good a setting is.
    splits = (
        (train, test[table.drilled[test]])
        for train, test in splitter(inner_folds(table, options, TUNING_FOLDS, seed)).split()
    )
    folds = [(train, test) for train, test in splits if len(test)]
    search = GridSearchCV(
        member, tried, cv=folds, scoring="neg_mean_squared_error", refit=False, error_score="raise"
    )
    inputs, target = (
        member_inputs([name], coding, table.X)[name],
        options.scale(table.y).transform(table.y),
    )
    search.fit(inputs, target, **fit_options(member, coding, table.weight))
    errors = -search.cv_results_["mean_test_score"]
    record = [
        {"member": name, "settings": _listed(candidate), "mean_squared_error": float(error)}
        for candidate, error in zip(drawn, errors, strict=True)
    ]
    return drawn[int(np.argmin(errors))], record


def tune_pool(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    seed: int,
    *,
    prior: bool,
    climatology: bool,
    shares: bool,
) -> Tuning:
    """Strength of the prior, smallest leaf of the forest, shares of the pool's parts and of
    climatology, by spatial folds of out-of-fold predictions.

    The table is that of `weighed_table`, and the options have its variance. Where the folds leave
    too few rows for a COP-BMA, or rows that are alike, those of the options stay.

    Parameters
    ----------
    table : TrainingTable
        From `weighed_table`.
    options : TrainingOptions
        With the variance of the model.
    coding : PredictorCoding
    seed : int
    prior, climatology, shares : bool
        Which of these are tuned; the leaf is with the shares.
    """
    strength, share, of_parts = options.prior_strength, options.climatology, options.shares
    leaf = options.forest_leaf
    left_out, kernel = None, None
    record: list[Mapping[str, Any]] = []
    folds = inner_folds(table, options, TUNING_FOLDS, seed + 1)
    enough = len(table) - np.bincount(folds).max() >= MIN_ROWS
    if (prior or climatology or shares) and enough:
        scale = options.scale(table.y)
        F = left_out = out_of_fold(table, options, coding, scale, seed)
        differ = _differ(F, table.y, folds)
        if prior and differ:
            fitted = table.without_error(scale.inverse(F[:, -1]))
            strength, crps = choose_prior_strength(
                bma_of(options),
                F,
                fitted.y,
                folds,
                sample_weight=table.weight,
                scored=table.drilled,
            )
            record += [
                {"prior_strength": "inf" if np.isinf(s) else s, "crps": value}
                for s, value in crps.items()
            ]
        if (climatology or shares) and differ:
            chosen = replace(options, prior_strength=strength)
            leaves = FOREST_LEAVES if shares else (leaf,)
            parts = left_out_parts(table, chosen, coding, F, folds, seed, leaves)
            kernel, leaf = parts.kernel, parts.forest_leaf
            record += [{"forest_leaf": n, "crps": crps} for n, crps in parts.forest_crps.items()]
            of_parts = parts.shares() if shares else of_parts
            scores = parts.scores(of_parts or Shares.equal(process=len(parts.parts) > 2))
            share = scores.share if climatology else share
            of_pool, of_climatology = scores.means()
            record.append(
                {
                    "climatology": share,
                    "shares": None if of_parts is None else asdict(of_parts),
                    "crps": of_pool,
                    "crps_climatology": of_climatology,
                    "evidence": scores.evidence,
                }
            )
    return Tuning(
        prior_strength=strength,
        climatology=share,
        shares=of_parts,
        forest_leaf=leaf,
        model_variance=options.model_variance,
        record=record,
        left_out=left_out,
        kernel=kernel,
    )


def _differ(F: Array, y: Array, folds: NDArray[np.int64]) -> bool:
    """Whether predictions (n, members + 1) and target (n,) differ in what each fold leaves."""
    values = np.column_stack([F, y])
    return all(bool(np.ptp(values[folds != fold], axis=0).all()) for fold in np.unique(folds))


def search_space(name: str, columns: int) -> dict[str, object]:
    """What is tried for a member; {} for regressors by import path. Leaves of fewer than three
    samples would learn single sites.
    """
    from scipy.stats import loguniform, randint, uniform

    spaces: dict[str, dict[str, Any]] = {
        "svr": {
            "C": loguniform(0.1, 10.0),
            "epsilon": loguniform(0.02, 0.5),
            "gamma": loguniform(0.1 / columns, 2.0 / columns),
        },
        "gam": {
            "penalties": [(1.0,), (5.0,), (30.0,), (100.0,), (300.0,), (1000.0,), (3000.0,)],
            "splines": [6, 8, 10],
        },
        "random_forest": {"min_samples_leaf": randint(3, 11), "max_features": uniform(0.15, 0.6)},
        "lightgbm": {
            "num_leaves": randint(4, 32),
            "learning_rate": loguniform(0.015, 0.1),
            "min_child_samples": randint(5, 31),
            "colsample_bytree": uniform(0.3, 0.7),
            "reg_lambda": loguniform(0.1, 30.0),
        },
    }
    assert set(spaces) == set(MEMBERS)
    return spaces.get(name, {})


def _searched(name: str, settings: Mapping[str, Any], member: Any) -> dict[str, Any]:
    """Settings as they are tried: with fewer trees, which for boosting learn faster by as much, so
    that all of them together learn what the whole number would.
    """
    if name not in SEARCH_TREES:
        return dict(settings)
    whole, trees = member.get_params(), SEARCH_TREES[name]
    searched = {**settings, "n_estimators": trees}
    if name == "lightgbm":
        rate = settings.get("learning_rate", whole["learning_rate"])
        searched["learning_rate"] = rate * whole["n_estimators"] / trees
    return searched


def _plain(settings: Mapping[str, Any]) -> dict[str, object]:
    """Numbers of numpy as Python's own."""
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in settings.items()
    }


def _listed(settings: Mapping[str, Any]) -> dict[str, object]:
    """Tuples as JSON has them."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
    }
