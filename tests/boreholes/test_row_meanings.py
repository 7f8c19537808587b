"""Columns next to others that say what these are, and columns of nearly the right name."""

from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from openpyxl.comments import Comment

from icemap import IcemapError, read_boreholes
from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers.layer_table import read_layer_table

HEADER = ["site", "lon", "lat", "permafrost_table [m]", "top [m]", "base [m]"]
PLACE = "a,-134.1,68.9,0.5"
DEPTHS = ("0.5,2", "2,5.5")


def write(folder: Path, *lines: str) -> Path:
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "t.csv"


def sites(folder: Path, further: str, *cells: str, **source: object) -> pd.DataFrame:
    rows = [f"{PLACE},{depths},{cell}" for depths, cell in zip(DEPTHS, cells, strict=True)]
    return read_boreholes(write(folder, f"{','.join(HEADER)},{further}", *rows), **source)


def layers(folder: Path, *lines: str, **source: object) -> pd.DataFrame:
    path = write(folder, *lines)
    return read_layer_table(str(path), LayerSource(path=str(path), **source)).layers


@pytest.mark.parametrize(
    ("further", "cells", "word"),
    [
        ("gravimetric_water [%],basis", ("40,dry", "30,wet"), "wet"),
        ("gravimetric_water [%],Moisture_basis", ("40,wet basis", "30,wet basis"), "wet basis"),
        ("gravimetric_water [%],dry_density [g/cm3],density_type", ("40,1,wet", "30,1,dry"), "wet"),
        ("vic [%],ice content basis", ("40,by weight", "60,"), "by weight"),
        ("vic [%],basis", ("40,wet weight", "60,wet weight"), "wet weight"),
        ("vic [%],depth_reference", ("40,surface", "60,permafrost table"), "permafrost table"),
        ("vic [%],Depth datum", ("40,casing", "60,casing"), "casing"),
    ],
)
def test_a_column_that_says_what_others_are(tmp_path: Path, further, cells, word) -> None:
    with pytest.raises(IcemapError, match=rf"says '{word}', and '.*' is read as"):
        sites(tmp_path, further, *cells)


@pytest.mark.parametrize(
    ("further", "cells"),
    [
        ("gravimetric_water [%],basis", ("40,dry", "30,dry")),
        ("gravimetric_water [%],basis", ("40,dry", ",wet")),
        ("gravimetric_water [%],Soil type", ("40,wet peat", "30,silt")),
        ("vic [%],depth_reference", ("40,ground surface", "60,ground surface")),
    ],
)
def test_a_column_that_says_the_same(tmp_path: Path, further, cells) -> None:
    assert len(sites(tmp_path, further, *cells)) == 1


@pytest.mark.parametrize(
    ("further", "remark"),
    [
        ("gravimetric_water [%],comment", "water content by total weight"),
        ("gravimetric_water [%],Lab notes", "Moisture on a wet basis"),
        ("vic [%],Remarks", "ice content by weight"),
        ("vic [%],Bemerkung", "VIC in wt%"),
    ],
)
def test_a_remark_that_says_what_the_numbers_are(tmp_path: Path, further: str, remark: str) -> None:
    with pytest.raises(IcemapError, match=rf"line 3: .* says '{remark}', and '.*' is read as"):
        sites(tmp_path, further, "40,", f"30,{remark}")


@pytest.mark.parametrize("remark", ["wet weight 320 g", "wet sample", "water content by dry mass"])
def test_a_remark_about_something_else(tmp_path: Path, remark: str) -> None:
    assert len(sites(tmp_path, "gravimetric_water [%],comment", f"40,{remark}", "30,")) == 1


@pytest.mark.parametrize("word", ["thawed", "Unfrozen", "талый", "未冻", "talik"])
def test_thawed_rows_below_the_permafrost_table(tmp_path: Path, word: str) -> None:
    with pytest.raises(IcemapError, match=rf"line 3: the column 'State' says '{word}' of a row"):
        sites(tmp_path, "vic [%],State", "40,frozen", f"60,{word}")
    rows = [f"a,-134.1,68.9,0,1,30,{word}", "a,-134.1,68.9,1,6,60,frozen"]
    header = "site,lon,lat,top [m],base [m],vic [%],State"
    with pytest.raises(IcemapError, match=rf"line 2: the column 'State' says '{word}' of a row"):
        read_boreholes(write(tmp_path, header, *rows), frozen=True)


