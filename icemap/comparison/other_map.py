"""The map that a run is compared with: what it says of the cells of a grid.

It is a raster of values, a raster of classes or polygons of classes, in any CRS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from icemap.bounds import in_words
from icemap.catalog import load_sources
from icemap.comparison.class_maps import ClassMap, Values, class_areas
from icemap.comparison.class_polygons import open_polygons
from icemap.comparison.class_table import read_class_table
from icemap.comparison.classes import ClassTable, IceKind, OwnTotal
from icemap.comparison.native_areas import native_areas, windows
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.predictors.align import Resampling, align, require_overlap, resampling
from icemap.predictors.gdal_access import gdal_environment, gdal_path
from icemap.predictors.raster import Raster
from icemap.predictors.sources import open_source
from icemap.predictors.suffixes import VECTOR_SUFFIXES, is_for_xarray, suffix_of
from icemap.source import Source
from icemap.store import exists, file_name, is_remote, local_path
from icemap.units import says_nothing


class OtherMap(Protocol):
    """What a comparison needs of the other map."""

    @property
    def kind(self) -> str:
        """What it is, in words."""
        ...

    @property
    def ice(self) -> IceKind | None: ...

    @property
    def depth_m(self) -> float | None:
        """Metres that its values hold for; None where it does not say."""
        ...

    @property
    def table(self) -> ClassTable | None: ...

    @property
    def range_is(self) -> str:
        """What its low and high are, in words; empty if it has none."""
        ...

    def values(self, chunk: Chunk) -> Values: ...

    def own_total(self, depth_m: float | None) -> OwnTotal | None:
        """What it holds over its own extent, of ice; None where it cannot be said."""
        ...


@dataclass(frozen=True)
class ValueMap:
    """A raster of values in the unit of the target."""

    raster: Raster
    grid: Grid
    how: Resampling
    target: TargetConfig
    ice: IceKind | None
    depth_m: float | None = None
    kind: str = "a raster of values"
    range_is: str = ""
    table: None = None

    def values(self, chunk: Chunk) -> Values:
        found = align(self.raster, self.grid, chunk, self.how).astype(np.float64)
        _require_bounds(found, self.target, self.raster.name)
        return Values(found)

    def own_total(self, depth_m: float | None) -> OwnTotal | None:
        if depth_m is None:
            return None
        area = volume = 0.0
        for rows, cols in windows(self.raster.shape):
            values = self.raster.read(rows, cols).astype(np.float64)
            known = np.isfinite(values)
            if known.any():
                cells = native_areas(self.raster, rows, cols)[known]
                area += float(cells.sum())
                volume += float(cells @ values[known]) / 100 * depth_m / 1000
        return OwnTotal(area, (area,) * 3, (volume,) * 3, (depth_m, depth_m))


@contextmanager
def open_other(
    other: str,
    grid: Grid,
    target: TargetConfig,
    classes: str | None = None,
    ice: str | None = None,
    catalog: str | None = None,
    attribute: str | None = None,
) -> Iterator[OtherMap]:
    """Open a map that is no run of icemap.

    Parameters
    ----------
    other : str
        A raster or file of polygons; with ``catalog`` the name of an entry there.
    grid : Grid
        Of the run.
    target : TargetConfig
        In whose unit values and classes are.
    classes : str, optional
        Table of what the classes hold.
    ice : str, optional
        ``excess`` or ``total``, where no table says it.
    catalog : str, optional
    attribute : str, optional
        Column of polygons with the codes of the table.

    Raises
    ------
    IcemapError
        If it cannot be read, holds classes without a table, or covers no part of the grid.
    """
    source = _source(other, target, catalog)
    vector = source.rasterize is not None or suffix_of(source.url) in VECTOR_SUFFIXES
    if classes is None:
        _require_values(source, vector=vector)
        with open_source(source, grid) as raster:
            require_overlap(raster, grid)
            yield ValueMap(raster, grid, resampling(raster, grid), target, ice)  # type: ignore[arg-type]
        return
    table = read_class_table(classes, target.unit, numbers=not vector, ice=ice)
    if vector:
        with open_polygons(source, grid, table, attribute) as found:
            yield found
        return
    if attribute is not None:
        raise IcemapError(
            f"{other} is a raster, which has no attributes: --attribute is for polygons."
        )
    with open_source(source.model_copy(update=_as_classes(table, source)), grid) as raster:
        require_overlap(raster, grid)

        def index_of(codes: NDArray[Any]) -> NDArray[np.int64]:
            return table.index_of(codes, raster.name)

        yield ClassMap(
            raster,
            grid,
            table,
            table.ice,
            table.depth,
            index_of,
            cache(lambda: class_areas(raster, table, index_of)),
            "a raster of classes",
        )


def _source(other: str, target: TargetConfig, catalog: str | None) -> Source:
    if catalog is not None:
        source = load_sources(catalog, [other])[other]
        if source.derived is not None or source.is_virtual:
            raise IcemapError(
                f"{catalog}, entry '{other}': it is not read from a file of its own, so nothing can"
                " be compared with it: name another entry."
            )
        return source
    if not is_remote(other) and not exists(other):
        raise IcemapError(
            f"There is no map to compare with at {other}: give a run folder, a raster or a file of"
            " polygons."
        )
    if not is_remote(other) and local_path(other).is_dir() and suffix_of(other) != ".zarr":
        raise IcemapError(
            f"{other} is a folder, but no run of icemap with a map.zarr in it: give a run folder, a"
            " raster or a file of polygons."
        )
    name = file_name(other)
    return Source(name=name, url=other, family="mask", long_name=name, unit=target.unit)


def _as_classes(table: ClassTable, source: Source) -> dict[str, object]:
    """What makes a source one of classes; names that contradict the file's own are an error
    later.
    """
    named = {int(one.code): one.name for one in table.classes if 0 <= int(one.code) <= 254}
    return {"kind": "class", "classes": source.classes or named or {0: "class"}, "fraction_of": ()}


def _require_values(source: Source, *, vector: bool) -> None:
    wanted = "give the table of what its classes hold with --classes"
    if vector:
        raise IcemapError(f"{source.name} holds polygons: {wanted}.")
    if source.kind == "class":
        raise IcemapError(f"The entry '{source.name}' is a map of classes: {wanted}.")
    if source.kind is None and not source.parts and _says_no_quantity(source):
        raise IcemapError(
            f"{source.name} holds whole numbers and no unit, and may be a map of classes: {wanted},"
            " or describe it as 'kind: continuous' in a catalogue and name that with --catalog."
        )


def _says_no_quantity(source: Source) -> bool:
    """True for a raster of whole numbers whose file says neither unit nor scale, or names
    classes.
    """
    import rasterio

    if is_for_xarray(source.url):
        return False
    try:
        with (
            rasterio.Env(**gdal_environment(source.url)),
            rasterio.open(gdal_path(source.url)) as file,
        ):
            whole = all(dtype.startswith(("int", "uint")) for dtype in file.dtypes)
            silent = all(says_nothing(unit) for unit in file.units)
            return whole and silent and set(file.scales) <= {1.0}
    except rasterio.errors.RasterioIOError:
        return False  # which is said when it is opened


def _require_bounds(values: NDArray[np.float64], target: TargetConfig, name: str) -> None:
    known = values[np.isfinite(values)]
    if target.bounds is None or not known.size:
        return
    low, high = target.limits
    # A resampled value may leave the bounds by its rounding.
    slack = 1e-3 * (high - low if target.closed_bounds is not None else float(np.ptp(known)))
    wrong = known[(known < low - slack) | (known > high + slack)]
    if wrong.size:
        raise IcemapError(
            f"{name} holds {wrong[0]:g}, but {target.long_name} is {in_words(target.bounds)}"
            f" {target.unit}: describe its unit, nodata and scale in a catalogue, and name that"
            " with --catalog."
        )
