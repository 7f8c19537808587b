"""What ``model.predict(dataset)`` needs of memory: ``python tests/benchmarks/bench_lazy.py
[--rows 20000] [--columns 4000]``.

A Dataset of float32 predictors is made by Dask as it is read, mapped chunk by chunk and written to
Zarr, by as many threads as asked for, in this process. Its peak of memory is compared with what the
predictors and the map would take as arrays.
"""

import argparse
import re
import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr

from icemap import IceRegressor

NAMES = ("maat", "slope", "wetness", "clay", "snow", "ndvi", "height", "age")


def train(sites: int, replicates: int) -> IceRegressor:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(sites, len(NAMES))), columns=list(NAMES))
    y = np.clip(40 + 12 * X.maat - 8 * X.slope * X.wetness + rng.normal(0, 8, sites), 0, 100)
    model = IceRegressor(
        bounds=(0, 100), replicates=replicates, folds=2, candidates=0, calibrate=False
    )
    return model.fit(X, y.rename("vic"))


def fields(rows: int, columns: int, chunk: int) -> xr.Dataset:
    latitude = np.linspace(80, 50, rows, endpoint=False)
    longitude = np.linspace(60, 66, columns, endpoint=False)
    lat, lon = (
        da.from_array(values, chunks=chunk).astype(np.float32) for values in (latitude, longitude)
    )
    made = {
        name: (
            ("latitude", "longitude"),
            da.sin((k + 1) * lat)[:, None] + da.cos((k + 2) * lon)[None, :],
        )
        for k, name in enumerate(NAMES)
    }
    return xr.Dataset(made, coords={"latitude": latitude, "longitude": longitude})


def peak_megabytes() -> float:
    # Its own: ru_maxrss would start from its parent's.
    kilobytes = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert kilobytes is not None
    return int(kilobytes[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=4_000)
    parser.add_argument("--chunk", type=int, default=512)
    parser.add_argument("--sites", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    model = train(options.sites, options.replicates)
    dataset = fields(options.rows, options.columns, options.chunk)
    made = model.predict(dataset)
    # What is compiled or loaded for the first chunk belongs to no chunk.
    made.isel(latitude=slice(0, 64), longitude=slice(0, 64)).compute()
    before = peak_megabytes()
    cells = options.rows * options.columns
    start, busy = time.perf_counter(), time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(scheduler="threads", num_workers=options.threads),
    ):
        made.to_zarr(Path(folder) / "made.zarr", consolidated=False)
    print(f"cells {cells:,}")
    print(f"seconds {time.perf_counter() - start:.1f}")
    print(f"cpu_microseconds_per_cell {1e6 * (time.process_time() - busy) / cells:.2f}")
    print(f"megabytes_before {before:.0f}")
    print(f"megabytes_peak {peak_megabytes():.0f}")
    print(f"megabytes_of_predictors_and_map {cells * 4 * (len(NAMES) + 7) / 2**20:.0f}")


if __name__ == "__main__":
    main()
