from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.borehole_sections import LayerSource
from icemap.boreholes.readers import READERS
from icemap.boreholes.readers.layer_table import read_layer_table

read = READERS["icemap"]


def write(folder: Path, text: str, name: str = "layers.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_the_config_offers_exactly_the_readers_there_are() -> None:
    offered = LayerSource.model_fields["reader"].annotation.__args__  # type: ignore[union-attr]
    assert set(offered) == set(READERS)


def test_units_become_metres_fractions_and_grams(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        "site,longitude [deg],latitude [deg],permafrost_table [cm],top [cm],base"
        " [cm],gravimetric_water [%],dry_density [kg/m3],vic"
        " [1],year\na,-148.5,65.5,60,50,120,40,1300,0.55,2007\n",
    )
    row = read(url).layers.iloc[0]
    assert row[["lon", "lat", "permafrost_table", "top", "base"]].tolist() == [
        -148.5,
        65.5,
        0.6,
        0.5,
        1.2,
    ]
    assert row[["gravimetric_water", "dry_density", "reported_vic", "year"]].tolist() == [
        0.4,
        1.3,
        0.55,
        2007,
    ]
    assert row["permafrost_table_source"] == "reported"
    assert (row["file"], row["line"]) == (url, 2)


def test_depth_ranges_points_and_degree_signs(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        'site,lon,lat,depth [m],vic [%]\na,"148,5° W",65° 30\' N,0.5-1.2,40\na,148.5 W,65.5,1.5 –'
        " 2,50\na,-148.5,65.5,3,60\n",
    )
    layers = read(url).layers
    assert layers["lon"].tolist() == [-148.5] * 3
    assert layers["lat"].tolist() == [65.5] * 3
    assert layers[["top", "base"]].to_numpy().tolist() == [[0.5, 1.2], [1.5, 2.0], [3.0, 3.0]]


def test_censored_values_are_left_out_or_end_what_was_seen_and_are_reported(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        "site,lon,lat,top [m],base [m],vic [%]\na,10,60,0,1,> 80\na,10,60,1,>3.2,50\na,10,60,<"
        " 4,5,50\n",
    )
    records = read(url)
    assert np.isnan(records.layers["reported_vic"][0])
    assert records.layers["base"][1] == 3.2
    assert np.isnan(records.layers["top"][2])
    assert records.flags[["line", "rule"]].to_numpy().tolist() == [
        [4, "censored"],
        [3, "censored"],
        [2, "censored"],
    ]


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "site": ["a"],
            "longitude [deg]": [10.0],
            "latitude [deg]": [60.0],
            "top [m]": [0.0],
            "base [m]": [1.0],
            "vic [%]": [40.0],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    assert read(str(tmp_path / "t.parquet")).layers["reported_vic"][0] == pytest.approx(0.4)


def test_names_of_sites_are_text(tmp_path: Path) -> None:
    layers = read(
        write(
            tmp_path, "site,lon,lat,top [m],base [m],vic [%]\n007,10,60,0,1,40\n12 ,10,61,0,1,40\n"
        )
    ).layers
    assert layers["site"].tolist() == ["007", "12"]


def test_an_unknown_column_is_reported_and_not_read(tmp_path: Path) -> None:
    records = read(
        write(tmp_path, "site,lon,lat,top [m],base [m],vic [%],salinity [%]\na,10,60,0,1,40,20\n")
    )
    assert records.flags["reason"].tolist() == [
        "the column 'salinity [%]' is not known and was not read"
    ]


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("lon,lat,top [m],base [m],vic [%]", "1,2,3,4,5", "no column site"),
        ("site,lon,lat,vic [%]", "a,1,2,3", "no column top, base"),
        ("site,lon,lat,top [m],base [m]", "a,1,2,3,4", "no measured quantity"),
        ("site,lon,lat,top,base [m],vic [%]", "a,1,2,3,4,5", "unit of the column 'top'"),
        ("site,lon,lat,top [m],base [m],vic", "a,1,2,3,4,5", "unit of the column 'vic'"),
        (
            "site,lon,lat,top [furlong],base [m],vic [%]",
            "a,1,2,3,4,5",
            r"'top \[furlong\]' in a unit that is not known",
        ),
        ("site,lon,lat,top [m],base [m],dry_density [%]", "a,1,2,3,4,5", "g/cm3"),
        (
            "site,lon,longitude,lat,top [m],base [m],vic [%]",
            "a,1,1,2,3,4,5",
            "two columns for longitude",
        ),
        ("site,lon,lat,top [m],base [m],vic [%],year", "a,1,2,3,4,5,7", "year is not a year"),
        (
            "site,lon,lat,top [m],base [m],vic [%],permafrost_table_source",
            "a,1,2,3,4,5,guess",
            "permafrost_table_source is not one of",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    tmp_path: Path, header: str, row: str, words: str
) -> None:
    with pytest.raises(IcemapError, match=words):
        read(write(tmp_path, f"{header}\n{row}\n"))


def test_unreadable_cells_are_all_named_by_line(tmp_path: Path) -> None:
    url = write(
        tmp_path,
        "site,lon,lat,top [m],base [m],vic"
        " [%]\na,10,60,0,1,lots\na,here,60,0,1,40\na,10,60,0,1,lots\na,10,60,zero,1,50\n",
    )
    with pytest.raises(IcemapError) as caught:
        read(url)
    message = str(caught.value)
    assert "4 bad rows" in message
    assert "vic [%] is not a number: 'lots' (line 2, 4)" in message
    assert "lon is not a coordinate: 'here' (line 3)" in message
    assert "top [m] is not a number: 'zero' (line 5)" in message


GERMAN = (
    "Bohrung;Länge;Breite;von [m];bis [m];Wasser;Einheit;Dichte"
    " [kg/m3];Rest\nB1;-133,5;68,2;0,9;1,1;45,5;%;1750;x\nB1;-133,5;68,2;2,0;2,1;0,30;1;-9999;y\n"
)
NAMES = {
    "site": "Bohrung",
    "longitude": "Länge",
    "latitude": "Breite",
    "top": "von [m]",
    "base": "bis",
    "gravimetric_water": "Wasser",
}


def read_as(url: str, **source: object):
    return read_layer_table(url, LayerSource(path=url, **source))


def test_any_table_by_the_names_of_its_columns(tmp_path: Path) -> None:
    """A German spreadsheet: names, a column of units, decimal commas, a number for no data, and
    windows-1252.
    """
    (tmp_path / "b.csv").write_bytes(GERMAN.encode("cp1252"))
    columns = NAMES | {"frozen_bulk_density": "Dichte"}
    records = read_as(
        str(tmp_path / "b.csv"),
        columns=columns,
        units={"gravimetric_water": "Einheit"},
        missing=(-9999,),
    )
    assert records.layers[["site", "lon", "lat", "top", "base"]].iloc[0].tolist() == [
        "B1",
        -133.5,
        68.2,
        0.9,
        1.1,
    ]
    assert records.layers["gravimetric_water"].tolist() == pytest.approx([0.455, 0.30])
    assert records.layers["frozen_bulk_density"].tolist() == pytest.approx(
        [1.75, np.nan], nan_ok=True
    )
    assert records.flags[["line", "rule"]].to_numpy().tolist() == [
        [3, "missing"],
        [2, "unknown column"],
        [2, "assumption"],
    ]


def test_units_stand_in_the_header_the_config_or_another_column(tmp_path: Path) -> None:
    rows = (
        "site,lon,lat,top,base"
        " [cm],top_unit,vic,unit\na,10,60,50,120,cm,40,%\na,10,60,1.2,300,m,0.5,1\n"
    )
    layers = read_as(write(tmp_path, rows)).layers
    assert layers["top"].tolist() == [0.5, 1.2]
    assert layers["reported_vic"].tolist() == pytest.approx([0.4, 0.5])
    plain = read_as(
        write(tmp_path, "site,lon,lat,top,base,vic\na,10,60,50,120,40\n"),
        units={"top": "cm", "base": "cm", "reported_vic": "%"},
    ).layers
    assert plain[["top", "base", "reported_vic"]].iloc[0].tolist() == [0.5, 1.2, 0.4]


def test_signs_for_no_data_are_those_of_the_config(tmp_path: Path) -> None:
    rows = (
        "site,lon,lat,top [m],base [m],vic [%],ice_type\n-99,10,60,0,1,-99.0,\nb,10,60,0,1,below"
        " detection,massive\n"
    )
    layers = read_as(write(tmp_path, rows), missing=(-99, "below detection")).layers
    assert layers["reported_vic"].isna().all()
    assert layers["site"].tolist() == ["-99", "b"]


@pytest.mark.parametrize(
    ("written", "read_as_"),
    [
        ("massive ice", "massive"),
        ("Ice-Wedge", "massive"),
        ("ROCK", "bedrock"),
        ("Pore_ice", "pore"),
        ("none", "none"),
        ("n/a", ""),
        ("", ""),
    ],
)
def test_kinds_of_ice_as_people_write_them(tmp_path: Path, written: str, read_as_: str) -> None:
    layers = read_as(
        write(
            tmp_path, f"site,lon,lat,top [m],base [m],vic [%],ice_type\na,10,60,0,1,80,{written}\n"
        )
    ).layers
    assert layers["ice_type"].tolist() == [read_as_]


def test_frozen_and_support_as_people_write_them(tmp_path: Path) -> None:
    layers = read_as(
        write(
            tmp_path,
            "site,lon,lat,top [m],base [m],vic"
            " [%],frozen,support\na,10,60,0,1,,FALSE,Log\na,10,60,1,2,40,1,sample\n",
        )
    ).layers
    assert layers["frozen"].tolist() == ["no", "yes"]
    assert layers["support"].tolist() == ["logs", "samples"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            {"columns": NAMES | {"top": "von (cm)"}},
            (
                r"has no column 'von \(cm\)' \(columns\.top\): it has Bohrung, Länge, Breite, von"
                r" \[m\]"
            ),
        ),
        (
            {"columns": NAMES | {"depth_top": "von [m]"}},
            r"columns\.depth_top is no column of a table of layers: use one of site, longitude",
        ),
        (
            {"columns": NAMES | {"vic": "Rest"}},
            r"columns\.vic is no column of a table of layers: write columns\.reported_vic",
        ),
        (
            {},
            (
                r"has no column site, longitude, latitude, top, base: .*it has Bohrung, .*'columns:"
                r" \{site: \.\.\.\}'"
            ),
        ),
        (
            {"columns": {k: v for k, v in NAMES.items() if k != "gravimetric_water"}},
            "has no measured quantity: .*it has Bohrung",
        ),
        (
            {"columns": NAMES},
            r"does not say the unit of the column 'Wasser'.*units: \{gravimetric_water",
        ),
        (
            {"columns": NAMES, "units": {"gravimetric_water": "Rest"}},
            r"Rest is no unit of Wasser: 'x' \(line 2\); Rest is no unit of Wasser: 'y' \(line 3\)",
        ),
        (
            {"columns": NAMES, "units": {"top": "cm"}},
            r"gives the column 'von \[m\]' in 'm', and units\.top in the config says 'cm'",
        ),
        (
            {"columns": NAMES, "units": {"porosity": "%"}},
            r"units\.porosity names no column that was found",
        ),
        ({"columns": NAMES, "sheet": "1"}, r"has no sheets: remove the key 'sheet'"),
    ],
)
def test_a_wrong_name_or_unit_is_answered_with_what_the_table_has(
    tmp_path: Path, source: dict[str, object], words: str
) -> None:
    (tmp_path / "b.csv").write_bytes(GERMAN.encode("cp1252"))
    with pytest.raises(IcemapError, match=words):
        read_as(str(tmp_path / "b.csv"), **source)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("frozen", "maybe", r"frozen is not one of yes, no: 'maybe' \(line 2\)"),
        ("support", "cuttings", r"support is not one of samples, logs: 'cuttings' \(line 2\)"),
    ],
)
def test_words_that_are_not_known_are_named(
    tmp_path: Path, column: str, cell: str, words: str
) -> None:
    with pytest.raises(IcemapError, match=words):
        read_as(
            write(
                tmp_path, f"site,lon,lat,top [m],base [m],vic [%],{column}\na,10,60,0,1,40,{cell}\n"
            )
        )


