"""Any long table: one row per layer, with icemap's names of columns or with those that the config
gives.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.borehole_sections import LayerSource
from icemap.boreholes.coordinate_checks import require_not_counted_up
from icemap.boreholes.footnotes import without_marks
from icemap.boreholes.header_words import says_density
from icemap.boreholes.ice_types import (
    canonical_ice_types,
    require_amounts,
    require_ice_where_told,
)
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_collars import NAMES, with_collars
from icemap.boreholes.readers.layer_columns import (
    DEPTHS,
    SURFACE,
    Column,
    layer_columns,
)
from icemap.boreholes.readers.layer_depths import require_depths
from icemap.boreholes.readers.layer_elevations import with_depths
from icemap.boreholes.readers.layer_holes import told_of_boreholes
from icemap.boreholes.readers.layer_masses import require_own_masses
from icemap.boreholes.readers.layer_numbers import layer_numbers
from icemap.boreholes.readers.layer_places import layer_places
from icemap.boreholes.readers.layer_repeats import require_repeated
from icemap.boreholes.readers.layer_sense import (
    require_agreement,
    require_boreholes,
    require_dry_mass,
    require_ice,
    require_parts,
)
from icemap.boreholes.readers.layer_slips import require_borders, require_one_hole
from icemap.boreholes.readers.layer_units import require_unit
from icemap.boreholes.records import (
    ASSUMED,
    QUANTITIES,
    Flags,
    Problems,
    Records,
    make_layers,
    require_one_spelling,
    require_schema,
)
from icemap.boreholes.repeated_columns import require_same
from icemap.boreholes.row_columns import (
    NO,
    YES,
    require_no_sums,
    require_one_kind,
    require_samples,
)
from icemap.boreholes.row_meanings import (
    FROZEN_WORDS,
    THAWED,
    require_frozen,
    require_meanings,
    require_upright,
    require_whole_cores,
)
from icemap.boreholes.table_notes import require_noted_units
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import MISSING, as_names, as_text, words
from icemap.boreholes.thaw_dates import early_thaw

# Signs for "as above", in place of a name.
DITTO = r"(?i:[-\s]*(?:\"|''|,,|〃|″|”|´´)[-\s]*|ditto|dto\.?|idem)"
# How people write the words that a column knows.
SPELLINGS: dict[str, dict[str, Set[str]]] = {
    "frozen": {"yes": YES | FROZEN_WORDS | {"f"}, "no": NO | THAWED | {"u"}},
    "support": {"samples": {"sample", "core sample"}, "logs": {"log"}},
}


def read_layer_table(url: str, source: LayerSource | None = None) -> Records:
    """Read a table of layers.

    Columns: ``site, longitude [deg], latitude [deg], position_grade, permafrost_table [m],
    permafrost_table_source, top [m], base [m], support, frozen, method, gravimetric_water [%],
    dry_density [g/cm3], frozen_bulk_density [g/cm3], volumetric_water [%], excess_ice [%],
    visible_ice [%], matrix_vic [%], porosity [%], vic [%], unfrozen_water [%], wedge_ice [%],
    ice_type, source, year``. Needed are site, longitude, latitude, top and base (or ``depth [m]``
    with ranges such as ``0.5-1.2`` and points) and one quantity or ``ice_type``. Units: %, 1, m,
    cm, mm, g/cm3, kg/m3; in the header, in a column ``top_unit`` or the like, or in the config.
    Where the config names the column of the ``surface``, the elevation of the ground at the hole,
    top and base (or depth) are elevations.

    Parameters
    ----------
    url : str
        CSV, Parquet, .xlsx, GeoPackage, shapefile or GeoJSON.
    source : LayerSource, optional
        Names of columns, units, CRS, signs for no data and sheet, where they are not as above.

    Raises
    ------
    IcemapError
        If a needed column or a unit is missing, or cells cannot be read: every one by line.
    """
    source = source or LayerSource(path=url)
    named = [source.columns[name] for name in ("site", "source") if name in source.columns]
    table = read_table(url, text=(*NAMES, *named), sheet=source.sheet)
    joined = with_collars(table, source)
    table, source = joined.table, joined.source
    found = layer_columns(table, source)
    sites = as_names(table.frame[found["site"].header])
    flags, problems = Flags(table, sites), Problems(table)
    problems.add(sites.str.fullmatch(DITTO), f"{found['site'].header} is no name:", sites)
    table = _without_missing(table, found, source, flags)
    measured = [column.header for name, column in found.items() if name in (*DEPTHS, *QUANTITIES)]
    table, marks = without_marks(table, measured)
    table = with_depths(table, found)
    columns = layer_places(table, found, source, problems, flags, sites)
    for name, column in found.items():
        if name in DEPTHS or name in QUANTITIES:
            require_unit(table, name, column, source, sites)
            if column.unit is not None:
                require_same(table, column.header, column.unit)
            columns |= layer_numbers(table, name, column, problems, flags)
        elif name not in ("longitude", "latitude", SURFACE):
            columns[name] = _other(name, table.frame[column.header], problems)
    problems.require_none("Correct or remove them, or name signs for no data with 'missing'.")
    top, base = (np.asarray(columns[name], dtype=float) for name in ("top", "base"))
    sure = not {"top", "base", "depth"}.isdisjoint(source.units)
    require_depths(table, found, sites, top, base, sure=sure)
    require_repeated(table, found, top, base)
    if "permafrost_table" in columns:
        tables = np.asarray(columns["permafrost_table"], dtype=float)
        require_not_counted_up(table, {found["permafrost_table"].header: tables}, sites)
        columns |= _permafrost_tables(table, found["permafrost_table"].header, columns, flags)
    read = {header for column in found.values() for header in (column.header, column.unit_column)}
    first = np.arange(len(table.frame)) == 0
    for header in map(str, table.frame.columns):
        if header not in read:
            flags.add(
                first, "unknown column", f"the column '{header}' is not known and was not read"
            )
    for header in joined.unread:
        flags.add(first, "unknown column", f"{header} is not known and was not read")
    headers = {name: column.header for name, column in found.items()}
    given = _require_like_rows(table, found, read, sites, (top, base))
    require_meanings(table, headers, given)
    above = np.asarray(columns.get("permafrost_table", np.nan), dtype=float)
    require_frozen(table, {*headers.values()}, given & ((top >= above) | bool(source.frozen)))
    require_upright(table, sites)
    require_whole_cores(table, sites, top, base)
    depths = {name: found[name].unit for name in DEPTHS if name in found}
    require_noted_units(table, headers, {name: unit for name, unit in depths.items() if unit})
    _say_assumed_densities(found, flags, first)
    layers = make_layers(table, columns)
    if "ice_type" in found:
        require_amounts(layers, problems, found["ice_type"].header)
        problems.require_none()
    for sentence in [*joined.told, *marks, *_require_consistent(table, found, layers, source)]:
        flags.add(first, ASSUMED, sentence)
    return Records(layers, flags.table())


def _require_consistent(
    table: Table, found: dict[str, Column], layers: pd.DataFrame, source: LayerSource
) -> list[str]:
    """Refuse layers that contradict one another; sentences on what is read in spite of a doubt."""
    require_schema(layers, table)
    require_one_spelling(layers, table)
    require_boreholes(table, found["site"].header, layers, sure="site" in source.columns)
    going_on = require_one_hole(table, layers)
    require_borders(table, layers)
    require_ice(table, found)
    require_parts(table, found, layers)
    require_own_masses(table, found, layers)
    require_dry_mass(table, found, layers, sure="gravimetric_water" in source.units)
    disagreeing = require_agreement(table, found, layers)
    return [*going_on, *disagreeing, *told_of_boreholes(layers)]


def _other(name: str, raw: pd.Series, problems: Problems) -> object:
    """A column that is neither a depth nor a quantity nor a coordinate."""
    if name == "year":
        numbers = parse_numbers(raw)
        problems.add(numbers.unreadable, f"{raw.name} is not a number:", raw)
        return numbers.value
    if name == "ice_type":
        return canonical_ice_types(raw, problems, str(raw.name))
    if name == "permafrost_table_source":
        told = as_text(raw)
        return told.map({text: words(text).replace(" ", "_") for text in told.unique()})
    if name == "position_grade":
        return as_text(raw).str.upper()
    return _words(raw, SPELLINGS[name]) if name in SPELLINGS else as_names(raw)


def _permafrost_tables(
    table: Table, header: str, columns: dict[str, object], flags: Flags
) -> dict[str, object]:
    """Permafrost tables, without thaw depths from before August, and where they are from."""
    told = columns.get("permafrost_table_source")
    source = told if isinstance(told, pd.Series) else None
    depth = np.asarray(columns["permafrost_table"], dtype=float)
    north = np.asarray(columns["lat"], dtype=float) > 0
    early = north & early_thaw(table, header, source, depth)
    flags.add(early, "thaw depth", "thaw depth from before August, not used as permafrost table")
    if early.any():
        flags.add(
            np.arange(len(early)) == int(np.argmax(early)),
            ASSUMED,
            f"'{header}' is from before August in {early.sum()} rows, by their dates, and there not"
            " used as permafrost table; where it is that of the season, call it"
            " 'permafrost_table [m]', or 'reported' in a column 'permafrost_table_source'",
        )
    depth = np.where(early, np.nan, depth)
    reported = np.where(np.isnan(depth), "", "reported").astype(object)
    return {
        "permafrost_table": depth,
        "permafrost_table_source": reported if source is None else source.mask(early, ""),
    }


def _require_like_rows(
    table: Table,
    found: dict[str, Column],
    read: set[str | None],
    sites: pd.Series,
    ends: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.bool_]:
    """Refuse several quantities in one column, and rows that sum up others; rows with a value."""
    measured = [column.header for name, column in found.items() if name in QUANTITIES]
    headers = {header for header in read if header is not None}
    cells = table.frame[measured]
    given = cells.notna().any(axis=1).to_numpy(bool)
    require_one_kind(table, headers, given)
    numbers = cells.apply(pd.to_numeric, errors="coerce")
    zero = (numbers == 0).any(axis=1) & ~(numbers > 0).any(axis=1)
    require_samples(table, headers, given, zero.to_numpy(bool))
    require_ice_where_told(table, headers, zero.to_numpy(bool) | ~given)
    require_no_sums(table, headers, sites, ends)
    return np.asarray(given)


def _without_missing(
    table: Table, found: dict[str, Column], source: LayerSource, flags: Flags
) -> Table:
    """The table without the signs that the config says stand for no data."""
    if not source.missing:
        return table
    texts = {str(sign).strip().lower() for sign in source.missing}
    numbers = set(
        pd.to_numeric(pd.Series(list(source.missing), dtype=object), errors="coerce").dropna()
    )
    frame = table.frame.copy()
    for name, column in found.items():
        if name == "site":
            continue
        text = as_text(frame[column.header]).str.lower()
        gone = (text.isin(texts) | pd.to_numeric(text, errors="coerce").isin(numbers)).to_numpy(
            bool
        )
        flags.add(
            gone & ~text.isin(MISSING).to_numpy(bool),
            "missing",
            f"{column.header}: {', '.join(map(str, source.missing))} mean no data",
        )
        frame[column.header] = frame[column.header].mask(gone)
    return replace(table, frame=frame)


def _say_assumed_densities(
    found: dict[str, Column], flags: Flags, first: NDArray[np.bool_]
) -> None:
    """Note which density a header without the word is read as: ice follows from it."""
    for name in ("dry_density", "frozen_bulk_density"):
        if name in found and not says_density(found[name].header):
            flags.add(
                first,
                ASSUMED,
                f"'{found[name].header}' does not say whether it is dry or of the whole frozen"
                f" sample: it is read as {name.replace('_', ' ')}",
            )


def _words(column: pd.Series, spellings: dict[str, Set[str]]) -> pd.Series:
    """Texts in the one spelling that the schema knows; those that are not known stay, and the
    schema names them.
    """
    text = as_text(column).str.lower()
    plain = text.str.replace(r"[\s_-]+", " ", regex=True)
    known = {word: name for name, words in spellings.items() for word in (name, *words)}
    return pd.Series(
        [known.get(word, "" if raw in MISSING else raw) for word, raw in zip(plain, text)],
        index=column.index,
        dtype=object,
    )
