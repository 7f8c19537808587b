"""Open what the catalogue names: rasters that GDAL reads (GRIB among them), and NetCDF, HDF or Zarr
through xarray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError, first_line
from icemap.grid import Grid
from icemap.predictors.align import Raster
from icemap.predictors.axes import read_axis, require_coordinates
from icemap.predictors.cf import as_declared
from icemap.predictors.choosing import choose
from icemap.predictors.declared import Decode, conversion_text, decoder, with_classes
from icemap.predictors.downloads import download
from icemap.predictors.frames import frame_of
from icemap.predictors.gdal_access import forget_changed, gdal_environment, gdal_path
from icemap.predictors.groups import Container, open_variable
from icemap.predictors.reprojection import is_rotated
from icemap.predictors.stamps import file_stamps
from icemap.predictors.suffixes import VECTOR_SUFFIXES, XARRAY_SUFFIXES, suffix_of
from icemap.source import Source
from icemap.store import (
    exists,
    is_remote,
    local_path,
    read_start,
    read_text,
    zarr_store,
)

if TYPE_CHECKING:
    import xarray as xr
    from affine import Affine

    from icemap.predictors.mosaics import Band
    from icemap.predictors.vectors import Layer

LONGITUDE_NAMES = ("lon", "longitude", "long", "x", "easting")
LATITUDE_NAMES = ("lat", "latitude", "y", "northing")


@contextmanager
def open_source(source: Source, grid: Grid) -> Any:
    """Open a source as a `Raster`, closed on leaving; polygons become one as fine as the grid
    needs.

    Raises
    ------
    IcemapError
        If the file is missing or broken, has no CRS, a CRS that its coordinates deny, or dimensions
        that the catalogue does not resolve.
    """
    _require_files(source)
    suffix = suffix_of(source.url)
    if source.rasterize is not None:
        yield _polygons(open_layer_of(source, grid))
        return
    if suffix in VECTOR_SUFFIXES:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) holds polygons: say with 'rasterize' in the"
            " catalogue what they become."
        )
    opener = (
        _open_gdal
        if suffix not in XARRAY_SUFFIXES
        else _open_tiles
        if source.parts
        else _open_xarray
    )
    with opener(source) as raster:
        rows, cols = raster.shape
        _check_crs(
            source,
            raster.crs,
            np.array([raster.transform @ corner for corner in ((0, 0), (cols, rows))]),
            abs(raster.transform.e),
        )
        yield raster


def _require_files(source: Source) -> None:
    for path in source.files:
        if not is_remote(path) and not local_path(path).exists():
            raise IcemapError(
                f"The source '{source.name}' is not there: no file {path}. Correct its url in the"
                " catalogue."
            )


def open_layer_of(source: Source, grid: Grid) -> Layer:
    """The polygons of a source that has ``rasterize``."""
    from icemap.predictors.vectors import open_layer

    _require_files(source)
    if source.parts:
        raise IcemapError(
            f"The source '{source.name}' lists {len(source.parts)} files, but polygons lie in one:"
            " join them first, for example with ogrmerge."
        )
    if is_remote(source.url):
        import pyogrio

        pyogrio.set_gdal_config_options(gdal_environment())
    layer = open_layer(source, grid, gdal_path(source.url))
    _check_crs(source, layer.crs, np.array(layer.bounds).reshape(2, 2), 0)
    return layer


def _polygons(layer: Layer) -> Raster:
    assert layer.source.rasterize is not None
    kinds: dict[str, Literal["share", "class", "continuous"]] = {
        "fraction": "share",
        "class": "class",
        "value": "continuous",
    }
    period = None if layer.period is None else layer.shape[1]
    return Raster(
        layer.source.name,
        layer.crs,
        layer.transform,
        layer.shape,
        period,
        kinds[layer.source.rasterize.into],
        layer.read,
    )


def _single_precision(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """What single precision cannot hold is missing, not infinite."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    narrow[~np.isfinite(narrow)] = np.nan
    return narrow


