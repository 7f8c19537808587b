"""The reader on files written here from the published description of the data set; no file of it
was at hand.
"""

from pathlib import Path

import numpy as np
import pytest

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.readers import READERS
from icemap.boreholes.sites import read_layer_sites
from icemap.config_sections import TargetConfig

LEGEND = "Abbreviations:\nALU – Unfrozen active layer\n" + "IW – ice wedge\n" * 13
HEAD = (
    "Cryostratigraphy and ground-ice content, Point Lay, June"
    ' 2022,,,,,,,,,,\n,,,,,,,,,,\nBorehole/Exposure,Date,Coordinates,,"Unit'
    ' Depth,",Cryostratigraphic units / soils,"Sample'
    ' depth,","GMC,","VMC,","EIC,",Notes\n,,Latitude,Longitude,cm,,cm,%,%,%,\n'
)
ROWS = """PL-1 ,6/12/2022,69.7413,-163.0102,0-27,ALU/M+P silt,0-27,,,,
PL-1 ,6/12/2022,69.7413,-163.0102,27-39,ALF/M silt,27-39,41.2,48.0,0,
PL-1 ,6/12/2022,69.7413,-163.0102,39-60,IL-PD/M+P silt,39-60,95.5,63.1,12.4,
PL-1 ,6/12/2022,69.7413,-163.0102,60-120,IW,60-120,,,,wedge
,,,,,,,,,,
PL-2,6/13/2022,69.7501° ,-163.0312°,0-50,ALU/P,,,,,
,,,,50-90,SP/M silt,50-90,120,,25,
"""


def folder(
    tmp_path: Path, rows: str = ROWS, head: str = HEAD, name: str = "Point_Lay_June_2022.csv"
) -> str:
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / name).write_bytes((head + rows + LEGEND).encode("cp1252"))
    return str(tmp_path)


def test_headers_legends_and_depths_in_centimetres(tmp_path: Path) -> None:
    layers = READERS["kanevskiy2024"](folder(tmp_path)).layers
    assert (
        layers["site"].tolist()
        == ["PL-1 (Point_Lay_June_2022)"] * 4 + ["PL-2 (Point_Lay_June_2022)"] * 2
    )
    assert layers[["top", "base"]].to_numpy().tolist() == [
        [0, 0.27],
        [0.27, 0.39],
        [0.39, 0.6],
        [0.6, 1.2],
        [0.0, 0.5],
        [0.5, 0.9],
    ]
    assert layers["lon"].tolist() == [-163.0102] * 4 + [-163.0312] * 2
    assert layers["year"].tolist() == [2022] * 6
    assert layers["line"].tolist() == [5, 6, 7, 8, 10, 11]


@pytest.mark.parametrize(
    "head",
    [
        # One line, below which the samples begin, and depths in metres.
        "Borehole,Date,Latitude,Longitude,Unit depth,Unit,Sample depth (cm),GMC,VMC,EIC,Notes\n",
        HEAD.replace(",cm,,cm,", ",m,,m,"),
    ],
)
def test_a_table_of_another_layout_with_the_same_words_is_not_read(
    tmp_path: Path, head: str
) -> None:
    with pytest.raises(IcemapError, match="holds no CSV with columns GMC, VMC and EIC"):
        READERS["kanevskiy2024"](folder(tmp_path, head=head))


def test_blank_is_missing_and_zero_is_no_excess_ice(tmp_path: Path) -> None:
    layers = READERS["kanevskiy2024"](folder(tmp_path)).layers
    np.testing.assert_allclose(layers["excess_ice"], [np.nan, 0, 0.124, np.nan, np.nan, 0.25])
    np.testing.assert_allclose(
        layers["gravimetric_water"], [np.nan, 0.412, 0.955, np.nan, np.nan, 1.2]
    )
    np.testing.assert_allclose(
        layers["volumetric_water"], [np.nan, 0.48, 0.631, np.nan, np.nan, np.nan]
    )


