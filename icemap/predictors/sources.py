"""Open what the catalogue names: rasters that GDAL reads (GRIB among them), and NetCDF, HDF or Zarr through xarray."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from icemap.catalog import Source
from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.align import Raster
from icemap.predictors.turned import is_turned
from icemap.store import filesystem, filesystem_options, first_line, is_remote, local_path, storage_errors, zarr_store

if TYPE_CHECKING:
    import xarray as xr
    from affine import Affine

    from icemap.predictors.vectors import Layer

VECTOR_SUFFIXES = (".gpkg", ".shp", ".geojson", ".json", ".fgb")
XARRAY_SUFFIXES = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".zarr")
LONGITUDE_NAMES = ("lon", "longitude", "long", "x", "easting")
LATITUDE_NAMES = ("lat", "latitude", "y", "northing")


@contextmanager
def open_source(source: Source, grid: Grid) -> Any:
    """Open a source as a `Raster`, closed on leaving; polygons become one as fine as the grid needs.

    Raises
    ------
    IcemapError
        If the file is missing or broken, has no CRS, a CRS that its coordinates deny, or dimensions that the catalogue does not resolve.
    """
    _require_files(source)
    suffix = source.url.rstrip("/").lower()
    if source.rasterize is not None:
        yield _polygons(open_layer_of(source, grid))
        return
    if suffix.endswith(VECTOR_SUFFIXES):
        raise IcemapError(f"The source '{source.name}' ({source.url}) holds polygons: say with 'rasterize' in the catalogue what they become.")
    opener = _open_xarray if suffix.endswith(XARRAY_SUFFIXES) and not source.parts else _open_gdal
    with opener(source) as raster:
        rows, cols = raster.shape
        _check_crs(source, raster.crs, np.array([raster.transform @ corner for corner in ((0, 0), (cols, rows))]), abs(raster.transform.e))
        yield raster


def _require_files(source: Source) -> None:
    for path in source.files:
        if not is_remote(path) and not local_path(path).exists():
            raise IcemapError(f"The source '{source.name}' is not there: no file {path}. Correct its url in the catalogue.")


def open_layer_of(source: Source, grid: Grid) -> Layer:
    """The polygons of a source that has ``rasterize``."""
    from icemap.predictors.vectors import open_layer

    _require_files(source)
    if source.parts:
        raise IcemapError(f"The source '{source.name}' lists {len(source.parts)} files, but polygons lie in one: join them first, for example with ogrmerge.")
    if is_remote(source.url):
        import pyogrio

        pyogrio.set_gdal_config_options(gdal_environment())
    layer = open_layer(source, grid, _gdal_path(source.url))
    _check_crs(source, layer.crs, np.array(layer.bounds).reshape(2, 2), 0)
    return layer


def _polygons(layer: Layer) -> Raster:
    assert layer.source.rasterize is not None
    kinds: dict[str, Literal["share", "class", "continuous"]] = {"fraction": "share", "class": "class", "value": "continuous"}
    period = None if layer.period is None else layer.shape[1]
    return Raster(layer.source.name, layer.crs, layer.transform, layer.shape, period, kinds[layer.source.rasterize.into], layer.read)


def _values(source: Source, raw: NDArray[Any], own: tuple[float, float] = (1.0, 0.0)) -> NDArray[np.float32]:
    """Physical values: nodata and infinities to NaN, then scale and offset, those of the file by default; codes of classes have none."""
    values: NDArray[Any] = np.asarray(raw, dtype=np.float64)
    bad = ~np.isfinite(values)
    for code in source.nodata:
        bad |= np.isclose(values, code, rtol=1e-6, atol=0)
    if source.fraction_of:
        unknown = sorted(set(np.unique(values[~bad]).tolist()) - set(source.classes))
        if unknown:
            raise IcemapError(f"The source '{source.name}' holds the class code {unknown[0]:g}, which its 'classes' in the catalogue do not name.")
        values = np.where(np.isin(values, source.fraction_of), 100.0 if source.unit == "%" else 1.0, 0.0)
    values = source.scaled(values, *(own if source.kind == "continuous" and not source.fraction_of else (1.0, 0.0)))
    values[bad] = np.nan
    return values.astype(np.float32)


@contextmanager
def _open_gdal(source: Source) -> Any:
    import rasterio

    from icemap.predictors.mosaics import open_mosaic

    try:
        with rasterio.Env(**gdal_environment()):
            # One file is a mosaic of itself.
            mosaic = open_mosaic(source.name, [_gdal_path(url) for url in source.files], file_stamps(source))
            band = _band(mosaic.bands, source)
            crs = source.crs or mosaic.crs
            if crs is None:
                raise IcemapError(f"The source '{source.name}' ({source.url}) has no CRS: add 'crs' to its entry in the catalogue, for example EPSG:4326.")

            def read(rows: slice, cols: slice) -> NDArray[np.float32]:
                try:
                    return _values(source, mosaic.read(band, rows, cols), mosaic.scaling[band - 1])
                except rasterio.errors.RasterioIOError as error:
                    raise IcemapError(f"The source '{source.name}' ({error}) cannot be read: the file is broken or truncated.") from error

            yield _raster(source, crs, mosaic.transform, mosaic.shape, read)
    except rasterio.errors.RasterioIOError as error:
        where = "one of its files" if source.parts else source.url
        raise IcemapError(f"The source '{source.name}' cannot be opened: {where} is not a raster that GDAL knows ({first_line(error)}).") from error


@contextmanager
def _open_xarray(source: Source) -> Any:
    import xarray as xr

    try:
        if source.url.rstrip("/").endswith(".zarr"):
            dataset = xr.open_zarr(zarr_store(source.url, read_only=True), decode_times=False, decode_coords="all", consolidated=False)
        elif is_remote(source.url):
            dataset = xr.open_dataset(_download(source.url), decode_times=False, decode_coords="all")
        else:
            dataset = xr.open_dataset(local_path(source.url), decode_times=False, decode_coords="all")
    except (OSError, ValueError) as error:
        raise IcemapError(f"The source '{source.name}' cannot be opened: {source.url} is not a file that xarray knows ({first_line(error)}).") from error
    with dataset:
        array = _variable(dataset, source)
        x, y = _axis(array, source.x, LONGITUDE_NAMES, "degrees_east", source, "x"), _axis(array, source.y, LATITUDE_NAMES, "degrees_north", source, "y")
        array = _flatten(array, (x, y), source)
        crs = source.crs or _crs_of(dataset, array, x, y)
        if crs is None:
            raise IcemapError(f"The source '{source.name}' ({source.url}) has no CRS: add 'crs' to its entry in the catalogue, for example EPSG:4326.")
        west, dx = _regular(np.asarray(array[x], dtype=float), source, x)
        north, dy = _regular(np.asarray(array[y], dtype=float), source, y)
        if dy > 0:
            array = array.isel({y: slice(None, None, -1)})
            north, dy = north + dy * array.sizes[y], -dy
        array = array.transpose(y, x, ...)

        def read(rows: slice, cols: slice) -> NDArray[np.float32]:
            try:
                window = array.isel({y: rows, x: cols}).load()
            except (OSError, RuntimeError) as error:
                raise IcemapError(f"The source '{source.name}' ({source.url}) cannot be read: the file is broken or truncated.") from error
            return _values(source, _reduce(window, source).to_numpy())

        from affine import Affine

        yield _raster(source, crs, Affine(dx, 0, west, 0, dy, north), (array.sizes[y], array.sizes[x]), read)


def _band(count: int, source: Source) -> int:
    further = [key for key in ("select", "reduce") if getattr(source, key)]
    if further:
        raise IcemapError(f"The source '{source.name}' ({source.url}) is a raster, which has no axes to '{further[0]}': choose its band with 'variable'.")
    if source.step is None:
        if source.variable is not None and not source.variable.isdigit():
            raise IcemapError(f"The source '{source.name}' ({source.url}) is a raster: 'variable' is '{source.variable}', but must be the number of a band.")
        band = int(source.variable or 1)
        if not 1 <= band <= count:
            raise IcemapError(f"The source '{source.name}' ({source.url}) has {count} bands, but 'variable' asks for band {band}.")
        return band
    along, step, length = source.step
    if along != "band" or count != length:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has {count} bands and not {length} along '{along}': give 'along: band', or {length} entries."
        )
    return step + 1


def _raster(source: Source, crs: str, transform: Affine, shape: tuple[int, int], read: Callable[[slice, slice], NDArray[np.float32]]) -> Raster:
    import pyproj

    try:
        geographic = not is_turned(crs)
    except pyproj.exceptions.CRSError as error:
        raise IcemapError(f"The source '{source.name}': '{source.crs}' is not a CRS: give a code such as EPSG:4326 in the catalogue.") from error
    around = round(360 / transform.a) if geographic and transform.a > 0 else 0
    whole = around and abs(around * transform.a - 360) < 0.01 * transform.a * around**0.5
    # Or part of the way, in longitudes that the grid calls otherwise.
    elsewhere = transform.c < -180 or transform.c + shape[1] * transform.a > 180
    goes_round = whole and (shape[1] >= around or elsewhere)
    return Raster(source.name, crs, transform, shape, around if goes_round else None, "share" if source.fraction_of else source.kind, read, source.fill_nearest)


def _check_crs(source: Source, named: str, corners: NDArray[np.float64], cell: float) -> None:
    """A CRS that the coordinates deny is refused, not warped to nonsense."""
    import pyproj

    crs = pyproj.CRS.from_user_input(named)
    largest, extent = np.abs(corners).max(axis=0), np.abs(corners[1] - corners[0])
    if crs.is_geographic and largest[0] <= 91 + cell < largest[1] <= 360 + cell:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has latitudes up to {largest[1]:g} and longitudes of at most {largest[0]:g}: its axes are swapped; "
            "name them as 'x' and 'y' in the catalogue, or turn the file with gdal_translate or xarray."
        )
    if crs.is_geographic and (largest[0] > 720 or largest[1] > 91 + cell):
        wrong = "its coordinates are too large for degrees"
    elif crs.is_projected and largest.max() <= 720 and extent.max() > 1:
        wrong = "its coordinates look like degrees"
    else:
        return
    raise IcemapError(f"The source '{source.name}' ({source.url}) is said to be in {crs.name}, but {wrong}: correct 'crs' in the catalogue.")


def _variable(dataset: xr.Dataset, source: Source) -> xr.DataArray:
    if source.variable is not None:
        if source.variable not in dataset:
            raise IcemapError(f"The source '{source.name}': {source.url} has no variable '{source.variable}', it has {', '.join(map(str, dataset.data_vars))}.")
        return dataset[source.variable]
    spatial = [name for name, array in dataset.data_vars.items() if array.ndim >= 2]
    if len(spatial) != 1:
        raise IcemapError(
            f"The source '{source.name}': {source.url} has the variables {', '.join(map(str, spatial))}, name one as 'variable' in the catalogue."
        )
    return dataset[spatial[0]]


def _axis(array: xr.DataArray, given: str | None, names: tuple[str, ...], units: str, source: Source, key: str) -> str:
    if given is not None:
        if given in array.dims:
            return given
        raise IcemapError(
            f"The source '{source.name}': its variable has no dimension '{given}', it has {', '.join(map(str, array.dims))}; correct '{key}' in the catalogue."
        )
    for dim in array.dims:
        if dim in array.coords and (array[dim].attrs.get("units") == units or str(dim).lower() in names):
            return str(dim)
    raise IcemapError(
        f"The source '{source.name}': none of its dimensions {', '.join(map(str, array.dims))} is known as {key}; name it as '{key}' in the catalogue."
    )


def _flatten(array: xr.DataArray, spatial: tuple[str, str], source: Source) -> xr.DataArray:
    """Select along the axes named in ``select``; axes in ``reduce`` stay for the read."""
    for dim, wanted in source.select.items():
        if dim not in array.dims:
            raise IcemapError(f"The source '{source.name}': 'select' names '{dim}', but the dimensions are {', '.join(map(str, array.dims))}.")
        labels = array[dim].to_numpy() if dim in array.coords else np.arange(array.sizes[dim])
        at = np.flatnonzero(labels.astype(str) == wanted) if isinstance(wanted, str) else np.flatnonzero(np.isclose(labels.astype(float), wanted))
        if at.size != 1:
            raise IcemapError(f"The source '{source.name}': {wanted} is not on its axis '{dim}', which holds {', '.join(map(str, labels[:20]))}.")
        array = array.isel({dim: int(at[0])})
    if source.step is not None:
        along, step, length = source.step
        if along not in array.dims or array.sizes[along] != length:
            found = f"is {array.sizes[along]} long" if along in array.dims else f"is not among the dimensions {', '.join(map(str, array.dims))}"
            raise IcemapError(f"The source '{source.name}' ({source.url}): the axis '{along}' {found}, but a derivation needs {length} steps along it.")
        array = array.isel({along: step})
    left = [dim for dim in array.dims if dim not in spatial and dim not in source.reduce and array.sizes[dim] > 1]
    if left:
        raise IcemapError(
            f"The source '{source.name}' has the further axis '{left[0]}': choose a value with 'select' or a way to 'reduce' it in the catalogue."
        )
    return array.squeeze([dim for dim in array.dims if dim not in spatial and dim not in source.reduce])


def _reduce(window: xr.DataArray, source: Source) -> xr.DataArray:
    for dim, how in source.reduce.items():
        if how == "range":
            window = window.max(dim, skipna=False) - window.min(dim, skipna=False)
        else:
            window = getattr(window, how)(dim, skipna=False)
    return window


def _crs_of(dataset: xr.Dataset, array: xr.DataArray, x: str, y: str) -> str | None:
    import rioxarray  # noqa: F401  (gives arrays their .rio)

    crs = array.rio.crs or dataset.rio.crs
    if crs is not None:
        return str(crs.to_wkt())
    named = array[x].attrs.get("units") == "degrees_east" or x.lower() in LONGITUDE_NAMES[:3]
    # Beyond 90 degrees the axes are swapped, which is said later.
    latitudes = np.abs(np.asarray(array[y], dtype=float))
    return "EPSG:4326" if named and latitudes.max() <= 361 else None


def _regular(centres: NDArray[np.float64], source: Source, dim: str) -> tuple[float, float]:
    """Outer edge and step of an axis of cell centres."""
    step = (centres[-1] - centres[0]) / (len(centres) - 1)
    if not np.isfinite(step) or step == 0 or np.abs(np.diff(centres) - step).max() > 0.05 * abs(step):
        raise IcemapError(f"The source '{source.name}': its axis '{dim}' is not evenly spaced; regrid the file first.")
    return float(centres[0] - step / 2), float(step)


def file_stamps(source: Source) -> tuple[str, ...]:
    """What changes when the files of a source do, in their order, without reading them; a missing one is named with the source."""
    try:
        listed = _listed(source.parts) if source.parts and is_remote(source.parts[0]) else {}
        return tuple(listed.get(url) or file_stamp(url) for url in source.files)
    except IcemapError as error:
        raise IcemapError(f"The source '{source.name}' is not there: {error}") from error


def file_stamp(url: str) -> str:
    """Size and time of a file or of the metadata of a Zarr store, or what a bucket says of it."""
    with storage_errors(url, "look at"):
        if is_remote(url):
            fs, path = filesystem(url)
            fs.invalidate_cache()
            return _stamp(fs.info(path))
        here = local_path(url)
        # A Zarr store is a folder, whose root metadata is written whenever arrays are.
        about = (here / "zarr.json" if (here / "zarr.json").exists() else here).stat()
        return f"{about.st_size} {about.st_mtime_ns}"


def _listed(urls: Sequence[str]) -> dict[str, str]:
    """Stamps of many files in buckets by one listing for each folder; a web server lists none."""
    found: dict[str, str] = {}
    for folder in sorted({url.rsplit("/", 1)[0] for url in urls if not url.startswith("http")}):
        with storage_errors(folder, "list"):
            fs, path = filesystem(folder)
            fs.invalidate_cache()
            found |= {f"{folder}/{info['name'].rsplit('/', 1)[-1]}": _stamp(info) for info in fs.ls(path, detail=True)}
    return found


def _stamp(info: Mapping[str, Any]) -> str:
    return " ".join(str(info[key]) for key in ("size", "ETag", "etag", "md5Hash", "mtime") if info.get(key) is not None)


def _gdal_path(url: str) -> str:
    if url.startswith("s3://"):
        return "/vsis3/" + url.removeprefix("s3://")
    if url.startswith(("https://", "http://")):
        return "/vsicurl/" + url
    return str(local_path(url))


def gdal_environment() -> dict[str, str]:
    """GDAL's settings for an S3 endpoint given in the way of the AWS tools, which is asked again where it fails."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    # GRIB files stay as they are written: GDAL would turn kelvin to Celsius, and move grids that begin half a cell east of Greenwich by half a cell.
    grib = {"GRIB_NORMALIZE_UNITS": "NO", "GRIB_ADJUST_LONGITUDE_RANGE": "NO"}
    patience = {"GDAL_HTTP_MAX_RETRY": "4", "GDAL_HTTP_RETRY_DELAY": "0.5"}
    # A virtual raster may hold Python code of its own, which nobody's environment shall let run.
    settings = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_VRT_ENABLE_PYTHON": "NO", **patience, **grib}
    if "AWS_CA_BUNDLE" in os.environ:
        settings["GDAL_CURL_CA_BUNDLE"] = os.environ["AWS_CA_BUNDLE"]
    if endpoint:
        scheme, _, host = endpoint.partition("://")
        settings |= {"AWS_S3_ENDPOINT": host.rstrip("/"), "AWS_HTTPS": "YES" if scheme == "https" else "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    return settings


def _download(url: str) -> str:
    """A copy on this machine, kept for the life of the process: NetCDF libraries cannot read from a bucket."""
    import fsspec

    own = {url.partition("://")[0]: filesystem_options(url)}
    with storage_errors(url, "read"):
        filesystem(url)
        return str(fsspec.open_local(f"filecache::{url}", filecache={"cache_storage": "TMP"}, **own))
