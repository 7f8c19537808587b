"""How fast the ensemble maps, as ratios against what one would write with the libraries: ``python
tests/benchmarks/bench_map.py [--ensemble DIR]``.

One process, one thread, CPU time, the ways taking turns, on the virtual Arctic: a coherent raster
(30 arc-seconds, in the tiles of a map chunk) and scattered pixels. Every way predicts thousands of
pixels per call, so that no call's fixed cost counts. The slow ways are asked for a part of the
replicates, whose time is scaled to all of them. The obvious way is each model's ``predict``, each
COP-BMA's mean and the exact mixture inverted by bisection, with icemap's own quantile forest; the
raster libraries predict the members alone. What `threadpoolctl` cannot hold to one thread the
environment must: ``OMP_NUM_THREADS=1``.
"""

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import trained
from exact_pool import exact_means, exact_quantiles
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from icemap.ensemble.members import member_inputs
from icemap.ensemble.mixture_kernels import limit_and_average
from icemap.ensemble.model import IceEnsemble
from icemap.ensemble.replicates import Replicate
from icemap.mapping.chunk import map_pixels, mean_and_spread
from icemap.mapping.compiled_ensemble import (
    BATCH,
    CompiledEnsemble,
    compile_ensemble,
    member_differences,
    pad,
)
from icemap.mapping.map import in_tiles
from icemap.verification.applicability import Applicability
from icemap.virtual_arctic import world

LIBRARIES = {"sklearn-raster": "sklearn_raster", "dask-ml ParallelPostFit": "dask_ml"}


@dataclass(frozen=True)
class Case:
    """A trained ensemble and how to map with it."""

    ensemble: IceEnsemble
    compiled: CompiledEnsemble
    applicability: Applicability


def rasters(names: Sequence[str], pixels: int) -> dict[str, np.ndarray]:
    """Valid pixels (n, predictors) of a block of a 30 arc-second map, and of places scattered over
    the hemisphere.
    """
    side = int(np.ceil(np.sqrt(pixels))) + 4
    lon, lat = 128 + np.arange(2 * side) / 120, 67 + np.arange(side) / 120
    lon_of, lat_of = (a.ravel() for a in np.meshgrid(lon, lat))
    rng = np.random.default_rng(1)
    anywhere = rng.uniform(-180, 180, 6 * pixels + 2000), rng.uniform(50, 78, 6 * pixels + 2000)
    found = {}
    for name, (x, y) in {"coherent": (lon_of, lat_of), "scattered": anywhere}.items():
        land = np.flatnonzero(
            world.predictors_at_points(x, y, ["land_fraction"])["land_fraction"] > 0.5
        )[:pixels]
        if name == "coherent":
            rows, columns = in_tiles(*np.divmod(land, len(lon)))
            land = rows * len(lon) + columns
        table = pd.DataFrame(
            trained.with_northness(world.predictors_at_points(x[land], y[land]), x[land])
        )
        found[name] = table[list(names)].to_numpy(np.float32)
    return found


def prepare(folder: Path | None, sites: int, replicates: int) -> Case:
    """The ensemble, trained or read, and packed."""
    ensemble, samples = trained.kept(folder, sites, replicates)
    begin = time.process_time()
    compiled, check = compile_ensemble(
        ensemble, samples[list(ensemble.coding_.names)].to_numpy(float)
    )
    print(
        f"packed in {time.process_time() - begin:.0f} s; largest difference to the members' own"
        " predict, % of the range:",
        end=" ",
    )
    print(
        {name: float(f"{value:.1g}") for name, value in member_differences(compiled, check).items()}
    )
    return Case(ensemble, compiled, trained.applicability_of(ensemble, samples))


