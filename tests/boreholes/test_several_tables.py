from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource
from icemap.boreholes.sites import SiteTable, read_layer_sites
from icemap.config_sections import TargetConfig

HEADER = "site,longitude [deg],latitude [deg],permafrost_table [m],top [m],base [m],vic [%]\n"


def read(folder: Path, *tables: str, header: str = HEADER) -> SiteTable:
    sources = []
    for number, rows in enumerate(tables):
        path = folder / f"t{number}.csv"
        path.write_text(header + rows, encoding="utf-8")
        sources.append(LayerSource(path=str(path)))
    return read_layer_sites(BoreholesConfig(layers=tuple(sources)), TargetConfig(), 10.0)


@pytest.mark.parametrize("name", ["A-1", "A1", "a 1"])
def test_layers_of_other_depths_complete_a_borehole(tmp_path: Path, name: str) -> None:
    table = read(
        tmp_path,
        "A-1,-148.51234,69.41234,0.5,0.5,2.5,60\nB,-149.1,69,0.5,0.5,5.5,10\n",
        f"C,-149.5,69,0.5,0.5,5.5,10\n{name},-148.51234,69.41234,0.5,2.5,5.5,20\n",
    )
    assert table.sites["site"].tolist() == ["A-1", "B", "C"]
    assert table.sites["value"].tolist() == pytest.approx([36, 10, 10])
    assert table.sites["used"].all()
    assert any("another table" in note and "A-1" in note for note in table.notes)
    assert table.flags.loc[table.flags["rule"] == "several tables", "line"].tolist() == [3]


def test_one_value_in_two_tables_counts_once_and_another_one_is_told(tmp_path: Path) -> None:
    rows = "A,-148.51234,69.41234,0.5,0.5,5.5,60\n"
    same = read(tmp_path, rows, rows)
    assert same.sites["reason"].str.endswith("was read before").tolist() == [False, True]
    assert not any("A" in note and "60 %" in note for note in same.notes)
    other = read(tmp_path, rows, rows.replace(",60", ",20"))
    assert other.sites["used"].tolist() == [True, False]
    assert any(
        "'A' has 60 % in t0.csv (line 2) and 20 % in t1.csv (line 2)" in note
        for note in other.notes
    )


def test_one_name_at_places_apart_stays_two_boreholes(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "1,-148.51234,69.41234,0.5,0.5,2.5,60\n",
        "1,-148.61234,69.51234,0.5,2.5,5.5,20\n",
    )
    assert table.sites["value"].tolist() == [60, 20]
    assert table.sites["used"].all()


def test_points_complete_one_another_and_intervals_around_them_do_not(tmp_path: Path) -> None:
    header = HEADER.replace("top [m],base [m]", "depth [m]")
    points = ("A,-148.5,69.4,0.5,{},60\n", "A,-148.5,69.4,0.5,{},20\n")
    joined = read(tmp_path, points[0].format(1), points[1].format(2), header=header)
    assert len(joined.sites) == 1
    twice = read(tmp_path, points[0].format(1), points[1].format("0.5-2"), header=header)
    assert twice.sites["used"].tolist() == [True, False]


def test_a_table_of_densities_alone_has_to_be_joined(tmp_path: Path) -> None:
    header = HEADER.replace("vic [%]", "dry_density [g/cm3]")
    with pytest.raises(IcemapError, match=r"t0\.csv has dry_density alone.*join its columns"):
        read(tmp_path, "A,-148.5,69.4,0.5,0.5,5,1.1\n", header=header)


LOG = "{},0.5,0.5,2,45\n{},0.5,2,4,30\n{},0.5,4,5.5,62\n"


def log(hole: str, last: str = "62") -> str:
    return LOG.format(hole, hole, hole).replace("62", last)


@pytest.mark.parametrize("place", ["-148.51,69.41", "-130.5,68.25"])
def test_the_layers_of_another_name_are_told(tmp_path: Path, place: str) -> None:
    table = read(tmp_path, log("A,-148.51234,69.41234") + log(f"Creek 7,{place}"))
    assert table.sites["used"].all()
    (note,) = [note for note in table.notes if "Creek 7" in note]
    assert "the depths and ice contents of 'A' (t0.csv, line 2)" in note
    assert "all of 3 layers" in note


@pytest.mark.parametrize(
    "other", [log("B,-130.5,68.25", "63"), "B,-130.5,68.25,0.5,0.5,2,45\n", ""]
)
def test_boreholes_with_layers_of_their_own_are_not(tmp_path: Path, other: str) -> None:
    alike = log("C,-131.5,68.25", "30") + log("D,-132.5,68.25", "30")
    table = read(tmp_path, log("A,-148.51234,69.41234") + alike + other)
    assert not any("depths and ice contents" in note for note in table.notes)