@pytest.mark.parametrize("header", ["Permafrost", "In permafrost?", "frozen ground"])
def test_rows_that_are_no_permafrost(tmp_path: Path, header: str) -> None:
    with pytest.raises(IcemapError, match=r"line 3: the column '.*' says 'no' of a row"):
        sites(tmp_path, f"vic [%],{header}", "40,yes", "60,no")
    assert len(sites(tmp_path, f"vic [%],{header}", "40,yes", "60,yes")) == 1
    assert len(sites(tmp_path, "vic [%],roots", "40,yes", "60,no")) == 1


@pytest.mark.parametrize("cells", [("40,frozen", "60,frozen"), ("40,", ",thawed")])
def test_frozen_rows_and_rows_without_a_value(tmp_path: Path, cells: tuple[str, str]) -> None:
    assert sites(tmp_path, "vic [%],State", *cells)["value"].notna().all()


def test_thawed_rows_above_the_permafrost_table_are_read(tmp_path: Path) -> None:
    rows = [f"{PLACE},0,0.5,20,thawed", f"{PLACE},0.5,5.5,60,frozen"]
    table = read_boreholes(write(tmp_path, f"{','.join(HEADER)},vic [%],State", *rows))
    assert table["value"].tolist() == [60]


@pytest.mark.parametrize("header", ["Frozen?", "frozen", "FROZEN "])
def test_a_name_with_a_question_mark_is_that_name(tmp_path: Path, header: str) -> None:
    table = layers(tmp_path, f"{','.join(HEADER)},vic [%],{header}", f"{PLACE},0,1,40,no")
    assert table["frozen"].tolist() == ["no"]


@pytest.mark.parametrize("tilt", ["Dip", "hole inclination", "Inclination [deg]"])
def test_holes_that_are_not_upright(tmp_path: Path, tilt: str) -> None:
    with pytest.raises(IcemapError, match=r"says 55 degrees, and along a hole"):
        sites(tmp_path, f"vic [%],Azimuth,{tilt}", "40,120,-55", "60,120,-55")
    assert len(sites(tmp_path, f"vic [%],Azimuth,{tilt}", "40,0,-90", "60,0,-90")) == 1
    with pytest.raises(IcemapError, match=r"says 60 degrees, and along a hole"):
        sites(tmp_path, f"vic [%],{tilt}", "40,-60", "60,-60")
    # Of lenses.
    assert len(sites(tmp_path, f"vic [%],azimuth,{tilt}", "40,20,15", "60,120,55")) == 1
    assert len(sites(tmp_path, f"vic [%],{tilt}", "40,15", "60,15")) == 1


@pytest.mark.parametrize("header", ["section", "Core section no", "Drive", "core_run"])
def test_depths_that_begin_again_in_sections(tmp_path: Path, header: str) -> None:
    first = f"{header},{','.join(HEADER)},vic [%]"

    def rows(length: float) -> list[str]:
        return [
            f"{part},{PLACE},{part * length + top:g},{part * length + top + 0.2:g},40"
            for part in range(3)
            for top in (0, 0.3, 0.6)
        ]

    with pytest.raises(IcemapError, match=rf"begin again in the parts of 'a' .*'{header}'"):
        layers(tmp_path, first, *rows(0))
    assert layers(tmp_path, first, *rows(0.8))["base"].max() == pytest.approx(2.4)


@pytest.mark.parametrize(
    "header",
    [
        "depth in section [cm]",
        "Depth within core run (cm)",
        "Offset [cm]",
        "section depth [cm]",
    ],
)
def test_depths_in_sections_are_none_below_the_surface(tmp_path: Path, header: str) -> None:
    with pytest.raises(IcemapError, match="is a depth below the surface, but its header says"):
        layers(
            tmp_path, f"site,lon,lat,{header},vic [%]", "a,1,60,10,40", columns={"depth": header}
        )


@pytest.mark.parametrize("sign", ["<", ">", "BDL", "not detected"])
def test_signs_of_limits_in_another_column(tmp_path: Path, sign: str) -> None:
    with pytest.raises(IcemapError, match=rf"line 3: the column 'qualifier' says '{sign}'"):
        sites(tmp_path, "vic [%],qualifier", "40,", f"1,{sign}")


