"""Layouts in which tables of permafrost are published, and what is asked about in them."""

from pathlib import Path

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Font

from icemap import IcemapError, read_boreholes
from icemap.boreholes.tables import read_table

HEADER = ["site", "lon", "lat", "permafrost_table [m]", "top [m]", "base [m]", "vic [%]"]
ROWS = [["a", -134.1, 68.9, 0.5, 0.5, 2, 40], ["a", -134.1, 68.9, 0.5, 2, 5.5, 60]]
TABLE = "\n".join(",".join(map(str, row)) for row in [HEADER, *ROWS]) + "\n"
PANGAEA = (
    '/* DATA DESCRIPTION:\nCitation:\tIce of a "core\nParameter(s):\tDEPTH [m] (Depth)\n*/\n'
    "Event\tLatitude\tLongitude\tDepth top [m]\tDepth bot [m]\tIce cont vol [%]\n"
    "b1\t71.4\t128.9\t0.5\t2\t40\nb1\t71.4\t128.9\t2\t5.5\t60\n"
)


def write(folder: Path, text: str, name: str = "layers.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def workbook(folder: Path, struck: list[str]) -> Path:
    book = openpyxl.Workbook()
    for row in [[*HEADER, None, "note"], *ROWS, ["b", -135, 69, 0.5, 0.5, 5.5, 30]]:
        book.active.append(row)
    for cell in struck:
        book.active[cell].font = Font(strike=True)
    book.save(folder / "layers.xlsx")
    return folder / "layers.xlsx"


def test_the_description_above_a_table_of_pangaea_is_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, PANGAEA, "b1.tab")
    assert read_table(str(path)).lines.tolist() == [6, 7]
    columns = {"site": "Event", "top": "Depth top", "base": "Depth bot"}
    sites = read_boreholes(path, columns={**columns, "reported_vic": "Ice cont vol"})
    assert sites["value"].tolist() == pytest.approx([54])


@pytest.mark.parametrize("struck", [["A4", "G4"], ["G3"]])
def test_struck_cells_of_a_workbook_are_asked_about(tmp_path: Path, struck: list[str]) -> None:
    with pytest.raises(IcemapError, match=rf"struck through \(line {struck[0][1]}\)"):
        read_boreholes(workbook(tmp_path, struck))


@pytest.mark.parametrize("struck", [[], ["H3"], ["Z9"]])
def test_struck_cells_without_content_are_none(tmp_path: Path, struck: list[str]) -> None:
    assert read_boreholes(workbook(tmp_path, struck))["value"].tolist() == [54, 30]


def in_fonts(folder: Path, cell: str, *runs: tuple[str, str]) -> Path:
    book = openpyxl.load_workbook(workbook(folder, []))
    fonts = {
        "": InlineFont(),
        "raised": InlineFont(vertAlign="superscript"),
        "struck": InlineFont(strike=True),
    }
    book.active[cell] = CellRichText(*(TextBlock(fonts[font], text) for text, font in runs))
    book.save(folder / "layers.xlsx")
    return folder / "layers.xlsx"


def test_the_raised_mark_of_a_footnote_is_no_digit(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"vic \[%\] is not a number: '4\^1' \(line 2\)"):
        read_boreholes(in_fonts(tmp_path, "G2", ("4", ""), ("1", "raised")))


def test_a_part_of_a_cell_that_is_struck_through_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"struck through \(line 2\)"):
        read_boreholes(in_fonts(tmp_path, "G2", ("4", "struck"), ("40", "")))


def test_a_unit_may_be_raised(tmp_path: Path) -> None:
    path = in_fonts(tmp_path, "G1", ("vic [m", ""), ("3", "raised"), ("/m3]", ""))
    book = openpyxl.load_workbook(path, rich_text=True)
    for line, value in enumerate((0.4, 0.6, 0.3), start=2):
        book.active[f"G{line}"] = value
    book.save(path)
    assert read_boreholes(path)["value"].tolist() == [54, 30]


@pytest.mark.parametrize("word", ["ICE", "Ice + silt", "IW", "ground ice", "лёд", "Eis", "冰"])
def test_layers_of_ice_without_a_number_are_asked_about(tmp_path: Path, word: str) -> None:
    lines = TABLE.replace("vic [%]", "vic [%],ice_type").replace(",40\n", ",40,\n")
    with pytest.raises(IcemapError, match=r"how much \(write massive.*\(line 3\)"):
        read_boreholes(write(tmp_path, lines.replace(",60\n", f",,{word}\n")))
    with_number = read_boreholes(write(tmp_path, lines.replace(",60\n", f",60,{word}\n")))
    assert with_number["value"].tolist() == [54]


