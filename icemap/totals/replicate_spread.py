"""What the spread of the replicates says of a total: the chance of its sites, and of its fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icemap.verification.interval_scope import NORMAL_95

# Splits that are shared by two replicates or more, from which on the chance of fitting is told from
# that of sampling: with 20 pairs of random numbers the 95 % interval held 95 % of the truths.
MIN_PAIRS = 20


@dataclass(frozen=True)
class ReplicateSpread:
    """Variance of a total as its replicates tell it, in the unit of the totals squared.

    Attributes
    ----------
    sampling : float
        Of totals from new sites.
    fitting : float
        Of the mean of the replicates, by the chance in their fits; 0 where it is not told from that
        of sampling, which then holds it.
    parts : tuple of (float, float)
        The mean squares that the variance is the sum of, each with its factor, and their degrees of
        freedom.
    """

    sampling: float
    fitting: float
    parts: tuple[tuple[float, float], ...]

    @property
    def variance(self) -> float:
        return self.sampling + self.fitting

    @classmethod
    def together(cls, totals: NDArray[np.float64], held_out: float | None) -> ReplicateSpread:
        """Of replicates (R,) whose chance of fitting cannot be told from that of sampling.

        Notes
        -----
        Two replicates share most of their sites: each leaves out a share d of them, and their
        totals spread much less than totals from new sites would. The delete-d jackknife makes up
        for it: the variance of the replicates times (1 - d) / d (Shao & Wu 1989,
        doi:10.1214/aos/1176347263), 9 for a tenth left out. The chance of fitting is enlarged along
        with it, and the interval too wide.
        """
        if len(totals) < 2:
            return cls(0.0, 0.0, ())
        variance = float(totals.var(ddof=1)) * _enlargement(held_out)
        return cls(variance, 0.0, ((variance, len(totals) - 1.0),))

    @classmethod
    def apart(
        cls, totals: NDArray[np.float64], splits: Sequence[int], held_out: float | None
    ) -> ReplicateSpread | None:
        """Of replicates (R,) some of which share a split, but have fits of their own; None where
        fewer than `MIN_PAIRS` splits are shared.

        Parameters
        ----------
        totals : ndarray of shape (R,)
        splits : sequence of int, R long
            Number of the split of each replicate.
        held_out : float or None
            Share of the sites that a split leaves out.

        Notes
        -----
        One-way analysis of variance: the mean square within splits is the variance W of fitting,
        that between splits W + n B, with the variance B of sampling and n = 2 replicates a split
        (a little less where some have one). Only B is enlarged; the mean of R replicates has the
        variance W / R of fitting.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> sites, fits = rng.normal(0, 3, 2000), rng.normal(0, 1, (2, 2000))
        >>> spread = ReplicateSpread.apart((sites + fits).ravel(), [*range(2000)] * 2, 0.1)
        >>> round(spread.sampling / 9), round(4000 * spread.fitting)
        (9, 1)
        """
        _, number, count = np.unique(splits, return_inverse=True, return_counts=True)
        if int((count > 1).sum()) < MIN_PAIRS:
            return None
        replicates, groups = len(totals), len(count)
        means = np.bincount(number, totals) / count
        within_freedom, between_freedom = replicates - groups, groups - 1
        within = float(((totals - means[number]) ** 2).sum()) / within_freedom
        between = float(count @ (means - totals.mean()) ** 2) / between_freedom
        each = (replicates - float(count @ count) / replicates) / between_freedom
        factor = _enlargement(held_out) / each
        sampling, fitting = factor * max(between - within, 0.0), within / replicates
        parts = (
            (factor * between, float(between_freedom)),
            ((1 / replicates - factor) * within, float(within_freedom)),
        )
        return cls(sampling, fitting, parts)

    def half_width(self, residual_variance: float, residual_doubt: float = 0.0) -> float:
        """Of the 95 % interval of a total whose residual has a variance besides, and that variance
        a relative variance of its own.

        Few replicates, and sites in clusters, know a variance badly: Student's t, with degrees of
        freedom after Satterthwaite (1946, doi:10.2307/3002019).
        """
        from scipy.special import stdtrit

        variance = self.variance + residual_variance
        doubt = sum(part**2 / freedom for part, freedom in self.parts)
        doubt += residual_variance**2 * residual_doubt / 2
        if doubt == 0 or variance == 0:
            return NORMAL_95 * float(np.sqrt(variance))
        return float(stdtrit(variance**2 / doubt, 0.975)) * float(np.sqrt(variance))


def _enlargement(held_out: float | None) -> float:
    return 1.0 if held_out is None else (1 - held_out) / held_out
