"""Columns other than those that are read, and rows that are no rows like the others."""

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from icemap import IcemapError, read_boreholes

HEADER = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%]"
LAYERS = ["a,-134.1,68.9,0.5,0.5,2,40", "a,-134.1,68.9,0.5,2,5.5,60"]
ALT = {"name": "alt", "unit": "cm", "bounds": None}


def write(folder: Path, *lines: str) -> Path:
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "t.csv"


def layers(folder: Path, further: str, *cells: str, header: str = HEADER) -> pd.DataFrame:
    rows = [f"{row},{cell}" for row, cell in zip([*LAYERS, LAYERS[-1]], cells)]
    return read_boreholes(write(folder, f"{header},{further}", *rows))


def values(folder: Path, further: str, *cells: str) -> pd.DataFrame:
    rows = [f"s{i},{-134 - i},68.9,{cell}" for i, cell in enumerate(cells)]
    path = write(folder, f"site,lon,lat,alt,{further}", *rows)
    return read_boreholes(path, value="alt", unit="cm", id="site", target=ALT)


@pytest.mark.parametrize("header", ["unit", "Units", "alt_unit", "alt unit", "uom", "ед. изм."])
def test_values_of_two_units_are_asked_about(tmp_path: Path, header: str) -> None:
    with pytest.raises(IcemapError, match=rf"line 3: the column '{header}' says 'm', and 'alt' is"):
        values(tmp_path, header, "50,cm", "0.6,m")
    assert values(tmp_path, header, "50,cm", "60,centimetres")["value"].tolist() == [50, 60]


@pytest.mark.parametrize("cells", [("50,Qs", "60,M"), ("50,", "60,"), ("50,cm", ",m")])
def test_other_units_are_none_of_the_value(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert values(tmp_path, "unit", *cells)["value"].iloc[0] == 50


@pytest.mark.parametrize("header", ["depth_unit", "Depth units", "top_unit", "base [m]_units"])
def test_depths_of_another_unit_by_row_are_asked_about(tmp_path: Path, header: str) -> None:
    if header.startswith("base"):
        header = "base_units"
    with pytest.raises(IcemapError, match=rf"line 2: the column '{header}' says 'ft'"):
        layers(tmp_path, header, "ft", "ft")
    assert layers(tmp_path, header, "m", "metres")["value"].tolist() == [54]


def test_a_column_of_depth_units_is_that_of_depths_without_one(tmp_path: Path) -> None:
    header = "site,lon,lat,permafrost_table [m],top,base,vic [%]"
    rows = ["a,-134.1,68.9,0.5,50,200,40,cm", "a,-134.1,68.9,0.5,2,5.5,60,m"]
    path = write(tmp_path, f"{header},depth_unit", *rows)
    assert read_boreholes(path)["value"].tolist() == [54]


def test_a_column_of_units_that_contradicts_the_one_quantity(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"'unit' says 'fraction', and 'vic \[%\]' is read in"):
        layers(tmp_path, "unit", "fraction", "fraction")
    assert layers(tmp_path, "unit", "percent", "%")["value"].tolist() == [54]


@pytest.mark.parametrize("header", ["parameter", "Analyte", "variable_name", "показатель", "参数"])
def test_rows_of_several_quantities_are_asked_about(tmp_path: Path, header: str) -> None:
    words = rf"'{header}' says 'VIC' in line 2 and 'EIC' in line 3"
    with pytest.raises(IcemapError, match=words):
        layers(tmp_path, header, "VIC", "EIC")
    with pytest.raises(IcemapError, match=words):
        values(tmp_path, header, "50,VIC", "60,EIC")
    assert layers(tmp_path, header, "VIC", "vic")["value"].tolist() == [54]
    assert values(tmp_path, header, "50,ALT", ",other")["value"].iloc[0] == 50


def test_rows_of_several_statistics_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="'statistic' says 'min' in line 2 and 'max' in line 3"):
        values(tmp_path, "statistic", "50,min", "60,max")
    assert values(tmp_path, "statistic", "50,mean", "60,mean")["value"].tolist() == [50, 60]


@pytest.mark.parametrize("word", ["Total", "mean:", "Mittelwert", "Итого", "average"])
def test_a_row_that_sums_up_in_another_column_is_asked_about(tmp_path: Path, word: str) -> None:
    whole = f"a,-134.1,68.9,0.5,0.5,5.5,90,{word}"
    rows = [f"{row},S{i}" for i, row in enumerate(LAYERS)]
    path = write(tmp_path, f"{HEADER},sample", *rows, whole)
    with pytest.raises(IcemapError, match=rf"line 4: the column 'sample' says '{word}', and 2"):
        read_boreholes(path)


