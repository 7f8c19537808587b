"""The map: the ensemble over every chunk of the cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import Variable, create_gridded, describe_gridded
from icemap.json_records import MapChunkRecord
from icemap.mapping.broadcast import get_predictor
from icemap.mapping.chunk import ChunkResult, map_batches
from icemap.mapping.replicate_fields import ReplicateFields
from icemap.mapping.sums import Sums, add, masked_sums, to_records
from icemap.mapping.zones import masks_of, total_name, zones_of
from icemap.sphere import unit_vectors
from icemap.zarr_groups import consolidate, mend, read_chunk, write_chunk

# Pixels per side of the tiles in which a chunk is predicted: a tile is what is predicted at once.
TILE = 64


@dataclass(frozen=True)
class MapBuild:
    """Everything a task needs to map one chunk; small enough to travel with it.

    Attributes
    ----------
    variables : tuple of Variable
        In the order mean, ensemble spread, lower, upper, dissimilarity, area of applicability,
        extrapolated.
    ensemble_digest : str
        Of the ensemble the job was planned with; a worker refuses another one.
    fields : ReplicateFields, optional
        Where the predictions of the single replicates are kept.
    """

    url: str
    cube_url: str
    ensemble_url: str
    ensemble_digest: str
    grid: Grid
    chunk: int
    variables: tuple[Variable, ...]
    fields: ReplicateFields | None = None

    @property
    def chunks(self) -> list[Chunk]:
        return list(self.grid.chunks(self.chunk))

    def create(self, attrs: Mapping[str, Any]) -> None:
        """Write the empty map. It is not sharded, so that GDAL reads it."""
        create_gridded(self.url, self.grid, self.variables, attrs, chunk=self.chunk)
        if self.fields is not None:
            self.fields.create(self.grid, self.chunk)
            consolidate(self.url)

    def describe(self, attrs: Mapping[str, Any]) -> None:
        """Bring the words in the attributes of a map that is there up to date."""
        describe_gridded(self.url, self.variables, attrs)

    def __call__(self, chunk: Chunk) -> MapChunkRecord:
        """Map and write one chunk; the record holds the sums for the totals."""
        masks = read_chunk(self.cube_url, chunk, ["valid", "fraction"])
        valid = masks["valid"] == 1
        if (masks["valid"] == 255).any() or np.isnan(masks["fraction"][valid]).any():
            raise IcemapError(
                f"Chunk {chunk.key} is missing in the cube {self.cube_url}: {mend(self.cube_url)}"
            )
        if not valid.any():
            return {"pixels": int(valid.size), "valid": 0, "sums": {}}
        predictor = get_predictor(self.ensemble_url, self.ensemble_digest)
        names = predictor.compiled.coding.given
        arrays = read_chunk(self.cube_url, chunk, names)
        rows, columns = in_tiles(*np.nonzero(valid))
        X = np.column_stack([_decoded(arrays[name][rows, columns]) for name in names])
        _require_values(X, names, chunk, self.cube_url)
        rasters = {
            variable.name: np.full(valid.shape, variable.nodata, dtype=variable.dtype)
            for variable in self.variables
        }
        area = self.grid.cell_area()[chunk.rows][rows]
        fraction = masks["fraction"][rows, columns]
        longitude = self.grid.longitudes[chunk.cols][columns]
        latitude = self.grid.latitudes[chunk.rows][rows]
        areas = zones_of(longitude, latitude, fraction)
        codes = None if self.fields is None else self.fields.empty(chunk)
        sums: Sums = {}
        inside = extrapolated = 0
        for batch, result in map_batches(
            predictor.compiled,
            predictor.applicability,
            predictor.calibration,
            X,
            unit_vectors(longitude, latitude),
        ):
            for variable, values in zip(self.variables, map_layers(result), strict=True):
                rasters[variable.name][rows[batch], columns[batch]] = values
            # A total is that of cells, whatever the interval is for.
            sd = predictor.calibration.scope.cell_sd(result.lower, result.upper)
            # As published, the bounds of a total are the summed bounds of its cells.
            interval = (result.lower, result.upper) if predictor.compiled.published else None
            members = {name: cells[batch] for name, cells in areas.items()}
            found = masked_sums(
                area[batch],
                masks_of(fraction[batch]),
                result.replicate_means,
                sd,
                result.aoa,
                members,
                interval,
            )
            for mask, of_mask in found.items():
                sums = add(sums, {total_name(name, mask): one for name, one in of_mask.items()})
            if self.fields is not None and codes is not None:
                codes[:, rows[batch], columns[batch]] = self.fields.codes(result.replicate_means)
            inside += int(result.aoa.sum())
            extrapolated += int(result.extrapolated.sum())
        write_chunk(self.url, chunk, rasters)
        if self.fields is not None and codes is not None:
            self.fields.write(chunk, codes, np.where(valid, masks["fraction"], np.nan))
        return {
            "pixels": int(valid.size),
            "valid": int(valid.sum()),
            "sums": to_records(sums),
            "aoa": inside,
            "extrapolated": extrapolated,
        }


def in_tiles(
    rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels tile by tile, so that those that are predicted together are near one another, and few
    nodes of a tree tell them apart.

    Examples
    --------
    >>> rows, columns = in_tiles(np.array([0, 0, 0, 1]), np.array([0, 1, 70, 0]))
    >>> rows.tolist(), columns.tolist()
    ([0, 0, 1, 0], [0, 1, 0, 70])
    """
    order = np.lexsort((columns // TILE, rows // TILE))
    return rows[order], columns[order]


def map_layers(result: ChunkResult) -> tuple[NDArray[Any], ...]:
    """The values of the map's variables, each (n,), in the order of `map_variables`."""
    return (
        result.mean,
        result.sd_ensemble,
        result.lower,
        result.upper,
        result.dissimilarity,
        result.aoa,
        result.extrapolated,
    )


def _decoded(stored: NDArray[Any]) -> NDArray[Any]:
    values = stored.astype(np.result_type(stored, np.float32))
    if stored.dtype == np.uint8:
        values[stored == 255] = np.nan
    return values


def _require_values(X: NDArray[Any], names: Sequence[str], chunk: Chunk, cube_url: str) -> None:
    bad = ~np.isfinite(X).all(axis=0)
    if bad.any():
        raise IcemapError(
            f"The predictor '{names[int(bad.argmax())]}' is missing in valid pixels of chunk"
            f" {chunk.key} of the cube {cube_url}, which is damaged: {mend(cube_url)} In a cube"
            " made by hand, correct its variable 'valid'."
        )
