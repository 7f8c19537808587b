"""A row of units below the header."""

from pathlib import Path

import pandas as pd
import pytest

from icemap import IcemapError
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.tables import read_table
from icemap.boreholes.unit_row import units_below

HEADER = "site,longitude,latitude,permafrost_table,top,base,vic\n"
ROWS = "A,100,70,0.5,50,450,40\nA,100,70,0.5,450,550,60\n"


def write(folder: Path, text: str) -> str:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return str(folder / "t.csv")


def test_units_go_into_the_header_and_lines_stay_those_of_the_file(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, HEADER + "unit,°,°,m,cm,cm,%\n" + ROWS))
    assert list(table.frame)[3:] == ["permafrost_table [m]", "top [cm]", "base [cm]", "vic [%]"]
    assert table.lines.tolist() == [3, 4]


def test_layers_are_read_in_these_units(tmp_path: Path) -> None:
    layers = read_layer_table(write(tmp_path, HEADER + ",deg,deg,m,cm,cm,%\n" + ROWS)).layers
    assert layers["top"].tolist() == [0.5, 4.5]
    assert layers["reported_vic"].tolist() == pytest.approx([0.4, 0.6])


def test_the_unit_1_above_numbers_is_no_number(tmp_path: Path) -> None:
    rows = ROWS.replace(",40\n", ",0.4\n").replace(",60\n", ",0.6\n")
    url = write(tmp_path, HEADER + ",degrees_east,degrees_north,m,cm,cm,1\n" + rows)
    assert read_layer_table(url).layers["reported_vic"].tolist() == pytest.approx([0.4, 0.6])
    url = write(tmp_path, HEADER + ",degrees_east,degrees_north,m,cm,cm,0.4\n" + rows)
    assert list(read_table(url).frame) == HEADER.strip().split(",")


def test_a_header_and_a_row_that_name_two_units_are_both_named(tmp_path: Path) -> None:
    url = write(tmp_path, HEADER.replace("top", "top [m]") + ",deg,deg,m,cm,cm,%\n" + ROWS)
    with pytest.raises(IcemapError, match=r"'top \[m\]' .* row of units \(line 2\) 'cm'"):
        read_table(url)


@pytest.mark.parametrize(
    "first",
    [
        {"site": "m", "lon": "100", "vic": "40"},
        {"site": "a", "lon": "-", "vic": "-"},
        {"site": "a", "lon": "", "vic": ""},
        {"site": "a", "lon": "deg", "vic": "40"},
        {"site": "a", "lon": "deg", "vic": "high"},
    ],
)
def test_any_other_row_is_one_of_the_table(first: dict[str, str]) -> None:
    assert units_below(pd.DataFrame([first, {"site": "b", "lon": "110", "vic": "60"}])) == {}


@pytest.mark.parametrize(
    "units",
    [
        "[-],[°],[°],[m],[cm],[cm],[%]",
        ",(deg),(deg),(m),(cm),(cm),(vol. %)",
        ",WGS84,WGS84,m,cm,cm,%",
        "text,decimal degrees,decimal degrees,m,cm,cm,%",
        ",°E,°N,m,cm,cm,%",
    ],
)
def test_units_in_brackets_and_next_to_a_datum(tmp_path: Path, units: str) -> None:
    layers = read_layer_table(write(tmp_path, f"{HEADER}{units}\n{ROWS}")).layers
    assert layers["top"].tolist() == [0.5, 4.5]
    url = write(tmp_path, HEADER.replace("top", "top [m]") + f"{units}\n{ROWS}")
    with pytest.raises(IcemapError, match=r"'top \[m\]' .* row of units \(line 2\) 'cm'"):
        read_table(url)


def test_a_direction_below_the_header_counts(tmp_path: Path) -> None:
    layers = read_layer_table(write(tmp_path, f"{HEADER},°W,°N,m,cm,cm,%\n{ROWS}")).layers
    assert layers["lon"].tolist() == [-100, -100]


def test_an_old_datum_below_the_header_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="says the datum NAD27"):
        read_layer_table(write(tmp_path, f"{HEADER},NAD27,NAD27,m,cm,cm,%\n{ROWS}"))
