"""What intervals cover that simulated networks of boreholes calibrate: ``python
tests/statistical/interval_coverage.py``.

Samples of a network come in blocks of ten whose errors correlate; forecasts are right, or too
narrow by a factor, which below 1 makes them too wide. Printed are the coverage of the 95 % interval
at new places, mean and standard deviation over the networks, as it is, with icemap's calibration,
with conformal calibration alone, and with a confidence of 0.9; and how many networks have 95 % or
more with icemap's calibration, without and with that confidence.
"""

import numpy as np
from scipy.stats import norm

from icemap.verification.calibration import NOT_CALIBRATED, Calibration
from icemap.verification.confidence import Confidence
from icemap.verification.conformal import ConformalPIT

NETWORKS, PER_BLOCK, SHARED = 150, 10, 0.3
WAYS = ("as it is", "icemap", "conformal", "confidence 0.9")


def network(rng: np.random.Generator, n: int, narrow: float) -> list[float]:
    """Coverage at new places in each of the ways."""
    blocks = np.arange(n) // PER_BLOCK
    error = np.sqrt(SHARED) * rng.normal(size=blocks.max() + 1)[blocks]
    error += np.sqrt(1 - SHARED) * rng.normal(size=n)
    pit = norm.cdf(narrow * error)
    sure = Confidence(0.9, blocks, 0)
    levels = (
        NOT_CALIBRATED.levels95,
        Calibration.fit(pit, blocks=blocks).levels95,
        ConformalPIT().fit(pit).levels(0.95),
        Calibration.fit(pit, confidence=sure, blocks=blocks).levels95,
    )
    return [float(np.diff(norm.cdf(norm.ppf(each) / narrow))[0]) for each in levels]


def main() -> None:
    rng = np.random.default_rng(1)
    print("samples  too narrow by" + "".join(f"{way:>20}" for way in WAYS) + "   95 % or more")
    for n in (80, 300, 1000):
        for narrow in (0.7, 1.0, 1.5):
            found = 100 * np.array([network(rng, n, narrow) for _ in range(NETWORKS)])
            told = "".join(
                f"{mean:14.1f} +-{sd:4.1f}"
                for mean, sd in zip(found.mean(axis=0), found.std(axis=0), strict=True)
            )
            plain, sure = (found[:, [1, 3]] >= 95 - 1e-6).mean(axis=0)
            print(f"{n:7}{narrow:15g}{told}{plain:9.0%}{sure:7.0%}", flush=True)


if __name__ == "__main__":
    main()
