"""Tables from workbooks and from points of vector files, as plain columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from icemap.errors import IcemapError, first_line
from icemap.store import is_remote

WORKBOOKS = (".xlsx", ".xlsm")
VECTORS = (".gpkg", ".shp", ".geojson", ".fgb")
OTHER_WORKBOOKS = (".xls", ".xlsb", ".ods", ".numbers")
# Places of a table's own columns and of its geometry may differ by this, degrees: columns are often
# rounded.
SAME_PLACE = 0.02


def read_workbook(url: str, path: Path, sheet: str | None) -> tuple[pd.DataFrame, int]:
    """The cells of one sheet, and the row of its header (from 1).

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
        If the file is no workbook, openpyxl is not installed, or it is not clear which sheet is
        meant.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise IcemapError(
            f"{url} is a workbook, which the package openpyxl reads: install it with 'pip install"
            " openpyxl', or save the sheet as CSV."
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:
        # openpyxl lets the errors of zip files, XML and its own through.
        raise IcemapError(
            f"{url} is not a readable workbook ({first_line(error)}): save it again as .xlsx, or as"
            " CSV."
        ) from error
    try:
        name = _chosen(url, "sheet", book.sheetnames, sheet)
        rows = [[_cell(cell) for cell in row] for row in book[name].iter_rows()]
    finally:
        book.close()
    header = next((i for i, row in enumerate(rows) if any(_filled(cell) for cell in row)), None)
    if header is None:
        raise IcemapError(f"{url}, sheet '{name}' is empty: check the file.")
    names = [str(cell).strip() if _filled(cell) else "" for cell in rows[header]]
    while names and not names[-1]:
        names.pop()
    body = [
        [cell if _filled(cell) else None for cell in row[: len(names)]]
        + [None] * (len(names) - len(row))
        for row in rows[header + 1 :]
    ]
    frame = pd.DataFrame(
        body, columns=[name or f"column_{i + 1}" for i, name in enumerate(names)], dtype=object
    )
    return frame.infer_objects(), header + 1


def _cell(cell: Any) -> Any:
    """The value of a cell; 0.45 that the workbook shows as 45 % is "45 %"."""
    value = cell.value
    if isinstance(value, float | int) and not isinstance(value, bool):
        # What is quoted or escaped in a format is text and scales nothing.
        shown = re.sub(r'"[^"]*"|\\.', "", cell.number_format or "")
        return f"{100 * value:.12g} %" if "%" in shown else value
    return value


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
        frame = pyogrio.read_dataframe(path, layer=_chosen(url, "layer", names, layer))
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
    kinds = sorted(set(geometry[~(geometry.is_empty | geometry.isna())].geom_type) - {"Point"})
    if kinds:
        raise IcemapError(f"{url} holds {kinds[0]} geometry: a table of boreholes needs points.")
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


def _chosen(url: str, kind: str, names: list[str], wanted: str | None) -> str:
    if wanted is not None and wanted not in names:
        raise IcemapError(
            f"{url} has no {kind} '{wanted}' (key 'sheet'): it has {', '.join(names)}."
        )
    if wanted is None and len(names) > 1:
        raise IcemapError(
            f"{url} has several {kind}s ({', '.join(names)}): say which one holds the boreholes, as"
            f" 'sheet: {names[0]}'."
        )
    return wanted if wanted is not None else names[0]
