"""Sites that already have one value of the target each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.quality import check_coordinates, check_identical, first_reason
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_text, convert_units, parse_coordinates, parse_numbers, split_header
from icemap.config import SitesConfig, TargetConfig
from icemap.errors import IcemapError


def read_site_values(config: SitesConfig, target: TargetConfig) -> pd.DataFrame:
    """Read a table of sites and bring its values to the target's unit.

    Returns
    -------
    DataFrame
        The site table: one row per row of the file, ``used`` False with a ``reason`` where it has no usable value or place.

    Raises
    ------
    IcemapError
        If the table, a column or the unit is missing, or the unit cannot become the target's.
    """
    table = read_table(config.table, text=(config.id,) if config.id else ())
    header = _find(table, config.value, "sites.value")
    value, spread, censored = _values(table, header, config, target)
    if config.standard_error is not None:
        spread = _standard_errors(table, config.standard_error, header, config, target)
    lon, lon_unreadable = parse_coordinates(table.frame[_find(table, config.longitude, "sites.longitude")])
    lat, lat_unreadable = parse_coordinates(table.frame[_find(table, config.latitude, "sites.latitude")])
    rows = np.arange(1, len(table.frame) + 1)
    names = as_text(table.frame[_find(table, config.id, "sites.id")]) if config.id else pd.Series(rows).map(lambda row: f"row {row}")
    sites = pd.DataFrame(
        {
            "site": names.to_numpy(),
            "lon": lon,
            "lat": lat,
            "value": value,
            "standard_error": spread,
            "coverage": np.nan,
            "grade": "",
            "position_grade": "",
            "permafrost_table": np.nan,
            "permafrost_table_source": "",
            "source": _text_column(table, "source"),
            "reader": "sites",
            "row": rows,
            "line": table.lines,
            "used": False,
            "reason": "",
        }
    )
    unreadable = pd.Series(np.where(lon_unreadable | lat_unreadable, "coordinates are not numbers", ""), dtype=object)
    sites["reason"] = first_reason(_value_reason(table.frame[header], value, censored, target), unreadable, check_coordinates(sites), check_identical(sites))
    sites["used"] = sites["reason"] == ""
    return sites


def _find(table: Table, wanted: str | None, key: str) -> str:
    columns = [str(column) for column in table.frame.columns]
    if wanted in columns:
        return str(wanted)
    by_name = [column for column in columns if split_header(column)[0] == wanted]
    if len(by_name) == 1:
        return by_name[0]
    raise IcemapError(f"{table.file} has no column '{wanted}' ({key}): it has {', '.join(columns[:40])}. Correct the name in the config.")


def _values(table: Table, header: str, config: SitesConfig, target: TargetConfig) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    unit = config.unit or split_header(header)[1]
    if unit is None:
        raise IcemapError(
            f"{table.file} does not say the unit of the column '{header}': give it as sites.unit in the config, or in the header as '{header} [{target.unit}]'."
        )
    numbers = parse_numbers(table.frame[header])
    converted = convert_units(numbers.value, unit, target.unit)
    low, high = convert_units(numbers.low, unit, target.unit), convert_units(numbers.high, unit, target.unit)
    if converted is None or low is None or high is None:
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}' and the target {target.name} in '{target.unit}', which cannot be converted: "
            "correct sites.unit or target.unit, or convert the column."
        )
    # A range is read as its middle with the standard deviation of a uniform spread.
    spread = np.where(low == high, np.nan, np.abs(high - low) / np.sqrt(12))
    return converted, spread, numbers.censored


def _standard_errors(table: Table, column: str, value_header: str, config: SitesConfig, target: TargetConfig) -> NDArray[np.float64]:
    """Standard errors in the target's unit, NaN where the cell is empty. They scale as differences do: degrees shift by no offset."""
    header = _find(table, column, "sites.standard_error")
    unit = split_header(header)[1] or config.unit or split_header(value_header)[1] or target.unit
    numbers = parse_numbers(table.frame[header])
    wrong = numbers.unreadable | (numbers.value < 0) | np.isinf(numbers.value)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: the column '{header}' holds '{table.frame[header].iloc[row]}', which is no standard error: "
            "give a number of 0 or more, or leave it empty where it is not known."
        )
    converted, zero = convert_units(numbers.value, unit, target.unit), convert_units(np.zeros(1), unit, target.unit)
    if converted is None or zero is None:
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}' and the target {target.name} in '{target.unit}', which cannot be converted: "
            "correct the unit in its header, or convert the column."
        )
    return np.abs(converted - zero[0])


def _value_reason(column: pd.Series, value: NDArray[np.float64], censored: NDArray[np.int8], target: TargetConfig) -> pd.Series:
    unreadable = parse_numbers(column).unreadable
    reason = pd.Series(np.where(np.isnan(value), "no value", ""), dtype=object)
    reason[unreadable] = "value is not a number"
    reason[censored == 1] = "value is only known to be above a limit"
    reason[censored == -1] = "value is only known to be below a limit"
    if target.bounds is not None:
        low, high = target.bounds
        reason[(value < low) | (value > high)] = f"value outside {low:g}-{high:g} {target.unit}"
    return reason


def _text_column(table: Table, name: str) -> NDArray[np.object_]:
    if name not in table.frame.columns:
        return np.full(len(table.frame), "", dtype=object)
    return as_text(table.frame[name]).to_numpy(dtype=object)
