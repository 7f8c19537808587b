"""Entries of NetCDF and HDF files and Zarr stores: one for each variable on a raster, whose further
axes are reduced or selected from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from icemap.errors import IcemapError, first_line
from icemap.predictors.array_source import LATITUDE_NAMES, LONGITUDE_NAMES
from icemap.predictors.choosing import SINCE
from icemap.predictors.declared import Declared
from icemap.starting.entries import Entry, Names, cell_side, crs_words, settings_of
from icemap.starting.words import in_words
from icemap.units import same_unit

if TYPE_CHECKING:
    import xarray as xr

MONTHS = 12
TIME_NAMES = ("time", "month", "months", "year", "years", "date", "day", "t")
# Steps of a time axis that are read for one entry without a word.
MAX_STEPS = 500


def multidimensional_entries(path: Path, names: Names) -> tuple[list[Entry], str]:
    """Entries of a NetCDF or HDF file or a Zarr store, and why it has none."""
    from icemap.predictors.groups import Container, open_variable
    from icemap.zarr_groups import zarr_store

    is_zarr = path.suffix.lower() == ".zarr"
    try:
        place = zarr_store(str(path), read_only=True) if is_zarr else str(path)
        container = Container(place, is_zarr)
        wanted = _variables(container)
        alone, axes = len(wanted) == 1, (*LONGITUDE_NAMES, *LATITUDE_NAMES)
        entries = []
        for variable in wanted:
            with open_variable(container, variable, str(path), axes) as opened:
                entries += _of_variable(path, variable, opened, names, alone)
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
    opened: tuple[xr.Dataset, xr.DataArray, Declared],
    names: Names,
    alone: bool,
) -> list[Entry]:
    dataset, array, declared = opened
    short = variable.rpartition("/")[2]
    long_name = str(array.attrs.get("long_name") or array.attrs.get("standard_name") or "")
    title = in_words(long_name or f"{path.stem} {short}")
    x = _axis(array, LONGITUDE_NAMES, "degrees_east")
    y = _axis(array, LATITUDE_NAMES, "degrees_north")
    codes = tuple(declared.classes) if declared.table else ()
    text = f"{path.stem} {short} {long_name}"
    settings, said, questions = settings_of(text, title, declared, codes)
    if not alone:
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
    stem = path.stem if alone else f"{path.stem}_{short}"
    further = [str(dim) for dim in array.dims if dim not in (x, y) and array.sizes[dim] > 1]
    if len(further) > 2 or x is None or y is None:
        problem = "" if x and y else "its axes are not known"
        entry = Entry(names.new(stem), (path,), settings, tuple(said), tuple(questions), cell)
        return [entry.without(problem)]
    reduced, selected, lines, more = _further_axes(array, further)
    said += lines
    questions += more
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
        questions = [text for text in questions if not text.startswith("is another thing")]
        questions.append(f"which {dim} is wanted? {_steps(array, dim)}")
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


def _further_axes(
    array: xr.DataArray, dims: list[str]
) -> tuple[dict[str, str], dict[str, float | str], list[str], list[str]]:
    """How axes other than those of the raster are reduced or selected from, what is said of that,
    and what is asked.
    """
    said, questions = [], []
    reduced: dict[str, str] = {}
    selected: dict[str, float | str] = {}
    for dim in dims:
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
            selected[dim] = _first(array, dim)
            said.append(f"{_steps(array, dim)}: the first is taken (select)")
            questions.append(f"which {dim} is wanted? {_steps(array, dim)}")
    return reduced, selected, said, questions


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
        return crs_words(crs), None
    axis = np.asarray(array[x], dtype=float) if x in array.coords else np.empty(0)
    if len(axis) < 2:
        return crs_words(crs), None
    step = float(np.median(np.abs(np.diff(axis))))
    degrees = array[x].attrs.get("units") == "degrees_east" or x.lower() in LONGITUDE_NAMES[:3]
    if crs is None and degrees:
        return "longitudes and latitudes", step
    if crs is None:
        return "no CRS", None
    from affine import Affine

    return crs_words(crs), cell_side(crs, Affine(step, 0, 0, 0, -step, 0))
