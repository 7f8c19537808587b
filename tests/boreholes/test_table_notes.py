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
