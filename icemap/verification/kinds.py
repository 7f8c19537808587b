"""The kinds of folds that are printed side by side, and which of them a table of samples allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.regions import region_of
from icemap.ensemble.folds import block_folds, cell_folds, knndm_folds, random_folds
from icemap.ensemble.replicates import TrainingTable

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

KIND_NAMES = {"random": "random", "cell": "random, by grid cell", "block": "spatial blocks", "knndm": "kNNDM", "region": "leave region out"}
HEADLINE = "knndm"
#: A score of fewer samples than this is hardly one, and a training side needs three times as many.
FEW = 20
_LEAST_TRAINING = 3 * FEW


@dataclass(frozen=True)
class FoldOptions:
    """How the samples are split for verification.

    Attributes
    ----------
    folds : int
        Of each kind but leave-region-out, whose folds are the regions.
    block_degrees : float
        Side of the spatial blocks.
    domain : (ndarray, ndarray)
        Longitudes and latitudes of places that stand for the map, for kNNDM.
    seed : int
    """

    folds: int
    block_degrees: float
    domain: tuple[Array, Array]
    seed: int


def fold_labels(table: TrainingTable, options: FoldOptions) -> tuple[dict[str, Labels], list[str]]:
    """Fold of each sample for each kind of folds that makes sense for these samples.

    Returns
    -------
    labels : dict
        Kind to labels of shape (n,); a sample with the label -1 is on the training side of every fold.
    notes : list of str
        What was left out, and why.

    Raises
    ------
    ValueError
        If there are too few samples, cells or blocks for that many folds.
    """
    folds, seed = options.folds, options.seed
    labels = {"cell": cell_folds(table.cell, folds, seed)}
    notes = []
    if len(np.unique(table.cell)) == len(table):
        notes.append("every sample has a grid cell of its own, so random folds are folds by grid cell and are given once")
    else:
        labels = {"random": random_folds(len(table), folds, seed), **labels}
    labels["block"] = block_folds(table.longitude, table.latitude, options.block_degrees, folds, seed)
    labels["knndm"] = knndm_folds(table.longitude, table.latitude, *options.domain, folds, seed)
    by_region, left_out = region_labels(table.longitude, table.latitude)
    notes += left_out
    if (by_region >= 0).any():
        labels["region"] = by_region
    return labels, notes


def region_labels(longitude: Array, latitude: Array) -> tuple[Labels, list[str]]:
    """One fold per region with enough samples in it and outside it; -1 for the samples of the others.

    Returns
    -------
    labels : ndarray of shape (n,)
    notes : list of str
        Names the regions that are not left out, and says why.

    Examples
    --------
    >>> labels, notes = region_labels(np.repeat([-150.0, 130.0, 20.0], [70, 70, 3]), np.full(143, 68.0))
    >>> np.unique(labels), notes
    (array([-1, 0, 1]), ['Nordic is not left out: it has 3 samples, fewer than 20'])
    """
    region = region_of(longitude, latitude)
    labels = np.full(len(region), -1)
    notes = []
    for name in sorted({str(r) for r in region}):
        inside = region == name
        if inside.sum() < FEW:
            notes.append(f"{name} is not left out: it has {inside.sum()} samples, fewer than {FEW}")
        elif (~inside).sum() < _LEAST_TRAINING:
            notes.append(f"{name} is not left out: the other regions have {(~inside).sum()} samples, fewer than {_LEAST_TRAINING}")
        else:
            labels[inside] = labels.max() + 1
    return labels, notes