def test_keys_of_any_table_are_refused_for_a_known_one() -> None:
    with pytest.raises(
        ValueError, match="'crs' is for any other table: the reader jorgenson2025 knows its own"
    ):
        LayerSource(reader="jorgenson2025", path="x", crs="EPSG:32606")


LAYERS = "site,lon,lat,top [m],base [m],vic [%],ice_type,permafrost_table_source,position_grade\n"


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("massive", "massive"),
        ("massive ice", "massive"),
        ("Massive Ice", "massive"),
        ("MASSIVE_ICE", "massive"),
        ("massive-ice", "massive"),
        ("massive  ices", "massive"),
        ("ice wedges", "massive"),
        ("Tabular massive ice", "massive"),
        ("Bed-rock", "bedrock"),
        ("pore", "pore"),
        # Soil without visible ice, which is no massive ice.
        ("massive cryostructure", "massive cryostructure"),
        ("not massive", "not massive"),
    ],
)
def test_an_ice_type_is_known_in_every_spelling(tmp_path: Path, word: str, type_: str) -> None:
    layers = read(write(tmp_path, f"{LAYERS}a,10,60,0,1,,{word},thaw depth,b\n")).layers
    assert layers["ice_type"].tolist() == [type_]
    assert layers["permafrost_table_source"].tolist() == ["thaw_depth"]
    assert layers["position_grade"].tolist() == ["B"]


