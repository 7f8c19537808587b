"""The mean of layers inside a window of depth, for many boreholes at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

POINT_REACH = 0.5  # m that a point sample stands for on either side, at most
LAYER_SPREAD = 15.0  # %, spread of layers around the mean of their borehole where too few say it themselves (choice)

Floats = NDArray[np.float64]


def window_means(site: NDArray[np.int64], top: Floats, base: Floats, vic: Floats, error: Floats, permafrost_table: Floats, thickness: float) -> pd.DataFrame:
    """``site_vic`` of many boreholes at once.

    Parameters
    ----------
    site : ndarray of int, shape (layers,)
        Number of the borehole of each layer: a row of ``permafrost_table``.
    top, base, vic, error : ndarray, shape (layers,)
        m, m, %, %. Rows with NaN are left out.
    permafrost_table : ndarray, shape (sites,)
        m; NaN gives an empty result.

    Returns
    -------
    DataFrame
        ``vic, coverage, grade, standard_error, layers``, one row per borehole.
    """
    n = len(permafrost_table)
    there = ~np.isnan(top + base + vic) & ~np.isnan(permafrost_table[site])
    order = np.flatnonzero(there)[np.lexsort((base[there], top[there], site[there]))]
    site, top, base, vic, error = site[order], top[order], base[order], vic[order], np.where(np.isnan(error[order]), LAYER_SPREAD, error[order])
    top, base = _spread_points(site, top, base)
    upper = permafrost_table[site]
    top, base = np.clip(top, upper, upper + thickness), np.clip(base, upper, upper + thickness)
    inside = base > top
    site, top, base, vic, error = site[inside], top[inside], base[inside], vic[inside], error[inside]

    part = _pieces(site, top, base, vic, error)
    length = np.bincount(part.site, part.length, n)
    covered = np.where(length > 0, length, np.nan)
    mean = np.bincount(part.site, part.length * part.vic, n) / covered
    measured = np.bincount(part.site, part.length * part.error, n) / covered
    spread = np.bincount(part.site, part.length * (part.vic - mean[part.site]) ** 2, n) / covered
    layers = np.bincount(site, minlength=n)
    coverage = np.minimum(length / thickness, 1.0)
    first = min(1.0, thickness)
    in_first = np.clip(np.minimum(part.top + part.length, permafrost_table[part.site] + first) - part.top, 0, None)
    top_metre = np.bincount(part.site, in_first, n) / first
    # What was not seen may lie as far from the mean as the layers that were; one method's error is shared by all layers of a hole.
    unseen = (1 - coverage) * np.where(layers >= 3, np.sqrt(spread), LAYER_SPREAD)
    return pd.DataFrame(
        {
            "vic": np.clip(mean, 0.0, 100.0),
            "coverage": coverage,
            "grade": grades(coverage, top_metre),
            "standard_error": np.sqrt(measured**2 + unseen**2),
            "layers": layers,
        }
    )


def grades(coverage: Floats, top_metre: Floats) -> NDArray[np.object_]:
    """A from 0.8, B from 0.6, C from 0.4 if at least half of the top metre is there, else D."""
    slack = 1e-9
    choices = [coverage >= 0.8 - slack, coverage >= 0.6 - slack, (coverage >= 0.4 - slack) & (top_metre >= 0.5 - slack)]
    return np.asarray(np.select(choices, [np.full(len(coverage), grade, dtype=object) for grade in "ABC"], default="D"), dtype=object)


def _spread_points(site: NDArray[np.int64], top: Floats, base: Floats) -> tuple[Floats, Floats]:
    """Give point samples (base = top) the length they stand for; rows are sorted by site and top."""
    points = np.flatnonzero(base == top)
    if len(points) == 0:
        return top, base
    # Replicates at one depth are one group: a point's neighbours are the groups above and below it.
    starts = np.flatnonzero(np.r_[True, (site[1:] != site[:-1]) | (top[1:] != top[:-1])])
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(site)]))[points]
    before, after = np.maximum(starts[group] - 1, 0), np.r_[starts, len(site) - 1][group + 1]
    at = top[points]
    above = np.where(site[before] == site[points], at - base[before], np.inf)
    below = np.where((site[after] == site[points]) & (top[after] > at), top[after] - at, np.inf)
    # The first and last group look at themselves here, which is no neighbour.
    above[starts[group] == 0] = np.inf
    top, base = top.copy(), base.copy()
    top[points] = np.maximum(at - np.clip(above / 2, 0, POINT_REACH), 0.0)
    base[points] = at + np.clip(below / 2, 0, POINT_REACH)
    return top, base


class _Pieces(NamedTuple):
    site: NDArray[np.int64]
    top: Floats
    length: Floats
    vic: Floats
    error: Floats


def _pieces(site: NDArray[np.int64], top: Floats, base: Floats, vic: Floats, error: Floats) -> _Pieces:
    """Cut the layers so that no two pieces of a borehole overlap; where layers did, the piece has their mean."""
    deepest = pd.Series(base).groupby(site).cummax().to_numpy()
    overlaps = np.zeros(len(site), dtype=bool)
    overlaps[1:] = (site[1:] == site[:-1]) & (top[1:] < deepest[:-1])
    tangled = np.isin(site, np.unique(site[overlaps]))
    plain = ~tangled
    pieces = _Pieces(site[plain], top[plain], (base - top)[plain], vic[plain], error[plain])
    if not tangled.any():
        return pieces
    return _Pieces(*(np.concatenate(pair) for pair in zip(pieces, _cut(site[tangled], top[tangled], base[tangled], vic[tangled], error[tangled]))))


def _cut(site: NDArray[np.int64], top: Floats, base: Floats, vic: Floats, error: Floats) -> _Pieces:
    """Sweep down every borehole: between two edges the mean of the layers that are open there."""
    depth, where = np.r_[top, base], np.r_[site, site]
    order = np.lexsort((depth, where))
    depth, where = depth[order], where[order]
    count = np.cumsum(np.r_[np.ones(len(top), dtype=np.int64), -np.ones(len(top), dtype=np.int64)][order])[:-1]
    vic_sum, error_sum = (np.cumsum(np.r_[values, -values][order])[:-1] for values in (vic, error))
    length = np.diff(depth)
    kept = (count > 0) & (length > 0) & (where[1:] == where[:-1])
    return _Pieces(where[:-1][kept], depth[:-1][kept], length[kept], vic_sum[kept] / count[kept], error_sum[kept] / count[kept])
