"""What must fit together before the first chunk is mapped: the ensemble and the cube, and the
workers' memory and what a chunk takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from icemap.ensemble.coding import POSITION
from icemap.ensemble.quantile_forest import TREES
from icemap.ensemble.saved import read_manifest
from icemap.errors import IcemapError
from icemap.gridded import grid_of
from icemap.json_records import PredictorFacts
from icemap.mapping.compiled_ensemble import BATCH
from icemap.mapping.compiled_file import compiled_size
from icemap.predictors.cube import describe_predictors, open_cube

if TYPE_CHECKING:
    from icemap.grid import Grid
    from icemap.mapping.map import MapBuild

# A worker with the libraries loaded, before it has an ensemble (measured).
WORKER_BYTES = 400 * 2**20
# Dask pauses a worker at four fifths of its memory.
USABLE = 0.8


def require_agreement(build: MapBuild) -> None:
    """Refuse an ensemble that was trained on other predictors than the cube holds, or a cube on
    another grid.

    Raises
    ------
    IcemapError
        Naming the predictor and what differs: that it is missing, its unit, the meaning of its
        class codes, or the digest of its source.
    """
    manifest, cube = read_manifest(build.ensemble_url), open_cube(build.cube_url)
    where = (
        f"The ensemble at {build.ensemble_url} and the cube {build.cube_url} do not belong together"
    )
    what_to_do = (
        "train the ensemble on this cube ('icemap train'), or give the cube that it was trained on"
    )
    here, trained = describe_predictors(build.cube_url), manifest.get("predictors", {})
    for name in manifest["coding"]["names"]:
        if name in POSITION:
            continue
        if name not in cube:
            raise IcemapError(f"{where}: the cube has no predictor '{name}'. Either {what_to_do}.")
        if difference := _difference(trained.get(name), here.get(name)):
            raise IcemapError(f"{where}: the predictor '{name}' {difference}. Either {what_to_do}.")
    if (found := grid_of(cube)).shape != build.grid.shape or abs(
        found.west - build.grid.west
    ) + abs(found.north - build.grid.north) > 1e-6:
        raise IcemapError(
            f"The cube {build.cube_url} is on the grid {found}, the map on {build.grid}: make the"
            " cube again with 'icemap cube'."
        )


def _difference(then: PredictorFacts | None, now: PredictorFacts | None) -> str:
    """What of a predictor has changed, as the end of a sentence; ensembles saved by hand say
    nothing of theirs.
    """
    if then is None or now is None:
        return ""
    if then["unit"] != now["unit"]:
        return f"has the unit '{now['unit']}' and had '{then['unit']}' in training"
    for code in sorted({*then["classes"], *now["classes"]}, key=int):
        if then["classes"].get(code) != now["classes"].get(code):
            return (
                f"has the class {code} = {now['classes'].get(code, 'nothing')}, which was"
                f" {then['classes'].get(code, 'nothing')} in training"
            )
    return (
        "comes from another file or other settings than in training"
        if then["digest"] != now["digest"]
        else ""
    )


def chunk_bytes(build: MapBuild) -> int:
    """Memory that mapping one chunk takes on top of the compiled ensemble, bytes."""
    manifest = read_manifest(build.ensemble_url)
    predictors, members, replicates = (
        len(manifest["coding"]["names"]),
        len(manifest["parameters"]["members"]),
        manifest["parameters"]["replicates"],
    )
    return planned_bytes(
        build.grid,
        build.chunk,
        predictors,
        members,
        replicates,
        len(build.variables),
        stored=build.fields is not None,
    )


def planned_bytes(
    grid: Grid,
    chunk: int,
    predictors: int,
    members: int,
    replicates: int,
    variables: int,
    *,
    stored: bool,
) -> int:
    """The same from the numbers of a plan; ``stored`` are the predictions of the replicates.

    Parameters
    ----------
    grid : Grid
    chunk : int
        Cells per side.
    predictors, members, replicates : int
        Of the ensemble.
    variables : int
        Of the map.
    stored : bool
        Whether the predictions of the replicates are kept.
    """
    batch = BATCH * 4 * (replicates * (members + 2) + 4 * predictors + TREES)
    # As stored, as valid pixels, and their columns side by side; the layers of the map; one byte
    # for each replicate.
    cells = 4 * (3 * predictors + 2 * variables) + (replicates if stored else 0)
    return batch + min(chunk, grid.shape[0]) * min(chunk, grid.shape[1]) * cells


def require_memory(build: MapBuild, executor: Any) -> None:
    """Refuse workers that have less memory than the ensemble and a chunk take.

    Parameters
    ----------
    executor : Executor
        One without a Dask client computes here, where nobody sets a limit.
    """
    client = getattr(executor, "client", None)
    if client is None:
        return
    ensemble, chunk = compiled_size(build.ensemble_url), chunk_bytes(build)
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        needed = WORKER_BYTES + ensemble + worker["nthreads"] * chunk
        if worker["memory_limit"] and USABLE * worker["memory_limit"] < needed:
            raise IcemapError(
                f"The worker {address} has {worker['memory_limit'] / 1e9:.2f} GB of memory; with"
                f" {worker['nthreads']} threads, an ensemble of {ensemble / 1e6:.0f} MB and chunks"
                f" of {build.chunk} cells it needs {needed / USABLE / 1e9:.2f} GB: give the workers"
                " more memory or fewer threads, or choose a smaller 'chunk' for the grid."
            )
