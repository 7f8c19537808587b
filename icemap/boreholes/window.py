"""The mean of layers inside a window of depth, and its standard error, for many boreholes at
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.support import spread_samples

# Standard deviation, in %, of layers around the mean of their borehole, and how many layers that
# belief is worth against those of the hole itself (choice). 441 laboratory samples scatter by 12 %
# within their holes, and by 15 % and more where they are two metres and more apart, which is how
# far the unseen part of a window mostly is.
LAYER_SPREAD = 15.0
SPREAD_WORTH = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pieces:
    """Measured pieces of boreholes.

    Attributes
    ----------
    site : ndarray of int, shape (pieces,)
        Number of the borehole of each.
    top, base : ndarray, shape (pieces,)
        m.
    vic, error : ndarray, shape (pieces,)
        Ice content and the standard error of its way of measuring, %.
    sample : ndarray of bool, shape (pieces,)
        True for a sample, which stands for its surroundings; False for a layer of a log.
    """

    site: NDArray[np.int64]
    top: Floats
    base: Floats
    vic: Floats
    error: Floats
    sample: NDArray[np.bool_]

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Pieces:
        return Pieces(
            self.site[rows],
            self.top[rows],
            self.base[rows],
            self.vic[rows],
            self.error[rows],
            self.sample[rows],
        )


def window_means(
    pieces: Pieces, permafrost_table: Floats, table_error: Floats, thickness: float
) -> pd.DataFrame:
    """``site_vic`` of many boreholes at once.

    Parameters
    ----------
    pieces : Pieces
        ``site`` is a row of ``permafrost_table``. Pieces with NaN are left out.
    permafrost_table, table_error : ndarray, shape (sites,)
        Depth and its standard error, m; NaN depth gives an empty result.
    thickness : float
        m.

    Returns
    -------
    DataFrame
        ``vic, coverage, grade, standard_error, layers``, one row per borehole, and the parts of the
        error: ``measurement_error, unsampled_error, table_error``, %.

    Notes
    -----
    The error of the mean has three independent parts. One method's error is shared by all layers of
    a hole, so it is not made smaller by their number. What was not seen scatters around what was
    with the variance *s2* of single layers in the hole (that of its own layers, drawn towards 15 %
    as if two more said so): the share *u* of the window that nothing stands for may differ as a
    whole, because ice content changes with depth, and adds *u s*; a sample *d* long that stands for
    *l* adds *(l / L)2 s2 (1 - d / l)*, as a draw without replacement does. A permafrost table that
    is off by *e* exchanges *e* of the window at either end and adds *sqrt(2) s e / thickness*.
    """
    n = len(permafrost_table)
    there = ~np.isnan(pieces.top + pieces.base + pieces.vic) & ~np.isnan(
        permafrost_table[pieces.site]
    )
    kept = np.flatnonzero(there)
    order = kept[np.lexsort((pieces.base[kept], pieces.top[kept], pieces.site[kept]))]
    pieces = pieces[order]
    error = np.where(np.isnan(pieces.error), LAYER_SPREAD, pieces.error)
    top, base = spread_samples(pieces.site, pieces.top, pieces.base, pieces.sample)
    upper = permafrost_table[pieces.site]
    core = np.clip(pieces.base, upper, upper + thickness) - np.clip(
        pieces.top, upper, upper + thickness
    )
    top, base = np.clip(top, upper, upper + thickness), np.clip(base, upper, upper + thickness)
    inside = base > top
    site, top, base, vic, error, core = (
        pieces.site[inside],
        top[inside],
        base[inside],
        pieces.vic[inside],
        error[inside],
        core[inside],
    )

    part = _pieces(site, top, base, vic, error)
    length = np.bincount(part.site, part.length, n)
    covered = np.where(length > 0, length, np.nan)
    mean = np.bincount(part.site, part.length * part.vic, n) / covered
    layers = np.bincount(site, minlength=n)
    coverage = np.minimum(length / thickness, 1.0)
    first = min(1.0, thickness)
    in_first = np.clip(
        np.minimum(part.top + part.length, permafrost_table[part.site] + first) - part.top, 0, None
    )
    top_metre = np.bincount(part.site, in_first, n) / first

    measured = np.bincount(part.site, part.length * part.error, n) / covered
    within = np.bincount(part.site, part.length * (part.vic - mean[part.site]) ** 2, n) / covered
    spread = (SPREAD_WORTH * LAYER_SPREAD**2 + layers * within) / (
        SPREAD_WORTH + np.maximum(layers - 1, 0)
    )
    stood_for = base - top
    total = np.bincount(site, stood_for, n)
    sampled = (
        np.bincount(site, stood_for * (stood_for - core), n)
        / np.where(total > 0, total, np.nan) ** 2
    )
    unsampled = spread * ((1 - coverage) ** 2 + coverage**2 * sampled)
    moved = 2 * spread * np.minimum(table_error / thickness, 1.0) ** 2
    return pd.DataFrame(
        {
            "vic": np.clip(mean, 0.0, 100.0),
            "coverage": coverage,
            "grade": grades(coverage, top_metre),
            "standard_error": np.sqrt(measured**2 + unsampled + moved),
            "layers": layers,
            "measurement_error": measured,
            "unsampled_error": np.sqrt(unsampled),
            "table_error": np.sqrt(np.where(np.isnan(measured), np.nan, moved)),
        }
    )


def grades(coverage: Floats, top_metre: Floats) -> NDArray[np.object_]:
    """A from 0.8, B from 0.6, C from 0.4 if at least half of the top metre is there, else D."""
    slack = 1e-9
    choices = [
        coverage >= 0.8 - slack,
        coverage >= 0.6 - slack,
        (coverage >= 0.4 - slack) & (top_metre >= 0.5 - slack),
    ]
    return np.asarray(
        np.select(
            choices, [np.full(len(coverage), grade, dtype=object) for grade in "ABC"], default="D"
        ),
        dtype=object,
    )


class _Cut(NamedTuple):
    site: NDArray[np.int64]
    top: Floats
    length: Floats
    vic: Floats
    error: Floats


def _pieces(site: NDArray[np.int64], top: Floats, base: Floats, vic: Floats, error: Floats) -> _Cut:
    """Cut the layers so that no two pieces of a borehole overlap; where layers did, the piece has
    their mean.
    """
    deepest = pd.Series(base).groupby(site).cummax().to_numpy()
    overlaps = np.zeros(len(site), dtype=bool)
    overlaps[1:] = (site[1:] == site[:-1]) & (top[1:] < deepest[:-1])
    tangled = np.isin(site, np.unique(site[overlaps]))
    plain = ~tangled
    pieces = _Cut(site[plain], top[plain], (base - top)[plain], vic[plain], error[plain])
    if not tangled.any():
        return pieces
    return _Cut(
        *(
            np.concatenate(pair)
            for pair in zip(
                pieces,
                _cut(site[tangled], top[tangled], base[tangled], vic[tangled], error[tangled]),
            )
        )
    )


def _cut(site: NDArray[np.int64], top: Floats, base: Floats, vic: Floats, error: Floats) -> _Cut:
    """Sweep down every borehole: between two edges the mean of the layers that are open there."""
    depth, where = np.r_[top, base], np.r_[site, site]
    order = np.lexsort((depth, where))
    depth, where = depth[order], where[order]
    count = np.cumsum(
        np.r_[np.ones(len(top), dtype=np.int64), -np.ones(len(top), dtype=np.int64)][order]
    )[:-1]
    vic_sum, error_sum = (np.cumsum(np.r_[values, -values][order])[:-1] for values in (vic, error))
    length = np.diff(depth)
    kept = (count > 0) & (length > 0) & (where[1:] == where[:-1])
    return _Cut(
        where[:-1][kept],
        depth[:-1][kept],
        length[kept],
        vic_sum[kept] / count[kept],
        error_sum[kept] / count[kept],
    )