@pytest.mark.parametrize("word", ["ice lens", "ice-rich", "Nbn", "no visible ice", "pore ice"])
def test_other_ice_without_a_number_leaves_with_a_reason(tmp_path: Path, word: str) -> None:
    lines = TABLE.replace("vic [%]", "vic [%],ice_type").replace(",40\n", ",40,\n")
    sites = read_boreholes(write(tmp_path, lines.replace(",60\n", f",,{word}\n")))
    assert sites["value"].tolist() == [40]


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        ("Longitude ouest", "Latitude nord"),
        ("westliche Länge", "nördliche Breite"),
        ("долгота з.д.", "широта с.ш."),
        ("西经", "北纬"),
        ("Long. (oW)", "Lat. (oN)"),
    ],
)
def test_directions_in_headers_of_other_languages(tmp_path: Path, lon: str, lat: str) -> None:
    path = write(tmp_path, f"{lon},{lat},vic [%]\n134.1,68.9,40\n135.2,68.5,50\n")
    sites = read_boreholes(path, value="vic", longitude=lon, latitude=lat)
    assert sites["lon"].tolist() == [-134.1, -135.2]


@pytest.mark.parametrize(("lon", "lat"), [("Latitude", "Longitude"), ("LatWGS84", "LonWGS84")])
def test_exchanged_columns_are_refused_by_their_headers(tmp_path: Path, lon: str, lat: str) -> None:
    # Yamal: both ways round they are places on land.
    path = write(tmp_path, f"{lon},{lat},vic [%]\n71.1,68.4,40\n70.3,67.2,50\n")
    with pytest.raises(IcemapError, match=f"'{lon}' is about the latitude and is read as the lon"):
        read_boreholes(path, value="vic", longitude=lon, latitude=lat)
    sites = read_boreholes(path, value="vic", longitude=lat, latitude=lon)
    assert sites["lon"].tolist() == [68.4, 67.2]


def test_a_column_towards_o_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path, "Longitude (O),lat,vic [%]\n76.5,58.4,40\n")
    with pytest.raises(IcemapError, match=r"says O, which is west .*ouest.*Ost"):
        read_boreholes(path, value="vic", longitude="Longitude (O)", latitude="lat")


def test_one_row_of_a_site_with_exchanged_coordinates_is_named(tmp_path: Path) -> None:
    rows = "a,68.4,71.1,0.5,0.5,2,40\na,71.1,68.4,0.5,2,5.5,60\n"
    with pytest.raises(IcemapError, match=r"line 3: 'a' is at longitude 71\.1 and latitude 68\.4"):
        read_boreholes(write(tmp_path, ",".join(HEADER) + "\n" + rows))


@pytest.mark.parametrize("depths", ["-0.5,-2", "-2,-0.5"])
def test_negative_depths_are_asked_about(tmp_path: Path, depths: str) -> None:
    text = TABLE.replace("0.5,2,40", f"{depths},40").replace("2,5.5,60", "-3,-2,60")
    with pytest.raises(IcemapError, match=r"all depths \('top \[m\]'\) are negative"):
        read_boreholes(write(tmp_path, text))


def test_feet_under_metres_are_told_by_another_column(tmp_path: Path) -> None:
    rows = "{},{},40\na,-134.1,68.9,0.5,{},{},60\n"
    header = ",".join(HEADER[:-1]) + ",top_ft,vic [%]\na,-134.1,68.9,0.5,"
    same = rows.format("1.6,6.6", 1.6, "6.6,18", 6.6)
    with pytest.raises(IcemapError, match=r"'top \[m\]' and 'top_ft' hold the same numbers"):
        read_boreholes(write(tmp_path, header + same))
    converted = rows.format("0.5,2", 1.6, "2,5.5", 6.6)
    assert read_boreholes(write(tmp_path, header + converted))["value"].tolist() == [54]


@pytest.mark.parametrize("depths", ["0.5~2|2~5.5", "0.5 bis 2|2 bis 5.5", "0.5 à 2|2 à 5.5"])
def test_ranges_of_depth_in_other_languages(tmp_path: Path, depths: str) -> None:
    upper, lower = depths.split("|")
    text = TABLE.replace("top [m],base [m]", "depth [m]")
    text = text.replace("0.5,2,40", f"{upper},40").replace("2,5.5,60", f"{lower},60")
    assert read_boreholes(write(tmp_path, text))["value"].tolist() == [54]


@pytest.mark.parametrize("sign", ["n/d", "k.A.", "…", "н.д.", "not sampled"])
def test_signs_for_no_value(tmp_path: Path, sign: str) -> None:
    path = write(tmp_path, TABLE.replace(",40\n", f",{sign}\n"))
    assert read_boreholes(path)["value"].tolist() == [60]


def test_the_key_for_other_signs_is_named(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"'tr\.' \(line 2\)\..*no data with 'missing'"):
        read_boreholes(write(tmp_path, TABLE.replace(",40\n", ",tr.\n")))
