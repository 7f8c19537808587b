"""Attribute tables say that values are codes, whatever their type and wherever the table is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from icemap.errors import IcemapError
from icemap.grid import Grid
from icemap.predictors.sources import open_source
from icemap.source import Source
from icemap.store import write_bytes

pytestmark = pytest.mark.quick

GRID = Grid(100, 60, 104, 62, 1)
STANDARD = [("Value", 0, 5), ("Count", 0, 1), ("Deposit", 2, 2)]
ROWS = [(1, 4, "till"), (5, 4, "rock")]


def raster(path: Path, dtype="uint8") -> Path:
    keys = {"driver": "GTiff", "height": 2, "width": 4, "count": 1, "crs": "EPSG:4326"}
    with rasterio.open(
        path, "w", dtype=dtype, transform=Affine(1, 0, 100, 0, -1, 62), **keys
    ) as file:
        file.write(np.tile([1, 5], (2, 2)).astype(dtype), 1)
    return path


def attributes(path: Path, fields, rows, kind="thematic") -> Path:
    """A raster with the table that GDAL keeps in its ``.aux.xml``."""
    columns = "".join(
        f'<FieldDefn index="{k}"><Name>{name}</Name><Type>{type_}</Type><Usage>{use}</Usage>'
        "</FieldDefn>"
        for k, (name, type_, use) in enumerate(fields)
    )
    cells = "".join(
        f'<Row index="{k}">{"".join(f"<F>{cell}</F>" for cell in row)}</Row>'
        for k, row in enumerate(rows)
    )
    Path(f"{path}.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable'
        f' tableType="{kind}">{columns}{cells}</GDALRasterAttributeTable></PAMRasterBand>'
        "</PAMDataset>"
    )
    return path


def with_table(path: Path, **columns) -> Path:
    """A raster with the table that ArcGIS keeps next to it."""
    made = path.with_name("table.dbf")
    pyogrio.write_dataframe(pd.DataFrame(columns), made, driver="ESRI Shapefile")
    made.rename(f"{path}.vat.dbf")
    return path


def opened(path: Path, **keys):
    described = {"family": "geology", "long_name": "deposits", "unit": "1"}
    with open_source(Source(name="a", url=str(path), **described, **keys), GRID) as found:
        return dict(found.classes), found.read(slice(0, 2), slice(0, 4))


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda p: attributes(raster(p), STANDARD, ROWS), {1: "till", 5: "rock"}),
        (lambda p: attributes(raster(p, "float32"), STANDARD, ROWS), {1: "till", 5: "rock"}),
        (
            lambda p: attributes(
                raster(p, "float64"), STANDARD, [("1.000", 4, "till"), ("5.000", 4, "rock")]
            ),
            {1: "till", 5: "rock"},
        ),
        (
            lambda p: attributes(
                raster(p),
                [("From", 0, 3), ("To", 0, 4), ("Deposit", 2, 2)],
                [(0, 1, "till"), (4, 5, "rock")],
            ),
            {0: "till", 1: "till", 4: "rock", 5: "rock"},
        ),
        (
            lambda p: attributes(
                raster(p),
                [("Value", 0, 5), ("Count", 0, 1), ("ICE", 1, 0)],
                [(1, 4, 15), (5, 4, 70)],
            ),
            {1: "15", 5: "70"},
        ),
        (
            lambda p: with_table(raster(p), Value=[1, 5], Count=[4, 4], LITHO=["till", "rock"]),
            {1: "till", 5: "rock"},
        ),
        (
            lambda p: with_table(
                raster(p, "float32"), OBJECTID=[0, 1], VALUE=[1.0, 5.0], NAME=["till", "rock"]
            ),
            {1: "till", 5: "rock"},
        ),
    ],
    ids=["plain", "float32", "float64", "intervals", "numbers", "dbf", "dbf float32"],
)
def test_a_table_of_codes_asks_for_a_kind_and_names_them(tmp_path, make, names) -> None:
    path = make(tmp_path / "a.tif")
    with pytest.raises(IcemapError, match="has names of classes"):
        opened(path)
    classes, values = opened(path, kind="class")
    assert classes == names
    np.testing.assert_array_equal(values[0], [1, 5, 1, 5])
    np.testing.assert_array_equal(opened(path, kind="continuous")[1][0], [1, 5, 1, 5])


@pytest.mark.parametrize(
    "make",
    [
        lambda p: attributes(
            raster(p), [("Value", 0, 5), ("Histogram", 1, 1)], [(k, 3) for k in range(9)]
        ),
        lambda p: attributes(
            raster(p),
            [("Histogram", 1, 1), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)],
            [(3, 1, 2, 3)] * 9,
        ),
        lambda p: attributes(
            raster(p, "float32"),
            [("Value", 1, 5), ("Slope", 2, 0)],
            [(0.5, "flat"), (9.5, "steep")],
            "athematic",
        ),
        lambda p: with_table(raster(p), Value=[1, 5], Count=[4, 4]),
        lambda p: with_table(raster(p), OBJECTID=[0, 1], Value=[1, 5], Red=[0.1, 0.2]),
    ],
)
def test_counts_and_colours_of_values_are_no_names(tmp_path, make) -> None:
    np.testing.assert_array_equal(opened(make(tmp_path / "a.tif"))[1][0], [1, 5, 1, 5])


def test_a_broken_table_is_said(tmp_path) -> None:
    raster(tmp_path / "a.tif")
    (tmp_path / "a.tif.vat.dbf").write_text("no table")
    with pytest.raises(IcemapError, match=r"a\.tif\.vat\.dbf is not the attribute table"):
        opened(tmp_path / "a.tif")


def tiles(folder: Path, tables) -> tuple[str, ...]:
    found = []
    for number, rows in enumerate(tables):
        path = folder / f"{number}.tif"
        raster(path)
        with rasterio.open(path, "r+") as file:
            file.transform = Affine(1, 0, 100 + 4 * number, 0, -1, 62)
        attributes(path, STANDARD, rows)
        found.append(str(path))
    return tuple(found)


def test_tiles_that_name_a_code_differently_are_refused(tmp_path) -> None:
    parts = tiles(tmp_path, [ROWS, [(1, 4, "rock"), (5, 4, "till")]])
    with pytest.raises(
        IcemapError, match=r"class code 1 'till' in .*0\.tif and 'rock' in .*1\.tif"
    ):
        opened(tmp_path, parts=parts, kind="class")
    np.testing.assert_array_equal(
        opened(tmp_path, parts=parts, kind="continuous")[1][0], [1, 5, 1, 5]
    )


def test_tables_of_tiles_are_taken_together(tmp_path) -> None:
    parts = tiles(tmp_path, [ROWS, [(1, 9, "Till "), (7, 4, "peat")]])
    assert opened(tmp_path, parts=parts, kind="class")[0] == {1: "till", 5: "rock", 7: "peat"}


def test_a_table_in_a_bucket_is_found(tmp_path, s3_url) -> None:
    here = with_table(raster(tmp_path / "a.tif"), Value=[1, 5], Class=["till", "NA"])
    for path in (here, Path(f"{here}.vat.dbf")):
        write_bytes(f"{s3_url}/{path.name}", path.read_bytes())
    with pytest.raises(IcemapError, match="names of classes"):
        opened(f"{s3_url}/a.tif")
    assert opened(f"{s3_url}/a.tif", kind="class")[0] == {1: "till", 5: "NA"}


NAMES = {1: "till", 5: "rock"}


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "class", "classes": NAMES},
        {"fraction_of": (5,), "classes": NAMES | {5: "No data"}},
    ],
)
def test_a_class_that_the_file_calls_missing_is_refused(tmp_path, keys) -> None:
    path = raster(tmp_path / "a.tif")
    opened(path, **keys)
    with rasterio.open(path, "r+") as file:
        file.nodata = 5
    with pytest.raises(IcemapError, match=r"the class code 5 \(.*\) in the catalogue, which by"):
        opened(path, **keys)


@pytest.mark.parametrize("name", ["No data", "nodata", "NaN", "missing", "NA", "Unclassified"])
def test_a_class_that_says_that_it_is_none_may_be_missing(tmp_path, name) -> None:
    path = raster(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as file:
        file.nodata = 5
    _, values = opened(path, kind="class", classes={1: "till", 5: name})
    assert np.isnan(values).any()


@pytest.mark.parametrize(
    ("compress", "error", "fine"),
    [("JPEG", "0", False), ("LZW", "0", True), ("LERC", "2", False), ("LERC", "0", True)],
)
def test_classes_in_a_compression_that_changes_them_are_refused(
    tmp_path, compress, error, fine
) -> None:
    options = {"compress": compress} | ({"max_z_error": error} if compress == "LERC" else {})
    copy(str(raster(tmp_path / "a.tif")), str(tmp_path / "b.tif"), **options)
    if fine:
        assert opened(tmp_path / "b.tif", kind="class", classes=NAMES)[0] == NAMES
        return
    for keys in ({"kind": "class"}, {"fraction_of": (5,)}):
        with pytest.raises(IcemapError, match=f"compressed as {compress}"):
            opened(tmp_path / "b.tif", classes=NAMES, **keys)
    assert opened(tmp_path / "b.tif", kind="continuous")[1].shape == (2, 4)
