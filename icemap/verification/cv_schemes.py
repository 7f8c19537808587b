"""The kinds of folds that are printed side by side, and which of them a table of samples allows."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.ensemble.checks import MIN_TRAINING
from icemap.ensemble.folds import block_folds, cell_folds, random_folds, spatial_blocks
from icemap.ensemble.replicates import BLOCK_HALVINGS, TrainingTable
from icemap.regions import region_of
from icemap.sphere import unit_vectors
from icemap.verification.knndm import knndm_folds
from icemap.verification.paired import MIN_BLOCKS

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

KIND_NAMES = {
    "random": "random",
    "cell": "random, by grid cell",
    "block": "spatial blocks",
    "knndm": "kNNDM",
    "region": "leave region out",
}
HEADLINE = "knndm"
#: A score of fewer samples than this is hardly one, and a training side needs three times as many.
MIN_SCORED = 20
_MIN_TRAINING = 3 * MIN_SCORED
# How many more folds than asked for are tried where fewer leave too few samples to train on.
MORE_FOLDS = 20
# Fewer folds of spatial blocks than this are none.
MIN_BLOCK_FOLDS = 3


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
    random_alone : bool
        Random folds and no others, as the published recipe is verified.
    """

    folds: int
    block_degrees: float
    domain: tuple[Array, Array]
    seed: int
    random_alone: bool = False


def headline(kinds: Container[str]) -> str:
    """Of the kinds of folds in a verification, the one whose scores stand first.

    Examples
    --------
    >>> headline({"cell", "block", "knndm"}), headline({"cell"})
    ('knndm', 'cell')
    """
    return next(kind for kind in (HEADLINE, *KIND_NAMES) if kind in kinds)


def fold_labels(table: TrainingTable, options: FoldOptions) -> tuple[dict[str, Labels], list[str]]:
    """Fold of each sample for each kind of folds that these samples allow.

    Every training side has enough samples for the ensemble (`MIN_TRAINING`). Where the folds
    asked for would leave fewer, or there are fewer blocks than folds, their number or the side of
    the blocks is changed, and a note says so.

    Returns
    -------
    labels : dict
        Kind to labels of shape (n,); a sample with the label -1 is on the training side of every
        fold.
    notes : list of str
        What was changed or left out, and why.

    Raises
    ------
    ValueError
        If there are too few samples for any folds.
    """
    folds, seed = options.folds, options.seed
    lon, lat = table.longitude, table.latitude
    cells = len(np.unique(table.cell))
    notes = []
    labels: dict[str, Labels] = {}
    by_cell, count = _with_enough(lambda k: cell_folds(table.cell, k, seed), folds, cells)
    if by_cell is None:
        raise ValueError(
            f"{len(table)} samples in {cells} grid cells allow no folds that leave {MIN_TRAINING}"
            " samples to train on: add sites."
        )
    notes += _changed("cell", folds, count)
    if cells == len(table):
        notes.append(
            "every sample has a grid cell of its own, so random folds are folds by grid cell and"
            " are given once"
        )
    else:
        by_chance, _ = _with_enough(lambda k: random_folds(len(table), k, seed), folds, len(table))
        assert by_chance is not None, "folds of single samples are smaller than those of cells"
        labels["random"] = by_chance
    labels["cell"] = by_cell
    if options.random_alone:
        kept = "random" if "random" in labels else "cell"
        return {kept: labels[kept]}, notes
    by_block, said = _block_labels(table, options)
    notes += said
    if by_block is not None:
        labels["block"] = by_block
    # Half of the samples at most, or what leaves enough to train on.
    largest = min(0.5, 1 - MIN_TRAINING / len(table))
    domain = options.domain
    found, count = _with_enough(
        lambda k: knndm_folds(lon, lat, *domain, k, seed, largest_fold=largest),
        folds,
        len(table) - 2,
    )
    if found is None:
        raise ValueError(
            f"{len(table)} samples allow no kNNDM folds that leave {MIN_TRAINING} samples to train"
            " on: add sites."
        )
    notes += _changed("knndm", folds, count)
    labels["knndm"] = found
    by_region, left_out = region_labels(lon, lat)
    notes += left_out
    if (by_region >= 0).any():
        labels["region"] = by_region
    return labels, notes


def importance_kind(labels: Mapping[str, Labels]) -> str:
    """Kind of folds whose test sides are used for the importance of the predictors."""
    return "block" if "block" in labels else headline(labels)


def kinds_of_published(labels: Mapping[str, Labels]) -> set[str]:
    """Kinds of folds under which the published recipe is fitted, as one of the competitors: random
    ones, by which its authors verify, and those of the headline. It takes longer than all others.

    Examples
    --------
    >>> sorted(kinds_of_published(dict.fromkeys(("cell", "block", "knndm", "region"))))
    ['cell', 'knndm']
    """
    return {next(kind for kind in KIND_NAMES if kind in labels), headline(labels)}


def _with_enough(make: Callable[[int], Labels], folds: int, most: int) -> tuple[Labels | None, int]:
    """Labels for the number of folds nearest to what is asked for whose training sides are large
    enough, and that number: more folds leave more to train on. None where no number does."""
    count = min(folds, most)
    for k in range(count, min(most, count + MORE_FOLDS) + 1):
        try:
            labels = make(k)
        except ValueError:
            continue
        if smallest_training(labels) >= MIN_TRAINING:
            return labels, k
    return None, 0