@pytest.mark.parametrize("word", ["masive ice", "massive body of ice", "bedrok", "massif"])
def test_a_word_that_resembles_an_ice_type_is_asked_about(tmp_path: Path, word: str) -> None:
    with pytest.raises(IcemapError, match=rf"ice types massive, massive ice.*'{word}' \(line 2\)"):
        read(write(tmp_path, f"{LAYERS}a,10,60,0,1,,{word},,\n"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0"), ("1", "01"), ("BH1", "bh1"), ("BH-1", "BH_1"), ("BH 1", "BH-1")],
)
def test_two_spellings_of_one_name_at_one_place_are_refused_and_at_two_places_two_sites(
    tmp_path: Path, one: str, other: str
) -> None:
    with pytest.raises(IcemapError, match=f"'{one}' and '{other}' are at one place"):
        read(write(tmp_path, f"{LAYERS}{one},10,60,0,1,20,,,\n{other},10,60,1,2,30,,,\n"))
    assert read(
        write(tmp_path, f"{LAYERS}{one},10,60,0,1,20,,,\n{other},50,60,1,2,30,,,\n")
    ).layers["site"].tolist() == [one, other]


def test_names_held_as_floats_are_whole_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "site": [1.0],
            "lon": [10.0],
            "lat": [60.0],
            "top [m]": [0.0],
            "base [m]": [1.0],
            "vic [%]": [40.0],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    assert read(str(tmp_path / "t.parquet")).layers["site"].tolist() == ["1"]


def test_a_unit_in_a_cell_is_converted_to_that_of_the_column(tmp_path: Path) -> None:
    layers = read(
        write(
            tmp_path,
            "site,lon_W,lat,top [cm],base [cm],vic [1]\na,148,60,0.5 m,120,40 %\n".replace(
                "lon_W", "lon (W)"
            ),
        )
    ).layers
    assert layers[["lon", "top", "base", "reported_vic"]].iloc[0].tolist() == [-148, 0.5, 1.2, 0.4]


def test_nothing_and_all_of_percent_may_be_one_percent(tmp_path: Path) -> None:
    """0 and 1 alone are no fractions that contradict the unit."""
    head = "site,longitude [deg],latitude [deg],top [m],base [m],vic [%]\n"
    url = write(tmp_path, head + "a,100,70,0.5,1,0\na,100,70,1,2,1\n")
    assert read(url).layers["reported_vic"].tolist() == [0.0, 0.01]


def test_fractions_in_a_column_of_percent_are_asked_about(tmp_path: Path) -> None:
    """And are taken as they are where the config confirms the unit."""
    url = write(
        tmp_path,
        "site,longitude [deg],latitude [deg],top [m],base [m],vic [%]\n"
        "a,100,70,0.5,1,0.4\na,100,70,1,2,0.6\n",
    )
    with pytest.raises(IcemapError, match=r"'vic \[%\]' .* from 0.4 to 0.6 like fractions"):
        read(url)
    confirmed = LayerSource(path=url, units={"reported_vic": "%"})
    values = read_layer_table(url, confirmed).layers["reported_vic"]
    assert values.tolist() == pytest.approx([0.004, 0.006])


PLACE = "site,longitude [deg],latitude [deg]"


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("depth [m],thickness [m],vic [%]", ["0.5,1,30"], "a depth alone is a point"),
        ("depth [m],Layer_Thickness_m,vic [%]", ["0.5,1,30"], "a depth alone is a point"),
        ("depth [m],base [m],vic [%]", ["0.5,1,30"], "give top and base, or a depth alone"),
        ("top [m],base [m],gravimetric_water [1]", ["0,1,12", "1,2,15"], "like %"),
        ("top [m],base [m],gravimetric_water [m3/m3]", ["0,1,0.3"], "name it volumetric_water"),
        ("top [m],base [m],gravimetric_water [%]", ["0,1,30", "1,2,999"], "holds 999"),
        ("top [m],base [m],vic [%]", ["0,1,30", "1,999,50"], "'base \\[m\\]' holds 999"),
        ("permafrost_table [cm],top [m],base [m],vic [%]", ["999,0,1,30", "60,0,1,2"], "holds 999"),
    ],
)
def test_what_would_be_read_wrongly_is_asked_about(tmp_path: Path, header, rows, said) -> None:
    lines = "".join(f"a,-150,65,{row}\n" for row in rows)
    with pytest.raises(IcemapError, match=said):
        read(write(tmp_path, f"{PLACE},{header}\n{lines}"))


