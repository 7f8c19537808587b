"""Which band or place is which month, where files say it by times or names."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icemap.errors import IcemapError

NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NAMED = re.compile(
    r"(?<![a-z])(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])",
    re.IGNORECASE,
)
DATED = re.compile(r"(?<!\d)(?:1[6-9]|2[0-4])\d\d[-_.]?(0[1-9]|1[0-2])(?!\d)")
NUMBERED = re.compile(r"(.*?)0*(\d{1,2})")
MONTHS = 12


@dataclass(frozen=True)
class Stamp:
    """What a band says of its time, and of what it holds.

    Attributes
    ----------
    what : str
        Quantity and level; empty if nothing is said.
    begins, ends : tuple of int or None
        Year, month, day and hour from which, and at which, it holds.
    """

    what: str = ""
    begins: tuple[int, ...] | None = None
    ends: tuple[int, ...] | None = None


def stamp_of_band(tags: Mapping[str, str], file_tags: Mapping[str, str]) -> Stamp:
    """What the tags of a band say, of GRIB or of NetCDF that GDAL has translated.

    Parameters
    ----------
    tags, file_tags : mapping
        Of the band and of its file.
    """
    what = " ".join(
        tags[key] for key in ("GRIB_ELEMENT", "GRIB_SHORT_NAME", "NETCDF_VARNAME") if key in tags
    )
    units = file_tags.get("time#units", "")
    try:
        if "GRIB_VALID_TIME" in tags:
            begins, ends = (_since_1970(tags[key]) for key in ("GRIB_REF_TIME", "GRIB_VALID_TIME"))
            return Stamp(what, begins, ends)
        if "NETCDF_DIM_time" in tags and "since" in units:
            import cftime

            calendar = file_tags.get("time#calendar", "standard")
            date = cftime.num2date(float(tags["NETCDF_DIM_time"]), units, calendar)
            at = (date.year, date.month, date.day, date.hour)
            return Stamp(what, at, at)
    except (KeyError, ValueError, OverflowError):
        # Months of a calendar that has none, or no number.
        pass
    return Stamp(what)


def place_of_band(month: int, stamps: Sequence[Stamp], names: Sequence[str], who: str) -> int:
    """Which of twelve bands holds a month of the year, 0 for January.

    Bands that say neither times nor numbers begin with January.

    Raises
    ------
    IcemapError
        If they are of several quantities, or of twelve years, days or hours.
    """
    whats = list(dict.fromkeys(stamp.what for stamp in stamps))
    if len(whats) > 1:
        raise IcemapError(
            f"{who}: a derivation of months needs January to December of one quantity, but its"
            f" bands are of {' and '.join(map(repr, whats[:3]))}: make a file of one of them."
        )
    dates = _middles(stamps)
    if dates is None:
        found = months_of_names(names)
        return month if found is None else found.index(month + 1)
    numbers = [date[1] for date in dates]
    if set(numbers) == set(range(1, MONTHS + 1)):
        return numbers.index(month + 1)
    counted = [12 * date[0] + date[1] for date in dates]
    # Months of 30 days each miss one and name another twice.
    if not 10 <= max(counted) - min(counted) <= 12:
        held = ", ".join(f"{date[0]}-{date[1]:02d}-{date[2]:02d}" for date in dates)
        raise IcemapError(
            f"{who}: a derivation of months needs January to December in its bands, which hold"
            f" {held}: give monthly means."
        )
    return month


def months_of_names(names: Sequence[str]) -> list[int] | None:
    """The month of each of twelve names, 1 for January; None unless each has one of its own.

    Examples
    --------
    >>> months_of_names([f"tavg_{number}" for number in sorted(range(1, 13), key=str)])
    [1, 10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> months_of_names(["depth"] * 12) is None
    True
    """
    for read in (_by_word, _by_date, _by_number):
        found = read(names)
        if found is not None and sorted(found) == list(range(1, MONTHS + 1)):
            return found
    return None


def _by_word(names: Sequence[str]) -> list[int] | None:
    found = [NAMED.findall(name.replace("_", " ")) for name in names]
    if any(len(words) != 1 for words in found):
        return None
    return [1 + NAMES.index(words[0][:3].lower()) for words in found]


def _by_date(names: Sequence[str]) -> list[int] | None:
    found = [DATED.findall(name) for name in names]
    return None if any(len(dates) != 1 for dates in found) else [int(one[0]) for one in found]


def _by_number(names: Sequence[str]) -> list[int] | None:
    """Numbers at the end of equal names, from 0 or from 1."""
    found = [NUMBERED.fullmatch(name.strip()) for name in names]
    matches = [match for match in found if match is not None]
    if len(matches) < len(names) or len({match[1] for match in matches}) > 1:
        return None
    numbers = [int(match[2]) for match in matches]
    return [number + (min(numbers) == 0) for number in numbers]


def _middles(stamps: Sequence[Stamp]) -> list[tuple[int, ...]] | None:
    """A time in each period: a mean is often stamped with its end, but begins at a time of its own,
    while forecasts all begin at one.
    """
    begins = [stamp.begins for stamp in stamps]
    ends = [stamp.ends for stamp in stamps]
    known = [(a, b) for a, b in zip(begins, ends) if a is not None and b is not None]
    if len(known) < len(stamps):
        return None
    if len(set(begins)) < len(stamps):
        return [end for _, end in known]
    return [_middle(begin, end) for begin, end in known]


def _middle(begin: tuple[int, ...], end: tuple[int, ...]) -> tuple[int, ...]:
    if begin == end:
        return begin
    start = datetime.datetime(*begin)  # type: ignore[arg-type]
    date = start + (datetime.datetime(*end) - start) / 2  # type: ignore[arg-type]
    return (date.year, date.month, date.day, date.hour)


def _since_1970(seconds: str) -> tuple[int, ...]:
    date = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=float(seconds.split()[0]))
    return (date.year, date.month, date.day, date.hour)
