"""What each replicate predicts in each cell, kept small: the totals of areas that are drawn
afterwards need it for their intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import DIMENSIONS, Variable, create_gridded
from icemap.shards import write_whole_shards
from icemap.store import exists, join, storage_errors
from icemap.zarr_groups import compressors, consolidate, damage_errors, write_chunk, zarr_group

# Steps between the bounds of the target: 0.5 % for an ice content in per cent. Rounding moves a
# cell by a quarter of a step, up as often as down.
STEPS = 200
NODATA = 255
# Cells per side of what a reader fetches at once.
INNER = 64
FRACTION = Variable(
    "fraction",
    attrs={
        "long_name": "part of the cell that counts in totals",
        "units": "1",
        "valid_range": [0.0, 1.0],
    },
)


@dataclass(frozen=True)
class ReplicateFields:
    """The group ``replicates`` of a map: ``value`` (replicate, latitude, longitude) as uint8 and
    ``fraction`` (latitude, longitude).

    Attributes
    ----------
    url : str
    replicates : int
    low, high : float
        Values of the codes 0 and 200; values beyond are cut off.
    """

    url: str
    replicates: int
    low: float
    high: float

    def create(self, grid: Grid, chunk: int) -> None:
        """Write the empty group; one shard holds all replicates of a chunk of the map."""
        create_gridded(
            self.url, grid, [FRACTION], {"title": "predictions of each replicate"}, chunk=chunk
        )
        inner = INNER if chunk % INNER == 0 else chunk
        with storage_errors(self.url, "write"):
            zarr_group(self.url, "r+").create_array(
                "value",
                shape=(self.replicates, *grid.shape),
                dtype="uint8",
                shards=(self.replicates, chunk, chunk),
                chunks=(self.replicates, inner, inner),
                fill_value=NODATA,
                compressors=compressors(),
                dimension_names=("replicate", *DIMENSIONS),
                attributes={
                    "long_name": "prediction of each replicate",
                    "scale_factor": self.step,
                    "add_offset": self.low,
                    "_FillValue": NODATA,
                    "grid_mapping": "spatial_ref",
                },
            )
        consolidate(self.url)

    @property
    def step(self) -> float:
        return (self.high - self.low) / STEPS

    def empty(self, chunk: Chunk) -> NDArray[np.uint8]:
        """Codes of a chunk in which nothing is mapped, (replicates, rows, columns)."""
        return np.full((self.replicates, *chunk.shape), NODATA, dtype=np.uint8)

    def codes(self, means: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The predictions of the replicates as they are stored."""
        return np.clip(np.rint((means - self.low) / self.step), 0, STEPS).astype(np.uint8)

    def write(self, chunk: Chunk, codes: NDArray[np.uint8], fraction: NDArray[np.floating]) -> None:
        """Write one chunk: codes (replicates, rows, columns); fraction (rows, columns), NaN where
        not mapped.

        Parameters
        ----------
        chunk : Chunk
        codes : ndarray of uint8, shape (replicates, rows, columns)
            From `codes`.
        fraction : ndarray of shape (rows, columns)
            Part of each cell that counts in totals; NaN where not mapped.
        """
        import zarr

        write_chunk(self.url, chunk, {"fraction": fraction.astype(np.float32)})
        with storage_errors(self.url, "write"):
            value = zarr_group(self.url, "r+")["value"]
            assert isinstance(value, zarr.Array)
            write_whole_shards(value, (0, chunk.rows.start, chunk.cols.start), codes)


def replicates_url(map_url: str) -> str:
    """Where the replicates of a map are: inside it, so that they go wherever it is copied to."""
    return join(map_url, "replicates")


class StoredReplicates:
    """Windows of the replicates of a map, from a folder or a bucket."""

    def __init__(self, map_url: str, **storage_options: Any) -> None:
        import zarr

        url = replicates_url(map_url)
        if not exists(join(url, "zarr.json"), **storage_options):
            raise IcemapError(
                f"The map {map_url} was made without the predictions of its replicates, which the"
                " interval of a drawn area needs: set map.replicate_fields to true in the config"
                " and run 'icemap map' again."
            )
        self.url = url
        self._map_url = map_url
        with storage_errors(url, "open"):
            self._group = zarr_group(url, "r", **storage_options)
        value = self._group["value"]
        assert isinstance(value, zarr.Array)
        self._value = value
        self.chunk = int((value.shards or value.chunks)[1])

    def read_fraction(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Part of each cell that counts in totals, (rows, columns); NaN where not mapped."""
        with storage_errors(self.url, "read"), damage_errors(self.url, self._map_url):
            return np.asarray(self._group["fraction"][rows, cols])  # type: ignore[index]

    def read(self, rows: slice, cols: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values (replicates, rows, columns), NaN where not mapped, and the fraction (rows,
        columns).
        """
        with storage_errors(self.url, "read"), damage_errors(self.url, self._map_url):
            codes = np.asarray(self._value[:, rows, cols])
            fraction = np.asarray(self._group["fraction"][rows, cols])  # type: ignore[index]
        step, low = (float(self._value.attrs[key]) for key in ("scale_factor", "add_offset"))  # type: ignore[arg-type]
        values = np.float32(low) + np.float32(step) * codes.astype(np.float32)
        values[codes == NODATA] = np.nan
        return values, fraction
