"""Titles above the header are no rows, and are compared with the columns like footnotes."""

from pathlib import Path

import pandas as pd
import pytest

from icemap import IcemapError, read_boreholes
from icemap.boreholes.tables import read_table

pytestmark = pytest.mark.quick
TABLE = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]\nA,-148.5,65.5,0.5,0.5,2,40\n"


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Ground ice of the valley\n", ("Ground ice of the valley",)),
        ("Ground ice of the valley,,,,,,\n", ("Ground ice of the valley",)),
        ("Table 1\n\nCores of 2019\n", ("Table 1", "Cores of 2019")),
        ('"Ground ice, by core"\n,,,,,,\n', ("Ground ice, by core",)),
    ],
)
def test_titles_of_a_csv_are_passed_over(tmp_path: Path, title: str, said: tuple[str, ...]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(title + TABLE, encoding="utf-8")
    table = read_table(str(path))
    assert table.frame["vic [%]"].tolist() == [40]
    assert table.lines.tolist() == [title.count("\n") + 2]
    assert table.comments[: len(said)] == said
    assert read_boreholes(str(path))["value"].tolist() == [40]


def test_titles_of_a_workbook_are_passed_over(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    header, cells = TABLE.strip().split("\n")
    rows = [["Cores of 2019"], [], header.split(","), cells.split(",")]
    pd.DataFrame(rows).to_excel(tmp_path / "a.xlsx", index=False, header=False)
    table = read_table(str(tmp_path / "a.xlsx"))
    assert list(table.frame.columns) == header.split(",")
    assert table.lines.tolist() == [4]
    assert "Cores of 2019" in table.comments


def test_a_title_that_contradicts_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("All depths are in feet\n" + TABLE, encoding="utf-8")
    with pytest.raises(IcemapError, match="'All depths are in feet' speaks of ft"):
        read_boreholes(str(path))


@pytest.mark.parametrize(
    "text",
    [
        # A group of columns, of which the name is lost without it.
        ",,,,Depth,,\n" + TABLE,
        # Numbers are no title, and no header.
        "12\n" + TABLE,
        "site\nA,1,2\n",
        # Not known from a row.
        "Ground ice, of the valley\n" + TABLE,
    ],
)
def test_other_rows_above_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(IcemapError):
        read_boreholes(str(tmp_path / "a.csv"))


def test_columns_of_years_below_a_title(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("CALM\nsite,lon,lat,2010,2011\nA,1,60,50,52\n", encoding="utf-8")
    assert list(read_table(str(path)).frame.columns)[3:] == ["2010", "2011"]


@pytest.mark.parametrize(
    "cells",
    ["A;-150,0;70,0;4,0E+01", "A;-150,0;70,0;40,0 %", "A, B;-150,0;70,0;40,0 %"],
)
def test_a_header_above_decimal_commas_is_no_title(tmp_path: Path, cells: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id;lon;lat;vic\n{cells}\n{cells}\n", encoding="utf-8")
    assert list(read_table(str(path)).frame.columns) == ["id", "lon", "lat", "vic"]
    padded = tmp_path / "b.csv"
    padded.write_text(f"Ground ice;;;\nid;lon;lat;vic\n{cells}\n{cells}\n", encoding="utf-8")
    assert list(read_table(str(padded)).frame.columns) == ["id", "lon", "lat", "vic"]
