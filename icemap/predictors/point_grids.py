"""Grids that are written as points, one a line: what GDAL takes their columns and gaps for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from icemap.errors import IcemapError
from icemap.predictors.gdal_access import address_of
from icemap.store import filesystem, storage_errors

# How the names of columns begin by which GDAL knows them; it takes the first three for x, y and
# the value where it misses one.
EAST, NORTH, VALUE = ("lon", "east"), ("lat", "north"), ("alt",)
BETWEEN = re.compile(r"[,;\s]+")


def require_whole_grid(name: str, path: str, dataset: Any) -> None:
    """Refuse a grid of points that GDAL would read from other columns, or with zeros in its gaps.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    path : str
        As GDAL reaches the file.
    dataset : rasterio dataset
        The file, opened.

    Raises
    ------
    IcemapError
        Naming the columns, or how many points there are.
    """
    url = address_of(path)
    if dataset.driver != "XYZ" or url.startswith("/vsi"):
        return
    who = f"The source '{name}' ({url})"
    with storage_errors(url, "read"):
        fs, place = filesystem(url)
        with fs.open(place, "rb") as file:
            first = file.readline().decode("utf-8", "replace")
            is_header = not _is_point(first)
            _require_columns(who, BETWEEN.split(first.strip()) if is_header else [])
            if dataset.nodata is not None:
                return
            points = (not is_header) + sum(_is_point(line.decode("latin-1")) for line in file)
    rows, cols = dataset.shape
    if points < rows * cols:
        raise IcemapError(
            f"{who} has {points:,} points for its {rows:,} x {cols:,} cells, and GDAL would fill"
            " the others with 0, which others of its values are: add the missing points with a"
            " value of their own, such as -9999, and give it as 'nodata' in the catalogue."
        )


def _is_point(line: str) -> bool:
    return bool(re.match(r"\s*[-+.\d]", line))


def _require_columns(who: str, columns: Sequence[str]) -> None:
    names = [column.strip("\"'").lower() for column in columns]
    known = [
        any(name in exact or name.startswith(start) for name in names)
        for exact, start in ((("x",), EAST), (("y",), NORTH), (("z", "height"), VALUE))
    ]
    if not names or all(known):
        return
    is_turned = names[0].startswith(NORTH) or names[0] == "y"
    if is_turned or len(names) > 3:
        raise IcemapError(
            f"{who} has the columns {', '.join(columns)}, of which GDAL would take the first three"
            " for x, y and the value: call these three x, y and z in the first line of the file."
        )
