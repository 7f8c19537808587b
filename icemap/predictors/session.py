"""The predictor cube without a config: for notebooks and programs that go on from any point."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.catalog import load_sources
from icemap.config_sections import GridConfig, MaskConfig
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import as_opened, gridded_dataset
from icemap.json_records import CubeChunkRecord
from icemap.paths import resolve
from icemap.predictors.checks import require_none, source_problems
from icemap.predictors.cube import (
    CubeBuild,
    open_cube,
    plan_build,
    require_predictors,
)
from icemap.section import settings_from
from icemap.store import exists, list_names, remove

if TYPE_CHECKING:
    import xarray as xr

# Where a relative address is seen from: a file of the working folder.
HERE = "build_cube"


def build_cube(
    catalog: str | os.PathLike[str],
    grid: Grid,
    predictors: Sequence[str],
    masks: Sequence[Mapping[str, Any] | MaskConfig] = (),
    *,
    url: str | os.PathLike[str] | None = None,
    chunk: int = 256,
    title: str = "Ground ice",
) -> xr.Dataset:
    """Rasters of a catalogue on one grid: the cube that ``icemap cube`` makes, without a config.

    Without ``url`` nothing is written: chunks are made by Dask where they are looked at, one at a
    time in each process, and made again when they are looked at again. With ``url`` the cube is
    made at once, by the Dask cluster of the session if there is one, and opened from there.

    Parameters
    ----------
    catalog : str or path
        The catalogue of sources.
    grid : Grid
    predictors : sequence of str
        Entries of the catalogue.
    masks : sequence of mapping
        With the keys of ``masks`` in a config: ``{"source": "permafrost", "at_least": 0.1,
        "counts": "part"}``.
    url : str, optional
        Where to write the cube, a folder or bucket prefix with nothing in it.
    chunk : int
        Cells per side of a chunk.
    title : str

    Returns
    -------
    xarray.Dataset
        Dimensions (latitude, longitude), north row first: predictors and masks in the units of the
        catalogue, NaN where there is no value; ``valid`` (1 where a cell is to be mapped) and
        ``fraction`` (the part of it that counts). The same as `icemap.open_cube` gives.

    Raises
    ------
    IcemapError
        If a source or a mask is wrong, with all problems of all sources; with ``url`` also if
        nothing can be mapped. A file that is found broken further in is reported when its chunk is
        made.

    Examples
    --------
    >>> import tempfile
    >>> from icemap.virtual_arctic.demo import write_demo
    >>> config = write_demo(tempfile.mkdtemp(), "small")
    >>> catalog = config.replace("config.yaml", "catalog.yaml")
    >>> cube = build_cube(catalog, Grid(100, 60, 140, 75, 1.0), ["maat", "elevation"])
    >>> cube["maat"].sizes, cube["maat"].attrs["units"]
    (Frozen({'latitude': 15, 'longitude': 40}), 'degC')
    >>> bool(cube["maat"].mean() < 0)
    True
    """
    settings = settings_from(
        GridConfig,
        {
            "west": grid.west,
            "south": grid.south,
            "east": grid.east,
            "north": grid.north,
            "resolution": grid.resolution,
            "chunk": chunk,
        },
        "The grid",
    )
    settings = settings.model_copy(update={"chunk": settings.side})
    wanted = [
        mask if isinstance(mask, MaskConfig) else settings_from(MaskConfig, mask, f"Mask {number}")
        for number, mask in enumerate(masks, 1)
    ]
    names = _named(predictors)
    sources = load_sources(
        resolve(os.fspath(catalog), HERE),
        [*dict.fromkeys([*names, *(mask.source for mask in wanted)])],
    )
    require_none(
        problem
        for name, source in sources.items()
        for problem in source_problems(
            source, settings.grid, [mask for mask in wanted if mask.source == name]
        )
    )
    place = None if url is None else resolve(os.fspath(url), HERE)
    if place is not None and (exists(place) or list_names(place)):
        raise IcemapError(
            f"There is something at {place} already: open it with open_cube, delete it, or give"
            " another 'url'."
        )
    # Sites may be sampled anywhere, also where nothing is mapped.
    build = replace(
        plan_build(place or "", settings, names, tuple(wanted), sources), everywhere=True
    )
    return _lazy(build, title) if place is None else _written(build, title)


def _named(predictors: Sequence[str]) -> tuple[str, ...]:
    names = (predictors,) if isinstance(predictors, str) else tuple(predictors)
    if not names:
        raise IcemapError("'predictors' is empty: name at least one entry of the catalogue.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise IcemapError(f"'predictors' lists {', '.join(twice)} twice: remove one.")
    return names


def _lazy(build: CubeBuild, title: str) -> xr.Dataset:
    """The cube as `open_cube` gives it, from arrays that Dask makes chunk by chunk."""
    import dask
    import dask.array

    make = dask.delayed(_decoded_chunk)
    plan = dask.delayed(build)
    names = [variable.name for variable in build.variables]
    rows: dict[str, list[list[Any]]] = {name: [] for name in names}
    for chunk in build.chunks:
        fields = make(plan, chunk)
        for name in names:
            if chunk.index[1] == 0:
                rows[name].append([])
            rows[name][-1].append(
                dask.array.from_delayed(fields[name], chunk.shape, dtype=np.float32)
            )
    arrays = {name: dask.array.block(blocks) for name, blocks in rows.items()}
    dataset = gridded_dataset(build.grid, build.variables, arrays, build.attrs(title))
    for variable in build.variables:
        # As they are stored: classes and flags are saved as bytes.
        encoding = {"dtype": np.dtype(variable.dtype), "_FillValue": variable.nodata}
        dataset[variable.name].encoding |= encoding
    return as_opened(dataset, {variable.name: variable.dtype for variable in build.variables})


def _decoded_chunk(build: CubeBuild, chunk: Chunk) -> dict[str, NDArray[np.float32]]:
    with _one_at_a_time():
        stored, _ = build.make(chunk)
    nodata = {variable.name: variable.nodata for variable in build.variables}
    return {
        name: np.where(values == nodata[name], np.float32(np.nan), values).astype(np.float32)
        for name, values in stored.items()
    }


def _written(build: CubeBuild, title: str) -> xr.Dataset:
    import dask

    make = dask.delayed(_write_chunk)
    plan = dask.delayed(build)
    build.create(title)
    try:
        records = dask.compute(*(make(plan, chunk) for chunk in build.chunks))
        require_predictors(records, build)
    except BaseException:
        # Nobody shall take the rest of it for a cube.
        remove(build.url)
        raise
    return open_cube(build.url)


def _write_chunk(build: CubeBuild, chunk: Chunk) -> CubeChunkRecord:
    with _one_at_a_time():
        return build(chunk)


def _one_at_a_time() -> Any:
    """Libraries that read rasters do not all bear two threads in one process."""
    from dask.utils import SerializableLock

    return SerializableLock("icemap cube")
