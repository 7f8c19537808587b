"""Rows of a table of sites that are not one site each."""

from __future__ import annotations

import re

import pandas as pd

from icemap.boreholes.table_units import stem
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, name_key
from icemap.errors import IcemapError
from icemap.names import ICE

# What columns are called that say where in the ground a row is.
_WHERE = re.compile(
    r"(?:(?:sample|layer|interval|sensor|measurement) )?"
    r"(?:depths?|top|base|bottom|from|to|upper|lower|interval|tiefe|von|bis|profondeur|глубина"
    r"|кровля|подошва|深度)(?: (?:top|base|bottom|from|to|upper|lower|interval))?"
)

# And of which time of the year, and so many of them at one place that it is a series.
_WHEN = re.compile(r"month|season|monat|jahreszeit|mois|saison|mes|месяц|сезон|月份?|季节")
SERIES = 4

OF_HOLES = {"depth", "depths", "bottom", "base", "tiefe", "profondeur", "глубина", "深度"}


def require_one_depth(
    table: Table, read: set[str], sites: pd.DataFrame, target: str, *, named: bool
) -> None:
    """Refuse a table in which one site has several rows of different depths, or of the months of
    a year.

    Without names a single depth may be that of the hole, of which several can be at one place.

    Parameters
    ----------
    table : Table
    read : set of str
        Headers of the columns that are read.
    sites : DataFrame
        Of its rows, with ``site``, ``lon``, ``lat`` and ``value``.
    target : str
        Name of the target.
    named : bool
        Whether rows of one site have its name.

    Raises
    ------
    IcemapError
        Naming the column, two rows, and what to do.
    """
    # Clipped, because rounding the absurd overflows.
    keys = (
        sites[["lon", "lat"]]
        .clip(-1e12, 1e12)
        .round(5)
        .assign(name=sites["site"].map(name_key) if named else "")
    )
    place = pd.Series(pd.factorize(pd.MultiIndex.from_frame(keys))[0], index=sites.index)
    given = sites[["lon", "lat", "value"]].notna().all(axis=1)
    for header in map(str, table.frame.columns):
        name = stem(header)
        of_year = _WHEN.fullmatch(name) is not None
        where = _WHERE.fullmatch(name) and (named or name not in OF_HOLES)
        if header in read or not (of_year or where):
            continue
        told = as_text(table.frame[header])
        rows = pd.DataFrame({"place": place, "told": told})[given & (told != "")]
        several = rows.groupby("place")["told"].transform("nunique") >= (SERIES if of_year else 2)
        if several.any():
            first = rows[several].iloc[0]
            other = rows[(rows["place"] == first["place"]) & (rows["told"] != first["told"])]
            lines = table.lines[[rows[several].index[0], other.index[0]]]
            remedy = (
                "give it as a table of layers ('boreholes: {layers: [{path: ...}]}'), from which"
                " icemap makes one value for each site"
                if target == ICE and not of_year
                else "keep one row for each site"
            )
            raise IcemapError(
                f"{table.file}: one place has rows of several"
                f" {'times of the year' if of_year else 'depths'} ('{header}' is '{first['told']}'"
                f" in line {lines[0]} and '{other['told'].iloc[0]}' in line {lines[1]}), and each"
                f" would count as a site: {remedy}."
            )


def told_again(sites: pd.DataFrame) -> str:
    """What names with several rows at one place become, empty without any.

    Parameters
    ----------
    sites : DataFrame
        The site table, whose ``site`` are names.
    """
    used = sites[sites["used"]]
    keys = [used["site"].map(name_key), used["lon"].round(3), used["lat"].round(3)]
    count = used.groupby(keys)["site"].transform("size")
    several = used[count > 1]
    if several.empty:
        return ""
    name = several["site"].iloc[0]
    names = several["site"].map(name_key).nunique()
    return (
        f"'{name}' has {int(count[several.index[0]])} rows at one place"
        + (f", and {names - 1} other names have several, too" if names > 1 else "")
        + ": they count as samples of one cell, with their mean; keep one row for each site if they"
        " are repeats of one measurement"
    )
