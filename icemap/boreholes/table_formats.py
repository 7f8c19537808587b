"""Tables from workbooks and from points of vector files, as plain columns."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from icemap.boreholes.table_units import split_header
from icemap.boreholes.text import line_ranges
from icemap.boreholes.titles import titles_above
from icemap.boreholes.workbook_cells import is_struck, shown_cell
from icemap.errors import IcemapError, first_line
from icemap.store import is_remote

if TYPE_CHECKING:
    from openpyxl import Workbook

Rows = list[list[Any]]

WORKBOOKS = (".xlsx", ".xlsm")
VECTORS = (".gpkg", ".shp", ".geojson", ".fgb")
OTHER_WORKBOOKS = (".xls", ".xlsb", ".ods", ".numbers")
# Places of a table's own columns and of its geometry may differ by this, degrees: columns are often
# rounded.
SAME_PLACE = 0.02


def read_workbook(
    url: str, path: Path, sheet: str | None
) -> tuple[pd.DataFrame, int, str, tuple[str, ...]]:
    """The cells of one sheet, the row of its header (from 1), its name, and the comments on its
    cells.

    Parameters
    ----------
    url : str
        Of the file, for messages.
    path : Path
        Of its local copy.
    sheet : str or None
        The only one when None.

    Raises
    ------
    IcemapError
        If the file is no workbook, openpyxl is not installed, it is not clear which sheet is
        meant, rows are hidden, cells struck through, or formulas have no results.
    """
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise IcemapError(
            f"{url} is a workbook, which the package openpyxl reads: install it with 'pip install"
            " openpyxl', or save the sheet as CSV."
        ) from error
    book = _open_workbook(url, path, data_only=True, rich_text=True)
    # Sheets of charts have no cells, and spreadsheet programs begin books with empty ones.
    cells_of = {page.title: _cells(page) for page in book.worksheets}
    names = [title for title, count in cells_of.items() if count or title == sheet]
    # One cell a row is text about the table.
    tables = [page.title for page in book.worksheets if _is_table(page) or page.title == sheet]
    names = tables or names
    name = _chosen(
        url,
        "sheet",
        names or list(cells_of),
        sheet,
        max(cells_of, key=lambda title: cells_of[title]),
    )
    page = book[name]
    cells = list(page.iter_rows())
    rows = [[shown_cell(cell) for cell in row] for row in cells]
    header = next((i for i, row in enumerate(rows) if any(_filled(cell) for cell in row)), None)
    if header is None:
        raise IcemapError(f"{url}, sheet '{name}' is empty: check the file.")
    above = header
    header += titles_above(rows[header:])
    names = [str(cell).strip() if _filled(cell) else "" for cell in rows[header]]
    while len(names) > _merged_width(page, header) and not names[-1]:
        names.pop()
    _require_shown(url, name, page, rows, header)
    _require_unstruck(url, name, [row[: len(names)] for row in cells[header + 1 :]])
    if any(cell is None for row in rows[header + 1 :] for cell in row[: len(names)]):
        _require_results(url, path, name, rows, header, len(names))
    _fill_merged(page, rows, header)
    body = [
        [cell if _filled(cell) else None for cell in row[: len(names)]]
        + [None] * (len(names) - len(row))
        for row in rows[header + 1 :]
    ]
    frame = pd.DataFrame(
        body, columns=[name or f"column_{i + 1}" for i, name in enumerate(names)], dtype=object
    )
    comments = tuple(
        f"{split_header(title)[0]}: {cell.comment.text}"
        for row in cells[header:]
        for title, cell in zip(names, row, strict=False)
        if getattr(cell, "comment", None) is not None
    )
    comments += tuple(str(row[0]) for row in rows[above:header] if row and _filled(row[0]))
    # What stands to the right of all columns is about them.
    beyond = [cell for row in rows[header:] for cell in row[len(names) :]]
    comments += tuple(cell for cell in beyond if isinstance(cell, str))
    return frame.infer_objects(), header + 1, name, comments


def _is_table(page: Any) -> bool:
    rows = page.iter_rows(values_only=True)
    return sum(sum(map(_filled, row)) > 1 for row in rows) > 1


def _cells(page: Any) -> int:
    rows = page.iter_rows(values_only=True)
    return sum(_filled(cell) for row in rows for cell in row)


def _open_workbook(url: str, path: Path, **how: bool) -> Workbook:
    import openpyxl

    try:
        with warnings.catch_warnings():
            # Of what is no cell: styles, validations, drawings.
            warnings.simplefilter("ignore", UserWarning)
            return openpyxl.load_workbook(path, **how)
    except Exception as error:
        # openpyxl lets the errors of zip files, XML and its own through.
        raise IcemapError(
            f"{url} is not a readable workbook ({first_line(error)}): save it again as .xlsx, or as"
            " CSV."
        ) from error


def _require_shown(url: str, name: str, page: Any, rows: Rows, header: int) -> None:
    """Refuse hidden rows; those of a group that is folded are meant to be read."""
    hidden = [
        line
        for line, row in enumerate(rows[header + 1 :], start=header + 2)
        if page.row_dimensions[line].hidden
        and not page.row_dimensions[line].outlineLevel
        and any(_filled(cell) for cell in row)
    ]
    if hidden:
        raise IcemapError(
            f"{url}, sheet '{name}' hides {len(hidden)} of its rows (line"
            f" {line_ranges(np.array(hidden))}), by a filter or by hand: show all rows if they are"
            " to be read, or delete those that are not, and save it."
        )


def _require_unstruck(url: str, name: str, cells: list[Any]) -> None:
    """Refuse cells that are struck through: nobody knows whether they count."""
    struck = [cell.row for row in cells for cell in row if _filled(cell.value) and is_struck(cell)]
    if struck:
        raise IcemapError(
            f"{url}, sheet '{name}' has cells that are struck through (line"
            f" {line_ranges(np.array(struck))}): delete the rows or cells that do not count, take"
            " the line out of those that do, and save it."
        )


def _require_results(url: str, path: Path, name: str, rows: Rows, header: int, width: int) -> None:
    """Refuse formulas whose results are not in the file: their cells would be empty."""
    book = _open_workbook(url, path, read_only=True)
    try:
        for line, row in enumerate(book[name].iter_rows(max_col=width), start=1):
            for column, cell in enumerate(row):
                if line > header + 1 and cell.data_type == "f" and rows[line - 1][column] is None:
                    raise IcemapError(
                        f"{url}, sheet '{name}': the column '{rows[header][column]}' holds a"
                        f" formula (line {line}) whose result is not in the file: open it in a"
                        " spreadsheet program and save it, or save the sheet as CSV."
                    )
    finally:
        book.close()


def _merged_width(page: Any, header: int) -> int:
    """Columns up to the last one over which a name of the header is merged."""
    return max(
        (
            merged.max_col
            for merged in page.merged_cells.ranges
            if merged.min_row <= header + 1 <= merged.max_row
        ),
        default=0,
    )


def _fill_merged(page: Any, rows: Rows, header: int) -> None:
    """Give each row what is written once over several rows of one column."""
    for merged in page.merged_cells.ranges:
        column = merged.min_col - 1
        if merged.min_col == merged.max_col and merged.min_row > header + 1:
            for line in range(merged.min_row, merged.max_row):
                rows[line][column] = rows[merged.min_row - 1][column]


def _filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def read_vector(url: str, path: Path, layer: str | None) -> pd.DataFrame:
    """The attributes of a layer of points, with ``longitude`` and ``latitude`` from its geometry.

    Parameters
    ----------
    url : str
        Of the file, for messages.
    path : Path
        Of its local copy.
    layer : str or None
        The only one when None.

    Raises
    ------
    IcemapError
        If the file cannot be read, has several layers and none was named, says no CRS, or its own
        columns of coordinates contradict its geometry.
    """
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    if path.suffix.lower() == ".shp" and is_remote(url):
        raise IcemapError(
            f"{url} is one of the several files of a shapefile, which cannot be read from a bucket:"
            " write it as a GeoPackage."
        )
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        frame = pyogrio.read_dataframe(path, layer=_chosen(url, "layer", names, layer, names[0]))
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise IcemapError(
            f"{url} is not a readable table with geometry ({first_line(error).rstrip('.')}): write"
            " it again as a GeoPackage."
        ) from error
    return with_places(url, frame)


def with_places(url: str, frame: Any) -> pd.DataFrame:
    """A geopandas table as plain columns, its points as ``longitude`` and ``latitude`` in
    degrees.
    """
    import geopandas

    if not isinstance(frame, geopandas.GeoDataFrame):
        return pd.DataFrame(frame)
    geometry = frame.geometry
    table = pd.DataFrame(frame.drop(columns=geometry.name))
    if (geometry.isna() | geometry.is_empty).all():
        return table
    if frame.crs is None:
        raise IcemapError(
            f"{url} does not say the CRS of its geometry: write it with one (a shapefile needs its"
            " .prj)."
        )
    geometry = _single_points(url, geometry)
    kinds = sorted(set(geometry[~(geometry.is_empty | geometry.isna())].geom_type) - {"Point"})
    if kinds:
        raise IcemapError(f"{url} holds {kinds[0]} geometry: a table of boreholes needs points.")
    _require_own_unit(url, geometry)
    points = geometry.to_crs("EPSG:4326")
    for name, values, spellings in (
        ("longitude", points.x, ("lon", "long", "longitude")),
        ("latitude", points.y, ("lat", "latitude")),
    ):
        own = next(
            (column for column in table.columns if str(column).strip().lower() in spellings), None
        )
        if own is None:
            table[name] = values.to_numpy(float)
            continue
        told = pd.to_numeric(table[own], errors="coerce").to_numpy(float)
        apart = np.abs((told - values.to_numpy(float) + 180) % 360 - 180)
        wrong = np.flatnonzero(apart > SAME_PLACE)
        if len(wrong):
            raise IcemapError(
                f"{url}: the column '{own}' says {told[wrong[0]]:g} where the geometry says"
                f" {values.iloc[wrong[0]]:g} (row {wrong[0] + 1}): correct one of them, or leave"
                " the column out."
            )
    return table


def _single_points(url: str, geometry: Any) -> Any:
    """Points in place of multipoints of one, which some programs write."""
    import shapely

    several = geometry.geom_type == "MultiPoint"
    if not several.any():
        return geometry
    counts = shapely.get_num_geometries(geometry.to_numpy())
    more = np.flatnonzero(several.to_numpy() & (counts > 1))
    if len(more):
        raise IcemapError(
            f"{url}: row {more[0] + 1} has {counts[more[0]]} points ({len(more)} rows are so): a"
            " row of a table of boreholes is at one place, write a row for each point."
        )
    alone = geometry.copy()
    alone[several] = shapely.get_geometry(geometry[several].to_numpy(), 0)
    return alone


def _require_own_unit(url: str, geometry: Any) -> None:
    """Degrees in a geometry whose CRS has metres: all of them near its origin."""
    west, south, east, north = geometry.total_bounds
    inside = max(abs(west), abs(east)) <= 360 and max(abs(south), abs(north)) <= 90
    if geometry.crs.is_projected and inside and (west, south, east, north) != (0, 0, 0, 0):
        raise IcemapError(
            f"{url}: the CRS of its geometry ({geometry.crs.name}) has metres, and its points are"
            f" at {west:g} to {east:g} and {south:g} to {north:g} like degrees: write it again"
            " with the CRS that its coordinates are in."
        )


def _chosen(url: str, kind: str, names: list[str], wanted: str | None, likely: str) -> str:
    if wanted is not None and wanted not in names:
        raise IcemapError(
            f"{url} has no {kind} '{wanted}' (key 'sheet'): it has {', '.join(names)}."
        )
    if wanted is None and len(names) > 1:
        raise IcemapError(
            f"{url} has several {kind}s ({', '.join(names)}): say which one holds the boreholes, as"
            f" 'sheet: {likely}' with the table in the config, or save it as a file of its own."
        )
    return wanted if wanted is not None else names[0]
