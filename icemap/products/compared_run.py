"""A run of icemap as a side of a comparison: its values, intervals and totals on given cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from icemap.comparison.class_maps import Values
from icemap.comparison.classes import IceKind, OwnTotal
from icemap.comparison.result import Total
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.gridded import grid_of
from icemap.json_records import step_facts
from icemap.mapping.map_schema import open_map, require_complete, target_of
from icemap.mapping.zones import zones_of
from icemap.predictors.align import align, require_overlap, resampling
from icemap.predictors.raster import Raster
from icemap.predictors.sources import open_source
from icemap.provenance import Provenance
from icemap.run_folder import RunFolder
from icemap.source import Source
from icemap.store import exists
from icemap.totals.ice_storage import region_totals
from icemap.totals.opened_map import OpenedMap, holds_ice
from icemap.totals.polygon_storage import ZoneSums, sum_covers
from icemap.units import same_unit
from icemap.zarr_groups import read_chunk

CELL_INTERVAL = "the calibrated 95 % interval"


def zone_total(opened: OpenedMap, sums: ZoneSums, depth: float | None) -> Total:
    """Total of a layer of a map, or mean without a depth, with its 95 % interval.

    Parameters
    ----------
    opened : OpenedMap
    sums : ZoneSums
        Of the cells that are compared.
    depth : float or None
        Thickness of the layer, m.
    """
    row = opened.total(sums.sums, sums.residual_sd(opened.residual.variogram), depth)
    quantity = "mean" if depth is None else "ice_km3"
    return Total(*(float(row[quantity + part]) for part in ("", "_lower95", "_upper95")))


class ComparedCells(Protocol):
    """The cells that are compared, on the grid of the run."""

    @property
    def url(self) -> str: ...

    def covers(self, grid: Grid, chunk: Chunk) -> Mapping[str, NDArray[np.float64]]: ...


@dataclass(frozen=True)
class RunMap:
    """Another run as the other map of a comparison.

    Attributes
    ----------
    grid : Grid
        Of the run that it is compared with.
    own_grid : Grid
    rasters : tuple of Raster
        Its value, lower and upper bound; empty where the two grids are one.
    """

    run_url: str
    grid: Grid
    own_grid: Grid
    target: TargetConfig
    mask: str
    rasters: tuple[Raster, ...]
    kind: str = "a run of icemap"
    range_is: str = CELL_INTERVAL
    table: None = None

    @property
    def map_url(self) -> str:
        return RunFolder(self.run_url).map

    @property
    def ice(self) -> IceKind | None:
        return "total" if holds_ice(self.target) else None

    @property
    def depth_m(self) -> float | None:
        return OpenedMap.of(self.map_url).thickness_m

    def values(self, chunk: Chunk) -> Values:
        names = [f"{self.target.name}{suffix}" for suffix in ("", "_lower95", "_upper95")]
        if self.rasters:
            found = [
                align(one, self.grid, chunk, resampling(one, self.grid)) for one in self.rasters
            ]
        else:
            kept = read_chunk(self.map_url, chunk, names)
            found = [kept[name] for name in names]
        middle, low, high = (values.astype(np.float64) for values in found)
        return Values(middle, low, high)

    def own_total(self, depth_m: float | None) -> OwnTotal | None:
        if depth_m is None:
            return None
        opened = OpenedMap.of(self.map_url)
        row = region_totals(opened, "all", self.mask, thickness_m=depth_m).iloc[0]
        low, middle, high = (float(row[f"ice_km3{part}"]) for part in ("_lower95", "", "_upper95"))
        area = float(row["area_km2"])
        return OwnTotal(area, (area, area, area), (low, middle, high), (depth_m, depth_m))

    def totals(
        self, cells: ComparedCells, values: Mapping[str, Total], depth: float | None
    ) -> dict[str, Total]:
        """Totals over the compared cells, with intervals from this run's own replicates.

        Parameters
        ----------
        cells : ComparedCells
        values : mapping
            Totals of its values as they were brought onto the grid, by area; they stay.
        depth : float, optional
        """
        opened = OpenedMap.of(self.map_url)
        covers = _moved(cells) if self.rasters else cells.covers
        sums = sum_covers(opened, covers, "whole")
        return {
            label: (
                _around(total.value, zone_total(opened, sums[label], depth))
                if label in sums
                else Total(total.value)
            )
            for label, total in values.items()
        }


def _around(centre: float, own: Total) -> Total:
    """An interval at the total of the compared cells, of which another grid has others."""
    assert own.low is not None
    assert own.high is not None
    scale = centre / own.value if own.value else 1.0
    return Total(centre, scale * own.low, scale * own.high)


def _moved(cells: ComparedCells) -> Callable[[Grid, Chunk], Mapping[str, NDArray[np.float64]]]:
    """What counts of the compared cells on another grid."""
    source = Source(
        name="weight",
        url=cells.url,
        variable="weight",
        family="mask",
        long_name="part of the cell that is compared",
        unit="1",
    )

    def covers(grid: Grid, chunk: Chunk) -> Mapping[str, NDArray[np.float64]]:
        with open_source(source, grid) as raster:
            read = raster.read

            def filled(rows: slice, cols: slice) -> NDArray[np.float32]:
                return np.nan_to_num(read(rows, cols))

            share = replace(raster, kind="share", read=filled)
            weight = np.nan_to_num(align(share, grid, chunk, resampling(share, grid)).astype(float))
        if not weight.any():
            return {}
        rows, cols = np.nonzero(weight)
        found = {"all: all": weight}
        places = grid.longitudes[chunk.cols][cols], grid.latitudes[chunk.rows][rows]
        for name, inside in zones_of(*places, weight[rows, cols]).items():
            if name.endswith("permafrost"):
                continue
            part = np.zeros(chunk.shape)
            part[rows[inside], cols[inside]] = weight[rows[inside], cols[inside]]
            found[f"{'latitude' if name.endswith(' N') else 'region'}: {name}"] = part
        return found

    return covers


@contextmanager
def open_run(run_url: str, grid: Grid, target: TargetConfig, mask: str) -> Iterator[RunMap]:
    """Another run, on the grid of the first.

    Parameters
    ----------
    run_url : str
        Run folder or bucket prefix of the other run.
    grid : Grid
        Of the first run.
    target : TargetConfig
        What the first run maps.
    mask : str
        What counts of a cell, of :data:`icemap.mapping.zones.MASKS`.

    Raises
    ------
    IcemapError
        If it maps something else, is unfinished, or covers no part of the grid.
    """
    map_url = RunFolder(run_url).map
    dataset = open_map(map_url)
    require_complete(map_url)
    theirs = target_of(dataset)
    if theirs.name != target.name or not same_unit(theirs.unit, target.unit):
        raise IcemapError(
            f"{run_url} maps {theirs.long_name} ('{theirs.name}', {theirs.unit}), and the run"
            f" {target.long_name} ('{target.name}', {target.unit}): only maps of one quantity in"
            " one unit can be compared."
        )
    own_grid = grid_of(dataset)
    with ExitStack() as stack:
        rasters: list[Raster] = []
        for suffix in ("", "_lower95", "_upper95") if own_grid != grid else ():
            variable = f"{theirs.name}{suffix}"
            source: Any = Source(
                name=f"{run_url}, {variable}",
                url=map_url,
                variable=variable,
                family="mask",
                long_name=theirs.long_name,
                unit=target.unit,
                kind="continuous",
            )
            rasters.append(stack.enter_context(open_source(source, grid)))
            require_overlap(rasters[-1], grid)
        yield RunMap(run_url.rstrip("/"), grid, own_grid, theirs, mask, tuple(rasters))


def run_facts(run_url: str) -> dict[str, str]:
    """Where a run comes from, by its record: settings and inputs by their digests, boreholes,
    date.
    """
    if not exists(RunFolder(run_url).record):
        return {}
    content = Provenance(run_url).content
    config = content.get("config", {})
    facts = {"title": str(config.get("title", "")), "seed": str(config.get("seed", ""))}
    facts["boreholes"] = _boreholes(step_facts(content, "boreholes"))
    if made := content["steps"].get("map"):
        facts["map"] = f"finished {made['finished']}, inputs sha256:{made['key']}"
    facts["icemap"] = str(content.get("versions", {}).get("icemap", ""))
    return {key: words for key, words in facts.items() if words}


def _boreholes(step: Mapping[str, Any]) -> str:
    if "used" not in step:
        return ""
    return f"{step['used']:,} of {step['sites']:,} sites used, in {step['samples']:,} cells"
