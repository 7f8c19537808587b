"""The predictor datacube: every source on one grid, in one chunked Zarr group, with the cells to be
mapped marked ``valid``.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.config import Config
from icemap.config_sections import GridConfig, MaskConfig
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import Variable, create_gridded, describe_gridded, open_gridded
from icemap.json_records import CubeChunkRecord, PredictorFacts
from icemap.predictors.align import Resampling, require_overlap, resampling
from icemap.predictors.cube_variables import FRACTION, VALID, cube_attrs, described

# Scripts ask for what a predictor depends on next to what makes it.
from icemap.predictors.cube_variables import identity as identity
from icemap.predictors.fields import ChunkFields, value_range
from icemap.predictors.raster import CLASS_NODATA
from icemap.predictors.sources import open_layer_of, open_source
from icemap.predictors.stamps import file_stamps
from icemap.predictors.vectors import require_layer
from icemap.source import Source
from icemap.units import part_of_one
from icemap.zarr_groups import write_chunk

if TYPE_CHECKING:
    import xarray as xr


# Parts of a chunk along each side that are compressed by themselves, and their least size: of
# 128 x 128 cells, Zarr's own work takes longer than their compression.
PARTS_A_SIDE, SMALLEST_PART = 4, 256

# Part of the whole by which resampled parts of a cell may leave 0 to 1.
ROUNDING = 1e-3


@dataclass(frozen=True)
class CubeBuild:
    """Everything a task needs to make one chunk of the cube; small enough to travel with it.

    Attributes
    ----------
    url : str
        Of the cube.
    sources : mapping
        Catalogue entries by name: predictors first, then masks.
    ways : mapping
        How each source with a file is resampled (none for the virtual Arctic, which is evaluated at
        the cell centres).
    stamps : mapping
        Of each file when the work was planned, by address: a file that changes while chunks are
        made is refused.
    notes : mapping
        What is done to the values of sources with a file, where there is something to say.
    everywhere : bool
        Predictors are read also where no cell of a chunk is mapped.
    """

    url: str
    grid: Grid
    chunk: int
    predictors: tuple[str, ...]
    masks: tuple[MaskConfig, ...]
    sources: Mapping[str, Source]
    ways: Mapping[str, Resampling]
    stamps: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
    everywhere: bool = False

    @property
    def chunks(self) -> list[Chunk]:
        return list(self.grid.chunks(self.chunk))

    def create(self, title: str) -> None:
        """Write the empty cube."""
        create_gridded(
            self.url,
            self.grid,
            self.variables,
            self.attrs(title),
            chunk=read_at_once(self.chunk),
            shard=self.chunk,
        )

    def describe(self, title: str) -> None:
        """Bring the words in the attributes of a cube that is there up to date."""
        describe_gridded(self.url, self.variables, self.attrs(title))

    def attrs(self, title: str) -> dict[str, str]:
        """Attributes of the group."""
        return cube_attrs(title, self.sources.values())

    @property
    def variables(self) -> list[Variable]:
        """Predictors and masks, then what is mapped and what counts of a cell."""
        named = [
            described(
                source, self.ways.get(name), name in self.predictors, self.notes.get(name, "")
            )
            for name, source in self.sources.items()
        ]
        return [*named, VALID, FRACTION]

    def __call__(self, chunk: Chunk) -> CubeChunkRecord:
        """Make, check and write one chunk; the record says what is missing in it."""
        arrays, record = self.make(chunk)
        write_chunk(self.url, chunk, arrays)
        return record

    def make(self, chunk: Chunk) -> tuple[dict[str, NDArray[Any]], CubeChunkRecord]:
        """Variables of one chunk as they are stored, and the chunk's record.

        The masks come first: where they leave no cell, no predictor is read, and what is not there
        stays nodata.
        """
        fields = ChunkFields(self.grid, self.ways, chunk, self.sources.values())
        arrays = self._read(fields, dict.fromkeys(mask.source for mask in self.masks), chunk)
        inside, fraction = self._mask(arrays, chunk)
        if not (inside.any() or self.everywhere):
            return self._left_out(arrays, inside, fraction)
        arrays |= self._read(fields, [name for name in self.sources if name not in arrays], chunk)
        missing = {name: inside & np.isnan(arrays[name]) for name in self.predictors}
        valid = inside & ~np.any(list(missing.values()), axis=0)
        ranges = {name: value_range(arrays[name][inside]) for name in self.predictors}
        stored = {
            **{name: _stored(values, self.sources[name]) for name, values in arrays.items()},
            "valid": valid,
            "fraction": fraction,
        }
        return stored, {
            "pixels": int(inside.size),
            "inside": int(inside.sum()),
            "valid": int(valid.sum()),
            "missing": {name: int(cells.sum()) for name, cells in missing.items()},
            "lowest": {name: low for name, (low, _) in ranges.items() if low is not None},
            "highest": {name: high for name, (_, high) in ranges.items() if high is not None},
        }

    def _left_out(
        self,
        masks: Mapping[str, NDArray[np.float32]],
        inside: NDArray[np.bool_],
        fraction: NDArray[np.float32],
    ) -> tuple[dict[str, NDArray[Any]], CubeChunkRecord]:
        """A chunk in which nothing is mapped, without predictors."""
        stored = {name: _stored(values, self.sources[name]) for name, values in masks.items()}
        return {**stored, "valid": inside, "fraction": fraction}, {
            "pixels": int(inside.size),
            "inside": 0,
            "valid": 0,
            "missing": dict.fromkeys(self.predictors, 0),
            "lowest": {},
            "highest": {},
            "unread": True,
        }

    def _read(
        self, fields: ChunkFields, names: Iterable[str], chunk: Chunk
    ) -> dict[str, NDArray[np.float32]]:
        """Fields of some sources, whose files are those that the cube was begun with."""
        sources = {name: self.sources[name] for name in names}
        try:
            arrays = {name: fields.read(source) for name, source in sources.items()}
        except IcemapError as error:
            self._require_unchanged(sources.values(), chunk)
            raise (
                error if chunk.key in str(error) else IcemapError(f"Chunk {chunk.key}: {error}")
            ) from error
        self._require_unchanged(sources.values(), chunk)
        return arrays

    def _require_unchanged(self, sources: Iterable[Source], chunk: Chunk) -> None:
        for files, leaf in {
            leaf.files: leaf for source in sources for leaf in source.leaves
        }.items():
            try:
                stamps = file_stamps(leaf)
            except IcemapError as error:
                raise IcemapError(
                    f"Chunk {chunk.key}, on the host {socket.gethostname()}: {error} It was there"
                    " when the cube was begun: put it back, or, where only this host lacks it,"
                    " mount its folder there under the same path."
                ) from error
            for url, stamp in zip(files, stamps):
                if stamp != self.stamps[url]:
                    raise IcemapError(
                        f"Chunk {chunk.key}: the file {url} of the source '{leaf.name}' has changed"
                        f" since the cube was begun, as the host {socket.gethostname()} sees it:"
                        " run the command again, and the cube is made again from the file as it is"
                        " now; where this host has another file under this path, give all hosts"
                        " the same one."
                    )

    def _mask(
        self, arrays: Mapping[str, NDArray[np.float32]], chunk: Chunk
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        inside = np.ones(chunk.shape, dtype=bool)
        fraction = np.ones(chunk.shape, dtype=np.float32)
        for mask in self.masks:
            values = arrays[mask.source]
            if mask.at_least is not None:
                inside &= np.nan_to_num(values, nan=-np.inf) >= mask.at_least
            if mask.at_most is not None:
                inside &= np.nan_to_num(values, nan=np.inf) <= mask.at_most
            if mask.counts is not None:
                part = np.clip(_part(values, self.sources[mask.source]), 0, 1)
                fraction *= part if mask.counts == "part" else 1 - part
        return inside, fraction


def read_at_once(chunk: int) -> int:
    """Cells per side of what is compressed by itself within a chunk: a reader of single places
    fetches little, and whoever reads or writes the whole is not slowed by many small parts.

    Parameters
    ----------
    chunk : int
        Cells per side of a chunk.

    Examples
    --------
    >>> read_at_once(100), read_at_once(256), read_at_once(512), read_at_once(2048)
    (100, 256, 256, 512)
    """
    parts = max(1, min(PARTS_A_SIDE, chunk // SMALLEST_PART))
    while chunk % parts:
        parts -= 1
    return chunk // parts


def plan_cube(config: Config, sources: Mapping[str, Source]) -> CubeBuild:
    """Plan the cube of a config, see `plan_build`."""
    return plan_build(config.folder.cube, config.grid, config.predictors, config.masks, sources)


def plan_build(
    url: str,
    grid_config: GridConfig,
    predictors: tuple[str, ...],
    masks: tuple[MaskConfig, ...],
    sources: Mapping[str, Source],
) -> CubeBuild:
    """Open every source once and settle how it is resampled.

    Parameters
    ----------
    url : str
        Where the cube will be.
    grid_config : GridConfig
        The grid and the size of its chunks.
    predictors : tuple of str
    masks : tuple of MaskConfig
    sources : mapping
        The entries of the catalogue that predictors and masks name: predictors first.

    Raises
    ------
    IcemapError
        If a source cannot be opened or covers no part of the grid.
    """
    grid = grid_config.grid
    for mask in masks:
        source = sources[mask.source]
        if mask.counts is not None and part_of_one(source.unit) is None:
            raise IcemapError(
                f"The mask '{source.name}' counts as part of a cell, but its unit is"
                f" '{source.unit}': give its 'unit' in the catalogue as 1 or %."
            )
    ways: dict[str, Resampling] = {}
    stamps: dict[str, str] = {}
    classes: dict[str, Mapping[int, str]] = {}
    notes: dict[str, str] = {}
    for source in sources.values():
        for leaf in source.leaves:
            if not leaf.is_virtual and leaf.name not in ways:
                if leaf.rasterize is not None:
                    require_layer(open_layer_of(leaf, grid), grid)
                with open_source(leaf, grid) as raster:
                    require_overlap(raster, grid)
                    ways[leaf.name] = resampling(raster, grid)
                    classes[leaf.name], notes[leaf.name] = raster.classes, raster.note
                stamps |= dict(zip(leaf.files, file_stamps(leaf)))
    resolved = {name: _resolved(source, classes) for name, source in sources.items()}
    said = {name: note for name, note in notes.items() if note}
    return CubeBuild(
        url,
        grid,
        grid_config.chunk,
        predictors,
        masks,
        resolved,
        ways,
        stamps,
        said,
    )


def _part(values: NDArray[np.float32], source: Source) -> NDArray[np.float32]:
    """The part of a cell that a mask stands for, 0 where it has no value."""
    whole = 1 / (part_of_one(source.unit) or 1)
    low, high = value_range(values)
    if (
        low is not None
        and high is not None
        and (low < -ROUNDING * whole or high > (1 + ROUNDING) * whole)
    ):
        raise IcemapError(
            f"The mask '{source.name}' runs from {low:g} to {high:g}, but a part of a cell in the"
            f" unit '{source.unit}' is from 0 to {whole:g}: correct 'unit' in the catalogue, or"
            " give the value that means missing as 'nodata'."
        )
    return np.nan_to_num(values) / np.float32(whole)


def _resolved(source: Source, classes: Mapping[str, Mapping[int, str]]) -> Source:
    """The source with the classes that the files of its leaves name."""
    inputs = tuple(_resolved(item, classes) for item in source.inputs)
    if source.derived is not None:
        unknown = sorted(set(source.derived.codes) - set(inputs[0].classes))
        if unknown:
            raise IcemapError(
                f"'{source.derived.text}': the class code {unknown[0]} is not among the classes"
                f" {sorted(inputs[0].classes)}; correct 'codes'."
            )
    return source.model_copy(
        update={"inputs": inputs, "classes": dict(source.classes or classes.get(source.name, {}))}
    )


def open_cube(url: str | PathLike[str], **storage_options: Any) -> xr.Dataset:
    """Open a predictor cube lazily; nodata is NaN.

    Parameters
    ----------
    url : str
        A folder or bucket prefix such as ``s3://bucket/run/cube.zarr``.
    """
    return open_gridded(url, "predictor cube", **storage_options)


def describe_predictors(url: str) -> dict[str, PredictorFacts]:
    """Unit, digest of the source and meaning of the class codes of each predictor of a cube, by
    name.
    """
    described: dict[str, PredictorFacts] = {}
    for name, variable in open_cube(url).data_vars.items():
        if variable.attrs.get("role") == "predictor":
            meanings = str(variable.attrs.get("flag_meanings", "")).split()
            classes = {
                str(code): meaning
                for code, meaning in zip(
                    np.atleast_1d(variable.attrs.get("flag_values", [])).tolist(), meanings
                )
            }
            described[str(name)] = {
                "unit": variable.attrs.get("units", ""),
                "digest": variable.attrs.get("digest", ""),
                "classes": classes,
            }
    return described


def require_predictors(records: Sequence[Mapping[str, Any]], build: CubeBuild) -> None:
    """Refuse a finished cube that can map nothing, naming the predictor at fault."""
    inside = sum(record["inside"] for record in records)
    if inside == 0:
        raise IcemapError(
            "No cell of the grid is inside the masks"
            f" {', '.join(mask.source for mask in build.masks)}: lower 'at_least', or change the"
            " grid."
        )
    for name in build.predictors:
        if sum(record["missing"][name] for record in records) == inside:
            raise IcemapError(
                f"The predictor '{name}' ({build.sources[name].origin}) has no value in any cell to"
                " be mapped: check its extent, nodata and selection in the catalogue."
            )


def _stored(values: NDArray[np.float32], source: Source) -> NDArray[Any]:
    return (
        np.where(np.isnan(values), CLASS_NODATA, values).astype(np.uint8)
        if source.kind == "class"
        else values
    )
