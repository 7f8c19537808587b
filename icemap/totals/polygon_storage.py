"""Totals of zones that are drawn after the map was made, from its stored replicates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.mapping.map_schema import is_published, target_name
from icemap.mapping.replicate_fields import StoredReplicates
from icemap.mapping.sums import RegionSums, chunk_sums
from icemap.mapping.zones import masks_of
from icemap.store import storage_errors
from icemap.totals.opened_map import OpenedMap
from icemap.totals.residual_field import Variogram, residual_total_sd

if TYPE_CHECKING:
    from icemap.totals.polygons import Zone

# Side in degrees of the blocks that stand for a zone's cells in the residual's total: its
# correlation hardly changes across one.
BLOCK = 0.1


@dataclass(frozen=True)
class ZoneSums:
    """What adds up over the chunks of a zone.

    Attributes
    ----------
    sums : RegionSums
    blocks : list of ndarray of shape (3, blocks)
        Longitude, latitude and area that counts (km2).
    squares : float
        Sum of the squared areas of the cells, km4.
    """

    sums: RegionSums
    blocks: list[NDArray[np.float64]]
    squares: float

    def __add__(self, other: ZoneSums) -> ZoneSums:
        return ZoneSums(
            self.sums + other.sums, self.blocks + other.blocks, self.squares + other.squares
        )

    def residual_sd(self, variogram: Variogram | None) -> float:
        """Standard deviation of the total of the residual, target unit x km2; 0 without a
        variogram.
        """
        if variogram is None:
            return 0.0
        longitude, latitude, weight = np.concatenate(self.blocks, axis=1)
        return residual_total_sd(longitude, latitude, weight, variogram, cell_squares=self.squares)


def sum_polygons(opened: OpenedMap, zones: Sequence[Zone], mask: str) -> dict[str, ZoneSums]:
    """Partial sums of each zone under a mask; zones without a mapped cell that counts are left out.

    One window of the stored replicates is in memory at a time, and only windows that a zone meets
    are read.

    Parameters
    ----------
    opened : OpenedMap
        With the predictions of its replicates.
    zones : sequence of Zone
    mask : str
        Of :data:`icemap.mapping.zones.MASKS`.

    Raises
    ------
    IcemapError
        If the map is unfinished, was made without replicates, or none of the zones holds a cell
        that counts.
    """

    def covers_of(grid: Grid, chunk: Chunk) -> dict[str, NDArray[np.float64]]:
        return {
            zone.name: cover
            for zone in zones
            if (cover := zone.coverage(grid, chunk.rows, chunk.cols)).any()
        }

    found = sum_covers(opened, covers_of, mask)
    if not found:
        named = (
            f"The zone '{zones[0].name}' does not hold"
            if len(zones) == 1
            else f"None of the {len(zones)} zones holds"
        )
        raise IcemapError(
            f"{named} a cell that counts in the map {opened.url}: look whether it is in the sea,"
            " outside the grid, or where nothing is mapped."
        )
    return found


def sum_covers(
    opened: OpenedMap,
    covers_of: Callable[[Grid, Chunk], Mapping[str, NDArray[np.float64]]],
    mask: str,
) -> dict[str, ZoneSums]:
    """Partial sums of zones of which each chunk of the map says what part of its cells they cover.

    Parameters
    ----------
    opened : OpenedMap
        With the predictions of its replicates.
    covers_of : callable
        Given the map's grid and a chunk, the part of each cell that is in a zone, (rows,
        columns), by the zone's name.
    mask : str
        What else counts of a cell, of :data:`icemap.mapping.zones.MASKS`.

    Raises
    ------
    IcemapError
        If the map is unfinished, or was made without replicates.
    """
    stored, grid = opened.replicates(), opened.grid
    found: dict[str, ZoneSums] = {}
    for chunk in grid.chunks(stored.chunk):
        covers = covers_of(grid, chunk)
        for name, part in _sum_chunk(opened, stored, grid, chunk, covers, mask):
            found[name] = found[name] + part if name in found else part
    return found


def _sum_chunk(
    opened: OpenedMap,
    stored: StoredReplicates,
    grid: Grid,
    chunk: Chunk,
    covers: Mapping[str, NDArray[np.float64]],
    mask: str,
) -> Iterator[tuple[str, ZoneSums]]:
    if not covers:
        return
    touched = np.any(list(covers.values()), axis=0)
    rows, cols = (
        _span(touched.any(axis=1), chunk.rows.start),
        _span(touched.any(axis=0), chunk.cols.start),
    )
    values, fraction = stored.read(rows, cols)
    mapped = np.isfinite(fraction)
    if not mapped.any():
        return
    dataset = opened.dataset
    name = target_name(dataset)
    with storage_errors(stored.url, "read"):
        window = (
            dataset[[name, f"{name}_lower95", f"{name}_upper95", "aoa"]]
            .isel(latitude=rows, longitude=cols)
            .load()
        )
    row, col = np.nonzero(mapped)
    side = max(1, round(BLOCK / grid.resolution))
    values = values[:, mapped]
    # The map has the mean exactly; the stored replicates, rounded, only say how they differ from
    # it.
    values += window[name].to_numpy()[mapped] - values.mean(axis=0)
    lower, upper = (window[f"{name}_{end}95"].to_numpy()[mapped] for end in ("lower", "upper"))
    sd = opened.scope.cell_sd(lower, upper)
    bounds = (lower, upper) if is_published(dataset) else None
    aoa, counted = window["aoa"].to_numpy()[mapped], masks_of(fraction[mapped])[mask]
    area = grid.cell_area()[rows][row]
    longitude, latitude = grid.longitudes[cols][col], grid.latitudes[rows][row]
    for label, cover in covers.items():
        inside = (
            cover[rows.start - chunk.rows.start :, cols.start - chunk.cols.start :][row, col] * area
        )
        sums = chunk_sums(inside, counted, values, sd, aoa, interval=bounds)
        if sums:
            weight = inside * counted
            yield (
                label,
                ZoneSums(
                    sums["all"],
                    [
                        _blocks(
                            longitude,
                            latitude,
                            weight,
                            row // side * fraction.shape[1] + col // side,
                        )
                    ],
                    float(weight @ weight),
                ),
            )


def _span(touched: NDArray[np.bool_], start: int) -> slice:
    at = np.flatnonzero(touched)
    return slice(start + int(at[0]), start + int(at[-1]) + 1)


def _blocks(
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    weight: NDArray[np.float64],
    block: NDArray[np.int64],
) -> NDArray[np.float64]:
    _, label = np.unique(block, return_inverse=True)
    total = np.bincount(label, weight)
    counts = total > 0
    centres = [
        np.bincount(label, weight * values)[counts] / total[counts]
        for values in (longitude, latitude)
    ]
    return np.stack([*centres, total[counts]])
