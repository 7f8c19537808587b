"""How fast the ensemble maps, as ratios against what one would write with the libraries: ``python tests/benchmarks/bench_map.py``.

One process, one thread, CPU time, the ways taking turns, on the virtual Arctic: a coherent raster (30 arc-seconds, as a map chunk) and scattered pixels.
Every replicate is trained on its own sites; its COP-BMA is fitted to three-fold out-of-fold predictions of the first replicate plus a little noise, which costs
minutes instead of hours and gives a mixture of the same make. The obvious way is each model's ``predict`` and the exact mixture inverted by bisection. What
`threadpoolctl` cannot hold to one thread the environment must: ``OMP_NUM_THREADS=1``.
"""

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from icemap import world
from icemap.ensemble.members import member_inputs
from icemap.ensemble.model import IceEnsemble, replicate_seed
from icemap.ensemble.replicates import Replicate, bma_of, out_of_fold, train_members
from icemap.ensemble.target import TargetScale
from icemap.mapping.chunk import map_pixels, mean_and_spread
from icemap.mapping.pack import BATCH, PackedEnsemble, member_differences, pack_ensemble, pad
from icemap.verification.applicability import Applicability
from icemap.verification.spread import Calibration, LocalSpread

LEVELS = (0.025, 0.975)
CALIBRATION = Calibration(LocalSpread(0.0, 0.0, -1.0, 0.0, 1.0), LEVELS)


@dataclass(frozen=True)
class Case:
    """A trained ensemble and how to map with it."""

    ensemble: IceEnsemble
    packed: PackedEnsemble
    applicability: Applicability