@contextmanager
def _open_gdal(source: Source) -> Any:
    import rasterio

    from icemap.predictors.mosaics import open_mosaic

    try:
        with rasterio.Env(**gdal_environment(source.url)):
            # One file is a mosaic of itself.
            paths, stamps = (
                [gdal_path(url) for url in source.parts or (source.url,)],
                file_stamps(source),
            )
            forget_changed(paths, stamps)
            mosaic = open_mosaic(source.name, paths, stamps, overlay=source.overlay)
            band = _band(mosaic.bands, source)
            declared = mosaic.bands[band - 1].declared
            source = with_classes(source, declared)
            decode = decoder(source, declared)
            crs = (
                source.crs
                or mosaic.layout.crs
                or _crs_beside(source.parts[0] if source.parts else source.url)
            )
            if crs is None:
                raise IcemapError(
                    f"The source '{source.name}' ({source.url}) has no CRS: add 'crs' to its entry"
                    " in the catalogue, for example EPSG:4326."
                )

            def read(rows: slice, cols: slice) -> NDArray[np.float32]:
                try:
                    return _single_precision(decode(mosaic.read(band, rows, cols)))
                except rasterio.errors.RasterioIOError as error:
                    raise IcemapError(
                        f"The source '{source.name}' ({error}) cannot be read: the file is broken"
                        " or truncated."
                    ) from error

            yield _raster(
                source,
                crs,
                mosaic.layout.transform,
                mosaic.layout.shape,
                read,
                conversion_text(source, declared),
            )
    except rasterio.errors.RasterioIOError as error:
        where = "one of its files" if source.parts else source.url
        for url in source.files[:1]:
            if is_remote(url):
                # The storage may have said more than GDAL: archived, expired, refused.
                read_start(url)
        raise IcemapError(
            f"The source '{source.name}' cannot be opened: {where} is not a raster that GDAL knows"
            f" ({first_line(error)})."
        ) from error


@contextmanager
def _open_xarray(source: Source) -> Any:
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
        except (OSError, ValueError) as error:
            raise IcemapError(
                f"The source '{source.name}' cannot be opened: {source.url} is not a file that"
                f" xarray knows ({first_line(error)})."
            ) from error
        x, y = (
            _axis(array, source.x, LONGITUDE_NAMES, "degrees_east", source, "x"),
            _axis(array, source.y, LATITUDE_NAMES, "degrees_north", source, "y"),
        )
        array = _flatten(array, (x, y), source)
        source = with_classes(source, declared)
        decode = decoder(source, declared)
        crs = source.crs or _crs_of(dataset, array, x, y)
        if crs is None:
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) has no CRS: add 'crs' to its entry in"
                " the catalogue, for example EPSG:4326."
            )
        import pyproj

        require_coordinates(array, x, y, who)
        frame_of(crs, who)
        across, down = (
            read_axis(dataset, array, dim, pyproj.CRS.from_user_input(crs), who, is_x=dim == x)
            for dim in (x, y)
        )
        west, dx, north, dy = across.edge, across.step, down.edge, down.step
        if dy > 0:
            array = array.isel({y: slice(None, None, -1)})
            north, dy = north + dy * array.sizes[y], -dy
        # The first axis to be reduced varies fastest among those that are.
        array = array.transpose(*reversed(source.reduce), y, x)

        def read(rows: slice, cols: slice) -> NDArray[np.float32]:
            try:
                stored = array.isel({y: rows, x: cols}).to_numpy()
            except (OSError, RuntimeError) as error:
                raise IcemapError(
                    f"The source '{source.name}' ({source.url}) cannot be read: the file is broken"
                    " or truncated."
                ) from error
            return _single_precision(
                _reduced(as_declared(stored, declared), list(source.reduce.values()), decode)
            )

        from affine import Affine

        transform = Affine(dx, 0, west, 0, dy, north)
        yield _raster(
            source,
            crs,
            transform,
            (array.sizes[y], array.sizes[x]),
            read,
            conversion_text(source, declared),
        )


