"""Which table of a folder is of active-layer thickness."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from icemap.boreholes.readers.calm import read_calm
from icemap.boreholes.tables import read_table
from icemap.errors import IcemapError

# What such tables and their columns are called.
THAW = re.compile(
    r"calm|(?<![^\W_])al[td](?![^\W_])|active.?layer|thaw|auftau|протаив|оттаив|активн|活动层|融深"
)


def thaw_table(paths: Iterable[Path]) -> Path | None:
    """The first table of active-layer thickness that says so: columns of years may be of snow."""
    for path in paths:
        try:
            headers = map(str, read_table(str(path)).frame.columns)
            if not any(THAW.search(name.lower()) for name in (path.stem, *headers)):
                continue
            sites = read_calm(str(path))
        except IcemapError:
            continue
        if (sites["reason"] == "").any():
            return path
    return None
