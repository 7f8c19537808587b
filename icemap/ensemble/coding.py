"""Predictors as the members see them: one column order, class codes as levels, one scaling and one
set of quantile codes for all replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.uint8]

# A class with fewer samples than this joins "other": its effect cannot be learned.
MIN_CLASS = 10
#: Unit vector of a place, as predictors: towards 0 and 90 degrees east on the equator, and north.
POSITION = ("position x", "position y", "position z")
# Codes fit a byte, and 255 is left for a class raster's "no data".
MAX_EDGES = 254
# Skewness of what Bulmer (1979, Principles of Statistics) calls highly skewed.
SKEWED = 1.0


@dataclass(frozen=True)
class PredictorCoding:
    """The order of the predictors, the levels of the class predictors, and the scaling and quantile
    codes of the continuous ones.

    It is fitted once to the whole training table and shared by all replicates: it sees predictors,
    never the target. One scaling gives all SVRs one kernel matrix, one set of codes gives all trees
    one set of thresholds.

    Attributes
    ----------
    names : tuple of str
        Predictors in column order; `POSITION` last, where it is among them.
    levels : mapping of str to tuple of int
        For each class predictor the codes with a level of their own; every other code gets the
        level "other", ``len(levels)``.
    seen : mapping of str to tuple of int
        For each class predictor all codes met in training.
    center, scale : mapping of str to float
        Mean and standard deviation of each continuous predictor; a scale of 1 where it does not
        vary.
    edges : mapping of str to tuple of float
        For each continuous predictor at most 254 rising values, each exact in float32, halfway
        between neighbouring training values.
    scored : tuple of str
        Continuous predictors that are skewed, which the design has as `normal_scores`.

    Examples
    --------
    >>> coding = PredictorCoding.fit(np.array([[0.5, 3]] * 12 + [[0.1, 7]]), ["slope",
    ...     "lithology"], ["lithology"])
    >>> coded, unseen = coding.encode([[0.2, 3], [0.4, 7], [0.2, 9]])
    >>> coded[:, 1], unseen
    (array([0., 1., 1.]), array([False, False,  True]))
    >>> coding.codes(coded).tolist()
    [[0, 0], [1, 1], [0, 1]]
    >>> coding.design(coded)[:, 1:].tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """

    names: tuple[str, ...]
    levels: Mapping[str, tuple[int, ...]]
    seen: Mapping[str, tuple[int, ...]]
    center: Mapping[str, float]
    scale: Mapping[str, float]
    edges: Mapping[str, tuple[float, ...]]
    scored: tuple[str, ...] = ()

    @classmethod
    def fit(cls, X: ArrayLike, names: Sequence[str], classes: Sequence[str]) -> PredictorCoding:
        """Learn levels, scaling and codes from the training table, shape (n, predictors).

        Parameters
        ----------
        X : array_like of shape (n, predictors)
            Training table; classes as codes.
        names : sequence of str
            Of the columns.
        classes : sequence of str
            Names of those that hold classes.
        """
        values = np.asarray(X, dtype=float)
        levels, seen, center, scale, edges = {}, {}, {}, {}, {}
        for column, name in zip(values.T, names, strict=True):
            if name in classes:
                codes, counts = np.unique(column, return_counts=True)
                if (broken := codes[codes != np.floor(codes)]).size:
                    raise ValueError(
                        f"the predictor '{name}' has the class {broken[0]:g}: classes are whole"
                        " numbers, their codes."
                    )
                seen[name] = tuple(int(code) for code in codes)
                levels[name] = tuple(
                    int(code) for code, count in zip(codes, counts) if count >= MIN_CLASS
                )
            else:
                varies = (
                    np.ptp(column) > 0
                )  # the mean of equal numbers can miss them by a rounding error
                center[name], scale[name] = (
                    (float(column.mean()), float(column.std()))
                    if varies
                    else (float(column[0]), 1.0)
                )
                edges[name] = tuple(float(edge) for edge in _quantile_edges(column))
        scored = tuple(
            name
            for name, column in zip(names, values.T, strict=True)
            if name in edges
            and name not in POSITION
            and len(edges[name]) > 1
            and abs(np.mean(((column - center[name]) / scale[name]) ** 3)) > SKEWED
        )
        return cls(tuple(names), levels, seen, center, scale, edges, scored)

    @property
    def placed(self) -> bool:
        """Whether the position of a place is among the predictors."""
        return self.names[-len(POSITION) :] == POSITION

    @property
    def given(self) -> tuple[str, ...]:
        """The predictors that a table or a cube has to have, which the position is not."""
        return self.names[: -len(POSITION)] if self.placed else self.names

    def without_position(self) -> PredictorCoding:
        """The same without the position; of tables that have it, last, it reads the rest."""
        names = self.given
        kept: dict[str, Any] = {
            key: {name: facts[name] for name in names if name in facts}
            for key, facts in asdict(self).items()
            if key not in ("names", "scored")
        }
        return PredictorCoding(names, **kept, scored=self.scored)

    def standardized(self) -> PredictorCoding:
        """The same without normal scores."""
        return replace(self, scored=())

    def with_position(self, X: ArrayLike, vectors: Array | None) -> Array:
        """What `encode` takes, (n, predictors), of the predictors that are given, (n, given).

        Parameters
        ----------
        X : array_like of shape (n, given) or (n, predictors)
            What has the position already stays as it is.
        vectors : ndarray of shape (n, 3) or None
            Unit vectors of the places; None where nobody says where they are.

        Raises
        ------
        ValueError
            If the position is among the predictors, and nobody says where the places are.
        """
        values = np.asarray(X)
        there = values.ndim == 2 and values.shape[1] == len(self.names)
        if there or not self.placed:
            return values
        if vectors is None:
            raise ValueError(
                "this ensemble was trained with the position of the samples among its predictors:"
                " say where the places are, by the columns lon and lat of a table, or by"
                " 'coordinates'."
            )
        kind = values.dtype if values.dtype.kind == "f" else np.float64
        # In single precision, as a cube has the others, so that a table says what the map says.
        return np.column_stack([values, vectors.astype(np.float32).astype(kind)])

    @property
    def class_columns(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if name in self.levels]

    @property
    def continuous_columns(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if name not in self.levels]

    @property
    def design_columns(self) -> list[str]:
        """The predictor behind each column of `design`."""
        classes = [name for name, levels in self.levels.items() for _ in range(len(levels) + 1)]
        return [self.names[i] for i in self.continuous_columns] + classes

    def encode(self, X: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
        """Predictors with class codes as level numbers, (n, predictors), and rows with a class
        never met in training, (n,).
        """
        coded = self.require_values(np.array(X, dtype=float))
        unseen = np.zeros(len(coded), dtype=bool)
        for name, levels in self.levels.items():
            column = self.names.index(name)
            codes = coded[:, column].copy()
            unseen |= ~np.isin(codes, self.seen[name])
            coded[:, column] = len(levels)
            for level, code in enumerate(levels):
                coded[codes == code, column] = level
        return coded, unseen

    def require_values(self, X: ArrayLike) -> Array:
        """The predictors as they are, (n, predictors); ValueError for another shape or a missing
        value.
        """
        coded = np.asarray(X, dtype=float)
        if coded.ndim != 2 or coded.shape[1] != len(self.names):
            raise ValueError(
                f"the predictors have shape {coded.shape}: give one column for each of"
                f" {', '.join(self.names)}."
            )
        missing = ~np.isfinite(coded)
        if missing.any():
            row, column = np.argwhere(missing)[0]
            raise ValueError(
                f"the predictor '{self.names[column]}' has no value in row {row}: leave out such"
                " rows or fill them first."
            )
        return coded

    def design(self, coded: Array) -> Array:
        """Continuous predictors, standardized or as `normal_scores`, then one column per class
        level and "other": what distances, splines and kernels need, (n, columns).
        """
        columns = [
            self.continuous(self.names[i], coded[:, i])[:, None] for i in self.continuous_columns
        ]
        columns += [
            coded[:, [self.names.index(name)]] == np.arange(len(levels) + 1)
            for name, levels in self.levels.items()
        ]
        return np.hstack(columns)

    def continuous(self, name: str, values: Array) -> Array:
        """Values of a continuous predictor as the design has them."""
        edges = np.array(self.edges[name], dtype=np.float32)
        code = np.searchsorted(edges, values.astype(np.float32), side="left")
        lines = self.lines(name)
        return np.asarray(lines.height[code] + (values - lines.anchor[code]) / lines.run[code])

    def lines(self, name: str) -> Lines:
        """How the design has a continuous predictor, a straight line for each of its codes."""
        edges = np.array(self.edges[name])
        codes = len(edges) + 1
        if name not in self.scored:
            center, scale = self.center[name], self.scale[name]
            return Lines(np.full(codes, center), np.zeros(codes), np.full(codes, scale))
        scores = normal_scores(len(edges))
        below = np.maximum(np.arange(codes) - 1, 0)
        run = np.diff(edges) / np.diff(scores)
        # Beyond the training values, by the standardized distance from them: what is far from all
        # samples shall stay far.
        run = np.concatenate([[self.scale[name]], run, [self.scale[name]]])
        return Lines(edges[below], scores[below], run)

    def codes(self, coded: Array) -> Codes:
        """Number of the edges below each value, and the level of each class, (n, predictors): what
        trees split.
        """
        out = np.empty((len(coded), len(self.names)), dtype=np.uint8)
        for i, name in enumerate(self.names):
            if name in self.levels:
                out[:, i] = coded[:, i]
            else:
                out[:, i] = np.searchsorted(
                    np.array(self.edges[name], dtype=np.float32),
                    coded[:, i].astype(np.float32),
                    side="left",
                )
        return out

    def to_dict(self) -> dict[str, object]:
        """Plain lists, for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else dict(value)
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PredictorCoding:
        """The reverse of `to_dict`."""
        tuples = {
            key: {name: tuple(values) for name, values in content[key].items()}
            for key in ("levels", "seen", "edges")
        }
        return cls(
            names=tuple(content["names"]),
            center=dict(content["center"]),
            scale=dict(content["scale"]),
            scored=tuple(content["scored"]),
            **tuples,
        )


