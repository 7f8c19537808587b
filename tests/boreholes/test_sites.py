from pathlib import Path

import pytest

from icemap import IcemapError
from icemap.borehole_sections import BoreholesConfig, LayerSource, SitesConfig
from icemap.boreholes.sites import read_layer_sites, read_sites, summary
from icemap.config import Config
from icemap.config_sections import GridConfig, TargetConfig

HEADER = "site,lon,lat,position_grade,permafrost_table [m],top [m],base [m],vic [%],source\n"


def write(folder: Path, name: str, *rows: str) -> LayerSource:
    (folder / name).write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return LayerSource(path=str(folder / name))


def config(**part: object) -> Config:
    grid = GridConfig(south=50, resolution=0.5)
    return Config(run="run", catalog="catalog.yaml", predictors=("t",), grid=grid, **part)


def test_layers_of_several_files_become_one_site_table(tmp_path: Path) -> None:
    first = write(
        tmp_path,
        "a.csv",
        "A,10,60,A,0.5,0,6,50,x",
        "B,11,60,A,0.5,0,6,60,x",
        "B,11,60,A,0.5,6,7,60,x",
    )
    second = write(tmp_path, "b.csv", "A,12,60,A,0.5,0,6,70,y", "B,11,60,A,0.5,0,6,61,x")
    table = read_sites(config(boreholes=BoreholesConfig(layers=(first, second))))
    assert table.sites["site"].tolist() == ["A", "B", "A", "B"]
    assert table.sites["value"].tolist() == pytest.approx([50, 60, 70, 61])
    assert table.sites["reason"].tolist() == [
        "",
        "",
        "",
        "duplicate: the same site of the same source was read before",
    ]
    assert table.layers["borehole"].tolist() == [0, 1, 1, 2, 3]


def test_what_is_wrong_in_every_file_is_said_at_once(tmp_path: Path) -> None:
    first = write(tmp_path, "a.csv", "A,10,60,A,0.5,0,6,lots,x")
    second = write(tmp_path, "b.csv", "A,10,60,A,0.5,0,six,50,x")
    with pytest.raises(IcemapError, match=r"a\.csv has 1 bad row.*b\.csv has 1 bad row"):
        read_layer_sites(BoreholesConfig(layers=(first, second)), TargetConfig(), 1.0)


def test_thaw_sites_lend_permafrost_tables_and_their_own_faults_are_flagged(tmp_path: Path) -> None:
    layers = write(tmp_path, "a.csv", "A,10,60,A,,0,6,50,x")
    (tmp_path / "calm.csv").write_text("site,lon,lat,alt [cm]\nC1,10,60.005,80\nC2,10,60,>90\n")
    boreholes = BoreholesConfig(layers=(layers,), permafrost_table=str(tmp_path / "calm.csv"))
    table = read_layer_sites(boreholes, TargetConfig(), 1.0)
    assert table.sites[["permafrost_table", "permafrost_table_source", "used"]].iloc[
        0
    ].tolist() == [0.8, "neighbour", True]
    assert table.flags.loc[
        table.flags["rule"] == "thaw site", ["site", "line"]
    ].to_numpy().tolist() == [["C2", 3]]


def test_sites_with_values_of_their_own_have_no_layers(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("lon,lat,alt [m]\n10,60,0.5\n10,61,9\n")
    settings = config(
        sites=SitesConfig(table=str(tmp_path / "s.csv"), value="alt"),
        target=TargetConfig(name="alt", unit="cm", bounds=(0, 300)),
    )
    table = read_sites(settings)
    assert table.layers.empty
    assert table.sites["used"].tolist() == [True, False]
    assert table.flags[["line", "reason"]].to_numpy().tolist() == [[3, "value outside 0-300 cm"]]


def test_layers_are_read_from_a_bucket(tmp_path: Path, s3_url: str) -> None:
    from icemap.store import join, write_bytes

    local = write(tmp_path, "a.csv", "A,10,60,A,0.5,0,6,50,x")
    write_bytes(join(s3_url, "a.csv"), Path(local.path).read_bytes())
    remote = LayerSource(path=join(s3_url, "a.csv"))
    table = read_layer_sites(BoreholesConfig(layers=(remote,)), TargetConfig(), 1.0)
    assert table.sites["value"].tolist() == [50.0]


def test_summary_counts_every_site_once(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        "a.csv",
        "A,20,68,A,0.5,0,6,50,x",
        "B,21,68,A,0.5,0,6,60,x",
        "C,129,62,A,0.5,0,2,60,x",
        "D,,,A,0.5,0,6,60,x",
    )
    counted = summary(
        read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0).sites
    )
    assert counted["sites"].sum() == 4
    rows = {(row.region, row.grade, row.reason): row.sites for row in counted.itertuples()}
    assert rows[("Nordic", "A", "")] == 2
    assert rows[("Siberia", "D", "")] == 1
    assert rows[("other", "A", "no coordinates")] == 1


