"""Sites that already have one value of the target each."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.borehole_sections import SitesConfig
from icemap.boreholes.classes_for_percents import require_no_classes
from icemap.boreholes.footnotes import without_marks
from icemap.boreholes.header_words import require_header
from icemap.boreholes.missing_codes import suspected_codes
from icemap.boreholes.numbers import PLUS_MINUS, Numbers, parse_numbers
from icemap.boreholes.quality import (
    check_coordinates,
    check_identical,
    check_summary,
    first_reason,
)
from icemap.boreholes.records import Problems
from icemap.boreholes.repeated_columns import require_same
from icemap.boreholes.row_columns import (
    UNIT_WORDS,
    require_no_sums,
    require_one_kind,
    require_samples,
    require_unit_by_row,
)
from icemap.boreholes.row_meanings import require_meanings
from icemap.boreholes.site_bounds import (
    are_asked_about,
    outside,
    require_fitting_bounds,
)
from icemap.boreholes.site_rows import require_one_depth
from icemap.boreholes.site_units import (
    require_one_scale,
    require_plausible_errors,
    require_plausible_fractions,
    require_plausible_temperatures,
    require_plausible_thaw,
)
from icemap.boreholes.table_notes import require_noted_units
from icemap.boreholes.table_places import find_column, table_places
from icemap.boreholes.table_units import (
    NO_UNITS,
    UNITS,
    canonical_unit,
    convert_units,
    header_unit,
    same_unit,
    split_header,
)
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_names, as_text, is_numeric, line_ranges
from icemap.boreholes.thaw_dates import early_thaw, times
from icemap.bounds import outside_words
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.names import ICE
from icemap.units import says_nothing

# Words of targets that are of the end of the season.
ACTIVE_LAYER = re.compile(r"(?<![a-z])alt(?![a-z])|active[ _-]?layer", re.IGNORECASE)

# A number with a sign, letter, number or words in brackets behind it, as of a footnote.
MARKED = r".*\d\s*%?\s*(?:[*†‡§#?¹²³]+|\^\w+|[a-e\d]\)|[a-e]|\([^()]*\))|[(\[]\s*[\d.,]+\s*[)\]]"


def read_site_values(config: SitesConfig, target: TargetConfig) -> pd.DataFrame:
    """Read a table of sites and bring its values to the target's unit.

    Returns
    -------
    DataFrame
        The site table: one row per row of the file, ``used`` False with a ``reason`` where it has
        no usable value or place. ``attrs["notes"]`` are sentences on how cells were read.

    Raises
    ------
    IcemapError
        If the table, a column or the unit is missing, the unit cannot become the target's, the
        header, the config and the values contradict one another about it, or numbers look like
        codes for missing that nobody has named.
    """
    table = read_table(config.table, (config.id,) if config.id else (), config.sheet)
    header = find_column(table, config.value, "sites.value")
    of_error = config.standard_error
    errors = [find_column(table, of_error, "sites.standard_error")] if of_error else []
    table, marks = without_marks(table, [header, *errors])
    unit = _unit(table, header, config, target)
    numbers = parse_numbers(table.frame[header], unit)
    _require_unmarked(table, header, numbers)
    coded = _coded(numbers, config)
    value, spread = _values(table, header, numbers, coded, unit, config, target)
    if target.name == ICE:
        require_header(table.file, "reported_vic", header)
    if np.isfinite(numbers.error).any():
        require_header(table.file, "standard_error", header)
    given = np.where(coded, np.nan, numbers.value)
    units = (
        *UNIT_WORDS,
        *(f"{name} {word}" for name in (header, config.value) for word in UNIT_WORDS),
    )
    require_unit_by_row(table, header, unit, units, np.isfinite(given))
    confirmed = config.missing == ()
    if target.name == ICE and not confirmed:
        require_no_classes(table, header, given, unit, "say so with sites.missing: []")
    require_plausible_temperatures(table, header, given, unit, target, confirmed=confirmed)
    require_plausible_thaw(table, header, given, unit, target, confirmed=confirmed)
    _require_known_codes(table, header, config, numbers, value, target)
    require_fitting_bounds(table, header, value, target)
    require_same(table, header, unit)
    if config.standard_error is not None:
        spread = _standard_errors(table, config, config.standard_error, unit, value, target)
    lon, lat, unplaced = table_places(table, config, "sites")
    rows = np.arange(1, len(table.frame) + 1)
    names = (
        as_names(table.frame[find_column(table, config.id, "sites.id")])
        if config.id
        else pd.Series(rows).map(lambda row: f"row {row}")
    )
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
    unreadable = pd.Series(np.where(unplaced, "coordinates are not numbers", ""), dtype=object)
    _require_like_rows(table, config, header, unit, sites, np.isfinite(given), target)
    early = _is_early(table, header, target, value) & (lat > 0)
    sites["reason"] = first_reason(
        check_summary(sites),
        _value_reason(numbers, value, coded, target),
        pd.Series(np.where(early, "thaw depth from before August", ""), dtype=object),
        unreadable,
        check_coordinates(sites),
        _repeated(table, sites, target),
    )
    sites["used"] = sites["reason"] == ""
    sites.attrs["notes"] = marks
    return sites


def _repeated(table: Table, sites: pd.DataFrame, target: TargetConfig) -> pd.Series:
    """Rows that are there twice. What is measured again in another year may be the same; ground ice
    of another year is that of another report.
    """
    if target.name == ICE:
        return check_identical(sites)
    return check_identical(sites.assign(time=times(table)), also=("time",))


def _require_unmarked(table: Table, header: str, numbers: Numbers) -> None:
    """Refuse numbers with the mark of a footnote or a remark: left out, they would cost the site
    its value.
    """
    marked = as_text(table.frame[header]).str.fullmatch(MARKED, case=False).to_numpy(bool)
    problems = Problems(table)
    problems.add(numbers.unreadable & marked, f"{header} is not a number:", table.frame[header])
    problems.require_none(
        "Take the mark or remark out of cells that count, empty the others, or write an error"
        " behind ±."
    )


def _is_early(
    table: Table, header: str, target: TargetConfig, value: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Thaw depths of another season than its end, where those of the active layer are mapped."""
    metres = convert_units(value, target.unit, "m")
    if metres is None or not ACTIVE_LAYER.search(f"{target.name} {target.long_name}"):
        return np.zeros(len(value), dtype=bool)
    return early_thaw(table, header, None, metres)


