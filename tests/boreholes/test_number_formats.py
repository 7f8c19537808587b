"""Numbers of a workbook with what their format writes around them."""

from pathlib import Path

import openpyxl
import pytest

from icemap import IcemapError, read_boreholes

HEADER = ["site", "lon", "lat", "permafrost_table [m]", "top [m]", "base [m]", "vic [%]"]
ROWS = [["a", -134.1, 68.9, 0.5, 0.5, 2, 40], ["a", -134.1, 68.9, 0.5, 2, 5.5, 60]]


def workbook(folder: Path, formats: dict[str, str], **columns: list[float]) -> Path:
    book = openpyxl.Workbook()
    page = book.active
    for row in [HEADER, *ROWS]:
        page.append(row)
    for letter, values in columns.items():
        for line, value in enumerate(values, start=2):
            page[f"{letter}{line}"] = value
    for letter, number_format in formats.items():
        for line in (2, 3):
            page[f"{letter}{line}"].number_format = number_format
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


@pytest.mark.parametrize("text", ['0.0" cm"', '0\\ "cm"', '#,##0" cm";-#,##0" cm"', 'General" cm"'])
def test_centimetres_of_the_format_are_read_under_metres(tmp_path: Path, text: str) -> None:
    path = workbook(tmp_path, {"E": text, "F": text}, E=[50, 200], F=[200, 550])
    assert read_boreholes(path)["value"].tolist() == [54]


@pytest.mark.parametrize(
    "text", ['0.00"°W"', '0.00"° "\\W', '0.00"° E";0.00"° W"', '"W "0.00', "\\W0.0"]
)
def test_the_letter_of_a_direction_counts(tmp_path: Path, text: str) -> None:
    sign = -1 if ";" in text else 1
    path = workbook(tmp_path, {"B": text}, B=[sign * 134.1, sign * 134.1])
    assert read_boreholes(path)["lon"].tolist() == [-134.1]


def test_a_percent_sign_that_is_text_divides_nothing(tmp_path: Path) -> None:
    assert read_boreholes(workbook(tmp_path, {"G": '0.0"%"'}))["value"].tolist() == [54]
    fractions = workbook(tmp_path, {"G": "0.0%"}, G=[0.4, 0.6])
    assert read_boreholes(fractions)["value"].tolist() == [54]
    with pytest.raises(IcemapError, match="like fractions"):
        read_boreholes(workbook(tmp_path, {"G": '0.0"%"'}, G=[0.4, 0.6]))


def test_the_sign_of_a_limit_counts(tmp_path: Path) -> None:
    path = workbook(tmp_path, {"G": '"<"0'}, G=[40, 60])
    assert not read_boreholes(path)["used"].any()


@pytest.mark.parametrize(
    "text",
    [
        "General",
        "0.00",
        "#,##0.00",
        "[Red]0.0;[Blue]-0.0",
        "0.0_);(0.0)",
        "[<100]0.0",
        '"ca. "0',
        '0" *"',
        "@",
        '0.0" m"',
    ],
)
def test_other_formats_change_nothing(tmp_path: Path, text: str) -> None:
    formats = dict.fromkeys("DEF", text)
    assert read_boreholes(workbook(tmp_path, formats))["value"].tolist() == [54]


def test_metres_of_a_projection_may_say_so(tmp_path: Path) -> None:
    path = workbook(tmp_path, dict.fromkeys("BC", '0" m"'), B=[500000] * 2, C=[7600000] * 2)
    assert read_boreholes(path, crs="EPSG:32608")["lon"].round(6).tolist() == [-135]


@pytest.mark.parametrize("text", ["0.0,", "#,##0.00,", '0.00,;-0.00,;"-"'])
def test_thousands_are_read_as_shown(tmp_path: Path, text: str) -> None:
    path = workbook(tmp_path, {"E": text, "F": text}, E=[500, 2000], F=[2000, 5500])
    assert read_boreholes(path)["value"].tolist() == [54]


@pytest.mark.parametrize(("text", "value"), [(";;;", 40), ("0;-0;;@", 0), ("0;;0", -1)])
def test_numbers_that_a_format_hides_are_asked_about(
    tmp_path: Path, text: str, value: float
) -> None:
    path = workbook(tmp_path, {"G": text}, G=[value, 60])
    with pytest.raises(IcemapError, match=rf"vic .* '{value} \(not shown\)' \(line 2"):
        read_boreholes(path)


@pytest.mark.parametrize("text", ["0;-0;;@", "#,##0", "@", '0.0;-0.0;"-"', "General;-General;"])
def test_numbers_that_a_format_shows_are_read(tmp_path: Path, text: str) -> None:
    assert read_boreholes(workbook(tmp_path, {"G": text}))["value"].tolist() == [54]
