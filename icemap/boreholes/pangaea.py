"""What PANGAEA writes above a table: its events with their places, and what its columns hold."""

from __future__ import annotations

import re

import pandas as pd

from icemap.boreholes.table_units import split_header, stem
from icemap.boreholes.text import as_text

_PLACE = re.compile(
    r"(?P<name>.+?) \* LATITUDE: (?P<latitude>-?\d+(?:\.\d+)?)"
    r" \* LONGITUDE: (?P<longitude>-?\d+(?:\.\d+)?)"
)
_PARAMETER = re.compile(r"(?P<long>.+?) \((?P<short>(?:[^()]|\([^()]*\))+)\)(?P<more> \* .*)?")
# What is said of a column besides what it holds: who measured it, and that it places a row.
_ASIDES = ("PI:", "GEOCODE")
_PLACED = {"latitude", "longitude", "lat", "long", "lon"}


def split_description(text: str) -> tuple[str, str]:
    """PANGAEA's block ``/* ... */`` above a table, empty without one, and the table.

    Examples
    --------
    >>> split_description("/* DATA\\n*/\\nEvent\\tDepth\\n")
    ('/* DATA', 'Event\\tDepth\\n')
    """
    end = text.find("\n*/") if text.startswith("/*") else -1
    return (text[:end], text[text.find("\n", end + 1) + 1 :]) if end >= 0 else ("", text)


def with_event_places(frame: pd.DataFrame, description: str) -> pd.DataFrame:
    """A table with the places of its events, where it has no columns of its own for them.

    Rows belong to the event that their column ``Event`` names; without one, to the only event.

    Parameters
    ----------
    frame : DataFrame
    description : str
        The block above it.

    Examples
    --------
    >>> above = "/*\\nEvent(s):\\tBK-8 * LATITUDE: 72.3 * LONGITUDE: 126.4 * DATE/TIME: 2012\\n"
    >>> print(with_event_places(pd.DataFrame({"Depth [m]": [1.0]}), above).to_string(index=False))
    Event  Latitude  Longitude  Depth [m]
     BK-8      72.3      126.4        1.0
    """
    if _PLACED & {stem(str(header)) for header in frame.columns}:
        return frame
    events = {}
    lines = _section(description, "Event")
    for line in lines:
        place = _PLACE.match(line)
        if place is not None:
            where = float(place["latitude"]), float(place["longitude"])
            events[place["name"]] = where
            # Behind a name its other one may stand in parentheses.
            events.setdefault(place["name"].partition(" (")[0], where)
    if "Event" in frame.columns:
        of_row = as_text(frame["Event"])
    elif len(lines) == 1 and events:
        of_row = pd.Series(next(iter(events)), index=frame.index)
    else:
        return frame
    if not of_row.isin(list(events)).any():
        return frame
    named = {
        "Event": of_row,
        "Latitude": of_row.map({name: place[0] for name, place in events.items()}),
        "Longitude": of_row.map({name: place[1] for name, place in events.items()}),
    }
    return pd.DataFrame(named).join(frame.drop(columns="Event", errors="ignore"))


def parameter_notes(description: str, headers: list[str]) -> tuple[str, ...]:
    """What the block says of columns, behind their names.

    Parameters
    ----------
    description : str
    headers : list of str
        Of the columns.

    Examples
    --------
    >>> above = "/*\\nParameter(s):\\tIce content [%] (Ice con [%]) * PI: B * COMMENT: in wt%\\n"
    >>> parameter_notes(above, ["Event", "Ice con [%]"])
    ('Ice con: Ice content, COMMENT: in wt%',)
    """
    told = []
    for line in _section(description, "Parameter"):
        parameter = _PARAMETER.fullmatch(line)
        if parameter is None or parameter["short"] not in headers:
            continue
        more = (parameter["more"] or "").split(" * ")[1:]
        words = [word for word in more if not word.startswith(_ASIDES)]
        long_name = split_header(parameter["long"])[0]
        told.append(f"{split_header(parameter['short'])[0]}: {', '.join([long_name, *words])}")
    return tuple(told)


def _section(description: str, name: str) -> list[str]:
    """Lines of one part of the block, of which all but the first begin with a tab."""
    part = re.search(rf"(?m)^{name}\(s\):((?:\t.*\r?\n?)+)", description)
    return [line.strip() for line in part[1].splitlines() if line.strip()] if part else []
