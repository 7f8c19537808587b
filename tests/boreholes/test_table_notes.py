"""Titles, footnotes and names of sheets that say something else than headers."""

from pathlib import Path

import openpyxl
import pytest

from icemap import IcemapError, read_boreholes

HEADER = ["site", "lon", "lat", "permafrost_table [m]", "top [m]", "base [m]", "vic [%]"]
ROWS = [["a", -134.1, 68.9, 0.5, 0.5, 2, 40], ["a", -134.1, 68.9, 0.5, 2, 5.5, 60]]
WATER = [*HEADER[:-1], "gravimetric_water [%]", "dry_density [g/cm3]"]
WET = [["a", -134.1, 68.9, 0.5, 0.5, 2, 40, 1.1], ["a", -134.1, 68.9, 0.5, 2, 5.5, 60, 0.8]]


def write(folder: Path, header: list[str], rows: list[list[object]], *notes: str) -> Path:
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    lines += [f'"{note}"' + "," * (len(header) - 1) for note in notes]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "t.csv"


def workbook(folder: Path, title: str, *right: str) -> Path:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in [[*HEADER, None, *right], *ROWS]:
        book.active.append(row)
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


@pytest.mark.parametrize(
    "note",
    ["Note: depths in feet below ground surface", "All depth intervals are in ft.", "Tops in cm"],
)
def test_a_footnote_that_says_another_unit_of_depths(tmp_path: Path, note: str) -> None:
    with pytest.raises(IcemapError, match=rf"'{note}' speaks of \w+, and the column 'top \[m\]'"):
        read_boreholes(write(tmp_path, HEADER, ROWS, note))


@pytest.mark.parametrize(
    "note",
    [
        "Depths in metres",
        "Depths in m (logged in ft and converted)",
        "Drilled 300 ft from the road",
        "Sampled at 5 cm intervals",
        "Depths are known to within a few cm",
        "Source: Smith 2019",
    ],
)
def test_other_footnotes_are_no_rows(tmp_path: Path, note: str) -> None:
    sites = read_boreholes(write(tmp_path, HEADER, ROWS, note))
    assert sites.loc[sites["used"], "value"].tolist() == [54]


@pytest.mark.parametrize(
    ("title", "right"), [("cores (ft)", ()), ("Depths_ft", ()), ("Sheet1", ("Depths in feet",))]
)
def test_a_sheet_that_says_another_unit(tmp_path: Path, title: str, right: tuple[str]) -> None:
    with pytest.raises(IcemapError, match="speaks of ft"):
        read_boreholes(workbook(tmp_path, title, *right))


def test_a_column_without_cells_is_no_footnote(tmp_path: Path) -> None:
    rows = [[*row, ""] for row in ROWS]
    for name in ("Total depth (ft)", "sample depth cm", "depth_in"):
        assert read_boreholes(write(tmp_path, [*HEADER, name], rows))["value"].tolist() == [54]


@pytest.mark.parametrize("title", ["Ft Simpson", "cores (m)", "Table 2 (a)", "FT-3", "feet, m"])
def test_a_sheet_that_says_none(tmp_path: Path, title: str) -> None:
    assert read_boreholes(workbook(tmp_path, title))["value"].tolist() == [54]


@pytest.mark.parametrize(
    "note", ["Water contents on a wet basis", "w: % of total weight", "Wasser in % Feuchtgewicht"]
)
def test_a_footnote_that_says_wet_mass(tmp_path: Path, note: str) -> None:
    with pytest.raises(IcemapError, match=r"'gravimetric_water \[%\]' is read as water by dry"):
        read_boreholes(write(tmp_path, WATER, WET, note))
    assert read_boreholes(write(tmp_path, HEADER, ROWS, note))["used"].iloc[0]
    right = read_boreholes(write(tmp_path, WATER, WET, "Water contents on a dry basis"))
    assert right["used"].iloc[0]


def test_a_footnote_that_says_an_old_datum(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, ROWS, "Coordinates are on NAD27")
    with pytest.raises(IcemapError, match="the sentence 'Coordinates are on NAD27' says the datum"):
        read_boreholes(path)
    assert read_boreholes(path, crs="EPSG:4267")["used"].iloc[0]
    assert read_boreholes(write(tmp_path, HEADER, ROWS, "Datum is WGS 84"))["used"].iloc[0]