def _crs_beside(url: str) -> str | None:
    """The CRS in the .prj file of a raster, which GDAL reads for some formats only."""
    import pyproj

    sidecar = (
        str(PurePosixPath(url).with_suffix(".prj"))
        if not is_remote(url)
        else url.rpartition(".")[0] + ".prj"
    )
    if "?" in url or not exists(sidecar):
        return None
    try:
        return str(pyproj.CRS.from_user_input(read_text(sidecar).strip()).to_wkt())
    except pyproj.exceptions.CRSError as error:
        raise IcemapError(
            f"{sidecar} holds no CRS: correct it, or add 'crs' to the entry of {url} in the"
            " catalogue."
        ) from error


def _container(url: str) -> Container:
    if suffix_of(url) == ".zarr":
        return Container(zarr_store(url, read_only=True), is_zarr=True)
    return Container(download(url) if is_remote(url) else str(local_path(url)), is_zarr=False)


@contextmanager
def _open_tiles(source: Source) -> Any:
    """Many files that xarray opens as one raster; where they overlap, the first with a value
    counts.
    """
    from icemap.predictors.mosaics import Header, lay_out

    tiles = {url: source.model_copy(update={"url": url, "parts": ()}) for url in source.parts}
    headers, stamps = [], file_stamps(source)
    for url, tile in tiles.items():
        crs, transform, shape = _tile_header(tile.model_dump_json(), stamps)
        headers.append(Header(url, crs, transform, shape))
    layout = lay_out(source.name, headers, overlay=source.overlay)
    with _open_xarray(tiles[headers[0].path]) as first:
        named, note = first.classes, first.note

    def read(rows: slice, cols: slice) -> NDArray[np.float32]:
        values = np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan, dtype=np.float32)
        for part in layout.parts:
            met = part.meets(rows, cols)
            if met is None:
                continue
            here, there = met
            with _open_xarray(tiles[part.path]) as tile:
                found = tile.read(
                    slice(here.start - part.top, here.stop - part.top),
                    slice(there.start - part.left, there.stop - part.left),
                )
            target = values[
                here.start - rows.start : here.stop - rows.start,
                there.start - cols.start : there.stop - cols.start,
            ]
            np.copyto(target, found, where=np.isnan(target))
        return values

    assert layout.crs is not None
    source = source.model_copy(update={"classes": dict(named)})
    yield _raster(source, layout.crs, layout.transform, layout.shape, read, note)


@lru_cache(maxsize=4096)
def _tile_header(source_json: str, stamps: tuple[str, ...]) -> tuple[str, Affine, tuple[int, int]]:
    with _open_xarray(Source.model_validate_json(source_json)) as raster:
        return raster.crs, raster.transform, raster.shape


def _band(bands: Sequence[Band], source: Source) -> int:
    """The number of the band that a source means."""
    further = [key for key in ("select", "reduce") if getattr(source, key)]
    if further:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) is a raster, which has no axes to"
            f" '{further[0]}': choose its band with 'variable'."
        )
    named = [band.name for band in bands]
    if source.step is not None:
        along, step, length = source.step
        count = sum(not band.is_alpha for band in bands)
        if along != "band" or count != length:
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) has {count} bands and not {length}"
                f" along '{along}': give 'along: band', or {length} entries."
            )
        return step + 1
    if source.variable is None:
        # The alpha band says where the others have values.
        values = [number for number, band in enumerate(bands, 1) if not band.is_alpha]
        if len(values) == 1:
            return values[0]
        listed = ", ".join(
            f"{number} ({bands[number - 1].name})" if bands[number - 1].name else str(number)
            for number in values[:20]
        )
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has the {len(values)} bands"
            f" {listed}{' ...' if len(values) > 20 else ''}: name one as 'variable' in the"
            " catalogue."
        )
    if not source.variable.isdigit():
        if named.count(source.variable) == 1:
            return named.index(source.variable) + 1
        has = f", which has {', '.join(filter(None, named))}" if any(named) else ""
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) is a raster: 'variable' is"
            f" '{source.variable}', but must be the number of a band or its name{has}."
        )
    band = int(source.variable)
    if not 1 <= band <= len(bands):
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has {len(bands)} bands, but 'variable' asks"
            f" for band {band}."
        )
    return band