@pytest.mark.parametrize(
    ("header", "sign"), [("vic_flag", "ND"), ("Qualifier", "U"), ("QC", "bad")]
)
def test_signs_of_columns_of_flags(tmp_path: Path, header: str, sign: str) -> None:
    with pytest.raises(IcemapError, match=rf"line 3: the column '{header}' says '{sign}'"):
        sites(tmp_path, f"vic [%],{header}", "40,", f"1,{sign}")
    assert len(sites(tmp_path, "vic [%],Unit name", "40,", f"1,{sign}")) == 1


@pytest.mark.parametrize("cells", [("40,no", "300,yes"), ("40,", "300,x"), ("40,0", "300,1")])
def test_yes_is_no_kind_of_ice(tmp_path: Path, cells: tuple[str, str]) -> None:
    with pytest.raises(IcemapError, match=r"says yes or no and no kind of ice .*\(line 3\)"):
        sites(tmp_path, "gravimetric_water [%],Massive", *cells, columns={"ice_type": "Massive"})


def test_no_ice_is_a_kind(tmp_path: Path) -> None:
    assert len(sites(tmp_path, "gravimetric_water [%],ice_type", "40,no", "30,massive")) == 1


@pytest.mark.parametrize("header", ["dry-density", "dry\xa0density", "Dry Density", "DRY_DENSITY"])
def test_names_with_other_separators_are_read(tmp_path: Path, header: str) -> None:
    table = layers(
        tmp_path, f"{','.join(HEADER)},gravimetric_water [%],{header} [g/cm3]", f"{PLACE},1,2,40,1"
    )
    assert table["dry_density"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("depths", "measured", "expected"),
    [
        ("top_m,base_m", "vic_pct", {"reported_vic": 0.4}),
        ("TOP_CM,Bottom_cm", "VIC_%", {"reported_vic": 0.4}),
        ('Top m,"Bottom, m"', "VIC %", {"reported_vic": 0.4}),
        ("Top/m,Base/m", "VIC/%", {"reported_vic": 0.4}),
        ("top_m,base_m", "gravimetric_water_pct,dry_density_kg_m3", {"dry_density": 0.9}),
        ("top_m,base_m", "gravimetric_water_pct,dry_density_gcm3", {"dry_density": 0.9}),
    ],
)
def test_names_that_end_with_their_unit_are_read(
    tmp_path: Path, depths: str, measured: str, expected: dict[str, float]
) -> None:
    factor = 100 if "cm" in depths.lower() else 1
    density = f",{900 if 'kg' in measured else 0.9}" * measured.count(",")
    row = f"{PLACE},{factor},{2 * factor},40{density}"
    table = layers(tmp_path, f"site,lon,lat,permafrost_table_m,{depths},{measured}", row)
    assert table[["top", "base"]].to_numpy().tolist() == [[1, 2]]
    assert {name: table[name][0] for name in expected} == pytest.approx(expected)


def test_a_name_that_may_be_two_columns_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="has no column top"):
        layers(tmp_path, "site,lon,lat,top_m,top_ft,base_m,vic_pct", "a,-134.1,68.9,1,3.3,2,40")
    # A number at the end of a name is no unit.
    with pytest.raises(IcemapError, match="has no column site"):
        layers(tmp_path, "site_1,lon,lat,top_m,base_m,vic_pct", "a,-134.1,68.9,1,2,40")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("DryDensity [g/cm3]", "dry_density"),
        ("dry_desnity [g/cm3]", "dry_density"),
        ("Unfrozen water content (%)", "unfrozen_water"),
        ("permafrost_tabel_cm", "permafrost_table"),
        ("IceType", "ice_type"),
    ],
)
def test_names_that_are_nearly_known(tmp_path: Path, header: str, name: str) -> None:
    first = "site,lon,lat,top [m],base [m],gravimetric_water [%]"
    with pytest.raises(IcemapError, match=rf"is not known, and resembles {name}: write it so"):
        layers(tmp_path, f"{first},{header}", "a,1,60,1,2,40,1")


