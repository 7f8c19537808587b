"""How much faster the tables are than exact inversion, and how far from it: ``python
tests/benchmarks/bench_bma.py``.

Ratios travel between machines, seconds do not: both are printed, as CPU time of one thread, the
best of several runs taken in turns.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from icemap import CopulaBMA
from icemap.ensemble.pooled import PooledMixture

LEVELS = (0.025, 0.975)


def fitted(replicates: int, n: int = 1178) -> tuple[list[CopulaBMA], np.ndarray]:
    """Fits to 90 % of the rows each, and the member predictions of all rows."""
    rng = np.random.default_rng(0)
    y = 100 * rng.beta(1.3, 2.2, n)
    F = np.clip(
        20
        + 0.5 * y[:, None]
        + 6 * rng.normal(size=(n, 1))
        + rng.normal(0, [7.0, 8.0, 9.0, 10.0], (n, 4)),
        0,
        100,
    )
    chosen = [rng.choice(n, int(0.9 * n), replace=False) for _ in range(replicates)]
    return [CopulaBMA(prior_strength=100.0).fit(F[r], y[r]) for r in chosen], F


def pixels(F: np.ndarray, replicates: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (F[rng.integers(len(F), size=n)] + rng.normal(0, 2.0, (replicates, n, 4))).astype(
        np.float32
    )


def best_of(runs: int, *tasks: Callable[[], object]) -> list[float]:
    """CPU seconds of each task, the tasks taking turns."""
    least = [np.inf] * len(tasks)
    for _ in range(runs):
        for k, task in enumerate(tasks):
            start = time.process_time()
            task()
            least[k] = min(least[k], time.process_time() - start)
    return least


def one_fit(n: int, exact_rows: int) -> dict[str, float]:
    """One fit: mean and 95 % interval of n pixels from tables, and of a part of them exactly."""
    (bma,), F = fitted(1)
    mixture = PooledMixture([bma])
    many, few = pixels(F, 1, n), pixels(F, 1, exact_rows)
    mixture.summary(few, LEVELS)  # compile
    tables, exact = best_of(
        3,
        lambda: mixture.summary(many, LEVELS),
        lambda: (bma.predict(few[0]), bma.predict_quantile(few[0], LEVELS)),
    )
    means, quantiles, _ = mixture.summary(few, LEVELS)
    return {
        "pixels": n,
        "seconds_from_tables": tables,
        "microseconds_per_pixel_from_tables": 1e6 * tables / n,
        "microseconds_per_pixel_exact": 1e6 * exact / exact_rows,
        "ratio": (exact / exact_rows) / (tables / n),
        "largest_difference_mean": float(np.abs(means[0] - bma.predict(few[0])).max()),
        "largest_difference_quantile": float(
            np.abs(quantiles - bma.predict_quantile(few[0], LEVELS)).max()
        ),
    }


def many_fits(replicates: int, n: int) -> dict[str, float]:
    """The pooled mixture of all replicates: all replicate means and the 95 % interval."""
    start = time.process_time()
    bmas, F = fitted(replicates)
    fit_seconds = time.process_time() - start
    start = time.process_time()
    mixture = PooledMixture(bmas)
    tables = mixture.tables
    build_seconds = time.process_time() - start
    many = pixels(F, replicates, n)
    mixture.summary(many[:, :64], LEVELS)
    seconds = best_of(3, lambda: mixture.summary(many, LEVELS))[0]
    return {
        "replicates": replicates,
        "pixels": n,
        "fit_seconds_per_replicate": fit_seconds / replicates,
        "build_tables_seconds": build_seconds,
        "tables_megabytes": sum(part.nbytes for part in tables) / 1e6,
        "microseconds_per_pixel": 1e6 * seconds / n,
    }


def main(small: bool = False) -> dict[str, dict[str, float]]:
    """Run both, print and return the figures."""
    figures = {
        "one fit": one_fit(*((5_000, 200) if small else (1_000_000, 4_000))),
        "pooled": many_fits(*((3, 200) if small else (200, 20_000))),
    }
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny run, to see that it works")
    main(parser.parse_args().small)