def smallest_training(labels: Labels) -> int:
    """Samples on the smallest training side.

    Examples
    --------
    >>> smallest_training(np.array([0, 0, 0, 1, -1]))
    2
    """
    return int(len(labels) - np.bincount(labels[labels >= 0]).max())


def _block_labels(table: TrainingTable, options: FoldOptions) -> tuple[Labels | None, list[str]]:
    """Folds of spatial blocks, of half the side and less where larger blocks allow no folds."""
    lon, lat, degrees = table.longitude, table.latitude, options.block_degrees
    for halvings in range(BLOCK_HALVINGS + 1):
        side = degrees / 2**halvings
        sizes = np.unique(spatial_blocks(lon, lat, side), return_counts=True)[1]
        if halvings == 0:
            most, count = int(sizes.max()), len(sizes)
        if len(sizes) < MIN_BLOCK_FOLDS:
            continue
        labels, found = _with_enough(
            lambda k, side=side: block_folds(lon, lat, side, k, options.seed),  # type: ignore[misc]
            options.folds,
            len(sizes),
        )
        if labels is None:
            continue
        notes = _changed("block", options.folds, found)
        if halvings:
            notes.append(
                f"spatial blocks have a side of {side:g} degrees instead of {degrees:g}: those of "
                f"{degrees:g} degrees are {count}, and the largest holds {most} of {len(table)} "
                "samples"
            )
        return labels, notes
    return None, [
        f"spatial blocks are not left out: all {len(table)} samples are in {count} blocks of "
        f"{degrees:g} degrees, and smaller ones leave too few samples to train on"
    ]


def _changed(kind: str, asked: int, found: int) -> list[str]:
    if asked == found:
        return []
    why = (
        "there are no more to leave out"
        if found < asked
        else f"fewer would leave less than {MIN_TRAINING} samples to train on"
    )
    return [f"{KIND_NAMES[kind]}: {found} folds instead of {asked}, {why}"]


def with_pseudo_sites(table: TrainingTable, labels: Labels) -> Labels:
    """Fold of every sample of a table, (n,), from those of its boreholes: a pseudo-site is left out
    along with the borehole that is nearest to it, so that nothing that is near a left-out borehole
    tells of it.

    Examples
    --------
    >>> lon, pseudo = np.array([0.0, 9.0, 8.0]), np.array([False, False, True])
    >>> empty = np.empty((3, 0))
    >>> table = TrainingTable(empty, lon, lon, lon, lon, np.arange(3), pseudo=pseudo)
    >>> with_pseudo_sites(table, np.array([0, 1])).tolist()
    [0, 1, 1]
    """
    from scipy.spatial import cKDTree

    if table.pseudo is None:
        return labels
    vectors, drilled = unit_vectors(table.longitude, table.latitude), table.drilled
    _, nearest = cKDTree(vectors[drilled]).query(vectors)
    found = labels[nearest]
    found[drilled] = labels
    return found


def sample_facts(table: TrainingTable, block_degrees: float) -> str:
    """How many samples there are, in how many clusters, and what that allows, in one sentence."""
    blocks = spatial_blocks(table.longitude, table.latitude, block_degrees)
    sizes = np.unique(blocks, return_counts=True)[1]
    # A sample counts by the square root of the inverse density, by which places would be even.
    weight = table.weight**2
    worth = float(weight.sum() ** 2 / (weight @ weight))
    told = (
        "enough to say how sure the scores are"
        if len(sizes) >= MIN_BLOCKS
        else f"too few to say how sure the scores are ({MIN_BLOCKS} clusters are needed), so that"
        " their intervals, of smaller blocks, are too narrow"
    )
    return (
        f"{len(table)} samples, worth {worth:.0f} samples spread evenly, in {len(sizes)}"
        f" independent clusters (blocks of {block_degrees:g} degrees; the largest has"
        f" {sizes.max()}): {told}"
    )


def region_labels(longitude: Array, latitude: Array) -> tuple[Labels, list[str]]:
    """One fold per region with enough samples in it and outside it; -1 for the samples of the
    others.

    Returns
    -------
    labels : ndarray of shape (n,)
    notes : list of str
        Names the regions that are not left out, and says why.

    Examples
    --------
    >>> labels, notes = region_labels(np.repeat([-150.0, 130.0, 20.0], [70, 70, 3]), np.full(143,
    ...     68.0))
    >>> np.unique(labels), notes
    (array([-1, 0, 1]), ['Nordic is not left out: it has 3 samples, fewer than 20'])
    """
    region = region_of(longitude, latitude)
    labels = np.full(len(region), -1)
    notes = []
    for name in sorted({str(r) for r in region}):
        inside = region == name
        if inside.sum() < MIN_SCORED:
            notes.append(
                f"{name} is not left out: it has {inside.sum()} samples, fewer than {MIN_SCORED}"
            )
        elif (~inside).sum() < _MIN_TRAINING:
            notes.append(
                f"{name} is not left out: the other regions have {(~inside).sum()} samples, fewer"
                f" than {_MIN_TRAINING}"
            )
        else:
            labels[inside] = labels.max() + 1
    return labels, notes
