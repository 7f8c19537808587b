"""What rasters say of themselves, as entries of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError, first_line
from icemap.predictors.array_source import LATITUDE_NAMES, LONGITUDE_NAMES
from icemap.predictors.choosing import SINCE
from icemap.predictors.declared import Declared
from icemap.predictors.gdal_access import gdal_environment, gdal_path
from icemap.source import Source
from icemap.sphere import EARTH_RADIUS_KM
from icemap.starting.folder import tile_key
from icemap.starting.words import KNOWN_UNITS, family_of, in_words, plain_name
from icemap.units import same_unit, says_nothing

if TYPE_CHECKING:
    import xarray as xr

METRES_PER_DEGREE = np.radians(1) * EARTH_RADIUS_KM * 1000
# Bands of one file that become entries; a file with more of them is asked about.
MAX_BANDS = 40
MONTHS = 12
# Integers in so few different values may be codes of classes.
MAX_CODES = 30
# Cells that are looked at for them, and the side of the reduced copy of a larger raster.
MAX_WHOLE, MAX_LOOKED_AT = 2**26, 4096
UNNAMED = "the file names none of its classes: what are they called? These are the codes in it"
# What writers of files call a CRS without a name.
UNNAMED_CRS = ("unknown", "unnamed", "undefined", "")
TIME_NAMES = ("time", "month", "months", "year", "years", "date", "day", "t")
# Steps of a time axis that are read for one entry without a word.
MAX_STEPS = 500


@dataclass(frozen=True)
class Entry:
    """One predictor that a file could become.

    Attributes
    ----------
    name : str
        In the catalogue.
    files : tuple of Path
        Of which it is made; several are one raster.
    settings : mapping
        Its metadata in the catalogue.
    said : tuple of str
        What the file says of itself, and what was read from that.
    questions : tuple of str
        What it does not say.
    cell : float or None
        Side of its cells in degrees.
    problem : str
        Why it is not among the predictors; empty if it is.
    """

    name: str
    files: tuple[Path, ...]
    settings: Mapping[str, Any]
    said: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    cell: float | None = None
    problem: str = ""

    def source(self) -> Source:
        """As the catalogue will be read."""
        paths = tuple(str(path) for path in self.files)
        parts = paths if len(paths) > 1 else ()
        return Source.model_validate(
            {**self.settings, "name": self.name, "url": paths[0], "parts": parts}
        )

    def without(self, problem: str) -> Entry:
        """The same entry, not among the predictors."""
        return replace(self, problem=problem)


@dataclass
class Names:
    """Names of entries, none twice."""

    taken: set[str] = field(default_factory=set)

    def new(self, text: str) -> str:
        name = plain_name(text, self.taken)
        self.taken.add(name)
        return name


@dataclass(frozen=True)
class _Header:
    """Where a raster is, for finding tiles."""

    crs: str
    cell: tuple[float, float]
    bands: tuple[tuple[str, str], ...]
    box: tuple[float, float, float, float]


def raster_entries(
    paths: Sequence[Path], names: Names
) -> tuple[list[Entry], list[tuple[Path, str]]]:
    """Entries of files that GDAL reads, and the files that it does not, with the reason."""
    import rasterio

    headers: dict[Path, _Header] = {}
    unread = []
    for path in paths:
        try:
            with rasterio.Env(**gdal_environment(str(path))), rasterio.open(path) as dataset:
                box = rasterio.transform.array_bounds(*dataset.shape, dataset.transform)
                headers[path] = _Header(
                    dataset.crs.to_wkt() if dataset.crs else "",
                    (round(dataset.transform.a, 9), round(dataset.transform.e, 9)),
                    tuple(zip(dataset.dtypes, map(str, dataset.descriptions))),
                    (box[0], box[1], box[2], box[3]),
                )
        except rasterio.errors.RasterioError as error:
            unread.append((path, f"no raster that GDAL reads ({first_line(error)})"))
    entries: list[Entry] = []
    for files in _tiles(headers):
        try:
            entries += _of_raster(files, names)
        except IcemapError as error:
            unread.append((files[0], str(error)))
    return entries, unread


def _tiles(headers: Mapping[Path, _Header]) -> list[tuple[Path, ...]]:
    """Files that are parts of one raster, by their names, and because no two cover one another."""
    groups: dict[object, list[Path]] = {}
    for path, header in headers.items():
        groups.setdefault((tile_key(path), header.crs, header.cell, header.bands), []).append(path)
    found: list[tuple[Path, ...]] = []
    for group in groups.values():
        boxes = [headers[path].box for path in group]
        if len(group) > 1 and not any(
            _covers(one, other) for i, one in enumerate(boxes) for other in boxes[:i]
        ):
            found.append(tuple(group))
        else:
            found += [(path,) for path in group]
    return sorted(found)


def _covers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two boxes share more than a rim."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width > 0 and height > 0 and width * height > 0.1 * smaller


def _of_raster(files: tuple[Path, ...], names: Names) -> list[Entry]:
    import rasterio

    from icemap.predictors.mosaics import open_mosaic

    first = files[0]
    with rasterio.Env(**gdal_environment(str(first))):
        urls = [gdal_path(str(path)) for path in files]
        mosaic = open_mosaic(first.stem, urls, [""] * len(urls), overlay=False)
        bands = [(n, band) for n, band in enumerate(mosaic.bands, 1) if not band.is_alpha]
        with rasterio.open(first) as dataset:
            nodata, crs = dataset.nodatavals, dataset.crs
            codes = {n: _codes(dataset, n) for n, _ in bands[:MAX_BANDS]}
    rows, cols = mosaic.layout.shape
    place = f"{rows:,} x {cols:,} cells"
    if len(files) > 1:
        place += f" in {len(files)} files, which by their names and places are parts of one raster"
    cell = _cell(crs, mosaic.layout.transform)
    entries = []
    stem = tile_name(files)
    for number, band in bands[:MAX_BANDS]:
        several = len(bands) > 1
        label = (band.name or f"band {number}") if several else ""
        described = band.declared.description.strip()
        title = in_words(described or f"{stem} {label}")
        settings, said, questions = _quantity(
            f"{stem} {label} {described}", title, band.declared, codes[number]
        )
        if several:
            settings["variable"] = str(number)
        missing = nodata[number - 1]
        said = [
            f"{_crs_words(crs)}, {place}, {band.declared.dtype}"
            + (f", band {number} of {len(bands)}" if several else "")
            + (", no nodata" if missing is None else f", nodata {missing:g}"),
            *said,
        ]
        entries.append(
            Entry(
                names.new(f"{stem}_{label}" if several else stem),
                files,
                settings,
                tuple(said),
                tuple(questions),
                cell,
            )
        )
    if len(bands) > MAX_BANDS:
        words = f"the file has {len(bands)} bands, the first {MAX_BANDS} are entries: which matter?"
        entries[-1] = replace(entries[-1], questions=(*entries[-1].questions, words))
    return entries


def tile_name(files: Sequence[Path]) -> str:
    """What a raster is called: its file without the suffix, or what the names of tiles share."""
    if len(files) == 1:
        return files[0].stem
    shared = tile_key(files[0])[1].replace("#", " ").strip()
    return shared or files[0].parent.name


def _codes(dataset: Any, band: int) -> tuple[int, ...]:
    """The different values of a band of integers, if they are few; from a reduced copy."""
    if not str(dataset.dtypes[band - 1]).startswith(("uint", "int")):
        return ()
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError

    whole = dataset.shape[0] * dataset.shape[1] <= MAX_WHOLE
    shape = dataset.shape if whole else tuple(min(side, MAX_LOOKED_AT) for side in dataset.shape)
    try:
        values = dataset.read(band, out_shape=shape, resampling=Resampling.nearest, masked=True)
    except RasterioError:
        return ()
    found = np.unique(values.compressed())
    return tuple(int(code) for code in found) if len(found) <= MAX_CODES else ()


def _quantity(
    text: str, title: str, declared: Declared, codes: Sequence[int]
) -> tuple[dict[str, object], list[str], list[str]]:
    """Settings that every entry needs, what they were read from, and what is not known."""
    family, word = family_of(text)
    settings: dict[str, object] = {"family": family, "long_name": title}
    said = [
        f"family: guessed from '{word}' in its name; it is a word for pages"
        if word
        else "family: nothing in its name says it; it is a word for pages"
    ]
    questions = []
    if declared.classes or declared.table:
        settings |= {"unit": "1", "kind": "class"}
        names = {code: name for code, name in declared.classes.items() if 0 <= code <= 254}
        said.append(f"kind: class, because the file has {declared.table or 'names of classes'}")
        if names:
            settings["classes"] = {code: name or f"class {code}" for code, name in names.items()}
        else:
            settings["classes"] = {code: f"class {code}" for code in codes if 0 <= code <= 254}
            questions.append(UNNAMED)
        return settings, said, questions
    if says_nothing(declared.unit):
        settings["unit"] = "unknown"
        questions.append(
            "the file does not say its unit: write it (m, degC, mm, %, ...); no number depends on"
            " it, but pages show it and derived predictors need it"
        )
    else:
        known = next((u for u in KNOWN_UNITS if same_unit(declared.unit, u)), declared.unit)
        settings["unit"] = known
        said.append(f"unit: '{declared.unit}' by the file")
    if (declared.scale, declared.offset) != (1.0, 0.0):
        said.append(f"its own scale {declared.scale:g} and offset {declared.offset:g} are used")
    if codes and len(codes) > 2:
        questions.append(
            f"it holds {len(codes)} different whole numbers ({', '.join(map(str, codes[:12]))}"
            f"{', ...' if len(codes) > 12 else ''}): if they are codes, say kind: class and classes"
        )
    return settings, said, questions


def _cell(crs: Any, transform: Any) -> float | None:
    """Side of a cell in degrees."""
    side = float((abs(transform.a) + abs(transform.b) + abs(transform.d) + abs(transform.e)) / 2)
    if crs is None:
        return None
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    unit = known.axis_info[0].unit_conversion_factor if known.axis_info else 1.0
    if known.is_geographic:
        return float(np.degrees(side * unit)) if unit < 1 else side
    return side * float(unit or 1.0) / METRES_PER_DEGREE


def _crs_words(crs: Any) -> str:
    if crs is None:
        return "no CRS"
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    code = known.to_authority()
    if code is not None:
        return f"{':'.join(code)} ({pyproj.CRS.from_authority(*code).name})"
    method = known.coordinate_operation
    return method.method_name if known.name in UNNAMED_CRS and method is not None else known.name


def multidimensional_entries(path: Path, names: Names) -> tuple[list[Entry], str]:
    """Entries of a NetCDF or HDF file or a Zarr store, and why it has none."""
    from icemap.predictors.groups import Container, open_variable
    from icemap.store import zarr_store

    is_zarr = path.suffix.lower() == ".zarr"
    try:
        place = zarr_store(str(path), read_only=True) if is_zarr else str(path)
        container = Container(place, is_zarr)
        wanted = _variables(container)
        entries = []
        for variable in wanted:
            with open_variable(
                container, variable, str(path), (*LONGITUDE_NAMES, *LATITUDE_NAMES)
            ) as (dataset, array, declared):
                found = _of_variable(path, variable, dataset, array, declared, names, len(wanted))
            entries += found
    except IcemapError as error:
        return [], str(error)
    # Whatever the libraries raise on a file that is not what its name says.
    except Exception as error:
        return [], f"not a file that xarray reads ({first_line(error)})"
    return entries, "" if entries else "no variable of it is on a raster"


def _variables(container: Any, group: str = "") -> list[str]:
    """Paths of the numeric variables with two axes or more that are no axes themselves."""
    with container.open(group or None) as dataset:
        bounds = {str(one.attrs.get("bounds", "")) for one in dataset.variables.values()}
        prefix = f"{group}/" if group else ""
        found = [
            f"{prefix}{name}"
            for name, one in dataset.data_vars.items()
            if one.ndim >= 2
            and name not in bounds
            and one.dtype.kind in "biuf"
            and str(name).lower() not in (*LONGITUDE_NAMES, *LATITUDE_NAMES)
        ]
    for one in container.subgroups(group):
        found += _variables(container, f"{group}/{one}" if group else one)
    return found


def _of_variable(
    path: Path,
    variable: str,
    dataset: xr.Dataset,
    array: xr.DataArray,
    declared: Declared,
    names: Names,
    count: int,
) -> list[Entry]:
    short = variable.rpartition("/")[2]
    long_name = str(array.attrs.get("long_name") or array.attrs.get("standard_name") or "")
    title = in_words(long_name or f"{path.stem} {short}")
    x = _axis(array, LONGITUDE_NAMES, "degrees_east")
    y = _axis(array, LATITUDE_NAMES, "degrees_north")
    codes = tuple(declared.classes) if declared.table else ()
    text = f"{path.stem} {short} {long_name}"
    settings, said, questions = _quantity(text, title, declared, codes)
    if count > 1:
        settings["variable"] = variable
    sizes = ", ".join(f"{dim} {size:,}" for dim, size in array.sizes.items())
    missing = ", ".join(f"{code:g}" for code in dict.fromkeys(declared.stored.missing))
    crs, cell = _crs_and_cell(dataset, array, x, y)
    said = [
        f"{crs}, variable {variable} ({sizes}), {declared.dtype}"
        + (f", missing {missing}" if missing else ""),
        *said,
    ]
    if x is None or y is None:
        dims = ", ".join(map(str, array.dims))
        questions.append(f"which of its dimensions ({dims}) run east and north? Write x and y")
    stem = f"{path.stem}_{short}" if count > 1 else path.stem
    further = [str(dim) for dim in array.dims if dim not in (x, y) and array.sizes[dim] > 1]
    if len(further) > 2 or x is None or y is None:
        problem = "" if x and y else "its axes are not known"
        entry = Entry(names.new(stem), (path,), settings, tuple(said), tuple(questions), cell)
        return [entry.without(problem)]
    reduced: dict[str, str] = {}
    selected: dict[str, float | str] = {}
    for dim in further:
        steps = array.sizes[dim]
        if _is_time(array, dim):
            reduced[dim] = "mean"
            said.append(f"{_steps(array, dim)}, which are reduced to one value")
            questions.append(
                f"is another thing than the mean over {dim} wanted? reduce: {{{dim}: min, max, sum"
                f" or range}}, or one step by select: {{{dim}: ...}}"
            )
            if steps > MAX_STEPS:
                questions.append(f"{steps:,} steps are read for each cell, which takes its time")
        else:
            value = _first(array, dim)
            selected[dim] = value
            said.append(f"{_steps(array, dim)}: the first is taken (select)")
            questions.append(f"which {dim} is wanted? {_steps(array, dim)}")
    if selected:
        settings["select"] = selected
    entries = []
    ways = [("", reduced)]
    continuous = settings.get("kind") != "class"
    if len(reduced) == 1 and continuous and array.sizes[next(iter(reduced))] >= MONTHS:
        # What the year's course adds to its mean.
        ways = [("_mean", reduced), ("_range", dict.fromkeys(reduced, "range"))]
    if reduced and not continuous:
        dim = next(iter(reduced))
        ways = [("", {})]
        settings["select"] = {**selected, dim: _first(array, dim)}
        said[-1] = f"{_steps(array, dim)}: the first is taken, as classes have no mean"
    for suffix, reduce in ways:
        words = in_words(suffix)
        own = {**settings, "long_name": f"{title}, {words}" if words else title}
        if reduce:
            own["reduce"] = reduce
        if suffix == "_range" and same_unit(str(own["unit"]), "degC"):
            said = [*said, "a range of temperatures is a difference: no offset is applied"]
        entries.append(
            Entry(names.new(f"{stem}{suffix}"), (path,), own, tuple(said), tuple(questions), cell)
        )
        questions = [text for text in questions if not text.startswith("is another thing")]
    return entries


def _axis(array: xr.DataArray, names: tuple[str, ...], units: str) -> str | None:
    for dim in array.dims:
        if dim in array.coords and (
            array[dim].attrs.get("units") == units or str(dim).lower() in names
        ):
            return str(dim)
    return None


def _is_time(array: xr.DataArray, dim: str) -> bool:
    units = str(array[dim].attrs.get("units", "")) if dim in array.coords else ""
    return bool(SINCE.match(units)) or dim.lower() in TIME_NAMES


def _first(array: xr.DataArray, dim: str) -> float | str:
    """The first place of an axis, as ``select`` takes it."""
    if dim not in array.coords:
        return 0.0
    value = array[dim].to_numpy()[0]
    return float(value) if array[dim].dtype.kind in "biuf" else str(value)


def _steps(array: xr.DataArray, dim: str) -> str:
    """An axis in words: how long it is, and from where to where it goes."""
    steps = array.sizes[dim]
    if dim not in array.coords:
        return f"the axis {dim} has {steps} steps without values"
    labels, units = array[dim].to_numpy(), str(array[dim].attrs.get("units", ""))
    first, last = labels[0], labels[-1]
    if SINCE.match(units):
        import cftime

        calendar = str(array[dim].attrs.get("calendar", "standard"))
        try:
            first, last = (
                cftime.num2date(float(value), units, calendar=calendar).strftime("%Y-%m-%d")
                for value in (first, last)
            )
            units = ""
        except (ValueError, OverflowError, TypeError):
            pass
    return f"the axis {dim} has {steps} steps, {first} to {last} {units}".rstrip()


def _crs_and_cell(
    dataset: xr.Dataset, array: xr.DataArray, x: str | None, y: str | None
) -> tuple[str, float | None]:
    import rioxarray  # noqa: F401  (gives arrays their .rio)

    crs = array.rio.crs or dataset.rio.crs
    if x is None or y is None:
        return _crs_words(crs), None
    axis = np.asarray(array[x], dtype=float) if x in array.coords else np.empty(0)
    if len(axis) < 2:
        return _crs_words(crs), None
    step = float(np.median(np.abs(np.diff(axis))))
    degrees = array[x].attrs.get("units") == "degrees_east" or x.lower() in LONGITUDE_NAMES[:3]
    if crs is None and degrees:
        return "longitudes and latitudes", step
    if crs is None:
        return "no CRS", None
    from affine import Affine

    return _crs_words(crs), _cell(crs, Affine(step, 0, 0, 0, -step, 0))