class Lines(NamedTuple):
    """The design of a continuous predictor's value x, by its code: height + (x - anchor) / run.

    Attributes
    ----------
    anchor, height, run : (codes,) float64
    """

    anchor: Array
    height: Array
    run: Array


def normal_scores(edges: int) -> Array:
    """Normal scores of so many edges between training values, by the share of them below.

    The small values of a skewed predictor, such as the thickness of sediment, differ in what they
    mean and hardly in their standardized values.
    """
    from scipy.special import ndtri

    return np.asarray(ndtri(np.arange(1, edges + 1) / (edges + 1)))


def _quantile_edges(column: Array) -> NDArray[np.float32]:
    ordered = np.sort(column.astype(np.float32))
    distinct = np.unique(ordered)
    if len(distinct) <= MAX_EDGES + 1:
        below, above = distinct[:-1], distinct[1:]
    else:
        at = np.linspace(0, len(ordered) - 1, MAX_EDGES + 2)[1:-1].astype(int)
        below, above = ordered[at], ordered[at + 1]
        below, above = below[below < above], above[below < above]
    # Halfway in double precision; float32 may round up to the upper value, which would put both on
    # one side.
    halfway = ((below.astype(float) + above) / 2).astype(np.float32)
    return np.unique(np.where(halfway >= above, below, halfway))
