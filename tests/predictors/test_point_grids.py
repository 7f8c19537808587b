"""Grids of points in text are read from the columns that are meant, with their gaps."""

import numpy as np
import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

GRID = Grid(60, 60, 70, 66, 1)
VALUES = np.arange(60.0).reshape(6, 10)
GAPS = (15, 16, 59)


def points(folder, columns, *, named=True, sep=",", rising=False, left_out=(), added=0.0):
    """A line for each cell, by rows from the north or, rising, by columns from the south."""
    cells = [(row, col) for row in range(6) for col in range(10)]
    if rising:
        cells = [(row, col) for col in range(10) for row in range(5, -1, -1)]
    lines = [sep.join(columns)] if named else []
    for number, (row, col) in enumerate(cells):
        value = VALUES[row, col] + added
        said = {"lon": 60.5 + col, "lat": 65.5 - row, "id": number}
        said |= {"x": said["lon"], "y": said["lat"]}
        if value - added not in left_out:
            lines.append(sep.join(f"{said.get(column, value):g}" for column in columns))
    path = folder / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def read(path):
    described = {"family": "geology", "long_name": "a", "unit": "m", "crs": "EPSG:4326"}
    with open_source(Source(name="a", url=str(path), **described), GRID) as raster:
        return raster.read(slice(0, 6), slice(0, 10))


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        (["lon", "lat", "id", "depth"], {}),
        (["lon", "lat", "depth", "id"], {"sep": ";"}),
        (["x", "y", "id", "value"], {"sep": "\t"}),
        # Both ways round these are places on land.
        (["lat", "lon", "depth"], {"rising": True}),
        (["y", "x", "value"], {"rising": True}),
    ],
)
def test_columns_that_gdal_would_take_for_others_are_refused(tmp_path, columns, keys) -> None:
    with pytest.raises(IcemapError, match=rf"columns {', '.join(columns)}, of which GDAL"):
        read(points(tmp_path, columns, **keys))


@pytest.mark.parametrize("keys", [{}, {"named": False}, {"named": False, "sep": " "}])
def test_gaps_among_zeros_are_refused(tmp_path, keys) -> None:
    with pytest.raises(IcemapError, match=r"has 57 points for its 6 x 10 cells"):
        read(points(tmp_path, ["x", "y", "z"], left_out=(15, 16, 17), **keys))


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        (["lon", "lat", "depth"], {}),
        (["x", "y", "z"], {"named": False, "sep": " "}),
        (["lat", "lon", "z"], {}),
        (["lon", "lat", "id", "z"], {"sep": ";"}),
        (["id", "x", "y", "height"], {}),
    ],
)
def test_others_are_read(tmp_path, columns, keys) -> None:
    np.testing.assert_array_equal(read(points(tmp_path, columns, **keys)), VALUES)
    gaps = read(points(tmp_path, columns, left_out=GAPS, added=1.0, **keys))
    np.testing.assert_array_equal(gaps, np.where(np.isin(VALUES, GAPS), np.nan, VALUES + 1))
