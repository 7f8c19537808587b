"""How sure a coverage is: limits from resampled spatial blocks.

Neighbouring samples are hit or missed together. Binomial limits take them for independent, and are
too narrow where sites cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from icemap.verification.paired import DRAWS, MIN_BLOCKS
from icemap.verification.scores import Scores

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BlockDraws:
    """Draws of whole blocks with replacement, the same for every model and level.

    Attributes
    ----------
    block : ndarray of shape (n,)
        Number of the block of each sample.
    times : ndarray of shape (draws, blocks)
        How often each block is in a draw; no draws where there are too few blocks.
    size : ndarray of shape (draws,)
        Samples in each draw.
    """

    block: NDArray[np.int64]
    times: Array
    size: Array

    @classmethod
    def of(cls, blocks: ArrayLike, seed: int) -> Self:
        """2,000 draws of the blocks of the samples (n,)."""
        block = np.unique(np.asarray(blocks), return_inverse=True)[1]
        count = int(block.max()) + 1
        draws = DRAWS if count >= MIN_BLOCKS else 0
        rng = np.random.default_rng(seed)
        times = rng.multinomial(count, np.full(count, 1 / count), draws).astype(float)
        return cls(block, times, times @ np.bincount(block).astype(float))

    def limits(self, inside: NDArray[np.bool_]) -> tuple[float, float] | None:
        """Central 95 % of the coverage over the draws; None where there are none.

        Examples
        --------
        >>> blocks = np.arange(400) // 20
        >>> hit = blocks % 10 > 0  # whole blocks are missed
        >>> low, high = BlockDraws.of(blocks, 0).limits(hit)
        >>> bool(low < 0.8), high
        (True, 1.0)
        """
        if not len(self.size):
            return None
        hits = self.times @ np.bincount(self.block, np.asarray(inside, dtype=float))
        low, high = np.quantile(hits / self.size, [0.025, 0.975])
        return float(low), float(high)


def with_block_limits(y: Array, forecast: Mapping[str, Any], draws: BlockDraws) -> dict[str, float]:
    """``coverage_N_low`` and ``coverage_N_high`` of every interval of a forecast of the samples y
    (n,).

    They are never narrower than binomial ones: where no sample is missed, a resampling knows no
    other outcome, and with fewer than 8 blocks there is none.
    """
    found: dict[str, float] = {}
    for level, bounds in forecast["interval"].items():
        low, high = np.asarray(bounds, dtype=float).T
        binomial = Scores.of(y, intervals={float(level): (low, high)}).coverage_limits(float(level))
        drawn = draws.limits((y >= low) & (y <= high)) or binomial
        name = f"coverage_{100 * float(level):g}"
        found |= {
            f"{name}_low": min(binomial[0], drawn[0]),
            f"{name}_high": max(binomial[1], drawn[1]),
        }
    return found
