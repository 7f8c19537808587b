"""Which column of a table of layers is which, and in which unit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from icemap.borehole_sections import LayerSource
from icemap.boreholes.header_words import require_header
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.records import QUANTITIES
from icemap.boreholes.row_columns import require_unit_by_row
from icemap.boreholes.table_units import (
    NAMELESS,
    NO_UNITS,
    UNITS,
    canonical_unit,
    convert_units,
    header_unit,
    same_unit,
    split_header,
    stem,
    unit_factor,
)
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, words
from icemap.errors import IcemapError

ALIASES = {
    "lon": "longitude",
    "long": "longitude",
    "lat": "latitude",
    "vic": "reported_vic",
    "id": "site",
    "borehole": "site",
    "bottom": "base",
}
PROJECTED_ALIASES = {
    "x": "longitude",
    "easting": "longitude",
    "y": "latitude",
    "northing": "latitude",
}
ENDS = ("top", "base", "depth")
DEPTHS = ("permafrost_table", *ENDS)
# Elevation of the surface of a hole, with which the ends of its layers are elevations: known only
# where the config names it, because most tables of depths have such a column, too.
SURFACE = "surface"
WORDS = (
    "position_grade",
    "permafrost_table_source",
    "support",
    "frozen",
    "method",
    "ice_type",
    "source",
)
# Words for how thick a layer is, in headers, and those that may stand with them: that of the active
# layer, of snow or of peat is another thing.
THICKNESS = {"thickness", "thick", "length", "mächtigkeit", "épaisseur", "dz", "δz", "dicke"}
THICKNESS |= {"schichtdicke", "schichtmächtigkeit", "puissance", "espesor", "мощность", "толщина"}
THICKNESS |= {"厚度", "层厚"}
OF_THE_LAYER = {"layer", "sample", "interval", "core", "segment", "slice", "section", "of", "the"}
OF_THE_LAYER |= {"half", "der", "schicht", "probe", "couche", "слоя", "образца", "пробы", "м", "см"}
# Letters of names that are compared with those of icemap, and how much of them has to be the same.
LONG, ALIKE = 8, 0.88
SPELLED = ("permafrost_table", "permafrost_table_source", "ice_type", *QUANTITIES)
# Depths from and to in the name of a quantity.
OF_DEPTHS = re.compile(r"\d\s*(?:-|–|_|to)\s*\d+(?:[.,]\d+)?\s*(?:m|cm|ft)?\b", re.IGNORECASE)
# In names with underscores, too.
ELEVATION = re.compile(
    r"elev|altitude|h[öo]he|cote|высот|отметк|高程|海拔"
    r"|(?<![^\W_])(?:dem|el|m?a\.?s\.?l)(?![^\W_])",
    re.IGNORECASE,
)
_END = re.compile(r"top|base|bottom|upper|lower", re.IGNORECASE)
# Units of water by dry mass, which no other quantity has.
BY_DRY_MASS = {
    **dict.fromkeys(("g/g", "kg/kg", "g g-1", "kg kg-1", "gg-1"), "1"),
    **dict.fromkeys(("% dry weight", "% dw", "%dw", "% dry mass", "% db", "%db", "% dm"), "%"),
    **dict.fromkeys(("% of dry weight", "% of dry mass", "% by dry weight", "% dry wt"), "%"),
    **dict.fromkeys(("wt% dry", "% by dry mass", "% (dry)", "% tm", "% tg"), "%"),
}
# A unit of each kind of quantity, by which others are recognized.
CANONICAL = {"fraction": "%", "density [g/cm3]": "g/cm3", "length [m]": "m"}
KNOWN = ("site", "longitude", "latitude", *DEPTHS, *WORDS, *QUANTITIES, "year")


@dataclass(frozen=True)
class Column:
    """A column that was found: its header, and its unit for all rows (``unit``) or the column that
    says it by row (``unit_column``).
    """

    header: str
    unit: str | None = None
    unit_column: str | None = None


def layer_columns(table: Table, source: LayerSource) -> dict[str, Column]:
    """The columns of a table of layers, by icemap's names.

    Parameters
    ----------
    table : Table
    source : LayerSource
        Names, units and CRS that the config gives.

    Raises
    ------
    IcemapError
        If a needed column is missing, there twice, or its unit contradicts the config's.
    """
    headers = [str(header) for header in table.frame.columns]
    found = known_columns(table, source.columns, source.crs)
    found |= _with_unit_in_name(found, headers)
    _require_spelled(table, found, headers)
    _require_once(table, found)
    if {"top", "base"} <= found.keys() and "depth" not in source.columns:
        # That of the hole, or of a point in the layer: top and base say more.
        found.pop("depth", None)
    _require_whole_depths(table, found, headers)
    needed = [
        "site",
        "longitude",
        "latitude",
        *(["depth"] if "depth" in found else ["top", "base"]),
    ]
    absent = [name for name in needed if name not in found]
    has = f"it has {', '.join(headers[:40])}"
    if absent:
        if len(headers) == 1 and table.title:
            remedy = "Its first row is one cell, like a title: remove what is above the header."
        elif len(headers) == 1:
            remedy = "Its first line is one cell: separate cells by commas, semicolons or tabs."
        else:
            remedy = f"Say which is which with 'columns: {{{absent[0]}: ...}}' of the source."
        wide = [header for header in headers if OF_DEPTHS.search(header)]
        if len(wide) > 1 and {"top", "base"} <= set(absent):
            remedy = (
                f"'{wide[0]}' and '{wide[1]}' look like one quantity at several depths: write one"
                " row for each of them, with its depths in top and base."
            )
        heights = [header for header in headers if is_elevation_of_end(header)]
        if heights and {"top", "base"} & set(absent):
            remedy = (
                f"'{heights[0]}' looks like an elevation: write depths below the surface in its"
                " place, or name all three columns as 'columns: {top: ..., base: ..., surface:"
                " ...}', of which surface is the elevation of the surface at the hole."
            )
        if {"longitude", "latitude"} <= set(absent):
            remedy += " If another table holds the places, name it as 'collars: {path: ...}'."
        raise IcemapError(
            f"{table.file} has no column {', '.join(absent)}: a table of layers needs site,"
            f" longitude [deg], latitude [deg], top [m] and base [m], and {has}. {remedy}"
        )
    if not any(name in found for name in (*QUANTITIES, "ice_type")):
        raise IcemapError(
            f"{table.file} has no measured quantity: it needs one column such as 'vic [%]' or"
            f" 'gravimetric_water [%]' with 'dry_density [g/cm3]', and {has}."
        )
    for name, header in found.items():
        if name not in ENDS or SURFACE not in found:
            require_header(table.file, name, header)
    return _with_units(table, found, source, headers)


def known_columns(table: Table, columns: Mapping[str, str], crs: str | None) -> dict[str, str]:
    """Headers by icemap's names: those that are given, and those that are called so.

    Parameters
    ----------
    table : Table
    columns : mapping of str to str
        icemap's names to the table's.
    crs : str or None
        Of projected coordinates, with which x and y are known.

    Raises
    ------
    IcemapError
        If a given column is not there, or two have one name.
    """
    headers = [str(header) for header in table.frame.columns]
    found = {name: _named(table, name, wanted, headers) for name, wanted in columns.items()}
    aliases = ALIASES | (PROJECTED_ALIASES if crs else {})
    taken = set(found.values())
    for header in headers:
        name = words(split_header(header)[0]).strip(" ?:.").replace(" ", "_")
        name = re.sub(r"_(?:deg|degrees|dd)$", "", name)
        name = aliases.get(name, name)
        if name not in KNOWN or header in taken or name in columns:
            continue
        if name in found:
            raise IcemapError(
                f"{table.file} has two columns for {name} ('{found[name]}' and '{header}'): keep"
                " one."
            )
        found[name] = header
    return found


def is_elevation_of_end(header: str) -> bool:
    """Whether a name is of the elevation of an end of a layer.

    Examples
    --------
    >>> is_elevation_of_end("Top El. (m)"), is_elevation_of_end("base_el_m")
    (True, True)
    >>> is_elevation_of_end("Ground elevation"), is_elevation_of_end("top [m]")
    (False, False)
    """
    return ELEVATION.search(header) is not None and _END.search(header) is not None


def _with_unit_in_name(found: dict[str, str], headers: list[str]) -> dict[str, str]:
    """Columns such as top_m and vic_pct, of which each is the only one that may be meant."""
    like: dict[str, list[str]] = {}
    for header in headers:
        plain = words(stem(header)).replace(" ", "_")
        name = ALIASES.get(plain, plain)
        measured = name in DEPTHS or name in QUANTITIES
        if measured and header not in found.values() and _unit(name, header) is not None:
            like.setdefault(name, []).append(header)
    return {name: one[0] for name, one in like.items() if name not in found and len(one) == 1}


def _require_spelled(table: Table, found: dict[str, str], headers: list[str]) -> None:
    """Refuse columns that are not read, with names that are nearly those of icemap."""
    known = {"vic": "reported_vic"} | {name.replace("_", ""): name for name in SPELLED}
    missing = {key: name for key, name in known.items() if name not in found}
    for header in headers:
        if header in found.values():
            continue
        name, unit = split_header(header)
        word = None if unit else header_unit(header)[0]
        key = re.sub(r"[\W_]", "", name.removesuffix(word or "").lower()).removesuffix("content")
        several = list(missing) if len(key) >= LONG else [key] if key in missing else []
        for like in difflib.get_close_matches(key, several, 1, ALIKE):
            raise IcemapError(
                f"{table.file}: the column '{header}' is not known, and resembles"
                f" {missing[like]}: write it so, name it in the config as"
                f" 'columns: {{{missing[like]}: ...}}', or give it another name if it is not to be"
                " read."
            )


def _require_once(table: Table, found: dict[str, str]) -> None:
    """Refuse one column that is to be two."""
    for name, header in found.items():
        other = next((one for one, its in found.items() if its == header), name)
        if other != name and not {name, other} & {"site", *WORDS}:
            remedy = (
                "name a column of intervals with 'columns: {depth: ...}'"
                if {name, other} == {"top", "base"}
                else "name another column for one of them"
            )
            raise IcemapError(
                f"{table.file}: the column '{header}' is to be both {other} and {name}: {remedy}."
            )


def _require_whole_depths(table: Table, found: dict[str, str], headers: list[str]) -> None:
    """Say where a layer has a depth and, in another column, a thickness."""
    if "depth" not in found:
        return
    if "top" in found or "base" in found:
        other = found.get("top") or found["base"]
        raise IcemapError(
            f"{table.file} has the columns '{found['depth']}' and '{other}', of which each would"
            " say where a layer is: give top and base, or a depth alone."
        )
    _require_names(table, found["depth"], headers)
    for header in headers:
        named = set(re.split(r"[\W\d_]+", split_header(header)[0].lower())) - {""}
        if named & THICKNESS and named <= THICKNESS | OF_THE_LAYER | UNITS["length [m]"].keys():
            raise IcemapError(
                f"{table.file} has the columns '{found['depth']}' and '{header}': a depth alone is"
                " a point. Write the ends of each layer as top [m] and base [m], or leave the"
                " second column out if the layers are points."
            )


def _require_names(table: Table, depth: str, headers: list[str]) -> None:
    """Say where the name of depths is merged over a second column of numbers."""
    after = headers[headers.index(depth) + 1 :][:1]
    nameless = after and NAMELESS.fullmatch(after[0])
    if nameless and np.isfinite(parse_numbers(table.frame[after[0]]).value).any():
        raise IcemapError(
            f"{table.file}: the column of numbers behind '{depth}' has no name, as where one name"
            " is written over tops and bases: give each a name, as top [m] and base [m]."
        )


def _named(table: Table, name: str, wanted: str, headers: list[str]) -> str:
    if name not in (*KNOWN, SURFACE):
        called = ALIASES.get(name.lower())
        known = ", ".join((*KNOWN, SURFACE))
        remedy = f"write columns.{called}" if called else f"use one of {known}"
        raise IcemapError(f"columns.{name} is no column of a table of layers: {remedy}.")
    fits = [header for header in headers if header == wanted] or [
        header for header in headers if split_header(header)[0] == wanted
    ]
    if len(fits) > 1:
        raise IcemapError(
            f"{table.file} has several columns '{wanted}' (columns.{name}): name one as it is"
            f" written, of {' and '.join(repr(fit) for fit in fits)}."
        )
    if not fits:
        raise IcemapError(
            f"{table.file} has no column '{wanted}' (columns.{name}): it has"
            f" {', '.join(headers[:40])}. Correct the name in the config."
        )
    return fits[0]


def _with_units(
    table: Table, found: dict[str, str], source: LayerSource, headers: list[str]
) -> dict[str, Column]:
    strange = [name for name in source.units if name not in found]
    if strange:
        raise IcemapError(
            f"{table.file}: units.{strange[0]} names no column that was found: {', '.join(found)}"
            " were."
        )
    measured = [name for name in found if name in (*DEPTHS, SURFACE, *QUANTITIES)]
    silent = [
        name for name in measured if _unit(name, found[name]) is None and name not in source.units
    ]
    columns = {}
    for name, header in found.items():
        unit = _by_dry_mass(name, split_header(header)[1])
        told = source.units.get(name)
        told = told if told in headers else _by_dry_mass(name, told)
        companions = _companions(name, header)
        of_unit = next((h for h in headers if words(h) in companions), None)
        if (
            told is not None
            and told in headers
            and (name not in measured or unit_factor(told, kind_of(name)) is None)
        ):
            columns[name] = Column(header, unit_column=told)
        elif told is not None:
            if unit is not None and canonical_unit(unit) != canonical_unit(told):
                raise IcemapError(
                    f"{table.file} gives the column '{header}' in '{unit}', and units.{name} in the"
                    f" config says '{told}': correct the one that is wrong."
                )
            columns[name] = Column(header, told)
        elif unit is None and of_unit is not None and name in measured:
            columns[name] = Column(header, unit_column=of_unit)
        else:
            columns[name] = Column(header, _unit(name, header))
        if name in measured:
            _require_one_unit(table, name, columns[name])
            _require_unit_of_rows(table, columns[name], companions)
    # A column "unit" is that of the one quantity that has no other.
    alone = [name for name in silent if columns[name].unit_column is None and name in QUANTITIES]
    common = next(
        (header for header in headers if header.strip().lower() in ("unit", "units")), None
    )
    if common is not None and len(alone) == 1 and columns[alone[0]].unit is None:
        columns[alone[0]] = Column(found[alone[0]], unit_column=common)
    measures = [name for name in measured if name in QUANTITIES]
    if common is not None and len(measures) == 1:
        _require_unit_of_rows(table, columns[measures[0]], {words(common)})
    return columns


def _by_dry_mass(name: str, unit: str | None) -> str | None:
    """The unit of water by dry mass without that word, which its column has anyway."""
    if name != "gravimetric_water" or unit is None:
        return unit
    return BY_DRY_MASS.get(canonical_unit(unit).replace(".", ""), unit)


def _companions(name: str, header: str) -> set[str]:
    """What the column may be called that says the unit of another one by row."""
    stems = {name, split_header(header)[0], *(("depth", "depths") if name in ENDS else ())}
    return {words(f"{stem} {word}") for stem in stems for word in ("unit", "units")}


def _require_unit_of_rows(table: Table, column: Column, companions: set[str]) -> None:
    if column.unit is None:
        return
    given = (as_text(table.frame[column.header]) != "").to_numpy(bool)
    require_unit_by_row(table, column.header, column.unit, companions, given)


def _unit(name: str, header: str) -> str | None:
    """The unit in brackets, or the last word of a name such as top_cm, if it measures the same."""
    unit = _by_dry_mass(name, split_header(header)[1])
    if unit is not None or name not in (*DEPTHS, SURFACE, *QUANTITIES):
        return unit
    word = header_unit(header)[0]
    fits = (
        word is not None
        and canonical_unit(word) not in NO_UNITS
        and unit_factor(word, kind_of(name)) is not None
    )
    return word if fits else None


def _require_one_unit(table: Table, name: str, column: Column) -> None:
    """Refuse a header such as top_cm whose last word is another unit than that of the column."""
    word = header_unit(split_header(column.header)[0])[0]
    if word is None or column.unit is None or canonical_unit(word) in NO_UNITS:
        return
    measures = convert_units(np.zeros(1), word, CANONICAL[kind_of(name)]) is not None
    if measures and not same_unit(word, column.unit):
        raise IcemapError(
            f"{table.file}: the name of the column '{column.header}' ends with '{word}', and its"
            f" unit is said to be '{column.unit}': correct the one that is wrong."
        )


def kind_of(name: str) -> str:
    """What a column measures, as a kind of unit."""
    return QUANTITIES.get(name, "length [m]")
