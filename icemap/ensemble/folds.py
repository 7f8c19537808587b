"""Folds as integer labels, one per site; ``splitter`` turns them into a scikit-learn
cross-validator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Mean radius of the WGS84 ellipsoid (km).
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

Labels = NDArray[np.int64]
#: Replicates in a row whose splits differ, before the same splits come again.
SPLITS_IN_A_ROW = 20


class Knndm(NamedTuple):
    """Outcome of the kNNDM search, with the three distance distributions that its figure shows
    (km).
    """

    labels: Labels
    w: float
    """Wasserstein distance between ``test_to_train`` and ``domain_to_site``, km."""
    clusters: int
    """Number of clusters merged into the folds; 0 where random folds already match."""
    site_to_site: NDArray[np.float64]
    domain_to_site: NDArray[np.float64]
    test_to_train: NDArray[np.float64]


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
    return _spread(np.arange(n), k, seed, "sites")


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
    return _spread(cells, k, seed, "grid cells")


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
    lon, lat = _places(longitude, latitude)
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
    return _spread(
        spatial_blocks(longitude, latitude, degrees), k, seed, f"blocks of {degrees:g} degrees"
    )


def region_folds(regions: ArrayLike) -> Labels:
    """One fold per region, in alphabetical order of their names.

    Examples
    --------
    >>> region_folds(["Siberia", "Alaska", "Siberia"])
    array([1, 0, 1])
    """
    names, labels = np.unique(np.asarray(regions), return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"all sites are in the region {', '.join(map(str, names))}: leave-region-out needs at"
            " least two regions."
        )
    return labels.astype(np.int64)


def knndm(
    longitude: ArrayLike,
    latitude: ArrayLike,
    domain_longitude: ArrayLike,
    domain_latitude: ArrayLike,
    k: int,
    seed: int,
    *,
    largest_fold: float = 0.5,
) -> Knndm:
    """Folds in which a test site is as far from the training sites as a place on the map is from
    the sites.

    The sites are clustered into k, ..., n - 2 clusters by their great-circle distances (Ward and
    complete linkage); each clustering is merged into k folds in two ways, in order along the main
    axis of the sites and shuffled; the folds whose nearest-neighbour distances differ least from
    those of the map (Wasserstein distance W) are kept. Where the sites are not closer to one
    another than to the map (one-sided Kolmogorov-Smirnov test, 5 %), random folds are returned.

    Parameters
    ----------
    longitude, latitude : array_like, shape (n,)
        Sites, degrees.
    domain_longitude, domain_latitude : array_like, shape (m,)
        Places spread evenly over the area (not over the degrees) of the map; some thousands are
        enough.
    k : int
        Number of folds.
    seed : int
        For the shuffled merging and the random folds.
    largest_fold : float
        No fold holds more than this share of the sites.

    Returns
    -------
    Knndm

    Raises
    ------
    ValueError
        If there are fewer than k + 2 sites, or if no clustering keeps every fold below
        ``largest_fold``.

    Notes
    -----
    Linnenbrink et al. 2024, doi:10.5194/gmd-17-5897-2024. The main axis is that of the positions on
    the sphere, not of longitude and latitude, which would tear clusters apart at the date line.
    Needs memory for n x n distances.
    """
    from scipy.stats import ks_2samp, wasserstein_distance

    lon, lat = _places(longitude, latitude)
    n = len(lon)
    if n < k + 2 or k < 2:
        raise ValueError(
            f"kNNDM with {k} folds and {n} sites: it needs at least 2 folds, and at least 2 sites"
            " more than folds."
        )
    distances = great_circle(lon, lat)
    site_to_site = _nearest_in_other_fold(distances, np.arange(n))
    domain_to_site = nearest_distance(domain_longitude, domain_latitude, lon, lat)
    best: Knndm | None = None
    if ks_2samp(site_to_site, domain_to_site, alternative="greater", method="asymp").pvalue >= 0.05:
        candidates = iter([(0, random_folds(n, k, seed))])
    else:
        candidates = _clusterings(lon, lat, distances, k, seed)
    for clusters, labels in candidates:
        if np.bincount(labels).max() <= largest_fold * n:
            test_to_train = _nearest_in_other_fold(distances, labels)
            w = float(wasserstein_distance(test_to_train, domain_to_site))
            if best is None or w < best.w:
                best = Knndm(labels, w, clusters, site_to_site, domain_to_site, test_to_train)
    if best is None:
        raise ValueError(
            f"kNNDM: no clustering into {k} folds keeps each within {largest_fold:.0%} of the {n}"
            " sites; allow a larger fold."
        )
    return best


def knndm_folds(
    longitude: ArrayLike,
    latitude: ArrayLike,
    domain_longitude: ArrayLike,
    domain_latitude: ArrayLike,
    k: int,
    seed: int,
    *,
    largest_fold: float = 0.5,
) -> Labels:
    """The labels of `knndm`, whose parameters these are.

    Examples
    --------
    >>> roads = np.repeat([100.0, 120.0, 140.0], 20) + np.tile(np.linspace(0, 1, 20), 3)
    >>> map_lon, map_lat = np.meshgrid(np.arange(60.0, 180.0, 2.0), [50.0, 60.0, 70.0])
    >>> labels = knndm_folds(roads, np.full(60, 62.0), map_lon.ravel(), map_lat.ravel(), k=3,
    ...     seed=0)
    >>> [len(set(labels[i : i + 20].tolist())) for i in (0, 20, 40)]
    [1, 1, 1]
    """
    places = (longitude, latitude, domain_longitude, domain_latitude)
    return knndm(*places, k, seed, largest_fold=largest_fold).labels


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


def great_circle(longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
    """Great-circle distances between all places, km, shape (n, n)."""
    from sklearn.metrics.pairwise import haversine_distances

    return EARTH_RADIUS_KM * haversine_distances(_radians(longitude, latitude))


def nearest_distance(
    longitude: ArrayLike, latitude: ArrayLike, site_longitude: ArrayLike, site_latitude: ArrayLike
) -> NDArray[np.float64]:
    """Great-circle distance from each place to the nearest site, km, shape (places,).

    Parameters
    ----------
    longitude, latitude : array_like of shape (places,)
        Degrees.
    site_longitude, site_latitude : array_like of shape (sites,)
        Degrees.

    Examples
    --------
    >>> nearest_distance([179.5], [0], [-179.5, 100], [0, 0]).round(1)
    array([111.2])
    """
    from sklearn.neighbors import BallTree

    tree = BallTree(_radians(site_longitude, site_latitude), metric="haversine")
    return (
        EARTH_RADIUS_KM * tree.query(_radians(longitude, latitude), return_distance=True)[0][:, 0]
    )


def _places(
    longitude: ArrayLike, latitude: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def _radians(longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
    lon, lat = _places(longitude, latitude)
    return np.radians(np.column_stack([lat, lon]))


def _spread(groups: ArrayLike, k: int, seed: int, what: str) -> Labels:
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


def _nearest_in_other_fold(distances: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    return np.where(labels[:, None] == labels[None, :], np.inf, distances).min(axis=1)


def _clusterings(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    distances: NDArray[np.float64],
    k: int,
    seed: int,
) -> Iterator[tuple[int, Labels]]:
    """Numbers of clusters, up to 100 between k and n - 2 and close together where they are few,
    with the folds made of the clusters.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    n = len(lon)
    position = unit_vectors(lon, lat)
    along_axis = (
        position @ np.linalg.svd(position - position.mean(axis=0), full_matrices=False)[2][0]
    )
    counts = np.unique(np.rint(np.exp(np.linspace(np.log(k), np.log(n - 2), 100))).astype(int))
    for method in ("ward", "complete"):
        tree = linkage(squareform(distances, checks=False), method=method)
        for count in counts:
            clusters = np.unique(fcluster(tree, count, criterion="maxclust"), return_inverse=True)[
                1
            ]
            # Ties in the tree can leave fewer clusters than asked for, too few to fill k folds.
            if clusters.max() + 1 >= k:
                yield int(count), _merge(clusters, along_axis, k)
                yield int(count), _spread(clusters, k, seed, "clusters")


def _merge(clusters: NDArray[np.intp], along_axis: NDArray[np.float64], k: int) -> Labels:
    """Clusters of n / k sites or more become folds of their own; the others are dealt out in turn,
    in order along the axis.
    """
    sizes = np.bincount(clusters)
    order = np.argsort(np.bincount(clusters, weights=along_axis) / sizes, kind="stable")
    large = [c for c in order if sizes[c] >= len(clusters) / k]
    small = [c for c in order if sizes[c] < len(clusters) / k]
    fold_of_cluster = np.empty(len(sizes), dtype=np.int64)
    fold_of_cluster[large] = np.arange(len(large))
    fold_of_cluster[small] = len(large) + np.arange(len(small)) % max(1, k - len(large))
    return fold_of_cluster[clusters]
