"""Any long table: one row per layer, with icemap's names of columns or with those that the config
gives.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.missing_codes import suspected_codes
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.places import degrees, projected, require_degrees, rounding_km, without_a_turn
from icemap.boreholes.quality import DEFAULT
from icemap.boreholes.readers.layer_columns import DEPTHS, Column, kind_of, layer_columns
from icemap.boreholes.records import (
    QUANTITIES,
    Flags,
    Problems,
    Records,
    canonical_ice_types,
    make_layers,
    require_one_spelling,
    require_schema,
)
from icemap.boreholes.table_units import UNITS, unit_factor
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import MISSING, as_names, as_text, line_ranges, words
from icemap.config_sections import LayerSource
from icemap.errors import IcemapError

# No ground has less than 1 % of these in all of its layers.
NEVER_SMALL = (
    "gravimetric_water",
    "volumetric_water",
    "matrix_vic",
    "porosity",
    "reported_vic",
)
# These may be below 1 % at a site, but hardly in a whole table.
SELDOM_SMALL = ("excess_ice", "visible_ice", "wedge_ice")
# Depth of the permafrost table (m) that half of a table's layers do not have.
MEDIAN_TABLE = 20.0
# Largest values (m, fractions) of what a code for missing may pass for; more is left out anyway.
UNBOUNDED = {
    "gravimetric_water": DEFAULT.gravimetric_water,
    **dict.fromkeys(DEPTHS, DEFAULT.depth),
}
# Water by dry mass, as a fraction: not even peat has more in half of a table's layers.
MEDIAN_WATER = 8.0
# How people write the words that a column knows.
SPELLINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "frozen": {
        "yes": ("y", "true", "1", "1.0", "frozen", "f"),
        "no": ("n", "false", "0", "0.0", "unfrozen", "thawed", "u"),
    },
    "support": {"samples": ("sample", "core sample"), "logs": ("log",)},
}


def read_layer_table(url: str, source: LayerSource | None = None) -> Records:
    """Read a table of layers.

    Columns: ``site, longitude [deg], latitude [deg], position_grade, permafrost_table [m],
    permafrost_table_source, top [m], base [m], support, frozen, method, gravimetric_water [%],
    dry_density [g/cm3], frozen_bulk_density [g/cm3], volumetric_water [%], excess_ice [%],
    visible_ice [%], matrix_vic [%], porosity [%], vic [%], unfrozen_water [%], wedge_ice [%],
    ice_type, source, year``. Needed are site, longitude, latitude, top and base (or ``depth [m]``
    with ranges such as ``0.5-1.2`` and points) and one quantity or ``ice_type``. Units: %, 1, m,
    cm, mm, g/cm3, kg/m3; in the header, in a column ``top_unit`` or the like, or in the config.

    Parameters
    ----------
    url : str
        CSV, Parquet, .xlsx, GeoPackage, shapefile or GeoJSON.
    source : LayerSource, optional
        Names of columns, units, CRS, signs for no data and sheet, where they are not as above.

    Raises
    ------
    IcemapError
        If a needed column or a unit is missing, or cells cannot be read: every one by line.
    """
    source = source or LayerSource(path=url)
    named = [source.columns[name] for name in ("site", "source") if name in source.columns]
    table = read_table(url, text=("site", "id", "borehole", "source", *named), sheet=source.sheet)
    found = layer_columns(table, source)
    flags, problems = Flags(table, as_names(table.frame[found["site"].header])), Problems(table)
    table = _without_missing(table, found, source, flags)
    columns: dict[str, object] = _places(table, found, source, problems, flags)
    for name, column in found.items():
        raw = table.frame[column.header]
        if name in DEPTHS or name in QUANTITIES:
            if name in (*NEVER_SMALL, *SELDOM_SMALL) and name not in source.units:
                _require_percent(table, name, column, as_names(table.frame[found["site"].header]))
            if name == "permafrost_table" and name not in source.units:
                _require_metres(table, column)
            if name == "gravimetric_water":
                _require_by_mass(table, column, confirmed=name in source.units)
            if name in UNBOUNDED and source.missing is None:
                _require_known_codes(table, name, column)
            columns.update(_numbers(table, name, column, problems, flags))
        elif name == "year":
            numbers = parse_numbers(raw)
            columns[name] = numbers.value
            problems.add(numbers.unreadable, f"{column.header} is not a number:", raw)
        elif name == "ice_type":
            columns[name] = canonical_ice_types(raw, problems, column.header)
        elif name == "permafrost_table_source":
            columns[name] = as_text(raw).map(lambda text: words(text).replace(" ", "_"))
        elif name == "position_grade":
            columns[name] = as_text(raw).str.upper()
        elif name in SPELLINGS:
            columns[name] = _words(raw, SPELLINGS[name])
        elif name not in ("longitude", "latitude"):
            columns[name] = as_names(raw)
    problems.require_none()
    if "permafrost_table" in columns and "permafrost_table_source" not in columns:
        columns["permafrost_table_source"] = np.where(
            np.isnan(np.asarray(columns["permafrost_table"], dtype=float)), "", "reported"
        ).astype(object)
    read = {header for column in found.values() for header in (column.header, column.unit_column)}
    first = np.arange(len(table.frame)) == 0
    for header in map(str, table.frame.columns):
        if header not in read:
            flags.add(
                first, "unknown column", f"the column '{header}' is not known and was not read"
            )
    layers = make_layers(table, columns)
    require_schema(layers, table)
    require_one_spelling(layers, table)
    return Records(layers, flags.table())


def _without_missing(
    table: Table, found: dict[str, Column], source: LayerSource, flags: Flags
) -> Table:
    """The table without the signs that the config says stand for no data."""
    if not source.missing:
        return table
    texts = {str(sign).strip().lower() for sign in source.missing}
    numbers = set(
        pd.to_numeric(pd.Series(list(source.missing), dtype=object), errors="coerce").dropna()
    )
    frame = table.frame.copy()
    for name, column in found.items():
        if name == "site":
            continue
        text = as_text(frame[column.header]).str.lower()
        gone = (text.isin(texts) | pd.to_numeric(text, errors="coerce").isin(numbers)).to_numpy(
            bool
        )
        flags.add(
            gone & ~text.isin(MISSING).to_numpy(bool),
            "missing",
            f"{column.header}: {', '.join(map(str, source.missing))} mean no data",
        )
        frame[column.header] = frame[column.header].mask(gone)
    return Table(table.file, frame, table.lines)


def _places(
    table: Table, found: dict[str, Column], source: LayerSource, problems: Problems, flags: Flags
) -> dict[str, object]:
    east, north = found["longitude"], found["latitude"]
    headers = (east.header, north.header)
    if source.crs:
        lon, lat = projected(table, headers, (east.unit, north.unit), source.crs, problems)
        return {"lon": lon, "lat": lat}
    lon = degrees(table, east.header, east.unit, "longitude", problems, flags)
    lat = degrees(table, north.header, north.unit, "latitude", problems, flags)
    require_degrees(table, headers, lon, lat)
    return {
        "lon": without_a_turn(lon, flags),
        "lat": lat,
        "position_km": rounding_km(table, headers),
    }


def _words(column: pd.Series, spellings: dict[str, tuple[str, ...]]) -> pd.Series:
    """Texts in the one spelling that the schema knows; those that are not known stay, and the
    schema names them.
    """
    text = as_text(column).str.lower()
    plain = text.str.replace(r"[\s_-]+", " ", regex=True)
    known = {word: name for name, words in spellings.items() for word in (name, *words)}
    return pd.Series(
        [known.get(word, "" if raw in MISSING else raw) for word, raw in zip(plain, text)],
        index=column.index,
        dtype=object,
    )


def _factors(table: Table, name: str, column: Column, problems: Problems) -> NDArray[np.float64]:
    """Factor of each row to the canonical unit."""
    kind = kind_of(name)
    if column.unit_column is not None:
        raw = table.frame[column.unit_column]
        texts = as_text(raw)
        factor = texts.map({text: unit_factor(text, kind) for text in texts.unique()}).to_numpy(
            float, na_value=np.nan
        )
        given = (as_text(table.frame[column.header]) != "").to_numpy()
        problems.add(
            np.isnan(factor) & given, f"{column.unit_column} is no unit of {column.header}:", raw
        )
        return factor
    if column.unit is None:
        example = {"fraction": "%", "density [g/cm3]": "g/cm3", "length [m]": "m"}[kind]
        raise IcemapError(
            f"{table.file} does not say the unit of the column '{column.header}': write it in the"
            f" header, for example '{column.header} [{example}]', or in the config as 'units:"
            f' {{{name}: "{example}"}}\'.'
        )
    factor_of_all = unit_factor(column.unit, kind)
    if factor_of_all is None:
        raise IcemapError(
            f"{table.file} gives the column '{column.header}' in a unit that is not known for it"
            f" ('{column.unit}'): use one of {', '.join(UNITS[kind])}."
        )
    return np.full(len(table.frame), factor_of_all)


def _require_known_codes(table: Table, name: str, column: Column) -> None:
    """Ask about numbers like 999 that are far outside the rest and would be used."""
    numbers = parse_numbers(table.frame[column.header], column.unit)
    ends = np.concatenate([numbers.low, numbers.high])
    canonical = ends * ((column.unit and unit_factor(column.unit, kind_of(name))) or 1.0)
    codes = suspected_codes(
        np.where((canonical >= 0) & (canonical <= UNBOUNDED[name]), ends, np.nan)
    )
    if codes:
        rows = np.isin(numbers.low, codes) | np.isin(numbers.high, codes)
        named = ", ".join(f"{code:.6g}" for code in codes)
        raise IcemapError(
            f"{table.file}: the column '{column.header}' holds {named} (line"
            f" {line_ranges(table.lines[rows])}), far outside the rest: if it stands for no value,"
            f" give 'missing: [{named}]' with the table in the config; if every number is a value,"
            " 'missing: []'."
        )


def _require_by_mass(table: Table, column: Column, *, confirmed: bool) -> None:
    """Water by dry mass that is given by volume, or in % where a fraction is said."""
    if column.unit is None:
        return
    if re.search(r"vol|v/v|m3|m³", column.unit, re.IGNORECASE):
        raise IcemapError(
            f"{table.file} gives the column '{column.header}' by volume ('{column.unit}'), and"
            " gravimetric_water is by dry mass: name it volumetric_water, or correct its unit."
        )
    water = parse_numbers(table.frame[column.header], column.unit).value
    water = water[np.isfinite(water)]
    if (
        not confirmed
        and unit_factor(column.unit, "fraction") == 1.0
        and len(water)
        and np.median(water) > MEDIAN_WATER
    ):
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but half of its"
            f" values are {np.median(water):g} or more, like %: correct the unit to '%', or, if the"
            " numbers are right, confirm it in the config as"
            f" 'units: {{gravimetric_water: \"{column.unit}\"}}'."
        )


def _require_percent(table: Table, name: str, column: Column, sites: pd.Series) -> None:
    """Fractions of 0 to 1 in a column of %, at all sites or at some of them."""
    if column.unit is None or (unit_factor(column.unit, kind_of(name)) or 1.0) == 1.0:
        return
    value = parse_numbers(table.frame[column.header], column.unit).value
    given = np.unique(value[np.isfinite(value)])
    parts = (given > 0) & (given < 1)
    confirmed = f'{{{name}: "{column.unit}"}}'
    small = pd.Series(value).groupby(sites.to_numpy()).agg(["min", "max", "nunique"])
    some = small.index[(small["min"] > 0) & (small["max"] < 1) & (small["nunique"] > 1)]
    if len(some) and given[-1] > 1 and name in NEVER_SMALL:
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but all values of"
            f" the site '{some[0]}' are below 1 like fractions: bring the column to one unit, or,"
            f" if the numbers are right, confirm it in the config as 'units: {confirmed}'."
        )
    # 0 and 1 alone may be either.
    if len(given) > 1 and given[0] >= 0 and given[-1] <= 1 and parts.any():
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but its values go"
            f" from {given[0]:g} to {given[-1]:g} like fractions: correct the unit to '1', or, if"
            f" the numbers are right, confirm it in the config as 'units: {confirmed}'."
        )


def _require_metres(table: Table, column: Column) -> None:
    """A permafrost table that is given in cm where m are said."""
    depth = parse_numbers(table.frame[column.header], column.unit).value
    metres = depth * ((column.unit and unit_factor(column.unit, "length [m]")) or np.nan)
    metres = metres[np.isfinite(metres) & (metres <= DEFAULT.depth)]
    if len(metres) and np.median(metres) > MEDIAN_TABLE:
        raise IcemapError(
            f"{table.file}: the column '{column.header}' is in '{column.unit}', but half of its"
            f" values are {np.median(metres):g} m or more: correct the unit (cm?), or, if the"
            " numbers are right, confirm it in the config as"
            f" 'units: {{permafrost_table: \"{column.unit}\"}}'."
        )


def _numbers(
    table: Table, name: str, column: Column, problems: Problems, flags: Flags
) -> dict[str, NDArray[np.float64]]:
    header = column.header
    factor = _factors(table, name, column, problems)
    numbers = parse_numbers(table.frame[header], column.unit)
    problems.add(numbers.unreadable, f"{header} is not a number:", table.frame[header])
    low, high = _scaled(numbers.low, factor), _scaled(numbers.high, factor)
    if name == "depth":
        flags.add(
            numbers.censored != 0,
            "censored",
            f"{header}: only a limit is given, the depth was left out",
        )
        return {
            "top": np.where(numbers.censored != 0, np.nan, low),
            "base": np.where(numbers.censored != 0, np.nan, high),
        }
    flags.add(
        ~np.isnan(numbers.low) & (numbers.low != numbers.high),
        "range",
        f"{header}: a range was read as its middle",
    )
    value = np.where(low == high, low, low / 2 + high / 2)
    return {name: _without_censored(name, header, value, numbers.censored, flags)}


def _scaled(value: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    # Dividing by a whole number keeps 120 cm at 1.2 m exactly.
    return np.where(factor < 1, value / np.round(1 / factor), value * factor)


def _without_censored(
    name: str, header: str, value: NDArray[np.float64], censored: NDArray[np.int8], flags: Flags
) -> NDArray[np.float64]:
    """``> 3.2`` as the base of the last layer means the hole ended inside it; anywhere else the
    number itself is not known.
    """
    if not censored.any():
        return value
    if name == "base":
        flags.add(
            censored == 1, "censored", f"{header}: 'more than' was read as the end of what was seen"
        )
        lost = censored == -1
    else:
        lost = censored != 0
    flags.add(lost, "censored", f"{header}: only a limit is given, the value was left out")
    return np.where(lost, np.nan, value)
