"""The cells of a run and of another map that are compared, as they are stored while that lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icemap.comparison.agreement import Cells
from icemap.comparison.class_maps import NO_CLASS
from icemap.comparison.classes import ClassTable
from icemap.comparison.other_map import OtherMap
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import Variable, create_gridded
from icemap.mapping.replicate_fields import StoredReplicates
from icemap.mapping.zones import EXTENTS, masks_of, zones_of
from icemap.regions import REGIONS
from icemap.store import remove
from icemap.totals.opened_map import OpenedMap
from icemap.zarr_groups import read_chunk, write_chunk

# Where the values of the other map, the difference and what counts of each cell are kept.
OTHER, LOW, HIGH, DIFFERENCE, WEIGHT, CLASS = (
    *("other", "other_low", "other_high"),
    *("difference", "weight", "other_class"),
)


@dataclass(frozen=True)
class Stage:
    """The cells that are compared, as they are stored: what both maps say of them.

    Attributes
    ----------
    run_range, other_range : (float, float)
        Least and most value of the cells.
    cells : int
    cells_km2 : float
    """

    url: str
    map_url: str
    grid: Grid
    target: TargetConfig
    stored: StoredReplicates
    has_range: bool
    table: ClassTable | None
    run_range: tuple[float, float]
    other_range: tuple[float, float]
    cells: int
    cells_km2: float

    @classmethod
    def make(cls, url: str, opened: OpenedMap, other: OtherMap, mask: str) -> Stage:
        """Bring the other map onto the run's grid, chunk by chunk."""
        map_url = opened.url
        grid, target, stored = opened.grid, opened.target, opened.replicates()
        has_range, table = bool(other.range_is), other.table
        variables = _variables(target, has_range=has_range, table=table)
        remove(url)
        attrs = {
            "title": "A map compared with the run",
            "comment": "Only cells that both describe.",
        }
        create_gridded(url, grid, variables, attrs, chunk=stored.chunk)
        lows, highs, cells, km2 = [np.full(2, np.inf)], [np.full(2, -np.inf)], 0, 0.0
        for chunk in grid.chunks(stored.chunk):
            fraction = stored.read_fraction(chunk.rows, chunk.cols)
            part = np.where(np.isfinite(fraction), masks_of(fraction)[mask], 0.0)
            if not part.any():
                continue
            values = other.values(chunk)
            common = (part > 0) & np.isfinite(values.middle)
            if not common.any():
                continue
            run = read_chunk(map_url, chunk, [target.name])[target.name].astype(float)
            layers = {
                OTHER: values.middle,
                DIFFERENCE: run - values.middle,
                WEIGHT: part,
                LOW: values.low,
                HIGH: values.high,
            }
            arrays: dict[str, NDArray[Any]] = {
                key: np.where(common, layer, np.nan)
                for key, layer in layers.items()
                if layer is not None
            }
            if values.index is not None:
                arrays[CLASS] = np.where(common, values.index, NO_CLASS)
            write_chunk(url, chunk, arrays)
            pair = np.stack([run[common], values.middle[common]])
            lows.append(pair.min(axis=1))
            highs.append(pair.max(axis=1))
            cells += int(common.sum())
            km2 += float(common.sum(axis=1) @ grid.cell_area()[chunk.rows])
        if not cells:
            raise IcemapError(
                "The two maps have no cell in common that counts: look whether the other map covers"
                " the permafrost of the run, and at its nodata."
            )
        low, high = np.min(lows, axis=0), np.max(highs, axis=0)
        ranges = [(float(low[k]), float(high[k])) for k in range(2)]
        return cls(
            url, map_url, grid, target, stored, has_range, table, ranges[0], ranges[1], cells, km2
        )

    def chunks(self) -> Iterator[tuple[Chunk, Cells, dict[str, NDArray[np.bool_]]]]:
        """The compared cells of each chunk that has any, and which zones they are in."""
        name = self.target.name
        for chunk in self.grid.chunks(self.stored.chunk):
            there, members = self.members(chunk)
            if not there.any():
                continue
            kept = read_chunk(
                self.url, chunk, [OTHER, WEIGHT, *((LOW, HIGH) if self.has_range else ())]
            )
            run = read_chunk(self.map_url, chunk, [name, f"{name}_lower95", f"{name}_upper95"])
            area = self.grid.cell_area()[chunk.rows][:, None] * kept[WEIGHT]
            nothing = np.full(int(there.sum()), np.nan)
            picked = {
                key: layer[there].astype(float)
                for key, layer in {**kept, **run, "area": area}.items()
            }
            cells = Cells(
                picked["area"],
                picked[name],
                picked[f"{name}_lower95"],
                picked[f"{name}_upper95"],
                picked[OTHER],
                picked.get(LOW, nothing),
                picked.get(HIGH, nothing),
            )
            yield chunk, cells, {label: where[there] for label, where in members.items()}

    def members(self, chunk: Chunk) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.bool_]]]:
        """Which cells of a chunk are compared, and by ``group: name`` which zones they are in."""
        there = np.isfinite(read_chunk(self.url, chunk, [WEIGHT])[WEIGHT])
        if not there.any():
            return there, {}
        rows, cols = np.nonzero(there)
        fraction = self.stored.read_fraction(chunk.rows, chunk.cols)[there]
        longitude, latitude = (
            self.grid.longitudes[chunk.cols][cols],
            self.grid.latitudes[chunk.rows][rows],
        )
        found = {"all: all": there}
        for name, cells in zones_of(longitude, latitude, fraction).items():
            where = np.zeros(there.shape, dtype=bool)
            where[rows[cells], cols[cells]] = True
            found[f"{_group(name)}: {name}"] = where
        if self.table is not None:
            index = read_chunk(self.url, chunk, [CLASS])[CLASS]
            for k in np.unique(index[there & (index != NO_CLASS)]):
                found[f"class: {k}"] = there & (index == k)
        return there, found

    def covers(self, grid: Grid, chunk: Chunk) -> Mapping[str, NDArray[np.float64]]:
        """Part of each cell that counts in each zone, for totals."""
        _, members = self.members(chunk)
        if not members:
            return {}
        weight = np.nan_to_num(read_chunk(self.url, chunk, [WEIGHT])[WEIGHT].astype(float))
        return {label: weight * where for label, where in members.items()}


def _variables(
    target: TargetConfig, *, has_range: bool, table: ClassTable | None
) -> list[Variable]:
    unit, what = target.unit, target.long_name
    found = [
        Variable(DIFFERENCE, attrs={"long_name": f"{what}, run minus other map", "units": unit}),
        Variable(OTHER, attrs={"long_name": f"{what} of the other map", "units": unit}),
        Variable(WEIGHT, attrs={"long_name": "part of the cell that is compared", "units": "1"}),
    ]
    if has_range:
        for name, which in ((LOW, "lower"), (HIGH, "upper")):
            attrs = {"long_name": f"{which} bound of {what} of the other map", "units": unit}
            found.append(Variable(name, attrs=attrs))
    if table is not None:
        meanings = " ".join(one.name.replace(" ", "_") for one in table.classes)
        attrs = {"long_name": "class of the other map", "units": "1"}
        flags = {"flag_values": list(range(len(table.classes))), "flag_meanings": meanings}
        found.append(Variable(CLASS, "uint8", {**attrs, **flags}))
    return found


def _group(name: str) -> str:
    if name in REGIONS:
        return "region"
    return "permafrost" if name.removesuffix(" permafrost") in EXTENTS else "latitude"