def _raster(
    source: Source,
    crs: str,
    transform: Affine,
    shape: tuple[int, int],
    read: Callable[[slice, slice], NDArray[np.float32]],
    note: str = "",
) -> Raster:
    who = f"The source '{source.name}' ({source.url})"
    if transform.is_identity:
        raise IcemapError(
            f"{who} has no georeference: its cells are at no place. Give it one with gdal_translate"
            " -a_ullr, or with gdalwarp where it has control points."
        )
    frame = frame_of(crs, who)
    crs = frame.crs
    geographic = not is_rotated(crs)
    if frame.degrees != 1 or frame.meridian:
        transform = (
            transform.translation(frame.meridian, 0) @ transform.scale(frame.degrees) @ transform
        )
    around = round(360 / transform.a) if geographic and transform.a > 0 else 0
    whole = around and abs(around * transform.a - 360) < 0.01 * transform.a * around**0.5
    # Or part of the way, in longitudes that the grid calls otherwise.
    elsewhere = transform.c < -180 or transform.c + shape[1] * transform.a > 180
    goes_round = whole and (shape[1] >= around or elsewhere)
    kind = "share" if source.fraction_of else source.kind or "continuous"
    return Raster(
        source.name,
        crs,
        transform,
        shape,
        around if goes_round else None,
        kind,
        read,
        source.fill_nearest,
        source.classes,
        note,
    )


def _check_crs(source: Source, named: str, corners: NDArray[np.float64], cell: float) -> None:
    """A CRS that the coordinates deny is refused, not warped to nonsense."""
    import pyproj

    crs = pyproj.CRS.from_user_input(named)
    largest, extent = np.abs(corners).max(axis=0), np.abs(corners[1] - corners[0])
    if crs.is_geographic and largest[0] <= 91 + cell < largest[1] <= 360 + cell:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has latitudes up to {largest[1]:g} and"
            f" longitudes of at most {largest[0]:g}: its axes are swapped; name them as 'x' and 'y'"
            " in the catalogue, or turn the file with gdal_translate or xarray."
        )
    if crs.is_geographic and (largest[0] > 720 or largest[1] > 91 + cell):
        wrong = "its coordinates are too large for degrees"
    elif crs.is_projected and largest.max() <= 720 and extent.max() > 1:
        wrong = "its coordinates look like degrees"
    else:
        return
    raise IcemapError(
        f"The source '{source.name}' ({source.url}) is said to be in {crs.name}, but {wrong}:"
        " correct 'crs' in the catalogue."
    )


def _axis(
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
    for dim in array.dims:
        if dim in array.coords and (
            array[dim].attrs.get("units") == units or str(dim).lower() in names
        ):
            return str(dim)
    raise IcemapError(
        f"The source '{source.name}': none of its dimensions {', '.join(map(str, array.dims))} is"
        f" known as {key}; name it as '{key}' in the catalogue."
    )


def _flatten(array: xr.DataArray, spatial: tuple[str, str], source: Source) -> xr.DataArray:
    """Select along the axes named in ``select``; axes in ``reduce`` stay for the read."""
    for dim, wanted in source.select.items():
        if dim not in array.dims:
            raise IcemapError(
                f"The source '{source.name}': 'select' names '{dim}', but the dimensions are"
                f" {', '.join(map(str, array.dims))}."
            )
        array = array.isel({dim: choose(array, dim, wanted, f"The source '{source.name}'")})
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


def _crs_of(dataset: xr.Dataset, array: xr.DataArray, x: str, y: str) -> str | None:
    import rioxarray  # noqa: F401  (gives arrays their .rio)

    crs = array.rio.crs or dataset.rio.crs
    if crs is not None:
        return str(crs.to_wkt())
    named = array[x].attrs.get("units") == "degrees_east" or x.lower() in LONGITUDE_NAMES[:3]
    # Beyond 90 degrees the axes are swapped, which is said later.
    latitudes = np.abs(np.asarray(array[y], dtype=float))
    return "EPSG:4326" if named and latitudes.max() <= 361 else None
