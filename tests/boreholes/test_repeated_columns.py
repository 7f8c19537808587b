from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes


def layers(folder: Path, names: str, *rows: str):
    path = folder / "layers.csv"
    cells = (f"a,-134,68.9,0.5,{row}" for row in rows)
    path.write_text("\n".join([f"site,lon,lat,permafrost_table [m],{names}", *cells]) + "\n")
    return read_boreholes(path)


def sites(folder: Path, names: str, *rows: str, value: str = "vic [%]"):
    path = folder / "sites.csv"
    path.write_text(
        "\n".join([f"lon,lat,{names}", *(f"{10 + i},60,{row}" for i, row in enumerate(rows))])
    )
    return read_boreholes(path, value=value)


def test_a_slip_in_one_of_two_units_is_named(tmp_path: Path) -> None:
    names = "top [m],base [m],vic [%],top_ft"
    rows = ("0.5,1,40,1.64", "1,2,40,3.28", "2,3,40,65.6")
    with pytest.raises(IcemapError, match=r"line 4: 'top \[m\]' is 2 m, and 'top_ft' 65\.6 ft"):
        layers(tmp_path, names, *rows)
    assert len(layers(tmp_path, names, *rows[:2], "2,3,40,6.6")) == 1
    with pytest.raises(IcemapError, match=r"line 3: 'vic \[%\]' is 45 %, and 'vic \[1\]' 0\.54 1"):
        sites(tmp_path, "vic [%],vic [1]", "40,0.4", "45,0.54")


def test_a_unit_that_is_wrong_throughout_is_named(tmp_path: Path) -> None:
    rows = ("5,10,40,0.5", "10,20,40,1", "20,30,40,2")
    with pytest.raises(IcemapError, match=r"\(3 of 3 rows are so\)"):
        layers(tmp_path, "top [m],base [m],vic [%],top_ft", *rows)


@pytest.mark.parametrize(
    "rows",
    [
        ("40,0.4", "45,0.45"),
        ("40,0.4", "45,0.5"),
        ("40,", "45,"),
        # Of something else.
        ("40,0.9", "45,0.1", "50,0.2"),
    ],
)
def test_two_units_that_agree_or_tell_of_other_things_are_read(
    tmp_path: Path, rows: tuple[str, ...]
) -> None:
    assert sites(tmp_path, "vic [%],vic [1]", *rows)["used"].all()
    assert sites(tmp_path, "vic [%],wedge [1]", *rows)["used"].all()


def test_one_of_several_columns_is_named_with_its_unit(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"several columns 'vic' .* 'vic \[%\]' and 'vic \[1\]'"):
        sites(tmp_path, "vic [%],vic [1]", "40,0.4", value="vic")
    path = tmp_path / "layers.csv"
    path.write_text("site,lon,lat,top [m],base [m],ice [%],ice [1]\na,10,60,0,1,40,0.4\n")
    with pytest.raises(IcemapError, match="several columns 'ice'"):
        read_boreholes(path, columns={"reported_vic": "ice"})
