"""Numbers with the mark of a footnote: read and told where it can be nothing else."""

from pathlib import Path

import pytest

import icemap
from icemap import IcemapError

pytestmark = pytest.mark.quick
PLAIN = ["*45", "45*", "** 45", "45 †", "45%*", "45^", "45 [1]", "45.0[12]"]
OPEN = ["45a", "45 (1)", "45^2", "45 1)", "45²", "[45]", "4*5", "45 [a]"]


def layers(folder: Path, cell: str) -> str:
    path = folder / "a.csv"
    rows = [f"A,-148.5,65.5,0.5,{i},{i + 1},{cell if i == 2 else 30 + i}" for i in range(1, 5)]
    header = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def sites(folder: Path, cell: str) -> str:
    path = folder / "a.csv"
    path.write_text(f"lon,lat,vic [%]\n-148.5,65.5,{cell}\n-148,65,20\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("cell", PLAIN)
def test_a_plain_mark_is_passed_over_and_told(tmp_path: Path, cell: str) -> None:
    read = icemap.read_boreholes(layers(tmp_path, cell))
    assert read["value"].tolist() == pytest.approx([(31 + 45 + 33 + 34) / 4])
    (note,) = [one for one in read.attrs["notes"] if "footnotes" in one]
    assert f"'vic [%]' has marks of footnotes ('{cell}'; line 3)" in note
    read = icemap.read_boreholes(sites(tmp_path, cell), value="vic")
    assert read["value"].tolist() == [45, 20]
    (note,) = read.attrs["notes"]
    assert "(line 2)" in note or "line 2)" in note


@pytest.mark.parametrize("cell", OPEN)
def test_a_mark_that_may_be_something_else_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(IcemapError, match=r"vic \[%\] is not a number.*line 3"):
        icemap.read_boreholes(layers(tmp_path, cell))


def test_marks_of_depths_and_errors_are_told_too(tmp_path: Path) -> None:
    path = Path(layers(tmp_path, "45"))
    path.write_text(path.read_text().replace(",2,3,", ",2*,3,"))
    (note,) = [one for one in icemap.read_boreholes(str(path)).attrs["notes"] if "footnotes" in one]
    assert "'top [m]'" in note
    table = tmp_path / "b.csv"
    table.write_text("lon,lat,vic [%],se [%]\n-148.5,65.5,40,5*\n-148,65,20,4\n")
    read = icemap.read_boreholes(str(table), value="vic", standard_error="se")
    assert read["standard_error"].tolist() == [5, 4]
