"""Active-layer thickness of the GTN-P CALM network: the permafrost table of places without one of
their own.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.quality import check_coordinates
from icemap.boreholes.records import Problems
from icemap.boreholes.site_units import LEAST_THAW, MOST_THAW
from icemap.boreholes.table_units import convert_units, split_header
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_text
from icemap.errors import IcemapError

_YEAR = re.compile(r"(?:19|20)\d\d")


def read_calm(url: str) -> pd.DataFrame:
    """Read a table of active-layer thickness.

    Either one column ``alt_cm``, ``alt [cm]`` or ``alt [m]`` with the mean of all years, or one
    column per year (``1990``, ``1991``, ..., in cm, as the network publishes them: ``-`` for none,
    ``>150`` where the probe was too short). Coordinates in ``lat`` and ``lon``.

    Returns
    -------
    DataFrame
        ``site, lon, lat, active_layer`` (m), ``years`` (counted), ``line``, ``reason`` (why it
        cannot be used, empty when it can).

    Raises
    ------
    IcemapError
        If a column is missing, cells cannot be read (every one by line), or the ground cannot thaw
        to such depths.
    """
    table = read_table(url)
    names = {
        split_header(str(column))[0].strip().lower(): str(column) for column in table.frame.columns
    }
    lon, lat = (
        _coordinate(table, names, spellings)
        for spellings in (("lon", "long", "longitude"), ("lat", "latitude"))
    )
    years = [str(column) for column in table.frame.columns if _YEAR.fullmatch(str(column).strip())]
    thickness, counted, limit = _by_year(table, years) if years else _mean(table, names)
    _require_thaw(table, thickness, years)
    name = next(
        (names[key] for key in ("point_id", "site code", "code", "site", "name") if key in names),
        None,
    )
    sites = pd.DataFrame(
        {
            "site": (
                as_text(table.frame[name]).to_numpy(object)
                if name
                else [f"row {i + 1}" for i in range(len(table.frame))]
            ),
            "lon": lon,
            "lat": lat,
            "active_layer": thickness,
            "years": counted,
            "line": table.lines,
        }
    )
    reason = check_coordinates(sites)
    reason[np.isnan(thickness)] = "no active-layer thickness"
    reason[np.isnan(thickness) & limit] = "only limits of the active-layer thickness"
    return sites.assign(reason=reason)


def _require_thaw(table: Table, thickness: Any, years: list[str]) -> None:
    """Refuse thicknesses in another unit than they are read in, such as metres in columns of years,
    and what is none.
    """
    given = thickness[np.isfinite(thickness)]
    if len(given) and not LEAST_THAW <= np.median(given) <= MOST_THAW:
        read = f"the columns {years[0]} to {years[-1]}, which are read in cm" if years else "them"
        raise IcemapError(
            f"{table.file}: half of its active-layer thicknesses are about {np.median(given):g} m,"
            f" which no ground thaws to: correct {read}, or remove 'permafrost_table' from the"
            " config if it is another table."
        )


def _coordinate(table: Table, names: dict[str, str], spellings: tuple[str, ...]) -> np.ndarray:
    header = next((names[name] for name in spellings if name in names), None)
    if header is None:
        raise IcemapError(
            f"{table.file} has no column '{spellings[0]}': a table of active-layer thickness needs"
            " lon, lat and alt [cm]."
        )
    values, unreadable = table.coordinates(
        header, "longitude" if spellings[0] == "lon" else "latitude"
    )
    problems = Problems(table)
    problems.add(unreadable, f"{header} is not a coordinate:", table.frame[header])
    problems.require_none()
    return values


def _mean(table: Table, names: dict[str, str]) -> tuple[Any, Any, Any]:
    header = next(
        (
            names[name]
            for name in ("alt_cm", "alt", "active_layer", "active_layer_thickness")
            if name in names
        ),
        None,
    )
    if header is None:
        raise IcemapError(
            f"{table.file} has no active-layer thickness: it needs a column alt [cm], or one column"
            " per year such as 1990."
        )
    unit = "cm" if header == "alt_cm" else split_header(header)[1]
    numbers = parse_numbers(table.frame[header], unit)
    problems = Problems(table)
    problems.add(numbers.unreadable, f"{header} is not a number:", table.frame[header])
    problems.require_none()
    metres = convert_units(numbers.value, unit, "m") if unit else None
    if metres is None:
        raise IcemapError(
            f"{table.file} does not say the unit of '{header}': write '{header} [cm]' in the"
            " header."
        )
    limit = numbers.censored != 0
    metres = np.where(limit | (metres <= 0), np.nan, metres)
    years = (
        parse_numbers(table.frame[names["n_years"]]).value
        if "n_years" in names
        else np.where(np.isnan(metres), 0, 1)
    )
    return metres, years, np.asarray(limit)


def _by_year(table: Table, years: list[str]) -> tuple[Any, Any, Any]:
    problems = Problems(table)
    values, limits = [], []
    for year in years:
        numbers = parse_numbers(table.frame[year], "cm")
        problems.add(numbers.unreadable, f"{year} is not a number:", table.frame[year])
        limits.append(numbers.censored != 0)
        values.append(np.where(limits[-1] | (numbers.value <= 0), np.nan, numbers.value / 100))
    problems.require_none()
    columns = np.column_stack(values)
    counted = (~np.isnan(columns)).sum(axis=1)
    mean = np.divide(
        np.nansum(columns, axis=1), counted, out=np.full(len(columns), np.nan), where=counted > 0
    )
    return mean, counted, np.column_stack(limits).any(axis=1)