@pytest.mark.parametrize("other", ["active_layer_thickness [cm]", "Snow thickness", "core_id"])
def test_the_thickness_of_something_else_is_not_that_of_the_layer(tmp_path: Path, other) -> None:
    records = read(write(tmp_path, f"{PLACE},depth [m],{other},vic [%]\na,-150,65,2,60,30\n"))
    assert len(records.layers) == 1


def test_what_is_confirmed_in_the_config_is_read(tmp_path: Path) -> None:
    text = f"{PLACE},top [m],base [m],gravimetric_water [1]\na,-150,65,0,1,12\na,-150,65,1,999,15\n"
    source = LayerSource(path=write(tmp_path, text), units={"gravimetric_water": "1"}, missing=())
    layers = read_layer_table(source.path, source).layers
    assert layers["gravimetric_water"].tolist() == [12, 15]
    assert layers["base"].tolist() == [1, 999]


def test_a_depth_next_to_top_and_base_is_not_that_of_the_layer(tmp_path: Path) -> None:
    text = f"{PLACE},top [m],base [m],depth [m],vic [%]\na,-150,65,0,1,10,30\n"
    records = read(write(tmp_path, text))
    assert records.layers[["top", "base"]].iloc[0].tolist() == [0, 1]
    assert "the column 'depth [m]' is not known" in records.flags["reason"].iloc[0]


