"""The one schema of layers that every reader delivers, and its checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.limits import ONE_PLACE_KM
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_text, line_ranges, name_key
from icemap.errors import IcemapError
from icemap.sphere import EARTH_RADIUS_KM, unit_vectors

QUANTITIES: dict[str, str] = {
    "gravimetric_water": "fraction",
    "dry_density": "density [g/cm3]",
    "frozen_bulk_density": "density [g/cm3]",
    "volumetric_water": "fraction",
    "excess_ice": "fraction",
    "visible_ice": "fraction",
    "matrix_vic": "fraction",
    "porosity": "fraction",
    "reported_vic": "fraction",
    "unfrozen_water": "fraction",
    "wedge_ice": "fraction",
}
PERMAFROST_TABLE_SOURCES = (
    "reported",
    "thaw_depth",
    "active_layer",
    "frozen_ground",
    "neighbour",
    "mapped",
)  # best first
POSITION_GRADES = ("A", "B", "C", "D")
SUPPORTS = ("samples", "logs")
FROZEN = ("yes", "no")
FIRST_YEAR, LAST_YEAR = 1800, 2200
NUMBERS = ("lon", "lat", "position_km", "permafrost_table", "top", "base", *QUANTITIES, "year")
TEXTS = (
    "site",
    "position_grade",
    "permafrost_table_source",
    "support",
    "frozen",
    "method",
    "ice_type",
    "source",
    "file",
)
COLUMNS = (
    *(
        "site",
        "lon",
        "lat",
        "position_grade",
        "position_km",
        "permafrost_table",
        "permafrost_table_source",
        "top",
        "base",
        "support",
        "frozen",
        "method",
    ),
    *QUANTITIES,
    *("ice_type", "source", "year", "file", "line"),
)
FLAG_COLUMNS = ("file", "line", "site", "rule", "excludes", "reason")
# The rule under which a reader notes what it assumes of a whole table.
ASSUMED = "assumption"
SHOWN_PROBLEMS = 30
# 10-Nov, Nov-10 and 2026-11-10 where a number is wanted.
DATED = re.compile(
    r"number: '(?:\d{1,2}-[a-z]{3}|[a-z]{3}-\d{1,2}|\d{4}-\d\d-\d\d(?: 00:00:00)?)'",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Records:
    """What a reader delivers.

    Attributes
    ----------
    layers : DataFrame
        ``COLUMNS``: depths in m, quantities as fractions and g/cm3, NaN and "" where not given. A
        site with no layer of its own (only a place and a permafrost table) is one row without
        depths. ``position_km`` is how far a position may be off by its rounding, as published.
    flags : DataFrame
        ``FLAG_COLUMNS``: every cell a rule of the reader changed or left out.
    """

    layers: pd.DataFrame
    flags: pd.DataFrame


class Problems:
    """Bad cells of one table, collected so that all are named at once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._found: dict[str, list[int]] = {}

    def add(self, rows: Any, problem: str, column: pd.Series | None = None) -> None:
        """Note a problem in some rows (a boolean mask); with a column, each distinct text of it is
        named.

        Parameters
        ----------
        rows : array_like of bool, shape (rows,)
            Where the problem is.
        problem : str
            What is wrong, as it stands in the error.
        column : Series, optional
            Its texts in these rows are named.
        """
        mask = np.asarray(rows, dtype=bool)
        if not mask.any():
            return
        if column is None:
            self._found.setdefault(problem, []).extend(self._table.lines[mask].tolist())
            return
        texts = as_text(column[mask]).to_numpy(dtype=object)
        for text, lines in pd.Series(self._table.lines[mask]).groupby(texts, sort=True):
            self._found.setdefault(f"{problem} '{str(text)[:40]}'", []).extend(lines.tolist())

    def require_none(self, remedy: str = "Correct or remove them.") -> None:
        """Raise one error that names every bad row by line.

        Parameters
        ----------
        remedy : str
            What to do, as its last sentence.
        """
        if not self._found:
            return
        parts = [
            f"{problem} (line {line_ranges(np.array(lines))})"
            for problem, lines in self._found.items()
        ]
        rows = len({line for lines in self._found.values() for line in lines})
        more = (
            f"; and {len(parts) - SHOWN_PROBLEMS} more kinds" if len(parts) > SHOWN_PROBLEMS else ""
        )
        several = "s" if rows > 1 else ""
        if any(map(DATED.search, self._found)):
            remedy += " A spreadsheet makes dates of ranges such as 10-11: write 10 to 11."
        raise IcemapError(
            f"{self._table.file} has {rows} bad row{several}:"
            f" {'; '.join(parts[:SHOWN_PROBLEMS])}{more}. {remedy}"
        )


class Flags:
    """What the rules of a reader did, row by row."""

    def __init__(self, table: Table, sites: pd.Series) -> None:
        self._table, self._sites, self._parts = table, sites.reset_index(drop=True), [empty_flags()]

    def add(self, rows: Any, rule: str, reason: Any, *, excludes: bool = False) -> None:
        """Flag some rows (a boolean mask) with one reason or one reason per flagged row.

        Parameters
        ----------
        rows : array_like of bool, shape (rows,)
            What is flagged.
        rule : str
            Name of the rule.
        reason : str or sequence of str
            One for all, or one per flagged row.
        excludes : bool
            Whether the flagged rows are not used.
        """
        mask = np.asarray(rows, dtype=bool)
        if mask.any():
            self._parts.append(
                make_flags(
                    self._table.file,
                    self._table.lines[mask],
                    self._sites[mask],
                    rule,
                    excludes,
                    reason,
                )
            )

    def table(self) -> pd.DataFrame:
        return join_flags(self._parts)


