"""Names of classes from a table next to a raster, such as ``cover_levels.csv`` of ``cover.tif``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from icemap.boreholes.tables import read_table
from icemap.errors import IcemapError
from icemap.starting.entries import UNNAMED, Entry

CODES = ("code", "value", "id", "ids", "class_id", "num_code", "key", "gridcode", "dn")
NAMES = ("name", "class", "label", "category", "categories", "classes", "description", "meaning")
MAX_ROWS = 255


def with_legends(entries: Sequence[Entry], tables: Sequence[Path]) -> list[Entry]:
    """Entries of classes that their file does not name, with the names of a table next to it.

    The name of the table begins with that of the raster, and it has every code in it.
    """
    found = []
    for entry in entries:
        if UNNAMED in entry.questions:
            file = entry.files[0]
            nearby = [
                path
                for path in tables
                if path.parent == file.parent and path.stem.lower().startswith(file.stem.lower())
            ]
            entry = _named(entry, nearby)
        found.append(entry)
    return found


def _named(entry: Entry, tables: Sequence[Path]) -> Entry:
    codes = set(entry.settings["classes"])
    for path in tables:
        legend = read_legend(path)
        if codes <= set(legend):
            return replace(
                entry,
                settings={**entry.settings, "classes": dict(legend)},
                said=(*entry.said, f"classes: from {path}, whose name begins with the raster's"),
                questions=tuple(text for text in entry.questions if text != UNNAMED),
            )
    return entry


def read_legend(path: Path) -> Mapping[int, str]:
    """Names by code; empty if the table is none of classes."""
    try:
        frame = read_table(str(path)).frame
    except IcemapError:
        return {}
    columns = {str(column).strip().lower(): column for column in frame.columns}
    code = next((columns[name] for name in CODES if name in columns), None)
    name = next((columns[name] for name in NAMES if name in columns), None)
    if code is None or name is None or len(frame) > MAX_ROWS:
        return {}
    numbers = pd.to_numeric(frame[code], errors="coerce")
    whole = numbers.notna() & (numbers % 1 == 0) & numbers.between(0, 254)
    if not whole.all() or numbers.duplicated().any() or frame[name].isna().any():
        return {}
    return {int(one): str(text).strip() for one, text in zip(numbers, frame[name], strict=True)}