@pytest.mark.parametrize(
    "header",
    [
        "top_ft",
        "depth_ft",
        "gravimetric_ice [%]",
        "Wet density [g/cm3]",
        "dry bulk density",
    ],
)
def test_other_names_are_not_read(tmp_path: Path, header: str) -> None:
    first = "site,lon,lat,top [m],base [m],gravimetric_water [%]"
    assert len(layers(tmp_path, f"{first},{header}", "a,1,60,1,2,40,3.3")) == 1


@pytest.mark.parametrize("word", ["none", "nil", "None"])
@pytest.mark.parametrize("name", ["vic [%]", "excess_ice [%]", "visible_ice [%]"])
def test_none_may_be_no_ice(tmp_path: Path, word: str, name: str) -> None:
    with pytest.raises(IcemapError, match=rf"says {word.lower()} \(line 3\): write 0"):
        sites(tmp_path, name, "40", word)
    assert len(sites(tmp_path, name, "40", word, missing=[word])) == 1
    assert len(sites(tmp_path, name, "40", "n.d.")) == 1


def test_none_may_be_no_permafrost(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"says none \(line 2\): leave the site out"):
        layers(tmp_path, f"{','.join(HEADER)},vic [%]", "a,1,60,none,1,2,40")


@pytest.mark.parametrize("unit", ["ft bgs", "cm bs", "ft below ground surface", "cm u. GOK"])
def test_depths_say_that_they_begin_at_the_surface(tmp_path: Path, unit: str) -> None:
    first = f"site,lon,lat,top [{unit}],base [{unit}],vic [%]"
    factor = 0.3048 if unit.startswith("ft") else 0.01
    table = layers(tmp_path, first, "a,1,60,10,20,40")
    assert table["base"].tolist() == pytest.approx([20 * factor])
    plain = unit.split(" ")[0]
    assert len(layers(tmp_path, first, "a,1,60,10,20,40", units={"top": plain, "base": plain})) == 1


def test_a_row_of_units_in_words(tmp_path: Path) -> None:
    units = "text,decimal degrees,decimal degrees,meters below surface,meters below surface,percent"
    table = layers(tmp_path, "site,lon,lat,top,base,vic", units, "a,1,60,1,2,40")
    assert table["base"].tolist() == [2.0]


def test_a_unit_behind_a_slash(tmp_path: Path) -> None:
    columns = {"top": "顶深/cm", "base": "底深/cm", "reported_vic": "体积含冰量/%"}
    lines = ["site,lon,lat,顶深/cm,底深/cm,体积含冰量/%", "a,92.5,34.9,50,150,40"]
    assert layers(tmp_path, *lines, columns=columns)["base"].tolist() == [1.5]
    with pytest.raises(IcemapError, match="ends with 'cm', and its unit is said to be 'm'"):
        layers(tmp_path, *lines, columns=columns, units={"top": "m", "base": "m"})


@pytest.mark.parametrize(
    ("comment", "words"), [("Depths in feet", "speaks of ft"), ("cm", "speaks of cm")]
)
def test_the_comment_of_a_header(tmp_path: Path, comment: str, words: str) -> None:
    book = openpyxl.Workbook()
    book.active.append([*HEADER, "vic [%]"])
    book.active.append(["a", -134.1, 68.9, 0.5, 0.5, 5.5, 40])
    book.active["E1"].comment = Comment("metres below surface", "lab")
    book.save(tmp_path / "t.xlsx")
    assert read_boreholes(tmp_path / "t.xlsx")["value"].tolist() == [40]
    book.active["E1"].comment = Comment(comment, "lab")
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(IcemapError, match=words):
        read_boreholes(tmp_path / "t.xlsx")


@pytest.mark.parametrize("lost", [4, 5])
def test_a_row_that_lost_a_cell(tmp_path: Path, lost: int) -> None:
    rows = [f"{PLACE},{top},{top + 1},35,1.3".split(",") for top in range(4)]
    first = f"{','.join(HEADER)},gravimetric_water [%],dry_density [g/cm3]"
    assert len(layers(tmp_path, first, *map(",".join, rows))) == 4
    del rows[2][lost]
    with pytest.raises(IcemapError, match="line 4 has 7 cells where others have 8"):
        layers(tmp_path, first, *map(",".join, rows))


