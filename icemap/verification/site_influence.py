"""What single sites mean for the map, and where one more would help most. The map is represented by
places spread over it by area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.pseudo import is_pseudo
from icemap.verification.applicability import Applicability
from icemap.verification.records import NextBorehole, SiteRow

Array = NDArray[np.float64]
# The effect of leaving a site out is the difference of two means over splits: fewer than this are
# no mean.
MIN_SPLITS = 50
MIN_LEFT_OUT = 5


@dataclass(frozen=True, eq=False)
class MapPlaces:
    """Places that stand for the map, and what the ensemble says of them.

    Attributes
    ----------
    longitude, latitude : ndarray of shape (m,)
    weight : ndarray of shape (m,)
        Share of the map's total that each place stands for (area times counted fraction); adds up
        to 1.
    predictors : ndarray of shape (m, columns)
        As `icemap.verification.applicability.Applicability` takes them.
    mean, sd : ndarray of shape (m,)
        Predicted mean, and standard deviation of a single observation, in units of the target.
    replicate_means : ndarray of shape (replicates, m)
    """

    longitude: Array
    latitude: Array
    weight: Array
    predictors: Array
    mean: Array
    sd: Array
    replicate_means: Array


def nearest_sites(
    applicability: Applicability, predictors: Array
) -> tuple[NDArray[np.int64], Array]:
    """For each place the training site nearest in weighted predictor space, and the dissimilarity
    to it, each of shape (m,).
    """
    from scipy.spatial import cKDTree

    distance, site = cKDTree(applicability.points).query(
        (predictors - applicability.center) * applicability.factor
    )
    return site.astype(np.int64), distance / applicability.mean_distance


def map_shares(applicability: Applicability, places: MapPlaces) -> Array:
    """Influence of each site, shape (sites,): the share of the map whose nearest training site, in
    weighted predictor space, it is.

    Sites with the same predictors share. Adds up to 1.

    Examples
    --------
    >>> sites = Applicability.fit([[0.0], [1.0], [3.0]])
    >>> one = np.ones(4)
    >>> map_shares(sites, MapPlaces(one, one, one / 4, np.array([[0.1], [2.9], [3.0], [9.0]]), one,
    ...     one, one[None]))
    array([0.25, 0.  , 0.75])
    """
    site, _ = nearest_sites(applicability, places.predictors)
    _, same, count = np.unique(
        applicability.points, axis=0, return_inverse=True, return_counts=True
    )
    same = same.ravel()
    return (np.bincount(same[site], places.weight, len(count)) / count)[same]


def total_shifts(held_out: NDArray[np.bool_], totals: Array) -> tuple[Array, Array]:
    """By how much a site moves the map's mean: mean over the replicates that trained on it, minus
    mean over those that did not.

    Parameters
    ----------
    held_out : ndarray of bool, shape (replicates, sites)
    totals : ndarray of shape (replicates,)
        Mean of the map in each replicate, in units of the target.

    Returns
    -------
    shift, standard_error : ndarray of shape (sites,)
        NaN where a site was left out by fewer than 5 splits, and everywhere with fewer than 50
        splits.

    Notes
    -----
    The covariance between the presence of a site and the total, divided by the variance of the
    presence: the infinitesimal jackknife of Wager, Hastie & Efron (2014, JMLR 15:1625) for samples
    drawn without replacement. Replicates that share a split are one draw: their mean counts. The
    standard error is that of the finite number of splits.

    Examples
    --------
    >>> held_out = np.random.default_rng(0).random((2000, 40)) < 0.1
    >>> shift, error = total_shifts(held_out, 40 + 2.0 * ~held_out[:, 1])
    >>> bool(abs(shift[1] - 2) < 1e-9), bool(abs(shift[0]) < 3 * error[0])
    (True, True)
    """
    held_out, number = np.unique(held_out, axis=0, return_inverse=True)
    totals = np.bincount(number.ravel(), totals) / np.bincount(number.ravel())
    left_out = held_out.sum(axis=0)
    splits = len(totals)
    if splits < MIN_SPLITS:
        nothing = np.full(held_out.shape[1], np.nan)
        return nothing, nothing
    enough = (left_out >= MIN_LEFT_OUT) & (splits - left_out >= MIN_LEFT_OUT)
    out = np.where(enough, left_out, np.nan)
    without = totals @ held_out / out
    within = (totals.sum() - totals @ held_out) / (splits - out)
    return within - without, totals.std(ddof=1) * np.sqrt(1 / out + 1 / (splits - out))


def next_boreholes(
    applicability: Applicability, places: MapPlaces, count: int = 20
) -> list[NextBorehole]:
    """Places where one more borehole would bring most of the map's uncertainty closer to data, best
    first, each given those before it.

    A borehole at c would be the nearest training site of the places k with d(k, c) < d(k), where
    d(k) is their dissimilarity index now. It narrows

        sum over these k of  weight_k sd_k^2 (1 - d(k, c) / d(k)),

    the predictive variance of the map that comes nearer to data, times the part of the way. The
    score is that sum divided by the sum of all weight_k sd_k^2: 1 would be a borehole at every
    place.

    Parameters
    ----------
    applicability : Applicability
        Of the training sites.
    places : MapPlaces
        The candidates.
    count : int
        At most so many.

    Returns
    -------
    list of NextBorehole
        With the dissimilarity before, and the share of the map that would have it as its nearest
        site.

    Notes
    -----
    A guide, not a design: it takes all predictive variance for reducible, the noise between
    neighbouring boreholes with it; it knows nothing of distance on the ground, access or cost; only
    the places themselves are candidates.
    """
    from sklearn.metrics import pairwise_distances

    # Factor 0 stands for predictors without variance among the sites.
    scaled = (places.predictors - applicability.center) * applicability.factor
    between = pairwise_distances(scaled) / applicability.mean_distance
    _, current = nearest_sites(applicability, places.predictors)
    variance = places.weight * places.sd**2
    rows: list[NextBorehole] = []
    for _ in range(min(count, len(scaled))):
        nearer = np.divide(
            between, current[:, None], out=np.ones_like(between), where=current[:, None] > 0
        )
        gains = variance @ np.maximum(1 - nearer, 0.0) / variance.sum()
        best = int(gains.argmax())
        if not gains[best] > 0:
            break
        closer = between[:, best] < current
        rows.append(
            {
                "longitude": float(places.longitude[best]),
                "latitude": float(places.latitude[best]),
                "score": float(gains[best]),
                "mean": float(places.mean[best]),
                "sd": float(places.sd[best]),
                "dissimilarity": float(current[best]),
                "share_of_map": float(places.weight[closer].sum()),
            }
        )
        current = np.minimum(current, between[:, best])
    return rows


def site_table(
    samples: Any,
    applicability: Applicability,
    places: MapPlaces,
    held_out: NDArray[np.bool_],
    residual: Array,
) -> list[SiteRow]:
    """Sites by their influence on the map, highest first.

    Parameters
    ----------
    samples : DataFrame
        ``lon``, ``lat`` and ``value``, optional ``sample``.
    applicability : Applicability
        Of the training sites.
    places : MapPlaces
    held_out : ndarray of bool, shape (replicates, n)
        Samples that each replicate was trained without.
    residual : ndarray of shape (n,)
        Observed minus predicted where the sample was left out; NaN where it was not.

    Returns
    -------
    list of SiteRow
    """
    shares = map_shares(applicability, places)
    shift, error = total_shifts(held_out, places.replicate_means @ places.weight)
    names, pseudo = list(samples.get("sample", samples.index)), is_pseudo(samples)
    rows: list[SiteRow] = []
    for i in np.argsort(-shares, kind="stable"):
        known = bool(np.isfinite(shift[i]))
        rows.append(
            {
                "sample": str(names[i]),
                "longitude": float(samples["lon"].iloc[i]),
                "latitude": float(samples["lat"].iloc[i]),
                "value": float(samples["value"].iloc[i]),
                "pseudo": bool(pseudo[i]),
                "map_share": float(shares[i]),
                "residual": float(residual[i]) if np.isfinite(residual[i]) else None,
                "total_shift": float(shift[i]) if known else None,
                "total_shift_se": float(error[i]) if known else None,
            }
        )
    return rows