def test_one_name_at_two_places_is_two_boreholes(tmp_path: Path) -> None:
    """A compiled table whose projects all have a BH1; rows of one hole that differ by metres are
    one.
    """
    source = write(
        tmp_path,
        "a.csv",
        "BH1,100,70,A,0.5,0.5,5.5,20,",
        "BH1,-150,68,A,0.5,0.5,5.5,80,",
        "BH1,-150.0001,68,A,0.5,5.5,6.5,80,",
        "X,60,65,A,0.5,0.5,5.5,33,",
    )
    table = read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0)
    assert table.sites[["site", "lon", "value", "used"]].to_numpy().tolist() == [
        ["BH1", 100, 20, True],
        ["BH1", -150, 80, True],
        ["X", 60, 33, True],
    ]
    two = table.flags[table.flags["rule"] == "two places"]
    assert two["line"].tolist() == [3, 4]
    assert not two["excludes"].any()


def test_rows_a_few_hundred_metres_apart_are_one_borehole_at_every_place_of_a_name(
    tmp_path: Path,
) -> None:
    """At the first place of a name and at a later one alike."""
    source = write(
        tmp_path,
        "a.csv",
        *("BH1,100,70,A,0.5,0.5,3.0,20,", "BH1,100.004,70.002,A,0.5,3.0,5.5,20,"),
        *("BH1,-150,68,A,0.5,0.5,3.0,80,", "BH1,-149.996,68.004,A,0.5,3.0,5.5,80,"),
    )
    sites = read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0).sites
    assert sites[["site", "value"]].to_numpy().tolist() == [["BH1", 20], ["BH1", 80]]


def test_the_name_of_a_source_tells_boreholes_apart(tmp_path: Path) -> None:
    source = write(
        tmp_path, "a.csv", "BH1,100,70,A,0.5,0.5,3.0,20,one", "BH1,100.005,70,A,0.5,0.5,5.5,80,two"
    )
    assert read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0).sites[
        "value"
    ].tolist() == [20, 80]


SAMPLES = tuple(f"A,10.1234,60.1234,A,0.5,{0.6 + i},{0.7 + i},{40 + 5 * i},x" for i in range(5))


def test_samples_are_found_said_and_counted(tmp_path: Path) -> None:
    source = write(tmp_path, "cores.csv", *SAMPLES)
    table = read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0)
    assert set(table.layers["support"]) == {"samples"}
    assert table.sites["coverage"][0] > 0.9
    assert table.notes == (
        (
            "The pieces of cores.csv are read as samples (5 pieces with a median length of 0.1 m;"
            " 12% of the depth between first and last is cored); the key 'support' of the source"
            " overrules it"
        ),
    )
    (gain,) = table.gains
    assert (gain.boreholes, gain.used, gain.good) == (1, (1, 1), (1, 0))


@pytest.mark.parametrize(("support", "coverage"), [("logs", 0.1), ("samples", 0.93)])
def test_the_config_overrules_what_the_depths_say(
    tmp_path: Path, support: str, coverage: float
) -> None:
    source = write(tmp_path, "cores.csv", *SAMPLES).model_copy(update={"support": support})
    table = read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0)
    assert table.sites["coverage"][0] == pytest.approx(coverage, abs=0.03)
    assert table.notes == ()


def test_frozen_of_a_source_bounds_the_permafrost_table_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(
        "site,lon,lat,top [m],base [m],gravimetric_water [%],dry_density"
        " [g/cm3]\nA,10.1,60.1,0.8,6,40,1.2\n"
    )
    source = LayerSource(path=str(tmp_path / "w.csv"))
    plain = read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0)
    assert plain.sites["reason"].tolist() == [
        "no permafrost table: none given, no thaw site within 1 km, and nothing says that a layer"
        " was frozen"
    ]
    frozen = read_layer_sites(
        BoreholesConfig(layers=(source.model_copy(update={"frozen": True}),)), TargetConfig(), 1.0
    )
    assert frozen.sites[["used", "permafrost_table", "grade"]].iloc[0].tolist() == [True, 0.8, "C"]
    assert (
        frozen.notes[-1]
        == "The permafrost table of 1 of 1 boreholes is an upper bound, the top of their frozen"
        " ground (grade C at best)"
    )
    assert frozen.gains[-1].used == (1, 0)


def test_grades_in_the_config_still_exclude(tmp_path: Path) -> None:
    source = write(tmp_path, "a.csv", "C,129.1,62.1,A,0.5,0,2,60,x")
    assert read_layer_sites(BoreholesConfig(layers=(source,)), TargetConfig(), 1.0).sites[
        "used"
    ].tolist() == [True]
    strict = read_layer_sites(
        BoreholesConfig(layers=(source,), grades=("A", "B", "C")), TargetConfig(), 1.0
    ).sites
    assert strict["reason"].tolist() == [
        "grade D: too little of the 5 m below the permafrost table is covered"
    ]


def test_a_site_without_a_usable_value_is_flagged_as_left_out(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("lon,lat,vic [%]\n10,60,50\n11,95,60\n")
    table = read_sites(config(sites=SitesConfig(table=str(tmp_path / "sites.csv"), value="vic")))
    assert table.sites["used"].tolist() == [True, False]
    assert table.flags[["line", "excludes"]].to_numpy().tolist() == [[3, True]]