@pytest.mark.parametrize(
    "note",
    [
        "Depths are measured below the permafrost table",
        "Depths from top of casing",
        "Depth in m above sea level",
        "Ice contents in % by weight",
        "Ice content is gravimetric",
    ],
)
def test_a_footnote_that_says_another_origin_or_basis(tmp_path: Path, note: str) -> None:
    with pytest.raises(IcemapError, match=f"'{note}' says '.*convert the column, or remove"):
        read_boreholes(write(tmp_path, HEADER, ROWS, note))


def test_comments_above_the_header_are_compared_like_footnotes(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, ROWS)
    table = path.read_text(encoding="utf-8")
    path.write_text(f"# Depths in feet\n{table}", encoding="utf-8")
    with pytest.raises(IcemapError, match="'Depths in feet' speaks of ft"):
        read_boreholes(path)
    path.write_text(f"# Depths in m, ice by volume\n# 2 layers\n{table}", encoding="utf-8")
    assert read_boreholes(path)["value"].iloc[0] == 54


@pytest.mark.parametrize(
    "note", ["Depths below the ground surface", "Ice contents by volume", "Thaw depths in m"]
)
def test_a_footnote_that_says_the_same(tmp_path: Path, note: str) -> None:
    assert read_boreholes(write(tmp_path, HEADER, ROWS, note))["value"].iloc[0] == 54


def test_thaw_depths_have_their_own_footnote(tmp_path: Path) -> None:
    header = ["permafrost_table [cm]" if "permafrost" in name else name for name in HEADER]
    rows = [[*row[:3], 50, *row[4:]] for row in ROWS]
    sites = read_boreholes(write(tmp_path, header, rows, "Thaw depths in cm"))
    assert sites["value"].iloc[0] == 54
    with pytest.raises(
        IcemapError, match=r"speaks of in, and the column 'permafrost_table \[cm\]'"
    ):
        read_boreholes(write(tmp_path, header, rows, "Thaw depths in inches"))
    alt = {"name": "alt", "unit": "cm", "bounds": None}
    columns = ["lon", "lat", "alt [cm]"]
    path = write(tmp_path, columns, [[-134, 68, 50], [-133, 68, 60]], "Thaw depths in inches")
    with pytest.raises(IcemapError, match=r"speaks of in, and the column 'alt \[cm\]'"):
        read_boreholes(path, value="alt", target=alt)


def test_a_footnote_that_says_west(tmp_path: Path) -> None:
    east = [[row[0], 134.1, *row[2:]] for row in ROWS]
    note = "Longitudes are west of Greenwich"
    with pytest.raises(IcemapError, match=f"'{note}' says west, and 'lon' is positive"):
        read_boreholes(write(tmp_path, HEADER, east, note))
    assert read_boreholes(write(tmp_path, HEADER, ROWS, note))["lon"].iloc[0] == -134.1


@pytest.mark.parametrize("cell", ["G2", "G3", "G1"])
def test_a_comment_on_a_cell_is_read(tmp_path: Path, cell: str) -> None:
    path = workbook(tmp_path, "Sheet")
    book = openpyxl.load_workbook(path)
    book.active[cell].comment = openpyxl.comments.Comment("by weight, not volume", "x")
    book.save(path)
    with pytest.raises(IcemapError, match=r"'vic: by weight, not volume' says"):
        read_boreholes(path)


@pytest.mark.parametrize(("text", "right"), [("ice content by weight", False), ("see p. 3", True)])
def test_a_text_next_to_all_columns_is_read(tmp_path: Path, text: str, right: bool) -> None:
    path = workbook(tmp_path, "Sheet")
    book = openpyxl.load_workbook(path)
    book.active["I2"] = text
    book.save(path)
    if right:
        assert read_boreholes(path)["value"].tolist() == [54]
        return
    with pytest.raises(IcemapError, match=f"'{text}' says"):
        read_boreholes(path)
