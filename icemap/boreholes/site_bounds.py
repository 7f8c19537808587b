"""Whether the values of a table of sites and the bounds of the target can both be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from icemap.boreholes.table_units import UNITS, canonical_unit
from icemap.boreholes.tables import Table
from icemap.boreholes.text import line_ranges
from icemap.bounds import as_setting, in_words
from icemap.config_sections import TargetConfig
from icemap.errors import IcemapError
from icemap.names import ICE

# Of the whole: shares are as far beyond it by their errors alone.
NOISE = 0.1


def outside(value: NDArray[np.float64], target: TargetConfig) -> NDArray[np.bool_]:
    """Values (n,) in the target's unit that its bounds leave out; NaN is none of them."""
    low, high = target.limits
    return (value < low) | (value > high)


def are_asked_about(target: TargetConfig) -> bool:
    """True where bounds come from the unit alone: what is outside may be right as well."""
    return "bounds" not in target.model_fields_set and target.name != ICE


def require_fitting_bounds(
    table: Table, header: str, value: NDArray[np.float64], target: TargetConfig
) -> None:
    """Refuse bounds that nobody gave and values are outside of, that leave out most values, or that
    are those of % for parts of one.

    Parameters
    ----------
    table : Table
    header : str
        Of the column with the values.
    value : ndarray of shape (n,)
        In the target's unit; NaN where there is none.
    target : TargetConfig

    Raises
    ------
    IcemapError
        Naming the values, the bounds and the remedy.
    """
    if target.bounds is None:
        return
    column = f"{table.file}: the column '{header}'"
    left_out = outside(value, target)
    low, high = target.limits
    if left_out.any() and are_asked_about(target):
        wrong = value[left_out]
        wider = (
            None if wrong.min() < low else target.bounds[0],
            None if wrong.max() > high else target.bounds[1],
        )
        opened = None if wider == (None, None) else wider
        raise IcemapError(
            f"{column} holds {wrong[0]:g} {target.unit} (line"
            f" {line_ranges(table.lines[left_out])}), and the unit '{target.unit}' of the target"
            f" {target.name} means {in_words(target.bounds)} where target.bounds is not given: if"
            f" every value is right, set target.bounds: {as_setting(opened)} in the config; to"
            f" leave such rows out, set target.bounds: {as_setting(target.bounds)}."
        )
    # A code for no value counts once, however often it is there.
    distinct = np.unique(value[np.isfinite(value)])
    whole = UNITS["fraction"].get(canonical_unit(target.unit))
    slack = 0.0 if whole is None else NOISE / whole
    lost = int(((distinct < low - slack) | (distinct > high + slack)).sum())
    if 2 * lost > len(distinct):
        raise IcemapError(
            f"{column} holds values of {distinct.min():g} to {distinct.max():g} {target.unit}, and"
            f" target.bounds {as_setting(target.bounds)} leave out {lost} of {len(distinct)}"
            " different ones: correct target.bounds, target.unit or sites.unit; if they are right,"
            " remove the other rows from the table."
        )
    if target.bounds == (0.0, 100.0) and whole == 1.0 and len(distinct) > 1 and distinct[-1] <= 1:
        raise IcemapError(
            f"{column} holds values of {distinct[0]:g} to {distinct[-1]:g} in the unit"
            f" '{target.unit}' like parts of one, and target.bounds [0, 100] are those of %: set"
            " target.bounds: [0, 1], or target.unit: '%'; if more than 1 is possible, give another"
            " upper end."
        )