def test_one_site_in_fractions_among_others_in_percent_is_asked_about(tmp_path: Path) -> None:
    rows = ["a,-150,65,0,1,30", "b,-151,65,0,1,0.3", "b,-151,65,1,2,0.45"]
    text = f"{PLACE},top [m],base [m],vic [%]\n" + "\n".join(rows) + "\n"
    with pytest.raises(IcemapError, match="all values of the site 'b' are below 1"):
        read(write(tmp_path, text))


LAYER = "site,longitude [deg],latitude [deg],top [m],base [m]"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("gravimetric_water", "Water content (wet basis) [%]"),
        ("gravimetric_water", "volumetric_water_content [%]"),
        ("reported_vic", "Excess ice content [%]"),
        ("reported_vic", "Ice content by weight [%]"),
        ("volumetric_water", "gravimetric water [%]"),
        ("dry_density", "wet density [g/cm3]"),
        ("frozen_bulk_density", "thawed bulk density [g/cm3]"),
        ("depth", "elevation a.s.l. [m]"),
        ("depth", "depth below permafrost table [m]"),
        ("permafrost_table", "permafrost thickness [m]"),
    ],
)
def test_a_header_that_says_something_else_than_the_config_is_refused(
    tmp_path: Path, name: str, header: str
) -> None:
    ends = ("", "") if name == "depth" else (",top [m],base [m]", ",1,2")
    url = write(tmp_path, f"{PLACE}{ends[0]},{header},porosity [%]\na,130.1,70.1{ends[1]},1.2,40\n")
    source = LayerSource(path=url, columns={name: header})
    with pytest.raises(IcemapError, match=f"is to be {name}, which is .* says something else"):
        read_layer_table(url, source)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("permafrost_table", "active layer thickness [m]"),
        ("dry_density", "dry density of the thawed sample [g/cm3]"),
        ("gravimetric_water", "water content of dry weight [%]"),
    ],
)
def test_a_header_in_other_words_is_read(tmp_path: Path, name: str, header: str) -> None:
    url = write(tmp_path, f"{LAYER},{header},vic [%]\na,130.1,70.1,1,2,1.2,40\n")
    layers = read_layer_table(url, LayerSource(path=url, columns={name: header})).layers
    assert layers[name].notna().all()


