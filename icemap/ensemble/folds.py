"""Folds as integer labels, one per site; ``splitter`` turns them into a scikit-learn
cross-validator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Labels = NDArray[np.int64]
#: Replicates in a row whose splits differ, before the same splits come again.
SPLITS_IN_A_ROW = 20


def splitter(labels: ArrayLike) -> Any:
    """A scikit-learn cross-validator that leaves out one fold after the other.

    Parameters
    ----------
    labels : array_like of int, shape (n,)

    Raises
    ------
    ValueError
        If there are fewer than two folds.

    Examples
    --------
    >>> [test.tolist() for _, test in splitter([0, 1, 1, 0]).split()]
    [[0, 3], [1, 2]]
    """
    from sklearn.model_selection import PredefinedSplit

    folds = np.unique(np.asarray(labels), return_inverse=True)[1]
    if folds.max(initial=0) < 1:
        raise ValueError(
            "all sites are in one fold: cross-validation needs at least two, use smaller blocks or"
            " another kind of folds."
        )
    return PredefinedSplit(folds)


def random_folds(n: int, k: int, seed: int) -> Labels:
    """Shuffle ``n`` sites into ``k`` folds whose sizes differ by one at most.

    Parameters
    ----------
    n : int
        Number of sites.
    k : int
        Number of folds.
    seed : int

    Examples
    --------
    >>> np.bincount(random_folds(10, 4, seed=0))
    array([3, 3, 2, 2])
    """
    return deal_out(np.arange(n), k, seed, "sites")


def cell_folds(cells: ArrayLike, k: int, seed: int) -> Labels:
    """Folds that keep the sites of one grid cell together.

    Parameters
    ----------
    cells : array_like, shape (n,)
        Any label of the cell that holds each site.
    k : int
        Number of folds. None exceeds n / k by more than the sites of one cell.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> labels = cell_folds(["a", "a", "b", "c"], 2, seed=0)
    >>> bool(labels[0] == labels[1])
    True
    """
    return deal_out(cells, k, seed, "grid cells")


def spatial_blocks(longitude: ArrayLike, latitude: ArrayLike, degrees: float) -> Labels:
    """Number of the block of nearly equal area that holds each place.

    Rows are ``degrees`` high; each is cut into so many columns that a block is as wide as it is
    high, so no block is a sliver near the pole, and the date line is a meridian like any other.

    Parameters
    ----------
    longitude, latitude : array_like, shape (n,)
        Degrees.
    degrees : float
        Side of a block in degrees of latitude (1 degree is 111 km).

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> spatial_blocks([10, 14, 10], [65, 65, 75], 10)
    array([385, 385, 400])
    """
    lon, lat = checked_places(longitude, latitude)
    if not degrees > 0:
        raise ValueError(f"blocks of {degrees} degrees: give a positive number.")
    rows = max(1, round(180 / degrees))
    edges = np.linspace(-90, 90, rows + 1)
    mean_cosine = np.diff(np.sin(np.radians(edges))) / np.radians(180 / rows)
    columns = np.maximum(1, np.rint(2 * rows * mean_cosine)).astype(np.int64)
    row = np.minimum(((lat + 90) / 180 * rows).astype(np.int64), rows - 1)
    column = ((lon % 360) / 360 * columns[row]).astype(np.int64)
    return (np.cumsum(columns) - columns)[row] + np.minimum(column, columns[row] - 1)


def block_folds(
    longitude: ArrayLike, latitude: ArrayLike, degrees: float, k: int, seed: int
) -> Labels:
    """Folds made of whole spatial blocks (see `spatial_blocks`), shuffled by ``seed``.

    Parameters
    ----------
    longitude, latitude : array_like of shape (n,)
        Degrees.
    degrees : float
        Side of a block.
    k : int
        Number of folds.
    seed : int

    Examples
    --------
    >>> labels = block_folds([10, 14, 100, 190], [65, 65, 65, 65], 10, 2, seed=1)
    >>> bool(labels[0] == labels[1])
    True
    """
    return deal_out(
        spatial_blocks(longitude, latitude, degrees), k, seed, f"blocks of {degrees:g} degrees"
    )


def replicate_splits(
    groups: ArrayLike, held_out: float, replicates: int, seed: int
) -> NDArray[np.bool_]:
    """Which samples each replicate holds out; samples of one group (grid cell) go together.

    Two replicates share each split, see `split_numbers`, and split k draws from child k of
    ``SeedSequence(seed)``: what a replicate holds out does not depend on how many there are.

    Parameters
    ----------
    groups : array_like, shape (n,)
    held_out : float
        Share of the groups that is held out, between 0 and 1.
    replicates : int
    seed : int

    Returns
    -------
    ndarray of bool, shape (replicates, n)
        True where held out.

    Examples
    --------
    >>> replicate_splits(range(10), 0.2, replicates=3, seed=0).sum(axis=1)
    array([2, 2, 2])
    """
    from sklearn.model_selection import GroupShuffleSplit

    labels = np.unique(np.asarray(groups), return_inverse=True)[1]
    numbers = split_numbers(replicates)
    held = np.zeros((int(numbers.max(initial=-1)) + 1, len(labels)), dtype=bool)
    for row, child in zip(held, np.random.SeedSequence(seed).spawn(len(held)), strict=True):
        split = GroupShuffleSplit(
            n_splits=1, test_size=held_out, random_state=int(child.generate_state(1)[0])
        )
        row[next(split.split(labels, groups=labels))[1]] = True
    return held[numbers]


def split_numbers(replicates: int) -> Labels:
    """Number of the split that each replicate holds out, shape (replicates,).

    Of every 40 replicates the first 20 have splits of their own and the others the same 20 once
    more, with fits of their own: pairs tell the chance of fitting from that of sampling. So few
    replicates still differ by their sites.

    Examples
    --------
    >>> split_numbers(43)[[0, 19, 20, 39, 40, 41, 42]]
    array([ 0, 19,  0, 19, 20, 21, 22])
    """
    number = np.arange(replicates)
    return number // (2 * SPLITS_IN_A_ROW) * SPLITS_IN_A_ROW + number % SPLITS_IN_A_ROW


def checked_places(
    longitude: ArrayLike, latitude: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as arrays (n,), of one length and finite."""
    lon, lat = np.asarray(longitude, dtype=float), np.asarray(latitude, dtype=float)
    if lon.ndim != 1 or lon.shape != lat.shape or not len(lon):
        raise ValueError(
            f"longitude and latitude have the shapes {lon.shape} and {lat.shape}: give one of each"
            " for every place, and at least one place."
        )
    bad = ~(np.isfinite(lon) & (np.abs(lat) <= 90))
    if bad.any():
        raise ValueError(
            f"row {int(bad.argmax())} has longitude {lon[bad][0]} and latitude {lat[bad][0]}: give"
            " finite degrees, latitude within -90 and 90."
        )
    return lon, lat


def deal_out(groups: ArrayLike, k: int, seed: int, what: str) -> Labels:
    """Put groups one by one into the fold that is smallest so far: those larger than a fold should
    be first, then the others shuffled.
    """
    labels, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)[1:]
    if k < 2 or len(sizes) < k:
        raise ValueError(
            f"{k} folds cannot be made of {len(sizes)} {what}: ask for at least 2 folds, and for no"
            f" more than there are {what}."
        )
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    filled = np.zeros(k, dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    for group in sorted(shuffled, key=lambda group: sizes[group] * k <= len(labels)):
        fold_of_group[group] = filled.argmin()
        filled[fold_of_group[group]] += sizes[group]
    return fold_of_group[labels]
