"""NetCDF, HDF and Zarr through xarray, one file or many."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError, first_line
from icemap.predictors.axes import read_axis, require_coordinates
from icemap.predictors.cf import as_declared
from icemap.predictors.choosing import choose, place_of_month, uneven_months
from icemap.predictors.decoding import (
    Decode,
    conversion_text,
    decoder,
    single_precision,
    with_classes,
)
from icemap.predictors.downloads import download
from icemap.predictors.foreign import require_no_foreign
from icemap.predictors.frames import frame_of
from icemap.predictors.georeference import placed_raster, require_crs
from icemap.predictors.grid_mappings import require_one_crs, require_whole_mapping
from icemap.predictors.groups import Container, open_variable
from icemap.predictors.own_places import require_own_places
from icemap.predictors.stamps import file_stamps
from icemap.predictors.suffixes import suffix_of
from icemap.source import CELSIUS, KELVIN, MONTHS, Source
from icemap.store import is_remote, local_path
from icemap.zarr_groups import zarr_store

if TYPE_CHECKING:
    import xarray as xr
    from affine import Affine

    from icemap.predictors.mosaic_layout import Layout

LONGITUDE_NAMES = ("lon", "longitude", "long", "x", "easting")
LATITUDE_NAMES = ("lat", "latitude", "y", "northing")
# What CF calls the coordinates along either axis.
STANDARD_NAMES = {
    "x": ("longitude", "grid_longitude", "projection_x_coordinate"),
    "y": ("latitude", "grid_latitude", "projection_y_coordinate"),
}
EAST_AND_NORTH = {"x": "degrees_east", "y": "degrees_north"}
HEIGHTS = re.compile(r"elevation|height|altitude", re.IGNORECASE)


@contextmanager
def open_array(source: Source) -> Any:
    """Open one file or Zarr store as a `Raster`, closed on leaving."""
    who = f"The source '{source.name}': {source.url}"
    with ExitStack() as stack:
        try:
            dataset, array, declared = stack.enter_context(
                open_variable(
                    _container(source.url),
                    source.variable,
                    who,
                    (*LONGITUDE_NAMES, *LATITUDE_NAMES),
                )
            )
        except PermissionError as error:
            raise _no_right(source) from error
        except (OSError, ValueError) as error:
            require_no_foreign(source)
            raise IcemapError(
                f"The source '{source.name}' cannot be opened: {source.url} is not a file that"
                f" xarray knows ({first_line(error)})."
            ) from error
        x, y = (
            _axis(dataset, array, source.x, LONGITUDE_NAMES, "degrees_east", source, "x"),
            _axis(dataset, array, source.y, LATITUDE_NAMES, "degrees_north", source, "y"),
        )
        if x == y:
            raise IcemapError(
                f"{who}: its axis '{x}' is x by its name and y by its attributes, or the other way"
                " round: name its axes as 'x' and 'y' in the catalogue, or correct the file."
            )
        _require_places(array, who)
        _require_upwards(array, source, who)
        array = _flatten(dataset, array, (x, y), source)
        uneven = [
            uneven_months(array, dim, who, _periods(dataset, array, dim)) for dim in source.reduce
        ]
        source = with_classes(source, declared)
        decode = decoder(source, declared)
        crs = require_crs(source, source.crs or _crs_of(dataset, array, x, y, who))
        import pyproj

        require_coordinates(array, x, y, who)
        frame_of(crs, who)
        across, down = (
            read_axis(dataset, array, dim, pyproj.CRS.from_user_input(crs), who, is_x=dim == x)
            for dim in (x, y)
        )
        require_own_places(source, crs, dataset, (x, y), (across, down))
        west, dx, north, dy = across.edge, across.step, down.edge, down.step
        if dy > 0:
            array = array.isel({y: slice(None, None, -1)})
            north, dy = north + dy * array.sizes[y], -dy
        # The first axis to be reduced varies fastest among those that are.
        array = array.transpose(*reversed(source.reduce), y, x)

        def read(rows: slice, cols: slice) -> NDArray[np.float32]:
            try:
                stored = array.isel({y: rows, x: cols}).to_numpy()
            except PermissionError as error:
                raise _no_right(source) from error
            except (OSError, RuntimeError) as error:
                raise IcemapError(
                    f"The source '{source.name}' ({source.url}) cannot be read: the file is broken"
                    " or truncated."
                ) from error
            return single_precision(
                _reduced(as_declared(stored, declared), list(source.reduce.values()), decode)
            )

        from affine import Affine

        transform = Affine(dx, 0, west, 0, dy, north)
        mapping = array.attrs.get("grid_mapping")
        if source.crs is None and mapping in array.coords:
            shape = (array.sizes[y], array.sizes[x])
            require_one_crs(array[mapping].attrs, transform, shape, who)
        yield placed_raster(
            source,
            crs,
            transform,
            (array.sizes[y], array.sizes[x]),
            read,
            "; ".join(filter(None, [conversion_text(source, declared), *uneven])),
        )


@contextmanager
def open_tiles(source: Source) -> Any:
    """Open many files as one `Raster`; where they overlap, the first with a value counts."""
    layout = _tiles(source.model_dump_json(), file_stamps(source))
    with open_array(_tile(source, source.parts[0])) as first:
        named, note = first.classes, first.note

    def read(rows: slice, cols: slice) -> NDArray[np.float32]:
        return layout.read(rows, cols, _part_reader(source), np.float32)

    assert layout.crs is not None
    source = source.model_copy(update={"classes": dict(named)})
    yield placed_raster(source, layout.crs, layout.transform, layout.shape, read, note)


def _tile(source: Source, url: str) -> Source:
    return source.model_copy(update={"url": url, "parts": ()})


def _part_reader(source: Source) -> Callable[[str, slice, slice], NDArray[np.float32]]:
    def read_part(url: str, rows: slice, cols: slice) -> NDArray[np.float32]:
        with open_array(_tile(source, url)) as tile:
            return tile.read(rows, cols)

    return read_part


@lru_cache(maxsize=64)
def _tiles(source_json: str, stamps: tuple[str, ...]) -> Layout:
    """Where the tiles of a source are; they are compared where they overlap."""
    from icemap.predictors.mosaic_layout import Header, lay_out

    source = Source.model_validate_json(source_json)
    headers = [
        Header(url, *_tile_header(_tile(source, url).model_dump_json(), stamps))
        for url in source.parts
    ]
    layout = lay_out(source.name, headers, overlay=source.overlay)
    layout.look_at_rims(_part_reader(source), np.float32)
    return layout


@lru_cache(maxsize=4096)
def _tile_header(source_json: str, stamps: tuple[str, ...]) -> tuple[str, Affine, tuple[int, int]]:
    with open_array(Source.model_validate_json(source_json)) as raster:
        return raster.crs, raster.transform, raster.shape


def _no_right(source: Source) -> IcemapError:
    return IcemapError(
        f"The source '{source.name}' cannot be read: {source.url}, or a part of it, is not for"
        " this user: ask its owner for the right to read it (chmod -R a+rX)."
    )


def _container(url: str) -> Container:
    if suffix_of(url) == ".zarr":
        return Container(zarr_store(url, read_only=True), is_zarr=True)
    return Container(download(url) if is_remote(url) else str(local_path(url)), is_zarr=False)


def _axis(
    dataset: xr.Dataset,
    array: xr.DataArray,
    given: str | None,
    names: tuple[str, ...],
    units: str,
    source: Source,
    key: str,
) -> str:
    if given is not None:
        if given in array.dims:
            return given
        raise IcemapError(
            f"The source '{source.name}': its variable has no dimension '{given}', it has"
            f" {', '.join(map(str, array.dims))}; correct '{key}' in the catalogue."
        )
    # Places cell by cell may be called as the dimensions are.
    axes = [dim for dim in array.dims if dim in array.coords and array[dim].ndim == 1]
    for dim in axes:
        if array[dim].attrs.get("units") == units or str(dim).lower() in names:
            return str(dim)
    for dim in axes:
        if _runs_along(array[dim], key):
            return str(dim)
    places = [
        str(name)
        for name, variable in dataset.variables.items()
        if variable.ndim > 1 and (_runs_along(variable, "x") or _runs_along(variable, "y"))
    ]
    if places:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has its places cell by cell"
            f" ({', '.join(places)}), as curvilinear grids and swaths have: make it regular first"
            " (cdo remapbil, or gdalwarp -geoloc), or, where its axes"
            f" {', '.join(map(str, array.dims))} are those of a map projection, name them as 'x'"
            " and 'y' and give its 'crs' in the catalogue."
        )
    raise IcemapError(
        f"The source '{source.name}': none of its dimensions {', '.join(map(str, array.dims))} is"
        f" known as {key}; name it as '{key}' in the catalogue."
    )


def _runs_along(coordinate: xr.DataArray | xr.Variable, key: str) -> bool:
    """Whether a coordinate says by CF that it is the x or the y of its cells."""
    attrs = coordinate.attrs
    named = str(attrs.get("standard_name", "")).strip() in STANDARD_NAMES[key]
    named = named or attrs.get("units") == EAST_AND_NORTH[key]
    return named or str(attrs.get("axis", "")).strip().upper() == key.upper()


def _require_upwards(array: xr.DataArray, source: Source, who: str) -> None:
    """Refuse depths that the catalogue calls heights."""
    is_down = str(array.attrs.get("positive", "")).strip().lower() == "down"
    if is_down and source.scale is None and HEIGHTS.search(f"{source.name} {source.long_name}"):
        raise IcemapError(
            f"{who} counts its values downwards (positive: down), and the catalogue calls them"
            f" '{source.long_name}': give 'scale: -1' there, or 'scale: 1' if they go up."
        )


def _require_places(array: xr.DataArray, who: str) -> None:
    empty = [dim for dim, size in array.sizes.items() if size == 0]
    if empty:
        raise IcemapError(
            f"{who}: its axis '{empty[0]}' has no places, so the file holds no values: it may have"
            " been cut from a file or downloaded without any; get it again."
        )


def _flatten(
    dataset: xr.Dataset, array: xr.DataArray, spatial: tuple[str, str], source: Source
) -> xr.DataArray:
    """Select along the axes named in ``select``; axes in ``reduce`` stay for the read."""
    for dim, wanted in source.select.items():
        if dim not in array.dims:
            raise IcemapError(
                f"The source '{source.name}': 'select' names '{dim}', but the dimensions are"
                f" {', '.join(map(str, array.dims))}."
            )
        who = f"The source '{source.name}'"
        array = array.isel({dim: choose(array, dim, wanted, who, _periods(dataset, array, dim))})
    if source.step is not None:
        along, step, length = source.step
        if along not in array.dims or array.sizes[along] != length:
            found = (
                f"is {array.sizes[along]} long"
                if along in array.dims
                else f"is not among the dimensions {', '.join(map(str, array.dims))}"
            )
            raise IcemapError(
                f"The source '{source.name}' ({source.url}): the axis '{along}' {found}, but a"
                f" derivation needs {length} steps along it."
            )
        if length == MONTHS and source.unit in (*CELSIUS, *KELVIN):
            periods = _periods(dataset, array, along)
            # All twelve have the same sentence.
            who = f"The source '{source.name.partition('[')[0]}'"
            step = place_of_month(array, along, step, who, periods)
        array = array.isel({along: step})
    left = [
        dim
        for dim in array.dims
        if dim not in spatial and dim not in source.reduce and array.sizes[dim] > 1
    ]
    if left:
        raise IcemapError(
            f"The source '{source.name}' has the further axis '{left[0]}': choose a value with"
            " 'select' or a way to 'reduce' it in the catalogue."
        )
    return array.squeeze(
        [dim for dim in array.dims if dim not in spatial and dim not in source.reduce]
    )


def _periods(dataset: xr.Dataset, array: xr.DataArray, dim: str) -> NDArray[np.float64] | None:
    """The bounds of an axis; None where the file has none."""
    said = {**array[dim].encoding, **array[dim].attrs} if dim in array.coords else {}
    held = dataset.variables.get(str(said.get("bounds", "")))
    if held is None or held.shape != (array.sizes[dim], 2) or held.dtype.kind not in "iuf":
        return None
    return np.asarray(held, dtype=np.float64)


def _reduced(stored: NDArray[Any], ways: Sequence[str], decode: Decode) -> NDArray[np.float64]:
    """Physical values in double precision, reduced along the leading axes, the last way along the
    first axis.
    """
    if not ways:
        return decode(stored)
    *inner, how = ways
    steps = (_reduced(step, inner, decode) for step in stored)
    total = next(steps)
    lowest = highest = total
    for values in steps:
        if how in ("mean", "sum"):
            total = total + values
        else:
            # Both hand on what is missing.
            lowest, highest = np.minimum(lowest, values), np.maximum(highest, values)
    return {
        "mean": total / len(stored),
        "sum": total,
        "min": lowest,
        "max": highest,
        "range": highest - lowest,
    }[how]


def _crs_of(dataset: xr.Dataset, array: xr.DataArray, x: str, y: str, who: str) -> str | None:
    import rioxarray  # noqa: F401  (gives arrays their .rio)

    mapping = array.attrs.get("grid_mapping")
    if mapping in array.coords:
        require_whole_mapping(array[mapping].attrs, who)

    crs = array.rio.crs or dataset.rio.crs
    if crs is not None:
        return str(crs.to_wkt())
    named = array[x].attrs.get("units") == "degrees_east" or x.lower() in LONGITUDE_NAMES[:3]
    # Beyond 90 degrees the axes are swapped, which is said later.
    latitudes = np.abs(np.asarray(array[y], dtype=float))
    return "EPSG:4326" if named and latitudes.max() <= 361 else None