def test_massive_is_ice_but_for_a_cryostructure(tmp_path: Path) -> None:
    text = f"{LAYER},Cryo-structure\na,130.1,70.1,1,2,massive\na,130.1,70.1,2,3,massive ice\n"
    url = write(tmp_path, text)
    source = LayerSource(path=url, columns={"ice_type": "Cryo-structure"})
    layers = read_layer_table(url, source).layers
    assert layers["ice_type"].tolist() == ["massive cryostructure", "massive"]


@pytest.mark.parametrize("name", ["excess_ice", "visible_ice", "wedge_ice"])
def test_a_whole_table_of_parts_of_one_in_percent_is_asked_about(tmp_path: Path, name: str) -> None:
    rows = f"{LAYER},vic [%],{name} [%]\na,130.1,70.1,1,2,40,0.3\nb,131.1,70.1,1,2,40,0.4\n"
    url = write(tmp_path, rows)
    with pytest.raises(IcemapError, match="like fractions: correct the unit"):
        read(url)
    sure = read_layer_table(url, LayerSource(path=url, units={name: "%"})).layers
    assert sure[name].tolist() == [0.003, 0.004]
    # A site with little excess ice among others is no reason to ask.
    url = write(tmp_path, rows + "b,131.1,70.1,2,3,40,0.5\nc,132.1,70.1,1,2,40,30\n")
    assert len(read(url).layers) == 4


def test_a_permafrost_table_in_centimetres_under_metres_is_asked_about(tmp_path: Path) -> None:
    rows = f"{LAYER},vic [%],permafrost_table [m]\na,130.1,70.1,60,65,40,60\n"
    url = write(tmp_path, rows)
    with pytest.raises(IcemapError, match="half of its values are 60 m or more"):
        read(url)
    sure = read_layer_table(url, LayerSource(path=url, units={"permafrost_table": "m"})).layers
    assert sure["permafrost_table"].tolist() == [60]
    assert len(read(write(tmp_path, rows + "b,130.2,70.1,1,2,40,0.5\n" * 2)).layers) == 3


