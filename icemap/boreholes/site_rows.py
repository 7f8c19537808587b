"""Rows of a table of sites that are not one site each."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd

from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.table_units import stem
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, name_key
from icemap.errors import IcemapError
from icemap.names import ICE

# Words of columns that say where in the ground a row is, and those that may stand with them: depths
# of thaw, snow, water, bedrock or a hole are others.
_ENDS = {"top", "base", "bottom", "bot", "from", "to", "upper", "lower", "interval", "von", "bis"}
_ENDS |= {"haut", "bas", "кровля", "подошва", "от", "до"}
_DEPTHS = {"depth", "depths", "tiefe", "teufe", "profondeur", "глубина", "深度"}
_OF_ROWS = {"sample", "layer", "lyr", "interval", "sensor", "thermistor", "measurement", "horizon"}
_OF_ROWS |= {"hzn", "hor", "sed", "sediment", "soil", "mean", "mid", "middle", "midpoint", "center"}
_OF_ROWS |= {"centre", "of", "the", "below", "surface", "ground", "bgs", "отбора", "пробы"}
_OF_ROWS |= {"образца"}

# Of which time of the year it is, and so many of them at one place that it is a series.
_WHEN = re.compile(r"month|season|monat|jahreszeit|mois|saison|mes|месяц|сезон|月份?|季节")
SERIES = 4
# Rows that go on where the one above ends, from which they are layers, and that part of all rows.
JOINTS, CHAINED = 3, 0.6
YEARS = (1800, 2200)
ONE_ROW = "keep one row for each site"

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
    layers = (
        "give it as a table of layers ('boreholes: {layers: [{path: ...}]}'), from which icemap"
        " makes one value for each site"
    )
    for header in map(str, table.frame.columns):
        name = stem(header)
        of_year = _WHEN.fullmatch(name) is not None
        where = is_where(name) and (named or name not in OF_HOLES)
        if header in read or not (of_year or where):
            continue
        told = as_text(table.frame[header])
        rows = pd.DataFrame({"place": place, "told": told})[given & (told != "")]
        several = rows.groupby("place")["told"].transform("nunique") >= (SERIES if of_year else 2)
        if several.any():
            first = rows[several].iloc[0]
            other = rows[(rows["place"] == first["place"]) & (rows["told"] != first["told"])]
            lines = table.lines[[rows[several].index[0], other.index[0]]]
            remedy = layers if target == ICE and not of_year else ONE_ROW
            raise IcemapError(
                f"{table.file}: one place has rows of several"
                f" {'times of the year' if of_year else 'depths'} ('{header}' is '{first['told']}'"
                f" in line {lines[0]} and '{other['told'].iloc[0]}' in line {lines[1]}), and each"
                f" would count as a site: {remedy}."
            )
    _require_no_chain(table, read, place, given, layers if target == ICE else ONE_ROW)


def is_where(name: str) -> bool:
    """Whether a column of this name says where in the ground a row is.

    Parameters
    ----------
    name : str
        In lower case, without a unit.

    Examples
    --------
    >>> is_where("core top"), is_where("depth sed"), is_where("thaw depth")
    (True, True, False)
    """
    told = set(name.split())
    if told & _ENDS:
        return told <= _ENDS | _DEPTHS | _OF_ROWS | {"core"}
    return bool(told & _DEPTHS) and told <= _DEPTHS | _OF_ROWS


def _require_no_chain(
    table: Table, read: set[str], place: pd.Series, given: pd.Series, remedy: str
) -> None:
    """Refuse two columns next to one another that go on from row to row of one place, whatever they
    are called: they are tops and bases of layers, unless they are years.
    """
    rows = np.flatnonzero(given)
    same = place.iloc[rows[1:]].to_numpy() == place.iloc[rows[:-1]].to_numpy()
    if same.sum() < JOINTS:
        return
    headers = [header for header in map(str, table.frame.columns) if header not in read]
    for above, below in itertools.pairwise(headers):
        top, base = (parse_numbers(table.frame[name]).value[rows] for name in (above, below))
        years = (np.r_[top, base] > YEARS[0]).all() and (np.r_[top, base] < YEARS[1]).all()
        joined = same & (base[:-1] == top[1:])
        if years or not (top < base).all() or joined.sum() < max(JOINTS, CHAINED * same.sum()):
            continue
        row = rows[int(np.argmax(joined))]
        raise IcemapError(
            f"{table.file}, line {table.lines[row]}: '{below}' is where '{above}' of the next row"
            " of the same place begins, and so on, like tops and bases of layers, and each row"
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
