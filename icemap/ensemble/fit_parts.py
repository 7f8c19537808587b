"""The parts of the pool other than COP-BMA, fitted to a training table."""

from __future__ import annotations

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.gaussian_process import (
    GaussianProcess,
    ProcessKernel,
    ProcessSamples,
    condition,
    find_kernel,
)
from icemap.ensemble.pool_parts import PoolParts, Shares
from icemap.ensemble.predictor_weights import predictor_weights
from icemap.ensemble.quantile_forest import (
    TREES,
    QuantileForest,
    grow_quantile_forest,
    with_climatology,
)
from icemap.ensemble.replicates import Array, TrainingOptions, TrainingTable


def fit_parts(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    seed: int,
    trees: int = TREES,
    kernel: ProcessKernel | None = None,
) -> PoolParts | None:
    """The parts that are pooled with COP-BMA, of a whole training table; None for the published
    recipe, which pools nothing.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
        With the shares of the parts, and that of climatology, which the forest takes up.
    coding : PredictorCoding
    seed : int
    trees : int
        Of the forest.
    kernel : ProcessKernel, optional
        Of this table with these options, where it is known already, see `process_kernel`.
    """
    if options.recipe.published:
        return None
    forest = with_climatology(
        *grow_forest(table, options, coding, seed, trees), options.climatology
    )
    kernel = kernel or process_kernel(table, options, coding, seed)
    process = None if kernel is None else condition_process(table, options, coding, kernel)
    shares = options.shares or Shares.equal(process=process is not None)
    return PoolParts(forest, process, shares.with_climatology(options.climatology))


def process_kernel(
    table: TrainingTable, options: TrainingOptions, coding: PredictorCoding, seed: int
) -> ProcessKernel | None:
    """The kernels of the Gaussian process of a table; None where the target must rise or fall along
    a predictor, which a process does not promise.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
    seed : int
        Of the importance of predictors, and of the draw of samples that the kernels are found from.
    """
    if any(options.monotone.values()):
        return None
    samples = _samples(table, options, coding)
    importance = predictor_weights(samples.inputs[:, :-3], table.y, seed)
    return find_kernel(samples, importance, seed)


def condition_process(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    kernel: ProcessKernel,
) -> GaussianProcess:
    """The Gaussian process with these kernels, given a whole table.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
    kernel : ProcessKernel
        From `process_kernel`.
    """
    return condition(_samples(table, options, coding), kernel)


def _samples(
    table: TrainingTable, options: TrainingOptions, coding: PredictorCoding
) -> ProcessSamples:
    # The process has a kernel of its own for the position.
    design = coding.without_position().design(table.X)
    return ProcessSamples.of(design, table.vectors, table.y, table.error, options.bounds)


def grow_forest(
    table: TrainingTable,
    options: TrainingOptions,
    coding: PredictorCoding,
    seed: int,
    trees: int = TREES,
) -> tuple[QuantileForest, Array]:
    """The quantile forest of a whole table without climatology, and the distribution of all its
    sites, see `grow_quantile_forest`.

    Parameters
    ----------
    table : TrainingTable
    options : TrainingOptions
    coding : PredictorCoding
    seed : int
    trees : int
        Number of trees.
    """
    directions = [options.monotone.get(name, 0) for name in coding.names]
    table, codes = table.weighed(options.model_variance), coding.codes(table.X)
    found = directions if any(directions) else ()
    return grow_quantile_forest(
        codes,
        table.y,
        table.weight,
        options.bounds,
        seed,
        found,
        table.error,
        trees=trees,
        leaf=options.forest_leaf,
    )