def test_quantities_at_several_depths_in_columns_are_to_be_rows(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("site,lon,lat,vic 0-1 m [%],vic 1-2 m [%]\na,10,60,40,50\n")
    with pytest.raises(IcemapError, match=r"look like one quantity at several depths: write one"):
        read_layer_table(str(path))


@pytest.mark.parametrize(
    ("cell", "unit", "value"),
    [(">95", "%", 0.975), ("< 4", "%", 0.02), ("≥0.9", "1", 0.95), (">80", "%", None)],
)
def test_a_limit_near_none_or_all_of_the_volume_leaves_the_middle_between(
    tmp_path: Path, cell: str, unit: str, value: float | None
) -> None:
    url = write(tmp_path, f"site,lon,lat,top [m],base [m],vic [{unit}]\na,10,60,0,1,{cell}\n")
    records = read(url)
    given = records.layers["reported_vic"][0]
    assert np.isnan(given) if value is None else given == pytest.approx(value)
    assert records.flags["rule"].tolist() == ["censored" if value is None else "range"]


def test_an_error_behind_a_number_is_told(tmp_path: Path) -> None:
    records = read(
        write(tmp_path, "site,lon,lat,top [m],base [m],vic [%]\na,10,60,0,1 ± 0.1,45±5\n")
    )
    assert records.layers[["base", "reported_vic"]].to_numpy().tolist() == [[1, 0.45]]
    assert records.flags["rule"].tolist() == ["error", "error"]


def test_coordinates_have_no_errors(tmp_path: Path) -> None:
    text = "site,lon,lat,top [m],base [m],vic [%]\na,10 ± 2,60,0,1,45\n"
    with pytest.raises(IcemapError, match="lon is not a coordinate: '10 ± 2'"):
        read(write(tmp_path, text))


@pytest.mark.parametrize(
    ("thawed", "frozen"),
    [("nein", "ja"), ("талый", "мерзлый"), ("融土", "冻土"), ("dégelé", "gelé"), ("U", "F")],
)
def test_frozen_is_said_in_other_languages(tmp_path: Path, thawed: str, frozen: str) -> None:
    rows = f"a,10,60,0,1,{thawed},40\na,10,60,1,2,{frozen},40\n"
    records = read(write(tmp_path, "site,lon,lat,top [m],base [m],frozen,vic [%]\n" + rows))
    assert records.layers["frozen"].tolist() == ["no", "yes"]


def test_a_fraction_at_all_sites_is_asked_about(tmp_path: Path) -> None:
    header = "site,lon,lat,top [m],base [m],vic [%],wedge_ice [%]\n"
    text = header + "a,10,60,0,1,40,{0}\nb,11,60,0,1,50,{0}\n"
    with pytest.raises(IcemapError, match=r"'wedge_ice \[%\]' is in '%'.* like fractions"):
        read(write(tmp_path, text.format(0.2)))
    for right in (0, 1, 20):
        assert read(write(tmp_path, text.format(right))).layers["wedge_ice"].eq(right / 100).all()


@pytest.mark.parametrize(
    "header", ["vic_max [%]", "VIC s.d. [%]", "ice_std [%]", "Minimum ice [%]"]
)
def test_other_statistics_than_the_mean_are_refused(tmp_path: Path, header: str) -> None:
    text = f"site,lon,lat,top [m],base [m],{header}\na,10,60,0,1,40\n"
    with pytest.raises(IcemapError, match="its header says something else"):
        read_as(write(tmp_path, text), columns={"reported_vic": header})


@pytest.mark.parametrize("header", ["mean ice to max depth [%]", "ice below min depth [%]"])
def test_a_mean_may_have_other_words_of_statistics_next_to_it(tmp_path: Path, header: str) -> None:
    text = f"site,lon_deg,lat_dd,top [m],base [m],{header}\na,10,60,0,1,40\n"
    layers = read_as(write(tmp_path, text), columns={"reported_vic": header}).layers
    assert layers["reported_vic"].tolist() == [0.4]


@pytest.mark.parametrize("word", ["ICE", "ice wedge", "Massive ice", "лед", "冰"])
def test_ice_without_ice_is_asked_about(tmp_path: Path, word: str) -> None:
    header = "site,lon,lat,top [m],base [m],vic [%],lithology\n"
    for wrong in (0, ""):
        with pytest.raises(IcemapError, match=f"line 3: the column 'lithology' says '{word}' of a"):
            read(write(tmp_path, f"{header}a,10,60,0,1,20,silt\na,10,60,1,2,{wrong},{word}\n"))
    for right in (f"0,{word}-free silt", "0,massive", f"95,{word}"):
        assert len(read(write(tmp_path, f"{header}a,10,60,0,1,20,a\na,10,60,1,2,{right}\n")).layers)


def test_a_column_without_a_number_needs_no_unit(tmp_path: Path) -> None:
    text = "site,lon,lat,top [m],base [m],vic [%],vwc\nA,-148,69,1,2,40,NA\nA,-148,69,2,3,50,\n"
    source = {"path": write(tmp_path, text), "columns": {"volumetric_water": "vwc"}}
    layers = read_layer_table(source["path"], LayerSource.model_validate(source)).layers
    assert layers["volumetric_water"].isna().all()
    assert layers["reported_vic"].tolist() == pytest.approx([0.4, 0.5])
    write(tmp_path, text.replace("NA", "31"))
    with pytest.raises(IcemapError, match="does not say the unit of the column 'vwc'"):
        read_layer_table(source["path"], LayerSource.model_validate(source))


@pytest.mark.parametrize("unit", ["dec. deg", "decimal degrees", "Decimal deg.", "dec. degrees N"])
def test_decimal_degrees_are_degrees(tmp_path: Path, unit: str) -> None:
    header = f"site,long (dec. deg),lat ({unit}),top [m],base [m],vic [%]"
    layers = read(write(tmp_path, f"{header}\nA,-148.5,69.5,1,2,40\n")).layers
    assert layers[["lon", "lat"]].iloc[0].tolist() == [-148.5, 69.5]


def test_layers_with_a_longitude_towards_o_are_asked_about(tmp_path: Path) -> None:
    text = "site,Longitude (O),lat,top [m],base [m],vic [%]\nA,76.5,58.4,1,2,40\n"
    with pytest.raises(IcemapError, match=r"says O, which is west .*ouest.*Ost"):
        read(write(tmp_path, text))
