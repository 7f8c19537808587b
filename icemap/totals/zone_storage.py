"""Totals by the classes of any raster, from the stored replicates of a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.comparison.class_table import read_class_names
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.predictors.align import align, require_overlap, resampling
from icemap.predictors.class_tables import category_names
from icemap.predictors.gdal_access import gdal_environment, gdal_path
from icemap.predictors.raster import Raster
from icemap.predictors.sources import open_source
from icemap.predictors.suffixes import is_for_xarray
from icemap.source import Source
from icemap.store import exists, file_name, is_remote
from icemap.totals.opened_map import OpenedMap
from icemap.totals.polygon_storage import ZoneSums, sum_covers

if TYPE_CHECKING:
    from collections.abc import Sequence

# A raster with more values than this is one of quantities.
MAX_ZONES = 254


def sum_zones(opened: OpenedMap, zones: str, classes: str | None, mask: str) -> dict[str, ZoneSums]:
    """Partial sums by the classes of a raster, with the part of every cell that each covers.

    Parameters
    ----------
    opened : OpenedMap
        With the predictions of its replicates.
    zones : str
        A raster of classes in any CRS.
    classes : str, optional
        A table with the ``code`` and the ``name`` of every class; the file's own names, else the
        codes, when left out.
    mask : str
        Of :data:`icemap.mapping.zones.MASKS`.

    Raises
    ------
    IcemapError
        If the raster cannot be read, holds no classes or a code that the table does not have, or
        no cell of the map counts in any of them.
    """
    if not is_remote(zones) and not exists(zones):
        raise IcemapError(f"There is no raster of zones at {zones}: check the name.")
    names = read_class_names(classes) if classes is not None else None
    # Codes are read as they are; that of a class is needed here, and may be what the file calls
    # missing.
    source = Source(
        name=file_name(zones),
        url=zones,
        family="mask",
        long_name="zones",
        unit="1",
        kind="class",
        classes={0: "no data"},
    )
    grid = opened.grid
    with open_source(source, grid) as raster:
        require_overlap(raster, grid)
        known = _Zones(raster, names, classes, {} if names is not None else _own_names(zones))
        found = sum_covers(opened, known.covers, mask)
    if not found:
        raise IcemapError(
            f"No cell that counts in the map {opened.url} is in a class of {zones}: check its"
            " nodata and its CRS."
        )
    return {name: found[name] for name in known.ordered(list(found))}


@dataclass(frozen=True)
class _Zones:
    """A raster of classes and the names of its codes."""

    raster: Raster
    names: Mapping[str, str] | None
    table: str | None
    own_names: Mapping[int, str]

    def covers(self, grid: Grid, chunk: Chunk) -> dict[str, NDArray[np.float64]]:
        """Part of each cell of a chunk that each class covers."""
        seen: set[float] = set()

        def note(rows: slice, cols: slice) -> NDArray[np.float32]:
            codes = self.raster.read(rows, cols)
            seen.update(np.unique(codes[np.isfinite(codes)]).tolist())
            return np.isfinite(codes).astype(np.float32)

        self._share(grid, chunk, note)
        found: dict[str, NDArray[np.float64]] = {}
        for code in sorted(seen):
            name = self._name(code)

            def only(rows: slice, cols: slice, code: float = code) -> NDArray[np.float32]:
                return (self.raster.read(rows, cols) == code).astype(np.float32)

            share = self._share(grid, chunk, only)
            if share.any():
                found[name] = found.get(name, 0.0) + share
        if len(found) > MAX_ZONES:
            raise IcemapError(
                f"{self.raster.name} holds more than {MAX_ZONES} different values, so that they are"
                " no classes: give a raster of classes."
            )
        return found

    def _share(self, grid: Grid, chunk: Chunk, read: Any) -> NDArray[np.float64]:
        raster = replace(self.raster, kind="share", read=read)
        return np.nan_to_num(
            align(raster, grid, chunk, resampling(raster, grid)).astype(np.float64)
        )

    def _name(self, code: float) -> str:
        if not code.is_integer():
            raise IcemapError(
                f"{self.raster.name} holds {code:g}, which is no code of a class: give a raster of"
                " classes."
            )
        if self.names is None:
            return self.own_names.get(int(code), f"{code:g}")
        if f"{code:g}" not in self.names:
            raise IcemapError(
                f"{self.raster.name} holds the class code {code:g}, which {self.table} does not"
                " have: add a row for it."
            )
        return self.names[f"{code:g}"]

    def ordered(self, found: Sequence[str]) -> list[str]:
        """Names in the order of the table or of the codes."""
        order = (
            list(self.names.values()) if self.names is not None else list(self.own_names.values())
        )
        numbers = {name: float(name) for name in found if name.lstrip("-").isdigit()}
        return sorted(
            found,
            key=lambda name: (
                order.index(name) if name in order else len(order),
                numbers.get(name, 0.0),
            ),
        )


def _own_names(url: str) -> dict[int, str]:
    """Names of the codes that the raster itself holds."""
    import rasterio

    if is_for_xarray(url):
        return {}
    with rasterio.Env(**gdal_environment(url)), rasterio.open(gdal_path(url)) as file:
        return category_names(file, looks_around=True).get(1, {})