def draw_sites(sites: int, seed: int = 0) -> pd.DataFrame:
    """Sites on frozen land with predictors and a noisy target."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-180, 180, 20 * sites), np.rad2deg(np.arcsin(rng.uniform(np.sin(np.deg2rad(50)), np.sin(np.deg2rad(78)), 20 * sites)))
    masks = world.predictors_at_points(lon, lat, ["land_fraction", "permafrost_fraction"])
    frozen = np.flatnonzero((masks["land_fraction"] > 0.5) & (masks["permafrost_fraction"] > 0.1))[:sites]
    lon, lat = lon[frozen], lat[frozen]
    table = pd.DataFrame(world.predictors_at_points(lon, lat))
    table["northness"] = np.sin(np.deg2rad(7 * lon)) * table["slope"]  # a 24th predictor
    value = np.clip(world.truth_at_points(lon, lat) + rng.normal(0, 8, len(lon)), 0, 100)
    return table.assign(value=value, lon=lon, lat=lat)


def rasters(names: list[str], pixels: int) -> dict[str, np.ndarray]:
    """Valid pixels (n, predictors) of a block of a 30 arc-second map, and of places scattered over the hemisphere."""
    side = int(np.ceil(np.sqrt(pixels))) + 4
    lon, lat = 128 + np.arange(2 * side) / 120, 67 + np.arange(side) / 120
    lon_of, lat_of = (a.ravel() for a in np.meshgrid(lon, lat))
    rng = np.random.default_rng(1)
    anywhere = rng.uniform(-180, 180, 6 * pixels + 2000), rng.uniform(50, 78, 6 * pixels + 2000)
    found = {}
    for name, (x, y) in {"coherent": (lon_of, lat_of), "scattered": anywhere}.items():
        land = np.flatnonzero(world.predictors_at_points(x, y, ["land_fraction"])["land_fraction"] > 0.5)[:pixels]
        table = pd.DataFrame(world.predictors_at_points(x[land], y[land]))
        table["northness"] = np.sin(np.deg2rad(7 * x[land])) * table["slope"]
        found[name] = table[names].to_numpy(np.float32)
    return found


def train(sites: int, replicates: int) -> Case:
    """Members of every replicate on 90 % of the sites."""
    samples = draw_sites(sites)
    classes = [name for name, info in world.PREDICTORS.items() if info.kind == "class"]
    ensemble = IceEnsemble(classes=classes, replicates=replicates, folds=3, candidates=0, prior_strength=50.0)
    table = ensemble.prepare(samples)
    options, coding = ensemble.options, ensemble.coding_
    first = table.take(~ensemble.held_out_[0])
    F = out_of_fold(first, options, coding, TargetScale.fit(first.y, options.bounds), replicate_seed(ensemble.seed, 0))
    rng = np.random.default_rng(2)
    ensemble.replicates_ = []
    for index in range(replicates):
        own = table.take(~ensemble.held_out_[index])
        scale = TargetScale.fit(own.y, options.bounds)
        members = train_members(own, member_inputs(options.members, coding, own.X), options, coding, scale, replicate_seed(ensemble.seed, index))
        noisy = np.clip(F + rng.normal(0, 0.1, F.shape), *scale.limits)
        ensemble.replicates_.append(Replicate(members, bma_of(options).fit(noisy, first.y), coding, scale))
    packed, check = pack_ensemble(ensemble, samples[list(ensemble.coding_.names)].to_numpy(float))
    print("largest difference to the members' own predict, % of the range:", {k: float(f"{v:.1g}") for k, v in member_differences(packed, check).items()})
    return Case(ensemble, packed, Applicability.fit(ensemble.coding_.design(table.X)))


def obvious_way(case: Case, X: np.ndarray, seconds: dict[str, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Replicate means (replicates, n) and bounds (n, 2): each model's predict, each COP-BMA's mean, the exact mixture inverted by bisection."""
    clock = Clock({} if seconds is None else seconds)
    ensemble = case.ensemble
    coded, _ = ensemble.coding_.encode(X)
    F = np.empty((len(ensemble.replicates_), len(X), len(ensemble.members) + 1))
    for k, name in enumerate(ensemble.members):
        inputs = member_inputs([name], ensemble.coding_, coded)[name]
        for s, replicate in enumerate(ensemble.replicates_):
            F[s, :, k] = np.clip(replicate.members[name].predict(inputs), *replicate.scale.limits)
        clock.lap(name)
    F[:, :, -1] = F[:, :, :-1].mean(axis=2)
    bmas = [replicate.bma for replicate in ensemble.replicates_]
    means = np.array([bma.predict(f) for bma, f in zip(bmas, F)])
    low, high = np.zeros((len(X), 2)), np.full((len(X), 2), 100.0)
    for _ in range(14):  # to 0.006
        middle = 0.5 * (low + high)
        G = np.stack([np.mean([bma.cdf(f, middle[:, j]) for bma, f in zip(bmas, F)], axis=0) for j in range(2)], axis=1)
        low, high = np.where(G < LEVELS, middle, low), np.where(G < LEVELS, high, middle)
    clock.lap("mixture")
    return means, 0.5 * (low + high)