def obvious_way(
    ensemble: IceEnsemble,
    replicates: Sequence[Replicate],
    X: np.ndarray,
    seconds: dict[str, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Replicate means (replicates, n) and bounds (n, 2): each model's predict, each COP-BMA's mean,
    the exact mixture inverted by bisection.
    """
    clock = Clock({} if seconds is None else seconds)
    coded, _ = ensemble.coding_.encode(X)
    F = np.empty((len(replicates), len(X), len(ensemble.members) + 1))
    for k, name in enumerate(ensemble.members):
        inputs = member_inputs([name], ensemble.coding_, coded)[name]
        for s, replicate in enumerate(replicates):
            F[s, :, k] = np.clip(replicate.members[name].predict(inputs), *replicate.scale.limits)
        clock.lap(name)
    F[:, :, -1] = F[:, :, :-1].mean(axis=2)
    bmas, partners = [replicate.bma for replicate in replicates], ensemble.partners(coded)
    means = np.clip(exact_means(bmas, F, partners), 0, 100)
    levels = np.array(trained.LEVELS)
    bounds = exact_quantiles(bmas, F, levels, partners, steps=14)  # to 0.006
    clock.lap("mixture")
    return means, bounds


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
    compiled = case.compiled
    forest_alone = replace(compiled, parts=replace(compiled.parts, process=None))
    for start in range(0, len(X), BATCH):
        part = pad(X[start : start + BATCH])
        codes, design, _ = compiled.code(part)
        clock.lap("codes")
        F = np.empty((len(compiled.members) + 1, compiled.replicates, len(part)), np.float32)
        for k, name in enumerate(compiled.members):
            compiled.predict_member(name, part, codes, design, F[k])
            clock.lap(name)
        limit_and_average(F, compiled.limits.astype(np.float32))
        clock.lap("consensus")
        case.applicability.index(design)
        clock.lap("dissimilarity")
        found = forest_alone.partners(codes, design, None)
        clock.lap("quantile forest")
        kriged = compiled.parts.process.at(design)
        clock.lap("Gaussian process")
        partners = replace(found, kriged=kriged)
        means, _, _ = compiled.pool(F, partners, np.array(trained.LEVELS))
        mean_and_spread(means)
        clock.lap("mixture")
    return {name: 1e6 * seconds / len(X) for name, seconds in clock.seconds.items()}


def library_ways(
    ensemble: IceEnsemble, replicates: Sequence[Replicate], X: np.ndarray
) -> dict[str, Callable[[], None]]:
    """Raster libraries around the same models, members alone, where they are installed."""
    import xarray as xr

    inputs = member_inputs(ensemble.members, ensemble.coding_, ensemble.coding_.encode(X)[0])
    models = [
        (name, model) for replicate in replicates for name, model in replicate.members.items()
    ]
    ways: dict[str, Callable[[], None]] = {}
    if importlib.util.find_spec("sklearn_raster"):
        from sklearn_raster import FeatureArrayEstimator

        def wrapped(name: str, model: object) -> object:
            estimator = FeatureArrayEstimator(LinearRegression()).fit(
                inputs[name], np.arange(len(X), dtype=float)
            )
            estimator.wrapped_estimator = model  # wrapping a fitted model would forget the fit
            return estimator

        estimators = [(name, wrapped(name, model)) for name, model in models]
        pixels = {
            name: xr.DataArray(values.T[:, None, :], dims=("band", "y", "x"))
            for name, values in inputs.items()
        }

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
                for name, model in models:
                    ParallelPostFit(model).predict(
                        da.from_array(inputs[name], chunks=(len(X), -1))
                    ).compute()

        ways["dask-ml ParallelPostFit"] = with_dask_ml
    return ways


def compare(case: Case, X: np.ndarray, options: argparse.Namespace) -> dict[str, float]:
    """Print microseconds per pixel for all replicates, and ratios."""
    few, some = X[: options.slow_pixels], case.ensemble.replicates_[: options.slow_replicates]
    all_pixels, slow_pixels = float(len(X)), len(few) * len(some) / len(case.ensemble.replicates_)

    def fast() -> None:
        map_pixels(case.compiled, case.applicability, trained.NO_CALIBRATION, X, None)

    ways: dict[str, tuple[Callable[[], object], float]] = {"icemap": (fast, all_pixels)}
    ways["the obvious way"] = (lambda: obvious_way(case.ensemble, some, few), slow_pixels)
    ways |= {
        name: (way, slow_pixels) for name, way in library_ways(case.ensemble, some, few).items()
    }
    fast()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, (way, pixels) in ways.items():
            begin = time.process_time()
            way()
            taken[name].append(1e6 * (time.process_time() - begin) / pixels)
    ours = np.array(taken["icemap"])
    for name, values in taken.items():
        ratio = np.array(values) / ours
        note = "  (members alone)" if name in LIBRARIES else ""
        print(
            f"  {name:24s} {np.median(values):10.1f} us a pixel   {np.median(ratio):8.1f} times"
            f" icemap's [{ratio.min():.1f} to {ratio.max():.1f}]{note}"
        )
    seconds: dict[str, float] = {}
    obvious_way(case.ensemble, some, few, seconds)
    slow = {name: 1e6 * value / slow_pixels for name, value in seconds.items()}
    for name, value in split_by_member(case, X).items():
        print(
            f"    {name:16s} {value:8.2f} us"
            + (
                f"   {slow[name]:10.1f} us the obvious way, {slow[name] / value:6.0f} times"
                if name in slow
                else ""
            )
        )
    return {
        **differences(case, X[: options.checked_pixels]),
        "ratio": float(np.median(np.array(taken["the obvious way"]) / ours)),
    }


def differences(case: Case, X: np.ndarray) -> dict[str, float]:
    """Largest differences to the obvious way with all replicates, and the pixel where the bounds
    differ most.
    """
    means, bounds = obvious_way(case.ensemble, case.ensemble.replicates_, X)
    result = map_pixels(case.compiled, case.applicability, trained.NO_CALIBRATION, X, None)
    found = {
        "replicate means": np.abs(result.replicate_means - means),
        "mean": np.abs(result.mean - means.mean(axis=0)),
        "spread": np.abs(result.sd_ensemble - means.std(axis=0, ddof=1)),
        "lower": np.abs(result.lower - bounds[:, 0]),
        "upper": np.abs(result.upper - bounds[:, 1]),
    }
    largest = {name: float(values.max()) for name, values in found.items()}
    print(
        f"  largest differences to the obvious way ({len(X)} pixels):",
        ", ".join(f"{name} {value:.4f}" for name, value in largest.items()),
    )
    worst = int(np.maximum(found["lower"], found["upper"]).argmax())
    ours, theirs = (
        f"{low:.3f} to {high:.3f}"
        for low, high in ((result.lower[worst], result.upper[worst]), bounds[worst])
    )
    print(f"  worst pixel: number {worst}, {ours}, the obvious way {theirs}")
    return largest


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=1178)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument(
        "--ensemble", type=Path, help="folder of a trained ensemble; made there if it is not"
    )
    parser.add_argument("--pixels", type=int, default=16 * BATCH)
    parser.add_argument("--slow-pixels", type=int, default=4096)
    parser.add_argument("--slow-replicates", type=int, default=10)
    parser.add_argument("--checked-pixels", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    found = {}
    with threadpool_limits(1):
        case = prepare(options.ensemble, options.sites, options.replicates)
        names = case.compiled.coding.names
        print(
            f"{options.replicates} replicates, {options.sites} sites, {len(names)} predictors; the"
            f" slow ways: {options.slow_replicates} replicates, scaled"
        )
        for library in sorted(
            set(LIBRARIES)
            - {name for name, module in LIBRARIES.items() if importlib.util.find_spec(module)}
        ):
            print(f"{library} is not installed and left out (pip install {library.split()[0]})")
        for name, X in rasters(names, options.pixels).items():
            print(
                f"{name} pixels: {len(X)} at once by icemap, {min(options.slow_pixels, len(X))} by"
                " the others"
            )
            found[name] = compare(case, X, options)
    return found


if __name__ == "__main__":
    main()
