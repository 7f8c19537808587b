"""Rows of a table of layers that make no sense together."""

from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes
from icemap.boreholes.readers.layer_table import read_layer_table

HEADER = "{},lon,lat,permafrost_table [m],top [m],base [m],{}\n"


def write(folder: Path, text: str) -> Path:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folder / "t.csv"


def samples(folder: Path, name: str, tops: list[tuple[float, float]]) -> Path:
    rows = [
        f"S{hole}{piece},{-134 - hole},68.9,0.5,{top},{base},40\n"
        for hole in (1, 2)
        for piece, (top, base) in enumerate(tops)
    ]
    return write(folder, HEADER.format(name, "vic [%]") + "".join(rows))


@pytest.mark.parametrize("name", ["id", "site", "ID", "Site"])
@pytest.mark.parametrize("tops", [[(0.5, 2), (2, 5.5)], [(0.6, 0.7), (1.6, 1.7), (3, 3.1)]])
def test_names_of_samples_are_no_boreholes(
    tmp_path: Path, name: str, tops: list[tuple[float, float]]
) -> None:
    path = samples(tmp_path, name, tops)
    with pytest.raises(IcemapError, match=rf"name of its own in '{name}', and at 2 places"):
        read_boreholes(path)
    assert len(read_boreholes(path, columns={"site": name})) == 2 * len(tops)


def test_holes_at_one_place_are_boreholes(tmp_path: Path) -> None:
    # They begin at the surface, all of them.
    assert len(read_boreholes(samples(tmp_path, "site", [(0.5, 2), (0.5, 5.5)]))) == 4


@pytest.mark.parametrize("sign", ['""""', '",,"', "〃", "ditto", "dto.", "''", '"-""-"'])
def test_signs_for_as_above_are_no_names(tmp_path: Path, sign: str) -> None:
    rows = f"BH1,-134,68.9,0.5,0.5,2,40\n{sign},-134,68.9,0.5,2,5.5,60\n"
    with pytest.raises(IcemapError, match=r"site is no name: .* \(line 3\)"):
        read_boreholes(write(tmp_path, HEADER.format("site", "vic [%]") + rows))


@pytest.mark.parametrize("names", ["BH-1|BH1", "BH 01|BH01", "Core_7|core7"])
def test_a_name_with_and_without_a_dash_is_one(tmp_path: Path, names: str) -> None:
    one, other = names.split("|")
    rows = f"{one},-134,68.9,0.5,0.5,2,40\n{other},-134,68.9,0.5,0.5,5.5,60\n"
    with pytest.raises(IcemapError, match="two spellings of one name"):
        read_boreholes(write(tmp_path, HEADER.format("site", "vic [%]") + rows))


def test_numbers_with_a_dash_between_are_other_names(tmp_path: Path) -> None:
    rows = "BH 1-1,-134,68.9,0.5,0.5,2,40\nBH 11,-134,68.9,0.5,0.5,5.5,60\n"
    assert len(read_boreholes(write(tmp_path, HEADER.format("site", "vic [%]") + rows))) == 2


@pytest.mark.parametrize("part", ["excess_ice", "visible_ice"])
def test_a_part_that_is_more_than_the_whole_is_asked_about(tmp_path: Path, part: str) -> None:
    rows = [f"a,-134,68.9,0.5,{top},{top + 1},{50 + top},{10 + top}\n" for top in range(1, 5)]
    header = HEADER.format("site", "{},{}")
    text = header.format(f"{part} [%]", "vic [%]") + "".join(rows)
    with pytest.raises(IcemapError, match=rf"'{part} \[%\]' is more than 'vic \[%\]' in 4 of 4"):
        read_boreholes(write(tmp_path, text))
    right = header.format("vic [%]", f"{part} [%]") + "".join(rows)
    assert read_boreholes(write(tmp_path, right))["value"].tolist() == pytest.approx([52.5])


def test_one_row_with_more_excess_ice_than_ice_leaves(tmp_path: Path) -> None:
    rows = "a,-134,68.9,0.5,0.5,2,10,40\na,-134,68.9,0.5,2,5.5,70,60\n"
    header = HEADER.format("site", "excess_ice [%],vic [%]")
    assert read_boreholes(write(tmp_path, header + rows))["value"].tolist() == [40]


@pytest.mark.parametrize("word", ["aufeis", "Icing", "river ice", "Lake ice", "snow", "наледь"])
def test_ice_above_the_ground_leaves(tmp_path: Path, word: str) -> None:
    rows = f"a,-134,68.9,0.5,0.5,2,40,\na,-134,68.9,0.5,2,5.5,100,{word}\n"
    text = HEADER.format("site", "vic [%],ice_type") + rows
    assert read_boreholes(write(tmp_path, text))["value"].tolist() == [40]


