"""Columns next to those of layers that say what their depths, water and frozen rows are."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.header_words import CONTRARY, KINDS_OF_ICE
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.row_columns import NO
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, is_numeric, words
from icemap.errors import IcemapError

Rows = NDArray[np.bool_]
Floats = NDArray[np.float64]

_WATER = r"(?:water|moisture)(?: content)? (?:basis|type)|(?:(?:weight|mass) )?basis"
# How the ice of a site formed is no measure of it.
_FORMED = "ice type"
_DENSITY = r"(?:bulk )?density (?:basis|type)"
_DEPTH = r"depths? (?:reference|ref|datum|origin|zero|from|below)"
# What columns are called that say by row what these are.
COMPANIONS = {
    "gravimetric_water": _WATER,
    "volumetric_water": _WATER,
    "reported_vic": r"(?:ice|vic)(?: content)? (?:basis|type)|(?:(?:weight|mass) )?basis",
    "dry_density": _DENSITY,
    "frozen_bulk_density": _DENSITY,
    **dict.fromkeys(("top", "base", "depth"), _DEPTH),
}
# Columns of sentences, and what these say of water and ice: not "wet weight 320 g".
_REMARKS = re.compile(
    r"(?:(?:general|lab|sample|field) )?(?:comments?|remarks?|notes?)|bemerkung(?:en)?|kommentare?"
    r"|remarques?|commentaires?|примечани[ея]|备注"
)
_CONTENT = r"(?:\b(?:ice|water|moisture)(?: contents?)?\b|\bvic\b).*"
_OF_WET = r"(?:by|of|per|on|to) (?:an? |the )?(?:wet|total|moist)(?: sample)? (?:basis|weight|mass)"
_OF_MASS = rf"{_OF_WET}|by (?:weight|mass)|gravimetric|wt ?%|(?:dry|wet) (?:basis|weight|mass)"
IN_REMARKS = {
    "gravimetric_water": _CONTENT + _OF_WET,
    **dict.fromkeys(("volumetric_water", "reported_vic"), f"{_CONTENT}(?:{_OF_MASS})"),
}
# Words for frozen ground, and for ground that is not, alone in a cell.
FROZEN_WORDS = frozenset(
    {"frozen", "frozen soil", "frozen ground", "gefroren", "gelé", "gelée", "мерзлый", "мёрзлый"}
    | {"мерзлая", "мёрзлая", "мерзлое", "мёрзлое", "мерзлые", "мёрзлые", "冻土", "冻结", "冻"}
)
THAWED = frozenset(
    {"thawed", "unfrozen", "not frozen", "non frozen", "thawed soil", "unfrozen soil", "ungefroren"}
    | {"thawed ground", "unfrozen ground", "talik", "талик", "融区"}
    | {"aufgetaut", "dégelé", "non gelé", "талый", "талая", "талое", "талые", "немерзлый"}
    | {"немёрзлый", "немерзлая", "немёрзлая", "融土", "未冻", "未冻结"}
)
# Columns whose no says the same.
FROZEN = re.compile(r"(?:is |in )?permafrost|(?:is )?frozen(?: ground| soil| state)?|gefroren|gelé")
# Parts of a core that may have depths of their own.
PARTS = re.compile(
    r"(?:core )?(?:section|segment|drive|run|tube|liner|barrel|box)(?: ?(?:no|number|id|nr))?"
)
# Names of columns that say how far a hole is from upright, and of its direction.
_TILT = re.compile(r"(?:hole |collar |drill |borehole )?(?:dip|inclination|plunge)")
_DIRECTION = re.compile(r"(?:hole |collar |drill |borehole )?(?:azimuth|azim|bearing|azi)")
UPRIGHT = 5.0


def require_meanings(table: Table, headers: Mapping[str, str], given: Rows) -> None:
    """Refuse columns that are something else than what they are read as, as a column next to
    them says.

    Parameters
    ----------
    table : Table
    headers : mapping of str to str
        Of the columns that are read, by icemap's names.
    given : ndarray of bool, shape (rows,)
        Rows with a value.

    Raises
    ------
    IcemapError
        Naming both columns, the row and the word.
    """
    for other in map(str, table.frame.columns):
        if other in headers.values():
            continue
        called = words(other)
        for name, companion in COMPANIONS.items():
            is_remark = name in IN_REMARKS and _REMARKS.fullmatch(called) is not None
            if name not in headers or not (is_remark or re.fullmatch(companion, called)):
                continue
            if is_numeric(table.frame[other]):
                continue
            meaning, pattern = CONTRARY[name]
            if is_remark:
                pattern = IN_REMARKS[name]
            before = "below " if companion == _DEPTH else ""
            texts = as_text(table.frame[other])
            plain = {text: before + words(text) for text in texts.unique() if text != ""}
            if called == _FORMED:
                plain = {text: KINDS_OF_ICE.sub("ice", told) for text, told in plain.items()}
            known = {text: re.search(pattern, told) is not None for text, told in plain.items()}
            wrong = texts.map(known | {"": False}).to_numpy(bool) & given
            if wrong.any():
                row = int(np.argmax(wrong))
                raise IcemapError(
                    f"{table.file}, line {table.lines[row]}: the column '{other}' says"
                    f" '{texts.iloc[row]}', and '{headers[name]}' is read as {meaning}: convert"
                    f" these rows, remove them, or rename '{other}' if it is about something else."
                )


def require_frozen(table: Table, read: set[str], below: Rows) -> None:
    """Refuse rows below the permafrost table that a column which is not read calls thawed.

    Parameters
    ----------
    table : Table
    read : set of str
        Headers of the columns that are read.
    below : ndarray of bool, shape (rows,)
        Rows with a value that are taken for frozen ground.

    Raises
    ------
    IcemapError
        Naming the column and the row.
    """
    for header in map(str, table.frame.columns):
        if header in read or is_numeric(table.frame[header]):
            continue
        texts = as_text(table.frame[header])
        no = THAWED | NO if FROZEN.fullmatch(words(header).strip(" ?")) else THAWED
        wrong = texts.isin([text for text in texts.unique() if words(text) in no]) & below
        if wrong.any():
            row = int(np.argmax(wrong.to_numpy(bool)))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: the column '{header}' says"
                f" '{texts.iloc[row]}' of a row that is taken for frozen ground: name the column"
                f" with 'columns: {{frozen: {header}}}' and write yes or no in it, or leave the"
                " row out."
            )


def require_upright(table: Table, sites: pd.Series) -> None:
    """Refuse depths along holes that are not upright, as databases of drill holes hold them.

    Parameters
    ----------
    table : Table
    sites : Series
        Name of the site in each row.

    Raises
    ------
    IcemapError
        Naming the column, the row and the angle.
    """
    called = {str(header): words(split_header(str(header))[0]) for header in table.frame.columns}
    directed = any(_DIRECTION.fullmatch(name) for name in called.values())
    for header, name in called.items():
        if not _TILT.fullmatch(name):
            continue
        told = parse_numbers(table.frame[header]).value
        angle = np.abs(told)
        # That of lenses changes from layer to layer, and is not written as negative.
        of_holes = pd.Series(told).groupby(sites.to_numpy()).nunique().max() == 1
        of_holes &= directed or bool((told[np.isfinite(told)] < 0).all())
        tilted = (angle > UPRIGHT) & (angle < 90 - UPRIGHT)
        if of_holes and tilted.any():
            row = int(np.argmax(tilted))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: the column '{header}' says"
                f" {angle[row]:g} degrees, and along a hole that is not upright depths are no"
                " depths below the surface: convert them, and leave the column out."
            )


def require_whole_cores(table: Table, sites: pd.Series, top: Floats, base: Floats) -> None:
    """Refuse depths that begin again in every section of a core.

    Parameters
    ----------
    table : Table
    sites : Series
        Name of the site in each row.
    top, base : ndarray of shape (rows,)
        m, NaN where there is none.

    Raises
    ------
    IcemapError
        Naming the column of sections.
    """
    for header in map(str, table.frame.columns):
        if not PARTS.fullmatch(words(split_header(header)[0])):
            continue
        part = as_text(table.frame[header])
        rows = pd.DataFrame({"site": sites, "part": part, "top": top, "base": base})
        parts = rows[part != ""].groupby(["site", "part"], sort=False)
        ends = parts.agg(rows=("top", "size"), top=("top", "min"), base=("base", "max"))
        ends["length"] = ends["base"] - ends["top"]
        ends = ends[(ends["rows"] > 1) & (ends["length"] > 0)].reset_index()
        before = ends.groupby("site").shift()
        both = [part[["top", "base", "length"]].to_numpy() for part in (ends, before)]
        top_of_both, base_of_both = np.maximum(*both)[:, 0], np.minimum(*both)[:, 1]
        again = base_of_both - top_of_both > 0.5 * np.minimum(*both)[:, 2]
        if again.any() and 2 * again.sum() > before["top"].notna().sum():
            site = ends["site"][int(np.argmax(again))]
            raise IcemapError(
                f"{table.file}: depths begin again in the parts of '{site}' that the column"
                f" '{header}' names, like depths in each of them: add the depth at which each part"
                " begins, or give the column another name if all begin at the surface."
            )
