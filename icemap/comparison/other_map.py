"""The map that a run is compared with: what it says of the cells of a grid.

It is a raster of values, a raster of classes or polygons of classes, in any CRS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from icemap.bounds import in_words
from icemap.catalog import load_sources
from icemap.comparison.class_table import read_class_table
from icemap.comparison.map_classes import ClassTable, IceKind, OwnTotal
from icemap.comparison.native_areas import native_areas
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid
from icemap.predictors.align import Raster, Resampling, align, require_overlap, resampling
from icemap.predictors.gdal_access import gdal_environment, gdal_path
from icemap.predictors.sources import open_layer_of, open_source
from icemap.predictors.suffixes import VECTOR_SUFFIXES, is_for_xarray, suffix_of
from icemap.predictors.vectors import require_layer
from icemap.source import Rasterize, Source
from icemap.store import exists, file_name, is_remote, local_path
from icemap.units import says_nothing

if TYPE_CHECKING:
    import geopandas as gpd

# Part of a cell of which a map must say something for the cell to be compared.
MIN_KNOWN = 0.5
# Cells per side of what is read of a map at once, for the total over its own extent.
WINDOW = 1024
NO_CLASS = 255


@dataclass(frozen=True)
class Values:
    """What a map says of the cells of a chunk, (rows, columns), NaN where it says nothing.

    Attributes
    ----------
    middle : ndarray
    low, high : ndarray, optional
        Where the map gives a range.
    index : ndarray of uint8, optional
        The class that has most of the cell, its position in the table; 255 where there is none.
    """

    middle: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    index: NDArray[np.uint8] | None = None


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
        for rows, cols in _windows(self.raster.shape):
            values = self.raster.read(rows, cols).astype(np.float64)
            known = np.isfinite(values)
            if known.any():
                cells = native_areas(self.raster, rows, cols)[known]
                area += float(cells.sum())
                volume += float(cells @ values[known]) / 100 * depth_m / 1000
        return OwnTotal(area, (area,) * 3, (volume,) * 3, (depth_m, depth_m))


@dataclass(frozen=True)
class ClassMap:
    """Classes and the table of what they hold.

    Attributes
    ----------
    raster : Raster
        Of the codes, or for polygons of positions in the table.
    index_of : callable
        Position in the table of each value of the raster; -1 where there is none.
    areas : callable
        Area of each class over the whole map, km2, by code.
    """

    raster: Raster
    grid: Grid
    table: ClassTable
    ice: IceKind | None
    depth_m: float | None
    index_of: Callable[[NDArray[Any]], NDArray[np.int64]]
    areas: Callable[[], dict[str, float]]
    kind: str
    range_is: str = "the range of its classes"

    def values(self, chunk: Chunk) -> Values:
        table = self.table.classes
        known = np.array([one.is_known for one in table])
        share = self._aligned(chunk, known.astype(float), 0.0, "share")
        here = share >= MIN_KNOWN
        if not here.any():
            empty = np.full(chunk.shape, np.nan)
            return Values(empty, empty, empty, np.full(chunk.shape, NO_CLASS, dtype=np.uint8))
        contents = np.array([(one.low, one.middle, one.high) for one in table])
        low, middle, high = (
            np.where(here, self._aligned(chunk, column, np.nan, "share"), np.nan)
            for column in contents.T
        )
        positions = np.where(known, np.arange(len(table), dtype=float), np.nan)
        index = self._aligned(chunk, positions, np.nan, "class")
        index[~here | ~np.isfinite(index)] = NO_CLASS
        return Values(middle, low, high, index.astype(np.uint8))

    def _aligned(
        self, chunk: Chunk, by_class: NDArray[np.float64], elsewhere: float, kind: Any
    ) -> NDArray[np.float64]:
        """A value of each class on the grid, averaged by area or, of positions, the most
        frequent.
        """
        padded = np.append(by_class, elsewhere)

        def read(rows: slice, cols: slice) -> NDArray[np.float32]:
            return padded[self.index_of(self.raster.read(rows, cols))].astype(np.float32)

        raster = replace(self.raster, kind=kind, read=read)
        return align(raster, self.grid, chunk, resampling(raster, self.grid)).astype(np.float64)

    def own_total(self, depth_m: float | None) -> OwnTotal | None:
        if depth_m is None and self.table.depth is None:
            return None
        return self.table.total(self.areas(), depth_m)


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
        with _polygons(source, grid, table, attribute) as found:
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


def class_areas(
    raster: Raster, table: ClassTable, index_of: Callable[[NDArray[Any]], NDArray[np.int64]]
) -> dict[str, float]:
    """Area of each class of a raster in its own cells, km2, by code.

    Parameters
    ----------
    raster : Raster
        Of class codes.
    table : ClassTable
        What the classes hold.
    index_of : callable
        From codes to rows of the table.
    """
    found = np.zeros(len(table.classes))
    for rows, cols in _windows(raster.shape):
        index = index_of(raster.read(rows, cols))
        here = index >= 0
        if here.any():
            areas = native_areas(raster, rows, cols)
            found += np.bincount(index[here], areas[here], minlength=len(found))
    return {one.code: float(km2) for one, km2 in zip(table.classes, found, strict=True)}


def _windows(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    for top in range(0, shape[0], WINDOW):
        for left in range(0, shape[1], WINDOW):
            yield slice(top, min(top + WINDOW, shape[0])), slice(left, min(left + WINDOW, shape[1]))


@contextmanager
def _polygons(
    source: Source, grid: Grid, table: ClassTable, attribute: str | None
) -> Iterator[ClassMap]:
    """Polygons as a raster of positions in the table, whatever their codes look like."""
    layer = None
    if source.rasterize is not None:
        layer, attribute = source.rasterize.layer, attribute or source.rasterize.attribute
    if attribute is None:
        raise IcemapError(
            f"{source.name} holds polygons: name the column with the codes of the table with"
            " --attribute."
        )
    names = {k: one.name for k, one in enumerate(table.classes)}
    rasterize = Rasterize(into="class", attribute=attribute, layer=layer)
    update = {"kind": "class", "classes": names, "rasterize": rasterize, "fraction_of": ()}
    source = source.model_copy(update=update)
    open_layer_of(source, grid)  # which says what is wrong with the file
    shapes = _read_shapes(source, layer)
    positions = {one.code: k for k, one in enumerate(table.classes)}
    written: dict[str, int] = {}
    for value in shapes[attribute].dropna().unique():
        code = _as_code(value)
        if code not in positions:
            raise IcemapError(
                f"{source.name} holds '{code}' in '{attribute}', which {table.file} does not have:"
                " add a row for it, without numbers if the class holds no ice."
            )
        written[str(value)] = positions[code]
    rasterize = rasterize.model_copy(update={"codes": written})
    source = source.model_copy(update={"rasterize": rasterize})
    require_layer(open_layer_of(source, grid), grid)
    with open_source(source, grid) as raster:
        require_overlap(raster, grid)
        yield ClassMap(
            raster,
            grid,
            table,
            table.ice,
            table.depth,
            lambda values: np.where(np.isfinite(values), values, -1).astype(np.int64),
            cache(lambda: _shape_areas(shapes, attribute)),
            "polygons of classes",
        )


def _read_shapes(source: Source, layer: str | None) -> gpd.GeoDataFrame:
    import geopandas as gpd

    shapes = gpd.read_file(gdal_path(source.url), **({} if layer is None else {"layer": layer}))
    if source.crs is not None:
        shapes = shapes.set_crs(source.crs, allow_override=True)
    return shapes[shapes.geometry.notna() & ~shapes.geometry.is_empty]


def _as_code(value: object) -> str:
    """A value of an attribute as a table writes it: 3.0 is the code 3."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _shape_areas(shapes: gpd.GeoDataFrame, attribute: str) -> dict[str, float]:
    """Area of the polygons of each code on the ellipsoid, km2."""
    # Around the pole neither the date line nor the pole itself needs care.
    edge = (
        0.2 if shapes.crs.is_geographic else 20_000 / shapes.crs.axis_info[0].unit_conversion_factor
    )
    north = shapes.set_geometry(shapes.geometry.segmentize(edge)).to_crs(
        "+proj=laea +lat_0=90 +datum=WGS84"
    )
    area = north.geometry.make_valid().area / 1e6
    return {
        str(code): float(km2)
        for code, km2 in area.groupby(shapes[attribute].map(_as_code)).sum().items()
    }
