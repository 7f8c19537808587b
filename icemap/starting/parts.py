"""Tables of a folder, sheet by sheet, and which belong together where layers and places are
apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from icemap.borehole_sections import CollarSource
from icemap.boreholes.readers.layer_collars import OF_HOLES, PLACES
from icemap.boreholes.readers.layer_columns import ALIASES, PROJECTED_ALIASES
from icemap.boreholes.table_formats import VECTORS, WORKBOOKS
from icemap.boreholes.table_units import split_header
from icemap.boreholes.tables import Table
from icemap.boreholes.text import as_names
from icemap.starting.headers import bare_header

# Share of the holes with layers that a table of holes has to name.
SHARED = 0.5


@dataclass(frozen=True)
class Part:
    """A table of a folder, and which of its columns is which.

    Attributes
    ----------
    path : Path
    sheet : str or None
    table : Table
    named : mapping of str to str
        icemap's names to the table's headers.
    """

    path: Path
    sheet: str | None
    table: Table
    named: Mapping[str, str]

    @property
    def headers(self) -> list[str]:
        return [str(header) for header in self.table.frame.columns]

    @property
    def projected(self) -> dict[str, str]:
        """Headers of easting and northing, by icemap's names of coordinates."""
        bare = {header: bare_header(header)[0] for header in self.headers}
        return {
            PROJECTED_ALIASES[name]: header
            for header, name in bare.items()
            if name in PROJECTED_ALIASES
        }

    @property
    def is_placed(self) -> bool:
        """Whether it says where its rows are, in degrees or metres."""
        return {*PLACES} <= {*self.named, *self.projected}


@dataclass
class Parts:
    """Layers without places, and tables with places."""

    layers: list[Part] = field(default_factory=list)
    holes: list[Part] = field(default_factory=list)


def sheets_of(path: Path) -> list[str | None]:
    """Sheets of a workbook or layers of a vector file; None where there are no several."""
    names: list[str] = []
    if path.suffix.lower() in WORKBOOKS:
        try:
            import openpyxl

            book = openpyxl.load_workbook(path, read_only=True)
            names = list(book.sheetnames)
            book.close()
        # Which is said when the table is read: no openpyxl, or no workbook.
        except Exception:
            return [None]
    elif path.suffix.lower() in VECTORS:
        import pyogrio

        try:
            names = [str(name) for name, _ in pyogrio.list_layers(path)]
        except (pyogrio.errors.DataSourceError, ValueError):
            return [None]
    return list(names) if len(names) > 1 else [None]


def holes_of(layers: Part, tables: Sequence[Part]) -> Part | None:
    """The table that names most of the holes, if it names half of them or more; one of the same
    workbook before others.
    """
    wanted = _names(layers)
    if not wanted or not tables:
        return None
    shares = [(len(wanted & _names(one)) / len(wanted), one.path == layers.path) for one in tables]
    best = max(shares)
    return tables[shares.index(best)] if best[0] >= SHARED else None


def collars_of(holes: Part) -> CollarSource:
    """How the table is named in a config."""
    columns = {}
    for name, header in holes.named.items():
        plain = split_header(header)[0].strip().lower().replace(" ", "_")
        if name in ("site", *OF_HOLES) and ALIASES.get(plain, plain) != name:
            columns[name] = header
    return CollarSource(path=str(holes.path), sheet=holes.sheet, columns=columns)


def _names(part: Part) -> set[str]:
    """Of its holes; none where no column is known to hold them."""
    if "site" not in part.named:
        return set()
    return {*as_names(part.table.frame[part.named["site"]])} - {""}