class Clock:
    """CPU seconds of the parts of a run."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds, self.last = seconds, time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now


def split_by_member(case: Case, X: np.ndarray) -> dict[str, float]:
    """CPU microseconds per pixel of the parts of the fast way."""
    clock = Clock({})
    packed = case.packed
    for start in range(0, len(X), BATCH):
        part = pad(X[start : start + BATCH])
        codes, design, _ = packed.code(part)
        clock.lap("codes")
        F = np.empty((len(packed.members) + 1, packed.replicates, len(part)), np.float32)
        for k, name in enumerate(packed.members):
            packed.predict_member(name, part, codes, design, F[k])
            clock.lap(name)
        np.mean(F[:-1], axis=0, out=F[-1])
        index = case.applicability.index(design)
        clock.lap("dissimilarity")
        means, _, _ = packed.pool(F, CALIBRATION.levels(index))
        mean_and_spread(means)
        clock.lap("mixture")
    return {name: 1e6 * seconds / len(X) for name, seconds in clock.seconds.items()}


def library_ways(case: Case, X: np.ndarray) -> dict[str, Callable[[], None]]:
    """Raster libraries around the same models, members alone, where they are installed."""
    import xarray as xr

    coding, ensemble = case.ensemble.coding_, case.ensemble
    inputs = member_inputs(ensemble.members, coding, coding.encode(X)[0])
    ways: dict[str, Callable[[], None]] = {}
    if importlib.util.find_spec("sklearn_raster"):
        from sklearn_raster import FeatureArrayEstimator

        def wrapped(name: str, model: object) -> object:
            estimator = FeatureArrayEstimator(LinearRegression()).fit(inputs[name], np.arange(len(X), dtype=float))
            estimator.wrapped_estimator = model  # wrapping a fitted model would forget the fit
            return estimator

        estimators = [(name, wrapped(name, model)) for replicate in ensemble.replicates_ for name, model in replicate.members.items()]
        pixels = {name: xr.DataArray(values.T[:, None, :], dims=("band", "y", "x")) for name, values in inputs.items()}

        def with_raster() -> None:
            for name, estimator in estimators:
                estimator.predict(pixels[name])

        ways["sklearn-raster"] = with_raster
    if importlib.util.find_spec("dask_ml"):
        import dask
        import dask.array as da
        from dask_ml.wrappers import ParallelPostFit

        def with_dask_ml() -> None:
            with dask.config.set(scheduler="synchronous"):
                for replicate in ensemble.replicates_:
                    for name, model in replicate.members.items():
                        ParallelPostFit(model).predict(da.from_array(inputs[name], chunks=(len(X), -1))).compute()

        ways["dask-ml ParallelPostFit"] = with_dask_ml
    return ways


def compare(case: Case, X: np.ndarray, slow_pixels: int, rounds: int) -> dict[str, float]:
    """Print microseconds per pixel and ratios; the slow way has fewer pixels."""
    few = X[:slow_pixels]

    def fast() -> None:
        map_pixels(case.packed, case.applicability, CALIBRATION, X)

    ways: dict[str, tuple[Callable[[], object], int]] = {"icemap": (fast, len(X)), "the obvious way": (lambda: obvious_way(case, few), len(few))}
    ways |= {name: (way, len(few)) for name, way in library_ways(case, few).items()}
    fast()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (way, pixels) in ways.items():
            begin = time.process_time()
            way()
            taken[name].append(1e6 * (time.process_time() - begin) / pixels)
    ours = np.array(taken["icemap"])
    for name, values in taken.items():
        ratio = np.array(values) / ours
        note = "  (members alone)" if name not in ("icemap", "the obvious way") else ""
        print(f"  {name:24s} {np.median(values):10.1f} us a pixel   {np.median(ratio):8.1f} times icemap's [{ratio.min():.1f} to {ratio.max():.1f}]{note}")
    seconds: dict[str, float] = {}
    obvious_way(case, few, seconds)
    slow = {name: 1e6 * value / len(few) for name, value in seconds.items()}
    for name, value in split_by_member(case, X).items():
        print(f"    {name:16s} {value:8.2f} us" + (f"   {slow[name]:10.1f} us the obvious way, {slow[name] / value:6.0f} times" if name in slow else ""))
    means, bounds = obvious_way(case, few)
    result = map_pixels(case.packed, case.applicability, CALIBRATION, few)
    difference = {
        "replicate means": np.abs(result.replicate_means - means).max(),
        "mean": np.abs(result.mean - means.mean(axis=0)).max(),
        "spread": np.abs(result.sd_ensemble - means.std(axis=0, ddof=1)).max(),
        "lower": np.abs(result.lower - bounds[:, 0]).max(),
        "upper": np.abs(result.upper - bounds[:, 1]).max(),
    }
    print("  largest differences to the obvious way:", ", ".join(f"{name} {value:.4f}" for name, value in difference.items()))
    return {**{name: float(value) for name, value in difference.items()}, "ratio": float(np.median(np.array(taken["the obvious way"]) / ours))}


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=1178)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--pixels", type=int, default=4 * BATCH)
    parser.add_argument("--slow-pixels", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    found = {}
    with threadpool_limits(1):
        begin = time.perf_counter()
        case = train(options.sites, options.replicates)
        names = list(case.packed.coding.names)
        print(f"{options.replicates} replicates, {options.sites} sites, {len(names)} predictors: trained in {time.perf_counter() - begin:.0f} s")
        for name, X in rasters(names, options.pixels).items():
            print(f"{name} pixels ({len(X)})")
            found[name] = compare(case, X, options.slow_pixels, options.rounds)
    return found


if __name__ == "__main__":
    main()
