"""Grids of text whose headers and values GDAL does not read as they are meant."""

import numpy as np
import pytest

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source

pytestmark = pytest.mark.quick

HEADER = "ncols 3\nnrows 2\nxllcorner 100\nyllcorner 60\ncellsize 1\nNODATA_value -9999"
CORNERS = "ncols 3\nnrows 2\nxllcorner 100\nyllcorner 60\ncellsize 1"
ROWS = "-9999 11.5 12\n13 14 15"
EXPECTED = [[np.nan, 11.5, 12], [13, 14, 15]]
GRASS = "north: 62\nsouth: 60\neast: 103\nwest: 100\nrows: 2\ncols: 3"


def read(folder, header=HEADER, rows=ROWS, ending="\n", **keys) -> np.ndarray:
    (folder / "a.asc").write_bytes(f"{header}\n{rows}\n".replace("\n", ending).encode())
    words = {"name": "a", "family": "topography", "long_name": "a", "unit": "m"}
    source = Source(**{**words, "url": str(folder / "a.asc"), "crs": "EPSG:4326", **keys})
    with open_source(source, Grid(100, 60, 103, 62, 1)) as raster:
        assert (raster.transform.c, raster.transform.f) == (100, 62)
        return raster.read(slice(0, 2), slice(0, 3))


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        HEADER.upper(),
        CORNERS.replace("xllcorner 100\nyllcorner 60", "yllcenter 60.5\nxllcenter 100.5")
        + "\nNODATA_value -9999",
        f"{HEADER}\nxllcenter 100.5\nyllcenter 60.5",
        CORNERS.replace("cellsize 1", "dx 1\ndy 1") + "\nNODATA_value -9999",
        f"{CORNERS}\ndx 1.0\ndy 1.0\nNODATA_value -9999",
        f"{CORNERS}\nnodata -9999",
        f"{CORNERS}\nNo_Data_Value: -9999",
        f"{CORNERS}\nmissing_value -9999",
        f"{HEADER}\nbyteorder LSBFIRST",
        HEADER.replace("\n", " "),
        f"{GRASS}\nnull: -9999",
    ],
)
def test_headers_that_say_the_same(header, tmp_path) -> None:
    np.testing.assert_array_equal(read(tmp_path, header), EXPECTED)


@pytest.mark.parametrize(
    ("rows", "ending"),
    [
        ("-9999 11.5\n12 13\n14 15", "\n"),
        ("-9999 11.5 12 13 14 15", "\n"),
        ("-9999\t11,5\t12\n13\t14\t15", "\r\n"),
        ("-9999.0 1.15e1 12.\n13 14 +15\n\x1a", "\r\n"),
        ("nan 11.5 12\n13 14 15", "\n"),
        ("1.#QNAN 11.5 12\n\n13 14 15\n\n", "\n"),
    ],
)
def test_values_that_are_the_same(rows, ending, tmp_path) -> None:
    np.testing.assert_array_equal(read(tmp_path, HEADER, rows, ending), EXPECTED)


def test_words_of_the_header_are_those_of_a_raster(tmp_path) -> None:
    feet = read(tmp_path, f"{HEADER}\nunits ft")
    np.testing.assert_allclose(feet, np.multiply(EXPECTED, 0.3048), rtol=1e-6)
    with pytest.raises(IcemapError, match=r"attribute 'scale' 0\.1"):
        read(tmp_path, f"{HEADER}\nscale 0.1", "10 11 12\n13 14 15")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            HEADER.replace("xllcorner 100", "xllcenter 100.5"),
            "has xllcenter, yllcorner in its head",
        ),
        (f"{HEADER}\nxllcenter 101.5\nyllcenter 60.5", r"100 and xllcenter 101\.5 .* half a cell"),
        (f"{HEADER}\nxllcenter 100.5", "has xllcorner, xllcenter, yllcorner in its header"),
        (f"{CORNERS}\ndx 2\ndy 2", "sizes of its cells in its header .cellsize 1, dx 2, dy 2"),
        (f"{CORNERS}\nNODATA_value -1\nNODATA_value -9999", "'nodata_value' twice .* -1 and -9999"),
    ],
)
def test_headers_that_contradict_themselves(header, said, tmp_path) -> None:
    with pytest.raises(IcemapError, match=said):
        read(tmp_path, header)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1 2 3", "has 3 values in 1 rows, but its header says 2 x 3 cells"),
        ("1 2 3\n4 5 6\n7 8 9", "has 9 values in 3 rows"),
        ("1 2\n4 5 6", r"has 5 values in 2 rows \(line 7 has 2 values\)"),
        ("1 2 3 4\n5 6", r"has 6 values in 2 rows \(line 7 has 4 values\)"),
        ("1 * 3\n4 5 6", r"'\*' in line 7, which is no number, and GDAL reads it as 0"),
        ("1 2 3\n4 n/a 6", "'n/a' in line 8"),
        ("1 2 3\n4 -- 6", "'--' in line 8"),
        ("1 2 3\n4 null 6", "'null' in line 8"),
        ("1;2;3\n4;5;6", "'1;2;3' in line 7"),
    ],
)
def test_values_that_are_too_many_too_few_or_none(rows, said, tmp_path) -> None:
    with pytest.raises(IcemapError, match=said):
        read(tmp_path, HEADER, rows)


def test_stars_of_grass(tmp_path) -> None:
    with pytest.raises(IcemapError, match=r"'\*' in line 7"):
        read(tmp_path, GRASS, "* 11.5 12\n13 14 15")