def require_one_spelling(layers: pd.DataFrame, table: Table) -> None:
    """Refuse two spellings of one name at one place; one name at two places is two boreholes.

    Raises
    ------
    IcemapError
        Naming every such site, with its place and line.
    """
    placed = (
        layers[["lon", "lat"]].notna().all(axis=1)
        & (layers["lon"].abs() <= 180)
        & (layers["lat"].abs() <= 90)
    )
    holes = layers.loc[placed, ["site", "lon", "lat", "line"]].drop_duplicates(
        ["site", "lon", "lat"]
    )
    problems: list[str] = []
    first = holes.drop_duplicates("site")
    keys = first["site"].map(name_key)
    for _, rows in first[keys.duplicated(keep=False)].groupby(keys, sort=False):
        away = _km_from_first(rows)
        if away.min() == 0 and (np.sort(away)[1] <= ONE_PLACE_KM):
            names = " and ".join(
                f"'{name}'" for name in rows["site"].iloc[np.argsort(away, kind="stable")[:2]]
            )
            problems.append(
                f"{names} are at one place ({_place(rows.iloc[0])}) like two spellings of one name:"
                " write one of them throughout"
            )
    if problems:
        more = (
            f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        )
        raise IcemapError(
            f"{table.file}: the site {'; the site '.join(problems[:SHOWN_PROBLEMS])}{more}."
        )


def _km_from_first(rows: pd.DataFrame) -> NDArray[np.float64]:
    places = unit_vectors(rows["lon"], rows["lat"]) * EARTH_RADIUS_KM
    return np.asarray(np.linalg.norm(places - places[0], axis=1))


def _place(row: pd.Series) -> str:
    return f"longitude {row['lon']:g}, latitude {row['lat']:g} (line {row['line']})"


def make_flags(
    file: Any, line: Any, site: Any, rule: str, excludes: bool, reason: Any
) -> pd.DataFrame:
    """Rows of the flag table; one value for all rows, or one for each.

    Parameters
    ----------
    file, line, site : str, int and str, or sequences of them
        Where the row is in the input.
    rule : str
        Name of the rule.
    excludes : bool
        Whether the rows are not used.
    reason : str or sequence of str
    """
    columns = {
        "file": file,
        "line": line,
        "site": site,
        "rule": rule,
        "excludes": excludes,
        "reason": reason,
    }
    # Without their index, and as they are: a million texts as Python objects are 100 MB.
    bare = {
        name: values.array if isinstance(values, pd.Series) else values
        for name, values in columns.items()
    }
    return pd.DataFrame(bare, index=range(len(bare["line"])))


def empty_flags() -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series(
                dtype=bool if name == "excludes" else "int64" if name == "line" else object
            )
            for name in FLAG_COLUMNS
        }
    )


def join_flags(parts: list[pd.DataFrame]) -> pd.DataFrame:
    there = [part for part in parts if len(part)]
    return pd.concat(there, ignore_index=True) if there else empty_flags()


def make_layers(table: Table, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A layer table of the common schema from the columns a source has; the others are empty."""
    n = len(table.frame)
    layers = {}
    for name in COLUMNS:
        if name in columns:
            values = columns[name]
            layers[name] = (
                np.full(n, values, dtype=object if isinstance(values, str) else float)
                if np.isscalar(values)
                else np.asarray(values)
            )
        else:
            layers[name] = np.full(n, np.nan) if name in NUMBERS else np.full(n, "", dtype=object)
    layers["file"], layers["line"] = np.full(n, table.file, dtype=object), table.lines
    frame = pd.DataFrame(layers)
    for name in TEXTS:
        frame[name] = as_text(frame[name])
    return frame


def require_schema(layers: pd.DataFrame, table: Table) -> None:
    """Check a layer table against the schema.

    Raises
    ------
    IcemapError
        Naming every bad row of the file by line, all at once.
    """
    problems = Problems(table)
    problems.add(layers["site"] == "", "site is missing, which is to be in every row")
    for name, known in (
        ("position_grade", POSITION_GRADES),
        ("permafrost_table_source", PERMAFROST_TABLE_SOURCES),
        ("support", SUPPORTS),
        ("frozen", FROZEN),
    ):
        unknown = ~layers[name].isin([*known, ""])
        problems.add(unknown, f"{name} is not one of {', '.join(known)}:", layers[name])
    numbers = ("permafrost_table", "year", "lon", "lat", "position_km", "top", "base", *QUANTITIES)
    for name in numbers:
        if layers[name].dtype != np.float64:
            raise TypeError(f"the reader of {table.file} delivers {name} as {layers[name].dtype}")
        problems.add(np.isinf(layers[name]), f"{name} is not a finite number:", layers[name])
    depth, year = layers["permafrost_table"], layers["year"]
    problems.add(depth < 0, "permafrost_table is above the ground surface:", depth)
    problems.add((year < FIRST_YEAR) | (year > LAST_YEAR), "year is not a year:", year)
    problems.require_none()
