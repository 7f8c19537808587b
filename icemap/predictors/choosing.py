"""A place on an axis by its value, its label or a date."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError
from icemap.predictors.months import months_of_names

if TYPE_CHECKING:
    import xarray as xr

# From the year to the second, as far as it is given.
DATE = re.compile(
    r"([-+]?\d{1,6})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T"
    r" ](\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.\d+)?)?)?)?)?)?(?:Z|[+-]00:?00)?"
)
PLACE = re.compile(r"place\s+(\d{1,9})", re.IGNORECASE)
SINCE = re.compile(r"\s*(\w+)\s+since\s+", re.IGNORECASE)
# Part of the smallest step of an axis by which a value may miss it: axes in single precision are
# rounded.
ROUNDING = 1e-3
SHOWN = 20
# How much more often some months may be there than others: one year among ten is little.
UNEVEN = 1.1
# Part of the steps of an axis of months that may be others by mistake.
MAX_GAPS = 0.25


def choose(
    array: xr.DataArray,
    dim: str,
    wanted: float | str,
    who: str,
    periods: NDArray[np.float64] | None = None,
) -> int:
    """The position on an axis.

    Parameters
    ----------
    array : DataArray
        With times as stored.
    dim : str
    wanted : float or str
        A number is a value of the axis as the file has it. A string is a label, or on a time axis a
        date as far as it is given: 2019-07, or 2019-07-01T06. On an axis without values, "place 7"
        is the seventh.
    who : str
        Begins the message.
    periods : ndarray of shape (places, 2), optional
        Bounds of a time axis as stored. Means of a month are often stamped with its end: a date is
        then looked for in the middle of each period first.

    Raises
    ------
    IcemapError
        If it is not on the axis, or more than once, or if the axis has no values and no place is
        asked for.
    """
    if dim not in array.coords:
        return _place(array.sizes[dim], dim, wanted, who)
    labels = array[dim].to_numpy()
    units = str(array[dim].attrs.get("units", ""))
    shown = labels
    if isinstance(wanted, str):
        at = np.flatnonzero(_texts(labels) == wanted.strip())
        if SINCE.match(units) and DATE.fullmatch(wanted.strip()):
            calendar = str(array[dim].attrs.get("calendar", "standard"))
            dates = _dates(labels, units, calendar, who, dim)
            shown = np.array([_written(date) for date in dates])
            at = np.flatnonzero(_is_date(dates, wanted.strip()))
            if periods is not None:
                middles = _dates(_inside(periods, units), units, calendar, who, dim)
                within = np.flatnonzero(_is_date(middles, wanted.strip()))
                at = within if within.size == 1 else at
        elif not at.size:
            at = _numbered(labels, _number(wanted))
    else:
        at = _numbered(labels, wanted)
    if at.size == 1:
        return int(at[0])
    if at.size:
        raise IcemapError(
            f"{who}: {wanted} is at {at.size} places of its axis '{dim}' ({_listed(shown[at])}):"
            " give it more exactly, or once in the file."
        )
    raise IcemapError(f"{who}: {wanted} is not on its axis '{dim}', which holds {_listed(shown)}.")


def place_of_month(
    array: xr.DataArray,
    dim: str,
    month: int,
    who: str,
    periods: NDArray[np.float64] | None = None,
) -> int:
    """Where a month of the year, 0 for January, is on an axis of twelve.

    An axis of dates, or of the numbers 1 to 12, says it itself; any other begins with January.

    Raises
    ------
    IcemapError
        If the dates are of twelve years, or of other steps than months.
    """
    if dim not in array.coords:
        return month
    labels, units = array[dim].to_numpy(), str(array[dim].attrs.get("units", ""))
    dated = bool(SINCE.match(units))
    if labels.dtype.kind in "SUO":
        return (months_of_names(_texts(labels).tolist()) or list(range(1, 13))).index(month + 1)
    if not dated:
        numbers = labels.tolist()
    else:
        calendar = str(array[dim].attrs.get("calendar", "standard"))
        stamps = labels if periods is None else _inside(periods, units)
        dates = _dates(stamps, units, calendar, who, dim)
        numbers = [date[1] for date in dates]
    if set(numbers) == set(range(1, 13)):
        return numbers.index(month + 1)
    if dated:
        counted = [12 * date[0] + date[1] for date in dates]
        # Months of 30 days each miss one and name another twice.
        if not 10 <= max(counted) - min(counted) <= 12:
            held = _listed(np.array([_written(date) for date in dates]))
            raise IcemapError(
                f"{who}: a derivation of months needs January to December on its axis '{dim}',"
                f" which holds {held}: give monthly means."
            )
    return month


def uneven_months(
    array: xr.DataArray, dim: str, who: str, periods: NDArray[np.float64] | None = None
) -> str:
    """That an axis of months holds some of them more often than others, or lacks one between two
    others, in words; else nothing.

    Its mean leans towards these: that of 18 months is no mean of years.
    """
    # More than a century is days, or leans towards none of its months.
    if dim not in array.coords or not 3 < array.sizes[dim] <= 1200:
        return ""
    labels, units = array[dim].to_numpy(), str(array[dim].attrs.get("units", ""))
    if not SINCE.match(units):
        return ""
    calendar = str(array[dim].attrs.get("calendar", "standard"))
    stamps = labels if periods is None else _inside(periods, units)
    try:
        dates = _dates(stamps, units, calendar, who, dim)
    except IcemapError:
        # A mean needs no dates.
        return ""
    steps = np.diff([12 * date[0] + date[1] for date in dates])
    uneven = np.flatnonzero(steps != 1)
    if uneven.size > MAX_GAPS * steps.size or (uneven.size and np.ptp(np.diff(stamps)) == 0):
        # Of days, or of periods that are no months.
        return ""
    if uneven.size and np.isin(steps[uneven], (0, 2)).all():
        return _gap(dates, uneven, dim)
    if len(dates) <= 12:
        return ""
    counts = np.bincount([date[1] for date in dates], minlength=13)[1:]
    # Longer gaps may be between seasons.
    counts = counts[counts > 0] if uneven.size else counts
    if counts.max() < UNEVEN * counts.min():
        return ""
    return (
        f"of {len(dates)} months along '{dim}' some are there {counts.max()} times and others"
        f" {counts.min()}, towards which means lean: cut the file to whole years"
    )


def _gap(dates: list[tuple[int, ...]], uneven: NDArray[np.int64], dim: str) -> str:
    """That an axis of months skips one, or has it twice."""
    before, after = (_written(dates[int(uneven[0]) + k])[:7] for k in (0, 1))
    others = f" (of {uneven.size} such places)" if uneven.size > 1 else ""
    return (
        f"along '{dim}' {after} comes after {before}{others}: means lean away from months that are"
        " missing, and towards those that are there twice"
    )


def _place(length: int, dim: str, wanted: float | str, who: str) -> int:
    asked = PLACE.fullmatch(str(wanted).strip())
    if asked is None:
        raise IcemapError(
            f"{who}: its axis '{dim}' has no values, so {wanted} may be a place counted from 0 or"
            f" from 1, or a value that is not in the file. Ask for 'place 1' (the first) to 'place"
            f" {length}'."
        )
    place = int(asked[1])
    if not 1 <= place <= length:
        raise IcemapError(f"{who}: its axis '{dim}' has the places 1 to {length}, not {place}.")
    return place - 1


def _texts(labels: NDArray[Any]) -> NDArray[Any]:
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return np.char.strip(labels.astype(str))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _numbered(labels: NDArray[Any], wanted: float) -> NDArray[np.intp]:
    try:
        values = labels.astype(float)
    except ValueError:
        return np.flatnonzero(_texts(labels) == f"{wanted:g}")
    steps = np.abs(np.diff(np.unique(values[np.isfinite(values)])))
    step = float(steps.min()) if steps.size else 0.0
    room = max(
        ROUNDING * step,
        (
            4 * float(np.finfo(np.float32).eps) * abs(wanted)
            if labels.dtype == np.float32 or not step
            else 0.0
        ),
    )
    # Where single precision is coarser than the steps, the nearest one is meant.
    near = np.abs(values - wanted)
    return (
        np.flatnonzero((near <= room) & (near == np.nanmin(near)))
        if np.isfinite(wanted) and np.isfinite(values).any()
        else np.empty(0, dtype=np.intp)
    )


def _inside(periods: NDArray[np.float64], units: str) -> NDArray[np.float64]:
    """A time in the middle of each period; where whole months or years are counted, the first."""
    unit = SINCE.match(units)
    assert unit is not None
    middles = periods.mean(axis=1)
    return np.floor(middles) if unit[1].lower().rstrip("s") in ("month", "year") else middles


def _dates(
    labels: NDArray[Any], units: str, calendar: str, who: str, dim: str
) -> list[tuple[int, ...]]:
    """Year, month, day, hour, minute and second of every place."""
    import cftime

    unit = SINCE.match(units)
    assert unit is not None
    whole = unit[1].lower().rstrip("s")
    try:
        if whole in ("month", "year") and calendar != "360_day":
            # The calendars have no such unit, as months differ in length: whole ones are counted.
            start = cftime.num2date(
                0,
                f"days since {units[unit.end() :]}",
                calendar=calendar,
                only_use_cftime_datetimes=True,
            )
            months = [
                # 1.5 is the middle of the second month; single precision leaves 2 as 1.9999.
                math.floor(float(value) * (1 if whole == "month" else 12) + 0.01) + start.month - 1
                for value in labels
            ]
            return [
                (
                    start.year + month // 12,
                    month % 12 + 1,
                    start.day,
                    start.hour,
                    start.minute,
                    start.second,
                )
                for month in months
            ]
        found = cftime.num2date(
            labels.astype(float), units, calendar=calendar, only_use_cftime_datetimes=True
        )
    except (ValueError, OverflowError, TypeError) as error:
        raise IcemapError(
            f"{who}: the axis '{dim}' in '{units}' ({calendar}) gives no dates: choose by a value"
            " of the axis."
        ) from error
    return [_rounded(date) for date in np.atleast_1d(found)]


def _rounded(date: Any) -> tuple[int, ...]:
    """Times stored as parts of a day are off by microseconds."""
    import datetime

    later = date + datetime.timedelta(milliseconds=500)
    return (later.year, later.month, later.day, later.hour, later.minute, later.second)


def _is_date(dates: list[tuple[int, ...]], wanted: str) -> NDArray[np.bool_]:
    match = DATE.fullmatch(wanted)
    assert match is not None
    given = tuple(int(part) for part in match.groups() if part is not None)
    exact = np.array([date[: len(given)] == given for date in dates])
    midnight = (
        np.array([date == (*given, *(0,) * (6 - len(given))) for date in dates])
        if len(given) >= 4
        else exact
    )
    return midnight if midnight.sum() == 1 else exact


def _written(date: tuple[int, ...]) -> str:
    day = "-".join(f"{part:02d}" for part in date[:3])
    return f"{day}T{date[3]:02d}:{date[4]:02d}" if any(date[3:]) else day


def _listed(labels: NDArray[Any]) -> str:
    listed = ", ".join(
        _texts(labels[:SHOWN]) if labels.dtype.kind in "SU" else map(str, labels[:SHOWN].tolist())
    )
    return f"{listed} ... ({len(labels)} in all)" if len(labels) > SHOWN else listed
