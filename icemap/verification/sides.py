"""The two sides of a fold, as the competitors are given them."""

from __future__ import annotations

from dataclasses import dataclass

from icemap.ensemble.replicates import TrainingTable


@dataclass(frozen=True)
class Sides:
    """Training and test side, and what is known of their columns.

    Attributes
    ----------
    training, test : TrainingTable
        A competitor may look at the target of the test side to score its forecast, no earlier.
    class_columns : list of int
        Predictors that hold codes of classes.
    bounds : (float, float) or None
        Of the target.
    block_degrees : float
        Side of spatial blocks.
    seed : int
    placed : bool
        Whether the position is among the predictors, last.
    """

    training: TrainingTable
    test: TrainingTable
    class_columns: list[int]
    bounds: tuple[float, float] | None
    block_degrees: float
    seed: int
    placed: bool = False
