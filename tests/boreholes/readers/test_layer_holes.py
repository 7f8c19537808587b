from pathlib import Path

import pytest

from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.records import ASSUMED

HEADER = "site,longitude [deg],latitude [deg],permafrost_table [m],top [m],base [m],vic [%]\n"


def told(folder: Path, *rows: str) -> list[str]:
    (folder / "t.csv").write_text(HEADER + "".join(f"{row},40\n" for row in rows))
    flags = read_layer_table(str(folder / "t.csv")).flags
    return flags.loc[flags["rule"] == ASSUMED, "reason"].tolist()


def test_permafrost_tables_of_one_hole_that_differ_are_told(tmp_path: Path) -> None:
    place = "a,-148.51234,69.41234"
    (sentence,) = told(tmp_path, f"{place},0.5,0.5,2", f"{place},1.9,2,3", f"{place},0.5,3,5")
    assert "'a' is 0.5 m in one row and 1.9 m in another: their median is used" in sentence
    assert not told(tmp_path, f"{place},0.5,0.5,2", f"{place},0.62,2,3", f"{place},,3,5")


@pytest.mark.parametrize(
    ("other", "count"),
    [
        ("a,-148.51934,69.41234,0.5,0.5,5", 1),
        # Another name, another depth, a rounded place, and another borehole far away.
        ("b,-148.51934,69.41234,0.5,0.5,5", 0),
        ("a,-148.51934,69.41234,0.5,5,6", 0),
        ("a,-148.51,69.41,0.5,0.5,5", 0),
        ("a,-147.51234,69.41234,0.5,0.5,5", 0),
    ],
)
def test_one_name_at_near_places_with_the_same_depths_is_told(
    tmp_path: Path, other: str, count: int
) -> None:
    sentences = told(tmp_path, "a,-148.51234,69.41234,0.5,0.5,5", other)
    assert len(sentences) == count
    assert all("give each hole a name of its own" in sentence for sentence in sentences)


def test_years_of_one_hole_are_told(tmp_path: Path) -> None:
    def sentences(first: int, last: int) -> list[str]:
        rows = (
            f"a,-148,69,0.5,0.5,2,{first},40\na,-148,69,0.5,2,5,{last},50\nb,-149,69,0.5,2,5,,9\n"
        )
        (tmp_path / "t.csv").write_text(HEADER.replace("vic", "year,vic") + rows)
        flags = read_layer_table(str(tmp_path / "t.csv")).flags
        return flags.loc[flags["rule"] == ASSUMED, "reason"].tolist()

    assert "layers of 'a' are from 1990 and 2020: they are read as one" in sentences(1990, 2020)[0]
    assert not sentences(1990, 1990)
