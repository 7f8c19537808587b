"""Borehole profiles in CF NetCDF, as the Northwest Territories Geological Survey and PermafrostNet
serve them (ERDDAP, ``featureType: profile``).

Variables: ``top_of_interval`` and ``bottom_of_interval`` (m), ``latitude``, ``longitude``, a name
(``platform_name``, ``borehole`` or ``profile``), ``frozen`` (1 and 0), ``visible_ice`` (classes, or
a share with its unit), ``materials`` and ``volumetric_moisture``. Written from the published
writers of such files, without a file of the archive at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.places import without_a_turn
from icemap.boreholes.records import (
    Flags,
    Problems,
    Records,
    join_flags,
    make_layers,
    require_schema,
)
from icemap.boreholes.table_units import unit_factor
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError, first_line
from icemap.store import is_remote, join, list_names, local_copy, local_path

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".nc4", ".cdf")
NAMES = ("platform_name", "borehole", "site_name", "profile", "station")
TOP, BASE = "top_of_interval", "bottom_of_interval"
# Middle of the classes of visible ice, as a fraction, as Castagner et al. (2022) give them for the
# same logs.
VISIBLE_ICE = {
    "no visible ice": 0.0,
    "none": 0.0,
    "low": 0.08,
    "medium to high": 0.45,
    "high": 0.87,
}
PURE_ICE = ("pure ice", "ice")
FROZEN = {
    "1": "yes",
    "yes": "yes",
    "true": "yes",
    "frozen": "yes",
    "0": "no",
    "no": "no",
    "false": "no",
    "unfrozen": "no",
}


def read_cf_profiles(url: str) -> Records:
    """Read one NetCDF file, of one borehole or many, or all of a folder.

    Raises
    ------
    IcemapError
        If there is no such file, or one lacks the depths, a place, a unit or a known class.
    """
    files = (
        [url]
        if url.lower().endswith(SUFFIXES)
        else [join(url, name) for name in sorted(_names(url)) if name.lower().endswith(SUFFIXES)]
    )
    if not files:
        raise IcemapError(
            f"{url} holds no NetCDF file (.nc): give a file of borehole profiles, or the folder"
            " that holds them."
        )
    parts, flags, problems = [], [], []
    for file in files:
        try:
            layers, told = _layers(file)
        except IcemapError as error:
            problems.append(str(error))
            continue
        parts.append(layers)
        flags.append(told)
    if problems:
        raise IcemapError(" ".join(problems))
    return Records(pd.concat(parts, ignore_index=True), join_flags(flags))


def _names(url: str) -> list[str]:
    if not is_remote(url) and not local_path(url).is_dir():
        raise IcemapError(
            f"{url} is neither a NetCDF file (.nc) nor a folder of them: correct the path, or the"
            " reader."
        )
    return list_names(url)


def _layers(file: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    import xarray as xr

    with local_copy(file) as path:
        try:
            data = xr.open_dataset(path, engine="netcdf4", decode_times=False).load()
        except (OSError, ValueError, KeyError) as error:
            raise IcemapError(
                f"{file} is not readable NetCDF ({first_line(error).rstrip('.')}): fetch it again."
            ) from error
        data.close()
    absent = [name for name in (TOP, BASE, "latitude", "longitude") if name not in data.variables]
    if absent:
        raise IcemapError(
            f"{file} has no variable {absent[0]}: a borehole profile has {TOP}, {BASE}, latitude"
            f" and longitude, it has {', '.join(map(str, data))}."
        )
    table = _as_table(file, data)
    frame = table.frame
    names = as_text(frame["name"])
    flags, problems = Flags(table, names), Problems(table)
    top, base = (
        frame[name].to_numpy(float) * _factor(file, data, name, "length [m]")
        for name in (TOP, BASE)
    )
    if any(str(data[name].attrs.get("positive", "down")).lower() == "up" for name in (TOP, BASE)):
        top, base = -top, -base
    frozen = (
        as_text(frame["frozen"]).str.lower().str.replace(r"\.0$", "", regex=True)
        if "frozen" in frame
        else pd.Series("", index=frame.index)
    )
    problems.add(
        (~frozen.isin([*FROZEN, "", "nan"])).to_numpy(), "frozen is neither 1 nor 0:", frozen
    )
    share, pure = _visible_ice(file, data, frame, problems)
    problems.require_none()
    material = (
        as_text(frame["materials"]).str.lower()
        if "materials" in frame
        else pd.Series("", index=frame.index)
    )
    massive = pure | (material == "ice").to_numpy()
    layers = make_layers(
        table,
        {
            "site": names,
            "lon": without_a_turn(frame["longitude"].to_numpy(float), flags),
            "lat": frame["latitude"].to_numpy(float),
            "top": top,
            "base": base,
            "support": "logs",
            "frozen": frozen.map(FROZEN).fillna("").to_numpy(object),
            "method": "log",
            "visible_ice": np.where(massive, np.nan, share),
            "volumetric_water": _moisture(file, data, frame),
            "ice_type": np.where(massive, "massive", "").astype(object),
            "source": str(data.attrs.get("title", "")) or "CF profile",
        },
    )
    require_schema(layers, table)
    return layers, flags.table()


def _as_table(file: str, data: xr.Dataset) -> Table:
    """One row per interval, whatever the dimensions: one profile, stations by depth, or rows."""
    import xarray as xr

    kept = [
        name
        for name in (
            TOP,
            BASE,
            "latitude",
            "longitude",
            "frozen",
            "visible_ice",
            "materials",
            "volumetric_moisture",
        )
        if name in data.variables
    ]
    name = next((name for name in NAMES if name in data.variables), None)
    intervals = data[TOP]
    arrays = {
        kind: xr.DataArray(data[kind].variable).broadcast_like(xr.DataArray(intervals.variable))
        for kind in kept
    }
    strange = [kind for kind, array in arrays.items() if array.sizes != intervals.sizes]
    if strange:
        raise IcemapError(
            f"{file}: {strange[0]} has other dimensions than {TOP}, which are"
            f" {', '.join(map(str, intervals.dims))}: it is no borehole profile."
        )
    columns = {
        kind: _text(array.transpose(*intervals.dims).to_numpy().ravel())
        for kind, array in arrays.items()
    }
    if name is None:
        columns["name"] = np.full(
            intervals.size, file.rsplit("/", 1)[-1].rsplit(".", 1)[0], dtype=object
        )
    else:
        labels = (
            xr.DataArray(data[name].variable)
            .broadcast_like(xr.DataArray(intervals.variable))
            .transpose(*intervals.dims)
        )
        columns["name"] = _text(labels.to_numpy().ravel())
    frame = pd.DataFrame(columns)
    # Profiles of different length are padded.
    there = frame[[TOP, BASE]].notna().any(axis=1).to_numpy()
    if not there.any():
        raise IcemapError(f"{file} holds no interval with depths: check the file.")
    return Table(file, frame[there].reset_index(drop=True), np.flatnonzero(there) + 1)


def _text(values: NDArray) -> NDArray:
    """Bytes as text; numbers as they are."""
    if values.dtype.kind == "S" or values.dtype == object:
        return np.array(
            [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values],
            dtype=object,
        )
    return values.astype(object) if values.dtype.kind == "U" else values


def _factor(file: str, data: xr.Dataset, name: str, kind: str) -> float:
    unit = str(data[name].attrs.get("units", ""))
    factor = unit_factor(unit, kind)
    if factor is None:
        raise IcemapError(
            f"{file} gives {name} in '{unit}', which is no unit of it: correct the attribute"
            " 'units'."
        )
    return factor


def _visible_ice(
    file: str, data: xr.Dataset, frame: pd.DataFrame, problems: Problems
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Visible ice as a fraction, and which intervals are pure ice; classes by their middles."""
    if "visible_ice" not in frame:
        return np.full(len(frame), np.nan), np.zeros(len(frame), dtype=bool)
    if frame["visible_ice"].dtype.kind in "fiu":
        return frame["visible_ice"].to_numpy(float) * _factor(
            file, data, "visible_ice", "fraction"
        ), np.zeros(len(frame), dtype=bool)
    text = as_text(frame["visible_ice"]).str.lower()
    problems.add(
        (~text.isin([*VISIBLE_ICE, *PURE_ICE, "", "na", "nan"])).to_numpy(),
        "visible_ice is not a class:",
        frame["visible_ice"],
    )
    return np.asarray(text.map(VISIBLE_ICE), dtype=float), np.asarray(
        text.isin(PURE_ICE), dtype=bool
    )


def _moisture(file: str, data: xr.Dataset, frame: pd.DataFrame) -> NDArray[np.float64]:
    if "volumetric_moisture" not in frame:
        return np.full(len(frame), np.nan)
    return parse_numbers(frame["volumetric_moisture"]).value * _factor(
        file, data, "volumetric_moisture", "fraction"
    )
