"""What the totals of a chunk cost: ``python tests/benchmarks/bench_sums.py [--pixels N]``.

One process, the ways taking turns, CPU time: the sums of all areas under all masks, at once, and
one mask after the other as until November 2026, with every region added up by itself.
"""

import argparse
import time

import numpy as np

from icemap.mapping.kernels.weighted import weighted_sums
from icemap.mapping.sums import masked_sums
from icemap.mapping.zones import masks_of, zones_of


def one_after_the_other(area, masks, means, sd, aoa, members):
    """Integrals of every region under every mask, each region a sum over its cells."""
    found = {}
    for mask, fraction in masks.items():
        weight = area * fraction
        parts = [np.where(member, weight, 0.0) for member in (np.ones(len(sd), bool), *members)]
        parts = [part for part in parts if part.any()]
        stacked = np.stack([*parts, *(part * (aoa == 1) for part in parts)])
        integrals = weighted_sums(stacked, np.ascontiguousarray(means.T))
        for part in parts:
            spread = part * sd
            float(part.sum()), float(spread.sum()), float((spread**2).sum()), integrals.tolist
        found[mask] = integrals.reshape(2, len(parts), -1)
    return found


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=8192)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    rng, n = np.random.default_rng(0), options.pixels
    longitude, latitude = 120 + rng.random(n) * 2, 69.5 + rng.random(n)
    fraction = rng.uniform(0.2, 1, n).astype(np.float32)
    area, means = rng.uniform(0.2, 0.3, n), rng.uniform(0, 90, (options.replicates, n))
    means, sd = means.astype(np.float32), rng.uniform(1, 9, n)
    aoa, members = (rng.random(n) < 0.8).astype(int), zones_of(longitude, latitude, fraction)
    masks = masks_of(fraction)
    rest = means, sd, aoa
    ways = {
        "at once": lambda: masked_sums(area, masks, *rest, members),
        "one after the other": lambda: one_after_the_other(area, masks, *rest, members.values()),
    }
    first, second = (way() for way in ways.values())
    difference = max(
        float(np.abs([one.integral for one in first[mask].values()] / second[mask][0] - 1).max())
        for mask in masks
    )
    taken = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            taken[name].append(1e6 * (time.process_time() - begin) / n)
    ratio = np.array(taken["one after the other"]) / np.array(taken["at once"])
    for name, values in taken.items():
        print(f"{name:20s} {np.median(values):6.2f} us a pixel")
    print(
        f"{len(members)} areas, {len(masks)} masks: {np.median(ratio):.1f} times"
        f" [{ratio.min():.1f} to {ratio.max():.1f}], largest relative difference {difference:.1g}"
    )
    return {"ratio": float(np.median(ratio)), "difference": difference}


if __name__ == "__main__":
    main()