def test_a_mean_of_its_own_layer_sums_up_nothing(tmp_path: Path) -> None:
    assert layers(tmp_path, "method", "mean", "single")["value"].tolist() == [54]
    assert values(tmp_path, "kind", "50,mean", "60,point", "70,point")["used"].all()


def test_the_sum_of_the_values_of_a_place_is_asked_about(tmp_path: Path) -> None:
    rows = ["-134,68.9,50,P1", "-134,68.9,70,P2", "-134,68.9,60,Mean"]
    path = write(tmp_path, "lon,lat,alt,probe", *rows)
    with pytest.raises(IcemapError, match="line 4: the column 'probe' says 'Mean', and 2 other"):
        read_boreholes(path, value="alt", unit="cm", target=ALT)


@pytest.mark.parametrize(
    "columns",
    [
        {"top": "x", "base": "x"},
        {"gravimetric_water": "x", "volumetric_water": "x"},
        {"excess_ice": "vic", "reported_vic": "vic"},
    ],
)
def test_one_column_is_not_two(tmp_path: Path, columns: dict[str, str]) -> None:
    units = {name: "m" if columns.get("top") == "x" else "%" for name in columns}
    path = write(tmp_path, f"{HEADER},x", *(f"{row},1" for row in LAYERS))
    with pytest.raises(IcemapError, match=r"is to be both \w+ and \w+: name a"):
        read_boreholes(path, columns=columns, units=units)


@pytest.mark.parametrize("units", [True, False])
def test_depths_below_one_merged_name_are_asked_about(tmp_path: Path, units: bool) -> None:
    book = openpyxl.Workbook()
    page = book.active
    unit = "" if units else " [m]"
    percent = "vic" if units else "vic [%]"
    page.append(["site", "lon", "lat", f"permafrost_table{unit}", percent, f"Depth{unit}"])
    if units:
        page.append([None, None, None, "m", "%", "m", "m"])
    for top, base, vic in ((0.5, 2, 40), (2, 5.5, 60)):
        page.append(["a", -134.1, 68.9, 0.5, vic, top, base])
    page.merge_cells("F1:G1")
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(IcemapError, match=r"behind 'Depth \[m\]' has no name"):
        read_boreholes(tmp_path / "t.xlsx")


def test_a_depth_behind_which_nothing_stands_is_a_point(tmp_path: Path) -> None:
    header = "site,lon,lat,permafrost_table [m],depth [m],,vic [%]"
    path = write(tmp_path, header, "a,-134.1,68.9,0.5,1,,40", "a,-134.1,68.9,0.5,3,x,60")
    assert read_boreholes(path)["value"].tolist() == [50]


@pytest.mark.parametrize("header", ["hole,Longitude,Latitude,GWC", "id,X coord,Y coord,water"])
def test_the_header_of_a_second_table_is_named(tmp_path: Path, header: str) -> None:
    rows = ["a,-134,68,50", "b,-133,68,60", header, "c,-132,68,300"]
    path = write(tmp_path, "site,lon,lat,alt", *rows)
    words = r"line 4 holds '.*' and '.*' in columns of numbers"
    with pytest.raises(IcemapError, match=words):
        read_boreholes(path, value="alt", unit="cm", id="site", target=ALT)


@pytest.mark.parametrize("row", ["site,lon,lat,alt", "d,lost,n.d.,none", "d,lost,lost,lost"])
def test_a_row_without_numbers_leaves(tmp_path: Path, row: str) -> None:
    rows = ["a,-134,68,50", "b,-133,68,60", row, "c,-132,68,70"]
    path = write(tmp_path, "site,lon,lat,alt", *rows)
    sites = read_boreholes(path, value="alt", unit="cm", id="site", target=ALT)
    assert sites["used"].tolist() == [True, True, False, True]


def test_numbers_with_a_word_are_no_header(tmp_path: Path) -> None:
    rows = ["a,-134,68,50", "b,-133,68,60", "c,ca. -132,ca. 68,c. 70"]
    path = write(tmp_path, "site,lon,lat,alt", *rows)
    assert read_boreholes(path, value="alt", unit="cm", id="site", target=ALT)["used"].all()


def test_one_scale_in_a_table_of_sites(tmp_path: Path) -> None:
    def ice(*cells: float, **keys: object) -> pd.DataFrame:
        rows = [f"{-134 - i},68.9,{cell}" for i, cell in enumerate(cells)]
        return read_boreholes(write(tmp_path, "lon,lat,vic [%]", *rows), value="vic", **keys)

    mixed = (45, 0.52, 38, 0.61, 55, 0.44)
    with pytest.raises(IcemapError, match=r"3 of its values are below 1 \(line 3, 5, 7\) like"):
        ice(*mixed)
    assert ice(*mixed, missing=[])["used"].all()
    assert ice(*mixed, 2.5)["used"].all()