def _require_like_rows(
    table: Table,
    config: SitesConfig,
    header: str,
    unit: str,
    sites: pd.DataFrame,
    given: NDArray[np.bool_],
    target: TargetConfig,
) -> None:
    """Refuse values of several quantities, statistics or depths, and rows that sum up others."""
    named = (config.value, config.longitude, config.latitude, config.id, config.standard_error)
    read = {find_column(table, name, "sites") for name in named if name is not None}
    require_one_kind(table, read, given)
    lengths = {"value": unit} if convert_units(np.zeros(1), unit, "m") is not None else {}
    ice = {"reported_vic": header} if target.name == ICE else {}
    require_meanings(table, ice, given)
    require_noted_units(table, {"value": header} | ice, lengths)
    require_samples(table, read, given, given & (sites["value"] == 0).to_numpy(bool))
    place = sites["lon"].map("{:.5g}".format) + ", " + sites["lat"].map("{:.5g}".format)
    require_no_sums(table, read, sites["site"] if config.id else place)
    require_one_depth(table, read, sites, target.name, named=config.id is not None)


def _unit(table: Table, header: str, config: SitesConfig, target: TargetConfig) -> str:
    """The unit of the values, as the header and the config say, which must agree."""
    told, in_brackets = header_unit(header)
    bracket = split_header(header)[1]
    if bracket is not None and canonical_unit(bracket) in map(
        canonical_unit, (target.unit, config.unit or target.unit)
    ):
        told, in_brackets = bracket, True
    if config.unit is None:
        if told is None:
            where = (
                "sites.unit and as target.unit in the config, such as cm or degC"
                if says_nothing(target.unit)
                else "sites.unit in the config, or in the header as"
                f" '{split_header(header)[0]} [{target.unit}]'"
            )
            unknown = f", or none that icemap knows ('{bracket}')" if bracket else ""
            raise IcemapError(
                f"{table.file} does not say the unit of the column '{header}'{unknown}: give it as"
                f" {where}."
            )
        return told
    if told is None or same_unit(told, config.unit):
        return config.unit
    # The last word of a name is taken for a unit only where it is one of the same quantity.
    if in_brackets or convert_units(np.zeros(1), told, config.unit) is not None:
        raise IcemapError(
            f"{table.file}: the header '{header}' gives the unit '{told}' and the config"
            f" '{config.unit}' (sites.unit): correct the one that is wrong; without sites.unit the"
            " header counts."
        )
    return config.unit


def _coded(numbers: Numbers, config: SitesConfig) -> NDArray[np.bool_]:
    """Cells that hold a code for missing."""
    coded = np.zeros(len(numbers.value), dtype=bool)
    for code in config.missing or ():
        # A float32 holds -9999.9 as -9999.900390625.
        coded |= np.isclose(numbers.value, code, rtol=1e-6, atol=0)
    return coded


def _values(
    table: Table,
    header: str,
    numbers: Numbers,
    coded: NDArray[np.bool_],
    unit: str,
    config: SitesConfig,
    target: TargetConfig,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and their standard errors in the target's unit."""
    value, low, high = (
        convert_units(np.where(coded, np.nan, part), unit, target.unit)
        for part in (numbers.value, numbers.low, numbers.high)
    )
    if value is None or low is None or high is None:
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}' and the target {target.name} in"
            f" '{target.unit}', which cannot be converted: correct sites.unit or target.unit, or"
            " convert the column."
        )
    given = np.where(coded, np.nan, numbers.value)
    require_plausible_fractions(table, header, given, unit, target)
    if UNITS["fraction"].get(canonical_unit(unit)) == UNITS["fraction"]["%"]:
        require_one_scale(table, header, given, config)
    error = convert_units(numbers.value + numbers.error, unit, target.unit)
    # A range is read as its middle with the standard deviation of a uniform spread.
    spread = np.where(low == high, np.nan, np.abs(high - low) / np.sqrt(12))
    return value, spread if error is None else np.fmax(spread, np.abs(error - value))


