"""Predictors as the members see them: one column order, class codes as levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A class with fewer samples than this joins "other": its effect cannot be learned.
SMALLEST_CLASS = 10


@dataclass(frozen=True)
class PredictorCoding:
    """The order of the predictors and the levels of the class predictors.

    Attributes
    ----------
    names : tuple of str
        Predictors in column order.
    levels : mapping of str to tuple of int
        For each class predictor the codes with a level of their own; every other code gets the level "other", ``len(levels)``.
    seen : mapping of str to tuple of int
        For each class predictor all codes met in training.

    Examples
    --------
    >>> coding = PredictorCoding.fit(np.array([[0.5, 3]] * 12 + [[0.1, 7]]), ["slope", "lithology"], ["lithology"])
    >>> coded, unseen = coding.encode([[0.2, 3], [0.2, 7], [0.2, 9]])
    >>> coded[:, 1], unseen
    (array([0., 1., 1.]), array([False, False,  True]))
    """

    names: tuple[str, ...]
    levels: Mapping[str, tuple[int, ...]]
    seen: Mapping[str, tuple[int, ...]]

    @classmethod
    def fit(cls, X: ArrayLike, names: Sequence[str], classes: Sequence[str]) -> PredictorCoding:
        """Learn the levels from the training table, shape (n, predictors)."""
        values = np.asarray(X, dtype=float)
        levels, seen = {}, {}
        for name in classes:
            codes, counts = np.unique(values[:, list(names).index(name)], return_counts=True)
            seen[name] = tuple(int(code) for code in codes)
            levels[name] = tuple(int(code) for code, count in zip(codes, counts) if count >= SMALLEST_CLASS)
        return cls(tuple(names), levels, seen)

    @property
    def class_columns(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if name in self.levels]

    def encode(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Coded predictors, shape (n, predictors), and rows with a class never met in training, shape (n,)."""
        coded = np.array(X, dtype=float)
        if coded.ndim != 2 or coded.shape[1] != len(self.names):
            raise ValueError(f"the predictors have shape {coded.shape}: give one column for each of {', '.join(self.names)}.")
        missing = ~np.isfinite(coded)
        if missing.any():
            row, column = np.argwhere(missing)[0]
            raise ValueError(f"the predictor '{self.names[column]}' has no value in row {row}: leave out such rows or fill them first.")
        unseen = np.zeros(len(coded), dtype=bool)
        for name, levels in self.levels.items():
            column = self.names.index(name)
            codes = coded[:, column].copy()
            unseen |= ~np.isin(codes, self.seen[name])
            coded[:, column] = len(levels)
            for level, code in enumerate(levels):
                coded[codes == code, column] = level
        return coded, unseen

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        return {"names": list(self.names), "levels": {k: list(v) for k, v in self.levels.items()}, "seen": {k: list(v) for k, v in self.seen.items()}}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PredictorCoding:
        """The reverse of `to_dict`."""
        return cls(tuple(content["names"]), {k: tuple(v) for k, v in content["levels"].items()}, {k: tuple(v) for k, v in content["seen"].items()})
