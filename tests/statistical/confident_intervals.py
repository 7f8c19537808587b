"""How many networks of boreholes have the coverage that is asked for: ``python
tests/statistical/confident_intervals.py``.

Samples of simulated networks come in blocks of ten whose errors correlate; forecasts are right, or
too narrow by a factor. Levels are placed without a confidence and with one of 0.9.
"""

import numpy as np
from scipy.stats import norm

from icemap.verification.confidence import Confidence, confident_levels
from icemap.verification.conformal import ConformalPIT

NETWORKS, PER_BLOCK, SHARED = 150, 10, 0.3
EVEN = (np.arange(200) + 0.5) / 200


def main() -> None:
    rng = np.random.default_rng(1)
    print("samples  too narrow by  without: networks, mean  with 0.9: networks, mean")
    for n in (80, 300, 1000):
        blocks = np.arange(n) // PER_BLOCK
        for narrow in (1.0, 1.5):
            found = []
            for _ in range(NETWORKS):
                error = np.sqrt(SHARED) * rng.normal(size=blocks.max() + 1)[blocks]
                error += np.sqrt(1 - SHARED) * rng.normal(size=n)
                pit = norm.cdf(narrow * error)
                plain = ConformalPIT().fit(np.concatenate([pit, EVEN])).levels(0.95)
                sure = confident_levels(pit, EVEN, Confidence(0.9, blocks, 0)).levels
                ends = norm.ppf(np.array([plain, sure])) / narrow
                found.append(np.diff(norm.cdf(ends))[:, 0])
            coverage = np.array(found)
            share, mean = (coverage >= 0.95).mean(axis=0), coverage.mean(axis=0)
            print(
                f"{n:7}{narrow:15g}{share[0]:19.0%}{mean[0]:7.1%}{share[1]:20.0%}{mean[1]:7.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