@pytest.mark.parametrize(
    "rows",
    [("0.5,1,40,clay", "1,2,40"), ("0.5,1,40,", "1,2,40"), ("0.5,1,40,3", "1,2,40,", "2,3,4")],
)
def test_rows_may_leave_out_their_last_cell(tmp_path: Path, rows: tuple[str, ...]) -> None:
    first = f"{','.join(HEADER)},vic [%],remark"
    assert len(layers(tmp_path, first, *(f"{PLACE},{row}" for row in rows))) == len(rows)


def test_files_that_were_joined(tmp_path: Path) -> None:
    rows = [f"{PLACE},0.5,2,40", f"\ufeff{PLACE},2,5.5,60"]
    assert read_boreholes(write(tmp_path, f"{','.join(HEADER)},vic [%]", *rows))["site"].size == 1


def test_the_index_of_a_parquet_file_is_a_column(tmp_path: Path) -> None:
    path = write(tmp_path, f"{','.join(HEADER)},vic [%]", f"{PLACE},0.5,5.5,40")
    pd.read_csv(path).set_index(["site", "top [m]"]).to_parquet(tmp_path / "t.parquet")
    assert read_boreholes(tmp_path / "t.parquet")["value"].tolist() == [40]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("gravimetric_water", "Влажность на границе текучести [%]"),
        ("gravimetric_water", "Влажность за счет незамерзшей воды [%]"),
        ("gravimetric_water", "Влажность между ледяными включениями [%]"),
        ("gravimetric_water", "液限 [%]"),
        ("gravimetric_water", "Fließgrenze [%]"),
        ("volumetric_water", "未冻水含量 [%]"),
        ("reported_vic", "Льдистость за счет включений льда [%]"),
        ("reported_vic", "Степень заполнения пор льдом [%]"),
        ("reported_vic", "Ice content, water equivalent [%]"),
    ],
)
def test_headers_that_say_something_else(tmp_path: Path, name: str, header: str) -> None:
    first = f'site,lon,lat,top [m],base [m],"{header}"'
    with pytest.raises(IcemapError, match=rf"is to be {name}, which is .* says something else"):
        layers(tmp_path, first, "a,1,60,1,2,40", columns={name: header})


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("gravimetric_water", "Суммарная влажность [д.е.]"),
        ("reported_vic", "Суммарная льдистость [д. ед.]"),
        ("reported_vic", "Ice (vol/vol)"),
    ],
)
def test_parts_of_one_in_other_words(tmp_path: Path, name: str, header: str) -> None:
    first = f"site,lon,lat,top [m],base [m],{header}"
    assert layers(tmp_path, first, "a,1,60,1,2,0.4", columns={name: header})[name].tolist() == [0.4]


@pytest.mark.parametrize("cell", ["45..5", "50-4"])
def test_a_range_that_falls_is_a_slip(tmp_path: Path, cell: str) -> None:
    with pytest.raises(IcemapError, match=rf"is not a number: '{cell}' \(line 3\)"):
        sites(tmp_path, "vic [%]", "40", cell)
    assert len(sites(tmp_path, "vic [%]", "40", "4-50")) == 1


@pytest.mark.parametrize("cells", [("0.45", "1.8"), ("0.35", "4.2")])
def test_water_in_parts_of_dry_mass_under_percent(tmp_path: Path, cells: tuple[str, str]) -> None:
    with pytest.raises(IcemapError, match="like fractions: correct the unit to '1'"):
        sites(tmp_path, "gravimetric_water [%]", *cells)
    sure = sites(tmp_path, "gravimetric_water [%]", *cells, units={"gravimetric_water": "%"})
    assert len(sure) == 1
    assert len(sites(tmp_path, "gravimetric_water [%]", "0.45", "12")) == 1


def test_parts_of_one_with_errors_of_measurement(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"go from 0\.45 to 1\.02 like fractions"):
        sites(tmp_path, "vic [%]", "0.45", "1.02")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("site:lon:lat:top:base:vic\na:1:60:1:2:40\n", "Its first line is one cell"),
        ("site  lon lat top base vic\na  1 60 1 2 40\n", "Its first line is one cell"),
        ("site,top [m],base [m],vic [%]\na,1,2,40\n", "another table holds the places"),
    ],
)
def test_what_to_do_with_other_layouts(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(IcemapError, match=words):
        layers(tmp_path, text)
