"""The ensemble as plain arrays for the kernels: all replicates of a member are predicted in one
pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.coding import POSITION, PredictorCoding
from icemap.ensemble.members import member_inputs
from icemap.ensemble.mixture import Mixture, mix, pooled_means, quantiles
from icemap.ensemble.mixture_kernels import limit_and_average
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.pool_parts import Partners, PoolParts
from icemap.ensemble.pooled import replicate_interval
from icemap.errors import IcemapError
from icemap.mapping.kernels.bits import PIXELS
from icemap.mapping.kernels.coder import Coder, code_pixels, compile_coding
from icemap.mapping.kernels.compilable import CannotCompileError
from icemap.mapping.kernels.forests import (
    TreeBuilder,
    forest_trees,
    leaf_trees,
    lightgbm_trees,
)
from icemap.mapping.kernels.gam import GAMs, compile_gams, predict_gams
from icemap.mapping.kernels.svr import (
    SVRs,
    compile_svrs,
    in_single_precision,
    predict_svrs,
    single_precision_error,
)
from icemap.mapping.kernels.tree_tables import Conditions, Trees
from icemap.mapping.kernels.trees import PACKETS, sum_trees

#: Pixels predicted at once; the kernels take whole packets.
BATCH = 2 * PACKETS * PIXELS
#: Largest difference to the members' own predictions, in percent of the target's range.
PACK_TOLERANCE = 1e-3
# Single precision serves an SVR whose rounding errors stay this far below the tolerance.
_SINGLE_TOLERANCE = 8e-4
CHECK_ROWS = 64

MemberArrays = SVRs | GAMs | Trees
Models = Sequence[Any]


@dataclass(frozen=True)
class CheckPixels:
    """Predictors of a few pixels (n, predictors), what the members themselves say, (members + 1,
    replicates, n), and the target's range on their scale.
    """

    X: NDArray[np.float64]
    F: NDArray[np.float64]
    scale: float


@dataclass(frozen=True, eq=False)
class CompiledEnsemble:
    """What a worker needs to predict.

    Attributes
    ----------
    coding : PredictorCoding
    members : tuple of str
    replicates : int
    limits : ndarray of shape (replicates, 2)
        Between which the members of a replicate predict, on their scale.
    coder : Coder
    conditions : Conditions
        Of the trees of all members.
    arrays : mapping of str to arrays
        Members that have kernels.
    models : mapping of str to sequence of fitted regressors
        The other members, one regressor per replicate, asked by their own ``predict``.
    mixture : Mixture
    parts : PoolParts or None
        What is pooled with COP-BMA.
    reasons : mapping of str to str
        Why ``models`` have no kernel.
    published : bool
        The interval is that of the replicates' means.
    leaf_trees : Trees or None
        Those of the quantile forest, which find its leaves; None where it has to do so itself.
    """

    coding: PredictorCoding
    members: tuple[str, ...]
    replicates: int
    limits: NDArray[np.float64]
    coder: Coder
    conditions: Conditions
    arrays: Mapping[str, MemberArrays]
    models: Mapping[str, Models]
    mixture: Mixture
    parts: PoolParts | None
    reasons: Mapping[str, str]
    published: bool = False
    leaf_trees: Trees | None = None

    def code(
        self, X: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
        """Codes (predictors, n), design (n, columns) and unseen classes (n,) of whole packets of
        pixels, X (n, predictors).
        """
        codes = np.empty(X.shape[::-1], np.uint8)
        design = np.empty((len(X), int(self.coder.columns[0])), np.float32)
        unseen = np.empty(len(X), np.bool_)
        code_pixels(X, self.coder, codes, design, unseen)
        return codes, design, unseen

    def whole_packets(
        self, X: NDArray[Any], vectors: NDArray[np.float64] | None
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Pixels (n, predictors) with their position, where that is a predictor, and their unit
        vectors; the last is repeated, see `pad`.
        """
        return pad(self.coding.with_position(X, vectors)), None if vectors is None else pad(vectors)

    def predict_member(
        self,
        name: str,
        X: NDArray[Any],
        codes: NDArray[np.uint8],
        design: NDArray[np.float32],
        out: NDArray[np.float32],
    ) -> None:
        """What one member says, written to ``out``, (replicates, n).

        Parameters
        ----------
        name : str
            Of the member.
        X : ndarray of shape (n, predictors)
            Classes as codes; n is a multiple of a packet of pixels.
        codes : ndarray of uint8, shape (predictors, n)
            From `code`.
        design : ndarray of shape (n, columns)
            From `code`.
        out : ndarray of shape (replicates, n)
            Filled with the predictions.
        """
        arrays = self.arrays.get(name)
        if isinstance(arrays, SVRs):
            predict_svrs(design, arrays, out)
        elif isinstance(arrays, GAMs):
            predict_gams(design, arrays, out)
        elif isinstance(arrays, Trees):
            sum_trees(codes, self.conditions, arrays, out)
        else:
            inputs = member_inputs([name], self.coding, self.coding.encode(X)[0])[name]
            for s, model in enumerate(self.models[name]):
                out[s] = model.predict(inputs)

    def predict_members(
        self, X: NDArray[Any], codes: NDArray[np.uint8], design: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Predictions of all members within the limits and, last, their mean, (members + 1,
        replicates, n).

        Parameters
        ----------
        X : ndarray of shape (n, predictors)
            Classes as codes; n is a multiple of a packet of pixels.
        codes : ndarray of uint8, shape (predictors, n)
            From `code`.
        design : ndarray of shape (n, columns)
            From `code`.
        """
        F = np.empty((len(self.members) + 1, self.replicates, len(X)), np.float32)
        for k, name in enumerate(self.members):
            self.predict_member(name, X, codes, design, F[k])
        limit_and_average(F, self.limits.astype(np.float32))
        return F

    def partners(
        self,
        codes: NDArray[np.uint8],
        design: NDArray[np.float32],
        vectors: NDArray[np.float64] | None,
    ) -> Partners | None:
        """What the other parts of the pool say of pixels; None without them.

        Parameters
        ----------
        codes : ndarray of uint8, shape (predictors, n)
            From `code`.
        design : ndarray of shape (n, columns)
            From `code`.
        vectors : ndarray of shape (n, 3) or None
            Unit vectors of the pixels; None where nobody says where they are.
        """
        if self.parts is None:
            return None
        if self.coding.placed:
            columns = np.isin(self.coding.design_columns, POSITION, invert=True)
            design = np.compress(columns, design, axis=1)
        if self.leaf_trees is None:
            return self.parts.at(codes, design, vectors)
        leaves = np.empty((len(self.parts.forest.root), codes.shape[1]), np.float32)
        sum_trees(codes, self.conditions, self.leaf_trees, leaves)
        return self.parts.given(self.parts.forest.of_leaves(leaves), design, vectors)

    @property
    def knows_places(self) -> bool:
        """Whether it matters where a pixel is, not only what its predictors are."""
        process = None if self.parts is None else self.parts.process
        near = process is not None and bool(process.variances[1] > 0)
        return near or self.coding.placed

    def pool(
        self,
        F: NDArray[np.float32],
        partners: Partners | None,
        levels: NDArray[np.float64],
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]]:
        """Replicate means (replicates, n), quantiles (n, k) at the levels (k,), and whether half of
        the replicates extrapolate, (n,).

        With the published recipe, the ends of the 95 % interval (n, 2) whatever the levels.

        Parameters
        ----------
        F : ndarray of shape (members + 1, replicates, n)
            From `predict_members`.
        partners : Partners or None
            What the other parts of the pool say of the pixels.
        levels : ndarray of shape (k,)
            Probabilities, rising.
        """
        mixed = mix(F, self.mixture)
        means = pooled_means(mixed, self.mixture, partners)
        if self.published:
            ends = replicate_interval(means)
        else:
            ends = quantiles(mixed, self.mixture, levels, partners)
        return means, ends, mixed.outside >= 0.5 * self.replicates


def compile_ensemble(
    ensemble: IceEnsemble, sites: NDArray[np.float64]
) -> tuple[CompiledEnsemble, CheckPixels]:
    """Pack a fitted ensemble, and predict a few pixels with its members for later checks.

    Parameters
    ----------
    sites : ndarray of shape (n, predictors)
        Real predictors, such as those of the training sites, with the position where it is among
        them; the pixels of the check are made from them.

    Raises
    ------
    IcemapError
        If a kernel does not say what its member says.
    """
    coding, members = ensemble.coding_, tuple(ensemble.members)
    check = _check_pixels(ensemble, sites)
    builder = TreeBuilder(
        [
            len(coding.levels[name]) + 1 if name in coding.levels else len(coding.edges[name]) + 1
            for name in coding.names
        ]
    )
    compilers: dict[str, Callable[[Models], MemberArrays]] = {
        "svr": compile_svrs,
        "gam": compile_gams,
        "random_forest": lambda models: builder.pack(
            forest_trees(model, builder) for model in models
        ),
        "lightgbm": lambda models: builder.pack(
            lightgbm_trees(model.booster_, builder) for model in models
        ),
    }
    arrays: dict[str, MemberArrays] = {}
    models: dict[str, Models] = {}
    reasons: dict[str, str] = {}
    for name in members:
        fitted = [replicate.members[name] for replicate in ensemble.replicates_]
        try:
            if name not in compilers:
                raise CannotCompileError("it is not one of icemap's own members")
            arrays[name] = _in_precision_needed(compilers[name](fitted), check.scale)
        except CannotCompileError as reason:
            models[name], reasons[name] = fitted, str(reason)
    mixture, limits = ensemble.pooled_.tables, _limits(ensemble)
    conditions = builder.conditions()
    parts = compile_coding(coding), conditions, arrays, models, mixture
    leaves = compile_leaves(ensemble.parts_, conditions)
    rest = ensemble.parts_, reasons, ensemble.followed.published, leaves
    compiled = CompiledEnsemble(coding, members, len(limits), limits, *parts, *rest)
    require_same(compiled, check)
    return compiled, check


def compile_leaves(parts: PoolParts | None, conditions: Conditions) -> Trees | None:
    """What finds the leaves of the quantile forest, if there is one and its trees are not too
    large.
    """
    if parts is None:
        return None
    try:
        return leaf_trees(parts.forest, conditions)
    except CannotCompileError:
        return None


def member_differences(compiled: CompiledEnsemble, check: CheckPixels) -> dict[str, float]:
    """Largest difference of each member to its own predictions, in percent of the target's
    range.
    """
    X = pad(check.X)
    codes, design, _ = compiled.code(X)
    F = compiled.predict_members(X, codes, design)[:, :, : len(check.X)]
    return {
        name: 100 * float(np.abs(F[k] - check.F[k]).max()) / check.scale
        for k, name in enumerate(compiled.members)
    }


def require_same(compiled: CompiledEnsemble, check: CheckPixels) -> None:
    """Refuse kernels that do not say what the members said."""
    for name, difference in member_differences(compiled, check).items():
        if not difference <= PACK_TOLERANCE:
            raise IcemapError(
                f"The compiled member '{name}' differs from its own predictions by {difference:.2g}"
                f" % of the target's range (allowed: {PACK_TOLERANCE:g} %): the compiled ensemble"
                " is damaged or the libraries have changed; delete packed.npz next to the ensemble"
                " to have it packed again."
            )


def pad(X: NDArray[Any]) -> NDArray[Any]:
    """Whole packets of pixels: the last pixel is repeated."""
    missing = -len(X) % PIXELS
    return np.concatenate([X, np.repeat(X[-1:], missing, axis=0)]) if missing else X


def _check_pixels(ensemble: IceEnsemble, sites: NDArray[np.float64]) -> CheckPixels:
    """Sites, and pixels that mix the predictors of several sites and reach beyond them."""
    rng = np.random.default_rng(0)
    X = sites[rng.integers(0, len(sites), CHECK_ROWS)]
    mixed = X[CHECK_ROWS // 2 :]
    mixed[:] = rng.permuted(mixed, axis=0)
    continuous = ensemble.coding_.continuous_columns
    mixed[:, continuous] += (
        0.1 * rng.normal(size=(len(mixed), len(continuous))) * sites[:, continuous].std(axis=0)
    )
    F = ensemble.member_predictions(ensemble.coding_.encode(X)[0]).transpose(2, 0, 1)
    return CheckPixels(X, F, float(np.ptp(_limits(ensemble), axis=1).min()))


def _limits(ensemble: IceEnsemble) -> NDArray[np.float64]:
    return np.array([replicate.scale.limits for replicate in ensemble.replicates_])


def _in_precision_needed(arrays: MemberArrays, scale: float) -> MemberArrays:
    """SVRs in single precision where that suffices; ``scale`` is the target's range."""
    if (
        isinstance(arrays, SVRs)
        and 100 * single_precision_error(arrays) <= _SINGLE_TOLERANCE * scale
    ):
        return in_single_precision(arrays)
    return arrays
