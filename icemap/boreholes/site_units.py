"""Numbers of a table of sites that contradict the unit that is said for them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.missing_codes import PARTS_BELOW, mixed_fractions, unsigned_parts
from icemap.boreholes.quality import OVERFULL, OVERFULL_ROWS, OVERFULL_SHARE
from icemap.boreholes.table_units import TEMPERATURES, UNITS, canonical_unit, convert_units
from icemap.boreholes.tables import Table
from icemap.boreholes.text import line_ranges
from icemap.config_sections import SitesConfig, TargetConfig
from icemap.errors import IcemapError

# Largest number by which % and fractions are distinguished; larger ones are errors or
# codes.
MAX_PERCENT = 1000.0
# Degrees Celsius that half of a column cannot be outside of.
COLDEST, HOTTEST = -273.15, 100.0
# Words of targets that are mean temperatures of the ground or air, of which half are colder (degC).
OF_THE_GROUND = re.compile(
    r"\bma[ags]s?t\b|(?:ground|soil|permafrost|mean)[ _](?:annual[ _])?(?:\w+[ _])?temperature",
    re.I,
)
HOTTEST_GROUND = 25.0
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


def require_plausible_temperatures(
    table: Table, header: str, value: NDArray[np.float64], unit: str, target: TargetConfig
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


def require_plausible_thaw(
    table: Table, header: str, value: NDArray[np.float64], unit: str, target: TargetConfig
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

    Raises
    ------
    IcemapError
        Naming the numbers and the remedy.
    """
    if not THAW.search(f"{target.name} {target.long_name}"):
        return
    metres = convert_units(value, unit, "m")
    depths = np.zeros(0) if metres is None else metres[np.isfinite(value) & (value > 0)]
    if len(depths) and not LEAST_THAW <= np.median(depths) <= MOST_THAW:
        raise IcemapError(
            f"{table.file}: the column '{header}' is in '{unit}', but half of its values are about"
            f" {np.median(depths):g} m, which no ground thaws to: give the right unit as"
            " sites.unit, in the header and the config alike."
        )
