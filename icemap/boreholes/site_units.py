"""Numbers of a table of sites that contradict the unit that is said for them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from icemap.borehole_sections import SitesConfig
from icemap.boreholes.limits import OVERFULL, OVERFULL_ROWS, OVERFULL_SHARE
from icemap.boreholes.missing_codes import PARTS_BELOW, mixed_fractions, unsigned_parts
from icemap.boreholes.table_units import TEMPERATURES, UNITS, canonical_unit, convert_units
from icemap.boreholes.tables import Table
from icemap.boreholes.text import line_ranges
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError

# Largest number by which % and fractions are distinguished; larger ones are errors or
# codes.
MAX_PERCENT = 1000.0
# Rows that all say it.
SEVERAL = 3
# Degrees Celsius that half of a column cannot be outside of.
COLDEST, HOTTEST = -273.15, 100.0
# Words of targets that are mean temperatures of the ground or air, of which half are colder (degC).
OF_THE_GROUND = re.compile(
    r"\bma[ags]s?t\b|(?:ground|soil|permafrost|mean)[ _](?:annual[ _])?(?:\w+[ _])?temperature",
    re.I,
)
HOTTEST_GROUND = 25.0
# How much warmer than all others is what may be in degrees Fahrenheit, and how near to them then.
FAR_WARMER, NEAR = 10.0, 3.0
# Words of targets that are thaw depths, and depths (m) that half of these cannot be outside of.
THAW = re.compile(r"(?<![a-z])alt(?![a-z])|active[ _-]?layer|thaw[ _-]?depth", re.IGNORECASE)
LEAST_THAW, MOST_THAW = 0.03, 20.0
# Bounds of the target up to this (%) say that values below 1 % are meant.
SMALL_PERCENT = 10


def require_plausible_fractions(
    table: Table, header: str, value: NDArray[np.float64], unit: str, target: TargetConfig
) -> None:
    """Refuse fractions of 0 to 1 in a column of %, and % in a column of fractions.

    Parameters
    ----------
    table : Table
    header : str
        Of the column.
    value : ndarray of shape (n,)
        As written; NaN where there is none.
    unit : str
        In which they are read.
    target : TargetConfig

    Raises
    ------
    IcemapError
        Naming the numbers and the remedy.
    """
    factor = UNITS["fraction"].get(canonical_unit(unit))
    given = value[np.isfinite(value) & (np.abs(value) < MAX_PERCENT)]
    if factor is None or len(given) == 0:
        return
    limit = None
    if target.bounds is not None:
        in_unit = convert_units(np.array(target.limits), target.unit, unit)
        limit = None if in_unit is None else float(in_unit[1])
    over = given * factor > OVERFULL
    bounded = limit is not None and limit * factor <= 1
    if bounded and over.sum() >= max(OVERFULL_ROWS, OVERFULL_SHARE * len(given)):
        raise IcemapError(
            f"{table.file}: {over.sum()} of {len(given)} values of the column '{header}' are up to"
            f" {given.max():g} {unit}, and no more than {limit:g} can be (target.bounds), as where"
            " water by dry mass is taken for a part of the volume: correct the column or its unit,"
            " or leave these cells empty."
        )
    settled = (
        "give the right unit as sites.unit, in the header and the config alike; if the numbers are"
        " right"
    )
    if factor < 1 and given.max() <= 1 and given.max() > 0 and len(np.unique(given)) > 1:
        if limit is None or limit > SMALL_PERCENT:
            raise IcemapError(
                f"{table.file}: the column '{header}' is in '{unit}', but its values go from"
                f" {given.min():g} to {given.max():g} like fractions: {settled}, say so with"
                f" target.bounds, such as [0, {SMALL_PERCENT}] %."
            )
    elif (
        factor == 1
        and canonical_unit(unit) != "1"
        and np.median(given) > 1.5
        and (limit is None or limit <= 1)
    ):
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}', but its values go from"
            f" {given.min():g} to {given.max():g} like %: {settled}, say so with target.bounds,"
            " which must reach above 1."
        )


def require_one_scale(
    table: Table, header: str, value: NDArray[np.float64], config: SitesConfig
) -> None:
    """Refuse parts of 1 in some rows of a column of %.

    Parameters
    ----------
    table : Table
    header : str
        Of the column.
    value : ndarray of shape (n,)
        As written; NaN where there is none.
    config : SitesConfig

    Raises
    ------
    IcemapError
        Naming the numbers and the remedy.
    """
    mixed = unsigned_parts(table.frame[header], value)
    if mixed.any():
        raise IcemapError(
            f"{table.file}: the column '{header}' holds cells with a % sign, and numbers up to"
            f" {value[mixed].max():g} without one (line {line_ranges(table.lines[mixed])}), like"
            " fractions: write all of them in %, without signs."
        )
    mixed = mixed_fractions(value)
    if mixed.any() and config.missing != ():
        raise IcemapError(
            f"{table.file}: the column '{header}' is in %, and {mixed.sum()} of its values are"
            f" below 1 (line {line_ranges(table.lines[mixed])}) like fractions, with none from 1 to"
            f" {PARTS_BELOW:g}: bring the column to one unit; if every number is right, set"
            " sites.missing: [] in the config."
        )


def require_plausible_errors(
    table: Table,
    header: str,
    errors: NDArray[np.float64],
    values: NDArray[np.float64],
    target: TargetConfig,
    *,
    sure: bool,
) -> None:
    """Refuse standard errors that repeat the values, and such as parts of 1 are under %.

    Parameters
    ----------
    table : Table
    header : str
        Of the standard errors.
    errors, values : ndarray of shape (n,)
        In the unit of the target; NaN where there is none.
    target : TargetConfig
    sure : bool
        Whether the header says a unit.

    Raises
    ------
    IcemapError
        Naming the numbers and the remedy.
    """
    both = np.isfinite(errors + values)
    if both.sum() < SEVERAL:
        return
    if np.array_equal(errors[both], values[both]) and np.ptp(values[both]) > 0:
        raise IcemapError(
            f"{table.file}: the column '{header}' repeats the values in all of {both.sum()} rows"
            " and is no standard error: name another column in the config, or none."
        )
    parts = (errors[both] > 0) & (errors[both] < 1)
    in_percent = UNITS["fraction"].get(canonical_unit(target.unit)) == UNITS["fraction"]["%"]
    # Errors that would be larger than their values are no fractions.
    beyond = errors[both] * 100 > values[both]
    are_parts = parts.all() and 2 * beyond.sum() <= both.sum()
    if not sure and in_percent and are_parts and np.median(values[both]) >= PARTS_BELOW:
        raise IcemapError(
            f"{table.file}: the column '{header}' says no unit and holds {errors[both].min():g} to"
            f" {errors[both].max():g} next to values up to {values[both].max():g} %, like"
            f" fractions: write its unit into the header, as '{header} [%]' or '{header} [1]'."
        )


def require_plausible_temperatures(
    table: Table,
    header: str,
    value: NDArray[np.float64],
    unit: str,
    target: TargetConfig,
    *,
    confirmed: bool,
) -> None:
    """Refuse kelvin in a column of degrees Celsius, and the other way round.

    Parameters
    ----------
    table : Table
    header : str
        Of the column.
    value : ndarray of shape (n,)
        As written; NaN where there is none.
    unit : str
        In which they are read.
    target : TargetConfig
    confirmed : bool
        Whether the config says that every number is right.

    Raises
    ------
    IcemapError
        Naming the numbers and the remedy.
    """
    given = value[np.isfinite(value)]
    factors = TEMPERATURES.get(canonical_unit(unit))
    if factors is None or len(given) == 0:
        return
    median = float(np.median(given)) * factors[0] + factors[1]
    told = OF_THE_GROUND.search(f"{target.name} {target.long_name}")
    if not COLDEST < median < (HOTTEST_GROUND if told else HOTTEST):
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}', but its values go from"
            f" {given.min():g} to {given.max():g}, which no ground or air has: give the right unit"
            " as sites.unit, in the header and the config alike."
        )
    if told and not confirmed and canonical_unit(unit) == canonical_unit("degC"):
        _require_celsius(table, header, value)


def _require_celsius(table: Table, header: str, value: NDArray[np.float64]) -> None:
    """Single degrees Fahrenheit, far above the others and among them as degrees Celsius."""
    converted = convert_units(value, "degF", "degC")
    if converted is None:
        return
    warm = value > np.nanmedian(value) + FAR_WARMER
    rest = value[np.isfinite(value) & ~warm]
    if 2 * warm.sum() >= len(rest) or value[warm].min(initial=np.inf) < rest.max() + FAR_WARMER:
        return
    among = warm & (converted >= rest.min() - NEAR) & (converted <= rest.max() + NEAR)
    if among.any():
        row = int(np.argmax(among))
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{header}' is {value[row]:g} degrees Celsius,"
            f" and the others {rest.min():g} to {rest.max():g}, among which it is as degrees"
            " Fahrenheit: convert it, or leave the cell empty; if every number is right, set"
            " sites.missing: [] in the config."
        )


def require_plausible_thaw(
    table: Table,
    header: str,
    value: NDArray[np.float64],
    unit: str,
    target: TargetConfig,
    *,
    confirmed: bool,
) -> None:
    """Refuse metres in a column of centimetres, and the other way round, where thaw depths are
    mapped.

    Parameters
    ----------
    table : Table
    header : str
        Of the column.
    value : ndarray of shape (n,)
        As written; NaN where there is none.
    unit : str
        In which they are read.
    target : TargetConfig
    confirmed : bool
        Whether the config says that every number is right.

    Raises
    ------
    IcemapError
        Naming the numbers and the remedy.
    """
    if not THAW.search(f"{target.name} {target.long_name}"):
        return
    metres = convert_units(value, unit, "m")
    if metres is None:
        return
    given = np.isfinite(value) & (value > 0)
    depths = metres[given]
    if len(depths) and not LEAST_THAW <= np.median(depths) <= MOST_THAW:
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}', but half of its values are about"
            f" {np.median(depths):g} m, which no ground thaws to: give the right unit as"
            " sites.unit, in the header and the config alike."
        )
    odd = given & ((metres < LEAST_THAW) | (metres > MOST_THAW))
    rest = metres[given & ~odd]
    if confirmed or not len(rest):
        return
    for factor in (100.0, 1000.0, 0.01, 0.001):
        other = metres * factor
        among = odd & (other >= rest.min() / 3) & (other <= 1.5 * rest.max())
        if among.any():
            row = int(np.argmax(among))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: '{header}' is {value[row]:g} {unit}, and"
                f" with {factor:g} times as much, as in another unit, it would be among the others:"
                " bring the column to one unit, or leave the cell empty; if every number is right,"
                " set sites.missing: [] in the config."
            )