def test_units_give_the_permafrost_table_the_frozen_and_the_massive(tmp_path: Path) -> None:
    layers = READERS["kanevskiy2024"](folder(tmp_path)).layers
    assert layers["frozen"].tolist() == ["no", "yes", "yes", "yes", "no", "yes"]
    assert layers["ice_type"].tolist() == ["", "", "", "massive", "", ""]
    np.testing.assert_allclose(layers["permafrost_table"], [0.39, 0.39, 0.39, 0.39, 0.5, 0.5])
    sites = read_layer_sites(
        BoreholesConfig(layers=(LayerSource(reader="kanevskiy2024", path=str(tmp_path)),)),
        TargetConfig(),
        18.5,
    ).sites
    first = sites.iloc[0]
    assert first["permafrost_table_source"] == "reported"
    assert first["value"] == pytest.approx((0.21 * 63.1 / 0.917 + 0.6 * 100) / 0.81)
    # The active layer of the second hole is a unit without a sample.
    assert sites["permafrost_table"].tolist() == [0.39, 0.5]


def test_a_file_that_repeats_another_adds_nothing(tmp_path: Path) -> None:
    folder(tmp_path, ROWS.split(",,,,,,,,,,\n")[0])
    records = READERS["kanevskiy2024"](folder(tmp_path, ROWS, name="Point_Lay_June_2023.csv"))
    assert len(records.layers) == 6
    assert (records.flags["rule"] == "duplicate").sum() == 4


def test_other_columns_and_other_headers(tmp_path: Path) -> None:
    head = (
        HEAD.replace('"GMC,"', '"EC, ",Elevation,"GMC,"')
        .replace(",cm,%,%,%,", ",cm,mS,m a.s.l.,%,%,%,")
        .replace(",,Latitude,Longitude", ",,,")
    )
    rows = "B1,6/12/2022,69.7413,-163.0102,39-60,IL/M,39-60,12,3.5,95.5,63.1,12.4,\n"
    layers = READERS["kanevskiy2024"](folder(tmp_path, rows, head)).layers
    assert layers[["lat", "gravimetric_water", "excess_ice"]].iloc[0].tolist() == [
        69.7413,
        0.955,
        0.124,
    ]


def test_a_file_without_samples_is_named_and_one_without_places_keeps_its_rows(
    tmp_path: Path,
) -> None:
    folder(tmp_path)
    (tmp_path / "data" / "Prudhoe_Bay_August_2022.csv").write_text(
        "Title\n\nBorehole,Date,Latitude,Longitude,ALU,ALF,IL\n,,,,cm,cm,cm\nA,8/1/2022,70.2,-148.5,40,10,30\n"
    )
    head = HEAD.replace("Coordinates,,", "").replace(",Latitude,Longitude", "")
    folder(tmp_path, "U1,7/1/2023,0-27,SP/M,0-27,30,20,0,\n", head, "Utqiagvik_July_2023.csv")
    records = READERS["kanevskiy2024"](str(tmp_path))
    not_read = records.flags[records.flags["rule"] == "not read"]
    assert not_read["file"].str.endswith("Prudhoe_Bay_August_2022.csv").all()
    assert not_read[["line", "excludes"]].to_numpy().tolist() == [[1, True]]
    assert (
        records.layers.set_index("site")
        .loc["U1 (Utqiagvik_July_2023)", ["lon", "lat"]]
        .isna()
        .all()
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "27-39,41.2",
            "shallow,41.2",
            r"Point_Lay_June_2022\.csv.*the sample depth is not a depth: 'shallow' \(line 6\)",
        ),
        ("95.5", "wet", r"gravimetric_water is not a number: 'wet' \(line 7\)"),
        ("69.7501° ", "north", r"the latitude is not a coordinate: 'north' \(line 10-11\)"),
    ],
)
def test_bad_cells_are_named_by_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    rows = ROWS.replace(old, new).replace("PL-2,6/13/2022,north ,", "PL-2,6/13/2022,north,")
    with pytest.raises(IcemapError, match=words):
        READERS["kanevskiy2024"](folder(tmp_path, rows))


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match="holds no CSV with columns GMC, VMC and EIC"):
        READERS["kanevskiy2024"](str(tmp_path))
