"""What a measured piece of a borehole stands for: itself in a log, its surroundings in a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SAMPLE_REACH = 0.5  # m above and below its middle that a sample stands for, at most
# Pieces as short as laboratory samples, and the share of the depth between the first and the last
# piece that they leave out where they are not a log (choice).
SHORT_PIECE = 0.5  # m
GAP_SHARE = 0.25

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Support:
    """How the pieces of one table were taken.

    Attributes
    ----------
    kind : str
        ``samples`` or ``logs``.
    pieces : int
        Pieces with both depths.
    median_length : float
        m; NaN without pieces.
    cored : float
        Part of the depth between the first and the last piece that pieces cover, over all
        boreholes with two or more of them; NaN where there are none.
    """

    kind: str
    pieces: int
    median_length: float
    cored: float

    @property
    def sentence(self) -> str:
        """What was decided and from what."""
        if not self.pieces:
            return f"{self.kind} (no piece has both depths)"
        length = f"{self.pieces:,} pieces with a median length of {self.median_length:.2g} m"
        if np.isnan(self.cored):
            return f"{self.kind} ({length}, one a borehole)"
        return (
            f"{self.kind} ({length}; {self.cored:.0%} of the depth between first and last is cored)"
        )


def decide_support(borehole: NDArray[np.int64], top: Floats, base: Floats) -> Support:
    """Samples or logs, from the depths of a table: samples are short and leave gaps.

    Parameters
    ----------
    borehole : ndarray of int, shape (pieces,)
    top, base : ndarray, shape (pieces,)
        m; pieces without both are left out.

    Examples
    --------
    >>> holes, top = np.zeros(3, dtype=int), np.array([1.0, 2.0, 3.5])
    >>> decide_support(holes, top, top + 0.1).kind, decide_support(holes, top, top + 1.5).kind
    ('samples', 'logs')
    """
    there = ~np.isnan(top + base) & (base >= top)
    borehole, top, base = borehole[there], top[there], base[there]
    if len(top) == 0:
        return Support("logs", 0, np.nan, np.nan)
    order = np.lexsort((base, top, borehole))
    borehole, top, base = borehole[order], top[order], base[order]
    deepest = pd.Series(base).groupby(borehole).cummax()
    before = deepest.groupby(borehole).shift().fillna(-np.inf).to_numpy()
    covered = np.maximum(base - np.maximum(top, before), 0.0)
    hole, first = np.unique(borehole, return_index=True)
    last = np.r_[first[1:], len(top)] - 1
    span = deepest.to_numpy()[last] - top[first]
    several = (last > first) & (span > 0)
    inside = np.isin(borehole, hole[several])
    cored = covered[inside].sum() / span[several].sum() if several.any() else np.nan
    length = float(np.median(base - top))
    gappy = np.isnan(cored) or cored < 1 - GAP_SHARE
    return Support(
        "samples" if length < SHORT_PIECE and gappy else "logs", len(top), length, float(cored)
    )


def spread_samples(
    borehole: NDArray[np.int64], top: Floats, base: Floats, sample: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """The depths that pieces stand for.

    A sample stands for half the way to the middles of its neighbours, at most 0.5 m from its own
    middle, never above the surface, and never for less than itself. Pieces at one depth
    (replicates) are neighbours of what is above and below all of them.

    Parameters
    ----------
    borehole : ndarray of int, shape (pieces,)
        Sorted, and within a borehole sorted by ``top`` and ``base``.
    top, base : ndarray, shape (pieces,)
        m, without NaN.
    sample : ndarray of bool, shape (pieces,)
        Others keep their depths. A point (base = top) is always a sample.

    Returns
    -------
    top, base : ndarray, shape (pieces,)
    """
    sample = sample | (base == top)
    if not sample.any():
        return top, base
    new = np.r_[
        True, (borehole[1:] != borehole[:-1]) | (top[1:] != top[:-1]) | (base[1:] != base[:-1])
    ]
    group = np.cumsum(new) - 1
    upper, lower, hole = top[new], base[new], borehole[new]
    middle = (upper + lower) / 2
    same = hole[1:] == hole[:-1]
    # The border between two neighbours is half way between their middles, or the nearest place to
    # it between them where they are of different length.
    border = np.clip(
        (middle[1:] + middle[:-1]) / 2,
        np.minimum(lower[:-1], upper[1:]),
        np.maximum(lower[:-1], upper[1:]),
    )
    # Nor does a sample reach into a longer piece that began before its neighbour did.
    deepest = pd.Series(lower).groupby(hole).cummax().to_numpy()
    above = np.r_[
        -np.inf, np.where(same, np.maximum(border, np.minimum(deepest[:-1], upper[1:])), -np.inf)
    ]
    below = np.r_[np.where(same, border, np.inf), np.inf]
    reach_up = np.minimum(
        np.maximum.reduce([above, middle - SAMPLE_REACH, np.zeros_like(middle)]), upper
    )
    reach_down = np.maximum(np.minimum(below, middle + SAMPLE_REACH), lower)
    return np.where(sample, reach_up[group], top), np.where(sample, reach_down[group], base)
