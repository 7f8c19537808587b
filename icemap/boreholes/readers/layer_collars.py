"""Holes in a table of their own, joined to the table of their layers by their names."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers.layer_columns import SURFACE, Column, known_columns
from icemap.boreholes.readers.layer_places import layer_places
from icemap.boreholes.records import Flags, Problems
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table, read_table
from icemap.boreholes.text import as_names, line_ranges, name_key
from icemap.errors import IcemapError
from icemap.store import file_name

# Columns that keep what was written.
NAMES = ("site", "id", "borehole", "source")
PLACES = ("longitude", "latitude")
# What may be said once for each hole.
OF_HOLES = (
    *PLACES,
    "position_grade",
    "permafrost_table",
    "permafrost_table_source",
    "source",
    "year",
    SURFACE,
)
SHOWN = 10


@dataclass(frozen=True)
class Joined:
    """A table of layers with what another one says of their holes.

    Attributes
    ----------
    table : Table
    source : LayerSource
        With the names of the columns that were joined.
    told : tuple of str
        What was decided, in sentences.
    unread : tuple of str
        Columns of the other table that are not known.
    """

    table: Table
    source: LayerSource
    told: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def with_collars(table: Table, source: LayerSource) -> Joined:
    """Join the holes that the config names as ``collars``; the table as it is without them.

    Parameters
    ----------
    table : Table
        Of layers.
    source : LayerSource

    Raises
    ------
    IcemapError
        If a hole is not there, is there twice, or is somewhere else by either table: with its name.
    """
    collars = source.collars
    if collars is None:
        return Joined(table, source)
    named = [collars.columns[name] for name in ("site", "source") if name in collars.columns]
    holes = read_table(collars.path, text=(*NAMES, *named), sheet=collars.sheet)
    of_holes = known_columns(holes, collars.columns, source.crs)
    of_layers = known_columns(table, source.columns, source.crs)
    _require_columns(table, holes, of_layers, of_holes)
    names, wanted = (
        as_names(holes.frame[of_holes["site"]]),
        as_names(table.frame[of_layers["site"]]),
    )
    taken = {
        name: header
        for name, header in of_holes.items()
        if name in OF_HOLES and name not in of_layers
    }
    _require_other_headers(table, holes, taken)
    first = _require_one_of_each(holes, names, list(taken.values()))
    _require_all_there(table, holes, names, wanted)
    _require_places(holes, source, taken, names)
    rows = pd.Series(np.flatnonzero(first), index=names[first]).reindex(wanted).to_numpy()
    known = ~np.isnan(rows)
    frame = table.frame.copy()
    for header in taken.values():
        column = holes.frame[header].iloc[rows[known].astype(int)].set_axis(frame.index[known])
        frame[header] = column.reindex(frame.index)
    used = {*of_holes.values()}
    unread = [header for header in map(str, holes.frame.columns) if header not in used]
    return Joined(
        replace(table, frame=frame),
        source.model_copy(update={"columns": {**source.columns, **taken}}),
        _told(table, holes, names, wanted),
        tuple(f"the column '{header}' of {file_name(holes.file)}" for header in unread),
    )


def _require_columns(
    table: Table, holes: Table, of_layers: dict[str, str], of_holes: dict[str, str]
) -> None:
    for one, found, key in ((table, of_layers, "columns"), (holes, of_holes, "collars.columns")):
        if "site" not in found:
            raise IcemapError(
                f"{one.file} has no column site, by which holes and layers are joined: name it as"
                f" '{key}: {{site: ...}}'; it has {', '.join(map(str, one.frame.columns[:40]))}."
            )
    both = [name for name in PLACES if name in of_layers and name in of_holes]
    if both:
        raise IcemapError(
            f"{table.file} and {holes.file} both have a {both[0]} ('{of_layers[both[0]]}' and"
            f" '{of_holes[both[0]]}'): remove 'collars' if the table of layers says where its holes"
            " are, or take the column out of one of them."
        )
    if not set(OF_HOLES) & of_holes.keys():
        raise IcemapError(
            f"{holes.file}, the table of collars, says nothing of its holes that is known: name its"
            " columns as 'collars.columns: {longitude: ..., latitude: ...}'; it has"
            f" {', '.join(map(str, holes.frame.columns[:40]))}."
        )


def _require_other_headers(table: Table, holes: Table, taken: dict[str, str]) -> None:
    own = {*map(str, table.frame.columns)}
    same = [header for header in taken.values() if header in own]
    if same:
        raise IcemapError(
            f"{table.file} and {holes.file} both have a column '{same[0]}': give it another name in"
            " one of them."
        )


def _require_one_of_each(holes: Table, names: pd.Series, headers: list[str]) -> pd.Series:
    """The first row of each hole, where further ones say the same."""
    empty = (names == "").to_numpy(bool)
    if empty.any():
        raise IcemapError(
            f"{holes.file}: a hole has no name (line {line_ranges(holes.lines[empty])}): write it,"
            " or remove the row."
        )
    said = holes.frame[headers].astype("str").fillna("")
    differ = said.groupby(names.to_numpy(), sort=False).nunique().gt(1).any(axis=1)
    if differ.any():
        several = list(differ.index[differ])
        lines = line_ranges(holes.lines[names.isin(several).to_numpy(bool)])
        raise IcemapError(
            f"{holes.file}: {_listed(several)} in several rows that differ (line {lines}), so that"
            " it is not clear where the layers are: keep one row for each hole, or give the holes"
            " names of their own in both tables."
        )
    return ~names.duplicated()


def _require_all_there(table: Table, holes: Table, names: pd.Series, wanted: pd.Series) -> None:
    gone = ~wanted.isin(names) & (wanted != "")
    if not gone.any():
        return
    missing = list(dict.fromkeys(wanted[gone]))
    by_key = {name_key(name): name for name in names}
    like = [(name, by_key[name_key(name)]) for name in missing if name_key(name) in by_key]
    spelled = ", ".join(f"'{name}' may be '{other}'" for name, other in like[:SHOWN])
    raise IcemapError(
        f"{table.file}: {_listed(missing)} not among the holes of {holes.file}, of which there are"
        f" {names.nunique()} (line {line_ranges(table.lines[gone.to_numpy(bool)])}): add them"
        " there, remove their layers, or write their names as there"
        + (f" ({spelled})." if like else ".")
    )


def _require_places(
    holes: Table, source: LayerSource, taken: dict[str, str], names: pd.Series
) -> None:
    """Refuse places that cannot be, by their lines in their own table."""
    if not set(PLACES) <= taken.keys():
        return
    found = {name: Column(taken[name], split_header(taken[name])[1]) for name in PLACES}
    problems = Problems(holes)
    layer_places(holes, found, source, problems, Flags(holes, names), names)
    problems.require_none()


def _told(table: Table, holes: Table, names: pd.Series, wanted: pd.Series) -> tuple[str, ...]:
    without = [name for name in dict.fromkeys(names) if name not in set(wanted)]
    if not without:
        return ()
    shown = ", ".join(without[:SHOWN]) + (" ..." if len(without) > SHOWN else "")
    return (
        f"{len(without)} of {names.nunique()} holes of {file_name(holes.file)} have no layers and"
        f" are not used: {shown}",
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"