def _standard_errors(
    table: Table,
    config: SitesConfig,
    column: str,
    unit_of_values: str,
    values: NDArray[np.float64],
    target: TargetConfig,
) -> NDArray[np.float64]:
    """Standard errors in the target's unit, NaN where the cell is empty. They scale as differences
    do: degrees shift by no offset.
    """
    header = find_column(table, column, "sites.standard_error")
    require_header(table.file, "standard_error", header)
    told = _unit_of_errors(header, unit_of_values)
    unit = told or unit_of_values
    cells = table.frame[header]
    if not is_numeric(cells):
        cells = as_text(cells).str.replace(f"^{PLUS_MINUS}", "", regex=True)
    numbers = parse_numbers(cells, unit)
    coded = _coded(numbers, config)
    value = np.where(coded, np.nan, numbers.value)
    # What an error is larger than does not say how large it is.
    wrong = numbers.unreadable | (value < 0) | (~coded & (numbers.censored == 1))
    if config.missing is None or config.missing:
        wrong |= np.isin(value, suspected_codes(value))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: the column '{header}' holds"
            f" '{table.frame[header].iloc[row]}', which is no standard error: give a number of 0 or"
            " more, or leave it empty where it is not known; codes for no value are given as"
            " sites.missing, and 'sites.missing: []' says that every number is a value."
        )
    converted, zero = (
        convert_units(value, unit, target.unit),
        convert_units(np.zeros(1), unit, target.unit),
    )
    if converted is None or zero is None:
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}' and the target {target.name} in"
            f" '{target.unit}', which cannot be converted: correct the unit in its header, or"
            " convert the column."
        )
    errors = np.abs(converted - zero[0])
    require_plausible_errors(table, header, errors, values, target, sure=told is not None)
    return errors


def _unit_of_errors(header: str, unit_of_values: str) -> str | None:
    """What the header says, in brackets or as the last word of a name such as se_cm."""
    bracket = split_header(header)[1]
    word = header_unit(header)[0] if bracket is None else None
    if word is None or canonical_unit(word) in NO_UNITS:
        return bracket
    return None if convert_units(np.zeros(1), word, unit_of_values) is None else word


def _require_known_codes(
    table: Table,
    header: str,
    config: SitesConfig,
    numbers: Numbers,
    value: NDArray[np.float64],
    target: TargetConfig,
) -> None:
    """Ask about numbers like -9999 that are far outside the rest, unless the config or the bounds
    say what they are.
    """
    if config.missing is not None and not config.missing:
        return
    possible = np.isfinite(value)
    if not are_asked_about(target):
        possible &= ~outside(value, target)
    given = np.where(possible, numbers.value, np.nan)
    codes = suspected_codes(given)
    if ACTIVE_LAYER.search(f"{target.name} {target.long_name}") and (given > 0).any():
        # Where the ground thaws at all in summer it does so by some centimetres.
        codes += [0.0] if (given == 0).any() else []
    if not codes:
        return
    named = ", ".join(f"{code:.6g}" for code in codes)
    rest = given[possible & ~np.isin(given, codes)]
    beyond = f", far outside the rest ({rest.min():g} to {rest.max():g})" if len(rest) else ""
    listed = ", ".join(f"{code:.6g}" for code in sorted({*codes, *(config.missing or ())}))
    raise IcemapError(
        f"{table.file}: the column '{header}' holds {named} (line"
        f" {line_ranges(table.lines[np.isin(given, codes)])}){beyond}: if"
        f" {'they stand' if len(codes) > 1 else 'it stands'} for no value, set sites.missing:"
        f" [{listed}] in the config; if every number is a value, set sites.missing: []."
    )


def _value_reason(
    numbers: Numbers, value: NDArray[np.float64], coded: NDArray[np.bool_], target: TargetConfig
) -> pd.Series:
    reason = pd.Series(np.where(np.isnan(value), "no value", ""), dtype=object)
    reason[numbers.unreadable] = "value is not a number"
    reason[~coded & (numbers.censored == 1)] = "value is only known to be above a limit"
    reason[~coded & (numbers.censored == -1)] = "value is only known to be below a limit"
    if target.bounds is not None:
        reason[outside(value, target)] = outside_words(target.bounds, target.unit)
    return reason


def _text_column(table: Table, name: str) -> NDArray[np.object_]:
    if name not in table.frame.columns:
        return np.full(len(table.frame), "", dtype=object)
    return as_text(table.frame[name]).to_numpy(dtype=object)
