"""Folds whose test sites are as far from their training sites as the map is from the sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.ensemble.folds import Labels, checked_places, deal_out, random_folds

# Mean radius of the WGS84 ellipsoid (km).
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors


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

    lon, lat = checked_places(longitude, latitude)
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


def _radians(longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
    lon, lat = checked_places(longitude, latitude)
    return np.radians(np.column_stack([lat, lon]))


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
                yield int(count), deal_out(clusters, k, seed, "clusters")


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
