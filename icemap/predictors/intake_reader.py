"""The reader that intake opens the entries of a catalogue with: what it gives is what icemap reads.

An entry names it as ``reader: icemap.predictors.intake_reader:PredictorReader``, with ``catalog:
"{CATALOG_PATH}"`` and its own ``name`` among its ``kwargs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from intake.readers.readers import BaseReader
from numpy.typing import NDArray

from icemap.catalog import load_sources
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.gridded import DIMENSIONS
from icemap.paths import resolve
from icemap.predictors.cube_variables import described
from icemap.predictors.sources import open_source
from icemap.source import Source

if TYPE_CHECKING:
    import xarray as xr
    from affine import Affine

    from icemap.predictors.raster import Raster

# Cells per side of what is read at once.
CHUNK = 1024
# Its dimension, its values and its attributes, as xarray takes a coordinate.
Coordinate = tuple[tuple[str], NDArray[np.float64], dict[str, str]]
# Polygons become cells as fine as this needs; sources with a raster have cells of their own.
ANY_GRID = Grid(-180, -90, 180, 90, 1.0)


class PredictorReader(BaseReader):
    """One entry of a catalogue as icemap reads it, lazily: on the cells of its own file, or on a
    grid.

    ``select``, ``reduce``, ``variable``, scale, offset, missing values and the conversion to
    ``unit`` are applied. Gaps are filled, classes are covered and polygons are rasterized on a grid
    only, and derived predictors are computed on one: ``read(grid=icemap.Grid(...))``.
    """

    output_instance = "xarray:DataArray"
    imports = {"icemap"}  # noqa: RUF012  (intake's own attribute)

    def _read(
        self,
        catalog: str,
        name: str,
        grid: Grid | None = None,
        data: object = None,
        **further: Any,
    ) -> xr.DataArray:
        """A predictor with its unit, classes, licence and CRS.

        Parameters
        ----------
        catalog : str
            The catalogue of the entry.
        name : str
            Of the entry in it.
        grid : Grid, optional
            The field is then that of the cube on this grid.
        data : object
            What intake makes of the data of the entry; the catalogue names the same file.

        Raises
        ------
        IcemapError
            If the entry or its file is wrong, or it has cells on a grid only and none is given.
        """
        if further:
            raise IcemapError(
                f"{catalog}, entry '{name}': 'kwargs' holds {', '.join(further)}, but takes"
                " catalog, name, data and grid alone; how the file is read is said in 'metadata'."
            )
        place = resolve(catalog, "intake")
        source = load_sources(place, [name])[name]
        if grid is not None:
            from icemap.predictors.session import build_cube

            return build_cube(place, grid, [name])[name]
        if source.derived is not None or source.rasterize is not None or source.is_virtual:
            raise IcemapError(
                f"{catalog}, entry '{name}' has no cells of its own: say on which grid, as in"
                " read(grid=icemap.Grid(-180, 50, 180, 85, 0.5))."
            )
        return _on_its_cells(source)


def _on_its_cells(source: Source) -> xr.DataArray:
    import dask
    import dask.array
    import rioxarray  # noqa: F401  (gives arrays their .rio)
    import xarray as xr

    with open_source(source, ANY_GRID) as raster:
        crs, transform, shape = raster.crs, raster.transform, raster.shape
        variable = described(
            source.model_copy(update={"classes": dict(raster.classes)}), None, True, raster.note
        )
    part = dask.delayed(_part)
    plan = dask.delayed(source)
    blocks = [
        [
            dask.array.from_delayed(
                part(plan, rows, cols),
                (rows.stop - rows.start, cols.stop - cols.start),
                dtype=np.float32,
            )
            for cols in _pieces(shape[1])
        ]
        for rows in _pieces(shape[0])
    ]
    dims, coordinates = _coordinates(crs, transform, shape)
    array = xr.DataArray(
        dask.array.block(blocks),
        coords=coordinates,
        dims=dims,
        name=source.name,
        attrs={key: value for key, value in variable.attrs.items() if key != "role"},
    )
    array = array.rio.set_spatial_dims(x_dim=dims[1], y_dim=dims[0])
    return array.rio.write_crs(crs).rio.write_transform(transform)


def _pieces(size: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK)]


def _part(source: Source, rows: slice, cols: slice) -> NDArray[np.float32]:
    from dask.utils import SerializableLock

    # Libraries that read rasters do not all bear two threads in one process.
    with SerializableLock("icemap cube"), open_source(source, ANY_GRID) as raster:
        return _window(raster, rows, cols)


def _window(raster: Raster, rows: slice, cols: slice) -> NDArray[np.float32]:
    return np.asarray(raster.read(rows, cols), dtype=np.float32)


def _coordinates(
    crs: str, transform: Affine, shape: tuple[int, int]
) -> tuple[tuple[str, str], dict[str, Coordinate]]:
    """Names of the dimensions, and centres of the cells; a raster that is turned against its
    axes has none.
    """
    import pyproj

    named = pyproj.CRS.from_user_input(crs).is_geographic
    dims = DIMENSIONS if named else ("y", "x")
    if transform.b or transform.d:
        return dims, {}
    x = transform.c + (np.arange(shape[1]) + 0.5) * transform.a
    y = transform.f + (np.arange(shape[0]) + 0.5) * transform.e
    units = ("degrees_north", "degrees_east") if named else ("m", "m")
    return dims, {
        dim: ((dim,), values, {"units": unit, "axis": axis})
        for dim, values, unit, axis in zip(dims, (y, x), units, ("Y", "X"))
    }