@pytest.mark.parametrize("word", ["buried lake ice", "buried aufeis", "ice lens", "icy silt"])
def test_ice_in_the_ground_stays(tmp_path: Path, word: str) -> None:
    rows = f"a,-134,68.9,0.5,0.5,2,40,\na,-134,68.9,0.5,2,5.5,60,{word}\n"
    text = HEADER.format("site", "vic [%],ice_type") + rows
    assert read_boreholes(write(tmp_path, text))["value"].tolist() == [54]


@pytest.mark.parametrize("name", ["dry_density", "frozen_bulk_density"])
def test_a_density_that_says_nothing_of_its_kind_is_told(tmp_path: Path, name: str) -> None:
    row = "a,-134,68.9,0.5,0.5,5.5,45,0.9\n"
    text = HEADER.format("site", "gravimetric_water [%],{} [g/cm3]") + row
    told = read_boreholes(
        write(tmp_path, text.format("Bulk density")), columns={name: "Bulk density"}
    )
    meant = "dry density" if name == "dry_density" else "frozen bulk density"
    assert any(f"read as {meant}" in note for note in told.attrs["notes"])
    silent = read_boreholes(write(tmp_path, text.format(name)))
    assert not any("does not say" in note for note in silent.attrs["notes"])


@pytest.mark.parametrize("words", ["below PT", "below PF", "bpt", "below pf table"])
def test_depths_below_the_permafrost_table_are_refused(tmp_path: Path, words: str) -> None:
    row = "a,-134,68.9,0.5,0.5,5.5,45\n"
    text = HEADER.format("site", "vic [%]").replace("top [m]", f"top {words} [m]") + row
    with pytest.raises(IcemapError, match="a depth below the surface, but its header says"):
        read_boreholes(write(tmp_path, text), columns={"top": f"top {words}"})


@pytest.mark.parametrize(
    "header",
    [
        "half thickness [m]",
        "dz [m]",
        "Δz [cm]",
        "Schichtdicke [m]",
        "мощность слоя [м]",
        "厚度 [m]",
        "толщина, см",
        "puissance [m]",
    ],
)
def test_a_thickness_by_another_name_makes_a_depth_no_point(tmp_path: Path, header: str) -> None:
    text = HEADER.format("site", "vic [%]").replace("top [m],base [m]", f"depth [m],{header}")
    with pytest.raises(IcemapError, match="a depth alone is a point"):
        read_boreholes(write(tmp_path, text + "a,-134,68.9,0.5,1.25,0.75,40\n"))


WET = [(85, 0.15), (70, 0.35), (60, 0.55), (80, 0.21), (75, 0.28)]
BULK = [(85, 1.0), (70, 1.1), (60, 1.2), (80, 1.02), (75, 1.08)]


def water(folder: Path, density: str, rows: list[tuple[float, float]]) -> Path:
    header = HEADER.format("site", f"gravimetric_water [%],{density} [g/cm3]")
    lines = [f"a,-134,68.9,0.5,{i},{i + 1},{w},{d}\n" for i, (w, d) in enumerate(rows)]
    return write(folder, header + "".join(lines))


@pytest.mark.parametrize(("density", "rows"), [("dry_density", WET), ("frozen_bulk_density", BULK)])
def test_water_that_fills_the_ground_by_wet_mass_alone_is_asked_about(
    tmp_path: Path, density: str, rows: list[tuple[float, float]]
) -> None:
    path = water(tmp_path, density, rows)
    with pytest.raises(IcemapError, match=r"'gravimetric_water \[%\]' by dry mass.* by wet mass"):
        read_boreholes(path)
    assert len(read_boreholes(path, units={"gravimetric_water": "%"})) == 1
    dry = [(100 * w / (100 - w), d) for w, d in rows]
    assert read_boreholes(water(tmp_path, density, dry))["value"].iloc[0] > 70


@pytest.mark.parametrize(
    "rows",
    [
        WET[:4],
        [(5, 1.8), (8, 1.9), (4, 1.7), (10, 1.6), (7, 1.75)],
        [(25, 1.5), (30, 1.4), (35, 1.35), (40, 1.3), (28, 1.45)],
        [(30, 0.15), (40, 0.2), (25, 0.1), (50, 0.2), (45, 0.3)],
    ],
)
def test_loose_and_dry_ground_is_read(tmp_path: Path, rows: list[tuple[float, float]]) -> None:
    assert len(read_boreholes(water(tmp_path, "dry_density", rows))) == 1


@pytest.mark.parametrize(
    "names", ["BH1|BH1*", "BH1|BH1 (cont.)", "BH-1|ВН-1", "BH1|BH1²", "BH 2|BH2 continued"]
)
def test_marks_and_letters_that_look_the_same_make_no_other_name(
    tmp_path: Path, names: str
) -> None:
    one, other = names.split("|")
    rows = f"{one},-134,68.9,0.5,0.5,2,40\n{other},-134,68.9,0.5,2,5.5,60\n"
    with pytest.raises(IcemapError, match="two spellings of one name"):
        read_boreholes(write(tmp_path, HEADER.format("site", "vic [%]") + rows))


