"""Cells that a spreadsheet program filled downwards as a series."""

from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes

HEADER = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]\n"


def read(folder: Path, *places: str):
    rows = [f"a,{place},{i + 1},{i + 2},40\n" for i, place in enumerate(places)]
    (folder / "t.csv").write_text(HEADER + "".join(rows))
    return read_boreholes(folder / "t.csv")


@pytest.mark.parametrize(
    ("column", "places"),
    [
        ("lon", ["-134.1,68.9,1", "-133.1,68.9,1", "-132.1,68.9,1"]),
        ("lat", ["-134.1,68.9,1", "-134.1,69.9,1", "-134.1,70.9,1"]),
        (r"permafrost_table \[m\]", ["-134.1,68.9,0.5", "-134.1,68.9,1.5", "-134.1,68.9,2.5"]),
    ],
)
def test_numbers_that_count_up_are_asked_about(
    tmp_path: Path, column: str, places: list[str]
) -> None:
    with pytest.raises(IcemapError, match=rf"line 4: '{column}' of 'a' is .* filled downwards"):
        read(tmp_path, *places)


@pytest.mark.parametrize(
    "places",
    [
        ["-134.1,68.9,1", "-134.1,68.9,1", "-134.1,68.9,1"],
        ["-134.1,68.9,0.5", "-134.1,68.9,1.5", "-134.1,68.9,1.4"],
        ["-134.1,68.9,1", "-133.1,68.9,1"],
    ],
)
def test_other_numbers_are_read(tmp_path: Path, places: list[str]) -> None:
    assert len(read(tmp_path, *places)) > 0
