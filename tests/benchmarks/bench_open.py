"""What opening a saved ensemble and predicting with it costs: ``python
tests/benchmarks/bench_open.py [--ensemble DIR]``.

One process, the ways taking turns, CPU time: opened, which predicts through the compiled ensemble,
and loaded, where every replicate is read and every member asked.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import trained
from threadpoolctl import threadpool_limits

import icemap
from icemap import IceEnsemble


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=1178)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--ensemble", type=Path, help="folder of a trained ensemble, or for one")
    parser.add_argument("--pixels", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with threadpool_limits(1), tempfile.TemporaryDirectory() as scratch:
        folder = options.ensemble or Path(scratch) / "ensemble"
        trained.compiled(folder, options.sites, options.replicates)
        names = icemap.open_ensemble(str(folder)).coding_.names
        X = trained.draw_sites(options.pixels, seed=1)[list(names)].to_numpy(float)
        ways = {"opened": icemap.open_ensemble, "loaded": IceEnsemble.load}
        seconds: dict[str, list[float]] = {}
        said = {}
        for _ in range(options.rounds):
            for way, opening in ways.items():
                begin = time.process_time()
                ensemble = opening(str(folder))
                seconds.setdefault(f"{way}, opening", []).append(time.process_time() - begin)
                begin = time.process_time()
                said[way] = ensemble.predict(X)
                seconds.setdefault(f"{way}, predicting", []).append(time.process_time() - begin)
    size = sum(path.stat().st_size for path in folder.rglob("*") if folder == options.ensemble)
    print(f"{options.replicates} replicates, {len(X)} places, {size / 1e6:.0f} MB on disk")
    for name, values in seconds.items():
        print(f"{name:20s} {np.median(values):8.2f} s [{min(values):.2f} to {max(values):.2f}]")
    found = {"difference": float(np.abs(said["opened"] - said["loaded"]).max())}
    for part in ("opening", "predicting"):
        ratio = np.array(seconds[f"loaded, {part}"]) / np.array(seconds[f"opened, {part}"])
        found[part] = float(np.median(ratio))
        print(f"{part}: {found[part]:.1f} times [{ratio.min():.1f} to {ratio.max():.1f}]")
    print(f"largest difference of the means: {found['difference']:.2g}")
    return found


if __name__ == "__main__":
    main()
