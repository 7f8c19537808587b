"""icemap's own long table: one row per layer, units in the header."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.records import QUANTITIES, Flags, Problems, Records, canonical_ice_types, make_layers, require_one_place, require_schema
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import UNITS, as_names, as_text, parse_numbers, split_header, unit_factor, words
from icemap.errors import IcemapError

ALIASES = {"lon": "longitude", "lat": "latitude", "vic": "reported_vic", "id": "site", "borehole": "site"}
DEPTHS = ("permafrost_table", "top", "base", "depth")
KNOWN = ("site", "longitude", "latitude", "position_grade", *DEPTHS, "permafrost_table_source", "method", *QUANTITIES, "ice_type", "source", "year")


def read_layer_table(url: str) -> Records:
    """Read a table of layers.

    Columns: ``site, longitude [deg], latitude [deg], position_grade, permafrost_table [m], permafrost_table_source, top [m], base [m], method,
    gravimetric_water [%], dry_density [g/cm3], frozen_bulk_density [g/cm3], volumetric_water [%], excess_ice [%], visible_ice [%], matrix_vic [%],
    porosity [%], vic [%], unfrozen_water [%], wedge_ice [%], ice_type, source, year``. Needed are site, longitude, latitude, top and base (or
    ``depth [m]`` with ranges such as ``0.5-1.2`` and points) and one quantity or ``ice_type``. Units: %, 1, m, cm, mm, g/cm3, kg/m3.

    Raises
    ------
    IcemapError
        If a needed column or a unit is missing, or cells cannot be read: every one by line.
    """
    table = read_table(url, text=("site", "id", "borehole", "source"))
    found = _columns(table)
    problems = Problems(table)
    columns: dict[str, object] = {}
    flags = Flags(table, as_names(table.frame[found["site"][0]]))
    for name, (header, unit) in found.items():
        raw = table.frame[header]
        if name in ("longitude", "latitude"):
            columns[name[:3]], unreadable = table.coordinates(header, "longitude" if name == "longitude" else "latitude")
            problems.add(unreadable, f"{header} is not a coordinate:", raw)
        elif name in DEPTHS or name in QUANTITIES:
            columns.update(_numbers(table, name, header, unit, problems, flags))
        elif name == "year":
            numbers = parse_numbers(raw)
            columns[name] = numbers.value
            problems.add(numbers.unreadable, f"{header} is not a number:", raw)
        elif name == "ice_type":
            columns[name] = canonical_ice_types(raw, problems, header)
        elif name == "permafrost_table_source":
            columns[name] = as_text(raw).map(lambda text: words(text).replace(" ", "_"))
        elif name == "position_grade":
            columns[name] = as_text(raw).str.upper()
        else:
            columns[name] = as_names(raw)
    problems.require_none()
    if "permafrost_table" in columns and "permafrost_table_source" not in columns:
        columns["permafrost_table_source"] = np.where(np.isnan(np.asarray(columns["permafrost_table"], dtype=float)), "", "reported").astype(object)
    unknown = [str(header) for header in table.frame.columns if header not in {header for header, _ in found.values()}]
    first = np.arange(len(table.frame)) == 0
    for header in unknown:
        flags.add(first, "unknown column", f"the column '{header}' is not known and was not read")
    layers = make_layers(table, columns)
    require_schema(layers, table)
    require_one_place(layers, table)
    return Records(layers, flags.table())


def _columns(table: Table) -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}
    for header in map(str, table.frame.columns):
        name, unit = split_header(header)
        name = name.strip().lower().replace(" ", "_")
        name = ALIASES.get(name, name)
        if name in KNOWN:
            if name in found:
                raise IcemapError(f"{table.file} has two columns for {name} ('{found[name][0]}' and '{header}'): keep one.")
            found[name] = (header, unit)
    needed = ["site", "longitude", "latitude", *(["depth"] if "depth" in found else ["top", "base"])]
    absent = [name for name in needed if name not in found]
    if absent:
        raise IcemapError(
            f"{table.file} has no column {', '.join(absent)}: a table of layers needs site, longitude [deg], latitude [deg], top [m] and base [m]."
        )
    if not any(name in found for name in (*QUANTITIES, "ice_type")):
        raise IcemapError(
            f"{table.file} has no measured quantity: it needs one column such as 'vic [%]' or 'gravimetric_water [%]' with 'dry_density [g/cm3]'."
        )
    return found


def _numbers(table: Table, name: str, header: str, unit: str | None, problems: Problems, flags: Flags) -> dict[str, NDArray[np.float64]]:
    kind = QUANTITIES.get(name, "length [m]")
    if unit is None:
        example = {"fraction": "%", "density [g/cm3]": "g/cm3", "length [m]": "m"}[kind]
        raise IcemapError(f"{table.file} does not say the unit of the column '{header}': write it in the header, for example '{header} [{example}]'.")
    factor = unit_factor(unit, kind)
    if factor is None:
        raise IcemapError(f"{table.file} gives the column '{header}' in a unit that is not known for it: use one of {', '.join(UNITS[kind])}.")
    numbers = parse_numbers(table.frame[header], unit)
    problems.add(numbers.unreadable, f"{header} is not a number:", table.frame[header])
    low, high = _scaled(numbers.low, factor), _scaled(numbers.high, factor)
    if name == "depth":
        flags.add(numbers.censored != 0, "censored", f"{header}: only a limit is given, the depth was left out")
        return {"top": np.where(numbers.censored != 0, np.nan, low), "base": np.where(numbers.censored != 0, np.nan, high)}
    flags.add(~np.isnan(numbers.low) & (numbers.low != numbers.high), "range", f"{header}: a range was read as its middle")
    value = np.where(low == high, low, low / 2 + high / 2)
    return {name: _without_censored(name, header, value, numbers.censored, flags)}


def _scaled(value: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    # Dividing by a whole number keeps 120 cm at 1.2 m exactly.
    return value / round(1 / factor) if factor < 1 else value * factor


def _without_censored(name: str, header: str, value: NDArray[np.float64], censored: NDArray[np.int8], flags: Flags) -> NDArray[np.float64]:
    """``> 3.2`` as the base of the last layer means the hole ended inside it; anywhere else the number itself is not known."""
    if not censored.any():
        return value
    if name == "base":
        flags.add(censored == 1, "censored", f"{header}: 'more than' was read as the end of what was seen")
        lost = censored == -1
    else:
        lost = censored != 0
    flags.add(lost, "censored", f"{header}: only a limit is given, the value was left out")
    return np.where(lost, np.nan, value)
