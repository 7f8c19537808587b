"""One replicate: its own split, out-of-fold member predictions, members and COP-BMA (method of
Wang, Ran & Li 2026).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.bma import CopulaBMA
from icemap.ensemble.checks import MIN_ROWS
from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.folds import block_folds, cell_folds, spatial_blocks
from icemap.ensemble.measurement import error_weights, model_variance, without_error
from icemap.ensemble.members import MEMBERS, fit_member, make_member, member_inputs, predict_members
from icemap.ensemble.pool_parts import Shares
from icemap.ensemble.quantile_forest import MIN_LEAF
from icemap.ensemble.target import TargetScale
from icemap.recipe import ICEMAP, Recipe
from icemap.sphere import unit_vectors

Array = NDArray[np.float64]
#: How often spatial blocks are halved, at most, where one of them holds too many of the samples.
BLOCK_HALVINGS = 3


@dataclass(frozen=True)
class TrainingOptions:
    """What every replicate shares.

    Attributes
    ----------
    members : tuple of str
    folds : int
        Out-of-fold parts inside the training side of a replicate.
    block_degrees : float
        Side of the spatial blocks that stay together in a fold.
    bounds : (float, float) or None
        Physical limits of the target.
    prior_strength : float
        Rows' worth of belief in the plain mean of the members.
    climatology : float
        Share of the target's own distribution in the pool.
    shares : Shares or None
        Of the pool's parts; None has them equal.
    forest_leaf : int
        Sites of the quantile forest's smallest leaf.
    model_variance : float
        Of the members about the truth, to which the samples' errors add; 0 where there are none.
    settings : mapping of str to mapping
        Parameters of the members other than the defaults, as the tuning found them.
    monotone : mapping of str to int
        Predictors along which the target never falls (1) or never rises (-1).
    recipe : Recipe
    """

    members: tuple[str, ...] = MEMBERS
    folds: int = 10
    block_degrees: float = 10.0
    bounds: tuple[float, float] | None = (0.0, 100.0)
    prior_strength: float = 100.0
    climatology: float = 0.0
    shares: Shares | None = None
    forest_leaf: int = MIN_LEAF
    model_variance: float = 0.0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    monotone: Mapping[str, int] = field(default_factory=dict)
    recipe: Recipe = ICEMAP

    def scale(self, y: Array) -> TargetScale:
        """The target as the members learn it, fitted to values (n,)."""
        return TargetScale.fit(y, self.bounds, 1.0 if self.recipe.published else None)


@dataclass(frozen=True)
class TrainingTable:
    """Samples as arrays, in one order.

    Attributes
    ----------
    X : ndarray of shape (n, predictors)
        Coded predictors, the position last where it is known; a coding without it reads the rest.
    y, weight : ndarray of shape (n,)
    longitude, latitude : ndarray of shape (n,)
        NaN where nobody says where the samples are: folds are then of cells, else of spatial
        blocks.
    cell : ndarray of shape (n,)
        Number of the grid cell, so that no cell is on both sides of a split.
    error : ndarray of shape (n,), optional
        Standard error of each sample; 0 where it is exact.
    pseudo : ndarray of bool, shape (n,), optional
        Pseudo-sites: trained on like the others, and never scored.
    """

    X: Array
    y: Array
    weight: Array
    longitude: Array
    latitude: Array
    cell: NDArray[np.int64]
    error: Array | None = None
    pseudo: NDArray[np.bool_] | None = None

    def take(self, rows: NDArray[Any]) -> TrainingTable:
        """Some of the rows."""
        places = self.longitude[rows], self.latitude[rows], self.cell[rows]
        error = None if self.error is None else self.error[rows]
        pseudo = None if self.pseudo is None else self.pseudo[rows]
        return TrainingTable(self.X[rows], self.y[rows], self.weight[rows], *places, error, pseudo)

    def seen_by(self, coding: PredictorCoding) -> TrainingTable:
        """With the predictors of a coding alone, which goes without the position."""
        return replace(self, X=self.X[:, : len(coding.names)])

    @property
    def drilled(self) -> NDArray[np.bool_]:
        """Rows that boreholes stand for, (n,): those that scores, variances and calibration are
        of.
        """
        return np.ones(len(self), dtype=bool) if self.pseudo is None else ~self.pseudo

    @property
    def placed(self) -> bool:
        """Whether it is known where the samples are."""
        return not np.isnan(self.longitude).all()

    def weighed(self, model_variance: float) -> TrainingTable:
        """With weights times 1 / (model variance + error**2); itself where there are no errors."""
        if self.error is None or model_variance == 0:
            return self
        return replace(self, weight=error_weights(self.weight, self.error, model_variance))

    def without_error(self, predicted: Array) -> TrainingTable:
        """With the samples as they would spread without their errors; itself where there are none.
        The values of pseudo-sites were not measured, and stay.
        """
        if self.error is None:
            return self
        y, here = self.y.copy(), self.drilled
        y[here] = without_error(y[here], predicted[here], self.error[here], self.weight[here])
        return replace(self, y=y)

    @property
    def vectors(self) -> Array | None:
        """Unit vectors of the samples, (n, 3); None where nobody says where they are."""
        return unit_vectors(self.longitude, self.latitude) if self.placed else None

    def unplaced(self) -> TrainingTable:
        """As if nobody said where the samples are."""
        unknown = np.full(len(self), np.nan)
        return replace(self, longitude=unknown, latitude=unknown)

    def alike(self) -> TrainingTable:
        """With every sample for the same, whatever its neighbours and its error."""
        return replace(self, weight=np.ones(len(self)), error=None)

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Replicate:
    """Fitted members by name in the order of the options, and the COP-BMA over them.

    Attributes
    ----------
    members : mapping of str to regressor
        They predict the target on the scale of ``scale``.
    bma : CopulaBMA
        Over the members and, last, the consensus.
    out_of_fold : ndarray of shape (n, members + 1)
        The predictions that the COP-BMA was fitted on (in-sample where the recipe says so); not
        saved.
    seconds : mapping of str to float
        CPU time that the fits of each member and of the COP-BMA took; not saved.
    """

    members: Mapping[str, Any]
    bma: CopulaBMA
    coding: PredictorCoding
    scale: TargetScale
    out_of_fold: Array | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def member_predictions(self, X: Array) -> Array:
        """Predictions of the members and, last, the consensus for coded predictors, on the members'
        scale, shape (n, members + 1).
        """
        return predict_members(
            self.members, member_inputs(self.members, self.coding, X), self.scale.limits
        )

    def in_units(self, F: Array) -> Array:
        """Member predictions without the consensus in units of the target, shape (n, members)."""
        return self.scale.inverse(F[:, :-1])


def out_of_fold(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    scale: TargetScale,
    seed: int,
    clock: dict[str, float] | None = None,
) -> Array:
    """Predictions for each sample by members that never saw its spatial block, and last their mean,
    shape (n, members + 1).

    Parameters
    ----------
    table : TrainingTable
        Of n samples.
    options : TrainingOptions
    coding : PredictorCoding
    scale : TargetScale
        On which the members are fitted.
    seed : int
    clock : dict of str to float, optional
        CPU seconds of each member are added to it.

    Notes
    -----
    Blocks, not single sites (choice): a site whose neighbour along the same road was trained on is
    predicted better than a map cell is, and a BMA fitted on such predictions is too sure of itself.
    """
    labels = inner_folds(table, options, options.folds, seed)
    inputs = member_inputs(options.members, coding, table.X)
    F = np.empty((len(table), len(options.members) + 1))
    for fold in np.unique(labels):
        test = labels == fold
        members = train_members(
            table.take(~test),
            {name: values[~test] for name, values in inputs.items()},
            options,
            coding,
            scale,
            seed,
            clock,
        )
        F[test] = predict_members(
            members, {name: values[test] for name, values in inputs.items()}, scale.limits
        )
    return F


def bma_of(options: TrainingOptions, F: Array | None = None) -> CopulaBMA:
    """The unfitted COP-BMA over the members and the consensus, towards which the prior draws the
    weights.

    As published there is no prior, and the consensus has no weight. A member whose predictions F
    (n, members + 1) are all the same, as they may be of a handful of samples, has no weight either.
    """
    last = len(options.members)
    idle = () if F is None else tuple(int(k) for k in np.flatnonzero(np.ptp(F, axis=0) == 0))
    if len(idle) == last + 1:
        idle = ()
    if options.recipe.published:
        return CopulaBMA(bounds=options.bounds, idle=tuple(sorted({*idle, last})))
    towards = (0.0,) * (last - len(idle)) + (1.0,)
    return CopulaBMA(
        bounds=options.bounds,
        prior_strength=options.prior_strength,
        prior_weights=towards,
        idle=idle,
    )


def fit_replicate(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    seed: int,
    left_out: Array | None = None,
) -> Replicate:
    """Members on the whole table, COP-BMA on their out-of-fold predictions.

    Where the samples have errors, each counts by them, and the COP-BMA describes the truth at a
    place, not one more sample.

    Parameters
    ----------
    table : TrainingTable
        Training side of the replicate.
    options : TrainingOptions
    coding : PredictorCoding
    seed : int
    left_out : ndarray of shape (n, members + 1), optional
        Out-of-fold predictions of this table with these options, where they are known already, see
        `out_of_fold`.
    """
    table = table.weighed(options.model_variance)
    scale, clock = options.scale(table.y), dict.fromkeys((*options.members, "cop_bma"), 0.0)
    inputs = member_inputs(options.members, coding, table.X)
    members = train_members(table, inputs, options, coding, scale, seed, clock)
    if options.recipe.in_sample:
        F = predict_members(members, inputs, scale.limits)
    elif left_out is not None:
        F = left_out
    else:
        F = out_of_fold(table, options, coding, scale, seed, clock)
    start = time.process_time()
    fitted = table.without_error(scale.inverse(F[:, -1]))
    bma = (
        bma_of(options, F)
        .fit(F, fitted.y, sample_weight=table.weight)
        .with_climatology(options.climatology)
    )
    clock["cop_bma"] += time.process_time() - start
    return Replicate(members, bma, coding, scale, F, clock)


def weighed_table(
    table: TrainingTable, options: TrainingOptions, coding: PredictorCoding, seed: int
) -> tuple[TrainingTable, float]:
    """The table with weights by its errors, and the variance of a model, to which they add.

    That variance is of a random forest under spatial folds. Without errors the table is itself, and
    the variance 0.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
    seed : int
    """
    if table.error is None:
        return table, 0.0
    alone = replace(options, members=("random_forest",))
    scale = options.scale(table.y)
    F = out_of_fold(table, alone, coding, scale, seed)
    residual, here = table.y - scale.inverse(F[:, 0]), table.drilled
    variance = model_variance(residual[here], table.error[here], table.weight[here])
    return table.weighed(variance), variance


def inner_folds(
    table: TrainingTable, options: TrainingOptions, folds: int, seed: int
) -> NDArray[np.int64]:
    """Spatial blocks dealt out to folds; grid cells where there are fewer blocks than folds.

    Where one block holds so many samples that too few would be left to train on, smaller blocks;
    where nobody says where the samples are, grid cells.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
        Side of the blocks, in degrees.
    folds : int
        Their number.
    seed : int
    """
    lon, lat = table.longitude, table.latitude
    if not table.placed:
        return cell_folds(table.cell, min(folds, len(np.unique(table.cell))), seed)
    for halvings in range(BLOCK_HALVINGS + 1):
        side = options.block_degrees / 2**halvings
        if len(np.unique(spatial_blocks(lon, lat, side))) >= folds:
            labels = block_folds(lon, lat, side, folds, seed)
            if len(table) - np.bincount(labels).max() >= MIN_ROWS:
                return labels
        elif halvings == 0:
            break
    return cell_folds(table.cell, min(folds, len(np.unique(table.cell))), seed)


def train_members(
    table: TrainingTable,
    inputs: Mapping[str, NDArray[Any]],
    options: TrainingOptions,
    coding: PredictorCoding,
    scale: TargetScale,
    seed: int,
    clock: dict[str, float] | None = None,
) -> dict[str, object]:
    """Every member by name, fitted to its `member_inputs`; CPU seconds are added to ``clock``.

    Parameters
    ----------
    table : TrainingTable
        Of n samples.
    inputs : mapping of str to ndarray of shape (n, columns)
        From `icemap.ensemble.members.member_inputs`, by name.
    options : TrainingOptions
    coding : PredictorCoding
    scale : TargetScale
        On which the members are fitted.
    seed : int
    clock : dict of str to float, optional
        CPU seconds of each member are added to it.
    """
    target, fitted = scale.transform(table.y), {}
    for name in options.members:
        start = time.process_time()
        member = make_member(name, coding, seed, options.settings.get(name, {}), options.monotone)
        fitted[name] = fit_member(member, coding, inputs[name], target, table.weight)
        if clock is not None:
            clock[name] += time.process_time() - start
    return fitted
