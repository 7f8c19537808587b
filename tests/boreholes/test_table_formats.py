import zipfile
from pathlib import Path

import geopandas
import numpy as np
import openpyxl
import openpyxl.chart
import pandas as pd
import pytest
import shapely

from icemap import IcemapError, read_boreholes
from icemap.borehole_sections import LayerSource
from icemap.boreholes import table_formats
from icemap.boreholes.numbers import parse_numbers
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.tables import read_table

COLUMNS = {
    "site": ["A", "A"],
    "permafrost_table [m]": [0.5, 0.5],
    "top [m]": [0.5, 2.0],
    "base [m]": [2.0, 5.5],
    "vic [%]": [40.0, 60.0],
}


def points(crs: str | None = "EPSG:32606", **columns: object) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(
        {**COLUMNS, **columns}, geometry=[shapely.Point(500000, 7264000)] * 2, crs=crs
    )


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.geojson", "a.parquet"])
def test_points_of_a_vector_file_are_the_places(tmp_path: Path, name: str) -> None:
    table = points()
    if name.endswith(".parquet"):
        table.to_parquet(tmp_path / name)
    else:
        table = table.to_crs("EPSG:4326") if name.endswith(".geojson") else table
        # A shapefile cuts names to ten letters.
        short = {"permafrost_table [m]": "pt [m]"}
        table.rename(columns=short).to_file(tmp_path / name)
    columns = {} if name.endswith(".parquet") else {"permafrost_table": "pt [m]"}
    layers = read_layer_table(
        str(tmp_path / name), LayerSource(path=str(tmp_path / name), columns=columns)
    ).layers
    assert layers["lon"].tolist() == pytest.approx([-147.0] * 2)
    assert layers["lat"].tolist() == pytest.approx([65.5] * 2, abs=0.01)
    assert layers[["permafrost_table", "top", "base", "reported_vic"]].iloc[1].tolist() == [
        0.5,
        2.0,
        5.5,
        0.6,
    ]
    assert layers["line"].tolist() == [1, 2]


def test_one_layer_of_several_has_to_be_named(tmp_path: Path) -> None:
    url = str(tmp_path / "a.gpkg")
    points().to_file(url, layer="cores")
    points().to_file(url, layer="wells")
    with pytest.raises(
        IcemapError,
        match=(
            r"a\.gpkg has several layers \(cores, wells\): say which one holds the boreholes, as"
            r" 'sheet: cores'"
        ),
    ):
        read_table(url)
    assert len(read_table(url, sheet="wells").frame) == 2
    with pytest.raises(
        IcemapError, match=r"a\.gpkg has no layer 'pits' \(key 'sheet'\): it has cores, wells"
    ):
        read_table(url, sheet="pits")


def test_what_a_vector_file_must_say(tmp_path: Path) -> None:
    points(crs=None).to_file(tmp_path / "a.gpkg")
    with pytest.raises(IcemapError, match=r"a\.gpkg does not say the CRS of its geometry"):
        read_table(str(tmp_path / "a.gpkg"))
    areas = points().set_geometry([shapely.box(0, 0, 1, 1)] * 2)
    areas.to_file(tmp_path / "b.gpkg")
    with pytest.raises(
        IcemapError, match=r"b\.gpkg holds Polygon geometry: a table of boreholes needs points"
    ):
        read_table(str(tmp_path / "b.gpkg"))
    (tmp_path / "c.gpkg").write_bytes(b"no")
    with pytest.raises(IcemapError, match=r"c\.gpkg is not a readable table with geometry"):
        read_table(str(tmp_path / "c.gpkg"))


def test_columns_of_coordinates_are_compared_with_the_geometry(tmp_path: Path) -> None:
    points(lon=[-147.0, -147.0]).to_file(tmp_path / "a.gpkg")
    assert read_table(str(tmp_path / "a.gpkg")).frame["lon"].tolist() == [-147.0] * 2
    points(lon=[-147.0, -137.0]).to_file(tmp_path / "b.gpkg")
    with pytest.raises(
        IcemapError,
        match=r"b\.gpkg: the column 'lon' says -137 where the geometry says -147 \(row 2\)",
    ):
        read_table(str(tmp_path / "b.gpkg"))


def workbook(path: Path, **sheets: pd.DataFrame) -> str:
    with pd.ExcelWriter(path) as writer:
        for name, frame in sheets.items():
            frame.to_excel(writer, sheet_name=name, index=False, startrow=2)
    return str(path)