@pytest.mark.parametrize("names", ["BH1|BH1a", "BH1|BH1 control", "Сква|Ckbb", "BH1|BH12"])
def test_other_names_are_other_boreholes(tmp_path: Path, names: str) -> None:
    one, other = names.split("|")
    rows = f"{one},-134,68.9,0.5,0.5,2,40\n{other},-134,68.9,0.5,0.5,5.5,60\n"
    assert len(read_boreholes(write(tmp_path, HEADER.format("site", "vic [%]") + rows))) == 2


BOTH = "gravimetric_water [%],dry_density [g/cm3],vic [%],volumetric_water [%],frozen"


def two_ways(folder: Path, *rows: str) -> Path:
    layers = (f"A,-134,68.9,0.5,{i + 0.5},{i + 1.5},{row}\n" for i, row in enumerate(rows))
    return write(folder, HEADER.format("site", BOTH) + "".join(layers))


AGREEING = ("50,1.0,54,,yes", "40,1.1,49,,yes", "80,0.7,60,,yes")


@pytest.mark.parametrize("slip", ["50,1.0,5.4,,yes", "5,1.0,54,,yes", "90,0.9,8.8,,"])
def test_a_row_of_two_ways_that_contradict_each_other_is_named(tmp_path: Path, slip: str) -> None:
    with pytest.raises(IcemapError, match=r"line 5: 'vic .* of ice, .* where 3 of 4 rows agree"):
        read_boreholes(two_ways(tmp_path, *AGREEING, slip))


def test_water_by_volume_is_compared_with_water_by_mass(tmp_path: Path) -> None:
    rows = ("50,1.0,,50,", "40,1.1,,44,", "50,1.0,,5,")
    with pytest.raises(IcemapError, match=r"line 4: 'gravimetric_water .* 'volumetric_water"):
        read_boreholes(two_ways(tmp_path, *rows))


@pytest.mark.parametrize(
    "other",
    ["50,1.0,45,,yes", "50,1.0,0,,yes", "50,1.0,5,,no", "50,1.0,,,yes", ",,5,,yes", "50,1.0,38,,"],
)
def test_two_ways_that_scatter_or_of_which_one_is_missing_are_read(
    tmp_path: Path, other: str
) -> None:
    assert len(read_boreholes(two_ways(tmp_path, *AGREEING, other))) == 1


def test_two_ways_that_mostly_disagree_are_told(tmp_path: Path) -> None:
    rows = [f"{50 + i},1.0,{20 + 3 * i},,yes" for i in range(6)]
    path = two_ways(tmp_path, *rows)
    told = read_layer_table(str(path)).flags["reason"]
    assert told.str.contains("differ by .* in half of 6 rows: the first is used").sum() == 1


FILLED = [(250, 0.3), (85, 0.75), (60, 0.95)]


@pytest.mark.parametrize("part", [(0.6, 0.9), (0.4, 1.1)])
def test_water_that_fills_the_ground_only_as_a_fraction_is_asked_about(
    tmp_path: Path, part: tuple[float, float]
) -> None:
    path = water(tmp_path, "dry_density", [*FILLED, part])
    with pytest.raises(IcemapError, match=r"line 5: 'gravimetric_water .* if it is a fraction"):
        read_boreholes(path)
    assert len(read_boreholes(path, units={"gravimetric_water": "%"})) == 1


@pytest.mark.parametrize("dry", [(0.4, 1.9), (0.6, 1.7), (0.9, 2.0), (0.0, 1.2)])
def test_dry_ground_among_others_is_read(tmp_path: Path, dry: tuple[float, float]) -> None:
    assert len(read_boreholes(water(tmp_path, "dry_density", [*FILLED, dry]))) == 1


@pytest.mark.parametrize(
    ("header", "little", "much"),
    [
        ("vic [%]", ["0", "60"], ["80", "100", ""]),
        ("gravimetric_water [%],dry_density [g/cm3]", ["40,1.3"], ["1500,0.06", ","]),
    ],
)
def test_massive_ice_that_is_little_ice_is_asked_about(
    tmp_path: Path, header: str, little: list[str], much: list[str]
) -> None:
    def table(cell: str, kind: str) -> Path:
        row = f"a,-134,68.9,0.5,0.5,5.5,{cell},{kind}\n"
        return write(tmp_path, HEADER.format("site", f"{header},ice_type") + row)

    for cell in little:
        with pytest.raises(IcemapError, match="line 2: 'ice_type' says that the layer is ice"):
            read_layer_table(str(table(cell, "wedge ice")))
        assert len(read_layer_table(str(table(cell, "pore"))).layers) == 1
    for cell in much:
        assert read_boreholes(table(cell, "massive"))["value"].tolist() == [100]
