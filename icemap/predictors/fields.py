"""All fields of one chunk: each file is read once, on the widest halo that a derivation asks
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.grid import Chunk, Grid, wrapped
from icemap.predictors.align import Resampling, align
from icemap.predictors.derived import Window, derive, halo
from icemap.predictors.raster import CLASS_NODATA
from icemap.predictors.sources import open_source
from icemap.source import VIRTUAL_ARCTIC, Source

Field = NDArray[np.float32]


@dataclass
class ChunkFields:
    """Reads and derives what a chunk needs.

    Parameters
    ----------
    ways : mapping
        How each source with a file is resampled.
    chunk : Chunk
        Of the grid.
    sources : iterable of Source
        All that will be asked for.
    """

    grid: Grid
    ways: Mapping[str, Resampling]
    chunk: Chunk
    sources: Iterable[Source]
    _windows: dict[str, Chunk] = field(default_factory=dict)
    _known: dict[str, Source] = field(default_factory=dict)
    _fields: dict[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in self.sources:
            self._widen(source, self.chunk)

    def read(self, source: Source) -> Field:
        """The field of a source on the chunk."""
        return self._crop(source, self.chunk)

    def _widen(self, source: Source, window: Chunk) -> None:
        self._known[source.name] = source
        window = _union(self._windows.get(source.name, window), window)
        self._windows[source.name] = window
        for item in source.inputs:
            self._widen(item, self._grown(source, window))

    def _grown(self, source: Source, window: Chunk) -> Chunk:
        """The window with the halo of a derivation: round the globe, but not beyond a pole."""
        assert source.derived is not None
        around = halo(source.derived, self._step, self._latitudes(window))
        # Whole cells between the grid and a pole.
        north, south = (
            int((90 - self.grid.north) / self._step + 1e-6),
            int((self.grid.south + 90) / self._step + 1e-6),
        )
        rows = slice(
            max(window.rows.start - around.rows, -north),
            min(window.rows.stop + around.rows, self.grid.shape[0] + south),
        )
        return Chunk(
            window.index,
            rows,
            slice(window.cols.start - around.cols, window.cols.stop + around.cols),
        )

    @property
    def _step(self) -> float:
        return (self.grid.north - self.grid.south) / self.grid.shape[0]

    def _latitudes(self, window: Chunk) -> NDArray[np.float64]:
        return self.grid.north - (np.arange(window.rows.start, window.rows.stop) + 0.5) * self._step

    def _longitudes(self, window: Chunk) -> NDArray[np.float64]:
        step = (self.grid.east - self.grid.west) / self.grid.shape[1]
        longitudes = self.grid.west + (np.arange(window.cols.start, window.cols.stop) + 0.5) * step
        return wrapped(longitudes)

    def _crop(self, source: Source, window: Chunk) -> Field:
        whole = self._windows[source.name]
        if source.name not in self._fields:
            self._fields |= (
                self._virtual(source)
                if source.is_virtual
                else {source.name: self._made(source, whole)}
            )
        top, left = window.rows.start - whole.rows.start, window.cols.start - whole.cols.start
        return self._fields[source.name][top : top + window.shape[0], left : left + window.shape[1]]

    def _made(self, source: Source, window: Chunk) -> Field:
        if source.derived is None:
            with open_source(source, self.grid) as raster:
                values = align(raster, self.grid, window, self.ways[source.name])
        else:
            grown = self._grown(source, window)
            top, left = window.rows.start - grown.rows.start, window.cols.start - grown.cols.start
            inner = Window(
                self._latitudes(grown),
                self._step,
                slice(top, top + window.shape[0]),
                slice(left, left + window.shape[1]),
                grown.cols.start,
            )
            values = derive(
                source.derived,
                [self._crop(item, grown) for item in source.inputs],
                source.inputs[0].unit,
                inner,
            )
        fill = (
            0.0
            if source.fill_value is None
            and source.rasterize is not None
            and source.rasterize.into == "fraction"
            else source.fill_value
        )
        if fill is not None:
            values = np.where(np.isnan(values), np.float32(fill), values)
        _check_values(values, source, self.chunk)
        return values

    def _virtual(self, source: Source) -> dict[str, Field]:
        """Fields of the virtual Arctic on the same window, all in one pass: one alone takes it as
        long as all of them.
        """
        from icemap.virtual_arctic import world

        window = self._windows[source.name]
        named = {
            name: item
            for name, item in self._known.items()
            if item.url == source.url and self._windows[name] == window
        }
        variables = [item.variable or name for name, item in named.items()]
        latitudes = self._latitudes(window)
        # The virtual Arctic ends at the equator, a halo need not.
        northern = latitudes >= 0
        fields = world.predictors(
            self._longitudes(window),
            latitudes[northern],
            variables,
            seed=int(source.url.removeprefix(VIRTUAL_ARCTIC)),
        )
        result = {}
        for name, item in named.items():
            values = fields[item.variable or name].astype(np.float32)
            if item.kind == "class":
                values = np.where(values == CLASS_NODATA, np.float32(np.nan), values)
            result[name] = np.full(window.shape, np.nan, dtype=np.float32)
            result[name][northern] = values
        return result


def _union(a: Chunk, b: Chunk) -> Chunk:
    rows = slice(min(a.rows.start, b.rows.start), max(a.rows.stop, b.rows.stop))
    return Chunk(
        a.index, rows, slice(min(a.cols.start, b.cols.start), max(a.cols.stop, b.cols.stop))
    )


def value_range(values: Field) -> tuple[float | None, float | None]:
    """Lowest and highest finite value, None where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (None, None)


def _check_values(values: Field, source: Source, chunk: Chunk) -> None:
    low, high = value_range(values)
    if source.kind == "class":
        unknown = sorted(set(np.unique(values[np.isfinite(values)]).tolist()) - set(source.classes))
        if unknown:
            raise IcemapError(
                f"The source '{source.name}' holds the class code {unknown[0]:g} in chunk"
                f" {chunk.key}, which its 'classes' in the catalogue do not name."
            )
    elif (
        source.valid_range is not None
        and low is not None
        and high is not None
        and (low < source.valid_range[0] or high > source.valid_range[1])
    ):
        raise IcemapError(
            f"The source '{source.name}' runs from {low:g} to {high:g} {source.unit} in chunk"
            f" {chunk.key}, outside its valid_range {list(source.valid_range)}: check unit, scale,"
            " offset and nodata in the catalogue."
        )