def test_a_workbook_is_read_with_its_rows(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame(
        {"longitude": [10.0, 10.0], "latitude": [60.0, 60.0], **COLUMNS, "site": ["007", "007"]}
    )
    url = workbook(tmp_path / "a.xlsx", cores=frame)
    layers = read_layer_table(url).layers
    assert layers["site"].tolist() == ["007"] * 2
    assert layers["reported_vic"].tolist() == [0.4, 0.6]
    assert layers["line"].tolist() == [4, 5]  # two empty rows and the header are above


def test_a_sheet_of_text_alone_is_no_table(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    notes = pd.DataFrame({"Read me": ["Made in 2019", None, "Depths in m"]})
    url = workbook(tmp_path / "a.xlsx", notes=notes, cores=pd.DataFrame(COLUMNS))
    assert read_table(url).title == "cores"
    assert read_table(url, sheet="notes").title == "notes"


def test_the_sheet_of_a_workbook(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    notes = pd.DataFrame({"unit": ["m", "%"], "of": ["top", "vic"]})
    url = workbook(tmp_path / "a.xlsx", notes=notes, cores=pd.DataFrame(COLUMNS))
    with pytest.raises(IcemapError, match=r"a\.xlsx has several sheets \(notes, cores\)"):
        read_table(url)
    assert read_table(url, sheet="cores").frame["top [m]"].tolist() == [0.5, 2.0]
    with pytest.raises(IcemapError, match="as 'sheet: cores'"):
        read_table(url)
    url = workbook(tmp_path / "c.xlsx", cores=pd.DataFrame(COLUMNS), Sheet2=pd.DataFrame())
    assert read_table(url).frame["top [m]"].tolist() == [0.5, 2.0]
    with pytest.raises(IcemapError, match="sheet 'Sheet2' is empty"):
        read_table(url, sheet="Sheet2")
    (tmp_path / "b.xlsx").write_bytes(b"no")
    with pytest.raises(IcemapError, match=r"b\.xlsx is not a readable workbook"):
        read_table(str(tmp_path / "b.xlsx"))


def test_without_openpyxl_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(
        IcemapError,
        match=(
            r"a\.xlsx is a workbook, which the package openpyxl reads: install it with 'pip install"
            r" openpyxl'"
        ),
    ):
        read_table(str(tmp_path / "a.xlsx"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.xls", r"a\.xls is a workbook of a kind that is not read"),
        ("a.nc", r"a\.nc is NetCDF and no table: .*reader: cf_profiles"),
        ("folder", r"folder: it is a folder \(directory\)\. Name the file in it"),
    ],
)
def test_other_files_are_told_what_they_are(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf")
    (tmp_path / "a.nc").write_bytes(b"CDF")
    with pytest.raises(IcemapError, match=words):
        read_table(str(tmp_path / name))


def test_a_shapefile_in_a_bucket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="cannot be read from a bucket: write it as a GeoPackage"):
        table_formats.read_vector("s3://bucket/a.shp", tmp_path / "a.shp", None)


def test_a_cell_that_a_workbook_shows_in_percent_is_read_as_shown(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["site", "vic [%]"], ["a", 0.45], ["b", 50], ["c", 60]):
        sheet.append(row)
    sheet["B2"].number_format = "0.0%"
    # The sign is text here, and scales nothing.
    sheet["B4"].number_format = '0"%"'
    book.save(tmp_path / "a.xlsx")
    frame = read_table(str(tmp_path / "a.xlsx")).frame
    assert parse_numbers(frame["vic [%]"], "%").value.tolist() == [45, 50, 60]


def cores(path: Path, change) -> str:
    """Two holes of three layers each, with what is done to their sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["site", "lon", "lat", "top [m]", "base [m]", "vic [%]"])
    for site, lon in (("a", 130.1), ("b", 131.2)):
        for top, base, vic in ((0, 1, 30), (1, 3, 50), (3, 6, 20)):
            sheet.append([site, lon, 60.3, top, base, vic])
    change(sheet)
    book.save(path)
    return str(path)


def hide(*rows: int, level: int = 0):
    def change(sheet) -> None:
        for row in rows:
            sheet.row_dimensions[row].hidden = True
            sheet.row_dimensions[row].outlineLevel = level

    return change


def test_hidden_rows_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"'Sheet' hides 3 of its rows \(line 3-4, 6\)"):
        read_table(cores(tmp_path / "a.xlsx", hide(3, 4, 6)))


@pytest.mark.parametrize(
    "change",
    [
        hide(3, 4, level=1),
        hide(30),
        lambda sheet: setattr(sheet.column_dimensions["F"], "hidden", True),
        lambda sheet: setattr(sheet.auto_filter, "ref", "A1:F7"),
    ],
    ids=["folded group", "empty rows", "a column", "a filter that hides none"],
)
def test_what_else_is_hidden_is_read(tmp_path: Path, change) -> None:
    assert len(read_table(cores(tmp_path / "a.xlsx", change)).frame) == 6


def test_a_cell_merged_over_rows_is_that_of_each(tmp_path: Path) -> None:
    def merge(sheet) -> None:
        for area in ("A2:A4", "B2:B4", "C2:C4", "F5:F6"):
            sheet.merge_cells(area)

    sites = read_boreholes(cores(tmp_path / "a.xlsx", merge))
    assert sites["site"].tolist() == ["a", "b"]
    assert sites["value"].tolist() == pytest.approx([(30 + 100 + 40) / 5, (90 + 40) / 5])


def test_cells_merged_over_columns_keep_their_one_value(tmp_path: Path) -> None:
    url = cores(tmp_path / "a.xlsx", lambda sheet: sheet.merge_cells("D2:F2"))
    assert read_table(url).frame.iloc[0].isna().sum() == 2


@pytest.mark.parametrize("cells", [("F2", "F3"), ("F2", "F3", "F4", "F5", "F6", "F7"), ("A3",)])
def test_formulas_without_results_are_refused(tmp_path: Path, cells: tuple[str, ...]) -> None:
    def write(sheet) -> None:
        for cell in cells:
            sheet[cell] = "=E2*2"

    with pytest.raises(IcemapError, match=r"holds a formula \(line \d\) whose result is not in"):
        read_table(cores(tmp_path / "a.xlsx", write))


def test_formulas_with_results_and_outside_the_table_are_read(tmp_path: Path) -> None:
    def write(sheet) -> None:
        sheet["F3"], sheet["F4"], sheet["H3"] = "=E3*2", '=""', "=E3*2"

    url = cores(tmp_path / "a.xlsx", write)
    with zipfile.ZipFile(url) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    # As spreadsheet programs write a number and an empty text.
    sheet = sheet.replace(b"<f>E3*2</f><v></v>", b"<f>E3*2</f><v>6</v>", 1)
    sheet = sheet.replace(b'<c r="F4"><f>', b'<c r="F4" t="str"><f>')
    with zipfile.ZipFile(url, "w") as book:
        for name, part in (parts | {"xl/worksheets/sheet1.xml": sheet}).items():
            book.writestr(name, part)
    assert read_table(url).frame["vic [%]"].iloc[1:3].tolist() == pytest.approx(
        [6, np.nan], nan_ok=True
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_text_as_spreadsheets_save_it(tmp_path: Path, encoding: str, separator: str) -> None:
    (tmp_path / "t.txt").write_bytes(
        "site,lon,größe\nä,100,2\n".replace(",", separator).encode(encoding)
    )
    frame = read_table(str(tmp_path / "t.txt")).frame
    assert list(frame) == ["site", "lon", "größe"]
    assert frame["site"].tolist() == ["ä"]


def test_wider_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,b\n1,2\n".encode("utf-32"))
    with pytest.raises(IcemapError, match="zero bytes"):
        read_table(str(tmp_path / "t.csv"))


def test_degrees_in_a_geometry_of_metres_are_asked_about(tmp_path: Path) -> None:
    wrong = points().set_geometry([shapely.Point(-147, 65)] * 2, crs="EPSG:32606")
    wrong.to_file(tmp_path / "a.gpkg")
    with pytest.raises(IcemapError, match=r"UTM zone 6N\) has metres, and its points are at -147"):
        read_table(str(tmp_path / "a.gpkg"))
    wrong.set_crs("EPSG:4326", allow_override=True).to_file(tmp_path / "b.gpkg")
    assert read_table(str(tmp_path / "b.gpkg")).frame["longitude"].tolist() == [-147, -147]


def test_a_sheet_of_a_chart_is_none(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["site", "lon"])
    book.active.append(["a", 1])
    data = openpyxl.chart.Reference(book.active, min_col=2, min_row=1, max_row=2)
    chart = openpyxl.chart.BarChart()
    chart.add_data(data)
    book.create_chartsheet("Chart").add_chart(chart)
    book.save(tmp_path / "a.xlsx")
    assert read_table(str(tmp_path / "a.xlsx")).frame["site"].tolist() == ["a"]
    with pytest.raises(IcemapError, match="has no sheet 'Chart'"):
        read_table(str(tmp_path / "a.xlsx"), sheet="Chart")


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "geojson"])
def test_a_multipoint_of_one_point_is_a_point_and_of_several_an_error(
    tmp_path: Path, suffix: str
) -> None:
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import MultiPoint

    one = [MultiPoint([(20.5, 68.5)]), MultiPoint([(21.5, 69.5)])]
    several = [one[0], MultiPoint([(20.5, 68.5), (21.5, 69.5)])]
    for name, points in (("one", one), ("several", several)):
        frame = geopandas.GeoDataFrame({"vic": [1.0, 2.0]}, geometry=points, crs="EPSG:4326")
        frame.to_file(tmp_path / f"{name}.{suffix}")
    table = read_table(str(tmp_path / f"one.{suffix}")).frame
    assert table["longitude"].tolist() == [20.5, 21.5]
    assert table["latitude"].tolist() == [68.5, 69.5]
    with pytest.raises(IcemapError, match=r"row 2 has 2 points \(1 rows are so\)"):
        read_table(str(tmp_path / f"several.{suffix}"))