def test_a_latitude_of_zero_is_none(tmp_path: Path) -> None:
    path = write(tmp_path, "lon,lat,alt", "-134,68.9,50", "-133,0,60")
    sites = read_boreholes(path, value="alt", unit="cm", target=ALT)
    assert sites["reason"].tolist() == ["", "no latitude (0)"]


@pytest.mark.parametrize(
    ("header", "left", "right"),
    [
        ("exclude", "yes", "no"),
        ("Outlier", "1", "0"),
        ("used", "False", "True"),
        ("keep", "n", "y"),
        ("remark", "outlier", "fine"),
        ("QC", "Reject", "pass"),
        ("sample type", "method blank", "core"),
    ],
)
def test_rows_that_do_not_count_are_asked_about(
    tmp_path: Path, header: str, left: str, right: str
) -> None:
    said = rf"line 3: the column '{header}' says '{left}' where a value stands \(1 of "
    with pytest.raises(IcemapError, match=said):
        values(tmp_path, header, f"50,{right}", f"60,{left}")
    with pytest.raises(IcemapError, match=said):
        layers(tmp_path, header, right, left)
    assert values(tmp_path, header, f"50,{right}", f",{left}")["used"].tolist() == [True, False]
    assert layers(tmp_path, header, right, right)["value"].tolist() == [54]


@pytest.mark.parametrize("word", ["no recovery", "Core loss", "not sampled", "нет керна"])
def test_zero_where_there_is_no_core_is_asked_about(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, f"{HEADER},remark", f"{LAYERS[0]},", f"a,-134.1,68.9,0.5,2,5.5,0,{word}")
    with pytest.raises(IcemapError, match=f"line 3: the column 'remark' says '{word}'"):
        read_boreholes(path)
    assert layers(tmp_path, "remark", "", word)["value"].tolist() == [54]


@pytest.mark.parametrize(
    "name",
    [
        "Mean (n=12)",
        "Mean ± SD",
        "Average of 2 sites",
        "Min",
        "Count",
        "平均",
        "Subtotal",
        "Gesamt",
    ],
)
def test_a_row_that_sums_up_is_no_site(tmp_path: Path, name: str) -> None:
    rows = ["a,-134,68.9,50", "b,-133,68.8,60", f"{name},-133.5,68.85,55"]
    path = write(tmp_path, "site,lon,lat,alt", *rows)
    sites = read_boreholes(path, value="alt", unit="cm", id="site", target=ALT)
    assert sites["used"].tolist() == [True, True, False]


@pytest.mark.parametrize("name", ["Mean Creek", "Maxim", "SE", "N", "Min-3", "Media Luna"])
def test_a_site_with_such_a_name_is_one(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, "site,lon,lat,alt", "a,-134,68.9,50", f"{name},-133.5,68.85,55")
    sites = read_boreholes(path, value="alt", unit="cm", id="site", target=ALT)
    assert sites["used"].all()


@pytest.mark.parametrize("header", ["type", "what", "statistic"])
def test_rows_of_several_statistics_in_any_column_are_asked_about(
    tmp_path: Path, header: str
) -> None:
    with pytest.raises(IcemapError, match=f"'{header}' says 'Mean' in line 2 and 'max' in line 3"):
        values(tmp_path, header, "50,Mean", "60,max")
    assert values(tmp_path, header, "50,mean", "60,Mean")["used"].all()
    assert values(tmp_path, "type", "50,Mean", "60,grid")["used"].all()


def test_bad_in_a_column_of_quality_is_no_value(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="line 3: the column 'quality' says 'bad'"):
        values(tmp_path, "quality", "50,good", "60,bad")
    assert values(tmp_path, "quality", "50,good", "60,poor")["used"].all()


@pytest.mark.parametrize(
    ("header", "word"), [("basis", "by weight"), ("ice type", "excess"), ("ice_basis", "by mass")]
)
def test_ice_of_sites_on_another_basis(tmp_path: Path, header: str, word: str) -> None:
    def read(told: str) -> pd.DataFrame:
        path = write(tmp_path, f"lon,lat,vic [%],{header}", f"-134,68.9,40,{told}")
        return read_boreholes(path, value="vic")

    with pytest.raises(IcemapError, match=f"'{header}' says '{word}', and 'vic.* or rename"):
        read(word)
    assert read("by volume")["used"].all()


@pytest.mark.parametrize("word", ["segregated", "Pore ice", "segregation ice", "wedge ice"])
def test_how_the_ice_of_a_site_formed_is_no_basis(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, "lon,lat,vic [%],ice type", f"-134,68.9,40,{word}")
    assert read_boreholes(path, value="vic")["used"].all()
    path = write(tmp_path, "lon,lat,vic [%],ice content type", "-134,68.9,40,pore ice")
    with pytest.raises(IcemapError, match="'ice content type' says 'pore ice'"):
        read_boreholes(path, value="vic")
